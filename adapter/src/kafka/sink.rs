//! One output's Kafka: lanes, librdkafka and the two threads that serve them.
//!
//! Records come in from the streams' tasks, which hand over at once if a lane is free. The *poll
//! thread* serves librdkafka's reports and hands over what has become due; the *metadata thread*
//! keeps the partitions and the health of the output fresh.
use std::{
    sync::{
        Arc, Condvar, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    Counts, Delivery,
    budget::{Permit, Share},
    cause::{Cause, is_connection, is_missing_topic},
    client::{Client, Failed, Fault, Poller, Reports},
    lane::{Lane, Load, Next, Pace, Run},
    receipt::{Encoded, Flight, Settled, Ticket},
    settings::Settings,
    status::{Health, Status},
};
use crate::partition::{Partitions, Routes};

/// Longest wait of the poll thread when nothing is due.
const POLL_MAX: Duration = Duration::from_millis(100);

/// How long a metadata request may take.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// Between metadata requests while the output is not ready.
const METADATA_RETRY: Duration = Duration::from_millis(500);

/// After this many refreshes the topic's size limit is asked for again.
const LIMIT_REFRESHES: u32 = 6;

/// What a Kafka batch of one record costs beside the record (RecordBatch header, magic 2), plus
/// the record's own lengths. A record of `max.message.bytes` minus this passes.
const BATCH_OVERHEAD_BYTES: u64 = 61 + 36;

/// How long a stopping poll thread waits for the reports of purged records.
const PURGE_TIMEOUT: Duration = Duration::from_secs(2);

/// One output's Kafka. Made by [`Sink::start`], ended by [`Sink::close`].
pub struct Sink {
    inner: Arc<Inner>,
    stopped: Mutex<Option<oneshot::Receiver<u64>>>,
}

struct Inner {
    settings: Settings,
    share: Share,
    // Before the lanes: fields are dropped in this order, and librdkafka may read the flights
    // that the lanes hold until it is destroyed.
    client: RwLock<Arc<Client>>,
    lanes: RwLock<Arc<[Arc<Lane>]>>,
    pace: Mutex<Pace>,
    record_bytes_max: AtomicUsize,
    partitions: watch::Sender<Option<Arc<Partitions>>>,
    status: Status,
    /// Nothing is handed over: the producer is being built anew, or the sink stops.
    halted: AtomicBool,
    stopping: AtomicBool,
    /// When the poll thread wakes by itself, in µs since `start`.
    poll_until_us: AtomicU64,
    start: Instant,
    last_fault: Mutex<Option<(Fault, Instant)>>,
    refresh: (Mutex<bool>, Condvar),
}

impl Sink {
    /// Starts the producer of an output and its threads. Brokers need not be there yet.
    ///
    /// # Errors
    /// If librdkafka refuses a setting or cannot start.
    pub fn start(settings: Settings, share: Share) -> Result<Self, String> {
        let (client, poller) = Client::new(&settings.librdkafka, &settings.topic)?;
        let record_bytes_max = settings.pace.bytes_max as usize;
        let inner = Arc::new(Inner {
            share,
            client: RwLock::new(client),
            lanes: RwLock::new(Arc::new([])),
            pace: Mutex::new(settings.pace),
            record_bytes_max: AtomicUsize::new(record_bytes_max),
            partitions: watch::Sender::new(None),
            status: Status::new(),
            halted: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            poll_until_us: AtomicU64::new(0),
            start: Instant::now(),
            last_fault: Mutex::new(None),
            refresh: (Mutex::new(false), Condvar::new()),
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
                let unsettled = polling.poll_loop(poller);
                let _ = stopped.send(unsettled);
            }),
        )?;
        let refreshing = inner.clone();
        spawn(format!("topic-{alias}"), Box::new(move || refreshing.metadata_loop()))?;
        Ok(Self { inner, stopped: Mutex::new(Some(wait)) })
    }

    /// Waits until every record is settled, at most until `deadline`, then ends the threads.
    /// Returns how many records had to be given up; their batches are unknown.
    pub async fn close(&self, deadline: Instant) -> u64 {
        while self.inner.status.in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.kick();
        self.inner.client().wake();
        let stopped = self.stopped.lock().expect("nothing panics in it").take();
        match stopped {
            Some(stopped) => stopped.await.unwrap_or(u64::MAX),
            None => 0,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.kick();
        self.inner.client().wake();
    }
}

impl Delivery for Sink {
    fn share(&self) -> &Share {
        &self.inner.share
    }

    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>> {
        self.inner.partitions.subscribe()
    }

    fn record_bytes_max(&self) -> usize {
        self.inner.record_bytes_max.load(Ordering::Relaxed)
    }

    fn submit(&self, encoded: Encoded, routes: Routes, room: Permit) -> Ticket {
        let inner = &self.inner;
        let (flight, ticket) = Flight::launch(encoded, room);
        let count = flight.encoded.ends.len() as u64;
        inner.status.waiting.fetch_add(count, Ordering::AcqRel);
        let lanes = inner.lanes();
        let order: Arc<[u32]> = routes.order.into();
        let now = Instant::now();
        let mut at = 0;
        for (partition, end) in routes.groups {
            let run = Run { flight: flight.clone(), order: order.clone(), at, end };
            at = end;
            // The partitions were read a moment ago; should there be fewer now, the last lane
            // takes the run, and reports tell it where to go.
            let lane = lanes.get(partition as usize).or(lanes.last());
            let lane = lane.expect("routes come from partitions that are there");
            let mut queue = lane.lock();
            lane.push(&mut queue, run, now);
            inner.drive(lane, &mut queue, now);
        }
        ticket
    }

    fn health(&self) -> Health {
        self.inner.status.health()
    }

    fn counts(&self) -> Counts {
        let status = &self.inner.status;
        Counts {
            delivered: status.delivered.load(Ordering::Relaxed),
            rejected: status.rejected.load(Ordering::Relaxed),
            in_flight: status.in_flight(),
        }
    }
}

impl Inner {
    fn client(&self) -> Arc<Client> {
        self.client.read().expect("nothing panics in it").clone()
    }

    fn lanes(&self) -> Arc<[Arc<Lane>]> {
        self.lanes.read().expect("nothing panics in it").clone()
    }

    fn load(&self) -> Load {
        Load {
            waiting: self.status.waiting.load(Ordering::Relaxed),
            flying: self.status.flying.load(Ordering::Relaxed),
        }
    }

    /// Hands a lane's next batch over if it is due; else makes sure that somebody looks in time.
    fn drive(&self, lane: &Lane, queue: &mut super::lane::Queue, now: Instant) -> Option<Instant> {
        loop {
            if self.halted.load(Ordering::SeqCst) {
                return None;
            }
            let pace = *self.pace.lock().expect("nothing panics in it");
            let client = self.client();
            let (handed, refused, next) = lane.drive(queue, &client, &pace, self.load(), now);
            // In this order the sum never misses a record: `close` waits for it to be zero.
            self.status.flying.fetch_add(u64::from(handed), Ordering::AcqRel);
            self.status.waiting.fetch_sub(u64::from(handed), Ordering::AcqRel);
            if refused.is_empty() {
                if let Next::At(time) = next {
                    let until = self.start + self.poll_until();
                    if time < until {
                        client.wake();
                    }
                    return Some(time);
                }
                return None;
            }
            // librdkafka did not take them: as good as reported.
            self.report(lane, queue, refused.len() as u32, &refused, now);
        }
    }

    /// Takes reports of one lane.
    fn report(
        &self,
        lane: &Lane,
        queue: &mut super::lane::Queue,
        reported: u32,
        failed: &[Failed],
        now: Instant,
    ) -> bool {
        let judged: Vec<_> = failed
            .iter()
            .map(|failed| {
                let (fate, cause) = Cause::of_record(failed.code, &self.settings.topic);
                (failed, fate, cause)
            })
            .collect();
        let missing = failed.iter().any(|failed| is_missing_topic(failed.code));
        let again_before = u64::from(lane.waiting());
        let finished = lane.report(queue, reported, &judged, self.settings.drop_blamed, now);
        let again = u64::from(lane.waiting()).saturating_sub(again_before);
        let delivered = u64::from(reported) - failed.len() as u64;
        let status = &self.status;
        status.delivered.fetch_add(delivered, Ordering::Relaxed);
        status.rejected.fetch_add(finished.settled, Ordering::Relaxed);
        status.waiting.fetch_add(again, Ordering::AcqRel);
        status.flying.fetch_sub(u64::from(reported), Ordering::AcqRel);
        if let Some(cause) = finished.held {
            tracing::warn!(
                output = self.settings.alias,
                partition = lane.partition(),
                code = cause.code,
                "rows wait: {}",
                cause.text
            );
        }
        if missing {
            self.kick();
        }
        finished.rebuild
    }

    fn poll_until(&self) -> Duration {
        Duration::from_micros(self.poll_until_us.load(Ordering::SeqCst))
    }

    /// The poll thread. Returns how many records were given up.
    fn poll_loop(&self, mut poller: Poller) -> u64 {
        let mut timeout = POLL_MAX;
        loop {
            let until = self.start.elapsed() + timeout;
            self.poll_until_us.store(until.as_micros() as u64, Ordering::SeqCst);
            let rebuild = self.serve(&mut poller, timeout);
            if self.stopping.load(Ordering::SeqCst) {
                return self.give_up(&mut poller);
            }
            if rebuild || poller.client().fatal().is_some() {
                poller = self.rebuild(poller);
            }
            timeout = self.drive_all();
        }
    }

    /// Serves librdkafka once. True if the producer must be built anew.
    fn serve(&self, poller: &mut Poller, timeout: Duration) -> bool {
        let reports = poller.poll(timeout);
        let now = Instant::now();
        let mut rebuild = false;
        for fault in reports.errors.drain(..) {
            self.note(fault);
        }
        if reports.reported.is_empty() {
            return false;
        }
        let Reports { reported, failed, .. } = reports;
        let lanes = self.lanes();
        reported.sort_unstable_by_key(|(partition, _)| *partition);
        for group in reported.chunk_by(|left, right| left.0 == right.0) {
            let partition = group[0].0;
            let count = group.iter().map(|(_, count)| count).sum();
            let lane = &lanes[partition as usize];
            let of_lane: Vec<Failed> =
                failed.extract_if(.., |failed| failed.partition == partition).collect();
            let mut queue = lane.lock();
            rebuild |= self.report(lane, &mut queue, count, &of_lane, now);
            self.drive(lane, &mut queue, now);
        }
        reported.clear();
        rebuild
    }

    /// Looks at every lane in which something waits. Returns when to look again.
    fn drive_all(&self) -> Duration {
        let now = Instant::now();
        let mut wait = POLL_MAX;
        for lane in self.lanes().iter().filter(|lane| lane.waiting() > 0) {
            let mut queue = lane.lock();
            if let Some(time) = self.drive(lane, &mut queue, now) {
                // librdkafka counts in whole milliseconds; a wait of zero would spin.
                let ms = time.saturating_duration_since(now).as_millis() + 1;
                wait = wait.min(Duration::from_millis(ms as u64));
            }
        }
        wait
    }

    /// A producer after a fatal error takes nothing more: fail what it has, and make another.
    fn rebuild(&self, mut poller: Poller) -> Poller {
        let cause = poller.client().fatal();
        tracing::error!(
            output = self.settings.alias,
            code = "PRODUCER_FAILED",
            cause = cause.map(|fault| fault.text),
            "the producer failed and is built anew; batches that may be written end as unknown"
        );
        self.halted.store(true, Ordering::SeqCst);
        // Purged records are reported at once; the old producer must not go before that.
        while !self.drain_purged(&mut poller) {
            tracing::error!(output = self.settings.alias, "purged records are not reported yet");
        }
        let (client, fresh) = loop {
            match Client::new(&self.settings.librdkafka, &self.settings.topic) {
                Ok(made) => break made,
                Err(reason) => {
                    tracing::error!(output = self.settings.alias, reason, "no new producer yet");
                    thread::sleep(METADATA_RETRY);
                }
            }
        };
        *self.client.write().expect("nothing panics in it") = client;
        self.halted.store(false, Ordering::SeqCst);
        self.kick();
        fresh
    }

    /// Fails everything that librdkafka has and takes the reports. False if some did not come.
    fn drain_purged(&self, poller: &mut Poller) -> bool {
        // Whoever was handing over when the halt began is through when its lane is free.
        for lane in self.lanes().iter() {
            drop(lane.lock());
        }
        poller.client().purge();
        let end = Instant::now() + PURGE_TIMEOUT;
        while self.status.flying.load(Ordering::Acquire) > 0 && Instant::now() < end {
            self.serve(poller, Duration::from_millis(10));
        }
        self.status.flying.load(Ordering::Acquire) == 0
    }

    /// The sink stops: what is not settled is unknown, or surely not written and as good as that.
    fn give_up(&self, poller: &mut Poller) -> u64 {
        self.halted.store(true, Ordering::SeqCst);
        let unsettled = self.status.in_flight();
        if unsettled > 0 {
            self.drain_purged(poller);
            let cause = Cause::new("STOPPED", "the service stopped before these rows were settled");
            for lane in self.lanes().iter() {
                let runs = lane.evacuate(&mut lane.lock());
                for (flight, record) in runs.iter().flat_map(Run::records) {
                    flight.receipt(record).settle(Settled::Unknown(cause.clone()));
                }
            }
            self.status.waiting.store(0, Ordering::Release);
        }
        unsettled
    }

    /// Keeps a fault as the likely cause of what the next metadata request meets.
    fn note(&self, fault: Fault) {
        *self.last_fault.lock().expect("nothing panics in it") = Some((fault, Instant::now()));
        self.kick();
    }

    /// Asks for metadata now.
    fn kick(&self) {
        *self.refresh.0.lock().expect("nothing panics in it") = true;
        self.refresh.1.notify_one();
    }

    /// The metadata thread.
    fn metadata_loop(&self) {
        let mut until_limit = 0;
        while !self.stopping.load(Ordering::SeqCst) {
            let ready = self.refresh_topic();
            if ready && until_limit == 0 {
                self.refresh_limit();
                until_limit = LIMIT_REFRESHES;
            }
            until_limit = if ready { until_limit - 1 } else { 0 };
            let wait = if ready { self.settings.metadata_refresh } else { METADATA_RETRY };
            let kicked = self.refresh.0.lock().expect("nothing panics in it");
            let (mut kicked, _) = self
                .refresh
                .1
                .wait_timeout_while(kicked, wait, |kicked| !*kicked)
                .expect("nothing panics in it");
            let was_kicked = std::mem::take(&mut *kicked);
            drop(kicked);
            if was_kicked && !self.stopping.load(Ordering::SeqCst) {
                // Faults come in swarms; a request for each would be a swarm of its own.
                thread::sleep(METADATA_RETRY / 5);
            }
        }
    }

    /// Asks for the partitions. True if the output is ready.
    fn refresh_topic(&self) -> bool {
        match self.client().leaders(METADATA_TIMEOUT) {
            Ok(leaders) if leaders.contains(&true) => {
                if self.status.ready() {
                    let partitions = leaders.len();
                    tracing::info!(output = self.settings.alias, partitions, "the output is ready");
                }
                self.publish(leaders);
                true
            }
            Ok(leaders) => {
                self.publish(leaders);
                let text = "no partition of the topic has a leader; bring brokers back";
                self.trouble(Cause::new("NO_LEADER", text), false);
                false
            }
            Err(fault) => {
                if is_missing_topic(fault.code) {
                    self.partitions.send_if_modified(|known| known.take().is_some());
                }
                let nobody_answers = is_connection(fault.code);
                let cause = if nobody_answers { self.likely_cause(fault) } else { fault };
                self.trouble(Cause::of_fault(&cause, &self.settings.topic), nobody_answers);
                false
            }
        }
    }

    /// The last fault of a connection, if it is fresh, says more than "timed out".
    fn likely_cause(&self, fault: Fault) -> Fault {
        let last = self.last_fault.lock().expect("nothing panics in it");
        match &*last {
            Some((known, at)) if at.elapsed() < Duration::from_secs(60) => known.clone(),
            _ => fault,
        }
    }

    fn trouble(&self, cause: Cause, nobody_answers: bool) {
        let (code, text) = (cause.code, cause.text.clone());
        if self.status.unavailable(cause, nobody_answers) {
            tracing::warn!(output = self.settings.alias, code, "the output is away: {text}");
        }
    }

    /// Makes lanes for new partitions, moves rows of partitions that are gone, tells the streams.
    fn publish(&self, leaders: Vec<bool>) {
        let count = leaders.len();
        let mut lanes = self.lanes.write().expect("nothing panics in it");
        let have = lanes.len();
        if have < count {
            let fresh = (have..count).map(|partition| Arc::new(Lane::new(partition as i32)));
            *lanes = lanes.iter().cloned().chain(fresh).collect();
        }
        let all = lanes.clone();
        drop(lanes);
        let partitions = Some(Arc::new(Partitions { leaders }));
        self.partitions.send_if_modified(|known| {
            let news = *known != partitions;
            known.clone_from(&partitions);
            news
        });
        for lane in all.iter().skip(count).filter(|lane| lane.waiting() > 0) {
            self.resettle(lane, &all[..count]);
        }
    }

    /// The topic was made anew with fewer partitions: rows of a lane that is gone go to another.
    fn resettle(&self, gone: &Lane, lanes: &[Arc<Lane>]) {
        let runs = {
            let mut queue = gone.lock();
            if queue.unreported() > 0 {
                return; // its reports first; the next refresh comes soon
            }
            gone.evacuate(&mut queue)
        };
        let lane = &lanes[gone.partition() as usize % lanes.len()];
        let now = Instant::now();
        let mut queue = lane.lock();
        for run in runs {
            lane.push(&mut queue, run, now);
        }
        self.drive(lane, &mut queue, now);
    }

    /// Learns the topic's size limit.
    fn refresh_limit(&self) {
        let Some(limit) = self.client().message_bytes_max(&self.settings.topic, METADATA_TIMEOUT)
        else {
            return;
        };
        let record = limit.saturating_sub(BATCH_OVERHEAD_BYTES).max(1);
        self.record_bytes_max.store(record as usize, Ordering::Relaxed);
        let mut pace = self.pace.lock().expect("nothing panics in it");
        pace.bytes_max = self.settings.pace.bytes_max.min(record);
    }
}
