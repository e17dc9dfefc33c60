//! Dates and times of day as ISO 8601 text, without quotes.

use arrow_schema::TimeUnit;

use crate::number::eight;

const SECONDS_OF_DAY: i64 = 86_400;

/// Days since 1970-01-01 of 0000-01-01 and 9999-12-31: four digits of year hold no other day.
const DAY_MIN: i64 = -719_528;
const DAY_MAX: i64 = 2_932_896;

/// The longest text: `2013-01-01T05:00:00.123456789Z`.
pub(crate) const TEXT_BYTES_MAX: usize = 30;

/// Two digits for each of 0 to 99.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// A day and its text. Rows that follow one another mostly share their day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    day: i64,
    text: [u8; 10],
}

impl Day {
    /// 1970-01-01.
    pub(crate) const EPOCH: Self = Self { day: 0, text: *b"1970-01-01" };

    /// A day by its number since 1970-01-01, or none if its year has not four digits.
    pub(crate) fn new(day: i64) -> Option<Self> {
        if !(DAY_MIN..=DAY_MAX).contains(&day) {
            return None;
        }
        // Howard Hinnant's `civil_from_days`, with years from March, so that the leap day is the
        // last, and 400 years later, so that nothing is negative.
        let days = (day + 719_468 + 146_097) as u32;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let of_month = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + 400 * era + u32::from(month <= 2) - 400;
        let mut text = *b"0000-00-00";
        text[..2].copy_from_slice(pair(year / 100));
        text[2..4].copy_from_slice(pair(year % 100));
        text[5..7].copy_from_slice(pair(month));
        text[8..].copy_from_slice(pair(of_month));
        Some(Self { day, text })
    }

    /// The day as `2013-01-01`.
    pub(crate) fn text(&self) -> &[u8; 10] {
        &self.text
    }
}

#[inline(always)]
fn pair(value: u32) -> &'static [u8; 2] {
    &PAIRS[value as usize]
}

/// The day that holds so many milliseconds since 1970-01-01, and how many of them are its own.
pub(crate) fn day_of_milliseconds(value: i64) -> (i64, u32) {
    divide::<{ SECONDS_OF_DAY * 1_000 }>(value)
}

/// Writes a point in time as `2013-01-01T05:00:00`, with the fraction of its unit and, if it is
/// `utc`, a `Z`; returns how long that is, or none if the year has not four digits.
///
/// `cache` is the day of the value before.
#[inline]
pub(crate) fn timestamp(
    text: &mut [u8; TEXT_BYTES_MAX],
    value: i64,
    unit: TimeUnit,
    utc: bool,
    cache: &mut Day,
) -> Option<usize> {
    let (seconds, fraction) = split(value, unit);
    let (day, of_day) = divide::<SECONDS_OF_DAY>(seconds);
    if day != cache.day {
        *cache = Day::new(day)?;
    }
    text[..10].copy_from_slice(&cache.text);
    text[10] = b'T';
    let clock_text = text[11..].first_chunk_mut().expect("a time follows the date");
    let len = 11 + clock(clock_text, of_day, fraction, unit);
    text[len] = b'Z';
    Some(len + usize::from(utc))
}

/// As [`timestamp`], with seven digits behind the point whatever the unit: zeros are added, and
/// what is finer than 100 ns is cut off.
pub(crate) fn timestamp7(
    text: &mut [u8; TEXT_BYTES_MAX],
    value: i64,
    unit: TimeUnit,
    utc: bool,
    cache: &mut Day,
) -> Option<usize> {
    const SECONDS_END: usize = 19;
    const END: usize = SECONDS_END + 8;
    let len = timestamp(text, value, unit, false, cache)?;
    text[SECONDS_END] = b'.';
    if let Some(missing) = text.get_mut(len.max(SECONDS_END + 1)..END) {
        missing.fill(b'0');
    }
    text[END] = b'Z';
    Some(END + usize::from(utc))
}

/// Writes a time of day as `05:00:00`, with the fraction of its unit; returns how long that is,
/// or none if it is not within a day.
pub(crate) fn time_of_day(text: &mut [u8; 18], value: i64, unit: TimeUnit) -> Option<usize> {
    let (seconds, fraction) = split(value, unit);
    (0..SECONDS_OF_DAY).contains(&seconds).then(|| clock(text, seconds as u32, fraction, unit))
}

/// How many of a unit are a second.
pub(crate) const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Whole seconds, and the rest in the unit.
#[inline(always)]
fn split(value: i64, unit: TimeUnit) -> (i64, u32) {
    // Written out for each unit, so that every division is by a constant.
    match unit {
        TimeUnit::Second => (value, 0),
        TimeUnit::Millisecond => divide::<{ per_second(TimeUnit::Millisecond) }>(value),
        TimeUnit::Microsecond => divide::<{ per_second(TimeUnit::Microsecond) }>(value),
        TimeUnit::Nanosecond => divide::<{ per_second(TimeUnit::Nanosecond) }>(value),
    }
}

/// Divides downwards, so that the rest is never negative.
#[inline(always)]
fn divide<const BY: i64>(value: i64) -> (i64, u32) {
    (value.div_euclid(BY), value.rem_euclid(BY) as u32)
}

/// Writes a time of day with its fraction; returns how long that is.
#[inline(always)]
fn clock(text: &mut [u8; 18], seconds: u32, fraction: u32, unit: TimeUnit) -> usize {
    let minutes = seconds / 60;
    text[..2].copy_from_slice(pair(minutes / 60));
    text[2] = b':';
    text[3..5].copy_from_slice(pair(minutes % 60));
    text[5] = b':';
    text[6..8].copy_from_slice(pair(seconds % 60));
    text[8] = b'.';
    match unit {
        TimeUnit::Second => 8,
        TimeUnit::Millisecond => {
            text[9..12].copy_from_slice(&eight(fraction)[5..]);
            12
        }
        TimeUnit::Microsecond => {
            text[9..15].copy_from_slice(&eight(fraction)[2..]);
            15
        }
        TimeUnit::Nanosecond => {
            text[9] = b'0' + (fraction / 100_000_000) as u8;
            text[10..].copy_from_slice(&eight(fraction % 100_000_000));
            18
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_follows_the_day_before() {
        let mut day = DAY_MIN;
        for year in 0..=9_999 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, days) in (1..).zip(days) {
                for of_month in 1..=days {
                    let text = Day::new(day).unwrap().text;
                    let number = |range: std::ops::Range<usize>| {
                        text[range].iter().fold(0, |n, digit| n * 10 + i32::from(digit - b'0'))
                    };
                    assert_eq!((number(0..4), number(5..7)), (year, month), "day {day}");
                    assert_eq!((number(8..10), text[4], text[7]), (of_month, b'-', b'-'));
                    day += 1;
                }
            }
        }
        assert_eq!(day, DAY_MAX + 1);
        assert!(Day::new(DAY_MIN - 1).is_none() && Day::new(day).is_none());
        assert_eq!(Day::new(0).unwrap().text, Day::EPOCH.text);
    }
}
