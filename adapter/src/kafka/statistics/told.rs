//! One document of librdkafka's statistics
//! (<https://github.com/confluentinc/librdkafka/blob/v2.12.1/STATISTICS.md>), and what is kept of it.
use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

/// Brokers that have names, at most; what is known of others is one entry.
pub const BROKERS_MAX: usize = 64;

/// What is kept.
#[derive(Default)]
pub(super) struct Told {
    pub(super) queue_messages: u64,
    pub(super) queue_bytes: u64,
    pub(super) counts: Counts,
    pub(super) internal_p99_seconds: Option<f64>,
    pub(super) batch_bytes: Mean,
    pub(super) batch_records: Mean,
    pub(super) brokers: BTreeMap<Name, Broker>,
}

/// What librdkafka counts of its requests and connections, over all brokers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes of these.
    pub sent_bytes: u64,
    /// Bytes of answers.
    pub answered_bytes: u64,
    /// Requests that could not be sent, and answers that could not be read.
    pub request_errors: u64,
    /// Requests that were sent again.
    pub request_retries: u64,
    /// Requests without an answer in time.
    pub request_timeouts: u64,
    /// Connections that were tried.
    pub connects: u64,
    /// Connections that ended, by whomever.
    pub disconnects: u64,
}

/// Who a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// By the number that it has in the cluster.
    Node(i32),
    /// One of those that are asked first, before the cluster has told its brokers.
    Bootstrap,
    /// The one that coordinates a writer's transactions: a connection of its own.
    Coordinator,
    /// One of those beyond [`BROKERS_MAX`].
    Other,
}

/// A broker, as the producers of an output see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// Connections that are up.
    pub connections: u32,
    /// Those that are sought.
    pub connecting: u32,
    /// Requests that wait to be sent.
    pub waiting: u64,
    /// Requests that wait for their answers.
    pub in_flight: u64,
    /// Half of its answers came within this time, lately; none came if it is not there.
    pub rtt_p50_seconds: Option<f64>,
    /// 99 of 100 did.
    pub rtt_p99_seconds: Option<f64>,
    /// For how long it asked to be left alone, lately, at most.
    pub throttle_seconds: f64,
}

/// A mean that others may be added to.
#[derive(Clone, Copy, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

#[derive(Deserialize)]
struct Document<'a> {
    msg_cnt: u64,
    msg_size: u64,
    #[serde(borrow)]
    brokers: Values<BrokerTold<'a>>,
    #[serde(borrow)]
    topics: Values<TopicTold<'a>>,
}

#[derive(Deserialize)]
struct BrokerTold<'a> {
    nodeid: i32,
    source: &'a str,
    state: &'a str,
    outbuf_cnt: i64,
    waitresp_cnt: i64,
    tx: u64,
    txbytes: u64,
    txerrs: u64,
    txretries: u64,
    req_timeouts: u64,
    rxbytes: u64,
    rxerrs: u64,
    connects: i64,
    disconnects: i64,
    int_latency: Window,
    rtt: Window,
    throttle: Window,
}

#[derive(Deserialize)]
struct TopicTold<'a> {
    topic: &'a str,
    batchsize: Window,
    batchcnt: Window,
}

/// Of the time between two documents.
#[derive(Deserialize)]
struct Window {
    max: i64,
    sum: i64,
    p50: i64,
    p99: i64,
    cnt: i64,
}

/// The values of an object whose keys say nothing new.
struct Values<T>(Vec<T>);

/// Reads a document of a producer for this topic.
///
/// # Errors
/// If it is none.
pub(super) fn read(json: &[u8], topic: &str) -> Result<Told, serde_json::Error> {
    const US: f64 = 1e-6;
    const MS: f64 = 1e-3;
    let Document { msg_cnt, msg_size, brokers, topics } = serde_json::from_slice(json)?;
    let mut told = Told { queue_messages: msg_cnt, queue_bytes: msg_size, ..Told::default() };
    for broker in brokers.0 {
        told.counts.add(&broker);
        let of = |window: &Window, value: i64| (window.cnt > 0).then_some(value as f64 * US);
        let BrokerTold { int_latency, rtt, .. } = &broker;
        told.internal_p99_seconds =
            most(told.internal_p99_seconds, of(int_latency, int_latency.p99));
        let Some(name) = Name::of(&broker) else { continue };
        let is_up = matches!(broker.state, "UP" | "REAUTH");
        // Nobody needs one that is in its first state.
        let is_sought = !is_up && broker.state != "INIT";
        told.brokers.entry(name).or_default().add(&Broker {
            connections: u32::from(is_up),
            connecting: u32::from(is_sought),
            waiting: u64::try_from(broker.outbuf_cnt).unwrap_or(0),
            in_flight: u64::try_from(broker.waitresp_cnt).unwrap_or(0),
            rtt_p50_seconds: of(rtt, rtt.p50),
            rtt_p99_seconds: of(rtt, rtt.p99),
            throttle_seconds: broker.throttle.max as f64 * MS,
        });
    }
    fold(&mut told.brokers);
    // Progress and dead letters are other topics.
    if let Some(own) = topics.0.iter().find(|told| told.topic == topic) {
        told.batch_bytes = Mean::of(&own.batchsize);
        told.batch_records = Mean::of(&own.batchcnt);
    }
    Ok(told)
}

/// Makes one entry of all brokers beyond those that have names: the lowest numbers have, so that
/// names stay.
pub(super) fn fold(brokers: &mut BTreeMap<Name, Broker>) {
    let nodes = brokers.keys().filter(|name| matches!(name, Name::Node(_)));
    let beyond: Vec<Name> = nodes.skip(BROKERS_MAX).copied().collect();
    for name in beyond {
        if let Some(broker) = brokers.remove(&name) {
            brokers.entry(Name::Other).or_default().add(&broker);
        }
    }
}

/// The larger of what is known.
pub(super) fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

impl Counts {
    fn add(&mut self, broker: &BrokerTold<'_>) {
        let positive = |count: i64| u64::try_from(count).unwrap_or(0);
        self.requests += broker.tx;
        self.sent_bytes += broker.txbytes;
        self.answered_bytes += broker.rxbytes;
        self.request_errors += broker.txerrs + broker.rxerrs;
        self.request_retries += broker.txretries;
        self.request_timeouts += broker.req_timeouts;
        self.connects += positive(broker.connects);
        self.disconnects += positive(broker.disconnects);
    }

    /// Adds what a producer counted between two documents. It forgets what it counted of a broker
    /// that has left the cluster, so its own counts may fall; these do not.
    pub(super) fn grow(&mut self, before: Self, now: Self) {
        let grow = |sum: &mut u64, before: u64, now: u64| *sum += now.saturating_sub(before);
        grow(&mut self.requests, before.requests, now.requests);
        grow(&mut self.sent_bytes, before.sent_bytes, now.sent_bytes);
        grow(&mut self.answered_bytes, before.answered_bytes, now.answered_bytes);
        grow(&mut self.request_errors, before.request_errors, now.request_errors);
        grow(&mut self.request_retries, before.request_retries, now.request_retries);
        grow(&mut self.request_timeouts, before.request_timeouts, now.request_timeouts);
        grow(&mut self.connects, before.connects, now.connects);
        grow(&mut self.disconnects, before.disconnects, now.disconnects);
    }
}

impl Name {
    fn of(told: &BrokerTold<'_>) -> Option<Self> {
        match told.source {
            "logical" => Some(Self::Coordinator),
            // Where librdkafka keeps what has no leader.
            "internal" => None,
            _ if told.nodeid >= 0 => Some(Self::Node(told.nodeid)),
            _ => Some(Self::Bootstrap),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(id) => write!(f, "{id}"),
            Self::Bootstrap => f.write_str("bootstrap"),
            Self::Coordinator => f.write_str("coordinator"),
            Self::Other => f.write_str("other"),
        }
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Broker {
    /// Adds what another producer sees of it.
    pub(super) fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.connecting += other.connecting;
        self.waiting += other.waiting;
        self.in_flight += other.in_flight;
        self.rtt_p50_seconds = most(self.rtt_p50_seconds, other.rtt_p50_seconds);
        self.rtt_p99_seconds = most(self.rtt_p99_seconds, other.rtt_p99_seconds);
        self.throttle_seconds = self.throttle_seconds.max(other.throttle_seconds);
    }
}

impl Mean {
    fn of(window: &Window) -> Self {
        Self { sum: window.sum as f64, count: u64::try_from(window.cnt).unwrap_or(0) }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    pub(super) fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Values<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = Values<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<T>, A::Error> {
        let mut values = Vec::new();
        while let Some((_, value)) = map.next_entry::<serde::de::IgnoredAny, T>()? {
            values.push(value);
        }
        Ok(Values(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_beyond_those_that_have_names_are_one() {
        let broker = Broker { connections: 1, in_flight: 2, ..Broker::default() };
        let nodes = (0..70).map(|id| (Name::Node(id), broker.clone()));
        let mut brokers: BTreeMap<_, _> =
            nodes.chain([(Name::Bootstrap, broker.clone())]).collect();
        fold(&mut brokers);
        assert_eq!(brokers.len(), BROKERS_MAX + 2);
        assert_eq!(brokers[&Name::Other], Broker { connections: 6, in_flight: 12, ..broker });
        assert!(brokers.contains_key(&Name::Node(63)) && !brokers.contains_key(&Name::Node(64)));
    }
}
