//! What the brokers tell of a topic before the first row, through librdkafka as the service uses
//! it. Nothing is written, and nothing is made.
use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr, slice,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::bindings as sys;

use super::{
    cause::Cause,
    client::{Bell, Client, Partition, TopicLimits},
    credentials::Credentials,
    renewal::prove,
    settings::Settings,
    topic::{record_bytes_max, scarce},
};
use crate::job::{HostPort, Output};

/// How long a request to the brokers may take once they have let us in.
const ANSWER_MAX: Duration = Duration::from_secs(3);

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
    /// Whether the output's user may write, where brokers tell (KIP-430).
    pub may_write: Option<bool>,
    /// Where the brokers want to be reached (`advertised.listeners`), the first few.
    pub brokers: Vec<HostPort>,
}

/// Asks the brokers of an output. Blocks for some seconds.
///
/// # Errors
/// Why they do not let the output in, or do not know its topic.
pub fn look(output: &Output, credentials: &Credentials) -> Result<Topic, Cause> {
    let settings = Settings::of(output);
    let (recipe, topic) = (&settings.recipe, output.topic.as_str());
    let made = recipe.client(credentials, Duration::ZERO, &Arc::<Bell>::default());
    let (client, mut poller) = made.map_err(|reason| {
        let text = format!("librdkafka does not take the credentials: {reason}");
        Cause::new("CREDENTIALS_UNUSABLE", text)
    })?;
    let ask = |timeout| client.partitions(timeout).map(drop);
    prove(topic, ask, |faults| faults.append(&mut poller.poll().errors))
        .map_err(|refused| refused.cause)?;
    let partitions =
        client.partitions(ANSWER_MAX).map_err(|fault| Cause::of_fault(&fault, topic))?;
    // Each waits for brokers that may not know the request, so all are asked at once.
    let (TopicLimits { message_bytes_max, in_sync_min, .. }, may_write, brokers) =
        thread::scope(|scope| {
            let limits = scope.spawn(|| client.limits(topic, ANSWER_MAX));
            let may_write = scope.spawn(|| may_write(&client, topic));
            let brokers = brokers(&client);
            let joined = "nothing panics in it";
            (limits.join().expect(joined), may_write.join().expect(joined), brokers)
        });
    let in_sync_min = in_sync_min.filter(|_| settings.waits_for_replicas);
    let replicas = partitions.iter().map(|partition| partition.replicas).min();
    let has_leader = |partition: &&Partition| partition.has_leader;
    Ok(Topic {
        partitions: partitions.len(),
        leaderless: partitions.len() - partitions.iter().filter(has_leader).count(),
        replicas: replicas.unwrap_or_default(),
        scarce: scarce(&partitions, in_sync_min.unwrap_or_default(), topic),
        in_sync_min,
        message_bytes_max,
        record_bytes_max: message_bytes_max.map(record_bytes_max),
        may_write,
        brokers,
    })
}

/// Asks what the output's user may do with the topic; `None` if the brokers do not tell.
fn may_write(client: &Client, topic: &str) -> Option<bool> {
    let topic = CString::new(topic).ok()?;
    let mut names = [topic.as_ptr()];
    let end = Instant::now() + ANSWER_MAX;
    // SAFETY: each object is made, used and destroyed here, and lives as long as the call that
    // takes it; the result is read before the event that owns it is destroyed.
    unsafe {
        let handle = client.handle();
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = sys::rd_kafka_AdminOptions_new(handle, operation);
        let ms = ANSWER_MAX.as_millis() as c_int;
        let mut text = [0 as c_char; 128];
        sys::rd_kafka_AdminOptions_set_request_timeout(options, ms, text.as_mut_ptr(), text.len());
        let refused = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        assert!(refused.is_null(), "the request has this option");
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let queue = sys::rd_kafka_queue_new(handle);
        sys::rd_kafka_DescribeTopics(handle, topics, options, queue);
        let left = end.saturating_duration_since(Instant::now()).as_millis() as c_int;
        let event = sys::rd_kafka_queue_poll(queue, left.saturating_add(100));
        let found = if event.is_null() { None } else { may_write_of(event) };
        sys::rd_kafka_event_destroy(event); // of none does nothing
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_TopicCollection_destroy(topics);
        sys::rd_kafka_AdminOptions_destroy(options);
        found
    }
}

/// # Safety
/// The event must be valid.
unsafe fn may_write_of(event: *mut sys::rd_kafka_event_t) -> Option<bool> {
    let write = sys::rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_WRITE as u32;
    let mut count = 0;
    // SAFETY: librdkafka's counts describe its arrays, which live as long as the event. A broker
    // may name operations that the bindings' enum lacks, so they are read as the integers that
    // they are.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return None;
        }
        let operations =
            sys::rd_kafka_TopicDescription_authorized_operations(*topics, &raw mut count);
        if operations.is_null() {
            return None;
        }
        Some(slice::from_raw_parts(operations.cast::<u32>(), count).contains(&write))
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
