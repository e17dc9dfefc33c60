//! The metadata thread of a sink: keeps the partitions, the size limit and the health fresh.
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    budget::RECORD_OVERHEAD_BYTES,
    cause::{Cause, is_all_down, is_connection, is_missing_topic},
    client::Fault,
    lane::Lane,
    sink::Inner,
    status::State,
};
use crate::partition::Partitions;

/// How long a metadata request may take.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the brokers may take to tell the topic's size limit.
const LIMIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Between metadata requests while the output is not ready.
const METADATA_RETRY: Duration = Duration::from_millis(500);

/// How long a fault of a connection explains why nobody answers.
const FAULT_FRESH: Duration = Duration::from_secs(60);

/// After this many refreshes the topic's size limit is asked for again.
const LIMIT_REFRESHES: u32 = 6;

/// Room that an output may take however few partitions there are: some batches of the largest size
/// are decoded and encoded while others are on their way.
const CEILING_MIN_BYTES: u64 = 32 << 20;

/// What a Kafka batch of one record costs beside the record (RecordBatch header, magic 2), plus
/// the record's own lengths. A record of `max.message.bytes` minus this passes.
const BATCH_OVERHEAD_BYTES: u64 = 61 + 36;

impl Inner {
    /// Keeps a fault as the likely cause of what the next metadata request meets.
    pub(super) fn note(&self, fault: Fault) {
        let mut last = self.last_fault.lock().expect("nothing panics in it");
        let known = last.as_ref().is_some_and(|(_, at)| at.elapsed() < FAULT_FRESH);
        // That all brokers are down follows every other fault and says less than it.
        if !(known && is_all_down(fault.code)) {
            *last = Some((fault, Instant::now()));
        }
        drop(last);
        self.kick();
    }

    /// Asks for metadata now.
    pub(super) fn kick(&self) {
        *self.refresh.0.lock().expect("nothing panics in it") = true;
        self.refresh.1.notify_one();
    }

    /// The metadata thread.
    pub(super) fn metadata_loop(&self) {
        let mut until_limit = 0;
        let mut missed = false;
        while !self.stopping.load(Ordering::SeqCst) {
            let ready = self.refresh_topic(until_limit == 0, &mut missed);
            until_limit = match (ready, until_limit) {
                (false, _) => 0,
                (true, 0) => LIMIT_REFRESHES - 1,
                (true, left) => left - 1,
            };
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

    /// Asks for the partitions, and for the size limit if it is time to. True if the output is
    /// ready.
    fn refresh_topic(&self, ask_limit: bool, missed: &mut bool) -> bool {
        let was_missed = std::mem::take(missed);
        let leaders = self.producers().leaders(METADATA_TIMEOUT);
        match leaders {
            Ok(leaders) if leaders.contains(&true) => {
                *self.last_fault.lock().expect("nothing panics in it") = None;
                // Before the first rows pass: a row beyond the limit is refused by name and not
                // left to the broker's verdict. Later it must not hold up what was away.
                let first = self.partitions.borrow().is_none();
                if ask_limit && first {
                    self.refresh_limit();
                }
                if let Some(cause) = self.still_broken() {
                    self.publish(leaders);
                    self.trouble(cause, false);
                    return false;
                }
                if self.status.ready() {
                    let partitions = leaders.len();
                    tracing::info!(output = self.settings.alias, partitions, "the output is ready");
                }
                self.publish(leaders);
                if ask_limit && !first {
                    self.refresh_limit();
                }
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
                // librdkafka asks one broker of several. If that one is frozen, the others may
                // well serve; the next request, which comes soon, decides.
                if nobody_answers && !was_missed && self.status.health().state == State::Ready {
                    *missed = true;
                    return false;
                }
                let cause = if nobody_answers { self.likely_cause(fault) } else { fault };
                self.trouble(Cause::of_fault(&cause, &self.settings.recipe.topic), nobody_answers);
                false
            }
        }
    }

    /// The last fault of a connection, if it is fresh, says more than "timed out".
    fn likely_cause(&self, fault: Fault) -> Fault {
        let last = self.last_fault.lock().expect("nothing panics in it");
        match &*last {
            Some((known, at)) if at.elapsed() < FAULT_FRESH => known.clone(),
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
        // A Kafka batch that is away and one that is ready to follow keep each partition busy.
        let pace = &self.settings.pace;
        let records = u64::from(pace.records_max) * RECORD_OVERHEAD_BYTES;
        let ceiling = 2 * (pace.bytes_max + records) * count as u64;
        self.share.set_ceiling(ceiling.max(CEILING_MIN_BYTES));
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
        let due = self.drive(lane, &mut queue, now);
        drop(queue);
        self.wake_by(due);
    }

    /// Learns the topic's size limit.
    fn refresh_limit(&self) {
        let (producers, topic) = (self.producers(), &self.settings.recipe.topic);
        let Some(limit) = producers.message_bytes_max(topic, LIMIT_TIMEOUT) else {
            return;
        };
        let record = limit.saturating_sub(BATCH_OVERHEAD_BYTES).max(1);
        self.record_bytes_max.store(record as usize, Ordering::Relaxed);
        let batch = self.settings.pace.bytes_max.min(record);
        self.batch_bytes_max.store(batch, Ordering::Relaxed);
    }
}
