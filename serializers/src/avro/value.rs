//! Values of all types as Avro.

use super::{
    bind::{Bound, Decimals, Fields, Map, Op},
    varint,
};
use crate::{
    column::{Bounds, Column, Values},
    number,
    output::Output,
    records::RowErrorCode,
    rows::{Fault, Step},
};

type Written = Result<(), Box<Fault>>;

/// The text that is copied whole, whatever its length: two vector registers.
const TEXT_BYTES: usize = 32;

/// The room that the short values need: a text with its length of one byte.
const SHORT_BYTES_MAX: usize = TEXT_BYTES + 1;

/// Writes the fields of a row.
pub(super) fn record(out: &mut Output, fields: &Fields, row: usize) -> Written {
    for (number, field) in fields {
        value(out, field, row).map_err(|fault| match number {
            Some(number) => fault.at(Step::Field(*number)),
            // What is too large with a constant is the record around it.
            None => fault,
        })?;
    }
    Ok(())
}

/// Writes a value with its branch. If it is short this is one question for room and two stores.
#[inline(always)]
fn value(out: &mut Output, bound: &Bound, row: usize) -> Written {
    if bound.is_null(row) {
        return null(out, bound);
    }
    let room = out.room::<{ 4 + SHORT_BYTES_MAX }>();
    room[..2].copy_from_slice(&bound.tag.bytes);
    // A tag is no longer than two bytes; now the compiler knows it too.
    let tag_len = usize::from(bound.tag.len & 3);
    let value_room = room[tag_len..].first_chunk_mut().expect("a value follows its branch");
    let len = short(value_room, &bound.op, row);
    out.advance(tag_len + len);
    if len == 0 { long(out, &bound.op, row) } else { Ok(()) }
}

/// [`value`], not inlined.
fn part(out: &mut Output, bound: &Bound, row: usize) -> Written {
    value(out, bound, row)
}

#[inline]
fn null(out: &mut Output, bound: &Bound) -> Written {
    let Some(tag) = bound.null else {
        return Err(Fault::new(
            RowErrorCode::NullValue,
            "the value is null, which the schema does not allow",
        ));
    };
    out.put(&tag.bytes, tag.len.into());
    Ok(())
}

/// Writes a value if it is of the common kinds that need little room; returns its length, or 0 for
/// [`long`] to write it or say what is wrong.
#[inline(always)]
fn short(room: &mut [u8; SHORT_BYTES_MAX], op: &Op, row: usize) -> usize {
    match op {
        Op::Boolean(values) => {
            room[0] = values.value(row).into();
            1
        }
        Op::Int8(values) => varint::write(start(room), values[row].into()),
        Op::Int16(values) => varint::write(start(room), values[row].into()),
        Op::Int32(values) => varint::write(start(room), values[row].into()),
        Op::Int64(values) => varint::write(start(room), values[row]),
        Op::UInt8(values) => varint::write(start(room), values[row].into()),
        Op::UInt16(values) => varint::write(start(room), values[row].into()),
        Op::UInt32(values) => varint::write(start(room), values[row].into()),
        Op::Float32(values) => {
            *start(room) = values[row].to_le_bytes();
            4
        }
        Op::Float64(values) => {
            *start(room) = values[row].to_le_bytes();
            8
        }
        Op::Small(runs) => {
            let range = runs.range(row);
            let len = range.len();
            // Read from the column's data, whatever may stand behind the text.
            match runs.data.get(range.start..).and_then(<[u8]>::first_chunk::<TEXT_BYTES>) {
                Some(bytes) if len <= TEXT_BYTES => {
                    // The zigzag of a length below 64 is twice the length.
                    room[0] = (2 * len) as u8;
                    room[1..].copy_from_slice(bytes);
                    1 + len
                }
                _ => 0,
            }
        }
        _ => 0,
    }
}

#[inline(always)]
fn start<const N: usize>(room: &mut [u8; SHORT_BYTES_MAX]) -> &mut [u8; N] {
    room.first_chunk_mut().expect("short values are shorter than their room")
}

/// Writes a value that [`short`] left alone.
fn long(out: &mut Output, op: &Op, row: usize) -> Written {
    match op {
        Op::Null => {}
        Op::Boolean(_)
        | Op::Int8(_)
        | Op::Int16(_)
        | Op::Int32(_)
        | Op::Int64(_)
        | Op::UInt8(_)
        | Op::UInt16(_)
        | Op::UInt32(_)
        | Op::Float32(_)
        | Op::Float64(_) => unreachable!("these are always short"),
        Op::Constant(bytes) => fixed(out, bytes)?,
        Op::Checked(values, check) => integer(out, check.apply(values.get(row))?),
        Op::Float16(values) => out.put(&values[row].to_f32().to_le_bytes(), 4),
        Op::Float16AsDouble(values) => out.put(&values[row].to_f64().to_le_bytes(), 8),
        Op::Float32AsDouble(values) => out.put(&f64::from(values[row]).to_le_bytes(), 8),
        Op::IntegerAsFloat(values) => {
            let value = values.get(row);
            let float = value as f32;
            exact(value, float as i128)?;
            out.put(&float.to_le_bytes(), 4);
        }
        Op::IntegerAsDouble(values) => {
            let value = values.get(row);
            let double = value as f64;
            exact(value, double as i128)?;
            out.put(&double.to_le_bytes(), 8);
        }
        Op::Decimal(Decimals::Integers(values), of) => of.write_short(out, values.get(row))?,
        Op::Decimal(Decimals::Decimal128(values), of) => of.write_short(out, values[row])?,
        Op::Decimal(Decimals::Decimal256(values), of) => of.write_long(out, values[row])?,
        Op::Small(runs) => bytes(out, runs.get(row))?,
        Op::Bytes(blobs) => bytes(out, blobs.get(row))?,
        Op::Fixed(blobs) => fixed(out, blobs.get(row))?,
        Op::Enum(blobs, symbols) => match symbols.get(blobs.get(row)) {
            Some(&symbol) => integer(out, symbol as i64),
            None => {
                let reason = "the text is none of the enum's symbols";
                return Err(Fault::new(RowErrorCode::UnknownSymbol, reason));
            }
        },
        Op::Uuid(blobs) => uuid(out, blobs.get(row))?,
        Op::Array(bounds, items) => return array(out, bounds, items, row),
        Op::Map(entries) => return map(out, entries, row),
        Op::Record(fields) => return record(out, fields, row),
        Op::Dictionary(keys, values) => return part(out, values, keys.key(row)),
    }
    Ok(())
}

fn integer(out: &mut Output, value: i64) {
    let len = varint::write(out.room(), value);
    out.advance(len);
}

/// Bytes with their length.
fn bytes(out: &mut Output, bytes: &[u8]) -> Written {
    out.check(bytes.len())?;
    integer(out, bytes.len() as i64);
    out.extend(bytes);
    Ok(())
}

fn fixed(out: &mut Output, bytes: &[u8]) -> Written {
    out.check(bytes.len())?;
    out.extend(bytes);
    Ok(())
}

fn uuid(out: &mut Output, text: &[u8]) -> Written {
    let well_formed = text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if !well_formed {
        let reason = "the text is no UUID, such as 123e4567-e89b-12d3-a456-426614174000";
        return Err(Fault::new(RowErrorCode::InvalidUuid, reason));
    }
    bytes(out, text)
}

/// Whether an integer survived as a float.
fn exact(value: i128, float: i128) -> Written {
    if value == float {
        return Ok(());
    }
    let reason = "the integer has more digits than its floating point type can hold";
    Err(Fault::new(RowErrorCode::Inexact, reason))
}

fn array(out: &mut Output, bounds: &Bounds, items: &Bound, row: usize) -> Written {
    let range = bounds.range(row);
    if !range.is_empty() {
        // Also items without bytes are read one by one, so that they count as one.
        out.check(range.len())?;
        integer(out, range.len() as i64);
        let (first, from) = (range.start, out.position());
        for item in range.clone() {
            value(out, items, item).map_err(|f| f.at(Step::Index(item - first)))?;
            out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(item - first)))?;
        }
        out.waste(range.len().saturating_sub(out.position() - from));
    }
    out.push(0);
    Ok(())
}

fn map(out: &mut Output, map: &Map, row: usize) -> Written {
    let range = map.bounds.range(row);
    if !range.is_empty() {
        integer(out, range.len() as i64);
        for (index, entry) in range.enumerate() {
            map_key(out, map.keys, entry).map_err(|f| f.at(Step::Key).at(Step::Index(index)))?;
            part(out, &map.values, entry).map_err(|f| f.at(Step::Value).at(Step::Index(index)))?;
            out.check(0).map_err(|e| Box::<Fault>::from(e).at(Step::Index(index)))?;
        }
    }
    out.push(0);
    Ok(())
}

/// Writes a key as text. Its type is text, integer or boolean, perhaps in a dictionary.
fn map_key(out: &mut Output, keys: &Column, entry: usize) -> Written {
    if keys.is_null(entry) {
        return Err(Fault::new(RowErrorCode::NullMapKey, "a map key must not be null"));
    }
    let mut room = [0; 21];
    let len = match &keys.values {
        Values::Null => {
            return Err(Fault::new(RowErrorCode::NullMapKey, "a map key must not be null"));
        }
        Values::Dictionary(keys, values) => return map_key(out, values, keys.key(entry)),
        Values::Utf8(runs) => return bytes(out, runs.get(entry)),
        Values::LargeUtf8(runs) => return bytes(out, runs.get(entry)),
        Values::Utf8View(array) => return bytes(out, array.value(entry).as_bytes()),
        Values::Boolean(values) => {
            return bytes(out, if values.value(entry) { b"true" } else { b"false" });
        }
        Values::Int8(values) => number::signed(&mut room, values[entry].into()),
        Values::Int16(values) => number::signed(&mut room, values[entry].into()),
        Values::Int32(values) => number::signed(&mut room, values[entry].into()),
        Values::Int64(values) => number::signed(&mut room, values[entry]),
        Values::UInt8(values) => number::signed(&mut room, values[entry].into()),
        Values::UInt16(values) => number::signed(&mut room, values[entry].into()),
        Values::UInt32(values) => number::signed(&mut room, values[entry].into()),
        Values::UInt64(values) => {
            let digits = room.first_chunk_mut().expect("a sign is one byte");
            number::unsigned(digits, values[entry])
        }
        _ => unreachable!("map keys are text, integers or booleans"),
    };
    bytes(out, &room[..len])
}
