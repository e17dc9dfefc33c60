//! Taps: samples of the records that are on their way to an output, for a person who looks.
//!
//! As long as nobody looks a batch pays one relaxed load. A tap is bounded in what it takes: so
//! many records a second, copies of so many bytes, a queue of so many lines. What its reader is too
//! slow for is left out and counted; rows never wait for it.
mod sample;

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_stream::Stream;

use self::sample::Pick;
pub use self::sample::{Batch, Source};
use crate::{kafka::Encoded, partition::Routes};

/// The shortest time between two samples of a tap, on average. What was left of a second may come
/// at once, so that of few rows all are seen: no second has more than 100.
pub const EVERY_MIN: Duration = Duration::from_millis(20);

/// Lines that wait for a tap's reader.
const LINES_MAX: usize = 256;

/// And their bytes; the last of them may be beyond.
const QUEUE_BYTES_MAX: usize = 1 << 20;

/// A reader that takes nothing for so long while lines wait loses its place.
const STALLED_MAX: Duration = Duration::from_secs(60);

/// A line comes at least so often, so that a reader can tell silence from a dead service.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What a reader wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Records of this writer alone.
    pub writer: Option<String>,
    /// The time between two samples, on average; not below [`EVERY_MIN`].
    pub every: Duration,
}

/// The taps of one output.
#[derive(Default)]
pub struct Taps {
    open: AtomicUsize,
    list: Mutex<Vec<Arc<Tap>>>,
}

/// One tap, as rows meet it.
struct Tap {
    wanted: Wanted,
    seen: Arc<Seen>,
    state: Mutex<State>,
    lines: mpsc::Sender<Bytes>,
}

/// What a tap and its reader share.
#[derive(Default)]
struct Seen {
    queued_bytes: AtomicUsize,
    /// Records that have passed since the last sample.
    passed: AtomicU64,
    /// Samples that the reader was too slow for since the last one it got.
    dropped: AtomicU64,
}

struct State {
    /// Samples that may be taken now.
    tokens: f64,
    counted: Instant,
    /// Since when the reader takes nothing.
    stalled: Option<Instant>,
    /// The Avro schema that the reader has been told, by its fingerprint.
    schema: Option<u64>,
}

/// A tap as its reader has it: lines of JSON. Dropping it ends the tap.
pub struct Tapping {
    taps: Arc<Taps>,
    seen: Arc<Seen>,
    lines: mpsc::Receiver<Bytes>,
    first: Option<Bytes>,
    heartbeat: Interval,
    /// Its place among those who may look at once. Not the tap's: batches that wait for Kafka hold
    /// that for as long as they do.
    _place: OwnedSemaphorePermit,
}

/// Samples of records that are about to go, of each tap.
#[derive(Default)]
pub struct Drawn(Vec<(Arc<Tap>, Vec<Pick>)>);

impl Taps {
    /// Whether anybody looks.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Opens a tap, whose first line is this one.
    pub fn open(
        self: &Arc<Self>,
        wanted: Wanted,
        first: &serde_json::Value,
        place: OwnedSemaphorePermit,
    ) -> Tapping {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let seen = Arc::<Seen>::default();
        let state = State {
            tokens: burst(wanted.every),
            counted: Instant::now(),
            stalled: None,
            schema: None,
        };
        let tap = Tap { wanted, seen: seen.clone(), state: Mutex::new(state), lines: sender };
        let mut list = self.list.lock().expect("nothing panics in it");
        list.push(Arc::new(tap));
        self.open.store(list.len(), Ordering::Relaxed);
        drop(list);
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let first = Some(line(first));
        Tapping { taps: self.clone(), seen, lines, first, heartbeat, _place: place }
    }

    /// Takes samples of records that are about to go, as far as the taps want some now.
    pub fn draw(&self, source: &Source<'_>) -> Drawn {
        let taps = self.list.lock().expect("nothing panics in it").clone();
        let wanting = taps.into_iter().filter(|tap| tap.wants(source.writer));
        let now = Instant::now();
        let draw = |tap: Arc<Tap>| match tap.draw(source, now) {
            Some(picks) => Some((tap, picks)),
            None => {
                self.close(&tap.seen);
                None
            }
        };
        Drawn(wanting.filter_map(draw).collect())
    }

    /// The output ends, and every tap with it.
    pub fn end(&self) {
        let mut list = self.list.lock().expect("nothing panics in it");
        list.clear();
        self.open.store(0, Ordering::Relaxed);
    }

    fn close(&self, seen: &Arc<Seen>) {
        let mut list = self.list.lock().expect("nothing panics in it");
        list.retain(|tap| !Arc::ptr_eq(&tap.seen, seen));
        self.open.store(list.len(), Ordering::Relaxed);
    }
}

impl Tap {
    fn wants(&self, writer: &str) -> bool {
        self.wanted.writer.as_deref().is_none_or(|wanted| wanted == writer)
    }

    /// Whether the reader has not taken what is there for it.
    fn is_full(&self) -> bool {
        self.lines.capacity() == 0
            || self.seen.queued_bytes.load(Ordering::Relaxed) >= QUEUE_BYTES_MAX
    }

    /// Samples of these records; `None` if the reader has stopped to read.
    fn draw(&self, source: &Source<'_>, now: Instant) -> Option<Vec<Pick>> {
        let records = source.encoded.ends.len() as u32;
        let mut state = self.state.lock().expect("nothing panics in it");
        let count = state.take(records, self.wanted.every, now);
        if count == 0 {
            return Some(Vec::new());
        }
        if self.is_full() {
            self.seen.dropped.fetch_add(count.into(), Ordering::Relaxed);
            let since = *state.stalled.get_or_insert(now);
            return (now.saturating_duration_since(since) < STALLED_MAX).then(Vec::new);
        }
        state.stalled = None;
        let told = state.schema;
        drop(state);
        Some(source.picks(spread(records, count), told))
    }

    /// Hands samples to the reader, whose records go to these partitions now.
    fn show(&self, picks: Vec<Pick>, encoded: &Encoded, partitions: &[i32]) {
        let seen = &self.seen;
        let (mut behind, all) = (0, encoded.ends.len() as u64);
        for pick in picks {
            let through = u64::from(pick.record) + 1;
            if self.is_full() {
                seen.passed.fetch_add(through - behind, Ordering::Relaxed);
                seen.dropped.fetch_add(1, Ordering::Relaxed);
                behind = through;
                continue;
            }
            // Other writers count at the same time: what is told here, they do not tell.
            let of = seen.passed.swap(0, Ordering::Relaxed) + through - behind;
            let dropped = seen.dropped.swap(0, Ordering::Relaxed);
            behind = through;
            let partition = partitions[pick.record as usize];
            let line = line(&pick.line(encoded, partition, of, dropped));
            let bytes = line.len();
            seen.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
            if self.lines.try_send(line).is_err() {
                seen.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
                seen.passed.fetch_add(of, Ordering::Relaxed);
                seen.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
                continue;
            }
            if let Some((_, fingerprint)) = pick.schema {
                self.state.lock().expect("nothing panics in it").schema = Some(fingerprint);
            }
        }
        seen.passed.fetch_add(all - behind, Ordering::Relaxed);
    }
}

impl State {
    /// How many of so many records may be samples.
    fn take(&mut self, records: u32, every: Duration, now: Instant) -> u32 {
        let time = now.saturating_duration_since(self.counted);
        self.counted = now;
        let tokens = self.tokens + time.as_secs_f64() / every.as_secs_f64();
        self.tokens = tokens.min(burst(every));
        let count = (self.tokens as u32).min(records);
        self.tokens -= f64::from(count);
        count
    }
}

/// What of a second may come at once.
fn burst(every: Duration) -> f64 {
    (1.0 / every.as_secs_f64()).max(1.0)
}

/// So many of these records, all over them: a writer's batches may begin alike.
fn spread(records: u32, count: u32) -> impl Iterator<Item = u32> {
    let (records, count) = (u64::from(records), u64::from(count));
    let shift = fastrand::u64(0..records);
    (0..count).map(move |index| ((index * records + shift) / count) as u32)
}

fn line(json: &impl serde::Serialize) -> Bytes {
    let mut line = serde_json::to_vec(json).expect("its maps have keys of text alone");
    line.push(b'\n');
    line.into()
}

impl Drawn {
    /// Shows the samples: their records are handed over now.
    pub fn show(self, encoded: &Encoded, routes: &Routes) {
        if self.0.is_empty() {
            return;
        }
        let is_picked = self.0.iter().any(|(_, picks)| !picks.is_empty());
        let partitions = if is_picked { routes.partitions() } else { Vec::new() };
        for (tap, picks) in self.0 {
            tap.show(picks, encoded, &partitions);
        }
    }
}

impl Stream for Tapping {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match self.lines.poll_recv(context) {
            Poll::Ready(Some(line)) => {
                self.heartbeat.reset();
                self.seen.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                return Poll::Ready(Some(Ok(line)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        self.heartbeat.poll_tick(context).map(|_| {
            let [passed, dropped] = [&self.seen.passed, &self.seen.dropped]
                .map(|counted| counted.load(Ordering::Relaxed));
            Some(Ok(line(&json!({ "passed": passed, "dropped": dropped }))))
        })
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        self.taps.close(&self.seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_all_over_the_records_and_none_comes_twice() {
        for (records, count) in [(1, 1), (7, 7), (1_000, 3), (1_000_000, 50), (u32::MAX, 50)] {
            let drawn: Vec<u32> = spread(records, count).collect();
            assert_eq!(drawn.len(), count as usize);
            assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
            assert!(drawn.iter().all(|record| *record < records), "{drawn:?}");
        }
    }

    #[test]
    fn no_second_has_more_than_a_hundred_samples() {
        let start = Instant::now();
        let (tokens, every) = (burst(EVERY_MIN), EVERY_MIN);
        let mut state = State { tokens, counted: start, stalled: None, schema: None };
        let taken: Vec<u32> = (0..3_000_u64)
            .map(|ms| state.take(1_000, every, start + Duration::from_millis(ms)))
            .collect();
        let most = taken.windows(1_000).map(|second| second.iter().sum::<u32>()).max();
        assert!(most <= Some(100) && most > Some(90), "{most:?}");
        let mut slow = State { tokens: 1.0, counted: start, stalled: None, schema: None };
        let taken = |ms| slow.take(9, Duration::from_secs(1), start + Duration::from_millis(ms));
        assert_eq!([0, 999, 1_001, 1_500, 60_000].map(taken), [1, 0, 1, 0, 1]);
    }
}
