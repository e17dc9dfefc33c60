//! What is wrong with a row, gathered on the way out of the value at fault.

use super::{BadRow, DecodeError};

/// The stable codes of bad rows.
pub mod code {
    /// A null, or no value at all, for a required column.
    pub const NULL_IN_REQUIRED: &str = "NULL_IN_REQUIRED";
    /// More or fewer values than the schema or the record has columns.
    pub const ROW_WIDTH: &str = "ROW_WIDTH";
    /// A value of a kind that the column does not take.
    pub const TYPE_MISMATCH: &str = "TYPE_MISMATCH";
    /// A value of the right kind that the column's type cannot hold exactly.
    pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
    /// A JSON key that is no column.
    pub const UNKNOWN_COLUMN: &str = "UNKNOWN_COLUMN";
    /// A JSON key that stands twice in its object.
    pub const DUPLICATE_COLUMN: &str = "DUPLICATE_COLUMN";
    /// A line that is not JSON.
    pub const INVALID_JSON: &str = "INVALID_JSON";
}

/// A way into a value.
#[derive(Debug)]
pub(super) enum Step {
    /// To a column, or a field of a record.
    Field(String),
    /// To an element of a list, or an entry of a map.
    Item(usize),
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// From the value outwards, since it is gathered on the way out.
    pub(super) path: Vec<Step>,
}

impl Fault {
    pub(super) fn at_row(self, row: u32) -> BadRow {
        BadRow { row, column: column(&self.path), code: self.code, reason: self.reason }
    }
}

/// A path as `a.b[3]`.
pub(super) fn column(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path.iter().rev() {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Item(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Why a value cannot be taken: the row is bad, or the whole batch.
///
/// Boxed, so that the result of the calls on the way of every good value fits in registers.
#[derive(Debug)]
pub(super) enum Trouble {
    Row(Box<Fault>),
    Batch(Box<DecodeError>),
}

impl Trouble {
    pub(super) fn row(code: &'static str, reason: String) -> Self {
        Self::Row(Box::new(Fault { code, reason, path: Vec::new() }))
    }

    pub(super) fn batch(error: DecodeError) -> Self {
        Self::Batch(Box::new(error))
    }

    /// The same, seen from outside the field `name`.
    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        if let Self::Row(fault) = &mut self {
            fault.path.push(Step::Field(name.to_owned()));
        }
        self
    }

    /// The same, seen from outside the list.
    #[cold]
    pub(super) fn in_item(mut self, index: usize) -> Self {
        if let Self::Row(fault) = &mut self {
            fault.path.push(Step::Item(index));
        }
        self
    }
}

/// The result of taking a value.
pub(super) type Taken = Result<(), Trouble>;

/// The start of a text, for messages: long enough to recognise it by.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
