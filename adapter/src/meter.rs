//! What is counted and timed while rows pass: once for each batch, never for each row.
//!
//! The counts of records that Kafka has settled are those of [`crate::kafka::Counts`].
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use tokio::time::timeout;

/// Upper bounds of latencies, in seconds: from what is as good as nothing to what is an outage.
const LATENCIES_S: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    120.0,
];

/// Seconds that add up.
pub type Seconds = Counter<f64, AtomicU64>;

/// What waits for longer is counted from time to time, and not only when the wait is over.
const LAP: Duration = Duration::from_secs(1);

/// How batches ended for their engine.
#[derive(Debug, Default)]
pub struct Batches {
    /// Stored as the output's guarantee says.
    pub durable: Counter,
    /// Nothing of them is written.
    pub refused: Counter,
    /// They may be written.
    pub unknown: Counter,
    /// They had been sent before, and are written once.
    pub repeated: Counter,
}

/// What passes between the streams of an output and its Kafka.
#[derive(Debug)]
pub struct Passage {
    /// Rows of batches that were accepted.
    pub rows: Counter,
    /// Bytes of these batches as they came.
    pub bytes_received: Counter,
    /// Bytes of their records, before compression.
    pub bytes_encoded: Counter,
    /// How batches ended.
    pub batches: Batches,
    /// Time that batches have waited for room in the memory budget, or for a partition to have a
    /// leader.
    pub backpressure: Seconds,
    /// Reading and writing of the rows of a batch: CPU time in the first place.
    pub encode: Histogram,
    /// From the arrival of a batch to its acknowledgement.
    pub acknowledge: Histogram,
    /// When the last batch was acknowledged, in ms of Unix time; 0 before the first.
    acknowledged_ms: AtomicU64,
    /// When it was last told that batches wait for room.
    full_told: Mutex<Option<Instant>>,
}

/// What passes between an output and the brokers.
#[derive(Debug)]
pub struct Exchange {
    /// How long the first records of a Kafka batch waited before librdkafka had them.
    pub queue: Histogram,
    /// From then to the brokers' answer; with transactions, to the end of the transaction.
    pub broker: Histogram,
    /// Records that went again after a failure.
    pub retries: Counter,
    /// Producers that were thrown away because something was not certain any more.
    pub restarts: Counter,
    /// Transactions that were committed.
    pub commits: Counter,
    /// Transactions that were taken back.
    pub aborts: Counter,
    /// How often a broker asked to be asked less.
    pub throttles: Counter,
    /// For how long.
    pub throttled: Seconds,
}

/// A clock of the waits of one batch: whatever waits without need of the clock costs none.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

fn latency() -> Histogram {
    Histogram::new(LATENCIES_S)
}

impl Default for Passage {
    fn default() -> Self {
        Self {
            rows: Counter::default(),
            bytes_received: Counter::default(),
            bytes_encoded: Counter::default(),
            batches: Batches::default(),
            backpressure: Seconds::default(),
            encode: latency(),
            acknowledge: latency(),
            acknowledged_ms: AtomicU64::new(0),
            full_told: Mutex::default(),
        }
    }
}

impl Passage {
    /// Batches are durable, and the engine is told so; it waited so long for it.
    pub fn acknowledged(&self, batches: u64, waited: Duration) {
        self.batches.durable.inc_by(batches);
        self.acknowledge.observe(waited.as_secs_f64());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.acknowledged_ms.store(now.as_millis() as u64, Ordering::Relaxed);
    }

    /// Waits for something that slows engines down. `lasts` is called for as long as it does, once a
    /// second.
    pub async fn held_up<T>(&self, what: impl Future<Output = T>, lasts: impl Fn()) -> T {
        let mut what = pin!(what);
        // Most need not wait, nor a timer.
        let at_once = poll_fn(|context| Poll::Ready(what.as_mut().poll(context))).await;
        if let Poll::Ready(done) = at_once {
            return done;
        }
        loop {
            let watch = Stopwatch::start();
            let lap = timeout(LAP, &mut what).await;
            watch.waited(&self.backpressure);
            match lap {
                Ok(done) => return done,
                Err(_) => lasts(),
            }
        }
    }

    /// Whether it is news that batches wait for room: it is told once a minute.
    pub fn is_full_news(&self) -> bool {
        const PERIOD: Duration = Duration::from_secs(60);
        let mut told = self.full_told.lock().expect("nothing panics in it");
        let is_news = told.is_none_or(|told| told.elapsed() >= PERIOD);
        if is_news {
            *told = Some(Instant::now());
        }
        is_news
    }

    /// When the last batch was acknowledged.
    pub fn last_acknowledged(&self) -> Option<SystemTime> {
        let ms = self.acknowledged_ms.load(Ordering::Relaxed);
        (ms > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            queue: latency(),
            broker: latency(),
            retries: Counter::default(),
            restarts: Counter::default(),
            commits: Counter::default(),
            aborts: Counter::default(),
            throttles: Counter::default(),
            throttled: Seconds::default(),
        }
    }
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since it began.
    pub fn time(self) -> Duration {
        self.0.elapsed()
    }

    /// Notes the time since it began, which was a wait.
    pub fn waited(self, seconds: &Seconds) {
        seconds.inc_by(self.0.elapsed().as_secs_f64());
    }

    /// Notes the time since it began.
    pub fn took(self, histogram: &Histogram) {
        histogram.observe(self.0.elapsed().as_secs_f64());
    }
}
