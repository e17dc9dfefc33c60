//! Column types as a person writes them: `int64`, `timestamp[us,UTC]`, `decimal(10,2)`.
use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use arrow_schema::{DataType, Field, TimeUnit};

/// The Arrow extension type for JSON text.
const EXTENSION_KEY: &str = "ARROW:extension:name";
const JSON_EXTENSION: &str = "arrow.json";

const KNOWN: &str = "bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, \
                     float64, utf8, json, date, time[s|ms|us|ns], timestamp[s|ms|us|ns], \
                     timestamp[s|ms|us|ns,UTC], decimal(PRECISION,SCALE)";

/// The type of a column that is read from text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// What Arrow calls it.
    pub data_type: DataType,
    /// Text that is JSON.
    pub json: bool,
}

impl ColumnType {
    /// JSON text: for values whose type changes from row to row.
    pub fn json() -> Self {
        Self { data_type: DataType::Utf8, json: true }
    }

    /// A nullable column of this type.
    pub fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type.clone(), true);
        match self.json {
            true => field.with_metadata(HashMap::from([(
                EXTENSION_KEY.to_owned(),
                JSON_EXTENSION.to_owned(),
            )])),
            false => field,
        }
    }
}

impl From<DataType> for ColumnType {
    fn from(data_type: DataType) -> Self {
        Self { data_type, json: false }
    }
}

/// A UTC timestamp.
pub fn timestamp_utc(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some(Arc::from("UTC")))
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data_type {
            DataType::Utf8 if self.json => f.write_str("json"),
            DataType::Boolean => f.write_str("bool"),
            DataType::Date32 => f.write_str("date"),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                write!(f, "time[{}]", unit_name(*unit))
            }
            DataType::Timestamp(unit, None) => write!(f, "timestamp[{}]", unit_name(*unit)),
            DataType::Timestamp(unit, Some(zone)) => {
                write!(f, "timestamp[{},{zone}]", unit_name(*unit))
            }
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                write!(f, "decimal({precision},{scale})")
            }
            other => f.write_str(&other.to_string().to_lowercase()),
        }
    }
}

impl FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("`{text}` is not a type; the types are {KNOWN}");
        let lower: String = text.to_lowercase().split_whitespace().collect();
        let data_type = match lower.as_str() {
            "bool" | "boolean" => DataType::Boolean,
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "float32" => DataType::Float32,
            "float64" => DataType::Float64,
            "utf8" | "text" => DataType::Utf8,
            "json" => return Ok(Self::json()),
            "date" => DataType::Date32,
            _ => parameterized(&lower).ok_or_else(unknown)?,
        };
        Ok(data_type.into())
    }
}

fn parameterized(text: &str) -> Option<DataType> {
    let (name, rest) = text.split_once(['[', '('])?;
    let parameters = rest.strip_suffix([']', ')'])?;
    match name {
        "time" => Some(match unit(parameters)? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time64(unit),
        }),
        "timestamp" => match parameters.split_once(',') {
            None => Some(DataType::Timestamp(unit(parameters)?, None)),
            Some((name, "utc")) => Some(timestamp_utc(unit(name)?)),
            Some(_) => None,
        },
        "decimal" => {
            let (precision, scale) = parameters.split_once(',')?;
            let (precision, scale) = (precision.parse::<u8>().ok()?, scale.parse::<i8>().ok()?);
            let fits = scale >= 0 && i16::from(scale) <= i16::from(precision);
            match precision {
                1..=38 if fits => Some(DataType::Decimal128(precision, scale)),
                39..=76 if fits => Some(DataType::Decimal256(precision, scale)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn unit(text: &str) -> Option<TimeUnit> {
    match text {
        "s" => Some(TimeUnit::Second),
        "ms" => Some(TimeUnit::Millisecond),
        "us" => Some(TimeUnit::Microsecond),
        "ns" => Some(TimeUnit::Nanosecond),
        _ => None,
    }
}

/// The value of `--types`: `NAME=TYPE,NAME=TYPE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types(pub Vec<(String, ColumnType)>);

impl FromStr for Types {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut types = Vec::new();
        for part in split_outside_brackets(text) {
            let Some((name, column_type)) = part.rsplit_once('=') else {
                return Err(format!("`{part}` is not of the form COLUMN=TYPE"));
            };
            types.push((name.trim().to_owned(), column_type.trim().parse()?));
        }
        Ok(Self(types))
    }
}

/// Splits at commas that are not inside `[…]` or `(…)`.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let mut separator = |c: char| {
        depth += i32::from(matches!(c, '[' | '(')) - i32::from(matches!(c, ']' | ')'));
        c == ',' && depth == 0
    };
    text.split(&mut separator).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_it_is_shown() {
        let text = "a=bool,b=int8,c=uint64,d=float32,e=utf8,f=json,g=date,h=time[ms],\
                    i=time[ns],j=timestamp[s],k=timestamp[us,UTC],l=decimal(10,2),m=decimal(76,0)";
        let Types(types) = text.parse().unwrap();
        assert_eq!(types.len(), 13);
        for (name, column_type) in &types {
            assert_eq!(column_type.to_string().parse(), Ok(column_type.clone()), "{name}");
        }
        assert_eq!(types[10].1.data_type, timestamp_utc(TimeUnit::Microsecond));
        assert_eq!(types[5].1.field("f").metadata()[EXTENSION_KEY], JSON_EXTENSION);
    }

    #[test]
    fn what_is_no_type_is_refused_with_the_list() {
        for wrong in ["int", "timestamp[us,CET]", "decimal(77,0)", "decimal(3,4)", "time[h]", ""] {
            let error = wrong.parse::<ColumnType>().unwrap_err();
            assert!(error.contains("timestamp[s|ms|us|ns,UTC]"), "{wrong}: {error}");
        }
        let error = "year:int64".parse::<Types>().unwrap_err();
        assert!(error.contains("COLUMN=TYPE"), "{error}");
    }
}
