//! Single values as text, for the formats that are text: what JSON and CSV have in common.

use arrow_schema::TimeUnit;
use base64::{Engine, encoded_len, prelude::BASE64_STANDARD};

use crate::{
    column::{Column, Timestamps, Values},
    format::NonFinite,
    number,
    output::Output,
    records::RowErrorCode,
    rows::Fault,
    style::Styled,
    time::{self, Day},
};

pub(crate) type Written = Result<(), Box<Fault>>;

/// The room that the short values need: a timestamp in quotes.
pub(crate) const SHORT_BYTES_MAX: usize = time::TEXT_BYTES_MAX + 2;

/// How a format writes strings, as far as that concerns the [`short`] ones.
pub(crate) trait Strings {
    /// Whether dates, times and base64 stand in quotes.
    const QUOTED: bool;

    /// Whether a single quote goes before what a spreadsheet may take for a formula.
    fn guards_formulas(&self) -> bool {
        false
    }

    /// Writes the `len` bytes of `data` from `start` on, if they are fewer than eight and nothing
    /// is special about them; returns the length of what was written, or 0.
    fn short(&self, room: &mut [u8; 9], data: &[u8], start: usize, len: usize) -> usize;
}

/// Writes a value, which is not null, if it is of the common kinds that need little room; returns
/// its length, or 0 for the format to write it or say what is wrong.
#[inline(always)]
pub(crate) fn short<S: Strings>(
    strings: &S,
    room: &mut [u8; SHORT_BYTES_MAX],
    values: &Values,
    row: usize,
) -> usize {
    match values {
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
            strings.short(start(room), runs.data, range.start, range.len())
        }
        Values::LargeUtf8(runs) => {
            let range = runs.range(row);
            strings.short(start(room), runs.data, range.start, range.len())
        }
        Values::Timestamp(values) => timestamp::<S>(room, values, row),
        _ => 0,
    }
}

#[inline(always)]
pub(crate) fn constant<const N: usize>(room: &mut [u8; SHORT_BYTES_MAX], text: &[u8; N]) -> usize {
    *start(room) = *text;
    N
}

#[inline(always)]
fn start<const N: usize>(room: &mut [u8; SHORT_BYTES_MAX]) -> &mut [u8; N] {
    room.first_chunk_mut().expect("short values are shorter than their room")
}

fn timestamp<S: Strings>(
    room: &mut [u8; SHORT_BYTES_MAX],
    values: &Timestamps,
    row: usize,
) -> usize {
    let quote = usize::from(S::QUOTED);
    let mut day = values.day.get();
    let text = room[quote..].first_chunk_mut().expect("the text is shorter than the room");
    let len = time::timestamp(text, values.values[row], values.unit, values.utc, &mut day);
    let Some(len) = len else { return 0 };
    values.day.set(day);
    if S::QUOTED {
        room[0] = b'"';
        room[len + 1] = b'"';
    }
    len + 2 * quote
}

/// Writes the values that are not short, and are not text or nested: those that all formats of
/// text write alike.
pub(crate) trait Scalars {
    /// How the format writes strings.
    type Strings: Strings;

    fn strings(&self) -> &Self::Strings;

    fn out(&mut self) -> &mut Output;

    /// What becomes of NaN and the infinities.
    fn non_finite(&self) -> NonFinite;

    /// Writes a null.
    fn null(&mut self);

    /// Writes a value of the kinds that this trait knows.
    fn scalar(&mut self, values: &Values, row: usize) -> Written {
        let out = self.out();
        match values {
            Values::Float16(values) => return self.float(values[row].to_f32()),
            Values::Float32(values) => return self.float(values[row]),
            Values::Float64(values) => return self.float(values[row]),
            Values::Decimal32(values, of) => number::decimal(out, values[row].into(), *of)?,
            Values::Decimal64(values, of) => number::decimal(out, values[row].into(), *of)?,
            Values::Decimal128(values, of) => number::decimal(out, values[row], *of)?,
            Values::Decimal256(values, of) => number::decimal256(out, values[row], *of)?,
            Values::Date32(values) => return self.date(values[row].into()),
            Values::Date64(values) => return self.date_of_milliseconds(values[row]),
            Values::Time32(values, unit) => return self.time(values[row].into(), *unit),
            Values::Time64(values, unit) => return self.time(values[row], *unit),
            // A day that can be written is short.
            Values::Timestamp(_) => return Err(year_out_of_range()),
            Values::Binary(runs) => return self.binary(runs.get(row)),
            Values::LargeBinary(runs) => return self.binary(runs.get(row)),
            Values::BinaryView(array) => return self.binary(array.value(row)),
            Values::FixedSizeBinary(array) => return self.binary(array.value(row)),
            Values::Styled(styled) => return self.styled(styled, row),
            Values::Null
            | Values::Boolean(_)
            | Values::Int8(_)
            | Values::Int16(_)
            | Values::Int32(_)
            | Values::Int64(_)
            | Values::UInt8(_)
            | Values::UInt16(_)
            | Values::UInt32(_)
            | Values::UInt64(_) => unreachable!("these are null or short"),
            Values::Utf8(_)
            | Values::LargeUtf8(_)
            | Values::Utf8View(_)
            | Values::Json(_)
            | Values::List(..)
            | Values::Struct(_)
            | Values::Map(_)
            | Values::Dictionary(..) => unreachable!("every format writes these itself"),
        }
        Ok(())
    }

    /// Writes a quote, where the format has quotes around what is no number.
    #[inline(always)]
    fn quote(&mut self) {
        if Self::Strings::QUOTED {
            self.out().push(b'"');
        }
    }

    #[inline]
    fn float<F: zmij::Float + Into<f64> + Copy>(&mut self, value: F) -> Written {
        let wide = value.into();
        if wide.is_finite() {
            number::float(self.out(), value);
            return Ok(());
        }
        match self.non_finite() {
            NonFinite::Null => self.null(),
            NonFinite::String => {
                self.quote();
                self.out().extend(if wide.is_nan() {
                    b"NaN"
                } else if wide > 0.0 {
                    b"Infinity"
                } else {
                    b"-Infinity"
                });
                self.quote();
            }
            NonFinite::Error => {
                let reason = "the value is NaN or infinite, for which the format has no number";
                return Err(Fault::new(RowErrorCode::NonFinite, reason));
            }
        }
        Ok(())
    }

    fn date(&mut self, day: i64) -> Written {
        let day = Day::new(day).ok_or_else(year_out_of_range)?;
        self.quote();
        self.out().put(day.text(), day.text().len());
        self.quote();
        Ok(())
    }

    fn date_of_milliseconds(&mut self, value: i64) -> Written {
        let (day, of_day) = time::day_of_milliseconds(value);
        self.date(day)?;
        if of_day != 0 {
            let reason = "the date has a time of day, which a date cannot hold";
            return Err(Fault::new(RowErrorCode::Inexact, reason));
        }
        Ok(())
    }

    fn time(&mut self, value: i64, unit: TimeUnit) -> Written {
        self.quote();
        let out = self.out();
        let len = time::time_of_day(out.room(), value, unit).ok_or_else(|| {
            Fault::new(RowErrorCode::OutOfRange, "the time of day is not within a day")
        })?;
        out.advance(len);
        self.quote();
        Ok(())
    }

    fn binary(&mut self, bytes: &[u8]) -> Written {
        if bytes.is_empty() {
            // In quotes everywhere: without them it would be CSV's null.
            self.out().put(b"\"\"", 2);
            return Ok(());
        }
        let len = encoded_len(bytes.len(), true).expect("4/3 of what is in memory fits a usize");
        self.out().check(len)?;
        self.quote();
        // A first digit of 62 is a plus sign.
        if self.strings().guards_formulas() && bytes[0] >> 2 == 62 {
            self.out().push(b'\'');
        }
        let out = self.out();
        let room = out.room_of(len);
        BASE64_STANDARD.encode_slice(bytes, room).expect("the room is as long as the text");
        out.advance(len);
        self.quote();
        Ok(())
    }

    fn styled(&mut self, styled: &Styled, row: usize) -> Written {
        match styled {
            Styled::Quoted(values) => {
                self.out().push(b'"');
                let mut room = [0; SHORT_BYTES_MAX];
                let len = short(self.strings(), &mut room, values, row);
                self.out().put(&room, len);
                if len == 0 {
                    self.scalar(values, row)?;
                }
                self.out().push(b'"');
            }
            Styled::Iso7(times) => {
                self.quote();
                let mut day = times.day.get();
                let out = self.out();
                let (value, room) = (times.values[row], out.room());
                let len = time::timestamp7(room, value, times.unit, times.utc, &mut day)
                    .ok_or_else(year_out_of_range)?;
                out.advance(len);
                times.day.set(day);
                self.quote();
            }
            Styled::Epoch(values, scale) => {
                let value = scale.apply(values[row]).ok_or_else(|| {
                    let reason = "the timestamp is beyond 64 bits in the unit of the output";
                    Fault::new(RowErrorCode::OutOfRange, reason)
                })?;
                let out = self.out();
                let len = number::signed(out.room(), value);
                out.advance(len);
            }
        }
        Ok(())
    }
}

#[cold]
fn year_out_of_range() -> Box<Fault> {
    Fault::new(RowErrorCode::OutOfRange, "the year is not within 0000 to 9999")
}

/// Whether a value is null, or the value of its key in a dictionary.
pub(crate) fn is_null(column: &Column, row: usize) -> bool {
    column.is_null(row)
        || match &column.values {
            Values::Null => true,
            Values::Dictionary(keys, values) => is_null(values, keys.key(row)),
            _ => false,
        }
}

/// Whether a value is null, or a float that becomes null.
pub(crate) fn becomes_null(column: &Column, row: usize, non_finite: NonFinite) -> bool {
    if column.is_null(row) {
        return true;
    }
    let finite = match &column.values {
        Values::Null => return true,
        Values::Dictionary(keys, values) => {
            return becomes_null(values, keys.key(row), non_finite);
        }
        Values::Float16(values) => values[row].is_finite(),
        Values::Float32(values) => values[row].is_finite(),
        Values::Float64(values) => values[row].is_finite(),
        _ => true,
    };
    !finite && non_finite == NonFinite::Null
}
