//! Dead letters: rows that can never be written to their topic, as another topic keeps them.
use std::{borrow::Cow, ffi::CStr, sync::Arc};

use super::cause::Cause;

/// A row that can never be written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Whose it is.
    pub sender: Arc<Sender>,
    /// The row's index in its batch.
    pub row: u32,
    /// Stable code.
    pub code: &'static str,
    /// The column with the path inside it; empty if the row as a whole is at fault.
    pub column: String,
    /// For a person.
    pub reason: String,
    /// The row as JSON, or its beginning.
    pub json: String,
    /// Whether it is the beginning only.
    pub is_cut: bool,
}

/// Whose a letter is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The output's alias.
    pub output: String,
    /// The topic that the row was for.
    pub topic: String,
    /// The writer; empty for rows without one.
    pub writer: Arc<str>,
    /// The batch; 0 for rows without a writer.
    pub sequence: u64,
}

/// Makes letters of rows that the broker refused: their numbers, as those of
/// [`Rows`](super::Rows), and why.
pub type WriteLetters = Box<dyn Fn(&[u32], &Cause) -> Vec<Letter> + Send + Sync>;

/// The dead letters of rows that are submitted together.
#[derive(Default)]
pub struct Letters {
    /// Of rows that are set aside already.
    pub made: Vec<Letter>,
    /// Makes those of rows that the broker refuses; `None` where such rows have none.
    pub later: Option<WriteLetters>,
}

impl Letters {
    /// Room that they take: librdkafka has copies of them while they are on their way.
    pub fn room_bytes(&self) -> u64 {
        2 * self.made.iter().map(|letter| letter.bytes() as u64).sum::<u64>()
    }
}

/// What a header costs in a record beside its name and value, at most.
const HEADER_OVERHEAD_BYTES: usize = 8;

/// What stands around the beginning of a row that is too long for a record.
const CUT: (&str, &str) = ("{\"cut\":", "}");

impl Letter {
    /// Its headers: names and values.
    pub fn headers(&self) -> impl Iterator<Item = (&'static CStr, Cow<'_, str>)> {
        let Self { sender, row, code, column, reason, .. } = self;
        [
            (c"kafka-output.output", sender.output.as_str().into()),
            (c"kafka-output.topic", sender.topic.as_str().into()),
            (c"kafka-output.writer", Cow::from(&*sender.writer)),
            (c"kafka-output.sequence", sender.sequence.to_string().into()),
            (c"kafka-output.row", row.to_string().into()),
            (c"kafka-output.code", (*code).into()),
            (c"kafka-output.column", column.as_str().into()),
            (c"kafka-output.reason", reason.as_str().into()),
        ]
        .into_iter()
    }

    /// The value of its record, which with its headers takes no more than `bytes_max` bytes: the
    /// row, or an object with the row's beginning as text if it is too long.
    pub fn value(&self, bytes_max: usize) -> Cow<'_, str> {
        let left = bytes_max.saturating_sub(self.headers_bytes());
        if !self.is_cut && self.json.len() <= left {
            return self.json.as_str().into();
        }
        let (before, after) = CUT;
        let left = left.saturating_sub(before.len() + after.len() + 2);
        // As many characters as fit once they are escaped.
        let mut end = self.json.floor_char_boundary(left);
        let quoted = loop {
            let quoted = serde_json::Value::from(&self.json[..end]).to_string();
            match quoted.len().saturating_sub(2 + left) {
                0 => break quoted,
                // Each byte that is taken off frees one at least.
                more => end = self.json.floor_char_boundary(end.saturating_sub(more.div_ceil(2))),
            }
            if end == 0 {
                break "\"\"".to_owned();
            }
        };
        format!("{before}{quoted}{after}").into()
    }

    fn headers_bytes(&self) -> usize {
        let bytes = |(name, value): (&CStr, Cow<'_, str>)| {
            name.to_bytes().len() + value.len() + HEADER_OVERHEAD_BYTES
        };
        self.headers().map(bytes).sum()
    }

    /// Bytes that it takes in memory, about.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.column.len() + self.reason.len() + self.json.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(json: &str) -> Letter {
        let (column, reason) = ("a.b[3]".to_owned(), "the value is null".to_owned());
        Letter {
            sender: Arc::default(),
            row: 7,
            code: "NULL_IN_REQUIRED",
            column,
            reason,
            json: json.to_owned(),
            is_cut: false,
        }
    }

    #[test]
    fn a_row_that_is_too_long_is_cut_to_what_fits() {
        let rows = [
            format!("{{\"a\":\"{}\"}}", "é".repeat(1_000)),
            format!("{{\"a\":\"{}\"}}", "\\n\\\\".repeat(1_000)),
            format!("{{\"a\":\"{}\"}}", "x".repeat(3_000)),
        ];
        for json in rows {
            let letter = letter(&json);
            let headers = letter.headers_bytes();
            assert_eq!(letter.value(headers + json.len()), json);
            for bytes_max in [headers + json.len() - 1, headers + 1_000, headers + 20] {
                let value = letter.value(bytes_max);
                assert!(headers + value.len() <= bytes_max, "{} of {bytes_max}", value.len());
                let value: serde_json::Value = serde_json::from_str(&value).expect("it is JSON");
                assert!(json.starts_with(value["cut"].as_str().expect("it is text")));
            }
        }
    }

    #[test]
    fn what_was_cut_before_says_so() {
        let letter = Letter { is_cut: true, ..letter("{\"a\":1") };
        assert_eq!(letter.value(10_000), "{\"cut\":\"{\\\"a\\\":1\"}");
    }
}
