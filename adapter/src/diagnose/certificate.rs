//! Certificates and names of authorities, as messages show them.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, tz::TimeZone};
use keyvault::material::{CertificateInfo, distinguished_name};
use serde_json::{Value, json};

use super::report::{Facts, Finding};

/// A certificate that holds for less than this should be renewed now, ...
const SOON: Duration = Duration::from_secs(30 * DAY_SECONDS);

/// ... or, if its whole life is a short one, for less than this part of it: whoever issues
/// certificates of a day renews them by itself.
const SOON_PART: u32 = 3;

const DAY_SECONDS: u64 = 86_400;

/// Names are shown up to here: whoever made the certificate chose their length.
const NAME_CHARS_MAX: usize = 200;

/// How many names of a list are shown.
const NAMES_MAX: usize = 8;

/// A text that somebody else chose: in backticks, of a bounded length, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(NAME_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", shown.replace(char::is_control, "\u{fffd}"))
}

/// Several of them, the first few by name.
pub(super) fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<_> = texts.into_iter().map(quoted).collect();
    match all.len().checked_sub(NAMES_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", all[..NAMES_MAX].join(", ")),
        _ => all.join(", "),
    }
}

/// What messages call a certificate: its subject, or else a name that it is for.
pub(super) fn title(certificate: &CertificateInfo) -> String {
    let name = certificate.names.first().map_or("a certificate without names", String::as_str);
    quoted(if certificate.subject.is_empty() { name } else { &certificate.subject })
}

/// The name of an authority, from the list of those that a server takes.
pub(super) fn authority(der: &[u8]) -> String {
    distinguished_name(der).unwrap_or_else(|| "?".to_owned())
}

/// `2030-01-31 00:00 UTC`.
pub(super) fn date(time: SystemTime) -> String {
    // Certificates may hold longer than a timestamp can say.
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Whole days from now on; below zero if the time has passed.
fn days_until(time: SystemTime) -> i64 {
    let seconds = match time.duration_since(SystemTime::now()) {
        Ok(left) => left.as_secs() as i64,
        Err(passed) => -(passed.duration().as_secs() as i64) - 1,
    };
    seconds.div_euclid(DAY_SECONDS as i64)
}

/// `364 days left`, or `expired 2 days ago`.
fn left(certificate: &CertificateInfo) -> String {
    match certificate.not_after.duration_since(SystemTime::now()) {
        Ok(left) => format!("{} left", span(left)),
        Err(passed) => format!("expired {} ago", span(passed.duration())),
    }
}

/// How long ago a time was.
pub(super) fn ago(time: SystemTime) -> String {
    format!("{} ago", span(SystemTime::now().duration_since(time).unwrap_or_default()))
}

/// `364 days`; below two days, hours.
fn span(span: Duration) -> String {
    let hours = span.as_secs() / 3600;
    match hours {
        0 => "less than an hour".to_owned(),
        1 => "1 hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

/// What is known of a certificate.
pub fn facts(certificate: &CertificateInfo) -> Facts {
    let (title, issuer) = (title(certificate), quoted(&certificate.issuer));
    Facts::new(format!("{title}, signed by {issuer}, {}", left(certificate)))
        .with("subject", certificate.subject.as_str())
        .with("issuer", certificate.issuer.as_str())
        .with("notBefore", stamp(certificate.not_before))
        .with("notAfter", stamp(certificate.not_after))
        .with("daysLeft", days_until(certificate.not_after))
        .with("names", json!(certificate.names))
        .with("sha256", certificate.sha256.as_str())
}

fn stamp(time: SystemTime) -> Value {
    Timestamp::try_from(time).map_or(Value::Null, |time| time.to_string().into())
}

/// A warning if a certificate should be renewed; `whose` says whose it is, `code` is the warning's.
pub fn expires_soon(
    certificate: &CertificateInfo,
    whose: &str,
    code: &'static str,
) -> Option<Finding> {
    let until_end = certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    let life = certificate.not_after.duration_since(certificate.not_before).unwrap_or_default();
    (until_end < SOON.min(life / SOON_PART)).then(|| {
        let (title, until) = (title(certificate), date(certificate.not_after));
        let text = format!("{whose} {title} expires on {until}, {}", left(certificate));
        Finding::new(code, text, "renew it now")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that began and ends so many hours from now.
    fn certificate(began: u64, ends: u64) -> CertificateInfo {
        let now = SystemTime::now();
        let hours = |hours| Duration::from_secs(3600 * hours);
        CertificateInfo {
            subject: "CN=kafka-1".to_owned(),
            issuer: "CN=ca".to_owned(),
            not_before: now - hours(began),
            // Half an hour more, so that the hours that are left do not change meanwhile.
            not_after: now + hours(ends) + Duration::from_secs(1800),
            names: Vec::new(),
            serial: String::new(),
            sha256: String::new(),
        }
    }

    fn warned(began: u64, ends: u64) -> bool {
        expires_soon(&certificate(began, ends), "the certificate", "SOON").is_some()
    }

    #[test]
    fn a_certificate_is_renewed_in_the_last_third_of_its_life_or_the_last_month() {
        const DAY: u64 = 24;
        assert!(!warned(0, DAY), "of a mesh, just made");
        assert!(!warned(15, 9));
        assert!(warned(17, 7));
        assert!(!warned(0, 90 * DAY));
        assert!(!warned(59 * DAY, 31 * DAY));
        assert!(warned(61 * DAY, 29 * DAY));
        assert!(!warned(365 * DAY, 31 * DAY), "a third of a year would be too early");
    }

    #[test]
    fn time_is_told_in_hours_below_two_days() {
        let told = |hours| left(&certificate(1, hours));
        assert_eq!(told(0), "less than an hour left");
        assert_eq!(told(1), "1 hour left");
        assert_eq!(told(47), "47 hours left");
        assert_eq!(told(48), "2 days left");
        assert_eq!(told(24 * 365), "365 days left");
        let ended = CertificateInfo {
            not_after: SystemTime::now() - Duration::from_secs(3 * DAY_SECONDS),
            ..certificate(1, 1)
        };
        assert_eq!(left(&ended), "expired 3 days ago");
    }
}
