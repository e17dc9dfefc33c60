//! A lane: the queue of one partition before librdkafka, and the rule when its records go.
//!
//! A lane hands over one Kafka batch at a time and waits for its reports. That is what makes
//! three things simple:
//! - **No busy waiting.** librdkafka's idempotent producer allows one request in flight for each
//!   partition (it compares the limit of five requests with the count of *messages*) and spins
//!   while a ready batch waits behind it. Here nothing waits behind it.
//! - **A linger that follows the load.** What arrives while a batch is away makes the next one.
//!   A row that finds nothing queued goes at once; only when many rows wait in the output does a
//!   lane hold its own back for `linger`, so that Kafka batches fill.
//! - **Order.** Records that failed go again before those behind them. What librdkafka sends in two
//!   requests all the same, as where the machine interrupts a hand-over, is stored behind what is
//!   refused of the first ([`Finished::overtaken`]).
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ptr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    cause::{Cause, Fate},
    client::{Client, Failed, HandOver},
    receipt::{Fit, Flight, Receipt, Rows, Settled},
};

/// Rows waiting in an output from which on lanes hold theirs back to fill Kafka batches.
const PRESSURE_RECORDS: u64 = 512;

/// What a record costs in a Kafka batch beside its bytes, at most (magic 2: length, attributes,
/// timestamp, offset, key and value lengths, header count).
const BATCH_RECORD_OVERHEAD_BYTES: u64 = 36;

/// Waiting before records go again after a failure: from, to, doubling.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// No batch has more records (librdkafka's bound of `batch.num.messages`).
const RECORDS_MAX: u32 = 1_000_000;

/// Successes after which the size of batches that a verdict had cut is doubled.
const RECOVERY_BATCHES: u32 = 8;

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Longest wait for more records while rows are queued.
    pub linger: Duration,
    /// Most records of a Kafka batch.
    pub records_max: u32,
    /// Most bytes of a Kafka batch.
    pub bytes_max: u64,
}

/// What a lane must know of the others.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Records that wait in all lanes.
    pub waiting: u64,
    /// Records that librdkafka has of all lanes.
    pub flying: u64,
}

/// Consecutive records of a flight for one partition.
pub struct Run {
    /// The batch.
    pub flight: Arc<Flight>,
    /// The records of the batch by partition; empty if they are 0, 1, 2 … .
    pub order: Arc<[u32]>,
    /// The next place in `order`.
    pub at: u32,
    /// The place behind the last.
    pub end: u32,
}

/// What becomes of records that the broker refuses for good.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// They are set aside instead of waiting.
    pub drops_blamed: bool,
    /// The largest record, as far as is known.
    pub record_bytes_max: usize,
}

/// When a lane has to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something is reported or comes in.
    Event,
    /// At this time.
    At(Instant),
}

/// What the reports of a batch lead to.
#[derive(Default)]
pub struct Finished {
    /// Records that the broker refused for good, and that are settled once their dead letters are
    /// durable.
    pub letters: Vec<(Arc<Flight>, u32, Cause)>,
    /// Records that were set aside here because the broker refused them for good.
    pub rejected: u64,
    /// The producer must be built anew.
    pub rebuild: bool,
    /// Why records wait now, if they do.
    pub held: Option<Cause>,
    /// A record that stands alone is refused, and whatever is behind it waits.
    pub is_blocked: bool,
    /// A record was too large, and parts of it go instead.
    pub is_split: bool,
    /// Records that go again although one behind them is stored, or may be: what was handed over as
    /// one has left in several requests, of which an earlier one was refused.
    pub overtaken: u64,
    /// How long the batch was away, if all of it is reported and stored.
    pub took: Option<Duration>,
}

/// The queue of one partition.
pub struct Lane {
    partition: i32,
    /// Records that wait; read without the lock.
    waiting: AtomicU32,
    queue: Mutex<Queue>,
}

/// A lane's state, under its lock.
#[derive(Default)]
pub struct Queue {
    /// Records that failed and go again, first.
    again: VecDeque<(Arc<Flight>, u32)>,
    runs: VecDeque<Run>,
    records: u32,
    bytes: u64,
    oldest: Option<Instant>,
    /// Holds every flight of the batch that librdkafka has, until all of it is reported.
    flying: Vec<Arc<Flight>>,
    flying_records: u32,
    /// When the batch went.
    flying_since: Option<Instant>,
    /// How long the first of it had waited then.
    waited: Duration,
    unreported: u32,
    failed: Vec<Missed>,
    /// Records of a batch while a verdict is being narrowed down.
    narrow: Option<Narrow>,
    hold: Option<Hold>,
    /// What is handed over, or was; its flights are there as long as the batch is away.
    hand_over: HandOver,
}

/// A record that failed: of which flight, what it asks for, why, and whether it may be stored.
type Missed = (u32, Arc<Flight>, Fate, Cause, bool);

struct Narrow {
    records_max: u32,
    passed: u32,
}

struct Hold {
    until: Instant,
    backoff: Duration,
}

impl Lane {
    /// The lane of a partition.
    pub fn new(partition: i32) -> Self {
        Self { partition, waiting: AtomicU32::new(0), queue: Mutex::default() }
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Records that wait.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Adds records.
    pub fn push(&self, queue: &mut Queue, run: Run, now: Instant) {
        queue.records += run.end - run.at;
        queue.bytes += run.bytes();
        queue.oldest.get_or_insert(now);
        queue.runs.push_back(run);
        self.publish(queue);
    }

    /// Locks the queue.
    pub fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics in a lane")
    }

    /// Makes the next batch if its time has come; it is to be handed over at once.
    ///
    /// # Errors
    /// When to look again.
    pub fn take(
        &self,
        queue: &mut Queue,
        pace: &Pace,
        load: Load,
        now: Instant,
    ) -> Result<u32, Next> {
        queue.ready(pace, load, now)?;
        let oldest = queue.oldest.unwrap_or(now);
        queue.waited = now.saturating_duration_since(oldest);
        queue.hand_over.clear();
        queue.fill(pace, now);
        let taken = queue.hand_over.len() as u32;
        queue.flying_records = taken;
        queue.flying_since = Some(now);
        queue.unreported = taken;
        self.publish(queue);
        Ok(taken)
    }

    /// How long the first record of the batch that was taken last had waited.
    pub fn waited(&self, queue: &Queue) -> Duration {
        queue.waited
    }

    /// Hands the batch over that was taken. Returns the records that librdkafka did not take.
    pub fn hand_over(&self, queue: &mut Queue, client: &Client) -> Vec<Failed> {
        // SAFETY: `flying` holds the flight of every record until all of them are reported.
        unsafe { client.produce(self.partition, &mut queue.hand_over) }
    }

    /// Takes reports of the batch that is away, and ends it when they are complete.
    pub fn report(
        &self,
        queue: &mut Queue,
        reported: u32,
        failed: &[(&Failed, Fate, Cause)],
        policy: Policy,
        now: Instant,
    ) -> Finished {
        queue.unreported -= reported;
        for (failure, fate, cause) in failed {
            let (flight, record) = queue.of(failure.receipt);
            queue.failed.push((record, flight, *fate, cause.clone(), failure.maybe_written));
        }
        let finished =
            if queue.unreported == 0 { queue.finish(policy, now) } else { Finished::default() };
        self.publish(queue);
        finished
    }

    /// Takes out everything that is not away: the partition is gone, or the service stops.
    pub fn evacuate(&self, queue: &mut Queue) -> Vec<Run> {
        let mut runs: Vec<Run> = queue
            .again
            .drain(..)
            .map(|(flight, record)| Run { flight, order: [record].into(), at: 0, end: 1 })
            .collect();
        runs.extend(queue.runs.drain(..));
        (queue.records, queue.bytes, queue.oldest, queue.hold) = (0, 0, None, None);
        self.publish(queue);
        runs
    }

    fn publish(&self, queue: &Queue) {
        self.waiting.store(queue.records, Ordering::Relaxed);
    }
}

impl Queue {
    /// Whether a batch may go now, and else when to ask again.
    fn ready(&self, pace: &Pace, load: Load, now: Instant) -> Result<(), Next> {
        if self.unreported > 0 || self.records == 0 {
            return Err(Next::Event);
        }
        if let Some(hold) = &self.hold {
            return if now >= hold.until { Ok(()) } else { Err(Next::At(hold.until)) };
        }
        let full = self.records >= pace.records_max || self.bytes >= pace.bytes_max;
        let calm = load.waiting < PRESSURE_RECORDS || load.flying == 0;
        let ripe = self.oldest.map_or(now, |oldest| oldest + pace.linger);
        if full || calm || !self.again.is_empty() || now >= ripe {
            Ok(())
        } else {
            Err(Next::At(ripe))
        }
    }

    /// Moves the next batch into `hand_over`.
    fn fill(&mut self, pace: &Pace, now: Instant) {
        let narrow = self.narrow.as_ref().map_or(u32::MAX, |narrow| narrow.records_max);
        let records_max = pace.records_max.min(narrow).max(1) as usize;
        let mut bytes = 0;
        // Records that go again make a batch of their own, so that a verdict can be narrowed down
        // to one of them.
        while let Some((flight, record)) = self.again.front() {
            let size = cost(flight, *record);
            if self.hand_over.len() >= records_max || (bytes > 0 && bytes + size > pace.bytes_max) {
                break;
            }
            bytes += size;
            self.hand_over.push(flight, *record);
            let (flight, _) = self.again.pop_front().expect("the front was there");
            hold_flight(&mut self.flying, flight);
        }
        if self.hand_over.len() == 0 {
            bytes = self.fill_from_runs(records_max, pace.bytes_max);
        }
        self.records -= self.hand_over.len() as u32;
        self.bytes -= bytes.min(self.bytes);
        // What is left came before now; its linger starts with the batch that goes.
        self.oldest = (self.records > 0).then_some(now);
    }

    fn fill_from_runs(&mut self, records_max: usize, bytes_max: u64) -> u64 {
        let mut bytes = 0;
        while let Some(run) = self.runs.front_mut() {
            hold_flight(&mut self.flying, run.flight.clone());
            while run.at < run.end {
                let record = run.record(run.at);
                let size = cost(&run.flight, record);
                if self.hand_over.len() >= records_max || (bytes > 0 && bytes + size > bytes_max) {
                    return bytes;
                }
                bytes += size;
                self.hand_over.push(&run.flight, record);
                run.at += 1;
            }
            self.runs.pop_front();
        }
        bytes
    }

    /// The flight and index of a record that is away.
    fn of(&self, receipt: *const Receipt) -> (Arc<Flight>, u32) {
        // SAFETY: the receipt is of a record of the batch that is away, whose flights are all in
        // `flying`.
        let receipt = unsafe { &*receipt };
        let flight =
            self.flying.iter().find(|flight| ptr::eq(&raw const ***flight, receipt.flight()));
        (flight.expect("the flights of the batch are held").clone(), receipt.record())
    }

    /// All records of the batch are reported.
    fn finish(&mut self, policy: Policy, now: Instant) -> Finished {
        let mut finished = Finished::default();
        let alone = self.flying_records == 1;
        let (mut hold, mut asks) = (None, false);
        let mut failed = std::mem::take(&mut self.failed);
        let (places, passed_through) = self.in_order(&mut failed);
        if failed.is_empty() {
            self.passed();
            finished.took = self.flying_since.map(|since| now.saturating_duration_since(since));
        }
        let mut again = Vec::new();
        let blamed = failed.iter().any(|(_, _, fate, ..)| *fate == Fate::Blamed);
        for (place, (record, flight, fate, cause, maybe_written)) in places.zip(failed) {
            finished.rebuild |= fate == Fate::Rebuild;
            let receipt = flight.receipt(record);
            if maybe_written {
                receipt.settle(Settled::Unknown(cause));
                continue;
            }
            if fate == Fate::Blamed && alone && cause.is_size() {
                let bytes_max = policy.record_bytes_max;
                // Who knows a limit that this record is within is asking for the new one now.
                asks = self.hold.is_none()
                    && flight.is_splittable()
                    && !flight.is_part()
                    && flight.encoded.is_beyond(record, 0)
                    && !flight.encoded.is_beyond(record, bytes_max);
                if !asks && self.split(&flight, record, bytes_max) {
                    finished.is_split = true;
                    continue;
                }
            }
            let cause = match fate {
                Fate::Blamed if alone => {
                    let bytes = flight.encoded.record(record).len();
                    cause.with_sizes(bytes, policy.record_bytes_max)
                }
                Fate::Blamed | Fate::Again | Fate::Rebuild => cause,
            };
            if fate == Fate::Blamed && alone && policy.drops_blamed && !asks {
                finished.rejected += flight.encoded.rows.of(record).count() as u64;
                if flight.has_letters() {
                    finished.letters.push((flight, record, cause));
                } else {
                    receipt.settle(Settled::Rejected(cause));
                }
                continue;
            }
            if fate == Fate::Again || (fate == Fate::Blamed && alone && !asks) {
                let cause =
                    if alone { naming(&flight.encoded.rows, record, &cause) } else { cause };
                flight.hold(Some(cause.clone()));
                finished.is_blocked |= fate == Fate::Blamed;
                hold = Some(cause);
            }
            self.bytes += cost(&flight, record);
            self.records += 1;
            finished.overtaken += u64::from(place < passed_through);
            again.push((flight, record));
        }
        // In front of those that failed with them before: a lane never changes their order.
        again.into_iter().rev().for_each(|record| self.again.push_front(record));
        if blamed {
            let records_max = (self.flying_records / 2).max(1);
            self.narrow = Some(Narrow { records_max, passed: 0 });
        }
        self.hold = (hold.is_some() || asks).then(|| {
            let backoff = self.hold.as_ref().map_or(BACKOFF.0, |hold| hold.backoff * 2);
            let backoff = backoff.min(BACKOFF.1);
            Hold { until: now + backoff, backoff }
        });
        finished.held = hold;
        if self.records > 0 {
            self.oldest.get_or_insert(now);
        }
        self.flying.clear();
        finished
    }

    /// Sorts records of the batch that failed as they were handed over: a purge reports what librdkafka
    /// has queued before what is in flight. Returns their places, and the one behind the last that is
    /// stored, or may be.
    fn in_order(&self, failed: &mut [Missed]) -> (std::vec::IntoIter<u32>, u32) {
        if failed.is_empty() {
            return (Vec::new().into_iter(), self.flying_records);
        }
        let places: HashMap<*const Receipt, u32> = self.hand_over.receipts().zip(0..).collect();
        let place = |(record, flight, ..): &Missed| places[&ptr::from_ref(flight.receipt(*record))];
        failed.sort_by_cached_key(place);
        let mut passed_through = self.flying_records;
        for missed in failed.iter().rev().take_while(|(.., maybe_written)| !maybe_written) {
            if place(missed) + 1 != passed_through {
                break;
            }
            passed_through -= 1;
        }
        (failed.iter().map(place).collect::<Vec<_>>().into_iter(), passed_through)
    }

    /// Puts parts in the place of a record that is too large, and of all that wait of its batch and
    /// are so, too. False if it has no parts.
    fn split(&mut self, flight: &Arc<Flight>, record: u32, bytes_max: usize) -> bool {
        let bytes = flight.encoded.record(record).len();
        let (bytes_max, fit) = Fit::below(bytes, bytes_max);
        if !flight.is_splittable() || !flight.encoded.is_beyond(record, bytes_max) {
            return false;
        }
        let is_it = |of: &Arc<Flight>, record| {
            Arc::ptr_eq(of, flight) && flight.encoded.is_beyond(record, bytes_max)
        };
        let again = self.again.iter().filter(|(of, record)| is_it(of, *record));
        let runs = self.runs.iter().flat_map(Run::records);
        let waiting = again.map(|(_, record)| *record);
        let waiting =
            waiting.chain(runs.filter(|(of, record)| is_it(of, *record)).map(|(_, record)| record));
        let records: Vec<u32> = std::iter::once(record).chain(waiting).collect();
        let Some(parts) = Flight::split(flight, &records, fit) else { return false };
        let mut parts = records.into_iter().zip(parts);
        let (_, first) = parts.next().expect("it is the first of them");
        let parts: BTreeMap<u32, Arc<Flight>> = parts.collect();
        let part = |of: &Arc<Flight>, record: u32| {
            parts.get(&record).filter(|_| Arc::ptr_eq(of, flight)).cloned()
        };
        let again = std::mem::take(&mut self.again).into_iter();
        let mut after: VecDeque<_> = each(first).collect();
        for (of, record) in again {
            match part(&of, record) {
                Some(part) => after.extend(each(part)),
                None => after.push_back((of, record)),
            }
        }
        self.again = after;
        for run in std::mem::take(&mut self.runs) {
            run.with_parts(&part, &mut self.runs);
        }
        let again = self.again.iter().map(|(flight, record)| cost(flight, *record)).sum::<u64>();
        self.bytes = again + self.runs.iter().map(Run::bytes).sum::<u64>();
        let runs = self.runs.iter().map(|run| run.end - run.at).sum::<u32>();
        self.records = self.again.len() as u32 + runs;
        true
    }

    /// A batch passed whole.
    fn passed(&mut self) {
        // Only what this lane said: another lane may still hold records of the same batch.
        if self.hold.is_some() {
            for flight in &self.flying {
                flight.hold(None);
            }
        }
        if let Some(narrow) = &mut self.narrow {
            narrow.passed += 1;
            if narrow.passed >= RECOVERY_BATCHES {
                narrow.passed = 0;
                narrow.records_max = narrow.records_max.saturating_mul(2);
            }
        }
        self.narrow.take_if(|narrow| narrow.records_max >= RECORDS_MAX);
    }

    /// Records that librdkafka has.
    pub fn unreported(&self) -> u32 {
        self.unreported
    }
}

impl Run {
    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<Flight>, u32)> {
        (self.at..self.end).map(|place| (&self.flight, self.record(place)))
    }

    /// Puts it behind these, with the parts of those records that have some.
    fn with_parts(
        self,
        part: &impl Fn(&Arc<Flight>, u32) -> Option<Arc<Flight>>,
        runs: &mut VecDeque<Self>,
    ) {
        let mut at = self.at;
        let until = |at: u32, end: u32| {
            let (flight, order) = (self.flight.clone(), self.order.clone());
            Self { flight, order, at, end }
        };
        for place in self.at..self.end {
            let Some(flight) = part(&self.flight, self.record(place)) else { continue };
            runs.extend((at < place).then(|| until(at, place)));
            let end = flight.encoded.ends.len() as u32;
            runs.push_back(Self { flight, order: Arc::new([]), at: 0, end });
            at = place + 1;
        }
        runs.extend((at < self.end).then(|| until(at, self.end)));
    }

    fn record(&self, place: u32) -> u32 {
        if self.order.is_empty() { place } else { self.order[place as usize] }
    }

    /// What its records cost in a Kafka batch.
    fn bytes(&self) -> u64 {
        let records = u64::from(self.end - self.at);
        let sum: u64 = if self.order.is_empty() {
            let ends = &self.flight.encoded.ends;
            let start = if self.at == 0 { 0 } else { ends[self.at as usize - 1] };
            u64::from(ends[self.end as usize - 1] - start)
        } else {
            let places = self.at..self.end;
            places.map(|at| self.flight.encoded.record(self.record(at)).len() as u64).sum()
        };
        sum + records * (BATCH_RECORD_OVERHEAD_BYTES + self.flight.encoded.header_bytes())
    }
}

/// A cause that says which rows wait for it.
fn naming(rows: &Rows, record: u32, cause: &Cause) -> Cause {
    let which = match (rows.first(record), rows.last(record)) {
        (first, _) if rows.ends.is_empty() => format!("row {first} of its batch waits"),
        (first, last) if first == last => format!("row {first}, counted from this batch on, waits"),
        // They may be rows of several batches, of which the first is the one held.
        (first, last) => format!("rows {first} to {last}, counted from this batch on, wait"),
    };
    Cause::new(cause.code, format!("{which}. {}", cause.text))
}

/// All records of a flight.
fn each(flight: Arc<Flight>) -> impl Iterator<Item = (Arc<Flight>, u32)> {
    let records = flight.encoded.ends.len() as u32;
    (0..records).map(move |record| (flight.clone(), record))
}

fn cost(flight: &Flight, record: u32) -> u64 {
    let encoded = &flight.encoded;
    encoded.record(record).len() as u64 + BATCH_RECORD_OVERHEAD_BYTES + encoded.header_bytes()
}

fn hold_flight(flying: &mut Vec<Arc<Flight>>, flight: Arc<Flight>) {
    if flying.last().is_none_or(|last| !Arc::ptr_eq(last, &flight)) {
        flying.push(flight);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{
        super::{
            receipt::{Encoded, Ticket},
            share_out,
        },
        *,
    };

    /// Hands over what may go, as many as said, of which these fail by their places. How many were
    /// overtaken.
    fn overtaken(lane: &Lane, records: u32, fate: Fate, failed: &[usize]) -> u64 {
        let policy = Policy { drops_blamed: false, record_bytes_max: 1_000 };
        let pace = Pace { linger: Duration::ZERO, records_max: 100, bytes_max: 10_000 };
        let (mut queue, now) = (lane.lock(), Instant::now());
        queue.hold = None;
        assert_eq!(lane.take(&mut queue, &pace, Load { waiting: 0, flying: 0 }, now), Ok(records));
        let receipts: Vec<_> = queue.hand_over.receipts().collect();
        let fail = |place: &usize| {
            let (partition, code, maybe_written) = (0, 87, false);
            Failed { partition, receipt: receipts[*place], code, maybe_written }
        };
        let failed: Vec<Failed> = failed.iter().map(fail).collect();
        let cause = Cause::new("ROW_REFUSED", "refused");
        let failed: Vec<_> = failed.iter().map(|failed| (failed, fate, cause.clone())).collect();
        lane.report(&mut queue, records, &failed, policy, now).overtaken
    }

    async fn flight(records: u32) -> (Arc<Flight>, Ticket) {
        let (bytes, ends) = (vec![b'x'; records as usize], (1..=records).collect());
        let room = share_out(100, 1).remove(0).reserve(10).await;
        Flight::launch(Encoded { bytes, ends, ..Encoded::default() }, room)
    }

    fn push(lane: &Lane, flight: &Arc<Flight>, records: Range<u32>) {
        let Range { start: at, end } = records;
        let run = Run { flight: flight.clone(), order: Arc::new([]), at, end };
        lane.push(&mut lane.lock(), run, Instant::now());
    }

    fn waits(lane: &Lane) -> Vec<(*const Flight, u32)> {
        let queue = lane.lock();
        queue.again.iter().map(|(flight, record)| (Arc::as_ptr(flight), *record)).collect()
    }

    #[tokio::test]
    async fn records_that_go_again_behind_one_that_is_stored_are_counted() {
        let (flight, _ticket) = flight(9).await;
        let lane = Lane::new(0);
        push(&lane, &flight, 0..9);
        assert_eq!(
            overtaken(&lane, 9, Fate::Blamed, &[8, 7, 6, 5, 4, 3, 2, 1, 0]),
            0,
            "none passed"
        );
        assert_eq!(overtaken(&lane, 4, Fate::Blamed, &[3]), 0, "those before it passed");
        assert_eq!(overtaken(&lane, 2, Fate::Blamed, &[0]), 1, "the one behind it passed");
        // As they would be without a verdict that is narrowed down.
        lane.lock().narrow = None;
        assert_eq!(overtaken(&lane, 5, Fate::Again, &[0, 2, 4]), 2, "none passed behind the last");
        assert_eq!(overtaken(&lane, 3, Fate::Blamed, &[0, 1, 2]), 0, "none passed");
        assert_eq!(overtaken(&lane, 1, Fate::Blamed, &[0]), 0, "it stands alone");
    }

    #[tokio::test]
    async fn records_that_fail_keep_their_order_also_where_batches_take_turns() {
        let (one, _ticket) = flight(3).await;
        let (other, _ticket) = flight(2).await;
        let lane = Lane::new(0);
        // As where a record is split, whose parts stand between those before and behind it.
        push(&lane, &one, 0..1);
        push(&lane, &other, 0..2);
        push(&lane, &one, 1..3);
        assert_eq!(overtaken(&lane, 5, Fate::Again, &[4, 0, 1, 3, 2]), 0, "none passed");
        let at = |flight, record| (Arc::as_ptr(flight), record);
        let order = [at(&one, 0), at(&other, 0), at(&other, 1), at(&one, 1), at(&one, 2)];
        assert_eq!(waits(&lane), order);
    }
}
