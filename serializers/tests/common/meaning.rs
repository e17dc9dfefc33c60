//! What a row means, and what the text of a record says.

use std::fmt;

use arrow_array::{
    cast::AsArray,
    temporal_conversions::{as_datetime, as_time},
    types::*,
    *,
};
use arrow_schema::{DataType, Fields, TimeUnit};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serializers::{Decimals, Integers64, JsonOptions, Nulls, TimestampFormat};

/// A JSON value as its text says it: numbers unread, members in order.
#[derive(Clone, PartialEq)]
pub enum Json {
    /// `null`, `true`, `false` and numbers.
    Bare(String),
    /// Floats, which several texts may stand for.
    Float(f64),
    Single(f32),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn null() -> Self {
        Self::Bare("null".into())
    }
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

/// Reads JSON with `serde_json`, without making numbers or members of it.
pub fn parse(text: &str) -> Json {
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
pub fn same(read: &Json, meant: &Json) -> bool {
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

/// What the row of an array means as JSON, by the plainest way there.
pub fn meant(array: &dyn Array, row: usize, options: &JsonOptions) -> Json {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Json::null();
    }
    macro_rules! bare {
        ($type:ty) => {
            Json::Bare(array.as_primitive::<$type>().value(row).to_string())
        };
    }
    macro_rules! wide {
        ($type:ty) => {{
            let text = array.as_primitive::<$type>().value(row).to_string();
            if options.integers64 == Integers64::String {
                Json::Text(text)
            } else {
                Json::Bare(text)
            }
        }};
    }
    macro_rules! instant {
        ($type:ty, $digits:literal) => {{
            let value = array.as_primitive::<$type>().value(row);
            let zone = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
            let text =
                || as_datetime::<$type>(value).unwrap().format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
            timestamp(value, text, $digits, zone, options.timestamps)
        }};
    }
    macro_rules! point {
        ($reader:ident, $type:ty, $format:literal) => {{
            let value = array.as_primitive::<$type>().value(row);
            Json::Text($reader::<$type>(value.into()).unwrap().format($format).to_string())
        }};
    }
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match array.data_type() {
        DataType::Boolean => Json::Bare(array.as_boolean().value(row).to_string()),
        DataType::Int8 => bare!(Int8Type),
        DataType::Int16 => bare!(Int16Type),
        DataType::Int32 => bare!(Int32Type),
        DataType::Int64 => wide!(Int64Type),
        DataType::UInt8 => bare!(UInt8Type),
        DataType::UInt16 => bare!(UInt16Type),
        DataType::UInt32 => bare!(UInt32Type),
        DataType::UInt64 => wide!(UInt64Type),
        DataType::Duration(Second) => wide!(DurationSecondType),
        DataType::Duration(_) => wide!(DurationNanosecondType),
        DataType::Float32 => match array.as_primitive::<Float32Type>().value(row) {
            value if value.is_finite() => Json::Single(value),
            _ => Json::null(),
        },
        DataType::Float64 => match array.as_primitive::<Float64Type>().value(row) {
            value if value.is_finite() => Json::Float(value),
            _ => Json::null(),
        },
        DataType::Decimal128(_, scale) => {
            let text = array.as_primitive::<Decimal128Type>().value(row).to_string();
            decimal(&text, *scale, options.decimals)
        }
        DataType::Decimal256(_, scale) => {
            let text = array.as_primitive::<Decimal256Type>().value(row).to_string();
            decimal(&text, *scale, options.decimals)
        }
        DataType::Date32 => point!(as_datetime, Date32Type, "%Y-%m-%d"),
        DataType::Date64 => point!(as_datetime, Date64Type, "%Y-%m-%d"),
        DataType::Time32(_) => point!(as_time, Time32MillisecondType, "%H:%M:%S%.3f"),
        DataType::Time64(_) => point!(as_time, Time64NanosecondType, "%H:%M:%S%.9f"),
        DataType::Timestamp(Second, _) => instant!(TimestampSecondType, 0),
        DataType::Timestamp(Millisecond, _) => instant!(TimestampMillisecondType, 3),
        DataType::Timestamp(Microsecond, _) => instant!(TimestampMicrosecondType, 6),
        DataType::Timestamp(Nanosecond, _) => instant!(TimestampNanosecondType, 9),
        DataType::Utf8 => Json::Text(array.as_string::<i32>().value(row).into()),
        DataType::LargeUtf8 => Json::Text(array.as_string::<i64>().value(row).into()),
        DataType::Utf8View => Json::Text(array.as_string_view().value(row).into()),
        DataType::Binary => Json::Text(base64(array.as_binary::<i32>().value(row))),
        DataType::BinaryView => Json::Text(base64(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => Json::Text(base64(array.as_fixed_size_binary().value(row))),
        DataType::List(_) => items(&array.as_list::<i32>().value(row), options),
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row), options),
        DataType::FixedSizeList(..) => items(&array.as_fixed_size_list().value(row), options),
        DataType::Struct(fields) => object(fields, array.as_struct().columns(), row, options),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let entry = |at| match meant(entries.column(0), at, options) {
                Json::Text(key) | Json::Bare(key) => (key, meant(entries.column(1), at, options)),
                key => panic!("{key:?} is no key"),
            };
            Json::Object((0..entries.len()).map(entry).collect())
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            meant(dictionary.values(), dictionary.normalized_keys()[row], options)
        }
        other => panic!("no {other} is made here"),
    }
}

/// What a row of columns, or a struct, means.
pub fn object(fields: &Fields, columns: &[ArrayRef], row: usize, options: &JsonOptions) -> Json {
    let members = fields.iter().zip(columns);
    let members = members.map(|(f, c)| (f.name().clone(), meant(c, row, options)));
    let left = |value: &Json| options.nulls == Nulls::Written || *value != Json::null();
    Json::Object(members.filter(|(_, value)| left(value)).collect())
}

fn items(list: &ArrayRef, options: &JsonOptions) -> Json {
    Json::Array((0..list.len()).map(|at| meant(list, at, options)).collect())
}

/// `text` has nine digits behind the point, and `value` counts units of so many digits.
fn timestamp(
    value: i64,
    text: impl Fn() -> String,
    digits: usize,
    zone: bool,
    format: TimestampFormat,
) -> Json {
    let text = |digits: usize| {
        let point = if digits == 0 { 0 } else { 1 };
        let text = &text()[..19 + point + digits];
        Json::Text(if zone { format!("{text}Z") } else { text.into() })
    };
    let number = |to: u32| {
        let scaled = i128::from(value) * 10_i128.pow(to);
        Json::Bare(scaled.div_euclid(10_i128.pow(digits as u32)).to_string())
    };
    match format {
        TimestampFormat::Iso => text(digits),
        TimestampFormat::Iso7 => text(7),
        TimestampFormat::EpochSeconds => number(0),
        TimestampFormat::EpochMilliseconds => number(3),
        TimestampFormat::EpochMicroseconds => number(6),
    }
}

fn decimal(integer: &str, scale: i8, decimals: Decimals) -> Json {
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
    if decimals == Decimals::String { Json::Text(text) } else { Json::Bare(text) }
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
