//! What a row costs as JSON: `cargo bench -p serializers --bench json`, see [`report`] for its
//! arguments.
//!
//! - `plain` is a plain row-wise writer (one match a value, `extend_from_slice`, `itoa`) that knows
//!   the types of `flights` alone.
//! - `arrow-json` is Arrow's own writer of lines.
//! - `serde_json` writes rows whose columns are known at run time only into one buffer, which it
//!   uses again.
mod batches;
mod plain_time;
mod report;

use std::hint::black_box;

use arrow_array::{
    Array, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray, cast::AsArray, types::Float64Type, types::Int64Type,
    types::TimestampMicrosecondType,
};
use arrow_schema::DataType;
use plain_time::plain_time;
use report::{Aim, ROWS, Work};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serializers::{BATCH_BYTES_MAX, Encoder, Format, JsonOptions, Limits, Records};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };

const CASES: &[&str] = &["flights", "plain", "mixed", "devices", "arrow-json", "serde_json"];

const AIMS: &[Aim] = &[("devices", "arrow-json", 0.75), ("devices", "serde_json", 0.75)];

fn main() {
    report::run(CASES, AIMS, work);
}

/// Encodes one batch into a buffer of its own, as a caller does that gives it away; returns the
/// bytes.
fn work(case: &str) -> Work {
    let batch = match case {
        "flights" | "plain" => batches::flights(),
        "mixed" => batches::mixed(),
        _ => batches::devices(),
    };
    match case {
        "plain" => return Box::new(move || plain(&batch).0.len()),
        "arrow-json" => return Box::new(move || arrow_json(&batch)),
        "serde_json" => {
            let mut out = Vec::new();
            return Box::new(move || serde(&batch, &mut out));
        }
        _ => {}
    }
    let format = Format::Json(JsonOptions::default());
    let encoder = Encoder::compile(&format, batch.schema_ref()).expect("all types are supported");
    Box::new(move || {
        let mut records = Records::new();
        encoder.encode(&batch, &LIMITS, &mut records).expect("the batch is small");
        assert_eq!(records.len(), ROWS);
        black_box(records.into_parts()).0.len()
    })
}

enum Plain<'a> {
    Int(&'a Int64Array),
    Text(&'a StringArray),
    Time(&'a TimestampMicrosecondArray),
}

/// Flights alone, in the obvious way.
fn plain(batch: &RecordBatch) -> (Vec<u8>, Vec<u32>) {
    let columns: Vec<Plain> = (batch.columns().iter())
        .map(|column| match column.data_type() {
            DataType::Int64 => Plain::Int(column.as_primitive()),
            DataType::Utf8 => Plain::Text(column.as_string()),
            _ => Plain::Time(column.as_primitive::<TimestampMicrosecondType>()),
        })
        .collect();
    let schema = batch.schema_ref();
    let keys: Vec<String> = (schema.fields().iter().enumerate())
        .map(|(at, field)| format!("{}\"{}\":", if at == 0 { '{' } else { ',' }, field.name()))
        .collect();
    let (mut out, mut ends) = (Vec::with_capacity(ROWS * 320), Vec::with_capacity(ROWS));
    for row in 0..batch.num_rows() {
        for (key, column) in keys.iter().zip(&columns) {
            out.extend_from_slice(key.as_bytes());
            match column {
                Plain::Int(array) if array.is_valid(row) => {
                    let value = array.value(row);
                    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
                }
                Plain::Text(array) if array.is_valid(row) => plain_text(&mut out, array.value(row)),
                Plain::Time(array) => {
                    out.push(b'"');
                    out.extend_from_slice(&plain_time(array.value(row)));
                    out.push(b'"');
                }
                _ => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        ends.push(out.len() as u32);
    }
    (out, ends)
}

fn plain_text(out: &mut Vec<u8>, text: &str) {
    assert!(!text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\'));
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn arrow_json(batch: &RecordBatch) -> usize {
    let mut writer = arrow_json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow_json::writer::LineDelimited>(Vec::with_capacity(ROWS * 320));
    writer.write(batch).expect("a Vec takes everything");
    // A line break a row, which records do not have.
    writer.into_inner().len() - ROWS
}

fn serde(batch: &RecordBatch, out: &mut Vec<u8>) -> usize {
    let columns: Vec<Dynamic> = batch.columns().iter().map(|column| Dynamic::of(column)).collect();
    let names: Vec<&str> = batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    out.clear();
    let mut ends = Vec::with_capacity(ROWS);
    for row in 0..batch.num_rows() {
        let row = Row { names: &names, columns: &columns, row };
        serde_json::to_writer(&mut *out, &row).expect("a Vec takes everything");
        ends.push(out.len() as u32);
    }
    black_box(ends);
    out.len()
}

/// A column of the types of [`batches::devices`].
enum Dynamic<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Flag(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
    Record(Vec<&'a str>, Vec<Dynamic<'a>>),
    List(&'a ListArray, &'a Int64Array),
}

impl<'a> Dynamic<'a> {
    fn of(column: &'a dyn Array) -> Self {
        match column.data_type() {
            DataType::Int64 => Self::Int(column.as_primitive()),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Boolean => Self::Flag(column.as_boolean()),
            DataType::Timestamp(..) => {
                Self::Time(column.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Struct(fields) => {
                let record: &StructArray = column.as_struct();
                let columns = record.columns().iter().map(|column| Self::of(column)).collect();
                Self::Record(fields.iter().map(|field| field.name().as_str()).collect(), columns)
            }
            _ => {
                let list: &ListArray = column.as_list();
                Self::List(list, list.values().as_primitive::<Int64Type>())
            }
        }
    }
}

struct Row<'a> {
    names: &'a [&'a str],
    columns: &'a [Dynamic<'a>],
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, column) in self.names.iter().zip(self.columns) {
            map.serialize_entry(name, &Cell { column, row: self.row })?;
        }
        map.end()
    }
}

struct Cell<'a> {
    column: &'a Dynamic<'a>,
    row: usize,
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        match self.column {
            Dynamic::Int(array) if array.is_valid(row) => {
                serializer.serialize_i64(array.value(row))
            }
            Dynamic::Float(array) if array.is_valid(row) => {
                serializer.serialize_f64(array.value(row))
            }
            Dynamic::Text(array) if array.is_valid(row) => {
                serializer.serialize_str(array.value(row))
            }
            Dynamic::Flag(array) => serializer.serialize_bool(array.value(row)),
            Dynamic::Time(array) => {
                let text = plain_time(array.value(row));
                serializer.serialize_str(str::from_utf8(&text).expect("digits are text"))
            }
            Dynamic::Record(names, columns) => Row { names, columns, row }.serialize(serializer),
            Dynamic::List(lists, items) => {
                let range =
                    lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
                let mut seq = serializer.serialize_seq(Some(range.len()))?;
                for item in range {
                    seq.serialize_element(&items.value(item))?;
                }
                seq.end()
            }
            Dynamic::Int(_) | Dynamic::Float(_) | Dynamic::Text(_) => serializer.serialize_unit(),
        }
    }
}
