//! Typed rows as JSON texts: values as they came, whatever their columns take.
use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use super::{
    super::{
        plan::{Kind, Plan},
        typed::{
            ARRAY, BINARY, BOOLEAN, ENTRY_KEY, ENTRY_VALUE, FLOAT64, INT64, MAP, RECORD, REPEATED,
            TEXT, UINT64,
        },
        wire::{Fields, Payload, zigzag},
    },
    Text,
};

/// Values that nest deeper are told as their bytes.
const DEPTH_MAX: u32 = 64;

/// The rows of an encoded `TypedRows`.
pub(super) fn rows(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    repeated(bytes)
}

/// A row as an object by column; if it has more or fewer values than there are columns, as an
/// object with its `values` in a list.
pub(super) fn write_row(out: &mut Text, row: &[u8], plans: &[Plan]) -> io::Result<()> {
    if repeated(row).count() == plans.len() {
        return write_record(out, row, plans, DEPTH_MAX);
    }
    out.key(true, "values")?;
    write_list(out, row, None, DEPTH_MAX)?;
    out.write_all(b"}")
}

/// The elements of a message's repeated field. What is no such message has none: it was read
/// before.
fn repeated(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields::new(message);
    std::iter::from_fn(move || {
        loop {
            if let (REPEATED, Payload::Bytes(element)) = fields.next().ok()?? {
                return Some(element);
            }
        }
    })
}

fn write_record(out: &mut Text, row: &[u8], plans: &[Plan], depth: u32) -> io::Result<()> {
    let mut is_first = true;
    for (value, plan) in repeated(row).zip(plans) {
        out.key(is_first, &plan.name)?;
        write_value(out, value, Some(plan), depth)?;
        is_first = false;
    }
    out.write_all(if is_first { b"{}" } else { b"}" })
}

fn write_list(out: &mut Text, list: &[u8], item: Option<&Plan>, depth: u32) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, value) in repeated(list).enumerate() {
        out.write_all(if index == 0 { b"" } else { b"," })?;
        write_value(out, value, item, depth)?;
    }
    out.write_all(b"]")
}

fn write_map(out: &mut Text, map: &[u8], plan: Option<&Plan>, depth: u32) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, entry) in repeated(map).enumerate() {
        let (mut key, mut value) = (&b""[..], &b""[..]);
        let mut fields = Fields::new(entry);
        while let Ok(Some((number, payload))) = fields.next() {
            match (number, payload) {
                (ENTRY_KEY, Payload::Bytes(bytes)) => key = bytes,
                (ENTRY_VALUE, Payload::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        out.write_all(if index == 0 { b"" } else { b"," })?;
        out.key(true, "key")?;
        out.quoted(&String::from_utf8_lossy(key))?;
        out.key(false, "value")?;
        write_value(out, value, plan, depth)?;
        out.write_all(b"}")?;
    }
    out.write_all(b"]")
}

/// A `Value`; `plan` is that of its column, which names the fields of records.
fn write_value(out: &mut Text, value: &[u8], plan: Option<&Plan>, depth: u32) -> io::Result<()> {
    let Some((kind, payload)) = last_of(value) else { return out.write_all(b"null") };
    match (kind, payload) {
        (BOOLEAN, Part::Number(value)) => write!(out, "{}", value != 0),
        (INT64, Part::Number(value)) => write!(out, "{}", zigzag(value)),
        (UINT64, Part::Number(value)) => write!(out, "{value}"),
        (FLOAT64, Part::Number(bits)) => out.float(f64::from_bits(bits)),
        (TEXT, Part::Bytes(text)) => out.quoted(&String::from_utf8_lossy(&text)),
        (BINARY, Part::Bytes(bytes)) => out.base64(&bytes),
        (RECORD..=MAP, Part::Bytes(message)) if depth == 0 => out.base64(&message),
        (RECORD, Part::Bytes(record)) => match plan.map_or(&[][..], Plan::fields) {
            fields if repeated(&record).count() == fields.len() => {
                write_record(out, &record, fields, depth - 1)
            }
            _ => write_list(out, &record, None, depth - 1),
        },
        (ARRAY, Part::Bytes(list)) => {
            let item = plan.and_then(|plan| match &plan.kind {
                Kind::List(item) | Kind::FixedList { item, .. } => Some(&**item),
                _ => None,
            });
            write_list(out, &list, item, depth - 1)
        }
        (MAP, Part::Bytes(map)) => {
            let value = plan.and_then(|plan| match &plan.kind {
                Kind::Map { value, .. } => Some(&**value),
                _ => None,
            });
            write_map(out, &map, value, depth - 1)
        }
        _ => out.write_all(b"null"),
    }
}

/// What a member of the `oneof` holds.
enum Part<'a> {
    Number(u64),
    Bytes(Cow<'a, [u8]>),
}

/// The last member of the `oneof`. A message that came several times in a row is one: joining its
/// parts merges it.
fn last_of(value: &[u8]) -> Option<(u32, Part<'_>)> {
    let mut fields = Fields::new(value);
    let mut last: Option<(u32, Part<'_>)> = None;
    while let Ok(Some((kind, payload))) = fields.next() {
        if !(BOOLEAN..=MAP).contains(&kind) {
            continue;
        }
        let part = match payload {
            Payload::Varint(number) | Payload::Fixed64(number) => Part::Number(number),
            Payload::Fixed32 => continue,
            Payload::Bytes(bytes) => match last.take() {
                Some((before, Part::Bytes(first))) if before == kind && kind >= RECORD => {
                    Part::Bytes([&first, bytes].concat().into())
                }
                _ => Part::Bytes(bytes.into()),
            },
        };
        last = Some((kind, part));
    }
    last
}
