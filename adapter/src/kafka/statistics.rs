//! What librdkafka counts and measures by itself, over all producers of an output.
//!
//! Each producer tells every [`INTERVAL`], as a JSON document that is read when it is polled
//! ([`told`]); some numbers of the last one are kept for as long as the producer is there. With
//! exactlyOnce every writer has a producer, so what a scrape shows is the sum, or the worst, of all.
//! Counts stay when their producer goes.
mod told;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde::Serialize;

pub use self::told::{Broker, Counts, Name};
use self::told::{Told, fold};

/// Between two documents of a producer. It must be shorter than the time between two scrapes, which
/// would else see nothing new.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// So many producers tell as often as that. More tell less often, so that writers with transactions,
/// each of which has a producer, do not make so many documents as there are of them.
const PRODUCERS_AT_ONCE: u32 = 8;

/// The most between two documents.
const INTERVAL_MAX: Duration = Duration::from_secs(120);

/// What the producers of an output told.
#[derive(Default)]
pub struct Statistics {
    /// The output's topic.
    topic: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many there were.
    made: u64,
    /// Those that are there; what is in it is all 0 until one has told something.
    producers: BTreeMap<u64, Told>,
    /// Since the start, of those that are gone as well.
    counts: Counts,
}

/// Takes what one producer tells, until it is dropped.
pub struct Teller {
    statistics: Arc<Statistics>,
    number: u64,
}

/// All of it together.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Producers of librdkafka.
    pub producers: usize,
    /// Records that they hold.
    pub queue_messages: u64,
    /// Bytes of these.
    pub queue_bytes: u64,
    /// What is counted since the start.
    #[serde(flatten)]
    pub counts: Counts,
    /// 99 of 100 records waited no longer in librdkafka before they left, lately; none did if it is
    /// not there.
    pub internal_p99_seconds: Option<f64>,
    /// Mean bytes of the Kafka batches that were made lately.
    pub batch_bytes: Option<f64>,
    /// Mean records of them.
    pub batch_records: Option<f64>,
    /// Brokers by their names.
    pub brokers: BTreeMap<Name, Broker>,
}

/// How many brokers are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brokers {
    /// Some producer is connected with them.
    pub up: usize,
    /// None is, and some try.
    pub connecting: usize,
    /// None needs them.
    pub idle: usize,
}

impl Statistics {
    /// Of an output that writes into this topic.
    pub fn of(topic: &str) -> Arc<Self> {
        Arc::new(Self { topic: topic.to_owned(), ..Self::default() })
    }

    /// Takes what one more producer tells.
    pub(super) fn teller(self: &Arc<Self>) -> Teller {
        let mut state = self.lock();
        state.made += 1;
        let number = state.made;
        state.producers.insert(number, Told::default());
        drop(state);
        Teller { statistics: self.clone(), number }
    }

    /// Between two documents of the next producer.
    pub(super) fn interval(&self) -> Duration {
        let producers = self.lock().producers.len() as u32;
        (INTERVAL * (1 + producers / PRODUCERS_AT_ONCE)).min(INTERVAL_MAX)
    }

    /// How all is now.
    pub fn summary(&self) -> Summary {
        let state = self.lock();
        let mut summary = Summary { counts: state.counts, ..Summary::default() };
        let (mut bytes, mut records) = (told::Mean::default(), told::Mean::default());
        for told in state.producers.values() {
            summary.producers += 1;
            summary.queue_messages += told.queue_messages;
            summary.queue_bytes += told.queue_bytes;
            summary.internal_p99_seconds =
                told::most(summary.internal_p99_seconds, told.internal_p99_seconds);
            bytes.add(told.batch_bytes);
            records.add(told.batch_records);
            for (name, broker) in &told.brokers {
                summary.brokers.entry(*name).or_default().add(broker);
            }
        }
        fold(&mut summary.brokers);
        (summary.batch_bytes, summary.batch_records) = (bytes.mean(), records.mean());
        summary
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics in it")
    }
}

impl Summary {
    /// How many brokers are in which state. Those that were asked first count as one, as long as none
    /// of them has told which brokers there are.
    pub fn states(&self) -> Brokers {
        let mut states = Brokers::default();
        let are_known = self.brokers.keys().any(|name| matches!(name, Name::Node(_)));
        for (name, broker) in &self.brokers {
            match name {
                Name::Bootstrap if are_known => continue,
                Name::Coordinator => continue,
                // Beyond those that have names it is not known which is how.
                Name::Other => continue,
                Name::Bootstrap | Name::Node(_) => {}
            }
            match broker {
                Broker { connections: 0, connecting: 0, .. } => states.idle += 1,
                Broker { connections: 0, .. } => states.connecting += 1,
                Broker { .. } => states.up += 1,
            }
        }
        states
    }
}

impl Teller {
    /// Takes a document of the producer.
    pub(super) fn tell(&self, json: &[u8]) {
        let told = match told::read(json, &self.statistics.topic) {
            Ok(told) => told,
            // As a `client.id` with a quotation mark in it, which librdkafka does not escape.
            Err(error) => return tracing::debug!("librdkafka's statistics are not JSON: {error}"),
        };
        let mut state = self.statistics.lock();
        let before = state.producers.insert(self.number, told).unwrap_or_default();
        let now = state.producers[&self.number].counts;
        state.counts.grow(before.counts, now);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.statistics.lock().producers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A producer's document: broker 1 answers, broker 2 is sought.
    fn document(requests: u64, rtt_us: u64) -> String {
        let average = |p99: u64, count: u64| {
            format!(
                r#"{{ "min":1, "max":{p99}, "avg":{p99}, "sum":{}, "p50":{p99}, "p99":{p99},
                     "cnt":{count} }}"#,
                p99 * count
            )
        };
        let broker = |node: i32, source: &str, state: &str, tx: u64| {
            format!(
                r#"{{ "name":"b:{node}", "nodeid":{node}, "source":"{source}", "state":"{state}",
                     "outbuf_cnt":2, "waitresp_cnt":1, "tx":{tx}, "txbytes":10, "txerrs":1,
                     "txretries":0, "req_timeouts":0, "rxbytes":20, "rxerrs":0, "connects":1,
                     "disconnects":0, "int_latency":{average}, "rtt":{average},
                     "throttle":{none}, "req":{{ "Produce":3 }}, "toppars":{{}} }}"#,
                average = average(rtt_us, u64::from(state == "UP")),
                none = average(0, 0),
            )
        };
        format!(
            r#"{{ "name": "kafka-output#producer-1", "client_id": "x", "type": "producer",
                 "msg_cnt":3, "msg_size":300,
                 "brokers":{{ "b:1/1": {}, "b:2/2": {}, "b:1/bootstrap": {}, ":0/internal": {} }},
                 "topics":{{ "rows": {{ "topic":"rows", "batchsize":{}, "batchcnt":{},
                     "partitions":{{ "0": {{ "partition":0 }} }} }},
                   "progress": {{ "topic":"progress", "batchsize":{}, "batchcnt":{} }} }} }}"#,
            broker(1, "learned", "UP", requests),
            broker(2, "learned", "TRY_CONNECT", 0),
            broker(-1, "configured", "INIT", 1),
            broker(-1, "internal", "INIT", 0),
            average(1_000, 2),
            average(10, 2),
            average(1, 100),
            average(1, 100),
        )
    }

    #[test]
    fn producers_add_up_and_what_is_counted_stays_when_one_goes() {
        let statistics = Statistics::of("rows");
        let (one, two) = (statistics.teller(), statistics.teller());
        one.tell(document(5, 2_000).as_bytes());
        two.tell(document(7, 9_000).as_bytes());
        let now = statistics.summary();
        assert_eq!((now.producers, now.queue_messages, now.queue_bytes), (2, 6, 600));
        // Two brokers and the one that was asked first, which librdkafka counts apart.
        assert_eq!(now.counts.requests, 5 + 1 + 7 + 1);
        assert_eq!(now.states(), Brokers { up: 1, connecting: 1, idle: 0 });
        let first = &now.brokers[&Name::Node(1)];
        assert_eq!((first.connections, first.waiting, first.in_flight), (2, 4, 2));
        assert_eq!(first.rtt_p99_seconds, Some(0.009), "the worst of both");
        assert_eq!(now.brokers[&Name::Node(2)].rtt_p99_seconds, None, "it has answered nothing");
        assert_eq!((now.batch_bytes, now.batch_records), (Some(1_000.0), Some(10.0)));

        drop(two);
        let now = statistics.summary();
        assert_eq!((now.producers, now.queue_messages), (1, 3));
        assert_eq!(now.brokers[&Name::Node(1)].rtt_p99_seconds, Some(0.002));
        assert_eq!(now.counts.requests, 14);
        one.tell(document(8, 2_000).as_bytes());
        assert_eq!(statistics.summary().counts.requests, 17);
        // A broker that left the cluster takes its counts along.
        one.tell(document(2, 2_000).as_bytes());
        assert_eq!(statistics.summary().counts.requests, 17);
        one.tell(document(3, 2_000).as_bytes());
        assert_eq!(statistics.summary().counts.requests, 18);
    }

    #[test]
    fn what_is_not_json_changes_nothing() {
        let statistics = Statistics::of("rows");
        let one = statistics.teller();
        one.tell(document(5, 2_000).as_bytes());
        one.tell(br#"{ "client_id": "a"b" }"#);
        assert_eq!(statistics.summary().counts.requests, 6);
    }
}
