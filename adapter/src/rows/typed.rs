//! Decodes typed rows: values go from the wire straight into their columns.
//!
//! The rules are protobuf's: unknown fields are skipped, repeated fields may stand anywhere, the
//! last member of a `oneof` wins, and a message that comes twice is merged.

use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::build::Column;
use super::fault::{Taken, Trouble, code};
use super::plan::Plan;
use super::scalar::{self, Scalar};
use super::table::{Context, Table};
use super::wire::{Fields, Payload, WRONG_WIRE_TYPE, WireError, zigzag};
use super::{Carrier, DecodeError, Decoded, Limits};

/// `TypedRows.rows`, `Row.values` and `MapEntries.entries`: what repeats has number 1.
pub(super) const REPEATED: u32 = 1;
/// `MapEntry.key` and `.value`.
pub(super) const ENTRY_KEY: u32 = 1;
pub(super) const ENTRY_VALUE: u32 = 2;
/// The members of `Value.kind`.
pub(super) const BOOLEAN: u32 = 1;
pub(super) const INT64: u32 = 2;
pub(super) const UINT64: u32 = 3;
pub(super) const FLOAT64: u32 = 4;
pub(super) const TEXT: u32 = 5;
pub(super) const BINARY: u32 = 6;
pub(super) const RECORD: u32 = 7;
pub(super) const ARRAY: u32 = 8;
pub(super) const MAP: u32 = 9;

/// Decodes the rows of an encoded `TypedRows`.
pub(super) fn decode(
    root: &Plan,
    schema: &SchemaRef,
    bytes: &Bytes,
    limits: &Limits,
    named_max: usize,
) -> Result<Decoded, DecodeError> {
    let malformed = |error: WireError| DecodeError::bad(Carrier::TypedRows, error);
    let mut rows = 0;
    let mut fields = Fields::new(bytes);
    while let Some((number, _)) = fields.next().map_err(malformed)? {
        rows += usize::from(number == REPEATED);
    }
    let mut table = Table::new(root, rows, limits, named_max)?;
    let mut fields = Fields::new(bytes);
    while let Some((number, payload)) = fields.next().map_err(malformed)? {
        if number == REPEATED {
            let row = payload.bytes().map_err(malformed)?;
            let index = table.row();
            table.take(|root, context| take_record(root, row, context)).map_err(
                |error| match error {
                    DecodeError::BadCarrier { reason } => {
                        DecodeError::BadCarrier { reason: format!("{reason}, in row {index}") }
                    }
                    other => other,
                },
            )?;
        }
    }
    table.finish(schema)
}

impl From<WireError> for Trouble {
    #[cold]
    fn from(error: WireError) -> Self {
        Self::batch(DecodeError::bad(Carrier::TypedRows, error))
    }
}

/// Calls `take` with each element of the repeated field of `message`.
#[inline]
fn each<'a>(message: &'a [u8], mut take: impl FnMut(&'a [u8]) -> Taken) -> Taken {
    let mut fields = Fields::new(message);
    loop {
        while let Some(element) = fields.next_short_first() {
            take(element)?;
        }
        match fields.next()? {
            Some((REPEATED, payload)) => take(payload.bytes()?)?,
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Takes a `Value`.
fn take_value(column: &mut Column<'_>, value: &[u8], context: &mut Context) -> Taken {
    let mut fields = Fields::new(value);
    match fields.next()? {
        None => column.null(context),
        Some((kind @ BOOLEAN..=MAP, payload)) if fields.is_empty() => {
            take_kind(column, kind, payload, context)
        }
        Some(_) => take_merged(column, value, context),
    }
}

/// Takes a `Value` that has several fields: the last member of the `oneof` wins, and if that is a
/// message that came several times in a row, its parts are one message.
#[cold]
fn take_merged(column: &mut Column<'_>, value: &[u8], context: &mut Context) -> Taken {
    let mut fields = Fields::new(value);
    let mut last = None;
    let mut joined = Vec::new();
    while let Some((kind, payload)) = fields.next()? {
        if !(BOOLEAN..=MAP).contains(&kind) {
            continue;
        }
        match last {
            Some((RECORD..=MAP, Payload::Bytes(before))) if last_kind(last) == Some(kind) => {
                join(&mut joined, before, payload.bytes()?, context)?;
            }
            _ => joined.clear(),
        }
        last = Some((kind, payload));
    }
    match last {
        None => column.null(context),
        Some((kind, _)) if !joined.is_empty() => {
            take_kind(column, kind, Payload::Bytes(&joined), context)
        }
        Some((kind, payload)) => take_kind(column, kind, payload, context),
    }
}

fn last_kind(last: Option<(u32, Payload<'_>)>) -> Option<u32> {
    last.map(|(kind, _)| kind)
}

/// Appends `next` to the parts of a message so far; `before` is the first of them.
fn join(joined: &mut Vec<u8>, before: &[u8], next: &[u8], context: &mut Context) -> Taken {
    if joined.is_empty() {
        context.charge(before.len())?;
        joined.extend_from_slice(before);
    }
    context.charge(next.len())?;
    joined.extend_from_slice(next);
    Ok(())
}

#[inline]
fn take_kind(
    column: &mut Column<'_>,
    kind: u32,
    payload: Payload<'_>,
    context: &mut Context,
) -> Taken {
    let scalar = match (kind, payload) {
        (BOOLEAN, Payload::Varint(value)) => Scalar::Bool(value != 0),
        (INT64, Payload::Varint(value)) => Scalar::Int(zigzag(value)),
        (UINT64, Payload::Varint(value)) => Scalar::UInt(value),
        (FLOAT64, Payload::Fixed64(bits)) => Scalar::Float(f64::from_bits(bits)),
        (TEXT, Payload::Bytes(bytes)) => Scalar::Text(text(bytes)?),
        (BINARY, Payload::Bytes(bytes)) => Scalar::Bytes(bytes),
        (RECORD, Payload::Bytes(record)) => return take_record(column, record, context),
        (ARRAY, Payload::Bytes(array)) => return take_list(column, array, context),
        (MAP, Payload::Bytes(map)) => return take_map(column, map, context),
        _ => return Err(WRONG_WIRE_TYPE.into()),
    };
    scalar::take(column, scalar, context)
}

/// Takes a `Row` as a record, or as the row of the batch, which is a record too.
fn take_record(column: &mut Column<'_>, row: &[u8], context: &mut Context) -> Taken {
    let plan = column.plan;
    let Some(fields) = column.record() else {
        return Err(scalar::mismatch("a record", plan, context));
    };
    let mut came = 0;
    let mut fault = None;
    each(row, |value| {
        if let (Some(field), None) = (fields.get_mut(came), &fault) {
            match take_value(field, value, context) {
                Ok(()) => {}
                // The other values are still counted: a value too few shifts all behind it.
                Err(trouble @ Trouble::Row(_)) => fault = Some(trouble.in_field(&field.plan.name)),
                Err(trouble) => return Err(trouble),
            }
        }
        came += 1;
        Ok(())
    })?;
    let width = fields.len();
    if came != width {
        return Err(
            context.fault(code::ROW_WIDTH, || format!("{came} values came for {width} columns"))
        );
    }
    match fault {
        Some(trouble) => Err(trouble),
        None => column.close(context),
    }
}

/// Takes a `Row` as the elements of a list.
fn take_list(column: &mut Column<'_>, array: &[u8], context: &mut Context) -> Taken {
    let plan = column.plan;
    let Some(mut list) = column.list() else {
        return Err(scalar::mismatch("an array", plan, context));
    };
    each(array, |value| {
        let (item, index) = list.next(context)?;
        take_value(item, value, context).map_err(|trouble| trouble.in_item(index))
    })?;
    column.close(context)
}

/// Takes `MapEntries`.
fn take_map(column: &mut Column<'_>, entries: &[u8], context: &mut Context) -> Taken {
    let plan = column.plan;
    let Some((keys, values)) = column.map() else {
        return Err(scalar::mismatch("a map", plan, context));
    };
    let mut index = 0;
    each(entries, |entry| {
        context.charge(keys.plan.slot_bytes.saturating_add(values.plan.slot_bytes))?;
        take_entry(keys, values, entry, context).map_err(|trouble| trouble.in_item(index))?;
        index += 1;
        Ok(())
    })?;
    column.close(context)
}

/// Takes a `MapEntry`.
fn take_entry(
    keys: &mut Column<'_>,
    values: &mut Column<'_>,
    entry: &[u8],
    context: &mut Context,
) -> Taken {
    let mut key: &[u8] = &[];
    let mut value: Option<&[u8]> = None;
    let mut joined = Vec::new();
    let mut fields = Fields::new(entry);
    while let Some((number, payload)) = fields.next()? {
        match number {
            ENTRY_KEY => key = payload.bytes()?,
            ENTRY_VALUE => {
                let next = payload.bytes()?;
                if let Some(before) = value {
                    join(&mut joined, before, next, context)?;
                }
                value = Some(next);
            }
            _ => {}
        }
    }
    scalar::take_key(keys, text(key)?, context)
        .map_err(|trouble| trouble.in_field(&keys.plan.name))?;
    let value = if joined.is_empty() { value.unwrap_or_default() } else { &joined };
    take_value(values, value, context).map_err(|trouble| trouble.in_field(&values.plan.name))
}

fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError("a text is not UTF-8"))
}
