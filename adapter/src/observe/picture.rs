//! How the service is at one moment.
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Instant, SystemTime},
};

use serde::{Serialize, Serializer};

use super::{Observer, READINESS_PATIENCE, process::Process};
use crate::{
    grpc::Served,
    kafka::{Cause, Counts, Health, State},
    meter::{Exchange, Passage},
    secrets::{InUse, Report},
    steering::Configuration,
    writers::Seen,
};

/// Writers of an output that are shown by name: those that wait for longest.
const WRITERS_SHOWN: usize = 20;

/// The service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Picture {
    /// The job's name.
    pub job: String,
    /// The version of the program.
    pub version: &'static str,
    /// Where writers connect.
    pub address: String,
    /// When the service started.
    #[serde(serialize_with = "time")]
    pub started: SystemTime,
    /// For how long it runs.
    pub uptime_seconds: f64,
    /// Whether a balancer should send writers here.
    pub ready: bool,
    /// Whether it is about to end.
    pub draining: bool,
    /// The memory budget of rows.
    pub memory_budget_bytes: u64,
    /// What of it is in use.
    pub memory_used_bytes: u64,
    /// Streams at once, at most.
    pub streams_max: usize,
    /// Streams and calls that are served.
    pub sessions: usize,
    /// What it was told to do.
    pub configuration: ConfigurationNow,
    /// What the port shows and trusts.
    pub certificate: CredentialsNow,
    /// Who vouches for callers' tokens.
    pub token_trust: CredentialsNow,
    /// The process.
    pub process: Process,
    /// The outputs, as the job file has them.
    pub outputs: Vec<OutputNow>,
}

/// The configuration that is in use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationNow {
    /// 1 at the start, and one more with each job file that was applied.
    pub generation: u64,
    /// A digest of the job file's text.
    pub version: Option<String>,
    /// When it was applied.
    #[serde(serialize_with = "time")]
    pub loaded: SystemTime,
    /// How often another was applied since the start.
    pub applied: u64,
    /// How often one was refused.
    pub refused: u64,
    /// Why the last one was refused, if none was applied since.
    pub trouble: Option<Trouble>,
    /// When.
    #[serde(serialize_with = "optional_time")]
    pub trouble_since: Option<SystemTime>,
}

/// An output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputNow {
    /// Its alias.
    pub alias: String,
    /// Its topic.
    pub topic: String,
    /// Its brokers.
    pub bootstrap_servers: Vec<String>,
    /// What an acknowledgement promises.
    pub guarantee: &'static str,
    /// `Connecting`, `Ready` or `Unavailable`.
    pub state: &'static str,
    /// What its operator wants: `Open`, `Paused` or `Drained`.
    pub setting: &'static str,
    /// Since when.
    #[serde(serialize_with = "time")]
    pub since: SystemTime,
    /// Why rows wait, if some do.
    pub trouble: Option<Trouble>,
    /// Partitions of the topic.
    pub partitions: usize,
    /// Those of them that take no rows.
    pub partitions_without_leader: usize,
    /// The most and the fewest rows that a partition was given.
    pub partition_rows: Option<[u64; 2]>,
    /// Live streams.
    pub writers_live: usize,
    /// The writers that wait for longest, or are live.
    pub writers: Vec<WriterNow>,
    /// Records that are accepted and not settled.
    pub records_in_flight: u64,
    /// What of the memory budget the output holds.
    pub bytes_in_flight: u64,
    /// Batches that wait for room in it.
    pub waiting_for_memory: usize,
    /// Since when the oldest batch waits for its acknowledgement.
    pub oldest_unacknowledged_seconds: Option<f64>,
    /// Rows of accepted batches, since the start.
    pub rows_received: u64,
    /// Bytes of these batches as they came.
    pub bytes_received: u64,
    /// Time that batches have waited for room in the memory budget or for a leader.
    pub backpressure_seconds: f64,
    /// Batches by their end, since the start.
    pub batches: BatchesNow,
    /// Records that Kafka has stored.
    pub records_delivered: u64,
    /// Rows that were set aside: they cannot be encoded.
    pub rows_not_encoded: u64,
    /// Records that brokers refused for good.
    pub records_refused: u64,
    /// Dead letters that Kafka has stored.
    pub dead_letters: u64,
    /// What the brokers let the service in with.
    pub credentials: CredentialsNow,
    /// Counts and times of its rows.
    #[serde(skip)]
    pub passage: Arc<Passage>,
    /// Counts and times of its requests.
    #[serde(skip)]
    pub exchange: Arc<Exchange>,
}

/// Why something waits.
#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    /// The stable code.
    pub code: &'static str,
    /// What it is, and what to do.
    pub text: String,
}

/// A writer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriterNow {
    /// Its name.
    pub id: String,
    /// Whether it has a stream.
    pub live: bool,
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// The last batch that was accepted.
    pub accepted_through: u64,
    /// Since when its oldest batch waits for its acknowledgement.
    pub oldest_unacknowledged_seconds: Option<f64>,
}

/// Batches by how they ended.
#[derive(Debug, Serialize)]
pub struct BatchesNow {
    /// Stored.
    pub durable: u64,
    /// Nothing of them is written.
    pub refused: u64,
    /// They may be written.
    pub unknown: u64,
    /// They had been sent before.
    pub repeated: u64,
}

/// Credentials.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsNow {
    /// What is in place.
    pub in_use: Vec<CredentialNow>,
    /// When it was last looked up with success.
    #[serde(serialize_with = "optional_time")]
    pub checked: Option<SystemTime>,
    /// How often others were put in place.
    pub renewals: u64,
    /// Why newer ones are not in place.
    pub trouble: Option<Trouble>,
}

/// A credential.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialNow {
    /// What for, as the job file calls it.
    pub purpose: &'static str,
    /// Where it stands.
    pub source: String,
    /// Its version there.
    pub version: Option<String>,
    /// Whose it is.
    pub subject: Option<String>,
    /// Until when it holds.
    #[serde(serialize_with = "optional_time")]
    pub expires: Option<SystemTime>,
}

impl Picture {
    /// Takes it.
    pub(super) fn take(observer: &Observer) -> Self {
        let Observer { job, address, shared, certificate, token_trust, steering, .. } = observer;
        let outputs: Vec<_> =
            shared.outputs.load().iter().map(|served| OutputNow::of(served)).collect();
        let draining = shared.drain.borrow().is_some();
        Self {
            job: job.clone(),
            version: env!("CARGO_PKG_VERSION"),
            address: address.to_string(),
            started: observer.started,
            uptime_seconds: observer.since.elapsed().as_secs_f64(),
            ready: !draining && outputs.iter().any(OutputNow::is_ready),
            draining,
            memory_budget_bytes: observer.memory_bytes,
            memory_used_bytes: outputs.iter().map(|output| output.bytes_in_flight).sum(),
            streams_max: shared.credits.streams_max(),
            sessions: *shared.sessions.borrow(),
            configuration: steering.history.now().into(),
            certificate: certificate.report().into(),
            token_trust: token_trust.report().into(),
            process: Process::now(),
            outputs,
        }
    }
}

impl OutputNow {
    fn of(served: &Served) -> Self {
        let Served { output, job, writers, credentials, .. } = served;
        let Health { state, cause, since } = output.kafka.health();
        let Counts { delivered, rejected, in_flight, letters } = output.kafka.counts();
        let partitions = output.kafka.partitions().borrow().clone();
        let leaders = partitions.map(|known| known.leaders.clone()).unwrap_or_default();
        let rows = output.rotor.assigned();
        let setting = output.valve.setting();
        let batches = &output.passage.batches;
        Self {
            alias: output.alias.clone(),
            topic: output.topic.clone(),
            bootstrap_servers: job.bootstrap_servers.iter().map(ToString::to_string).collect(),
            guarantee: job.guarantee.name(),
            state: match state {
                State::Connecting => "Connecting",
                State::Ready => "Ready",
                State::Unavailable => "Unavailable",
            },
            setting: setting.name(),
            since,
            trouble: setting.cause(&output.alias).or(cause).map(Into::into),
            partitions: leaders.len(),
            partitions_without_leader: leaders.iter().filter(|leader| !**leader).count(),
            partition_rows: rows.iter().max().zip(rows.iter().min()).map(|(a, b)| [*a, *b]),
            writers_live: writers.live(),
            writers: writers.seen(WRITERS_SHOWN).into_iter().map(Into::into).collect(),
            records_in_flight: in_flight,
            bytes_in_flight: output.kafka.share().used_bytes(),
            waiting_for_memory: output.kafka.share().waiting(),
            oldest_unacknowledged_seconds: writers.oldest().map(age),
            rows_received: output.passage.rows.get(),
            bytes_received: output.passage.bytes_received.get(),
            backpressure_seconds: output.passage.backpressure.get(),
            batches: BatchesNow {
                durable: batches.durable.get(),
                refused: batches.refused.get(),
                unknown: batches.unknown.get(),
                repeated: batches.repeated.get(),
            },
            records_delivered: delivered,
            rows_not_encoded: output.rejected.load(Ordering::Relaxed),
            records_refused: rejected,
            dead_letters: letters,
            credentials: credentials.report().into(),
            passage: output.passage.clone(),
            exchange: output.kafka.exchange(),
        }
    }

    /// Whether rows pass, or did a moment ago.
    fn is_ready(&self) -> bool {
        if self.setting == "Drained" {
            return false;
        }
        let is_news = || self.since.elapsed().is_ok_and(|since| since < READINESS_PATIENCE);
        self.state == "Ready" || self.state == "Unavailable" && is_news()
    }
}

impl From<Configuration> for ConfigurationNow {
    fn from(of: Configuration) -> Self {
        let Configuration { generation, version, loaded, applied, refused, trouble } = of;
        let (trouble_since, trouble) = trouble.unzip();
        let trouble = trouble.map(Into::into);
        Self { generation, version, loaded, applied, refused, trouble, trouble_since }
    }
}

impl From<Cause> for Trouble {
    fn from(Cause { code, text }: Cause) -> Self {
        Self { code, text }
    }
}

impl From<Seen> for WriterNow {
    fn from(Seen { id, live, durable_through, accepted_through, oldest }: Seen) -> Self {
        let oldest_unacknowledged_seconds = oldest.map(age);
        Self {
            id: id.to_string(),
            live,
            durable_through,
            accepted_through,
            oldest_unacknowledged_seconds,
        }
    }
}

impl From<Report> for CredentialsNow {
    fn from(Report { in_use, checked, trouble, renewals, .. }: Report) -> Self {
        let in_use = in_use.into_iter().map(Into::into).collect();
        Self { in_use, checked, renewals, trouble: trouble.map(Into::into) }
    }
}

impl From<InUse> for CredentialNow {
    fn from(InUse { purpose, source, version, subject, expires, .. }: InUse) -> Self {
        Self { purpose, source, version, subject, expires }
    }
}

fn age(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// RFC 3339.
fn time<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::try_from(*time) {
        Ok(time) => to.collect_str(&time),
        Err(_) => to.serialize_none(),
    }
}

fn optional_time<S: Serializer>(time: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(known) => self::time(known, to),
        None => to.serialize_none(),
    }
}
