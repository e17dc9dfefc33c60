//! Times as text, for the benchmarks' own encoders.

/// A time as `2013-01-01T05:00:00.000000Z`, in the obvious way.
pub fn plain_time(microseconds: i64) -> [u8; 27] {
    let seconds = microseconds.div_euclid(1_000_000);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let days = (seconds.div_euclid(86_400) + 719_468) as u32;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u32::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut pair = |at: usize, value: u32| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    pair(0, year / 100);
    pair(2, year % 100);
    pair(5, month);
    pair(8, day);
    pair(11, of_day / 3_600);
    pair(14, of_day / 60 % 60);
    pair(17, of_day % 60);
    let micros = microseconds.rem_euclid(1_000_000) as u32;
    pair(20, micros / 10_000);
    pair(22, micros / 100 % 100);
    pair(24, micros % 100);
    text
}
