//! Rows of values as CSV.

use super::text::{self, CsvStrings};
use crate::{
    column::{Column, Struct, Values},
    format::NonFinite,
    json::{self, JsonOptions, Key},
    output::Output,
    rows::Step,
    scalar::{self, SHORT_BYTES_MAX, Scalars, Written, becomes_null},
};

/// The text for null, stored whole whatever its length.
#[derive(Debug)]
pub(super) struct Null {
    text: [u8; SHORT_BYTES_MAX],
    len: usize,
}

impl Null {
    pub(super) fn new(text: &str) -> Self {
        let mut null = Self { text: [0; SHORT_BYTES_MAX], len: text.len() };
        null.text[..text.len()].copy_from_slice(text.as_bytes());
        null
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// What a line of CSV looks like.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) strings: CsvStrings,
    pub(super) null: Null,
    /// Whether a value may read as the null text and must be quoted then.
    pub(super) null_is_text: bool,
    /// For values within JSON.
    pub(super) json: JsonOptions,
    /// The keys of fields within JSON.
    pub(super) keys: Vec<Key>,
}

/// Writes values of one batch.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Output,
    pub(super) line: &'a Line,
}

impl Scalars for Writer<'_> {
    type Strings = CsvStrings;

    fn strings(&self) -> &CsvStrings {
        &self.line.strings
    }

    #[inline(always)]
    fn out(&mut self) -> &mut Output {
        self.out
    }

    fn non_finite(&self) -> NonFinite {
        self.line.json.non_finite
    }

    fn null(&mut self) {
        self.out.put(&self.line.null.text, self.line.null.len);
    }
}

impl Writer<'_> {
    /// Writes a row of `columns`, of which there is one at least.
    pub(super) fn row(&mut self, columns: &Struct, row: usize) -> Written {
        if self.line.null_is_text {
            self.fields(columns, |writer, column| writer.field_or_null_text(column, row))?;
        } else {
            self.fields(columns, |writer, column| writer.field(column, row))?;
        }
        // The delimiter behind the last.
        self.out.take_back(self.out.position() - 1);
        Ok(())
    }

    #[inline(always)]
    fn fields(
        &mut self,
        columns: &Struct,
        write: impl Fn(&mut Self, &Column) -> Written,
    ) -> Written {
        for (number, column) in columns.members.iter().enumerate() {
            write(self, column).map_err(|fault| fault.at(Step::Field(columns.first + number)))?;
        }
        Ok(())
    }

    /// Writes a value and the delimiter behind it. If it is short this is one question for room
    /// and two stores.
    #[inline(always)]
    fn field(&mut self, column: &Column, row: usize) -> Written {
        let delimiter = self.line.strings.delimiter;
        let room = self.out.room::<64>();
        let value_room: &mut [u8; SHORT_BYTES_MAX] =
            room.first_chunk_mut().expect("a short value is shorter");
        let len = if column.is_null(row) {
            *value_room = self.line.null.text;
            self.line.null.len & 63
        } else {
            let len = scalar::short(&self.line.strings, value_room, &column.values, row);
            if len == 0 {
                self.long(column, row)?;
                self.out.push(delimiter);
                return Ok(());
            }
            len
        };
        room[len] = delimiter;
        self.out.advance(len + 1);
        Ok(())
    }

    /// As [`field`](Self::field), where a value may read as the null text.
    fn field_or_null_text(&mut self, column: &Column, row: usize) -> Written {
        let start = self.out.position();
        if becomes_null(column, row, self.non_finite()) {
            self.null();
        } else {
            self.value(column, row)?;
            if self.out.written(start) == self.line.null.as_bytes() {
                text::quote_written(self.out, start)?;
            }
        }
        self.out.push(self.line.strings.delimiter);
        Ok(())
    }

    /// Writes a value of any type.
    fn value(&mut self, column: &Column, row: usize) -> Written {
        if column.is_null(row) {
            self.null();
            return Ok(());
        }
        let len = scalar::short(&self.line.strings, self.out.room(), &column.values, row);
        self.out.advance(len);
        if len == 0 { self.long(column, row) } else { Ok(()) }
    }

    /// Writes a value that is not null and not short.
    fn long(&mut self, column: &Column, row: usize) -> Written {
        match &column.values {
            // Before the others: floats are common.
            Values::Float64(values) => self.float(values[row]),
            Values::Utf8(runs) => self.text(runs.get(row)),
            Values::LargeUtf8(runs) => self.text(runs.get(row)),
            Values::Utf8View(array) => self.text(array.value(row).as_bytes()),
            Values::Dictionary(keys, values) => self.value(values, keys.key(row)),
            Values::Json(_) | Values::List(..) | Values::Struct(_) | Values::Map(_) => {
                self.json(column, row)
            }
            Values::Null => {
                self.null();
                Ok(())
            }
            values => self.scalar(values, row),
        }
    }

    fn text(&mut self, text: &[u8]) -> Written {
        Ok(self.line.strings.write(self.out, text)?)
    }

    fn json(&mut self, column: &Column, row: usize) -> Written {
        let Line { keys, json, .. } = self.line;
        let start = self.out.position();
        json::Writer { out: self.out, keys, options: json }.part(column, row)?;
        Ok(text::quote_written(self.out, start)?)
    }
}
