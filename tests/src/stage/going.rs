//! Waiting within a trial: for rows that go on, that stall, and for a cluster that is whole again.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{BROKERS, Trial, trial::Part};
use crate::{
    check::invariants::{Finding, Invariant, Promise},
    engine::load::Load,
    wait::{DEADLINE, wait_until},
};

/// A busy machine takes three times as long.
const BUSY: u32 = 3;

/// Batches that each writer has acknowledged before anything happens, and after each fault.
const FIRST_BATCHES: u64 = 4;

impl Trial<'_> {
    /// Waits until each writer has a few batches more acknowledged.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn progress_of_all(&self) {
        self.progress(FIRST_BATCHES * self.batch_rows);
    }

    /// Waits until each writer has so many rows more acknowledged.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn progress(&self, rows: u64) {
        self.times_of_progress(rows, "rows are acknowledged");
    }

    /// Waits until the writers of exactly once have ended so many transactions more, by what the
    /// progress topic has.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn progress_by_transactions(&mut self, count: u64) {
        const PARTITIONS: i32 = 16;
        let (cluster, topic) = (&mut self.stage.cluster, self.progress.as_str());
        let admin = cluster.admin();
        // Nothing happens to brokers meanwhile.
        let leaders: Vec<_> = (0..PARTITIONS).map(|n| (n, admin.leader(topic, n))).collect();
        let of = |(n, leader): &(i32, i32)| {
            let batches = cluster.batches(*leader, topic, *n);
            batches.iter().filter(|batch| !batch.control).count() as u64
        };
        let stored = || leaders.iter().map(of).sum::<u64>();
        let goal = stored() + count;
        let what = format!("{}: {count} transactions more", self.name);
        // Some hundred round trips to three brokers.
        wait_until(&what, 3 * DEADLINE, || stored() >= goal);
    }

    /// Waits until each writer of outputs with this promise has so many rows more acknowledged,
    /// whatever becomes of the others.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn progress_of(&self, promise: Promise, rows: u64) {
        let parts = self.parts.iter().filter(|part| part.promise == promise);
        for load in parts.flat_map(|part| &part.loads) {
            load.wait_progress(rows);
        }
    }

    /// The fault is over: rows of each writer must go on in time.
    ///
    /// # Panics
    /// When they do not go on at all.
    #[track_caller]
    pub fn goes_on(&mut self, what: &str) {
        let mut shown = Vec::new();
        for (promise, took) in self.times_of_progress(1, what) {
            let bar = match promise {
                Promise::AtLeastOnce => Duration::from_secs(10),
                Promise::ExactlyOnce => Duration::from_secs(20),
            };
            shown.push(format!("{} after {took:.2?}", promise.name()));
            self.found(Finding::late(Invariant::GoesOn, what, took, BUSY * bar));
        }
        println!("{}: {what}: rows go on: {}", self.name, shown.join(", "));
        self.progress_of_all();
    }

    /// For each output how long its slowest writer took for so many rows more.
    #[track_caller]
    fn times_of_progress(&self, rows: u64, what: &str) -> Vec<(Promise, Duration)> {
        let start = Instant::now();
        let goals: Vec<Vec<u64>> = self.durable();
        let goals: Vec<Vec<u64>> =
            goals.into_iter().map(|of| of.into_iter().map(|n| n + rows).collect()).collect();
        let mut took: Vec<Option<Duration>> = vec![None; self.parts.len()];
        wait_until(&format!("{}: {what}", self.name), DEADLINE, || {
            for ((part, goals), took) in self.parts.iter().zip(&goals).zip(&mut took) {
                let mut each = part.loads.iter().zip(goals);
                if took.is_none() && each.all(|(load, goal)| load.rows_durable() >= *goal) {
                    *took = Some(start.elapsed());
                }
            }
            took.iter().all(Option::is_some)
        });
        let promises = self.parts.iter().map(|part| part.promise);
        promises.zip(took.into_iter().flatten()).collect()
    }

    /// Waits until nothing was acknowledged for so long.
    ///
    /// # Panics
    /// When rows go on until the deadline.
    #[track_caller]
    pub fn stalls(&self, long: Duration) {
        let mut last = (self.rows_durable(), Instant::now());
        wait_until(&format!("{}: nothing is acknowledged", self.name), DEADLINE, || {
            if self.rows_durable() != last.0 {
                last = (self.rows_durable(), Instant::now());
            }
            last.1.elapsed() >= long
        });
    }

    /// Waits until each writer is told that something waits, and that this is why.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn wait_held(&self, code: &str) {
        let mut shown = Vec::new();
        wait_until(&format!("{}: writers are told {code}", self.name), DEADLINE, || {
            let told: Vec<Option<String>> = self.loads().map(Load::held).collect();
            if told != shown {
                println!("{}: writers are told {told:?}", self.name);
                shown.clone_from(&told);
            }
            told.iter().all(|told| told.as_deref() == Some(code))
        });
    }

    /// Waits until all brokers are there and all replicas of all topics in sync.
    pub fn wait_whole(&mut self) {
        self.stage.cluster.wait_complete();
        let admin = self.stage.cluster.admin();
        let own: Vec<String> = self.parts.iter().flat_map(Part::all_topics).collect();
        let own = own.iter().map(String::as_str);
        let exact = self.parts.iter().any(|part| part.promise == Promise::ExactlyOnce);
        let shared = [self.progress.as_str(), "__transaction_state"].into_iter().filter(|_| exact);
        own.chain(shared).for_each(|topic| admin.wait_in_sync(topic));
    }

    /// Runs something on each broker in turn, and sees that rows go on after each.
    pub fn each_broker(&mut self, what: &str, mut fault: impl FnMut(&mut Self, i32)) {
        for broker in BROKERS {
            fault(self, broker);
            self.goes_on(&format!("{what} {broker}"));
            self.wait_whole();
        }
    }

    /// A pause that is part of a fault.
    pub fn pause(&self, time: Duration) {
        thread::sleep(time);
    }
}
