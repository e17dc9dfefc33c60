//! Text into typed columns, without losing a digit: what does not fit is an error.
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, StringArray,
    cast::AsArray as _,
    types::{
        Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use serde::de::IgnoredAny;

use crate::send::types::ColumnType;

/// A value that its column cannot take.
#[derive(Debug, PartialEq, Eq)]
pub struct BadValue {
    /// The index in the array.
    pub row: usize,
    /// What is wrong with it, for a person.
    pub what: String,
}

/// Longer values are cut in messages.
const SHOWN_CHARS: usize = 60;

/// A value as a message shows it.
pub fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("`{}…`", &value[..end]),
        None => format!("`{value}`"),
    }
}

/// Converts text to a type. Nulls stay nulls.
pub fn convert(texts: StringArray, to: &ColumnType) -> Result<ArrayRef, BadValue> {
    let bad = |row: usize, why: &str| {
        let what = format!("{} {why} {to}", shown(texts.value(row)));
        Err(BadValue { row, what })
    };
    if to.json {
        let no_json = |text: &str| serde_json::from_str::<IgnoredAny>(text).is_err();
        if let Some(row) = find(&texts, no_json) {
            return bad(row, "is not");
        }
    }
    if to.data_type == DataType::Utf8 {
        return Ok(Arc::new(texts));
    }
    // The cast knows offsets like +01:00, but not the name UTC; without a zone it reads UTC, and
    // the name is put on afterwards.
    let target = match &to.data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    };
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let Ok(column) = cast_with_options(&texts, &target, &options) else {
        return bad(0, "cannot become");
    };
    if let Some(row) = (0..texts.len()).find(|row| column.is_null(*row) && texts.is_valid(*row)) {
        return bad(row, "is not a value of type");
    }
    if let Some((row, why)) = loss(&texts, &column, &to.data_type) {
        return bad(row, why);
    }
    Ok(match &to.data_type {
        DataType::Timestamp(unit, Some(zone)) => with_zone(&column, *unit, zone),
        _ => column,
    })
}

fn find(texts: &StringArray, wrong: impl Fn(&str) -> bool) -> Option<usize> {
    texts.iter().position(|text| text.is_some_and(&wrong))
}

/// The first value that the cast took, but not whole.
fn loss(texts: &StringArray, column: &ArrayRef, to: &DataType) -> Option<(usize, &'static str)> {
    let found = |row: Option<usize>, why| row.map(|row| (row, why));
    match to {
        DataType::Float32 | DataType::Float64 => {
            let infinite = |row: usize| match to {
                DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_infinite(),
                _ => column.as_primitive::<Float64Type>().value(row).is_infinite(),
            };
            let overflow = |row: &usize| {
                texts.is_valid(*row) && infinite(*row) && has_digit(texts.value(*row))
            };
            found((0..texts.len()).find(overflow), "is out of range of")
        }
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => {
            let finer = |text: &str| decimal_places(text) > i64::from(*scale);
            found(find(texts, finer), "has more digits behind the point than")
        }
        DataType::Date32 => found(find(texts, |text| text.trim().len() > 10), "is more than a"),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            found(find(texts, |text| fraction_digits(text) > unit_digits(*unit)), "is finer than")
        }
        DataType::Timestamp(unit, zone) => {
            let finer = find(texts, |text| fraction_digits(text) > unit_digits(*unit));
            let zoned = || match zone {
                None => find(texts, has_zone),
                Some(_) => None,
            };
            found(finer, "is finer than")
                .or_else(|| {
                    let odd = find(texts, has_odd_offset);
                    found(odd, "has an offset with more than 59 minutes, and is no")
                })
                .or_else(|| found(zoned(), "has a time zone, so its type is [.., UTC], not"))
        }
        _ => None,
    }
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Places behind the point that a decimal number needs, its exponent applied.
fn decimal_places(text: &str) -> i64 {
    let text = text.trim();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if !significant.bytes().any(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let zeros = (digits.len() - significant.len()) as i64;
    // An exponent that is no number of this size makes a number that no column holds.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MIN / 2);
    (fraction.len() as i64 - zeros).saturating_sub(exponent)
}

/// Digits behind the point that count, that is without trailing zeros.
fn fraction_digits(text: &str) -> usize {
    let Some((_, fraction)) = text.split_once('.') else { return 0 };
    let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    fraction[..end].trim_end_matches('0').len()
}

/// Digits behind the point of a second that a unit holds.
pub fn unit_digits(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Does a timestamp name its offset from UTC? The first 10 bytes are the date.
pub fn has_zone(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']))
}

/// An offset from UTC with 60 minutes or more, which Arrow takes for one of more hours.
pub fn has_odd_offset(text: &str) -> bool {
    let time = text.trim_end().get(10..).unwrap_or_default();
    let Some((_, offset)) = time.rsplit_once(['+', '-']) else { return false };
    offset.len() >= 4 && offset.get(offset.len() - 2..).is_some_and(|minutes| minutes >= "60")
}

fn with_zone(column: &ArrayRef, unit: TimeUnit, zone: &Arc<str>) -> ArrayRef {
    let zone = zone.clone();
    match unit {
        TimeUnit::Second => {
            Arc::new(column.as_primitive::<TimestampSecondType>().clone().with_timezone(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(column.as_primitive::<TimestampMillisecondType>().clone().with_timezone(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(column.as_primitive::<TimestampNanosecondType>().clone().with_timezone(zone))
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_cast::display::array_value_to_string;

    use super::*;

    /// The value as Arrow shows it, or what is wrong.
    fn check(text: &str, to: &str) -> String {
        let texts = StringArray::from(vec![None, Some(text)]);
        let to: ColumnType = to.parse().unwrap();
        match convert(texts, &to) {
            Ok(column) => {
                assert_eq!(column.data_type(), &to.data_type);
                assert!(column.is_null(0));
                // Arrow shows zones it knows by offset only.
                let plain = match to.data_type {
                    DataType::Timestamp(unit, Some(_)) => {
                        let plain = DataType::Timestamp(unit, None);
                        arrow_cast::cast(&column.slice(1, 1), &DataType::Int64).unwrap();
                        let data = column.to_data().into_builder().data_type(plain);
                        arrow_array::make_array(data.build().unwrap())
                    }
                    _ => column,
                };
                array_value_to_string(&plain, 1).unwrap()
            }
            Err(bad) => {
                assert_eq!(bad.row, 1);
                bad.what
            }
        }
    }

    #[test]
    fn values_become_what_they_say() {
        for (text, to, expected) in [
            ("-7", "int8", "-7"),
            ("18446744073709551615", "uint64", "18446744073709551615"),
            ("1.5e3", "float64", "1500.0"),
            ("inf", "float64", "inf"),
            ("TRUE", "bool", "true"),
            ("2013-01-31", "date", "2013-01-31"),
            ("05:06:07.25", "time[ms]", "05:06:07.250"),
            ("2013-01-31T05:06:07.123456", "timestamp[us]", "2013-01-31T05:06:07.123456"),
            ("2013-01-31T05:06:07Z", "timestamp[s,UTC]", "2013-01-31T05:06:07"),
            ("2013-01-31 05:06:07+01:00", "timestamp[ms,UTC]", "2013-01-31T04:06:07"),
            ("2013-01-31 05:06:07", "timestamp[ns,UTC]", "2013-01-31T05:06:07"),
            ("-12.50", "decimal(10,1)", "-12.5"),
            (
                "123456789012345678901234567890123456789012",
                "decimal(42,0)",
                "123456789012345678901234567890123456789012",
            ),
            (r#"{"a": [1, "x"]}"#, "json", r#"{"a": [1, "x"]}"#),
        ] {
            assert_eq!(check(text, to), expected, "{text} to {to}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, to, expected) in [
            ("abc", "int64", "`abc` is not a value of type int64"),
            ("300", "uint8", "`300` is not a value of type uint8"),
            ("1.5", "int64", "`1.5` is not a value of type int64"),
            ("1e400", "float64", "`1e400` is out of range of float64"),
            ("1e39", "float32", "`1e39` is out of range of float32"),
            (
                "12.345",
                "decimal(10,2)",
                "`12.345` has more digits behind the point than decimal(10,2)",
            ),
            ("123.4", "decimal(3,1)", "`123.4` is not a value of type decimal(3,1)"),
            ("2013-01-31T05:00:00", "date", "`2013-01-31T05:00:00` is more than a date"),
            (
                "2013-01-31T05:00:00.5",
                "timestamp[s]",
                "`2013-01-31T05:00:00.5` is finer than timestamp[s]",
            ),
            (
                "2013-01-31T05:00:00Z",
                "timestamp[s]",
                "`2013-01-31T05:00:00Z` has a time zone, so its type is [.., UTC], not \
                 timestamp[s]",
            ),
            (
                "2013-01-31T05:00:00-0170",
                "timestamp[s,UTC]",
                "`2013-01-31T05:00:00-0170` has an offset with more than 59 minutes, and is no \
                 timestamp[s,UTC]",
            ),
            ("2013-02-30", "date", "`2013-02-30` is not a value of type date"),
            ("{", "json", "`{` is not json"),
        ] {
            assert_eq!(check(text, to), expected, "{text} to {to}");
        }
    }

    #[test]
    fn an_exponent_counts() {
        let places = [("12.50", 1), ("100", -2), ("0.00", 0), ("125e-3", 3), ("1.5e-3", 4)];
        for (text, expected) in places.into_iter().chain([("1.2345e4", 0), ("-1E2", -2)]) {
            assert_eq!(decimal_places(text), expected, "{text}");
        }
        assert!(decimal_places("1e99999999999999999999") > 1 << 40);
        assert_eq!(decimal_places("1e-9223372036854775808"), i64::MAX);
    }
}
