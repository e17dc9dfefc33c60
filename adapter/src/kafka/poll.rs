//! The poll thread of a sink: serves librdkafka's reports, hands over what has become due, builds a
//! broken producer anew, and gives up what is left when the service stops.
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    cause::Cause,
    client::{Failed, Fault, Reports},
    lane::Run,
    leaving::Served,
    producers::{Pollers, Producers},
    receipt::Settled,
    renewal::Unsettled,
    sink::{Broken, Inner, stopped},
};

/// "Until" of a poll thread that does not sleep: later than anything, 30,000 years.
const AWAKE_US: u64 = 1 << 60;

/// Pause before a broken producer is built anew: from, to, doubling while it breaks again.
const REBUILD_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// A new producer that lives this much longer than its pause is well.
const REBUILD_PROVEN: Duration = Duration::from_secs(5);

/// Longest sleep of the poll thread when nothing is due.
const POLL_MAX: Duration = Duration::from_millis(100);

/// How long a stopping poll thread waits for the reports of purged records.
const PURGE_TIMEOUT: Duration = Duration::from_secs(2);

impl Inner {
    /// The poll thread. Returns how many records were given up.
    pub(super) fn poll_loop(&self, served: &mut Served) -> u64 {
        self.bell.wakes_this_thread();
        loop {
            let rebuild = self.serve(served);
            if self.stopping.load(Ordering::SeqCst) {
                return self.give_up(served);
            }
            if rebuild || served.current.fatal().is_some() {
                self.rebuild(served);
            }
            self.take_over(served);
            let due = self.drive_all();
            let wait = due.saturating_duration_since(Instant::now());
            let until = self.start.elapsed() + wait;
            self.poll_until_us.store(until.as_micros() as u64, Ordering::SeqCst);
            thread::park_timeout(wait);
            // Awake: a lane that was looked at may get a row before the next sleep begins, so
            // until then whoever has something due ends that sleep.
            self.poll_until_us.store(AWAKE_US, Ordering::SeqCst);
        }
    }

    /// Serves librdkafka once. True if the producers in place must be built anew.
    fn serve(&self, served: &mut Served) -> bool {
        let mut rebuild = false;
        served.current.poll(|reports| {
            for fault in reports.errors.drain(..) {
                self.note(fault);
            }
            self.throttled(&mut reports.throttles);
            rebuild |= self.take_reports(reports);
        });
        self.serve_leaving(served);
        rebuild
    }

    /// Takes what brokers said of their quotas, and tells it when it begins.
    pub(super) fn throttled(&self, throttles: &mut Vec<Duration>) {
        if let Some(Cause { code, text }) = self.status.throttled(throttles) {
            tracing::warn!(output = self.settings.alias, code, "{text}");
        }
    }

    /// Takes what is reported of records. True if the producers that report must be built anew.
    pub(super) fn take_reports(&self, reports: &mut Reports) -> bool {
        self.progress_reported.take(&mut reports.marks);
        if reports.reported.is_empty() {
            return false;
        }
        let now = Instant::now();
        let mut rebuild = false;
        let Reports { reported, failed, .. } = reports;
        let lanes = self.lanes();
        reported.sort_unstable_by_key(|part| part.partition);
        for group in reported.chunk_by(|left, right| left.partition == right.partition) {
            let partition = group[0].partition;
            let count = group.iter().map(|part| part.records).sum();
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
    fn drive_all(&self) -> Instant {
        let now = Instant::now();
        let mut next = now + POLL_MAX;
        for lane in self.lanes().iter().filter(|lane| lane.waiting() > 0) {
            let mut queue = lane.lock();
            if let Some(time) = self.drive(lane, &mut queue, now) {
                next = next.min(time);
            }
        }
        next
    }

    /// A producer after a fatal error takes nothing more: fail what it has, and make another.
    fn rebuild(&self, served: &mut Served) {
        let mut pause = self.broke(served.current.fatal());
        self.halted.store(true, Ordering::SeqCst);
        self.wait_for_hand_overs();
        served.current.purge();
        loop {
            self.serve_for(served, pause);
            // Producers that wait to take over are the better ones.
            if self.stopping.load(Ordering::SeqCst) || self.take_over(served) {
                return;
            }
            let credentials = self.renewal.credentials();
            match Producers::new(&self.settings.recipe, &credentials, &self.bell) {
                Ok((producers, pollers)) => {
                    self.status.exchange.restarts.inc();
                    self.put_in_place(producers, pollers, served, None, None);
                    return self.show_newest_login();
                }
                Err(reason) => {
                    let (output, code) = (&self.settings.alias, "PRODUCER_FAILED");
                    tracing::error!(output, code, reason, "no new producer yet");
                    pause = (pause * 2).min(REBUILD_PAUSE.1);
                }
            }
        }
    }

    /// Serves librdkafka for so long, or until the sink stops.
    fn serve_for(&self, served: &mut Served, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopping.load(Ordering::SeqCst) {
            self.serve(served);
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Hands over to these producers from now on. Those before them settle what they hold; a lane
    /// has one batch away, so none of its records overtakes another. (With `acks: Zero` a batch is
    /// settled when it is on its connection, and the next goes by another.)
    pub(super) fn put_in_place(
        &self,
        producers: Arc<Producers>,
        pollers: Pollers,
        served: &mut Served,
        refused: Option<Instant>,
        unsettled: Option<Unsettled>,
    ) {
        let before = self.producers.write().expect("nothing panics in it").replace(producers);
        // Only then do those before them hold all that they ever will.
        self.wait_for_hand_overs();
        let old = std::mem::replace(&mut served.current, pollers);
        if let Some(before) = before {
            let mut leaving = self.leaving.lock().expect("nothing panics in it");
            leaving.retain(|producers| producers.strong_count() > 0);
            leaving.push(Arc::downgrade(&before));
            drop(leaving);
            served.leave(before, old, refused, unsettled);
        }
        self.halted.store(false, Ordering::SeqCst);
        self.kick();
    }

    /// Whoever is handing over now is through when its lane is free.
    fn wait_for_hand_overs(&self) {
        for lane in self.lanes().iter() {
            drop(lane.lock());
        }
    }

    /// Notes that the producer broke. Returns the pause before the next: a fault that lasts (a
    /// right that is missing, a broker that is too old) must not become a storm of producers.
    fn broke(&self, fault: Option<Fault>) -> Duration {
        let cause = match fault {
            Some(fault) => {
                let (_, cause) = Cause::of_record(fault.code, &self.settings.recipe.topic);
                Cause::new(cause.code, format!("{} ({})", cause.text, fault.text))
            }
            None => Cause::new("PRODUCER_FAILED", "the producer failed and is built anew"),
        };
        let (code, text) = (cause.code, cause.text.clone());
        let mut broken = self.broken.lock().expect("nothing panics in it");
        let pause = match &*broken {
            Some(last) if last.at.elapsed() < last.pause + REBUILD_PROVEN => {
                (last.pause * 2).min(REBUILD_PAUSE.1)
            }
            _ => REBUILD_PAUSE.0,
        };
        *broken = Some(Broken { cause, at: Instant::now(), pause });
        drop(broken);
        tracing::error!(
            output = self.settings.alias,
            code,
            "the producer failed and is built anew; batches that may be written end as unknown: \
             {text}"
        );
        pause
    }

    /// Why producers break again and again, if they do.
    pub(super) fn still_broken(&self) -> Option<Cause> {
        let broken = self.broken.lock().expect("nothing panics in it");
        let last = broken.as_ref()?;
        let again = last.pause > REBUILD_PAUSE.0;
        (again && last.at.elapsed() < last.pause + REBUILD_PROVEN).then(|| last.cause.clone())
    }

    /// The sink stops: what is not settled is unknown, or surely not written and as good as that.
    fn give_up(&self, served: &mut Served) -> u64 {
        self.halted.store(true, Ordering::SeqCst);
        self.gave_up.store(true, Ordering::SeqCst);
        let unsettled = self.status.in_flight();
        if unsettled > 0 {
            self.wait_for_hand_overs();
            served.purge();
            let end = Instant::now() + PURGE_TIMEOUT;
            while self.status.flying.load(Ordering::Acquire) > 0 && Instant::now() < end {
                self.serve(served);
                thread::park_timeout(Duration::from_millis(10));
            }
            let cause = stopped();
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
}
