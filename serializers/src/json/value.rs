//! Values of all types as JSON.

use super::{Key, embedded, text};
use crate::{
    column::{Bounds, Column, Map, Struct, Values},
    format::NonFinite,
    json::{JsonOptions, Nulls},
    output::Output,
    records::RowErrorCode,
    rows::{Fault, Step},
    scalar::{self, SHORT_BYTES_MAX, Scalars, Strings, Written, becomes_null, constant, is_null},
};

/// Writes values of one batch.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut Output,
    pub(crate) keys: &'a [Key],
    pub(crate) options: &'a JsonOptions,
}

/// Quoted and escaped.
pub(crate) struct JsonStrings;

impl Strings for JsonStrings {
    const QUOTED: bool = true;

    #[inline(always)]
    fn short(&self, room: &mut [u8; 9], data: &[u8], start: usize, len: usize) -> usize {
        text::write_short(room, data, start, len)
    }
}

impl Scalars for Writer<'_> {
    type Strings = JsonStrings;

    fn strings(&self) -> &JsonStrings {
        &JsonStrings
    }

    #[inline(always)]
    fn out(&mut self) -> &mut Output {
        self.out
    }

    fn non_finite(&self) -> NonFinite {
        self.options.non_finite
    }

    fn null(&mut self) {
        self.out.put(b"null", 4);
    }
}

impl Writer<'_> {
    /// Writes a row of `columns`.
    pub(crate) fn object(&mut self, columns: &Struct, row: usize) -> Written {
        if self.options.nulls == Nulls::Omitted {
            return self.object_without_nulls(columns, row);
        }
        self.members(columns, row, |_| true)
    }

    fn object_without_nulls(&mut self, columns: &Struct, row: usize) -> Written {
        let non_finite = self.options.non_finite;
        self.members(columns, row, |column| !becomes_null(column, row, non_finite))
    }

    /// Inlined, so that asking which columns are written costs nothing where all are.
    #[inline(always)]
    fn members(
        &mut self,
        columns: &Struct,
        row: usize,
        is_written: impl Fn(&Column) -> bool,
    ) -> Written {
        let start = self.out.position();
        let keys = &self.keys[columns.first..];
        for (number, (column, key)) in columns.members.iter().zip(keys).enumerate() {
            if is_written(column) {
                self.member(key, column, row)
                    .map_err(|fault| fault.at(Step::Field(columns.first + number)))?;
            }
        }
        self.close(start, b"{}");
        Ok(())
    }

    /// Writes key and value. If both are short this is one question for room and two stores.
    #[inline(always)]
    fn member(&mut self, key: &Key, column: &Column, row: usize) -> Written {
        if key.short_len == 0 {
            self.out.extend(&key.long);
        }
        let room = self.out.room::<{ 64 + SHORT_BYTES_MAX }>();
        room[..Key::SHORT_BYTES].copy_from_slice(&key.short);
        // A short key is no longer than half of this; now the compiler knows its bounds too.
        let key_len = usize::from(key.short_len & 63);
        let value_room = room[key_len..].first_chunk_mut().expect("a value follows the key");
        let len = short(value_room, column, row);
        self.out.advance(key_len + len);
        if len == 0 { self.long(column, row) } else { Ok(()) }
    }

    #[inline(always)]
    fn value(&mut self, column: &Column, row: usize) -> Written {
        let len = short(self.out.room(), column, row);
        self.out.advance(len);
        if len == 0 { self.long(column, row) } else { Ok(()) }
    }

    /// Closes an object or array whose members begin at `start`, each with a comma before it.
    #[inline]
    fn close(&mut self, start: usize, brackets: &[u8; 2]) {
        if self.out.position() == start {
            self.out.put(brackets, 2);
        } else {
            self.out.set(start, brackets[0]);
            self.out.push(brackets[1]);
        }
    }

    /// Writes a value that [`short`] left alone.
    fn long(&mut self, column: &Column, row: usize) -> Written {
        let out = &mut *self.out;
        match &column.values {
            Values::Utf8(runs) => text::write(out, runs.get(row))?,
            Values::LargeUtf8(runs) => text::write(out, runs.get(row))?,
            Values::Utf8View(array) => text::write(out, array.value(row).as_bytes())?,
            // Before the others: floats are common.
            Values::Float64(values) => return self.float(values[row]),
            Values::Json(texts) => return embedded::write(out, texts.get(row)),
            Values::List(bounds, items) => return self.array(bounds, items, row),
            Values::Struct(members) => return self.object(members, row),
            Values::Map(map) => return self.map(map, row),
            Values::Dictionary(keys, values) => return self.part(values, keys.key(row)),
            Values::Null => self.null(),
            values => return self.scalar(values, row),
        }
        Ok(())
    }

    /// Writes a value of any type; [`value`](Self::value), not inlined.
    pub(crate) fn part(&mut self, column: &Column, row: usize) -> Written {
        self.value(column, row)
    }

    fn array(&mut self, bounds: &Bounds, items: &Column, row: usize) -> Written {
        let start = self.out.position();
        let range = bounds.range(row);
        let first = range.start;
        for item in range {
            self.out.push(b',');
            self.value(items, item).map_err(|f| f.at(Step::Index(item - first)))?;
            self.out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(item - first)))?;
        }
        self.close(start, b"[]");
        Ok(())
    }

    fn map(&mut self, map: &Map, row: usize) -> Written {
        let start = self.out.position();
        let range = map.bounds.range(row);
        for (index, entry) in range.enumerate() {
            self.out.push(b',');
            self.map_key(map, entry).map_err(|f| f.at(Step::Key).at(Step::Index(index)))?;
            self.out.push(b':');
            self.part(&map.values, entry).map_err(|f| f.at(Step::Value).at(Step::Index(index)))?;
            self.out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(index)))?;
        }
        self.close(start, b"{}");
        Ok(())
    }

    /// Writes a key as text. Its type is text, integer or boolean, perhaps in a dictionary.
    fn map_key(&mut self, map: &Map, entry: usize) -> Written {
        if is_null(&map.keys, entry) {
            return Err(Fault::new(RowErrorCode::NullMapKey, "a map key must not be null"));
        }
        if map.keys_are_text {
            return self.part(&map.keys, entry);
        }
        self.out.push(b'"');
        self.part(&map.keys, entry)?;
        self.out.push(b'"');
        Ok(())
    }
}

/// Writes a value if it needs little room; returns its length, or 0 for [`Writer::long`].
#[inline(always)]
fn short(room: &mut [u8; SHORT_BYTES_MAX], column: &Column, row: usize) -> usize {
    if column.is_null(row) {
        return constant(room, b"null");
    }
    scalar::short(&JsonStrings, room, &column.values, row)
}
