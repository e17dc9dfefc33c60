//! Values of all types as JSON.

use arrow_schema::TimeUnit;
use base64::{Engine, encoded_len, prelude::BASE64_STANDARD};

use super::{Key, embedded, text};
use crate::{
    column::{Bounds, Column, Map, Struct, Timestamps, Values},
    format::{JsonOptions, NonFinite},
    number,
    output::Output,
    records::RowErrorCode,
    rows::{Fault, Step},
    time::{self, Day},
};

type Written = Result<(), Box<Fault>>;

/// Writes values of one batch.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Output,
    pub(super) keys: &'a [Key],
    pub(super) options: &'a JsonOptions,
}

impl Writer<'_> {
    /// Writes a row of `columns`.
    pub(super) fn object(&mut self, columns: &Struct, row: usize) -> Written {
        let start = self.out.position();
        let keys = &self.keys[columns.first..];
        for (number, (column, key)) in columns.members.iter().zip(keys).enumerate() {
            self.member(key, column, row)
                .map_err(|fault| fault.at(Step::Field(columns.first + number)))?;
        }
        self.close(start, b"{}", columns.members.is_empty());
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
    fn close(&mut self, start: usize, brackets: &[u8; 2], empty: bool) {
        if empty {
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
            Values::Null
            | Values::Boolean(_)
            | Values::Int8(_)
            | Values::Int16(_)
            | Values::Int32(_)
            | Values::Int64(_)
            | Values::UInt8(_)
            | Values::UInt16(_)
            | Values::UInt32(_)
            | Values::UInt64(_) => unreachable!("these are always short"),
            Values::Float16(values) => return self.float(values[row].to_f32()),
            Values::Float32(values) => return self.float(values[row]),
            Values::Float64(values) => return self.float(values[row]),
            Values::Decimal32(values, scale) => number::decimal(out, values[row].into(), *scale),
            Values::Decimal64(values, scale) => number::decimal(out, values[row].into(), *scale),
            Values::Decimal128(values, scale) => number::decimal(out, values[row], *scale),
            Values::Decimal256(values, scale) => number::decimal256(out, values[row], *scale),
            Values::Date32(values) => return self.date(values[row].into()),
            Values::Date64(values) => return self.date(time::day_of_milliseconds(values[row])),
            Values::Time32(values, unit) => return self.time(values[row].into(), *unit),
            Values::Time64(values, unit) => return self.time(values[row], *unit),
            // A day that can be written is short.
            Values::Timestamp(_) => return Err(year_out_of_range()),
            Values::Utf8(runs) => text::write(out, runs.get(row))?,
            Values::LargeUtf8(runs) => text::write(out, runs.get(row))?,
            Values::Utf8View(array) => text::write(out, array.value(row).as_bytes())?,
            Values::Binary(runs) => return self.binary(runs.get(row)),
            Values::LargeBinary(runs) => return self.binary(runs.get(row)),
            Values::BinaryView(array) => return self.binary(array.value(row)),
            Values::FixedSizeBinary(array) => return self.binary(array.value(row)),
            Values::Json(texts) => return embedded::write(out, texts.get(row)),
            Values::List(bounds, items) => return self.array(bounds, items, row),
            Values::Struct(members) => return self.object(members, row),
            Values::Map(map) => return self.map(map, row),
            Values::Dictionary(keys, values) => return self.part(values, keys.get(row)),
        }
        Ok(())
    }

    /// [`value`](Self::value), not inlined.
    fn part(&mut self, column: &Column, row: usize) -> Written {
        self.value(column, row)
    }

    fn array(&mut self, bounds: &Bounds, items: &Column, row: usize) -> Written {
        let start = self.out.position();
        let range = bounds.range(row);
        let first = range.start;
        for item in range.clone() {
            self.out.push(b',');
            self.value(items, item).map_err(|f| f.at(Step::Index(item - first)))?;
            self.out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(item - first)))?;
        }
        self.close(start, b"[]", range.is_empty());
        Ok(())
    }

    fn map(&mut self, map: &Map, row: usize) -> Written {
        let start = self.out.position();
        let range = map.bounds.range(row);
        for (index, entry) in range.clone().enumerate() {
            self.out.push(b',');
            self.map_key(map, entry).map_err(|f| f.at(Step::Key).at(Step::Index(index)))?;
            self.out.push(b':');
            self.part(&map.values, entry).map_err(|f| f.at(Step::Value).at(Step::Index(index)))?;
            self.out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(index)))?;
        }
        self.close(start, b"{}", range.is_empty());
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

    #[inline]
    fn float<F: zmij::Float + Into<f64> + Copy>(&mut self, value: F) -> Written {
        let wide = value.into();
        if wide.is_finite() {
            number::float(self.out, value);
            return Ok(());
        }
        let name: &[u8] = if wide.is_nan() {
            b"\"NaN\""
        } else if wide > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        };
        match self.options.non_finite {
            NonFinite::Null => self.out.put(b"null", 4),
            NonFinite::String => self.out.extend(name),
            NonFinite::Error => {
                let reason = "the value is NaN or infinite, for which JSON has no number";
                return Err(Fault::new(RowErrorCode::NonFinite, reason));
            }
        }
        Ok(())
    }

    fn date(&mut self, day: i64) -> Written {
        let day = Day::new(day).ok_or_else(year_out_of_range)?;
        self.out.push(b'"');
        self.out.put(day.text(), day.text().len());
        self.out.push(b'"');
        Ok(())
    }

    fn time(&mut self, value: i64, unit: TimeUnit) -> Written {
        self.out.push(b'"');
        let len = time::time_of_day(self.out.room(), value, unit).ok_or_else(|| {
            Fault::new(RowErrorCode::OutOfRange, "the time of day is not within a day")
        })?;
        self.out.advance(len);
        self.out.push(b'"');
        Ok(())
    }

    fn binary(&mut self, bytes: &[u8]) -> Written {
        let len = encoded_len(bytes.len(), true).expect("4/3 of what is in memory fits a usize");
        self.out.check(len)?;
        self.out.push(b'"');
        let room = self.out.room_of(len);
        BASE64_STANDARD.encode_slice(bytes, room).expect("the room is as long as the text");
        self.out.advance(len);
        self.out.push(b'"');
        Ok(())
    }
}

/// The room that the short values need: a timestamp in quotes.
const SHORT_BYTES_MAX: usize = time::TEXT_BYTES_MAX + 2;

/// Writes a value if it is of the common kinds that need little room; returns its length, or 0 for
/// [`Writer::long`] to write it or say what is wrong.
#[inline(always)]
fn short(room: &mut [u8; SHORT_BYTES_MAX], column: &Column, row: usize) -> usize {
    if column.is_null(row) {
        return constant(room, b"null");
    }
    match &column.values {
        Values::Null => constant(room, b"null"),
        Values::Boolean(values) if values.value(row) => constant(room, b"true"),
        Values::Boolean(_) => constant(room, b"false"),
        Values::Int8(values) => number::signed(start(room), values[row].into()),
        Values::Int16(values) => number::signed(start(room), values[row].into()),
        Values::Int32(values) => number::signed(start(room), values[row].into()),
        Values::Int64(values) => number::signed(start(room), values[row]),
        Values::UInt8(values) => number::unsigned(start(room), values[row].into()),
        Values::UInt16(values) => number::unsigned(start(room), values[row].into()),
        Values::UInt32(values) => number::unsigned(start(room), values[row].into()),
        Values::UInt64(values) => number::unsigned(start(room), values[row]),
        Values::Utf8(runs) => {
            let range = runs.range(row);
            text::write_short(start(room), runs.data, range.start, range.len())
        }
        Values::LargeUtf8(runs) => {
            let range = runs.range(row);
            text::write_short(start(room), runs.data, range.start, range.len())
        }
        Values::Timestamp(values) => timestamp(room, values, row),
        _ => 0,
    }
}

#[inline(always)]
fn constant<const N: usize>(room: &mut [u8; SHORT_BYTES_MAX], text: &[u8; N]) -> usize {
    *start(room) = *text;
    N
}

#[inline(always)]
fn start<const N: usize>(room: &mut [u8; SHORT_BYTES_MAX]) -> &mut [u8; N] {
    room.first_chunk_mut().expect("short values are shorter than their room")
}

fn timestamp(room: &mut [u8; SHORT_BYTES_MAX], values: &Timestamps, row: usize) -> usize {
    let mut day = values.day.get();
    let text = room[1..].first_chunk_mut().expect("the text is shorter than the room");
    let len = time::timestamp(text, values.values[row], values.unit, values.utc, &mut day);
    let Some(len) = len else { return 0 };
    values.day.set(day);
    room[0] = b'"';
    room[len + 1] = b'"';
    len + 2
}

#[cold]
fn year_out_of_range() -> Box<Fault> {
    Fault::new(RowErrorCode::OutOfRange, "the year is not within 0000 to 9999")
}

/// Whether a value is null, or the value of its key in a dictionary.
fn is_null(column: &Column, row: usize) -> bool {
    column.is_null(row)
        || match &column.values {
            Values::Dictionary(keys, values) => is_null(values, keys.get(row)),
            _ => false,
        }
}
