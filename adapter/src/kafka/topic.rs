//! The metadata thread of a sink: keeps the partitions, the size limit and the health fresh.
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    budget::RECORD_OVERHEAD_BYTES,
    cause::{Cause, is_all_down, is_connection, is_missing_topic, is_refusal},
    client::{Fault, Partition},
    lane::Lane,
    producers::Producers,
    settings::MESSAGE_BYTES_MAX,
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

/// Between questions that are asked only because rows wait. The first answer comes at once; a
/// partition that loses its replicas later is noticed this much later.
const DOUBT_PAUSE: Duration = Duration::from_secs(2);

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

/// The largest record as long as the topic's limit is not known: the broker judges.
pub(super) const RECORD_BYTES_UNKNOWN: usize = MESSAGE_BYTES_MAX as usize;

/// The largest dead letter as long as its topic's limit is not known: nearly every topic takes it.
pub(super) const LETTER_BYTES_UNKNOWN: usize = 1_000_000;

/// The largest record of a topic with this `max.message.bytes`.
pub fn record_bytes_max(message_bytes_max: u64) -> u64 {
    message_bytes_max.saturating_sub(BATCH_OVERHEAD_BYTES).max(1)
}

impl Inner {
    /// Keeps a fault as the likely cause of what the next metadata request meets.
    pub(super) fn note(&self, fault: Fault) {
        if is_refusal(&fault) {
            self.renewal.refused();
        }
        if is_refusal(&fault) || is_connection(fault.code) {
            self.diagnose();
        }
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

    /// Asks for metadata because rows wait for long, and nobody has said why.
    pub(super) fn doubt(&self) {
        let mut doubted = self.doubted.lock().expect("nothing panics in it");
        if doubted.is_none_or(|at| at.elapsed() >= DOUBT_PAUSE) {
            *doubted = Some(Instant::now());
            self.kick();
        }
    }

    /// The metadata thread.
    pub(super) fn metadata_loop(&self) {
        let mut until_limit = 0;
        let mut missed = false;
        while !self.stopping.load(Ordering::SeqCst) {
            let doubted = self.limit_doubted.swap(false, Ordering::Relaxed);
            let ready = self.refresh_topic(until_limit == 0 || doubted, &mut missed);
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
        let Some(producers) = self.producers() else {
            // Whoever reads them says why they are not there.
            let (cause, pending) = self.renewal.missing();
            self.status.unavailable(cause, pending);
            *missed = false;
            return false;
        };
        let partitions = producers.partitions(METADATA_TIMEOUT);
        // Before the first rows pass: a row beyond the limit is refused by name and not left to the
        // broker's verdict. Later it must not hold up what was away.
        let limit_first = ask_limit && self.knows_no_limit();
        if limit_first && partitions.is_ok() {
            self.refresh_limit(&producers);
        }
        let ready = self.hear(&producers, partitions, missed);
        if ready && self.settings.progress.is_some() {
            // Writers must not go on in another topic as if it had their rows. Should nobody tell now,
            // the next refresh does.
            let topic = &self.settings.recipe.topic;
            if let Ok(id) = producers.client().topic_id(topic, METADATA_TIMEOUT) {
                self.status.set_topic_id(id.unwrap_or_default());
            }
        }
        if ready && ask_limit && !limit_first {
            self.refresh_limit(&producers);
        }
        ready
    }

    /// Takes what the brokers have told these producers. True if the output is ready.
    fn hear(
        &self,
        producers: &Arc<Producers>,
        partitions: Result<Vec<Partition>, Fault>,
        missed: &mut bool,
    ) -> bool {
        let was_missed = std::mem::take(missed);
        let in_place = self.producers().is_some_and(|in_place| Arc::ptr_eq(&in_place, producers));
        if !in_place {
            // Others have taken over while these waited for an answer. Of them it says nothing, and
            // they will be asked at once.
            return false;
        }
        let leaders = |partitions: &[Partition]| partitions.iter().map(|p| p.has_leader).collect();
        match partitions {
            Ok(partitions) if partitions.iter().any(|partition| partition.has_leader) => {
                *self.last_fault.lock().expect("nothing panics in it") = None;
                self.diagnosis.clear();
                if let Some(cause) = self.still_broken().or(self.scarcity(&partitions)) {
                    self.publish(leaders(&partitions));
                    self.trouble(cause, false);
                    return false;
                }
                if self.status.ready() {
                    let partitions = partitions.len();
                    tracing::info!(output = self.settings.alias, partitions, "the output is ready");
                }
                self.publish(leaders(&partitions));
                true
            }
            Ok(partitions) => {
                self.publish(leaders(&partitions));
                let text = "no partition of the topic has a leader; bring brokers back";
                self.trouble(Cause::new("NO_LEADER", text), false);
                false
            }
            Err(fault) => self.hear_fault(fault, was_missed, missed),
        }
    }

    /// Takes why the brokers have told nothing. False, as the output is not ready.
    fn hear_fault(&self, fault: Fault, was_missed: bool, missed: &mut bool) -> bool {
        if is_missing_topic(fault.code) {
            self.partitions.send_if_modified(|known| known.take().is_some());
        }
        let nobody_answers = is_connection(fault.code);
        // librdkafka asks one broker of several. If that one is frozen, the others may well serve;
        // the next request, which comes soon, decides.
        if nobody_answers && !was_missed && self.status.health().state == State::Ready {
            *missed = true;
            return false;
        }
        let fault = if nobody_answers { self.likely_cause(fault) } else { fault };
        let mut cause = Cause::of_fault(&fault, &self.settings.recipe.topic);
        if nobody_answers {
            self.diagnose();
            cause = self.diagnosis.cause().unwrap_or(cause);
        }
        self.trouble(cause, nobody_answers);
        false
    }

    /// Looks for the cause behind librdkafka's text.
    fn diagnose(&self) {
        if let Some(credentials) = self.renewal.in_place() {
            self.diagnosis.begin(&credentials);
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
        self.status.set_blocked(gone.partition(), None);
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

    /// Looks for partitions that take no rows because too few of their replicas are in sync.
    /// librdkafka sends such rows again and again by itself and tells nobody. Returns the cause if
    /// it stops the whole output; if some partitions still take rows it is noted for those who
    /// wait.
    fn scarcity(&self, partitions: &[Partition]) -> Option<Cause> {
        let in_sync_min = self.in_sync_min.load(Ordering::Relaxed);
        let cause = scarce(partitions, in_sync_min, &self.settings.recipe.topic);
        let takes_rows = |p: &Partition| p.has_leader && !is_scarce(p, in_sync_min);
        let stops = cause.is_some() && !partitions.iter().any(takes_rows);
        self.status.set_scarce(cause.clone());
        cause.filter(|_| stops)
    }

    /// Whether nobody knows how long a record of the topic may be: it was never told, or the topic
    /// is new or another.
    fn knows_no_limit(&self) -> bool {
        let never_told = self.record_bytes_max.load(Ordering::Relaxed) == RECORD_BYTES_UNKNOWN;
        never_told || self.partitions.borrow().is_none()
    }

    /// Learns what the topic's settings demand.
    fn refresh_limit(&self, producers: &Producers) {
        let topic = &self.settings.recipe.topic;
        let limits = producers.limits(topic, LIMIT_TIMEOUT);
        if let Some(in_sync_min) = limits.in_sync_min.filter(|_| self.settings.waits_for_replicas) {
            self.in_sync_min.store(in_sync_min, Ordering::Relaxed);
        }
        self.refresh_letter_limit(producers);
        let limit = limits.message_bytes_max.or(self.settings.message_bytes_untold);
        let Some(limit) = limit else { return };
        let record = self.settings.recipe.record_bytes_max(limit);
        self.record_bytes_max.store(record as usize, Ordering::Relaxed);
        let batch = self.settings.pace.bytes_max.min(record);
        self.batch_bytes_max.store(batch, Ordering::Relaxed);
    }
}

impl Inner {
    /// Learns how long a dead letter may be.
    fn refresh_letter_limit(&self, producers: &Producers) {
        let Some(topic) = &self.settings.dead_letters else { return };
        if let Some(limit) = producers.limits(topic, LIMIT_TIMEOUT).message_bytes_max {
            let letter = record_bytes_max(limit).min(MESSAGE_BYTES_MAX.into());
            self.letter_bytes_max.store(letter as usize, Ordering::Relaxed);
        }
    }
}

/// Whether a partition has a leader that takes no rows. It asks for no more replicas than there
/// are (older brokers do; of them this says too little, never too much).
fn is_scarce(partition: &Partition, in_sync_min: u32) -> bool {
    partition.has_leader && partition.in_sync < in_sync_min.min(partition.replicas)
}

/// Why partitions take no rows, if some do not.
pub(super) fn scarce(partitions: &[Partition], in_sync_min: u32, topic: &str) -> Option<Cause> {
    let scarce = || partitions.iter().enumerate().filter(|(_, p)| is_scarce(p, in_sync_min));
    let (first, Partition { in_sync, replicas, .. }) = scarce().next()?;
    let (count, all) = (scarce().count(), partitions.len());
    let text = format!(
        "topic `{topic}`: {count} of {all} partitions take no rows, since fewer replicas are in \
         sync than `min.insync.replicas` asks: of partition {first} {in_sync} of {replicas}, \
         asked are {in_sync_min}. Bring brokers back; rows go on by themselves."
    );
    Some(Cause::new("NOT_ENOUGH_REPLICAS", text))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Credentials, Delivery as _, Sink, SinkSettings, client::Bell, mock::MockKafka,
            share_out,
        },
        *,
    };
    use crate::job;

    /// They asked while others took over, and were refused, as their credentials are revoked.
    #[tokio::test]
    async fn what_producers_are_told_that_were_replaced_says_nothing() {
        let broker = MockKafka::start(1).unwrap();
        broker.create_topic("t", 1).unwrap();
        let servers = broker.bootstrap_servers();
        let yaml =
            format!("name: t\noutputs: [{{ alias: a, bootstrapServers: '{servers}', topic: t }}]");
        let job = job::parse("job.yaml", &yaml).unwrap();
        let share = share_out(64 << 20, 1).remove(0);
        let sink = Sink::start(SinkSettings::of(&job.outputs[0]), share).unwrap();
        sink.renew(Credentials::default()).await.unwrap();
        let known = sink.partitions().wait_for(Option::is_some).await.map(drop);
        known.unwrap();
        let inner = &sink.inner;
        let (recipe, bell) = (&inner.settings.recipe, Arc::<Bell>::default());
        let (replaced, _pollers) = Producers::new(recipe, &Credentials::default(), &bell).unwrap();
        let denied = || Err(Fault { code: 29, text: "Topic authorization failed".to_owned() });
        assert!(!inner.hear(&replaced, denied(), &mut false));
        assert_eq!(sink.health().state, State::Ready);
        assert!(!inner.hear(&inner.producers().unwrap(), denied(), &mut false));
        assert_eq!(sink.health().state, State::Unavailable);
        sink.close(Instant::now()).await;
    }

    #[test]
    fn a_partition_is_scarce_with_fewer_replicas_in_sync_than_are_asked_and_possible() {
        let partition = |replicas, in_sync| Partition { has_leader: true, replicas, in_sync };
        let whole = [partition(3, 3), partition(3, 2), partition(1, 1)];
        let leaderless = Partition { has_leader: false, replicas: 3, in_sync: 1 };
        assert_eq!(scarce(&[&whole[..], &[leaderless]].concat(), 2, "t"), None);
        assert_eq!(scarce(&[partition(3, 1)], 0, "t"), None, "nothing waits for replicas");
        let found = scarce(&[&whole[..], &[partition(3, 1)]].concat(), 2, "t").unwrap();
        assert_eq!(found.code, "NOT_ENOUGH_REPLICAS");
        let told = "1 of 4 partitions take no rows";
        assert!(found.text.contains(told), "{found}");
        assert!(found.text.contains("of partition 3 1 of 3, asked are 2"), "{found}");
    }
}
