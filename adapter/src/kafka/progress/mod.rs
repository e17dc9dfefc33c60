//! How far each writer has come, in a compacted topic of the output's own cluster: one key for a
//! writer, its highest sequence as the value.
//!
//! A consumer group's offset was tried for this on real brokers, and broke: it expires, writing it
//! can hang the producer for ever, and reading it can end the process.
mod key;
mod log;
mod read;
mod record;
mod survey;
mod topic;

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use self::log::Reported;
pub use self::{
    key::{Keys, PARTITIONS, Whose, id_of_no_writer, prefix, whose_id, writer_of_id},
    log::{Entry, Names, ProgressLog},
    read::{Bound, Found, ReadFault, last_instance, read_back},
    record::{Claim, Stored},
    survey::{Survey, survey},
    topic::{Inspected, POLICY_UNKNOWN, TopicFault, ensure, inspect, judge, may_make},
};

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
