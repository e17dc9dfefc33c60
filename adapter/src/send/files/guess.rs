//! Column types from text, such that nothing is lost: a column is a number, a date or a time
//! only if every value of it is one, in its usual spelling.
use std::sync::LazyLock;

use arrow_array::{
    timezone::Tz,
    types::{Date32Type, TimestampNanosecondType},
};
use arrow_cast::parse::{Parser as _, string_to_datetime};
use arrow_schema::{DataType, TimeUnit};

use super::columns::{has_odd_offset, has_zone};
use crate::send::types::{ColumnType, timestamp_utc};

/// Integers up to here are exact as float64.
const EXACT_MAX: u64 = 1 << 53;
/// So many digits of any decimal number survive the way through a float64 and back to text.
const FLOAT_DIGITS_SAFE: usize = 15;

/// For timestamps that name no zone; which one it is makes no difference to whether they are some.
static UTC: LazyLock<Tz> = LazyLock::new(|| "+00:00".parse().expect("an offset that is valid"));

const BOOL: u8 = 1;
const INT: u8 = 2;
/// An integer that a float64 cannot hold.
const WIDE_INT: u8 = 4;
const FLOAT: u8 = 8;
const DATE: u8 = 16;
const LOCAL_TIME: u8 = 32;
const UTC_TIME: u8 = 64;
const TEXT: u8 = 128;

/// What the values of one column have been so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guess {
    seen: u8,
    /// Most digits behind the point of a second.
    fraction_digits: usize,
    /// One of them is no timestamp of nanoseconds, whose years are few.
    beyond_ns: bool,
}

impl Guess {
    /// Takes note of a value that is not null.
    pub fn see(&mut self, text: &str) {
        if self.seen & TEXT != 0 {
            return;
        }
        self.seen |= kind(text);
        if self.seen & (LOCAL_TIME | UTC_TIME) != 0 {
            self.fraction_digits = self.fraction_digits.max(second_digits(text));
            self.beyond_ns = self.beyond_ns || is_beyond_ns(text);
        }
    }

    /// The type that holds all values seen. Without any it is text.
    pub fn column_type(self) -> ColumnType {
        let unit = match self.fraction_digits {
            0 => TimeUnit::Second,
            1..=3 => TimeUnit::Millisecond,
            4..=6 => TimeUnit::Microsecond,
            _ => TimeUnit::Nanosecond,
        };
        let data_type = match self.seen {
            BOOL => DataType::Boolean,
            INT | WIDE_INT => DataType::Int64,
            seen if seen == INT | WIDE_INT => DataType::Int64,
            FLOAT => DataType::Float64,
            seen if seen == INT | FLOAT => DataType::Float64,
            DATE => DataType::Date32,
            // No unit holds both the digits of the one and the year of the other.
            LOCAL_TIME | UTC_TIME if unit == TimeUnit::Nanosecond && self.beyond_ns => {
                DataType::Utf8
            }
            LOCAL_TIME => DataType::Timestamp(unit, None),
            UTC_TIME => timestamp_utc(unit),
            _ => DataType::Utf8,
        };
        data_type.into()
    }
}

fn kind(text: &str) -> u8 {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'0'..=b'9' | b'-') if is_timestamp(text) => match has_zone(text) {
            true => UTC_TIME,
            false => LOCAL_TIME,
        },
        Some(b'0'..=b'9' | b'-') if is_date(text) => DATE,
        Some(b'0'..=b'9' | b'-') => number(text),
        Some(_) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => BOOL,
        _ if matches!(text, "NaN" | "nan" | "inf") => FLOAT,
        _ => TEXT,
    }
}

/// What a number of JSON is, where its digits survive.
pub fn json_number(text: &str) -> Option<Number> {
    match number(text) {
        INT => Some(Number::Int { wide: false }),
        WIDE_INT => Some(Number::Int { wide: true }),
        FLOAT => Some(Number::Float),
        // In CSV that is text, as it is no usual spelling.
        _ => (text == "-0").then_some(Number::Float),
    }
}

/// See [`json_number`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Of 64 bits. `wide`: a float64 does not hold it.
    Int {
        /// See above.
        wide: bool,
    },
    /// With a fraction or an exponent.
    Float,
}

/// Leading zeros and plus signs make a number text: `01234` is a postcode.
fn number(text: &str) -> u8 {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits == "inf" {
        return FLOAT;
    }
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
    let canonical = !whole.is_empty()
        && whole.bytes().all(|byte| byte.is_ascii_digit())
        && (whole == "0" || !whole.starts_with('0'));
    if !canonical || text == "-0" {
        return TEXT;
    }
    if whole.len() == digits.len() {
        return match text.parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= EXACT_MAX => INT,
            Ok(_) => WIDE_INT,
            Err(_) => TEXT,
        };
    }
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(number) if number.is_normal() && significant <= FLOAT_DIGITS_SAFE => FLOAT,
        Ok(number) if number.is_finite() && same_digits(&format!("{number:e}"), text) => FLOAT,
        _ => TEXT,
    }
}

/// Whether two spellings of a number have the same digits, zeros at either end aside.
fn same_digits(left: &str, right: &str) -> bool {
    let digits = |text: &str| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    digits(left) == digits(right)
}

fn has_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b' '),
            other => byte == other,
        })
}

fn is_date(text: &str) -> bool {
    has_shape(text.as_bytes(), b"dddd-dd-dd") && Date32Type::parse(text).is_some()
}

fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((start, mut rest)) = bytes.split_at_checked(19) else { return false };
    if !has_shape(start, b"dddd-dd-ddTdd:dd:dd") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let end = fraction.iter().position(|b| !b.is_ascii_digit()).unwrap_or(fraction.len());
        if !(1..=9).contains(&end) {
            return false;
        }
        rest = &fraction[end..];
    }
    let zone =
        rest.is_empty() || rest == b"Z" || has_shape(rest, b"+dd:dd") || has_shape(rest, b"-dd:dd");
    zone && !has_odd_offset(text) && fits(text)
}

/// Nanoseconds reach from 1677 to 2262; only then they are needed.
fn fits(text: &str) -> bool {
    match second_digits(text) {
        // Arrow's parsers of the other units go by nanoseconds, its casts do not.
        0..=6 => string_to_datetime(&*UTC, text).is_ok(),
        _ => TimestampNanosecondType::parse(text).is_some(),
    }
}

/// All of these years fit, so most values need no closer look.
fn is_beyond_ns(text: &str) -> bool {
    let year = text.get(..4).and_then(|year| year.parse::<u16>().ok());
    !year.is_some_and(|year| (1678..=2261).contains(&year))
        && TimestampNanosecondType::parse(text).is_none()
}

fn second_digits(text: &str) -> usize {
    let Some(rest) = text.get(19..).and_then(|rest| rest.strip_prefix('.')) else { return 0 };
    rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: &str) {
        let mut guess = Guess::default();
        for value in values {
            guess.see(value);
        }
        assert_eq!(guess.column_type().to_string(), expected, "{values:?}");
    }

    #[test]
    fn the_narrowest_type_that_loses_nothing() {
        check(&[], "utf8");
        check(&["1", "-2", "0", "9223372036854775807"], "int64");
        check(&["9223372036854775808"], "utf8");
        check(&["1", "2.5", "-1e-3", "inf", "NaN"], "float64");
        check(&["9007199254740993", "0.5"], "utf8");
        check(&["0.12345678901234567890"], "utf8");
        check(&["1e999"], "utf8");
        check(&["true", "False"], "bool");
        check(&["true", "1"], "utf8");
        check(&["007"], "utf8");
        check(&["+49"], "utf8");
        check(&["-", "1"], "utf8");
        check(&["2013-01-31"], "date");
        check(&["2013-02-30"], "utf8");
        check(&["2013-01-31", "2013-01-31T05:00:00"], "utf8");
        check(&["2013-01-31 05:00:00", "2013-01-31T05:00:00.25"], "timestamp[ms]");
        check(&["2013-01-31T05:00:00Z", "2013-01-31T05:00:00.123456+01:00"], "timestamp[us,UTC]");
        check(&["2013-01-31T05:00:00Z", "2013-01-31T05:00:00"], "utf8");
        check(&["2013-01-31T05:00:00.123456789"], "timestamp[ns]");
        check(&["1500-01-31T05:00:00.123456789"], "utf8");
        check(&["2013-01-31T05:00:00.1234567", "9999-12-31T00:00:00"], "utf8");
        check(&["9999-12-31T00:00:00Z", "2013-01-31T05:00:00.1234567Z"], "utf8");
        check(&["9999-12-31T00:00:00", "2013-01-31T05:00:00.123456"], "timestamp[us]");
        check(&["2262-01-31T05:00:00", "1677-12-31T00:00:00.1234567"], "timestamp[ns]");
        check(&["2013-01-31T25:00:00"], "utf8");
        check(&["2013-01-31T05:00:00+01:59"], "timestamp[s,UTC]");
        check(&["2013-01-31T05:00:00+01:60"], "utf8");
        check(&["", "1"], "utf8");
    }
}
