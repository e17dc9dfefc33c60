//! Times, positions and names of others, in words that are safe to print.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The most characters of a resume point that are shown to a person.
const POSITION_CHARS_MAX: usize = 80;

/// A time: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 days`.
pub(in crate::commands) fn span(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match time.as_secs() {
        seconds @ 0..10 if time.subsec_millis() < 50 && seconds > 0 => format!("{seconds} s"),
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds if seconds < 2 * HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        seconds => format!("{} days", seconds / DAY),
    }
}

/// The time since then; none if it is to come, as with clocks that differ.
pub(super) fn since(then_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(then_ms))
}

/// `3 s ago`; what was never, or before 1970, says so.
pub(super) fn ago(then_ms: i64, now_ms: u64) -> String {
    match u64::try_from(then_ms) {
        Ok(then) if then > 0 => format!("{} ago", span(since(then, now_ms))),
        _ => "at an unknown time".to_owned(),
    }
}

/// One record, two records.
pub(super) fn counted(count: i64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// A name that somebody else has chosen: it cannot move the terminal's cursor.
pub(in crate::commands) fn clean(name: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    name.chars().map(shown).collect()
}

/// A resume point: as text if it is some, else in base64.
pub(super) fn position(bytes: &[u8]) -> String {
    let is_text = |text: &&str| !text.chars().any(char::is_control);
    let (text, is_text) = match std::str::from_utf8(bytes).ok().filter(is_text) {
        Some(text) => (text.to_owned(), true),
        None => (STANDARD.encode(bytes), false),
    };
    let mut shown: String = text.chars().take(POSITION_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    if is_text { format!("position `{shown}`") } else { format!("position {shown} (base64)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_unit() {
        let told = |ms| span(Duration::from_millis(ms));
        assert_eq!(told(432), "0.4 s");
        assert_eq!(told(3_000), "3 s");
        assert_eq!(told(95_000), "95 s");
        assert_eq!(told(180_000), "3 min");
        assert_eq!(told(3 * 3_600_000), "3 h");
        assert_eq!(told(72 * 3_600_000), "3 days");
        assert_eq!(ago(-1, 5), "at an unknown time");
        assert_eq!(ago(2_000, 1_000), "0.0 s ago", "clocks differ");
    }

    #[test]
    fn names_of_others_do_no_harm() {
        assert_eq!(clean("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(position(b"row 7"), "position `row 7`");
        assert_eq!(position(b"\x00\xff"), "position AP8= (base64)");
        assert!(position("ü".repeat(100).as_bytes()).ends_with("ü…`"));
    }
}
