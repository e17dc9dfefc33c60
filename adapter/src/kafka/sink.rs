//! One output's Kafka: lanes, librdkafka and the two threads that serve them.
//!
//! Records come in from the streams' tasks, which hand over at once if a lane is free. The *poll
//! thread* serves librdkafka's reports and hands over what has become due; the *metadata thread*
//! keeps the partitions and the health of the output fresh.
use std::{
    sync::{
        Arc, Condvar, Mutex, RwLock, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    Counts,
    budget::Share,
    cause::{Cause, Fate, is_missing_topic, is_too_large},
    client::{Bell, Failed, Fault},
    diagnosis::Diagnosis,
    lane::{Lane, Load, Next, Pace, Policy},
    leaving::Served,
    letters::Post,
    producers::Producers,
    progress,
    renewal::Renewal,
    round_trip::RoundTrip,
    settings::Settings,
    status::Status,
    topic::{LETTER_BYTES_UNKNOWN, RECORD_BYTES_UNKNOWN},
    transaction::Registry,
};
use crate::partition::Partitions;

/// One output's Kafka. Made by [`Sink::start`], ended by [`Sink::close`].
pub struct Sink {
    pub(super) inner: Arc<Inner>,
    stopped: Mutex<Option<oneshot::Receiver<u64>>>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) share: Share,
    // Before the lanes: fields are dropped in this order, and librdkafka may read the flights
    // that the lanes hold until it is destroyed. None as long as there are no credentials.
    pub(super) producers: RwLock<Option<Arc<Producers>>>,
    /// Those that others have replaced, as long as they hold something.
    pub(super) leaving: Mutex<Vec<Weak<Producers>>>,
    pub(super) lanes: RwLock<Arc<[Arc<Lane>]>>,
    /// The largest Kafka batch, as the output and the topic allow.
    pub(super) batch_bytes_max: AtomicU64,
    /// Wakes the poll thread.
    pub(super) bell: Arc<Bell>,
    pub(super) record_bytes_max: AtomicUsize,
    /// A broker has refused a size that was thought to be right.
    pub(super) limit_doubted: AtomicBool,
    /// Replicas that must be in sync for a partition to take rows, as the topic says; 0 if nothing
    /// waits for them.
    pub(super) in_sync_min: AtomicU32,
    pub(super) partitions: watch::Sender<Option<Arc<Partitions>>>,
    pub(super) status: Status,
    pub(super) round_trip: RoundTrip,
    pub(super) renewal: Renewal,
    /// What is reported of records of progress.
    pub(super) progress_reported: progress::Reported,
    /// Dead letters on their way, but for those that go with a transaction.
    pub(super) post: Post,
    pub(super) letter_bytes_max: AtomicUsize,
    /// Writers with producers of their own.
    pub(super) transactions: Registry,
    pub(super) diagnosis: Diagnosis,
    /// Nothing is handed over: there are no producers yet, they are being built anew, or the sink
    /// stops.
    pub(super) halted: AtomicBool,
    pub(super) stopping: AtomicBool,
    /// Nobody serves the lanes any more.
    pub(super) gave_up: AtomicBool,
    /// When the poll thread wakes by itself, in µs since `start`.
    pub(super) poll_until_us: AtomicU64,
    pub(super) start: Instant,
    pub(super) last_fault: Mutex<Option<(Fault, Instant)>>,
    pub(super) broken: Mutex<Option<Broken>>,
    pub(super) refresh: (Mutex<bool>, Condvar),
    /// When the brokers were last asked because rows waited.
    pub(super) doubted: Mutex<Option<Instant>>,
}

/// The last time that the producer broke.
pub(super) struct Broken {
    pub(super) cause: Cause,
    pub(super) at: Instant,
    pub(super) pause: Duration,
}

/// A thread that panics takes the process with it: without it nothing would settle any more, in
/// silence.
pub(super) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// Why records have no answer when the service stops.
pub(super) fn stopped() -> Cause {
    Cause::new("STOPPED", "the service stopped before these rows were settled")
}

impl Sink {
    /// Starts the threads of an output. It has no producers before [`Sink::renew`] gave it
    /// credentials; brokers need not be there yet.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(settings: Settings, share: Share) -> Result<Self, String> {
        let bell = Arc::<Bell>::default();
        let inner = Arc::new(Inner {
            share,
            producers: RwLock::new(None),
            leaving: Mutex::default(),
            lanes: RwLock::new(Arc::new([])),
            batch_bytes_max: AtomicU64::new(settings.pace.bytes_max),
            bell,
            record_bytes_max: AtomicUsize::new(RECORD_BYTES_UNKNOWN),
            limit_doubted: AtomicBool::new(false),
            in_sync_min: AtomicU32::new(0),
            partitions: watch::Sender::new(None),
            status: Status::new(),
            round_trip: RoundTrip::new(),
            renewal: Renewal::default(),
            progress_reported: progress::Reported::default(),
            post: Post::default(),
            letter_bytes_max: AtomicUsize::new(LETTER_BYTES_UNKNOWN),
            transactions: Registry::default(),
            diagnosis: Diagnosis::new(&settings.servers),
            halted: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            gave_up: AtomicBool::new(false),
            poll_until_us: AtomicU64::new(0),
            start: Instant::now(),
            last_fault: Mutex::new(None),
            broken: Mutex::new(None),
            refresh: (Mutex::new(false), Condvar::new()),
            doubted: Mutex::new(None),
            settings,
        });
        let (stopped, wait) = oneshot::channel();
        let alias = inner.settings.alias.clone();
        let spawn = |name: String, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name).spawn(run).map_err(|error| error.to_string())
        };
        let polling = inner.clone();
        spawn(
            format!("kafka-{alias}"),
            Box::new(move || {
                let _guard = AbortOnPanic;
                let mut served = Served::default();
                let unsettled = polling.poll_loop(&mut served);
                let _ = stopped.send(unsettled);
                // Producers that still leave end after that: it may take their threads a while.
                drop(served);
            }),
        )?;
        let refreshing = inner.clone();
        spawn(
            format!("topic-{alias}"),
            Box::new(move || {
                let _guard = AbortOnPanic;
                refreshing.metadata_loop();
            }),
        )?;
        if inner.settings.posts_letters() {
            let posting = inner.clone();
            spawn(
                format!("letters-{alias}"),
                Box::new(move || {
                    let _guard = AbortOnPanic;
                    posting.post_loop();
                }),
            )?;
        }
        Ok(Self { inner, stopped: Mutex::new(Some(wait)) })
    }

    /// Waits until every record is settled, at most until `deadline`, then ends the threads.
    /// Returns how many records had to be given up; their batches are unknown.
    pub async fn close(&self, deadline: Instant) -> u64 {
        let is_busy = || self.inner.status.in_flight() > 0 || self.inner.post.held() > 0;
        while is_busy() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let of_letters = self.inner.post.close().await;
        let of_writers = self.inner.transactions.close(deadline).await;
        let unsettled = of_writers.saturating_add(of_letters);
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.kick();
        self.inner.bell.ring();
        let stopped = self.stopped.lock().expect("nothing panics in it").take();
        match stopped {
            Some(stopped) => stopped.await.unwrap_or(u64::MAX).saturating_add(unsettled),
            None => unsettled,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.kick();
        self.inner.bell.ring();
        self.inner.post.stop();
    }
}

impl Inner {
    /// What became of records so far.
    pub(super) fn counts(&self) -> Counts {
        let status = &self.status;
        Counts {
            delivered: status.delivered.load(Ordering::Relaxed),
            rejected: status.rejected.load(Ordering::Relaxed),
            in_flight: status.in_flight(),
            letters: status.letters.load(Ordering::Relaxed),
        }
    }

    /// The producers, if there are credentials.
    pub(super) fn producers(&self) -> Option<Arc<Producers>> {
        self.producers.read().expect("nothing panics in it").clone()
    }

    /// Producers that others have replaced and that still hold something.
    pub(super) fn leaving(&self) -> Vec<Arc<Producers>> {
        let mut leaving = self.leaving.lock().expect("nothing panics in it");
        leaving.retain(|producers| producers.strong_count() > 0);
        leaving.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn lanes(&self) -> Arc<[Arc<Lane>]> {
        self.lanes.read().expect("nothing panics in it").clone()
    }

    /// How batches are made now.
    fn pace(&self) -> Pace {
        Pace { bytes_max: self.batch_bytes_max.load(Ordering::Relaxed), ..self.settings.pace }
    }

    fn load(&self) -> Load {
        Load {
            waiting: self.status.waiting.load(Ordering::Relaxed),
            flying: self.status.flying.load(Ordering::Relaxed),
        }
    }

    /// Hands a lane's next batch over if it is due. Returns when to look again, if that is not
    /// known by a report.
    pub(super) fn drive(
        &self,
        lane: &Lane,
        queue: &mut super::lane::Queue,
        now: Instant,
    ) -> Option<Instant> {
        loop {
            if self.halted.load(Ordering::SeqCst) {
                return None;
            }
            let handed = match lane.take(queue, &self.pace(), self.load(), now) {
                Ok(handed) => handed,
                Err(Next::At(time)) => return Some(time),
                Err(Next::Event) => return None,
            };
            let waited = lane.waited(queue).as_secs_f64();
            self.status.exchange.queue.observe(waited);
            let producers = self.producers().expect("halted as long as there are none");
            let refused = lane.hand_over(queue, producers.of(handed));
            // In this order the sum never misses a record: `close` waits for it to be zero.
            self.status.flying.fetch_add(u64::from(handed), Ordering::AcqRel);
            self.status.waiting.fetch_sub(u64::from(handed), Ordering::AcqRel);
            if refused.is_empty() {
                return None;
            }
            // librdkafka did not take them: as good as reported. If the producer is broken the
            // poll thread builds another and comes back to this lane.
            if self.report(lane, queue, refused.len() as u32, &refused, now) {
                self.bell.ring();
                return None;
            }
        }
    }

    /// Takes reports of one lane.
    pub(super) fn report(
        &self,
        lane: &Lane,
        queue: &mut super::lane::Queue,
        reported: u32,
        failed: &[Failed],
        now: Instant,
    ) -> bool {
        let stopping = self.stopping.load(Ordering::SeqCst);
        let judged: Vec<_> = failed
            .iter()
            .map(|failed| {
                let (fate, cause) = Cause::of_record(failed.code, &self.settings.recipe.topic);
                // What a stop purges says nothing about the broker.
                let purged = stopping && fate == Fate::Rebuild;
                (failed, fate, if purged { stopped() } else { cause })
            })
            .collect();
        let missing = failed.iter().any(|failed| is_missing_topic(failed.code));
        let too_large = failed.iter().any(|failed| is_too_large(failed.code));
        let again_before = u64::from(lane.waiting());
        let policy = Policy {
            drops_blamed: self.settings.drop_blamed,
            record_bytes_max: self.record_bytes_max.load(Ordering::Relaxed),
        };
        // Before anybody is told of them, so that what is acknowledged is counted.
        let delivered = u64::from(reported) - failed.len() as u64;
        self.status.delivered.fetch_add(delivered, Ordering::Relaxed);
        let finished = lane.report(queue, reported, &judged, policy, now);
        let again = u64::from(lane.waiting()).saturating_sub(again_before);
        if let Some(took) = finished.took {
            self.round_trip.record(took, now);
            self.status.exchange.broker.observe(took.as_secs_f64());
        }
        let status = &self.status;
        status.exchange.retries.inc_by(again);
        for (flight, record, cause) in finished.letters {
            self.post.send_of(flight, record, cause);
        }
        status.rejected.fetch_add(finished.rejected, Ordering::Relaxed);
        status.waiting.fetch_add(again, Ordering::AcqRel);
        status.flying.fetch_sub(u64::from(reported), Ordering::AcqRel);
        let blocking = finished.held.as_ref().filter(|_| finished.is_blocked);
        status.set_blocked(lane.partition(), blocking);
        self.tell_waiting(lane.partition(), finished.held, finished.overtaken);
        if finished.is_split {
            self.tell_split(policy.record_bytes_max);
        }
        if too_large {
            // What was known of the topic's limit is wrong.
            self.limit_doubted.store(true, Ordering::Relaxed);
        }
        if missing || too_large {
            self.kick();
        }
        finished.rebuild
    }

    /// Tells why records of a partition wait, and whether some that go again are overtaken.
    fn tell_waiting(&self, partition: i32, held: Option<Cause>, overtaken: u64) {
        let output = &self.settings.alias;
        if let Some(Cause { code, text }) = held {
            tracing::warn!(output, partition, code, "rows wait: {text}");
        }
        if overtaken > 0 {
            tracing::warn!(
                output,
                partition,
                code = "ROWS_OVERTAKEN",
                records = overtaken,
                subject = format!("partition {partition}"),
                "records go again, and some that had left behind them are stored: they may stand \
                 behind later ones of their writer"
            );
        }
    }

    /// Tells that records are made smaller than they were.
    pub(super) fn tell_split(&self, bytes_max: usize) {
        let (output, topic) = (&self.settings.alias, &self.settings.recipe.topic);
        tracing::info!(
            output,
            topic,
            bytes_max,
            "records of several rows are larger than the topic takes, and are split"
        );
    }

    /// Makes sure that the poll thread looks at a lane in time. Not for the poll thread itself,
    /// which would end its own next poll.
    pub(super) fn wake_by(&self, due: Option<Instant>) {
        let until = Duration::from_micros(self.poll_until_us.load(Ordering::SeqCst));
        if due.is_some_and(|due| due < self.start + until) {
            self.bell.ring();
        }
    }
}
