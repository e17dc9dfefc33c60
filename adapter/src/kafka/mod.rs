//! Kafka: takes encoded records for named partitions and settles each of them exactly once.
//!
//! The way of a batch here: [`budget`] (room) → [`receipt`] (a flight with a receipt for each
//! record) → [`lane`] (the partition's queue, which paces the hand-over) → [`producers`] →
//! [`client`] (librdkafka) → reports → receipts → [`Ticket`]. [`sink`] holds them together for one
//! output.
//!
//! This module alone names librdkafka. Everything above it sees the seam [`Delivery`]: room,
//! partitions, submit. A model of it settles records by hand in the tests of the stream.
//!
//! Non-obvious:
//! - `message.timeout.ms` is 0: nothing times out in here. Waiting is visible
//!   ([`Delivery::health`]) and bounded only by the engine's own deadline or the service's stop.
//! - A record's failure says little about its cause: nearly every connection fault reaches a
//!   record as a time-out only. The cause is in the error callback, and is confirmed by asking
//!   for the topic's metadata, since the callback also raises false alarms.
//! - Dropping a librdkafka producer purges its records, so a sink is closed, not dropped.
use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    meter::Exchange,
    partition::{Partitions, Routes},
};

pub mod admin;
pub mod bare;
pub mod budget;
pub mod cause;
pub mod check;
mod client;
mod consumer;
pub mod credentials;
mod delivery;
mod diagnosis;
pub mod headers;
mod lane;
mod leaving;
pub mod letter;
mod letters;
pub mod mock;
mod poll;
mod producers;
mod progress;
pub mod reader;
pub mod receipt;
mod renewal;
mod round_trip;
pub mod scratch;
mod settings;
mod sink;
pub mod statistics;
pub mod status;
mod topic;
mod transaction;

pub use self::{
    budget::{Budget, Permit, RECORD_OVERHEAD_BYTES, Share, share_out},
    cause::Cause,
    credentials::Credentials,
    diagnosis::target,
    letter::{Letter, Letters, Sender},
    progress::{
        Entry as ProgressEntry, Found as FoundProgress, Keys as WriterKeys, ProgressLog, Survey,
        Whose, prefix as key_prefix, survey, whose_id, writer_of_id,
    },
    receipt::{Encoded, Fit, Outcome, RejectedRows, Rows, Split, Ticket},
    renewal::NotRenewed,
    settings::Settings as SinkSettings,
    sink::Sink,
    statistics::Summary,
    status::{Health, State},
    topic::record_bytes_max,
    transaction::{Mark, OpenError, Stored, Writer},
};

/// Targets under which librdkafka and its bindings log their own lines.
pub const LOG_TARGETS: [&str; 2] = ["librdkafka", "rdkafka"];

/// The version of librdkafka.
pub fn library_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// What a stream needs of an output's Kafka.
pub trait Delivery: Send + Sync + 'static {
    /// This output's part of the memory budget.
    fn share(&self) -> &Share;

    /// The topic's partitions; `None` until they are known, or while the topic is missing.
    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>>;

    /// The largest record that the topic takes, in bytes.
    fn record_bytes_max(&self) -> usize;

    /// Hands records over. Does not wait: the room is the permission. Every record settles; the
    /// ticket tells the outcome. `mark` is how far their writer has come with them, and is stored
    /// with them where progress is. A batch is durable when its dead letters are, too.
    fn submit(
        &self,
        encoded: Encoded,
        routes: Routes,
        room: Permit,
        mark: Mark,
        letters: Letters,
    ) -> Ticket;

    /// The largest record that the dead letter topic takes, in bytes; a letter is cut to it.
    fn letter_bytes_max(&self) -> usize;

    /// An acknowledgement that comes within this time has waited for the brokers and in no queue
    /// of ours: the linger and a few round trips.
    fn prompt_within(&self) -> Duration;

    /// State of the output, and why rows wait if they do.
    fn health(&self) -> Health;

    /// What became of records so far.
    fn counts(&self) -> Counts;

    /// What passes between the output and the brokers.
    fn exchange(&self) -> Arc<Exchange>;

    /// What librdkafka counts and measures by itself; all 0 if nobody is to look at it.
    fn statistics(&self) -> Summary {
        Summary::default()
    }

    /// Why rows wait for long although the output is ready, as far as is known. The brokers are
    /// asked anew, so that more may be known the next time.
    fn why_slow(&self) -> Cause {
        Cause::slow()
    }
}

/// Records of an output since the service started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Stored by Kafka.
    pub delivered: u64,
    /// Refused by the broker for good.
    pub rejected: u64,
    /// Accepted and not settled.
    pub in_flight: u64,
    /// Dead letters that Kafka has stored.
    pub letters: u64,
}
