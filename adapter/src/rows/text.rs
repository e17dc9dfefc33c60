//! Rows of a batch as JSON texts for people, as the engine sent them: also rows that cannot be
//! decoded or encoded.
//!
//! A text is always one JSON object, unless it had to be cut. It is made again from the batch's
//! bytes, which were decoded before. Nothing of it fails: what JSON has no value for is text (NaN,
//! decimals, dates, bytes as base64), and what nests too deep is told as bytes.
mod arrow;
mod typed;

use std::io::{self, Write as _};

use arrow_array::RecordBatch;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Carrier, Decoder, json_lines};

/// A row as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowText {
    /// JSON, or its beginning.
    pub json: String,
    /// Whether it is the beginning only.
    pub is_cut: bool,
}

impl Decoder {
    /// The texts of rows of a batch that this decoder has taken, by their indices in rising order.
    /// No text is longer than `bytes_max`, and all together not longer than `sum_bytes_max`.
    pub fn texts(
        &self,
        carrier: Carrier,
        bytes: &Bytes,
        rows: &[u32],
        bytes_max: usize,
        sum_bytes_max: usize,
    ) -> Vec<RowText> {
        let mut texts = Texts { list: Vec::with_capacity(rows.len()), bytes_max, sum_bytes_max };
        match carrier {
            Carrier::JsonLines => {
                let lines = json_lines::lines(bytes);
                each_wanted(lines, rows, |line| texts.add(|out| write_line(out, line)));
            }
            Carrier::TypedRows => {
                let plans = self.root.fields();
                let all = typed::rows(bytes);
                each_wanted(all, rows, |row| texts.add(|out| typed::write_row(out, row, plans)));
            }
            Carrier::ArrowIpc => {
                if let Some(batch) = self.ipc.read_leniently(bytes) {
                    for row in rows.iter().filter(|row| (**row as usize) < batch.num_rows()) {
                        texts.add(|out| arrow::write_row(out, &batch, *row as usize));
                    }
                }
            }
        }
        // Bytes that were taken before hold the same rows again; should they not, nothing is shown.
        texts.list.resize_with(rows.len(), || RowText { json: "{}".to_owned(), is_cut: false });
        texts.list
    }
}

/// The text of a row that was decoded, not longer than `bytes_max`.
pub fn row_text(batch: &RecordBatch, row: usize, bytes_max: usize) -> RowText {
    let mut texts = Texts { list: Vec::new(), bytes_max, sum_bytes_max: bytes_max };
    texts.add(|out| arrow::write_row(out, batch, row));
    texts.list.pop().expect("it was added")
}

/// Texts under way.
struct Texts {
    list: Vec<RowText>,
    bytes_max: usize,
    /// What is left of the sum.
    sum_bytes_max: usize,
}

impl Texts {
    fn add(&mut self, write: impl FnOnce(&mut Text) -> io::Result<()>) {
        let bytes_max = self.bytes_max.min(self.sum_bytes_max);
        let mut text = Text { json: Vec::new(), bytes_max };
        let is_cut = write(&mut text).is_err();
        let mut json = text.json;
        if let Err(error) = std::str::from_utf8(&json) {
            json.truncate(error.valid_up_to()); // cut inside a character
        }
        self.sum_bytes_max -= json.len();
        let json = String::from_utf8(json).expect("what is no text was taken off");
        self.list.push(RowText { json, is_cut });
    }
}

/// Calls `write` with those of all rows that are wanted.
fn each_wanted<'a>(
    all: impl Iterator<Item = &'a [u8]>,
    wanted: &[u32],
    mut write: impl FnMut(&'a [u8]),
) {
    let mut wanted = wanted.iter().peekable();
    for (index, row) in all.enumerate() {
        match wanted.peek() {
            None => return,
            Some(next) if **next as usize == index => {
                wanted.next();
                write(row);
            }
            Some(_) => {}
        }
    }
}

/// A text under way. Writing fails when it is full, which ends it.
pub(super) struct Text {
    json: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.bytes_max - self.json.len();
        if bytes.len() <= left {
            self.json.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.json.extend_from_slice(&bytes[..left]);
        Err(io::ErrorKind::WriteZero.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn quoted(&mut self, text: &str) -> io::Result<()> {
        serde_json::to_writer(&mut *self, text).map_err(io::Error::from)
    }

    /// The key of a member, with what stands before it.
    fn key(&mut self, is_first: bool, key: &str) -> io::Result<()> {
        self.write_all(if is_first { b"{" } else { b"," })?;
        self.quoted(key)?;
        self.write_all(b":")
    }

    fn float(&mut self, value: f64) -> io::Result<()> {
        match value {
            _ if value.is_nan() => self.write_all(b"\"NaN\""),
            f64::INFINITY => self.write_all(b"\"Infinity\""),
            f64::NEG_INFINITY => self.write_all(b"\"-Infinity\""),
            _ => serde_json::to_writer(&mut *self, &value).map_err(io::Error::from),
        }
    }

    fn base64(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(b"\"")?;
        // In pieces: most of a long value may be beyond the text's end.
        for piece in bytes.chunks(3 * 1024) {
            self.write_all(STANDARD.encode(piece).as_bytes())?;
        }
        self.write_all(b"\"")
    }
}

/// A line as it came if it is an object, and else as the text that it is.
fn write_line(out: &mut Text, line: &[u8]) -> io::Result<()> {
    let line = line.trim_ascii();
    let is_object = line.first() == Some(&b'{');
    if is_object && serde_json::from_slice::<&RawValue>(line).is_ok() {
        return out.write_all(line);
    }
    match std::str::from_utf8(line) {
        Ok(line) => {
            out.key(true, "line")?;
            out.quoted(line)?;
        }
        Err(_) => {
            out.key(true, "bytes")?;
            out.base64(line)?;
        }
    }
    out.write_all(b"}")
}

#[cfg(test)]
mod tests;
