//! Random schemas and batches: what apache-avro reads in the records is what a slow walk over the
//! Arrow arrays finds in the rows, and arrow-avro writes the same bytes.

use std::{collections::BTreeMap, sync::Arc};

use apache_avro::{reader::datum::GenericDatumReader, types::Value};
use arrow_array::{cast::AsArray, types::*, *};
use arrow_avro::{
    schema::{
        AvroSchema as ArrowSchema, Fingerprint, FingerprintAlgorithm, FingerprintStrategy,
        SCHEMA_METADATA_KEY,
    },
    writer::{WriterBuilder, format::AvroSoeFormat},
};
use arrow_buffer::{ArrowNativeType, i256};
use arrow_schema::{DataType, Fields, TimeUnit};
use proptest::prelude::*;
use serializers::{AvroCodec, AvroFraming};

use crate::{compile, encode, framed, random, raw};

/// A value as it was read, or as it is meant: branches of unions left out, floats by their bits.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    Null,
    Boolean(bool),
    Integer(&'static str, i64),
    Float(u32),
    Double(u64),
    Bytes(Vec<u8>),
    Fixed(Vec<u8>),
    Text(String),
    Digits(i256),
    List(Vec<Read>),
    Map(BTreeMap<String, Read>),
    Record(Vec<(String, Read)>),
}

fn read(value: Value) -> Read {
    match value {
        Value::Null => Read::Null,
        Value::Boolean(value) => Read::Boolean(value),
        Value::Int(value) => Read::Integer("int", value.into()),
        Value::Long(value) => Read::Integer("long", value),
        Value::Float(value) => Read::Float(value.to_bits()),
        Value::Double(value) => Read::Double(value.to_bits()),
        Value::Bytes(bytes) => Read::Bytes(bytes),
        Value::Fixed(len, bytes) => {
            assert_eq!(len, bytes.len());
            Read::Fixed(bytes)
        }
        Value::String(text) => Read::Text(text),
        Value::Union(_, value) => read(*value),
        Value::Array(items) => Read::List(items.into_iter().map(read).collect()),
        Value::Map(entries) => {
            Read::Map(entries.into_iter().map(|(key, value)| (key, read(value))).collect())
        }
        Value::Record(fields) => {
            Read::Record(fields.into_iter().map(|(name, value)| (name, read(value))).collect())
        }
        Value::Date(value) => Read::Integer("date", value.into()),
        Value::TimeMillis(value) => Read::Integer("time-millis", value.into()),
        Value::TimeMicros(value) => Read::Integer("time-micros", value),
        Value::TimestampMillis(value) => Read::Integer("timestamp-millis", value),
        Value::TimestampMicros(value) => Read::Integer("timestamp-micros", value),
        Value::TimestampNanos(value) => Read::Integer("timestamp-nanos", value),
        Value::LocalTimestampMillis(value) => Read::Integer("local-timestamp-millis", value),
        Value::LocalTimestampMicros(value) => Read::Integer("local-timestamp-micros", value),
        Value::LocalTimestampNanos(value) => Read::Integer("local-timestamp-nanos", value),
        Value::Decimal(decimal) => {
            let bytes = <Vec<u8>>::try_from(&decimal).unwrap();
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut all = [sign; 32];
            all[32 - bytes.len()..].copy_from_slice(&bytes);
            Read::Digits(i256::from_be_bytes(all))
        }
        other => panic!("{other:?} is not written"),
    }
}

macro_rules! integer {
    ($array:ident, $row:ident, $type:ty, $name:expr) => {
        Read::Integer($name, $array.as_primitive::<$type>().value($row).widened())
    };
}

/// What the row of an array means, by the plainest way there.
fn meant(array: &dyn Array, row: usize) -> Read {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Read::Null;
    }
    macro_rules! digits {
        ($type:ty) => {
            i256::from_string(&array.as_primitive::<$type>().value(row).to_string()).unwrap()
        };
    }
    match array.data_type() {
        DataType::Boolean => Read::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => integer!(array, row, Int8Type, "int"),
        DataType::Int16 => integer!(array, row, Int16Type, "int"),
        DataType::Int32 => integer!(array, row, Int32Type, "int"),
        DataType::Int64 => integer!(array, row, Int64Type, "long"),
        DataType::UInt8 => integer!(array, row, UInt8Type, "int"),
        DataType::UInt16 => integer!(array, row, UInt16Type, "int"),
        DataType::UInt32 => integer!(array, row, UInt32Type, "long"),
        DataType::UInt64 => Read::Digits(digits!(UInt64Type)),
        DataType::Float32 => Read::Float(array.as_primitive::<Float32Type>().value(row).to_bits()),
        DataType::Float64 => Read::Double(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Decimal128(_, scale) => {
            let zeros = 10_i128.pow((-i32::from(*scale)).max(0) as u32);
            Read::Digits(digits!(Decimal128Type).wrapping_mul(i256::from_i128(zeros)))
        }
        DataType::Decimal256(..) => Read::Digits(digits!(Decimal256Type)),
        DataType::Utf8 => Read::Text(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Read::Text(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Read::Text(array.as_string_view().value(row).into()),
        DataType::Binary => Read::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::BinaryView => Read::Bytes(array.as_binary_view().value(row).into()),
        DataType::FixedSizeBinary(_) => Read::Fixed(array.as_fixed_size_binary().value(row).into()),
        DataType::List(_) => items(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => items(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => record(fields, array.as_struct().columns(), row),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let entry = |at| match meant(entries.column(0), at) {
                Read::Text(key) => (key, meant(entries.column(1), at)),
                Read::Integer(_, key) => (key.to_string(), meant(entries.column(1), at)),
                Read::Boolean(key) => (key.to_string(), meant(entries.column(1), at)),
                key => panic!("{key:?} is no key"),
            };
            Read::Map((0..entries.len()).map(entry).collect())
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            meant(dictionary.values(), dictionary.normalized_keys()[row])
        }
        _ => meant_time(array, row),
    }
}

/// [`meant`] of dates, times and durations.
fn meant_time(array: &dyn Array, row: usize) -> Read {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match array.data_type() {
        DataType::Date32 => integer!(array, row, Date32Type, "date"),
        DataType::Date64 => {
            let days = array.as_primitive::<Date64Type>().value(row) / 86_400_000;
            Read::Integer("date", days)
        }
        DataType::Time32(Second) => {
            let value = array.as_primitive::<Time32SecondType>().value(row);
            Read::Integer("time-millis", i64::from(value) * 1_000)
        }
        DataType::Time32(_) => integer!(array, row, Time32MillisecondType, "time-millis"),
        DataType::Time64(Microsecond) => integer!(array, row, Time64MicrosecondType, "time-micros"),
        DataType::Time64(_) => integer!(array, row, Time64NanosecondType, "long"),
        DataType::Timestamp(Second, None) => {
            let value = array.as_primitive::<TimestampSecondType>().value(row);
            Read::Integer("local-timestamp-millis", value * 1_000)
        }
        DataType::Timestamp(Millisecond, None) => {
            integer!(array, row, TimestampMillisecondType, "local-timestamp-millis")
        }
        DataType::Timestamp(Millisecond, Some(_)) => {
            integer!(array, row, TimestampMillisecondType, "timestamp-millis")
        }
        DataType::Timestamp(Microsecond, None) => {
            integer!(array, row, TimestampMicrosecondType, "local-timestamp-micros")
        }
        DataType::Timestamp(Microsecond, Some(_)) => {
            integer!(array, row, TimestampMicrosecondType, "timestamp-micros")
        }
        DataType::Timestamp(Nanosecond, None) => {
            integer!(array, row, TimestampNanosecondType, "local-timestamp-nanos")
        }
        DataType::Timestamp(Nanosecond, Some(_)) => {
            integer!(array, row, TimestampNanosecondType, "timestamp-nanos")
        }
        DataType::Duration(_) => integer!(array, row, DurationNanosecondType, "long"),
        other => panic!("no {other} is made here"),
    }
}

/// An integer as 64 bits, whatever it is.
trait Widened {
    fn widened(self) -> i64;
}

impl<T: Into<i64> + ArrowNativeType> Widened for T {
    fn widened(self) -> i64 {
        self.into()
    }
}

fn items(list: &ArrayRef) -> Read {
    Read::List((0..list.len()).map(|at| meant(list, at)).collect())
}

/// Names are letters and digits here, with one that is not legal at their end.
fn record(fields: &Fields, columns: &[ArrayRef], row: usize) -> Read {
    let columns = fields.iter().zip(columns);
    Read::Record(columns.map(|(f, c)| (f.name().replace('"', "_"), meant(c, row))).collect())
}

/// Compares every row of a batch in every framing.
fn check(batch: &RecordBatch) -> Result<(), TestCaseError> {
    let encoder = compile(&raw(), batch).unwrap();
    let json = encoder.avro_schema().unwrap();
    let schema = apache_avro::Schema::parse_str(json).unwrap();

    let rows: Vec<Read> = (0..batch.num_rows())
        .map(|row| record(batch.schema_ref().fields(), batch.columns(), row))
        .collect();
    let records = encode(&raw(), batch);
    prop_assert_eq!((records.len(), records.rejected_total()), (rows.len(), 0));
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    for (row, meant) in rows.iter().enumerate() {
        let mut bytes = records.record(row);
        let value = reader.read_value(&mut bytes).unwrap();
        prop_assert_eq!(bytes.len(), 0, "bytes are left over");
        prop_assert_eq!(&read(value), meant, "row {}", row);
    }
    // The fingerprint is Java's and arrow-avro's. That of apache-avro 0.22 is another as soon as a
    // type is logical, since it leaves the precision in the canonical form.
    let fingerprint = ArrowSchema::new(json.to_owned()).fingerprint(FingerprintAlgorithm::Rabin);
    let Ok(Fingerprint::Rabin(fingerprint)) = fingerprint else { panic!("{fingerprint:?}") };
    prop_assert_eq!(encoder.avro_fingerprint(), Some(fingerprint));
    let single = encode(&framed(AvroFraming::SingleObject), batch);
    for row in 0..rows.len() {
        let (header, datum) = single.record(row).split_at(10);
        prop_assert_eq!(&header[..2], [0xc3, 1]);
        prop_assert_eq!(&header[2..], fingerprint.to_le_bytes());
        prop_assert_eq!(datum, records.record(row));
    }
    let codec = [AvroCodec::Null, AvroCodec::Deflate, AvroCodec::Snappy, AvroCodec::Zstandard];
    let codec = codec[batch.num_rows() % 4];
    let records = encode(&framed(AvroFraming::Container { codec }), batch);
    for (row, meant) in rows.iter().enumerate() {
        let reader = apache_avro::Reader::new(records.record(row)).unwrap();
        let values: Vec<Read> = reader.map(|value| read(value.unwrap())).collect();
        prop_assert_eq!(&values, std::slice::from_ref(meant), "row {}", row);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn apache_avro_reads_what_the_rows_mean(
        of in prop::collection::vec((random::data_type(), any::<bool>()), 0..6),
        rows in 0_usize..12,
        seed in any::<u64>(),
    ) {
        check(&random::batch(of, rows, seed))?;
    }

    #[test]
    fn ten_levels_of_nesting_are_read_back(
        levels in prop::collection::vec(0_u8..4, 10),
        rows in 1_usize..6,
        seed in any::<u64>(),
    ) {
        let of = levels.into_iter().fold(DataType::Int64, random::around);
        check(&random::batch(vec![(of, true)], rows, seed))?;
    }

    #[test]
    fn arrow_avro_writes_the_same_bytes(
        of in prop::collection::vec((random::arrow_avro_type(), any::<bool>()), 1..6),
        rows in 0_usize..12,
        seed in any::<u64>(),
    ) {
        let batch = random::legal_batch(of, rows, seed);
        let format = framed(AvroFraming::Confluent { schema_id: 77 });
        let json = compile(&format, &batch).unwrap().avro_schema().unwrap().to_owned();
        let metadata = [(SCHEMA_METADATA_KEY.to_owned(), json)];
        let schema = batch.schema_ref().as_ref().clone().with_metadata(metadata);
        let theirs = batch.clone().with_schema(Arc::new(schema.clone())).unwrap();
        let mut encoder = WriterBuilder::new(schema)
            .with_fingerprint_strategy(FingerprintStrategy::Id(77))
            .build_encoder::<AvroSoeFormat>()
            .unwrap();
        encoder.encode(&theirs).unwrap();
        let theirs = encoder.flush();
        let ours = encode(&format, &batch);
        prop_assert_eq!(theirs.len(), ours.len());
        for row in 0..ours.len() {
            prop_assert_eq!(&theirs.row(row).unwrap()[..], ours.record(row), "row {}", row);
        }
    }
}

#[test]
fn the_comparison_notices_a_difference() {
    let record = |value| Value::Record(vec![("a".into(), Value::Union(1, Box::new(value)))]);
    let meant = |value| Read::Record(vec![("a".into(), value)]);
    assert_eq!(read(record(Value::Long(1))), meant(Read::Integer("long", 1)));
    assert_ne!(read(record(Value::Long(1))), meant(Read::Integer("long", 2)));
    assert_ne!(read(record(Value::Long(1))), meant(Read::Integer("timestamp-nanos", 1)));
    assert_ne!(read(record(Value::Double(0.0))), meant(Read::Double((-0.0_f64).to_bits())));
    assert_eq!(read(Value::Decimal(vec![0xff, 0x7f].into())), Read::Digits(i256::from(-129_i64)));
}
