//! What is known of an output's health, and its counts.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::cause::Cause;
use crate::meter::Exchange;

/// A broker that throttles says so with some of its answers alone.
const THROTTLE_REMEMBERED: Duration = Duration::from_secs(10);

/// Whether rows pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No broker has answered since the start.
    Connecting,
    /// The topic is known and has a leader.
    Ready,
    /// Rows wait.
    Unavailable,
}

/// State, cause and time.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether rows pass.
    pub state: State,
    /// Why not.
    pub cause: Option<Cause>,
    /// Since when.
    pub since: SystemTime,
}

/// Health and counts of one output; shared by its threads.
pub struct Status {
    health: Mutex<Health>,
    scarce: Mutex<Option<Cause>>,
    /// Until when it counts that a broker asked to be asked less.
    throttled_until: Mutex<Option<Instant>>,
    /// The topic's id when the brokers were last asked; empty if they have not told.
    topic_id: Mutex<String>,
    /// Partitions in which a refused row holds up those behind it, and why.
    blocked: Mutex<BTreeMap<i32, Cause>>,
    /// How many they are: nobody takes the lock as long as there are none.
    blocked_count: AtomicUsize,
    /// Records that Kafka has stored since the start.
    pub delivered: AtomicU64,
    /// Records that the broker refused for good.
    pub rejected: AtomicU64,
    /// Dead letters that Kafka has stored since the start.
    pub letters: AtomicU64,
    /// Records that wait in lanes.
    pub waiting: AtomicU64,
    /// Records that librdkafka has.
    pub flying: AtomicU64,
    /// What passes between the output and the brokers.
    pub exchange: Arc<Exchange>,
}

impl Status {
    /// Nothing is known.
    pub fn new() -> Self {
        let health = Health { state: State::Connecting, cause: None, since: SystemTime::now() };
        Self {
            health: Mutex::new(health),
            scarce: Mutex::new(None),
            throttled_until: Mutex::new(None),
            topic_id: Mutex::default(),
            blocked: Mutex::default(),
            blocked_count: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            letters: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            flying: AtomicU64::new(0),
            exchange: Arc::default(),
        }
    }

    /// The health now.
    pub fn health(&self) -> Health {
        self.health.lock().expect("nothing panics in it").clone()
    }

    /// Why some partitions take no rows, if that is so and others do.
    pub fn scarce(&self) -> Option<Cause> {
        self.scarce.lock().expect("nothing panics in it").clone()
    }

    /// Notes why some partitions take no rows, or that all do.
    pub fn set_scarce(&self, cause: Option<Cause>) {
        *self.scarce.lock().expect("nothing panics in it") = cause;
    }

    /// The topic's id when the brokers were last asked; empty if they have not told.
    pub fn topic_id(&self) -> String {
        self.topic_id.lock().expect("nothing panics in it").clone()
    }

    /// The topic has this id now.
    pub fn set_topic_id(&self, id: String) {
        *self.topic_id.lock().expect("nothing panics in it") = id;
    }

    /// Notes why rows of a partition wait behind one that is refused, or that none is.
    pub fn set_blocked(&self, partition: i32, cause: Option<&Cause>) {
        if cause.is_none() && self.blocked_count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut blocked = self.blocked.lock().expect("nothing panics in it");
        match cause {
            Some(cause) => drop(blocked.insert(partition, cause.clone())),
            None => drop(blocked.remove(&partition)),
        }
        self.blocked_count.store(blocked.len(), Ordering::Release);
    }

    /// Why rows wait behind one that is refused, if some do.
    pub fn blocked(&self) -> Option<Cause> {
        if self.blocked_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let blocked = self.blocked.lock().expect("nothing panics in it");
        let (partition, Cause { code, text }) = blocked.first_key_value()?;
        let partitions = blocked.len();
        let text = format!(
            "a row that is refused holds up those behind it in partition {partition} ({partitions} \
             in all): {text}"
        );
        Some(Cause::new(code, text))
    }

    /// Rows pass. True if that is news.
    pub fn ready(&self) -> bool {
        self.change(State::Ready, None)
    }

    /// Rows wait. An output that never was ready goes on connecting while nobody answers. True
    /// if that is news.
    pub fn unavailable(&self, cause: Cause, nobody_answers: bool) -> bool {
        let first = nobody_answers && self.health().state == State::Connecting;
        let state = if first { State::Connecting } else { State::Unavailable };
        self.change(state, Some(cause))
    }

    fn change(&self, state: State, cause: Option<Cause>) -> bool {
        let mut health = self.health.lock().expect("nothing panics in it");
        let code = |cause: &Option<Cause>| cause.as_ref().map(|cause| cause.code);
        let news = health.state != state || code(&health.cause) != code(&cause);
        if news {
            health.since = SystemTime::now();
        }
        (health.state, health.cause) = (state, cause);
        news
    }

    /// Takes what brokers said of their quotas. Returns why rows pass more slowly, if that is news.
    pub fn throttled(&self, throttles: &mut Vec<Duration>) -> Option<Cause> {
        if throttles.is_empty() {
            return None;
        }
        let was_told = self.throttling().is_some();
        for time in throttles.drain(..) {
            self.exchange.throttles.inc_by(u64::from(!time.is_zero()));
            self.exchange.throttled.inc_by(time.as_secs_f64());
            let until = (!time.is_zero()).then(|| Instant::now() + time + THROTTLE_REMEMBERED);
            *self.throttled_until.lock().expect("nothing panics in it") = until;
        }
        self.throttling().filter(|_| !was_told)
    }

    /// Why rows pass more slowly than they could, if brokers say so.
    pub fn throttling(&self) -> Option<Cause> {
        let until = *self.throttled_until.lock().expect("nothing panics in it");
        let is_now = until.is_some_and(|until| Instant::now() < until);
        is_now.then(|| {
            let text = "the brokers delay their answers, since the quota of this client is used up: \
                 rows pass no faster than it allows. Raise the quota (`producer_byte_rate`; throughput \
                 units at Event Hubs), or compress better";
            Cause::new("BROKER_THROTTLES", text)
        })
    }

    /// Records accepted and not settled.
    pub fn in_flight(&self) -> u64 {
        self.waiting.load(Ordering::Acquire) + self.flying.load(Ordering::Acquire)
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}
