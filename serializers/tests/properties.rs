//! Random schemas and batches: what an independent reader finds in the records is what a slow
//! walk over the Arrow arrays finds in the rows.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::{fmt, sync::Arc};

use arrow_array::{
    cast::AsArray,
    temporal_conversions::{as_datetime, as_time},
    types::*,
    *,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use common::{WIDE, encode, json, texts};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serializers::NonFinite;

/// A JSON value as its text says it: numbers unread, members in order.
#[derive(Clone, PartialEq)]
enum Json {
    /// `null`, `true`, `false` and numbers.
    Bare(String),
    /// Floats, which several texts may stand for.
    Float(f64),
    Single(f32),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) => f.write_str(text),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Single(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Object(members) => {
                f.debug_map().entries(members.iter().map(|(name, value)| (name, value))).finish()
            }
        }
    }
}

/// Members as they stand, also if a name occurs twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn parse(text: &str) -> Json {
    let raw: &RawValue = serde_json::from_str(text).unwrap();
    let text = raw.get();
    match text.as_bytes()[0] {
        b'{' => {
            let members: Members = serde_json::from_str(text).unwrap();
            Json::Object(members.0.into_iter().map(|(name, v)| (name, parse(v.get()))).collect())
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
            Json::Array(items.into_iter().map(|item| parse(item.get())).collect())
        }
        b'"' => Json::Text(serde_json::from_str(text).unwrap()),
        _ => Json::Bare(text.to_owned()),
    }
}

/// Whether what was read is what was meant; floats compare by their bits.
fn same(read: &Json, meant: &Json) -> bool {
    match (read, meant) {
        (Json::Bare(text), Json::Float(value)) => {
            text.parse::<f64>().is_ok_and(|read| read.to_bits() == value.to_bits())
        }
        (Json::Bare(text), Json::Single(value)) => {
            text.parse::<f32>().is_ok_and(|read| read.to_bits() == value.to_bits())
        }
        (Json::Array(read), Json::Array(meant)) => {
            read.len() == meant.len() && read.iter().zip(meant).all(|(r, m)| same(r, m))
        }
        (Json::Object(read), Json::Object(meant)) => {
            let pairs = || read.iter().zip(meant);
            read.len() == meant.len() && pairs().all(|(r, m)| r.0 == m.0 && same(&r.1, &m.1))
        }
        _ => read == meant,
    }
}

/// What the row of an array means, by the plainest way there.
fn meant(array: &dyn Array, row: usize) -> Json {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Json::Bare("null".into());
    }
    macro_rules! bare {
        ($type:ty) => {
            Json::Bare(array.as_primitive::<$type>().value(row).to_string())
        };
    }
    macro_rules! point {
        ($reader:ident, $type:ty, $format:literal) => {{
            let value = array.as_primitive::<$type>().value(row);
            let zone = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
            let text = $reader::<$type>(value.into()).unwrap().format($format).to_string();
            Json::Text(if zone { text + "Z" } else { text })
        }};
    }
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match array.data_type() {
        DataType::Boolean => Json::Bare(array.as_boolean().value(row).to_string()),
        DataType::Int8 => bare!(Int8Type),
        DataType::Int16 => bare!(Int16Type),
        DataType::Int32 => bare!(Int32Type),
        DataType::Int64 => bare!(Int64Type),
        DataType::UInt8 => bare!(UInt8Type),
        DataType::UInt16 => bare!(UInt16Type),
        DataType::UInt32 => bare!(UInt32Type),
        DataType::UInt64 => bare!(UInt64Type),
        DataType::Duration(Second) => bare!(DurationSecondType),
        DataType::Duration(_) => bare!(DurationNanosecondType),
        DataType::Float32 => match array.as_primitive::<Float32Type>().value(row) {
            value if value.is_finite() => Json::Single(value),
            _ => Json::Bare("null".into()),
        },
        DataType::Float64 => match array.as_primitive::<Float64Type>().value(row) {
            value if value.is_finite() => Json::Float(value),
            _ => Json::Bare("null".into()),
        },
        DataType::Decimal128(_, scale) => {
            decimal(&array.as_primitive::<Decimal128Type>().value(row).to_string(), *scale)
        }
        DataType::Decimal256(_, scale) => {
            decimal(&array.as_primitive::<Decimal256Type>().value(row).to_string(), *scale)
        }
        DataType::Date32 => point!(as_datetime, Date32Type, "%Y-%m-%d"),
        DataType::Date64 => point!(as_datetime, Date64Type, "%Y-%m-%d"),
        DataType::Time32(_) => point!(as_time, Time32MillisecondType, "%H:%M:%S%.3f"),
        DataType::Time64(_) => point!(as_time, Time64NanosecondType, "%H:%M:%S%.9f"),
        DataType::Timestamp(Second, _) => {
            point!(as_datetime, TimestampSecondType, "%Y-%m-%dT%H:%M:%S")
        }
        DataType::Timestamp(Millisecond, _) => {
            point!(as_datetime, TimestampMillisecondType, "%Y-%m-%dT%H:%M:%S%.3f")
        }
        DataType::Timestamp(Microsecond, _) => {
            point!(as_datetime, TimestampMicrosecondType, "%Y-%m-%dT%H:%M:%S%.6f")
        }
        DataType::Timestamp(Nanosecond, _) => {
            point!(as_datetime, TimestampNanosecondType, "%Y-%m-%dT%H:%M:%S%.9f")
        }
        DataType::Utf8 => Json::Text(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Json::Text(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Json::Text(array.as_string_view().value(row).into()),
        DataType::Binary => Json::Text(base64(array.as_binary::<i32>().value(row))),
        DataType::BinaryView => Json::Text(base64(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => Json::Text(base64(array.as_fixed_size_binary().value(row))),
        DataType::List(_) => items(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => items(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            Json::Object(columns.map(|(f, c)| (f.name().clone(), meant(c, row))).collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let entry = |at| match meant(entries.column(0), at) {
                Json::Text(key) | Json::Bare(key) => (key, meant(entries.column(1), at)),
                key => panic!("{key:?} is no key"),
            };
            Json::Object((0..entries.len()).map(entry).collect())
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            meant(dictionary.values(), dictionary.normalized_keys()[row])
        }
        other => panic!("no {other} is made here"),
    }
}

fn items(list: &ArrayRef) -> Json {
    Json::Array((0..list.len()).map(|at| meant(list, at)).collect())
}

fn decimal(integer: &str, scale: i8) -> Json {
    let (sign, digits) = integer.strip_prefix('-').map_or(("", integer), |digits| ("-", digits));
    let text = if scale > 0 {
        let scale = usize::from(scale.unsigned_abs());
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        format!("{sign}{whole}.{fraction}")
    } else if digits == "0" {
        "0".into()
    } else {
        format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs())))
    };
    Json::Bare(text)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|bits| {
        let bits = format!("{:0<6}", std::str::from_utf8(bits).unwrap());
        char::from(DIGITS[usize::from_str_radix(&bits, 2).unwrap()])
    });
    let text: String = sextets.collect();
    format!("{text:=<width$}", width = text.len().div_ceil(4) * 4)
}

/// Types, three levels deep.
fn data_type() -> impl Strategy<Value = DataType> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let leaf = prop::sample::select(vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 7),
        DataType::Decimal256(76, -4),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(Millisecond),
        DataType::Time64(Nanosecond),
        DataType::Timestamp(Second, None),
        DataType::Timestamp(Millisecond, Some("+02:00".into())),
        DataType::Timestamp(Microsecond, Some("UTC".into())),
        DataType::Timestamp(Nanosecond, None),
        DataType::Duration(Second),
        DataType::Duration(Nanosecond),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(5),
    ]);
    leaf.prop_recursive(3, 20, 4, |inner| {
        let key = prop::sample::select(vec![DataType::Utf8, DataType::Int16, DataType::Boolean]);
        let item = |inner: DataType| Arc::new(Field::new("item", inner, true));
        prop_oneof![
            inner.clone().prop_map(move |of| DataType::List(item(of))),
            inner.clone().prop_map(move |of| DataType::LargeList(item(of))),
            (inner.clone(), 0..4).prop_map(move |(of, n)| DataType::FixedSizeList(item(of), n)),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|of| DataType::Struct(fields(of))),
            (key, inner.clone()).prop_map(|(key, value)| {
                let entries = vec![Field::new("key", key, false), Field::new("value", value, true)];
                let entries = DataType::Struct(entries.into());
                DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
            }),
            inner.prop_map(|of| DataType::Dictionary(Box::new(DataType::UInt16), Box::new(of))),
        ]
    })
}

fn fields(of: Vec<DataType>) -> Fields {
    of.into_iter().enumerate().map(|(at, of)| Field::new(format!("f\"{at}"), of, true)).collect()
}

/// A source of numbers (splitmix); a failing case is told by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// An integer of any magnitude, edges included.
    fn integer(&mut self) -> i64 {
        match self.below(8) {
            0 => 0,
            1 => i64::MIN,
            2 => i64::MAX,
            _ => (self.next() as i64) >> self.below(64),
        }
    }

    /// An integer within ±`bound`.
    fn within(&mut self, bound: i64) -> i64 {
        self.integer() % (bound + 1)
    }

    fn text(&mut self) -> String {
        const ALL: &[&str] = &[
            "a",
            "Z",
            "0",
            "\"",
            "\\",
            "\n",
            "\u{0}",
            "\u{1f}",
            "é",
            "\u{2028}",
            "😀",
            "/",
            "long and clean text ",
        ];
        (0..self.below(12)).map(|_| ALL[self.below(ALL.len())]).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.next() as u8).collect()
    }

    fn nulls(&mut self, len: usize) -> Option<NullBuffer> {
        let rate = self.below(4);
        (rate > 0).then(|| (0..len).map(|_| self.below(4) >= rate).collect())
    }

    fn lengths(&mut self, lists: usize) -> Vec<usize> {
        (0..lists).map(|_| self.below(4)).collect()
    }
}

/// An array of `len` values, cut out of a longer one, with nulls unless it is `required`.
fn array(of: &DataType, len: usize, random: &mut Random, required: bool) -> ArrayRef {
    let (before, after) = (random.below(3), random.below(3));
    let whole = whole_array(of, before + len + after, random, required);
    whole.slice(before, len)
}

fn whole_array(of: &DataType, len: usize, random: &mut Random, required: bool) -> ArrayRef {
    let nulls = if required { None } else { random.nulls(len) };
    macro_rules! numbers {
        ($type:ty, $value:expr) => {{
            let values: Vec<<$type as ArrowPrimitiveType>::Native> =
                (0..len).map(|_| $value).collect();
            let array = PrimitiveArray::<$type>::new(values.into(), nulls);
            Arc::new(array.with_data_type(of.clone())) as ArrayRef
        }};
    }
    macro_rules! texts {
        ($array:ty, $value:expr) => {{
            let valid = |at| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at));
            let values: Vec<_> = (0..len).map(|at| valid(at).then(|| $value)).collect();
            Arc::new(values.into_iter().collect::<$array>()) as ArrayRef
        }};
    }
    // Years 0001 to 9998, which all units but nanoseconds reach; those reach 1678 to 2261.
    const DAYS: i64 = 719_000;
    const SECONDS: i64 = DAYS * 86_400;
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match of {
        DataType::Null => Arc::new(NullArray::new(len)),
        DataType::Boolean => texts!(BooleanArray, random.below(2) == 0),
        DataType::Int8 => numbers!(Int8Type, random.integer() as i8),
        DataType::Int16 => numbers!(Int16Type, random.integer() as i16),
        DataType::Int32 => numbers!(Int32Type, random.integer() as i32),
        DataType::Int64 => numbers!(Int64Type, random.integer()),
        DataType::UInt8 => numbers!(UInt8Type, random.integer() as u8),
        DataType::UInt16 => numbers!(UInt16Type, random.integer() as u16),
        DataType::UInt32 => numbers!(UInt32Type, random.integer() as u32),
        DataType::UInt64 => numbers!(UInt64Type, random.integer() as u64),
        DataType::Float32 => numbers!(Float32Type, f32::from_bits(random.next() as u32)),
        DataType::Float64 => numbers!(Float64Type, f64::from_bits(random.next())),
        DataType::Decimal128(..) => numbers!(Decimal128Type, i128::from(random.integer()) << 60),
        DataType::Decimal256(..) => numbers!(
            Decimal256Type,
            i256::from_parts(random.next().into(), random.integer().into())
        ),
        DataType::Date32 => numbers!(Date32Type, random.within(DAYS) as i32),
        DataType::Date64 => numbers!(Date64Type, random.within(SECONDS * 1_000)),
        DataType::Time32(_) => {
            numbers!(Time32MillisecondType, random.within(86_399_999).abs() as i32)
        }
        DataType::Time64(_) => {
            numbers!(Time64NanosecondType, random.within(86_399_999_999_999).abs())
        }
        DataType::Timestamp(Second, _) => numbers!(TimestampSecondType, random.within(SECONDS)),
        DataType::Timestamp(Millisecond, _) => {
            numbers!(TimestampMillisecondType, random.within(SECONDS * 1_000))
        }
        DataType::Timestamp(Microsecond, _) => {
            numbers!(TimestampMicrosecondType, random.within(SECONDS * 1_000_000))
        }
        DataType::Timestamp(Nanosecond, _) => {
            numbers!(TimestampNanosecondType, random.integer())
        }
        DataType::Duration(Second) => numbers!(DurationSecondType, random.integer()),
        DataType::Duration(_) => numbers!(DurationNanosecondType, random.integer()),
        DataType::Utf8 => texts!(StringArray, random.text()),
        DataType::LargeUtf8 => texts!(LargeStringArray, random.text()),
        DataType::Utf8View => texts!(StringViewArray, random.text()),
        DataType::Binary => texts!(BinaryArray, random.bytes()),
        DataType::BinaryView => texts!(BinaryViewArray, random.bytes()),
        DataType::FixedSizeBinary(size) => {
            let bytes: Vec<u8> = (0..len * *size as usize).map(|_| random.next() as u8).collect();
            Arc::new(FixedSizeBinaryArray::new(*size, bytes.into(), nulls))
        }
        DataType::List(item) => {
            let lengths = random.lengths(len);
            let items = array(item.data_type(), lengths.iter().sum(), random, false);
            Arc::new(ListArray::new(
                item.clone(),
                OffsetBuffer::from_lengths(lengths),
                items,
                nulls,
            ))
        }
        DataType::LargeList(item) => {
            let lengths = random.lengths(len);
            let items = array(item.data_type(), lengths.iter().sum(), random, false);
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(LargeListArray::new(item.clone(), offsets, items, nulls))
        }
        DataType::FixedSizeList(item, size) => {
            let items = array(item.data_type(), len * *size as usize, random, false);
            let lists =
                FixedSizeListArray::try_new_with_length(item.clone(), *size, items, nulls, len);
            Arc::new(lists.unwrap())
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|f| array(f.data_type(), len, random, !f.is_nullable()))
                .collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, len).unwrap())
        }
        DataType::Map(entries, _) => {
            let lengths = random.lengths(len);
            let pairs = whole_array(entries.data_type(), lengths.iter().sum(), random, true);
            let offsets = OffsetBuffer::from_lengths(lengths);
            let pairs = pairs.as_struct().clone();
            Arc::new(MapArray::new(entries.clone(), offsets, pairs, nulls, false))
        }
        DataType::Dictionary(_, value) => {
            let values = array(value, 1 + random.below(5), random, false);
            let keys = (0..len).map(|_| random.below(values.len()) as u16).collect::<Vec<_>>();
            Arc::new(DictionaryArray::new(UInt16Array::new(keys.into(), nulls), values))
        }
        other => panic!("no {other} is made here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn the_records_say_what_the_rows_mean(
        of in prop::collection::vec(data_type(), 0..6),
        rows in 0_usize..12,
        seed in any::<u64>(),
    ) {
        let fields = fields(of);
        let mut random = Random(seed);
        let columns: Vec<_> =
            fields.iter().map(|f| array(f.data_type(), rows, &mut random, false)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields.clone())),
            columns,
            &options,
        ).unwrap();
        let records = encode(&json(NonFinite::Null), &WIDE, &batch);
        prop_assert_eq!((records.len(), records.rejected_total()), (rows, 0));
        for (row, text) in texts(&records).iter().enumerate() {
            prop_assert!(!text.contains('\n'));
            let columns = fields.iter().zip(batch.columns());
            let members = columns.map(|(f, c)| (f.name().clone(), meant(c, row))).collect();
            let (read, meant) = (parse(text), Json::Object(members));
            prop_assert!(same(&read, &meant), "row {}:\n{:?}\n{:?}", row, read, meant);
        }
    }
}

#[test]
fn the_comparison_notices_a_difference() {
    let read = parse(r#"{"a":[1,"x",0.5],"a":null}"#);
    let object = |number: &str, float| {
        let items = vec![Json::Bare(number.into()), Json::Text("x".into()), Json::Float(float)];
        let null = Json::Bare("null".into());
        Json::Object(vec![("a".into(), Json::Array(items)), ("a".into(), null)])
    };
    assert!(same(&read, &object("1", 0.5)));
    assert!(!same(&read, &object("2", 0.5)));
    assert!(!same(&read, &object("1", 0.25)));
    assert!(!same(&parse("-0.0"), &Json::Float(0.0)));
    assert!(!same(&parse("0.1"), &Json::Single(0.2)) && same(&parse("0.1"), &Json::Single(0.1)));
}
