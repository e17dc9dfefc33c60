//! A bare librdkafka producer, for `bench`: encoded records from memory with the settings of an
//! output, and nothing else. What it carries is the floor that the service is compared with.
use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::bindings as sys;
use serde_json::Value;

use super::{
    client::{Code, NO_ERROR, Partition, c_text, configuration, describe, set_token, text_of},
    credentials::Credentials,
    settings::Settings,
};
use crate::job::Output;

/// Records that are on their way, at most, and their bytes: enough for every broker to be busy.
const RECORDS_MAX: u64 = 200_000;
const BYTES_MAX: u64 = 64 << 20;

/// Between looks at whether there is room.
const ROOM_PAUSE: Duration = Duration::from_micros(200);

/// How long brokers may take for what is on its way when a round ends.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Between librdkafka's statistics.
const STATISTICS_MS: &str = "500";

/// As short as the pause may be in which a batch is handed over.
const LINGER_MIN: Duration = Duration::from_micros(500);

/// Encoded records of one batch.
pub struct Load {
    /// The records, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<u32>,
    /// How many rows they have.
    pub rows: u64,
}

/// What passed in a round.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Rows that are acknowledged.
    pub rows: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// How long it took, with the last acknowledgement.
    pub time: Duration,
    /// From handing a batch over to the report of its last record.
    pub waits: Vec<Duration>,
}

/// The brokers as librdkafka measures them: of each its round trip, and whether it throttles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brokers {
    /// The longest average of a request's round trip.
    pub round_trip: Duration,
    /// The longest average time that requests wait to be sent.
    pub queue: Duration,
    /// The longest time that a broker asked to be left alone.
    pub throttle: Duration,
}

/// The producer.
pub struct Bare {
    handle: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    state: *mut State,
    /// What librdkafka reads until it has reported it; dropped after it is destroyed.
    loads: Arc<[Load]>,
}

struct State {
    start: Instant,
    settled: AtomicU64,
    settled_bytes: AtomicU64,
    waits: Mutex<Vec<Duration>>,
    failed: Mutex<Option<String>>,
    brokers: Mutex<Brokers>,
}

// SAFETY: librdkafka's handles may be used from any thread, and the state is made for several.
unsafe impl Send for Bare {}
// SAFETY: as above.
unsafe impl Sync for Bare {}

impl Bare {
    /// A producer with an output's settings for these loads. It is not transactional.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn new(
        output: &Output,
        credentials: &Credentials,
        loads: Arc<[Load]>,
    ) -> Result<Self, String> {
        let linger = output.batching.linger.max(LINGER_MIN);
        let linger = (linger.as_micros() as f64 / 1000.0).to_string();
        let more = [("linger.ms", &*linger), ("statistics.interval.ms", STATISTICS_MS)];
        let conf = configuration(&Settings::of(output).recipe.all(credentials, &more))?;
        let state = Box::into_raw(Box::new(State {
            start: Instant::now(),
            settled: AtomicU64::new(0),
            settled_bytes: AtomicU64::new(0),
            waits: Mutex::default(),
            failed: Mutex::default(),
            brokers: Mutex::default(),
        }));
        let mut text = [0 as c_char; 512];
        // SAFETY: every pointer is valid for its call; `conf` is ours until `rd_kafka_new`
        // succeeds, and the state is freed after the producer is destroyed.
        let bare = unsafe {
            sys::rd_kafka_conf_set_opaque(conf, state.cast());
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_report));
            sys::rd_kafka_conf_set_stats_cb(conf, Some(on_statistics));
            sys::rd_kafka_conf_set_log_cb(conf, None);
            let token = super::client::no_token_on_demand;
            sys::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, Some(token));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let handle = sys::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len());
            if handle.is_null() {
                sys::rd_kafka_conf_destroy(conf);
                drop(Box::from_raw(state));
                return Err(text_of(text.as_ptr()));
            }
            let name = c_text(output.topic.as_str());
            let topic = sys::rd_kafka_topic_new(handle, name.as_ptr(), ptr::null_mut());
            assert!(!topic.is_null(), "a checked topic name makes a topic");
            Self { handle, topic, state, loads }
        };
        if let Some(token) = credentials.token() {
            set_token(bare.handle, token)?;
        }
        Ok(bare)
    }

    fn state(&self) -> &State {
        // SAFETY: it lives as long as this, and is shared only.
        unsafe { &*self.state }
    }

    /// Sends for so long, at most so many bytes, to each partition in turn; waits until all of it
    /// is acknowledged. Ends early when `stop` is set.
    ///
    /// # Errors
    /// Why a record was not stored, or that the brokers have ceased to answer.
    pub fn round(
        &self,
        partitions: &[Partition],
        turn_rows: u32,
        (time, bytes_max): (Duration, u64),
        stop: &AtomicBool,
    ) -> Result<Passed, String> {
        let state = self.state();
        let start = Instant::now();
        let before = state.settled_bytes.load(Ordering::Acquire);
        let done = AtomicBool::new(false);
        let (rows, settled) = thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    // SAFETY: the handle is valid.
                    unsafe { sys::rd_kafka_poll(self.handle, 20) };
                }
            });
            let (records, rows) = self.send(partitions, turn_rows, (start + time, bytes_max), stop);
            let settled = self.settle(records);
            done.store(true, Ordering::Release);
            (rows, settled)
        });
        settled?;
        let bytes = state.settled_bytes.load(Ordering::Acquire) - before;
        let waits = std::mem::take(&mut *state.waits.lock().expect("nothing panics in it"));
        Ok(Passed { rows, bytes, time: start.elapsed(), waits })
    }

    /// Hands batches over. Returns how many records are settled when these are, and their rows.
    fn send(
        &self,
        partitions: &[Partition],
        turn_rows: u32,
        (end, bytes_max): (Instant, u64),
        stop: &AtomicBool,
    ) -> (u64, u64) {
        let state = self.state();
        let leaders: Vec<i32> =
            (0..).zip(partitions).filter(|(_, at)| at.has_leader).map(|(id, _)| id).collect();
        let settled = || state.settled.load(Ordering::Acquire);
        let settled_bytes = || state.settled_bytes.load(Ordering::Acquire);
        let (mut sent, mut sent_bytes, mut rows) = (settled(), settled_bytes(), 0);
        let bytes_end = sent_bytes + bytes_max;
        for load in self.loads.iter().cycle() {
            let is_over = Instant::now() >= end || sent_bytes >= bytes_end;
            if is_over || stop.load(Ordering::Relaxed) || self.failure().is_some() {
                break;
            }
            while sent - settled() > RECORDS_MAX || sent_bytes - settled_bytes() > BYTES_MAX {
                thread::sleep(ROOM_PAUSE);
                if Instant::now() >= end {
                    break;
                }
            }
            // A turn has so many rows; a record of several has its share of the batch's.
            let per_record = load.rows.div_ceil(load.ends.len() as u64).max(1);
            let turn = (u64::from(turn_rows) / per_record).max(1);
            let handed = micros(state.start);
            let mut at = 0;
            while at < load.ends.len() {
                let left = turn - sent % turn;
                let count = (left as usize).min(load.ends.len() - at);
                let partition = leaders[(sent / turn) as usize % leaders.len()];
                self.produce(partition, load, at..at + count, handed);
                (at, sent) = (at + count, sent + count as u64);
            }
            sent_bytes += load.bytes.len() as u64;
            rows += load.rows;
        }
        (sent, rows)
    }

    fn produce(&self, partition: i32, load: &Load, range: std::ops::Range<usize>, handed: usize) {
        let message = |record: usize| {
            let begin = record.checked_sub(1).map_or(0, |before| load.ends[before] as usize);
            let value = &load.bytes[begin..load.ends[record] as usize];
            // The last record of the batch brings the time.
            let time = if record + 1 == load.ends.len() { handed } else { 0 };
            sys::rd_kafka_message_t {
                err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: ptr::null_mut(),
                partition: 0,
                payload: value.as_ptr().cast_mut().cast(),
                len: value.len(),
                key: ptr::null_mut(),
                key_len: 0,
                offset: 0,
                _private: ptr::without_provenance_mut(time),
            }
        };
        let mut messages: Vec<_> = range.map(message).collect();
        // SAFETY: the messages are valid for the call, the loads until the producer is destroyed.
        let taken = unsafe {
            let count = messages.len() as c_int;
            sys::rd_kafka_produce_batch(self.topic, partition, 0, messages.as_mut_ptr(), count)
        };
        if taken as usize != messages.len() {
            let refused = messages.iter().map(|message| message.err as Code);
            let code = refused.into_iter().find(|code| *code != NO_ERROR).unwrap_or(NO_ERROR);
            self.state().fail(describe(code));
        }
    }

    /// Waits until so many records are settled.
    fn settle(&self, records: u64) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            if self.state().settled.load(Ordering::Acquire) >= records {
                return Ok(());
            }
            if begin.elapsed() > SETTLE_MAX {
                return Err(format!("brokers do not answer within {} s", SETTLE_MAX.as_secs()));
            }
            thread::sleep(ROOM_PAUSE);
        }
    }

    fn failure(&self) -> Option<String> {
        self.state().failed.lock().expect("nothing panics in it").clone()
    }

    /// The brokers, as measured until now.
    pub fn brokers(&self) -> Brokers {
        *self.state().brokers.lock().expect("nothing panics in it")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let flags = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: nobody else has the handles any more; `rd_kafka_destroy` joins librdkafka's
        // threads, after which nobody reads the state or the loads.
        unsafe {
            sys::rd_kafka_purge(self.handle, flags as c_int);
            sys::rd_kafka_poll(self.handle, 0);
            sys::rd_kafka_topic_destroy(self.topic);
            sys::rd_kafka_destroy(self.handle);
            drop(Box::from_raw(self.state));
        }
    }
}

impl State {
    fn fail(&self, reason: String) {
        self.failed.lock().expect("nothing panics in it").get_or_insert(reason);
    }
}

/// Since then, in µs, and never 0.
fn micros(start: Instant) -> usize {
    start.elapsed().as_micros() as usize + 1
}

unsafe extern "C" fn on_report(
    _handle: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: called inside `rd_kafka_poll` with the state as opaque value and a valid message; the
    // code is read as the integer that it is.
    let (state, code, bytes, handed) = unsafe {
        let code = (&raw const (*message).err).cast::<Code>().read();
        (&*opaque.cast::<State>(), code, (*message).len, (*message)._private.addr())
    };
    if code != NO_ERROR {
        state.fail(describe(code));
    }
    if handed > 0 {
        let wait = Duration::from_micros((micros(state.start) - handed) as u64);
        state.waits.lock().expect("nothing panics in it").push(wait);
    }
    state.settled_bytes.fetch_add(bytes as u64, Ordering::Release);
    state.settled.fetch_add(1, Ordering::Release);
}

unsafe extern "C" fn on_statistics(
    _handle: *mut sys::rd_kafka_t,
    json: *mut c_char,
    _length: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: called inside `rd_kafka_poll` with the state as opaque value; the text has a NUL at
    // its end.
    let (state, text) = unsafe { (&*opaque.cast::<State>(), text_of(json)) };
    if let Ok(statistics) = serde_json::from_str::<Value>(&text) {
        let brokers = statistics["brokers"].as_object().into_iter().flat_map(|all| all.values());
        let mut seen = state.brokers.lock().expect("nothing panics in it");
        for broker in brokers {
            let average = |window: &str| broker[window]["avg"].as_u64().unwrap_or(0);
            seen.round_trip = seen.round_trip.max(Duration::from_micros(average("rtt")));
            seen.queue = seen.queue.max(Duration::from_micros(average("outbuf_latency")));
            seen.throttle = seen.throttle.max(Duration::from_millis(average("throttle")));
        }
    }
    0 // the text is librdkafka's to free
}
