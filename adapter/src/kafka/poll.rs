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
    producers::{Pollers, Producers},
    receipt::Settled,
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
    pub(super) fn poll_loop(&self, mut pollers: Pollers) -> u64 {
        self.bell.wakes_this_thread();
        loop {
            let rebuild = self.serve(&mut pollers);
            if self.stopping.load(Ordering::SeqCst) {
                return self.give_up(&mut pollers);
            }
            if rebuild || pollers.fatal().is_some() {
                pollers = self.rebuild(pollers);
                if self.stopping.load(Ordering::SeqCst) {
                    return self.give_up(&mut pollers);
                }
            }
            pollers = self.take_over(pollers);
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

    /// Serves librdkafka once. True if the producers must be built anew.
    pub(super) fn serve(&self, pollers: &mut Pollers) -> bool {
        let mut rebuild = false;
        pollers.poll(|reports| rebuild |= self.take_reports(reports));
        rebuild
    }

    fn take_reports(&self, reports: &mut Reports) -> bool {
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
    fn rebuild(&self, mut pollers: Pollers) -> Pollers {
        let pause = self.broke(pollers.fatal());
        self.halted.store(true, Ordering::SeqCst);
        // Purged records are reported at once; the old producer must not go before that.
        while !self.drain_purged(&mut pollers) {
            if self.stopping.load(Ordering::SeqCst) {
                return pollers;
            }
            tracing::error!(output = self.settings.alias, "purged records are not reported yet");
        }
        let end = Instant::now() + pause;
        let mut again = REBUILD_PAUSE.0;
        let (producers, fresh) = loop {
            if self.stopping.load(Ordering::SeqCst) {
                return pollers;
            }
            if Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
                continue;
            }
            pollers = match self.take_over_broken(pollers) {
                Ok(fresh) => return fresh,
                Err(old) => old,
            };
            let credentials = self.renewal.credentials();
            match Producers::new(&self.settings.recipe, &credentials, &self.bell) {
                Ok(made) => break made,
                Err(reason) => {
                    tracing::error!(output = self.settings.alias, reason, "no new producer yet");
                    thread::sleep(again);
                    again = (again * 2).min(Duration::from_secs(1));
                }
            }
        };
        self.put_in_place(producers, pollers);
        self.show_newest_login();
        fresh
    }

    /// Hands over to these producers from now on, and ends the old ones, which hold nothing.
    pub(super) fn put_in_place(&self, producers: Arc<Producers>, old: Pollers) {
        let before = self.producers.write().expect("nothing panics in it").replace(producers);
        self.halted.store(false, Ordering::SeqCst);
        self.kick();
        // Destroying a producer waits for its threads, which may be resolving a name.
        let ends = thread::Builder::new().name("kafka-old".into());
        drop(ends.spawn(move || drop((before, old))));
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

    /// Fails everything that librdkafka has and takes the reports. False if some did not come.
    pub(super) fn drain_purged(&self, pollers: &mut Pollers) -> bool {
        // Whoever was handing over when the halt began is through when its lane is free.
        for lane in self.lanes().iter() {
            drop(lane.lock());
        }
        pollers.purge();
        let end = Instant::now() + PURGE_TIMEOUT;
        while self.status.flying.load(Ordering::Acquire) > 0 && Instant::now() < end {
            self.serve(pollers);
            thread::park_timeout(Duration::from_millis(10));
        }
        self.status.flying.load(Ordering::Acquire) == 0
    }

    /// The sink stops: what is not settled is unknown, or surely not written and as good as that.
    fn give_up(&self, pollers: &mut Pollers) -> u64 {
        self.halted.store(true, Ordering::SeqCst);
        self.gave_up.store(true, Ordering::SeqCst);
        let unsettled = self.status.in_flight();
        if unsettled > 0 {
            self.drain_purged(pollers);
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
