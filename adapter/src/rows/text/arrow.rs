//! Arrow rows as JSON texts.
use std::{
    io::{self, Write as _},
    ops::Range,
    panic::AssertUnwindSafe,
};

use arrow_array::{Array, RecordBatch, cast::AsArray, downcast_integer_array, types};
use arrow_buffer::ArrowNativeType;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};
use serde_json::value::RawValue;

use super::Text;
use crate::quiet;

/// A row as an object by column.
pub(super) fn write_row(out: &mut Text, batch: &RecordBatch, row: usize) -> io::Result<()> {
    let schema = batch.schema_ref();
    for (index, (column, field)) in batch.columns().iter().zip(schema.fields()).enumerate() {
        out.key(index == 0, field.name())?;
        write_value(out, column, field, row)?;
    }
    out.write_all(b"}") // a schema has a column at least
}

fn write_value(out: &mut Text, array: &dyn Array, field: &Field, row: usize) -> io::Result<()> {
    use DataType as D;
    if array.is_null(row) {
        return out.write_all(b"null");
    }
    match array.data_type() {
        D::Null => out.write_all(b"null"),
        D::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        D::Float16 => out.float(array.as_primitive::<types::Float16Type>().value(row).to_f64()),
        D::Float32 => {
            // Through its own text: as a double it would have other digits.
            let value = array.as_primitive::<types::Float32Type>().value(row);
            out.float(value.to_string().parse().unwrap_or(f64::from(value)))
        }
        D::Float64 => out.float(array.as_primitive::<types::Float64Type>().value(row)),
        D::Utf8 => write_text(out, array.as_string::<i32>().value(row), field),
        D::LargeUtf8 => write_text(out, array.as_string::<i64>().value(row), field),
        D::Utf8View => write_text(out, array.as_string_view().value(row), field),
        D::Binary => out.base64(array.as_binary::<i32>().value(row)),
        D::LargeBinary => out.base64(array.as_binary::<i64>().value(row)),
        D::BinaryView => out.base64(array.as_binary_view().value(row)),
        D::FixedSizeBinary(_) => out.base64(array.as_fixed_size_binary().value(row)),
        D::Struct(fields) => {
            let columns = array.as_struct().columns();
            for (index, (column, field)) in columns.iter().zip(fields).enumerate() {
                out.key(index == 0, field.name())?;
                write_value(out, column, field, row)?;
            }
            out.write_all(if fields.is_empty() { b"{}" } else { b"}" })
        }
        D::List(item) => {
            let list = array.as_list::<i32>();
            let range = bounds(list.value_offsets(), row);
            write_items(out, list.values(), item, range)
        }
        D::LargeList(item) => {
            let list = array.as_list::<i64>();
            let range = bounds(list.value_offsets(), row);
            write_items(out, list.values(), item, range)
        }
        D::FixedSizeList(item, size) => {
            let size = *size as usize;
            let list = array.as_fixed_size_list();
            write_items(out, list.values(), item, row * size..(row + 1) * size)
        }
        D::Map(entries, _) => {
            let map = array.as_map();
            write_items(out, map.entries(), entries, bounds(map.value_offsets(), row))
        }
        D::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.keys();
            let key = downcast_integer_array!(
                keys => keys.value(row).as_usize(),
                _ => unreachable!("a dictionary's keys are integers")
            );
            write_value(out, dictionary.values(), field, key)
        }
        _ => write_plain(out, array, row),
    }
}

fn write_items(
    out: &mut Text,
    items: &dyn Array,
    field: &Field,
    range: Range<usize>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for row in range.clone() {
        out.write_all(if row == range.start { b"" } else { b"," })?;
        write_value(out, items, field, row)?;
    }
    out.write_all(b"]")
}

fn bounds<O: ArrowNativeType>(offsets: &[O], row: usize) -> Range<usize> {
    offsets[row].as_usize()..offsets[row + 1].as_usize()
}

/// Text, which may say that it is JSON, and be so.
fn write_text(out: &mut Text, text: &str, field: &Field) -> io::Result<()> {
    let is_json = field.extension_type_name() == Some("arrow.json");
    if is_json && serde_json::from_str::<&RawValue>(text).is_ok() {
        return out.write_all(text.as_bytes());
    }
    out.quoted(text)
}

/// Integers as numbers; decimals, dates and times as text, or as their number where they have no
/// text.
fn write_plain(out: &mut Text, array: &dyn Array, row: usize) -> io::Result<()> {
    let shown = || {
        let options = FormatOptions::new();
        let formatter = ArrayFormatter::try_new(array, &options).ok()?;
        formatter.value(row).try_to_string().ok()
    };
    // Arrow's reckoning with dates beyond any calendar is not ours to trust.
    let shown = quiet::catch(AssertUnwindSafe(shown)).ok().flatten();
    match (array.data_type().is_integer(), shown) {
        (true, Some(number)) => out.write_all(number.as_bytes()),
        (false, Some(text)) => out.quoted(&text),
        (_, None) => {
            let data = array.to_data();
            let row = data.offset() + row;
            match array.data_type().primitive_width() {
                Some(4) => write!(out, "{}", data.buffers()[0].typed_data::<i32>()[row]),
                Some(8) => write!(out, "{}", data.buffers()[0].typed_data::<i64>()[row]),
                _ => out.write_all(b"null"),
            }
        }
    }
}
