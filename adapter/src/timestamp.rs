//! Points in time as JSON has them: RFC 3339.
use std::time::SystemTime;

use serde::Serializer;

/// One that is known.
pub fn time<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::try_from(*time) {
        Ok(time) => to.collect_str(&time),
        Err(_) => to.serialize_none(),
    }
}

/// One that may be unknown.
pub fn optional_time<S: Serializer>(time: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(known) => self::time(known, to),
        None => to.serialize_none(),
    }
}
