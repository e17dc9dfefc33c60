//! The floor: encoded records from memory through a bare librdkafka producer, one
//! `rd_kafka_produce_batch` for each partition, without copying. A process of its own, so that the
//! operating system accounts for it alone.
use std::{
    ffi::{CStr, CString, c_void},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::bindings as sys;
use serde::{Deserialize, Serialize};
use tests::usage::{cpu_time, peak_mib};

use super::{
    measure::quantile,
    work::{Encoded, Format, Work},
};

/// Requests before those that count.
const WARM_UP: usize = 200;

static DELIVERED: AtomicU64 = AtomicU64::new(0);
/// Who waits for each record, if anybody does.
static WAITING: OnceLock<Thread> = OnceLock::new();

/// What a floor is to do; handed over as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub bootstrap: String,
    /// A producer of its own for each.
    pub topics: Vec<String>,
    pub partitions: usize,
    pub format: Format,
    pub codec: String,
    pub linger_ms: String,
    pub task: Task,
}

/// Throughput, or one record after the other.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Task {
    /// So many passes of the table, a batch to one topic after the other; the partition of a topic
    /// changes after `turn` records of it.
    Send { passes: u64, batch_rows: usize, turn: usize },
    /// So many records, each when the one before is acknowledged and `pause_us` have passed.
    Wait { count: usize, pause_us: u64 },
    /// The same, each in a transaction of its own.
    Commit { count: usize, pause_us: u64 },
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Done {
    pub rows: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_mib: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[derive(Clone, Copy)]
struct Producer {
    handle: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
}

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Producer {}

/// Carries an order out and prints what it took.
pub fn run(order: &str) {
    let order: Order = serde_json::from_str(order).expect("an order is JSON");
    let encoded = Work::load().encoded(order.format);
    let producers: Vec<_> = order.topics.iter().map(|topic| Producer::new(&order, topic)).collect();
    let done = match order.task {
        Task::Send { passes, batch_rows, turn } => {
            // One pass goes before those that count, as with the service.
            send(&producers, &encoded, order.partitions, 1, batch_rows, turn);
            send(&producers, &encoded, order.partitions, passes, batch_rows, turn)
        }
        Task::Wait { count, pause_us } => {
            let producer = producers[0];
            wait(producer, &encoded, order.partitions, count, pause_us, Producer::acknowledged)
        }
        Task::Commit { count, pause_us } => {
            let producer = producers[0];
            wait(producer, &encoded, order.partitions, count, pause_us, Producer::committed)
        }
    };
    println!("{}", serde_json::to_string(&done).expect("plain numbers"));
    // The producer's threads are of no more interest.
    process::exit(0);
}

impl Producer {
    fn new(order: &Order, topic: &str) -> Self {
        let transactional = matches!(order.task, Task::Commit { .. });
        let mut settings = vec![
            ("bootstrap.servers", order.bootstrap.as_str()),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", &order.linger_ms),
            ("batch.size", "1000000"),
            ("batch.num.messages", "10000"),
            ("queue.buffering.max.messages", "200000"),
            ("queue.buffering.max.kbytes", "262144"),
            ("compression.codec", &order.codec),
            // As the service does: the codec's default costs more and is not the subject.
            ("compression.level", if order.codec == "zstd" { "1" } else { "-1" }),
        ];
        if transactional {
            // As the service does: the next transaction may meet markers of the one before.
            settings.extend([("transactional.id", topic), ("retry.backoff.ms", "20")]);
        }
        let c = |text: &str| CString::new(text).expect("no NUL in it");
        let mut error = [0; 256];
        // SAFETY: every pointer is valid for its call; nothing is destroyed before the process
        // ends.
        let producer = unsafe {
            let conf = sys::rd_kafka_conf_new();
            for (name, value) in settings {
                let (name, value) = (c(name), c(value));
                let set = sys::rd_kafka_conf_set(
                    conf,
                    name.as_ptr(),
                    value.as_ptr(),
                    error.as_mut_ptr(),
                    error.len(),
                );
                let text = CStr::from_ptr(error.as_ptr());
                assert_eq!(set, sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK, "{text:?}");
            }
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(delivered));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let handle = sys::rd_kafka_new(kind, conf, error.as_mut_ptr(), error.len());
            assert!(!handle.is_null(), "{:?}", CStr::from_ptr(error.as_ptr()));
            let topic = sys::rd_kafka_topic_new(handle, c(topic).as_ptr(), std::ptr::null_mut());
            // Connects before the clock runs.
            let mut metadata = std::ptr::null();
            sys::rd_kafka_metadata(handle, 0, topic, &raw mut metadata, 10_000);
            if transactional {
                let error = sys::rd_kafka_init_transactions(handle, 10_000);
                assert!(error.is_null(), "{:?}", CStr::from_ptr(sys::rd_kafka_error_string(error)));
                // A commit serves the reports itself; whoever polls beside it costs it 10 ms.
                return Self { handle, topic };
            }
            Self { handle, topic }
        };
        thread::spawn(move || {
            let producer = producer;
            loop {
                // SAFETY: the handle lives as long as the process.
                unsafe { sys::rd_kafka_poll(producer.handle, 100) };
            }
        });
        producer
    }

    /// Hands records over to one partition, again and again while the queue is full.
    fn produce(self, partition: usize, messages: &mut Vec<sys::rd_kafka_message_t>) {
        let mut at = 0;
        while at < messages.len() {
            let rest = &mut messages[at..];
            // SAFETY: the messages are valid for the call, and their payloads for ever.
            at += unsafe {
                sys::rd_kafka_produce_batch(
                    self.topic,
                    partition as i32,
                    0,
                    rest.as_mut_ptr(),
                    rest.len() as i32,
                )
            } as usize;
            if at < messages.len() {
                thread::sleep(Duration::from_micros(500));
            }
        }
        messages.clear();
    }

    /// Sends a record and waits for its acknowledgement.
    fn acknowledged(self, partition: usize, record: sys::rd_kafka_message_t) {
        let goal = DELIVERED.load(Ordering::Acquire) + 1;
        self.produce(partition, &mut vec![record]);
        while DELIVERED.load(Ordering::Acquire) < goal {
            thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// Sends a record in a transaction of its own.
    fn committed(self, partition: usize, record: sys::rd_kafka_message_t) {
        let check = |error: *mut sys::rd_kafka_error_t| {
            // SAFETY: an error that is there has a text.
            assert!(error.is_null(), "{:?}", unsafe {
                CStr::from_ptr(sys::rd_kafka_error_string(error))
            });
        };
        // SAFETY: the handle lives as long as the process.
        check(unsafe { sys::rd_kafka_begin_transaction(self.handle) });
        self.produce(partition, &mut vec![record]);
        // SAFETY: as above.
        check(unsafe { sys::rd_kafka_commit_transaction(self.handle, 10_000) });
    }
}

unsafe extern "C" fn delivered(
    _handle: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    _opaque: *mut c_void,
) {
    // SAFETY: librdkafka lends a valid message.
    let error = unsafe { (*message).err };
    assert_eq!(error, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "a record failed");
    DELIVERED.fetch_add(1, Ordering::Release);
    if let Some(waiting) = WAITING.get() {
        waiting.unpark();
    }
}

fn message(encoded: &Encoded, index: usize) -> sys::rd_kafka_message_t {
    let record = encoded.record(index % encoded.ends.len());
    sys::rd_kafka_message_t {
        err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: std::ptr::null_mut(),
        partition: 0,
        payload: record.as_ptr().cast_mut().cast(),
        len: record.len(),
        key: std::ptr::null_mut(),
        key_len: 0,
        offset: 0,
        _private: std::ptr::null_mut(),
    }
}

fn send(
    producers: &[Producer],
    encoded: &Encoded,
    partitions: usize,
    passes: u64,
    batch_rows: usize,
    turn: usize,
) -> Done {
    let rows = encoded.ends.len() * passes as usize;
    let (cpu_before, start) = (cpu_time(process::id()), Instant::now());
    let before = DELIVERED.load(Ordering::Acquire);
    let mut messages: Vec<Vec<sys::rd_kafka_message_t>> = vec![Vec::new(); partitions];
    // Records that each topic has had.
    let mut sent = vec![0; producers.len()];
    for (batch, first) in (0..rows).step_by(batch_rows).enumerate() {
        let index = batch % producers.len();
        let (producer, sent) = (producers[index], &mut sent[index]);
        for row in first..rows.min(first + batch_rows) {
            messages[*sent / turn % partitions].push(message(encoded, row));
            *sent += 1;
        }
        for (partition, messages) in messages.iter_mut().enumerate() {
            producer.produce(partition, messages);
        }
    }
    while DELIVERED.load(Ordering::Acquire) < before + rows as u64 {
        thread::sleep(Duration::from_micros(200));
    }
    Done {
        rows: rows as u64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: (cpu_time(process::id()) - cpu_before).as_secs_f64(),
        peak_mib: peak_mib(process::id()),
        p50_ms: 0.0,
        p99_ms: 0.0,
    }
}

fn wait(
    producer: Producer,
    encoded: &Encoded,
    partitions: usize,
    count: usize,
    pause_us: u64,
    send: impl Fn(Producer, usize, sys::rd_kafka_message_t),
) -> Done {
    let (cpu_before, start) = (cpu_time(process::id()), Instant::now());
    let mut times = Vec::with_capacity(count);
    WAITING.get_or_init(thread::current);
    for index in 0..count + WARM_UP {
        let sent = Instant::now();
        send(producer, index % partitions, message(encoded, index));
        if index >= WARM_UP {
            times.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        thread::sleep(Duration::from_micros(pause_us));
    }
    times.sort_by(f64::total_cmp);
    Done {
        rows: count as u64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: (cpu_time(process::id()) - cpu_before).as_secs_f64(),
        peak_mib: peak_mib(process::id()),
        p50_ms: quantile(&times, 0.5),
        p99_ms: quantile(&times, 0.99),
    }
}
