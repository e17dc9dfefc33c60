//! Reads dates, times of day and timestamps from ISO 8601 (RFC 3339) text, exactly.

use arrow_schema::TimeUnit;

use super::decimal::TextFault;

/// How many of `unit` make a second.
pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The name of `unit`, for messages.
pub(super) fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    }
}

/// `2013-01-01` as days since 1970-01-01.
pub(super) fn parse_date(text: &str) -> Result<i64, TextFault> {
    match read_date(text.as_bytes()) {
        Some((days, [])) => Ok(days),
        _ => Err(TextFault::Form),
    }
}

/// `05:00:00.25` as a count of `unit` since midnight.
pub(super) fn parse_time(text: &str, unit: TimeUnit) -> Result<i64, TextFault> {
    let (seconds, rest) = read_clock(text.as_bytes()).ok_or(TextFault::Form)?;
    let (fraction, rest) = read_fraction(rest, unit)?;
    match rest {
        [] => Ok(seconds * per_second(unit) + fraction),
        _ => Err(TextFault::Form),
    }
}

/// `2013-01-01T05:00:00.25` as a count of `unit` since 1970-01-01T00:00:00; where the column has a
/// zone the text must end with its offset (`Z`, `+01:00`), and only there.
pub(super) fn parse_timestamp(text: &str, unit: TimeUnit, zoned: bool) -> Result<i64, TextFault> {
    let (days, rest) = read_date(text.as_bytes()).ok_or(TextFault::Form)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else {
        return Err(TextFault::Form);
    };
    let (seconds, rest) = read_clock(rest).ok_or(TextFault::Form)?;
    let (fraction, rest) = read_fraction(rest, unit)?;
    let offset = match (rest, zoned) {
        ([], false) => 0,
        (rest, true) => read_offset(rest).ok_or(TextFault::Form)?,
        (_, false) => return Err(TextFault::Form),
    };
    // In 128 bits: the first second that nanoseconds reach does not fit 64 bits as a whole.
    let seconds = i128::from(days * 86_400 + seconds - offset);
    i64::try_from(seconds * i128::from(per_second(unit)) + i128::from(fraction))
        .map_err(|_| TextFault::Range("nanoseconds reach from 1677 to 2262 only".to_owned()))
}

fn read_date(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = bytes else {
        return None;
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) {
        return None;
    }
    Some((days_since_1970(year, month, day), rest))
}

/// Days since 1970-01-01 of a date of the years 0 to 9999.
///
/// The year starts in March, so that the leap day is its last, and the lengths of the months
/// before a month follow one line (153 days in five months).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_PER_400_YEARS: i64 = 146_097;
    const DAYS_0000_03_01_TO_1970: i64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    era * DAYS_PER_400_YEARS + day_of_era - DAYS_0000_03_01_TO_1970
}

fn read_clock(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = bytes else {
        return None;
    };
    let (hour, minute, second) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 3600 + minute * 60 + second, rest))
}

/// The fraction of a second in `unit`; nothing is cut off.
fn read_fraction(bytes: &[u8], unit: TimeUnit) -> Result<(i64, &[u8]), TextFault> {
    let [b'.', rest @ ..] = bytes else {
        return Ok((0, bytes));
    };
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    if digits.is_empty() {
        return Err(TextFault::Form);
    }
    let mut place = per_second(unit);
    let mut fraction = 0;
    for digit in digits {
        let digit = i64::from(digit - b'0');
        place /= 10;
        if place == 0 && digit != 0 {
            return Err(TextFault::Range(format!(
                "its fraction of a second is finer than the column's {}",
                unit_name(unit)
            )));
        }
        fraction += place * digit;
    }
    Ok((fraction, rest))
}

/// `Z` or `+01:00`, in seconds east.
fn read_offset(bytes: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match bytes {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, two(*h1, *h2)?, two(*m1, *m2)?),
        [b'-', h1, h2, b':', m1, m2] => (-1, two(*h1, *h2)?, two(*m1, *m2)?),
        _ => return None,
    };
    (hour < 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_counted_as_jiff_counts_it() {
        let first = jiff::civil::date(0, 1, 1);
        let epoch = jiff::civil::date(1970, 1, 1);
        for day in first.series(jiff::ToSpan::days(1)).take_while(|day| day.year() <= 9999) {
            let expected = (day - epoch).get_days();
            assert_eq!(parse_date(&day.to_string()), Ok(i64::from(expected)), "{day}");
        }
    }

    #[test]
    fn days_that_are_none_are_refused() {
        for text in [
            "",
            "2013",
            "2013-1-1",
            "2013-13-01",
            "2013-00-01",
            "2013-01-00",
            "2013-01-32",
            "2013-04-31",
            "1900-02-29",
            "2013-02-29",
            "20130101",
            "2013-01-01T00:00:00",
            "2013-01-0x",
            "-2013-01-01",
            "2013/01/01",
        ] {
            assert_eq!(parse_date(text), Err(TextFault::Form), "{text}");
        }
        assert!(parse_date("2000-02-29").is_ok());
    }

    #[test]
    fn fractions_are_exact_in_every_unit() {
        let parse = |text, unit| parse_time(text, unit).ok();
        assert_eq!(parse("23:59:59", TimeUnit::Second), Some(86_399));
        assert_eq!(parse("00:00:01.500", TimeUnit::Millisecond), Some(1_500));
        assert_eq!(parse("00:00:01.5000000", TimeUnit::Millisecond), Some(1_500));
        assert_eq!(parse("00:00:00.000001", TimeUnit::Microsecond), Some(1));
        assert_eq!(parse("00:00:00.123456789", TimeUnit::Nanosecond), Some(123_456_789));
        assert_eq!(parse("00:00:00.000", TimeUnit::Second), Some(0));
        let range = |text, unit| matches!(parse_time(text, unit), Err(TextFault::Range(_)));
        assert!(range("00:00:00.1", TimeUnit::Second));
        assert!(range("00:00:00.0001", TimeUnit::Millisecond));
        assert!(range("00:00:00.0000000001", TimeUnit::Nanosecond));
        for text in
            ["00:00", "24:00:00", "00:60:00", "00:00:60", "0:00:00", "00:00:00.", "00:00:00Z"]
        {
            assert_eq!(parse_time(text, TimeUnit::Nanosecond), Err(TextFault::Form), "{text}");
        }
    }

    #[test]
    fn nanoseconds_reach_to_their_ends() {
        let parse = |text| parse_timestamp(text, TimeUnit::Nanosecond, true);
        assert_eq!(parse("1677-09-21T00:12:43.145224192Z"), Ok(i64::MIN));
        assert_eq!(parse("2262-04-11T23:47:16.854775807Z"), Ok(i64::MAX));
        assert!(matches!(parse("1677-09-21T00:12:43.145224191Z"), Err(TextFault::Range(_))));
        assert!(matches!(parse("2262-04-11T23:47:16.854775808Z"), Err(TextFault::Range(_))));
        assert!(
            parse_timestamp("9999-12-31T23:59:59.999999-23:59", TimeUnit::Microsecond, true)
                .is_ok()
        );
    }

    #[test]
    fn offsets_are_whole_and_legal() {
        let parse = |text: &str| parse_timestamp(text, TimeUnit::Second, true);
        assert_eq!(parse("1970-01-01T00:00:00-01:30"), Ok(5_400));
        for offset in ["", "+1:00", "+0100", "+01", "+24:00", "+01:60", "UTC", "Zx", "[UTC]"] {
            let text = format!("1970-01-01T00:00:00{offset}");
            assert_eq!(parse(&text), Err(TextFault::Form), "{text}");
        }
    }
}
