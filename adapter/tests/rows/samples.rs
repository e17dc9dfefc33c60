//! Sample batches of every supported type, and their writing in the three carriers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array,
    Decimal32Array, Decimal64Array, Decimal128Array, Decimal256Array, DictionaryArray,
    DurationMillisecondArray, DurationNanosecondArray, FixedSizeBinaryArray, FixedSizeListArray,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeBinaryArray,
    LargeListArray, LargeStringArray, ListArray, MapArray, NullArray, PrimitiveArray, RecordBatch,
    RecordBatchOptions, StringArray, StringViewArray, StructArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array, cast::AsArray, downcast_integer_array, downcast_primitive_array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, OffsetBuffer, i256};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message as _;
use proto::v1;
use proto::v1::value::Kind;

/// A batch of the columns, which are of one length.
pub fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let rows = columns.first().map_or(0, |(_, array)| array.len());
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::new(fields));
    // The dictionaries get the ids that a schema has on the wire.
    let schema = kafka_schema(&schema);
    RecordBatch::try_new_with_options(schema, arrays, &options).unwrap()
}

fn kafka_schema(schema: &SchemaRef) -> SchemaRef {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema).unwrap().finish().unwrap();
    Arc::new(arrow_ipc::convert::try_schema_from_ipc_buffer(&bytes).unwrap())
}

/// The batch as a whole IPC stream.
pub fn ipc_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

/// The same without the schema message and the end-of-stream mark.
pub fn ipc_bare(batch: &RecordBatch) -> Vec<u8> {
    let bytes = ipc_stream(batch);
    let len = i32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes[8 + len..bytes.len() - 8].to_vec()
}

/// The batch as typed rows.
pub fn typed_rows(batch: &RecordBatch) -> v1::TypedRows {
    let rows = (0..batch.num_rows()).map(|row| v1::Row {
        values: (batch.columns().iter()).map(|column| typed_value(column, row)).collect(),
    });
    v1::TypedRows { rows: rows.collect() }
}

/// The batch as the bytes of its typed rows.
pub fn typed_bytes(batch: &RecordBatch) -> Vec<u8> {
    typed_rows(batch).encode_to_vec()
}

/// The batch as JSON lines; the order of the keys turns from row to row.
pub fn json_lines(batch: &RecordBatch) -> Vec<u8> {
    let schema = batch.schema();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let mut pairs = (batch.columns().iter().zip(schema.fields()))
            .map(|(column, field)| format!("{}:{}", quoted(field.name()), json(column, field, row)))
            .collect::<Vec<_>>();
        let turn = row % pairs.len();
        pairs.rotate_left(turn);
        text.push_str(&format!("{{{}}}\n", pairs.join(", ")));
    }
    text.into_bytes()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The value behind a dictionary's key, or the value itself.
fn plain(array: &ArrayRef, row: usize) -> (ArrayRef, usize) {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => {
            let keys = dictionary.keys();
            let key = downcast_integer_array!(
                keys => keys.value(row).as_usize(),
                _ => unreachable!()
            );
            (Arc::clone(dictionary.values()), key)
        }
        None => (Arc::clone(array), row),
    }
}

pub fn typed_value(array: &ArrayRef, row: usize) -> v1::Value {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return v1::Value { kind: None };
    }
    let (array, row) = plain(array, row);
    let kind = match array.data_type() {
        DataType::Boolean => Kind::Boolean(array.as_boolean().value(row)),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            Kind::Uint64(integer(&array, row) as u64)
        }
        t if t.is_integer() => Kind::Int64(integer(&array, row)),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            Kind::Float64(float(&array, row))
        }
        t if is_decimal(t) => Kind::Text(decimal_text(&array, row)),
        t if t.is_temporal() => match time_text(&array, row) {
            Some(text) if row % 2 == 1 => Kind::Text(text),
            _ => Kind::Int64(integer(&array, row)),
        },
        DataType::Struct(_) => Kind::Record(v1::Row {
            values: (array.as_struct().columns().iter()).map(|c| typed_value(c, row)).collect(),
        }),
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let entry = |index| v1::MapEntry {
                key: key_text(keys, index),
                value: Some(typed_value(values, index)),
            };
            Kind::Map(v1::MapEntries { entries: (0..entries.len()).map(entry).collect() })
        }
        _ => match (text(&array, row), bytes(&array, row), items(&array, row)) {
            (Some(text), _, _) => Kind::Text(text),
            (_, Some(bytes), _) => Kind::Binary(bytes),
            (_, _, Some(items)) => Kind::Array(v1::Row {
                values: (0..items.len()).map(|index| typed_value(&items, index)).collect(),
            }),
            _ => panic!("no typed value for {}", array.data_type()),
        },
    };
    v1::Value { kind: Some(kind) }
}

fn json(array: &ArrayRef, field: &Field, row: usize) -> String {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return "null".to_owned();
    }
    let (array, row) = plain(array, row);
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::UInt64 => (integer(&array, row) as u64).to_string(),
        t if t.is_integer() => integer(&array, row).to_string(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => match float(&array, row) {
            value if value.is_nan() => "\"NaN\"".to_owned(),
            f64::INFINITY => "\"Infinity\"".to_owned(),
            f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
            value => serde_json::to_string(&value).unwrap(),
        },
        t if is_decimal(t) => match decimal_text(&array, row) {
            text if row % 2 == 1 => quoted(&text),
            number => number,
        },
        t if t.is_temporal() => match time_text(&array, row) {
            Some(text) if row % 2 == 1 => quoted(&text),
            _ => integer(&array, row).to_string(),
        },
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let pairs = (columns.iter().zip(fields))
                .filter(|(column, _)| column.is_valid(row)) // a missing key is a null
                .map(|(column, f)| format!("{}:{}", quoted(f.name()), json(column, f, row)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else { unreachable!() };
            let entries = array.as_map().value(row);
            let pairs = (0..entries.len()).map(|index| {
                let key = quoted(&key_text(entries.column(0), index));
                format!("{key}:{}", json(entries.column(1), &pair[1], index))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        _ => match (text(&array, row), bytes(&array, row), items(&array, row)) {
            (Some(text), _, _) if field.metadata().is_empty() => quoted(&text),
            (Some(json), _, _) => json,
            (_, Some(bytes), _) => quoted(&STANDARD.encode(bytes)),
            (_, _, Some(items)) => {
                let item = Field::new("item", items.data_type().clone(), true);
                let items = (0..items.len()).map(|index| json(&items, &item, index));
                format!("[{}]", items.collect::<Vec<_>>().join(" , "))
            }
            _ => panic!("no JSON for {}", array.data_type()),
        },
    }
}

fn key_text(keys: &ArrayRef, row: usize) -> String {
    text(keys, row)
        .or_else(|| time_text(keys, row))
        .or_else(|| bytes(keys, row).map(|bytes| STANDARD.encode(bytes)))
        .unwrap_or_else(|| match keys.data_type() {
            DataType::Boolean => keys.as_boolean().value(row).to_string(),
            DataType::UInt64 => (integer(keys, row) as u64).to_string(),
            DataType::Float64 => float(keys, row).to_string(),
            t if is_decimal(t) => decimal_text(keys, row),
            _ => integer(keys, row).to_string(),
        })
}

fn integer(array: &ArrayRef, row: usize) -> i64 {
    let array = array.as_ref();
    downcast_primitive_array!(
        array => array.value(row).as_usize() as i64, // signs survive: casts extend them
        t => panic!("no integers in {t}")
    )
}

fn float(array: &ArrayRef, row: usize) -> f64 {
    match array.data_type() {
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_f64(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        _ => array.as_primitive::<Float64Type>().value(row),
    }
}

fn is_decimal(data_type: &DataType) -> bool {
    use DataType as D;
    matches!(
        data_type,
        D::Decimal32(_, _) | D::Decimal64(_, _) | D::Decimal128(_, _) | D::Decimal256(_, _)
    )
}

fn decimal_text(array: &ArrayRef, row: usize) -> String {
    match array.data_type() {
        DataType::Decimal32(_, _) => array.as_primitive::<Decimal32Type>().value_as_string(row),
        DataType::Decimal64(_, _) => array.as_primitive::<Decimal64Type>().value_as_string(row),
        DataType::Decimal128(_, _) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => array.as_primitive::<Decimal256Type>().value_as_string(row),
    }
}

fn text(array: &ArrayRef, row: usize) -> Option<String> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        _ => return None,
    })
}

fn bytes(array: &ArrayRef, row: usize) -> Option<Vec<u8>> {
    Some(match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row).to_vec(),
        DataType::LargeBinary => array.as_binary::<i64>().value(row).to_vec(),
        DataType::BinaryView => array.as_binary_view().value(row).to_vec(),
        DataType::FixedSizeBinary(_) => array.as_fixed_size_binary().value(row).to_vec(),
        _ => return None,
    })
}

fn items(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    Some(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list().value(row),
        _ => return None,
    })
}

/// The text of a date, time or timestamp, as jiff has it; `None` if jiff cannot.
fn time_text(array: &ArrayRef, row: usize) -> Option<String> {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000_i64,
    };
    let at = |count: i64, unit: &TimeUnit| {
        let nanos = i128::from(count) * i128::from(1_000_000_000 / per_second(unit));
        jiff::Timestamp::from_nanosecond(nanos).ok().filter(|at| at.as_second() > -62_135_596_800)
    };
    let civil = |at: jiff::Timestamp| jiff::tz::TimeZone::UTC.to_datetime(at);
    let count = || integer(array, row);
    Some(match array.data_type() {
        DataType::Date32 => {
            civil(at(count().checked_mul(86_400)?, &TimeUnit::Second)?).date().to_string()
        }
        DataType::Date64 if count() % 86_400_000 != 0 => return None,
        DataType::Date64 => civil(at(count(), &TimeUnit::Millisecond)?).date().to_string(),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            civil(at(count(), unit)?).time().to_string()
        }
        DataType::Timestamp(unit, None) => civil(at(count(), unit)?).to_string(),
        DataType::Timestamp(unit, Some(_)) => at(count(), unit)?.to_string(),
        _ => return None,
    })
}

/// A nullable column.
pub fn column(name: &str, array: impl Array + 'static) -> (Field, ArrayRef) {
    (Field::new(name, array.data_type().clone(), true), Arc::new(array))
}

fn numbers<T: ArrowPrimitiveType>(name: &str, values: [Option<T::Native>; 4]) -> (Field, ArrayRef) {
    column(name, PrimitiveArray::<T>::from_iter(values))
}

/// Four values of every supported type.
pub fn every_type() -> Vec<(Field, ArrayRef)> {
    let mut all = vec![column("null", NullArray::new(4))];
    all.extend(plain_numbers());
    all.extend(decimals());
    all.extend(texts());
    all.extend(times());
    all.extend(nested());
    all.extend(dictionaries());
    all.push(record_of_required(&all));
    all
}

/// A record whose fields are all required, and null where the record is.
fn record_of_required(all: &[(Field, ArrayRef)]) -> (Field, ArrayRef) {
    let names = ["int8", "utf8", "record", "list", "pairs of required", "map", "dictionary int8"];
    let fields = all.iter().filter(|(field, _)| names.contains(&field.name().as_str()));
    let (fields, arrays): (Vec<_>, Vec<_>) = fields
        .map(|(field, array)| (field.clone().with_nullable(false), Arc::clone(array)))
        .unzip();
    column("record of required", StructArray::new(fields.into(), arrays, nulls()))
}

fn plain_numbers() -> Vec<(Field, ArrayRef)> {
    type F16 = <Float16Type as ArrowPrimitiveType>::Native;
    let f = [Some(f64::NAN), None, Some(-0.5), Some(f64::NEG_INFINITY)];
    vec![
        column("bool", BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        column("int8", Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX), Some(0)])),
        column("int16", Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX), Some(0)])),
        column("int32", Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX), Some(0)])),
        column("int64", Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX), Some(0)])),
        column("uint8", UInt8Array::from(vec![Some(0), None, Some(u8::MAX), Some(1)])),
        column("uint16", UInt16Array::from(vec![Some(0), None, Some(u16::MAX), Some(1)])),
        column("uint32", UInt32Array::from(vec![Some(0), None, Some(u32::MAX), Some(1)])),
        column("uint64", UInt64Array::from(vec![Some(0), None, Some(u64::MAX), Some(1)])),
        numbers::<Float16Type>("float16", f.map(|value| value.map(F16::from_f64))),
        column("float32", Float32Array::from_iter(f.map(|value| value.map(|value| value as f32)))),
        column("float64", Float64Array::from_iter(f)),
        required("required int64", Int64Array::from(vec![4, 3, 2, 1])),
        required("required bool", BooleanArray::from(vec![true, true, false, true])),
    ]
}

/// A column without nulls.
pub fn required(name: &str, array: impl Array + 'static) -> (Field, ArrayRef) {
    (Field::new(name, array.data_type().clone(), false), Arc::new(array))
}

fn decimals() -> Vec<(Field, ArrayRef)> {
    let max38 = 10_i128.pow(38) - 1;
    let max76 = i256::from_i128(10).wrapping_pow(76) - i256::ONE;
    let d32 = Decimal32Array::from(vec![Some(999_999_999), None, Some(-1), Some(0)]);
    let d64 = Decimal64Array::from(vec![Some(10_i64.pow(18) - 1), None, Some(-100), Some(0)]);
    let d128 = || Decimal128Array::from(vec![Some(max38), None, Some(-max38), Some(120)]);
    let d256 = || {
        let small = Some(i256::from_i128(-12_345));
        Decimal256Array::from(vec![Some(max76), None, Some(max76.wrapping_neg()), small])
    };
    let negative = Decimal128Array::from(vec![Some(99_999), None, Some(-1), Some(0)]);
    vec![
        column("decimal32", d32.with_precision_and_scale(9, 2).unwrap()),
        column("decimal64", d64.with_precision_and_scale(18, 18).unwrap()),
        column("decimal128", d128().with_precision_and_scale(38, 10).unwrap()),
        column("decimal128 integer", d128().with_precision_and_scale(38, 0).unwrap()),
        column("decimal128 hundreds", negative.with_precision_and_scale(5, -2).unwrap()),
        column("decimal256", d256().with_precision_and_scale(76, 38).unwrap()),
        column("decimal256 integer", d256().with_precision_and_scale(76, 0).unwrap()),
    ]
}

fn texts() -> Vec<(Field, ArrayRef)> {
    let t = vec![Some(""), None, Some("é\u{10ffff}\"\n\\"), Some("longer than a view holds")];
    let b: Vec<Option<&[u8]>> =
        vec![Some(b""), None, Some(b"\x00\xff\xfe"), Some(b"longer than a view holds")];
    let fixed: Vec<Option<&[u8]>> = vec![Some(b"abc"), None, Some(b"\x00\xff\xfe"), Some(b"xyz")];
    let json = vec![Some("{\"a\":[1,2.50,\"x\"]}"), None, Some("true"), Some("\"te\\\"xt\"")];
    let extension = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
    let (field, array) = column("json", StringArray::from(json));
    vec![
        column("utf8", StringArray::from(t.clone())),
        column("large_utf8", LargeStringArray::from(t.clone())),
        column("utf8_view", StringViewArray::from(t)),
        column("binary", BinaryArray::from(b.clone())),
        column("large_binary", LargeBinaryArray::from(b.clone())),
        column("binary_view", BinaryViewArray::from(b)),
        column(
            "fixed_binary",
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 3).unwrap(),
        ),
        (field.with_metadata(HashMap::from([extension])), array),
    ]
}

fn times() -> Vec<(Field, ArrayRef)> {
    let days = vec![Some(0), None, Some(i32::MAX), Some(15_706)];
    let day_ms = vec![Some(0), None, Some(i64::MIN), Some(86_400_000 * 15_706)];
    let mut all = vec![
        column("date32", Date32Array::from(days)),
        column("date64", Date64Array::from(day_ms)),
        column("time32 s", Time32SecondArray::from(vec![Some(0), None, Some(1), Some(86_399)])),
        column(
            "time32 ms",
            Time32MillisecondArray::from(vec![Some(0), None, Some(1), Some(86_399_999)]),
        ),
        column(
            "time64 us",
            Time64MicrosecondArray::from(vec![Some(0), None, Some(1), Some(86_399_999_999)]),
        ),
        column(
            "time64 ns",
            Time64NanosecondArray::from(vec![Some(0), None, Some(1), Some(86_399_999_999_999)]),
        ),
        column(
            "duration ms",
            DurationMillisecondArray::from(vec![Some(0), None, Some(-1), Some(1)]),
        ),
        column(
            "duration ns",
            DurationNanosecondArray::from(vec![Some(i64::MAX), None, Some(i64::MIN), Some(1)]),
        ),
    ];
    for zone in [None, Some("UTC"), Some("+02:00")] {
        let name = |unit| format!("timestamp {unit} {zone:?}");
        let at = |per_second: i64| {
            vec![
                Some(i64::MIN),
                None,
                Some(i64::MAX),
                Some(1_357_016_400 * per_second + per_second / 8),
            ]
        };
        all.extend([
            stamps::<TimestampSecondType>(&name("s"), at(1), zone),
            stamps::<TimestampMillisecondType>(&name("ms"), at(1_000), zone),
            stamps::<TimestampMicrosecondType>(&name("us"), at(1_000_000), zone),
            stamps::<TimestampNanosecondType>(&name("ns"), at(1_000_000_000), zone),
        ]);
    }
    all
}

fn stamps<T: ArrowTimestampType>(
    name: &str,
    values: Vec<Option<i64>>,
    zone: Option<&str>,
) -> (Field, ArrayRef) {
    column(name, PrimitiveArray::<T>::from_iter(values).with_timezone_opt(zone))
}

fn nulls() -> Option<NullBuffer> {
    Some(NullBuffer::from(vec![true, false, true, true]))
}

fn record() -> StructArray {
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, false),
        Field::new("b", DataType::Utf8, true),
    ]);
    let a = Int32Array::from(vec![Some(1), None, Some(3), Some(4)]);
    let b = StringArray::from(vec![Some("x"), None, None, Some("z")]);
    StructArray::new(fields, vec![Arc::new(a), Arc::new(b)], nulls())
}

fn list_of(items: ArrayRef, nullable: bool, ends: [usize; 4]) -> ListArray {
    let mut last = 0;
    let lengths = ends.map(|end| end - std::mem::replace(&mut last, end));
    let field = Arc::new(Field::new("item", items.data_type().clone(), nullable));
    ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, nulls())
}

fn map_of(keys: ArrayRef, values: ArrayRef, ends: [usize; 4]) -> MapArray {
    let mut last = 0;
    let lengths = ends.map(|end| end - std::mem::replace(&mut last, end));
    let fields = Fields::from(vec![
        Field::new("key", keys.data_type().clone(), false),
        Field::new("value", values.data_type().clone(), true),
    ]);
    let entries = StructArray::new(fields, vec![keys, values], None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    MapArray::new(field, OffsetBuffer::from_lengths(lengths), entries, nulls(), false)
}

fn nested() -> Vec<(Field, ArrayRef)> {
    let ints = || Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)]));
    let words =
        || Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("d"), Some("e")]));
    let large = |items: ArrayRef| {
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        LargeListArray::new(field, OffsetBuffer::from_lengths([1, 0, 0, 4]), items, nulls())
    };
    let pairs = |items: ArrayRef, nullable| {
        let field = Arc::new(Field::new("item", items.data_type().clone(), nullable));
        FixedSizeListArray::new(field, 2, items, nulls())
    };
    let eight = Int16Array::from(vec![1, 2, 0, 0, 5, 6, 7, 8]);
    let keys = || Arc::new(StringArray::from(vec!["k1", "k2", "", "k4", "k5"]));
    let days = Date32Array::from(vec![0, 1, 2, 3, 15_706]);
    let deep = list_of(Arc::new(list_of(ints(), true, [2, 2, 4, 5])), true, [1, 1, 3, 4]);
    let outer = StructArray::new(
        Fields::from(vec![
            Field::new("inner", record().data_type().clone(), true),
            Field::new("list", list_of(ints(), true, [2, 2, 2, 5]).data_type().clone(), true),
        ]),
        vec![Arc::new(record()), Arc::new(list_of(ints(), true, [2, 2, 2, 5]))],
        nulls(),
    );
    vec![
        column("record", record()),
        column("record of records", outer),
        column("empty record", StructArray::new_empty_fields(4, nulls())),
        column("list", list_of(ints(), true, [2, 2, 2, 5])),
        column("list of required", list_of(Arc::new(eight.clone()), false, [2, 2, 2, 8])),
        column("list of records", list_of(Arc::new(record()), true, [2, 2, 3, 4])),
        column("list of lists", deep),
        column("list of nulls", list_of(Arc::new(NullArray::new(5)), true, [2, 2, 2, 5])),
        column("large list", large(words())),
        column("pairs", pairs(Arc::new(eight.clone()), true)),
        column("pairs of required", pairs(Arc::new(eight), false)),
        column("pairs of nulls", pairs(Arc::new(NullArray::new(8)), true)),
        column("map", map_of(keys(), ints(), [1, 1, 3, 5])),
        column(
            "map by int",
            map_of(Arc::new(Int8Array::from(vec![1, -2, 3, 4, 5])), words(), [1, 1, 3, 5]),
        ),
        column(
            "map by uint",
            map_of(Arc::new(UInt64Array::from(vec![u64::MAX, 2, 3, 4, 5])), words(), [1, 1, 3, 5]),
        ),
        column("map by day", map_of(Arc::new(days), words(), [1, 1, 3, 5])),
        column(
            "map by bool",
            map_of(Arc::new(BooleanArray::from(vec![true; 5])), words(), [1, 1, 3, 5]),
        ),
        column(
            "map by float",
            map_of(Arc::new(Float64Array::from(vec![0.5; 5])), words(), [1, 1, 3, 5]),
        ),
        column(
            "map by bytes",
            map_of(Arc::new(BinaryArray::from(vec![&b"\xff"[..]; 5])), words(), [1, 1, 3, 5]),
        ),
    ]
}

fn keyed<K: ArrowDictionaryKeyType>(name: &str, values: ArrayRef) -> (Field, ArrayRef) {
    let key = |index: usize| Some(K::Native::usize_as(index));
    let keys = PrimitiveArray::<K>::from_iter([key(0), None, key(1), key(0)]);
    column(name, DictionaryArray::<K>::try_new(keys, values).unwrap())
}

fn dictionaries() -> Vec<(Field, ArrayRef)> {
    let words = || Arc::new(StringArray::from(vec!["one", "two"]));
    let d = Decimal128Array::from(vec![150, -25]).with_precision_and_scale(9, 2).unwrap();
    let fixed = FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].iter()).unwrap();
    let zoned = PrimitiveArray::<TimestampMicrosecondType>::from(vec![1, 2]).with_timezone("UTC");
    let (_, inner) = keyed::<Int16Type>("", words());
    let in_record = Fields::from(vec![Field::new("d", inner.data_type().clone(), true)]);
    vec![
        keyed::<Int8Type>("dictionary int8", words()),
        keyed::<Int16Type>("dictionary int16", words()),
        keyed::<Int32Type>("dictionary int32", words()),
        keyed::<Int64Type>("dictionary int64", words()),
        keyed::<UInt8Type>("dictionary uint8", words()),
        keyed::<UInt16Type>("dictionary uint16", words()),
        keyed::<UInt32Type>("dictionary uint32", words()),
        keyed::<UInt64Type>("dictionary uint64", words()),
        keyed::<Int8Type>("dictionary large", Arc::new(LargeStringArray::from(vec!["a", "b"]))),
        keyed::<Int8Type>("dictionary view", Arc::new(StringViewArray::from(vec!["a", "b"]))),
        keyed::<Int8Type>("dictionary bytes", Arc::new(BinaryArray::from(vec![&b"a"[..], b"b"]))),
        keyed::<Int8Type>(
            "dictionary byte view",
            Arc::new(BinaryViewArray::from(vec![&b"a"[..], b"b"])),
        ),
        keyed::<Int8Type>("dictionary fixed", Arc::new(fixed)),
        keyed::<Int8Type>("dictionary bool", Arc::new(BooleanArray::from(vec![true, false]))),
        keyed::<Int8Type>("dictionary float", Arc::new(Float64Array::from(vec![0.5, 1.5]))),
        keyed::<Int8Type>("dictionary decimal", Arc::new(d)),
        keyed::<Int8Type>("dictionary timestamp", Arc::new(zoned)),
        column(
            "record of dictionary",
            StructArray::new(in_record, vec![Arc::clone(&inner)], nulls()),
        ),
        column("list of dictionary", list_of(inner, true, [1, 1, 3, 4])),
    ]
}

/// A batch like the rows of the flights data set: 19 columns.
pub fn flights(rows: usize) -> RecordBatch {
    let int = |name: &str, from: i32, span: i32| {
        let values = (0..rows as i32).map(|row| (row % 50 != 7).then(|| from + row * 7919 % span));
        column(name, Int32Array::from_iter(values))
    };
    let word = |name: &str, words: &[&str]| {
        column(name, StringArray::from_iter((0..rows).map(|row| Some(words[row % words.len()]))))
    };
    let tails = StringArray::from_iter((0..rows).map(|row| Some(format!("N{:05}", row * 31))));
    let hours = (0..rows as i64).map(|row| 1_357_016_400_000_000 + row * 3_600_000_000);
    let at = PrimitiveArray::<TimestampMicrosecondType>::from_iter_values(hours);
    batch(vec![
        int("year", 2013, 1),
        int("month", 1, 12),
        int("day", 1, 31),
        int("dep_time", 1, 2400),
        int("sched_dep_time", 1, 2400),
        int("dep_delay", -20, 300),
        int("arr_time", 1, 2400),
        int("sched_arr_time", 1, 2400),
        int("arr_delay", -60, 400),
        word("carrier", &["UA", "AA", "B6", "DL", "EV"]),
        int("flight", 1, 8000),
        column("tailnum", tails),
        word("origin", &["EWR", "LGA", "JFK"]),
        word("dest", &["IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD"]),
        int("air_time", 20, 600),
        column("distance", Float64Array::from_iter((0..rows).map(|row| Some(row as f64 * 1.5)))),
        int("hour", 0, 24),
        int("minute", 0, 60),
        column("time_hour", at.with_timezone("UTC")),
    ])
}
