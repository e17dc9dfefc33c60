//! What the brokers tell before the first row, through librdkafka as the service uses it: of a
//! topic here, of the progress topic ([`progress`]), and of transactions ([`transactions`]).
//! Nothing is written, and no topic is made.
mod progress;
mod transactions;

use std::{
    ffi::{CStr, c_int},
    ptr, slice,
    sync::Arc,
    thread,
    time::Duration,
};

use rdkafka::bindings as sys;

pub use self::{
    progress::{Progress, look as look_at_progress},
    transactions::{Opened, look as look_at_transactions},
};
use super::{
    cause::Cause,
    client::{Bell, Client, Partition, Poller, TopicLimits},
    credentials::Credentials,
    renewal::prove,
    settings::Settings,
    topic::{record_bytes_max, scarce},
};
pub use super::{
    client::Rights,
    progress::{PARTITIONS as PROGRESS_PARTITIONS, POLICY_UNKNOWN},
};
use crate::job::{HostPort, Output};

/// How long a request to the brokers may take once they have let us in.
const ANSWER_MAX: Duration = Duration::from_secs(6);

/// The most brokers that are named; larger clusters are alike.
const BROKERS_MAX: usize = 20;

/// What the brokers tell of a topic.
pub struct Topic {
    /// How many partitions it has.
    pub partitions: usize,
    /// How many of them have no leader.
    pub leaderless: usize,
    /// How many replicas the partitions have, at least.
    pub replicas: u32,
    /// Why partitions take no rows, if some do not.
    pub scarce: Option<Cause>,
    /// `min.insync.replicas`, where it is told and acknowledgements wait for it.
    pub in_sync_min: Option<u32>,
    /// `max.message.bytes`, where it is told.
    pub message_bytes_max: Option<u64>,
    /// The largest record that passes.
    pub record_bytes_max: Option<u64>,
    /// What the output's user may do with it, where brokers tell (KIP-430).
    pub rights: Option<Rights>,
    /// `cleanup.policy`, where it is told.
    pub cleanup_policy: Option<String>,
    /// Where the brokers want to be reached (`advertised.listeners`), the first few.
    pub brokers: Vec<HostPort>,
}

/// Asks the brokers of an output. Blocks for some seconds.
///
/// # Errors
/// Why they do not let the output in, or do not know its topic.
pub fn look(output: &Output, credentials: &Credentials) -> Result<Topic, Cause> {
    let settings = Settings::of(output);
    let topic = output.topic.as_str();
    let (client, mut poller) = client(&settings, credentials)?;
    let ask = |timeout| client.partitions(timeout).map(drop);
    prove(topic, ask, |faults| faults.append(&mut poller.poll().errors))
        .map_err(|refused| refused.cause)?;
    let partitions =
        client.partitions(ANSWER_MAX).map_err(|fault| Cause::of_fault(&fault, topic))?;
    // Each waits for brokers that may not know the request, so all are asked at once.
    let (limits, rights, brokers) = thread::scope(|scope| {
        let limits = scope.spawn(|| client.limits(topic, ANSWER_MAX));
        let rights = scope.spawn(|| client.rights(topic, ANSWER_MAX));
        let brokers = brokers(&client);
        let joined = "nothing panics in it";
        (limits.join().expect(joined), rights.join().expect(joined), brokers)
    });
    let found = Topic::of(topic, &partitions, limits, rights, settings.waits_for_replicas);
    let record_bytes_max =
        found.message_bytes_max.map(|limit| settings.recipe.record_bytes_max(limit));
    Ok(Topic { brokers, record_bytes_max, ..found })
}

/// A client as the service has it for what is not a writer's.
pub(super) fn client(
    settings: &Settings,
    credentials: &Credentials,
) -> Result<(Arc<Client>, Poller), Cause> {
    let made = settings.recipe.client(credentials, Duration::ZERO, &Arc::<Bell>::default());
    made.map_err(|reason| unusable(&reason))
}

/// librdkafka has no client of these credentials.
fn unusable(reason: &str) -> Cause {
    let text = format!("librdkafka does not take the credentials: {reason}");
    Cause::new("CREDENTIALS_UNUSABLE", text)
}

impl Topic {
    /// What was told of a topic, but for the brokers.
    fn of(
        name: &str,
        partitions: &[Partition],
        limits: TopicLimits,
        rights: Option<Rights>,
        waits_for_replicas: bool,
    ) -> Self {
        let TopicLimits { message_bytes_max, in_sync_min, cleanup_policy } = limits;
        let in_sync_min = in_sync_min.filter(|_| waits_for_replicas);
        let replicas = partitions.iter().map(|partition| partition.replicas).min();
        let has_leader = |partition: &&Partition| partition.has_leader;
        Self {
            partitions: partitions.len(),
            leaderless: partitions.len() - partitions.iter().filter(has_leader).count(),
            replicas: replicas.unwrap_or_default(),
            scarce: scarce(partitions, in_sync_min.unwrap_or_default(), name),
            in_sync_min,
            message_bytes_max,
            record_bytes_max: message_bytes_max.map(record_bytes_max),
            rights,
            cleanup_policy,
            brokers: Vec::new(),
        }
    }
}

/// Where the brokers of the cluster want to be reached.
fn brokers(client: &Client) -> Vec<HostPort> {
    let mut metadata = ptr::null();
    // SAFETY: the out pointer is valid; the metadata is read before it is destroyed, and
    // librdkafka's count describes its array of brokers, whose hosts are NUL-terminated.
    unsafe {
        let code = sys::rd_kafka_metadata(
            client.handle(),
            0,
            ptr::null_mut(),
            &raw mut metadata,
            ANSWER_MAX.as_millis() as c_int,
        );
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Vec::new();
        }
        let count = (*metadata).broker_cnt.max(0) as usize;
        let first = (*metadata).brokers;
        let told = if first.is_null() { &[] } else { slice::from_raw_parts(first, count) };
        let address = |broker: &sys::rd_kafka_metadata_broker| {
            let host = CStr::from_ptr(broker.host).to_string_lossy();
            let text = match host.contains(':') {
                true => format!("[{host}]:{}", broker.port),
                false => format!("{host}:{}", broker.port),
            };
            text.parse().ok()
        };
        let found = told.iter().filter_map(address).take(BROKERS_MAX).collect();
        sys::rd_kafka_metadata_destroy(metadata);
        found
    }
}
