//! Reads a decimal number from its text, exactly.

use arrow_buffer::i256;

/// Why a text is not a value of the column.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TextFault {
    /// It is not written as such a value.
    Form,
    /// It is one, but the column cannot hold it exactly.
    Range(String),
}

/// The number in `text` times 10^`scale`: at most `precision` digits, and nothing cut off.
pub(super) fn parse(text: &str, precision: u8, scale: i8) -> Result<i256, TextFault> {
    let number = Number::read(text).ok_or(TextFault::Form)?;
    let digits = number.whole.len() + number.fraction.len();
    if digits == 0 {
        return Ok(i256::ZERO);
    }
    let zeros = number.exponent.saturating_add(i64::from(scale));
    if zeros < 0 {
        return Err(TextFault::Range(format!(
            "it has digits below 10^{}, the last place of the column",
            -i16::from(scale)
        )));
    }
    if zeros.saturating_add(digits as i64) > i64::from(precision) {
        return Err(TextFault::Range(format!(
            "it needs more than the {precision} digits of the column"
        )));
    }
    let zeros = std::iter::repeat_n(b'0', zeros as usize);
    let digits = number.whole.iter().chain(number.fraction).copied().chain(zeros);
    // In two parts that fit 128 bits, so that most numbers need no wider arithmetic.
    let (mut high, mut low, mut low_unit) = (0_i128, 0_i128, 1_i128);
    for digit in digits {
        if low_unit == LOW_UNIT_MAX {
            (high, low, low_unit) = (low, 0, 1);
        }
        low = low * 10 + i128::from(digit - b'0');
        low_unit *= 10;
    }
    let mut value = i256::from_i128(low);
    if high != 0 {
        value = i256::from_i128(high).wrapping_mul(i256::from_i128(low_unit)).wrapping_add(value);
    }
    Ok(if number.negative { value.wrapping_neg() } else { value })
}

/// 38 digits fit 128 bits, and two parts of 38 digits are the widest column.
const LOW_UNIT_MAX: i128 = 10_i128.pow(38);

/// A number as its digits without zeros at either end, times 10^`exponent`.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mut whole, rest) = split_digits(bytes);
        let (mut fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            rest => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => read_exponent(rest)?,
            _ => return None,
        };
        while let [rest @ .., b'0'] = fraction {
            fraction = rest;
        }
        exponent = exponent.saturating_sub(fraction.len() as i64);
        while let [b'0', rest @ ..] = whole {
            whole = rest;
        }
        if fraction.is_empty() {
            while let [rest @ .., b'0'] = whole {
                whole = rest;
                exponent = exponent.saturating_add(1);
            }
        }
        if whole.is_empty() {
            while let [b'0', rest @ ..] = fraction {
                fraction = rest;
            }
        }
        Some(Self { negative, whole, fraction, exponent })
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// The exponent; one beyond all columns if it is longer than any number's.
fn read_exponent(bytes: &[u8]) -> Option<i64> {
    let (sign, bytes) = match bytes {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let (digits, rest) = split_digits(bytes);
    if digits.is_empty() || !rest.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, precision: u8, scale: i8) -> Option<String> {
        parse(text, precision, scale).ok().map(|value| value.to_string())
    }

    #[test]
    fn every_way_to_write_a_number_is_read() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("+1", "100"),
            ("1.", "100"),
            (".5", "50"),
            ("-12.50", "-1250"),
            ("007.10", "710"),
            ("1e2", "10000"),
            ("1E+2", "10000"),
            ("1234e-2", "1234"),
            ("0.0000000000000000000000000000000000000001e40", "100"),
            ("1000000000000000000000000000000000000000e-39", "100"),
            ("0e999999999999999999999999", "0"),
        ] {
            assert_eq!(read(text, 9, 2).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_told_from_what_does_not_fit() {
        let none = ["", "-", ".", "e1", "1e", "1e+", "1.2.3", "1,5", " 1", "1 ", "NaN", "0x1", "١"];
        for text in none {
            assert_eq!(parse(text, 9, 2), Err(TextFault::Form), "{text}");
        }
        for text in
            ["0.001", "10000000", "1e7", "1e-3", "1e999999999999999999999", "1e-99999999999"]
        {
            assert!(matches!(parse(text, 9, 2), Err(TextFault::Range(_))), "{text}");
        }
        assert_eq!(read("9999999.99", 9, 2).as_deref(), Some("999999999"));
        assert_eq!(read("1200", 2, -2).as_deref(), Some("12"));
        assert!(parse("1250", 3, -2).is_err());
    }

    #[test]
    fn all_lengths_are_exact() {
        for digits in 1..=76 {
            let nines = "9".repeat(digits);
            assert_eq!(read(&nines, 76, 0).as_ref(), Some(&nines));
            let zeros = format!("-1{}", "0".repeat(digits - 1));
            assert_eq!(read(&zeros, 76, 0).as_ref(), Some(&zeros));
            assert!(parse(&format!("{nines}0"), digits as u8, 0).is_err());
        }
    }
}
