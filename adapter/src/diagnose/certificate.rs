//! Certificates and names of authorities, as messages show them.

use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};
use keyvault::material::CertificateInfo;
use serde_json::{Value, json};
use x509_parser::{prelude::FromDer as _, x509::X509Name};

use super::report::{Facts, Finding};

/// A certificate that holds for fewer days than this should be renewed now.
const SOON_DAYS: i64 = 30;

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
    X509Name::from_der(der).map_or_else(|_| "?".to_owned(), |(_, name)| name.to_string())
}

/// `2030-01-31 00:00 UTC`.
pub(super) fn date(time: SystemTime) -> String {
    // Certificates may hold longer than a timestamp can say.
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Whole days from now on; below zero if the time has passed.
pub(super) fn days_until(time: SystemTime) -> i64 {
    const DAY_SECONDS: i64 = 86_400;
    let seconds = match time.duration_since(SystemTime::now()) {
        Ok(left) => left.as_secs() as i64,
        Err(passed) => -(passed.duration().as_secs() as i64) - 1,
    };
    seconds.div_euclid(DAY_SECONDS)
}

/// `364 days left`.
pub(super) fn days_left(certificate: &CertificateInfo) -> String {
    match days_until(certificate.not_after) {
        1 => "1 day left".to_owned(),
        days => format!("{days} days left"),
    }
}

/// What is known of a certificate.
pub fn facts(certificate: &CertificateInfo) -> Facts {
    let (title, issuer) = (title(certificate), quoted(&certificate.issuer));
    Facts::new(format!("{title}, signed by {issuer}, {}", days_left(certificate)))
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
    let days = days_until(certificate.not_after);
    (days < SOON_DAYS).then(|| {
        let (title, until) = (title(certificate), date(certificate.not_after));
        let text = format!("{whose} {title} expires on {until}, {}", days_left(certificate));
        Finding::new(code, text, "renew it now")
    })
}
