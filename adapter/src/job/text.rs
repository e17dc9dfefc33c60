//! Values that a job file writes as text: durations, byte sizes and addresses.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// Why a text is not what its key asks for, and what would be.
///
/// The text itself is not repeated: the place is shown beside it, unless it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidText {
    reason: String,
    help: String,
}

impl InvalidText {
    pub(super) fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: help.into() }
    }

    /// What to write instead.
    pub fn help(&self) -> &str {
        &self.help
    }
}

/// The units of a duration, from the largest to the smallest, in milliseconds.
const DURATION_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a byte size, from the largest to the smallest.
const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `25s`, `5ms`, `10m` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, InvalidText> {
    let (amount, unit) = amount_and_unit(text).ok_or_else(|| {
        InvalidText::new("is not a duration", "write `5ms`, `25s`, `10m` or `1h`")
    })?;
    let Some((_, unit_ms)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        let reason = match unit {
            "" => "is a duration without a unit".to_owned(),
            _ => format!("is a duration in a unit that is not known, `{unit}`"),
        };
        let near = DURATION_UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
        let unit = near.map_or("s", |(name, _)| name);
        let help = format!("write `{amount}{unit}`; the units are `ms`, `s`, `m` and `h`");
        return Err(InvalidText::new(reason, help));
    };
    let amount_ms = amount.parse::<u64>().ok().and_then(|amount| amount.checked_mul(*unit_ms));
    amount_ms.map(Duration::from_millis).ok_or_else(|| {
        InvalidText::new("is a duration too long to count", "write fewer digits, such as `1h`")
    })
}

/// Reads `512 MiB`, `1 MB` or `4096`.
pub(super) fn bytes(text: &str) -> Result<u64, InvalidText> {
    let (amount, unit) = amount_and_unit(text).ok_or_else(|| {
        InvalidText::new("is not a byte size", "write a whole number and a unit, such as `512 MiB`")
    })?;
    let unit_bytes = match unit {
        "" => 1,
        _ => match BYTE_UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, bytes)) => *bytes,
            None => return Err(unknown_byte_unit(amount, unit)),
        },
    };
    amount.parse::<u64>().ok().and_then(|amount| amount.checked_mul(unit_bytes)).ok_or_else(|| {
        InvalidText::new("is a byte size too large to count", "write fewer digits, such as `1 GiB`")
    })
}

fn unknown_byte_unit(amount: &str, unit: &str) -> InvalidText {
    let near = BYTE_UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
    let help = match (near, unit) {
        (Some((near, _)), _) => format!("did you mean `{amount} {near}`?"),
        (None, "k" | "K" | "m" | "M" | "g" | "G") => {
            let unit = unit.to_ascii_uppercase();
            format!("write `{amount} {unit}iB` (powers of 1024) or `{amount} {unit}B` (of 1000)")
        }
        (None, _) => "the units are `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB` and `B`".to_owned(),
    };
    InvalidText::new("is a byte size in a unit that is not known", help)
}

/// Splits digits from the letters behind them; one space may stand between.
fn amount_and_unit(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (amount, rest) = text.split_at(digits);
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let letters = unit.len() <= 8 && unit.chars().all(|c| c.is_ascii_alphabetic());
    (!amount.is_empty() && letters).then_some((amount, unit))
}

/// Writes a duration as [`duration`] reads it, in the largest unit that is exact.
pub(super) fn show_duration(duration: Duration) -> String {
    let all_ms = duration.as_millis();
    let exact = DURATION_UNITS.iter().find(|(_, unit_ms)| {
        all_ms >= u128::from(*unit_ms) && all_ms.is_multiple_of(u128::from(*unit_ms))
    });
    match exact {
        Some((unit, unit_ms)) => format!("{}{unit}", all_ms / u128::from(*unit_ms)),
        None => "0ms".to_owned(),
    }
}

/// Writes a byte size as [`bytes`] reads it, in the largest unit that is exact.
pub(super) fn show_bytes(bytes: u64) -> String {
    let exact = BYTE_UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    match exact {
        Some((unit, unit_bytes)) => format!("{} {unit}", bytes / unit_bytes),
        None => "0 B".to_owned(),
    }
}

/// Reads the address that a server listens on.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, InvalidText> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let help = match text.rsplit_once(':') {
        _ if text.parse::<IpAddr>().is_ok() => "add the port, such as `127.0.0.1:7070`".to_owned(),
        Some((_, port)) if port.parse::<u16>().is_err() => {
            "the port is a number up to 65535, such as `127.0.0.1:7070`".to_owned()
        }
        Some(("localhost", port)) => format!("write `127.0.0.1:{port}`"),
        Some(("" | "*", port)) => format!("write `0.0.0.0:{port}` to listen on every interface"),
        _ => "write an IP address and a port, such as `127.0.0.1:7070` or `[::1]:7070`".to_owned(),
    };
    Err(InvalidText::new("is not an address to listen on", help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_written_alike() {
        for text in ["0ms", "1ms", "999ms", "25s", "90s", "10m", "1h", "48h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for text in ["0 B", "1 B", "1 KiB", "1 KB", "512 MiB", "1 GiB", "3 GB", "1537 B"] {
            assert_eq!(show_bytes(bytes(text).unwrap()), text);
        }
        assert_eq!(duration("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("4MiB"), Ok(4 << 20));
        assert_eq!(show_duration(duration("60s").unwrap()), "1m");
    }

    #[test]
    fn a_wrong_text_says_what_would_be_right() {
        let check = |result: Result<String, InvalidText>, expected: &str| {
            let error = result.unwrap_err();
            assert_eq!(format!("{error}; {}", error.help()), expected);
        };
        let duration = |text| duration(text).map(show_duration);
        let bytes = |text| bytes(text).map(show_bytes);
        let address = |text| socket_address(text).map(|address| address.to_string());

        check(
            duration("5"),
            "is a duration without a unit; \
            write `5s`; the units are `ms`, `s`, `m` and `h`",
        );
        check(
            duration("5 MS"),
            "is a duration in a unit that is not known, `MS`; \
            write `5ms`; the units are `ms`, `s`, `m` and `h`",
        );
        check(duration("1.5s"), "is not a duration; write `5ms`, `25s`, `10m` or `1h`");
        check(duration("-1s"), "is not a duration; write `5ms`, `25s`, `10m` or `1h`");
        check(duration(""), "is not a duration; write `5ms`, `25s`, `10m` or `1h`");
        check(
            duration("99999999999999999h"),
            "is a duration too long to count; \
            write fewer digits, such as `1h`",
        );
        check(
            bytes("512 mib"),
            "is a byte size in a unit that is not known; \
            did you mean `512 MiB`?",
        );
        check(
            bytes("512M"),
            "is a byte size in a unit that is not known; \
            write `512 MiB` (powers of 1024) or `512 MB` (of 1000)",
        );
        check(
            bytes("5 TiB"),
            "is a byte size in a unit that is not known; \
            the units are `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB` and `B`",
        );
        check(
            bytes("1.5 GiB"),
            "is not a byte size; \
            write a whole number and a unit, such as `512 MiB`",
        );
        check(
            bytes("99999999999 GiB"),
            "is a byte size too large to count; \
            write fewer digits, such as `1 GiB`",
        );
        check(address("localhost:7070"), "is not an address to listen on; write `127.0.0.1:7070`");
        check(
            address(":7070"),
            "is not an address to listen on; \
            write `0.0.0.0:7070` to listen on every interface",
        );
        check(
            address("::1"),
            "is not an address to listen on; \
            add the port, such as `127.0.0.1:7070`",
        );
        check(
            address("127.0.0.1:99999"),
            "is not an address to listen on; \
            the port is a number up to 65535, such as `127.0.0.1:7070`",
        );
        check(
            address("kafka"),
            "is not an address to listen on; \
            write an IP address and a port, such as `127.0.0.1:7070` or `[::1]:7070`",
        );
    }
}
