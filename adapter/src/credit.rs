//! Credit: how much each stream may have unacknowledged, drawn from one pool.
//!
//! Half of the pool is dealt out in equal floors, one for each stream that may be live, so that
//! there is always room for the next; the other half goes to the first and to the busy. What has
//! been set aside for a stream stays so until it ends.
//!
//! The *window* that its engine is told is a part of that, and starts small: bytes that are on
//! their way beyond what keeps Kafka busy only wait, arrive no sooner, and cost more, since memory
//! that is in no cache is slow (a row from 20 engines at full speed took 1.5 times the CPU when
//! each had 16 MiB on its way). A window grows freely to its part of a lean sum; beyond that only
//! while acknowledgements come as fast as the broker answers, so that more on the way means more
//! rows a second (the rule of TCP Vegas: a round trip beyond the shortest is a queue).
use std::time::Duration;

use crate::sync::{Arc, Mutex};

/// A stream's largest credit, in bytes.
const CREDIT_BYTES_MAX: u64 = 16 << 20;

/// A stream's first window, in bytes.
const WINDOW_BYTES: u64 = 256 << 10;

/// Batches of which the mean time to the acknowledgement says something.
const ROUND_BATCHES_MIN: u32 = 8;

/// What the windows of all streams may come to before more has to be earned, in bytes.
const LEAN_BYTES: u64 = 8 << 20;

/// Batches that a stream may have unacknowledged.
pub const CREDIT_BATCHES: u32 = 256;

/// The pool of all streams.
pub struct Pool {
    state: Arc<Mutex<State>>,
    floor_bytes: u64,
    message_bytes_max: u64,
    streams_max: usize,
}

struct State {
    common_bytes: u64,
    streams: usize,
}

/// What one stream may have unacknowledged; given back when dropped.
pub struct Credit {
    state: Arc<Mutex<State>>,
    floor_bytes: u64,
    extra_bytes: u64,
    window_bytes: u64,
    round: Round,
}

/// What a stream made of its credit since it was looked at last.
#[derive(Default)]
struct Round {
    /// The most that was unacknowledged.
    peak_bytes: u64,
    acknowledged_bytes: u64,
    batches: u32,
    /// The sum of the times to the acknowledgements.
    waited: Duration,
}

impl Pool {
    /// A pool of `bytes` for at most `streams_max` streams, none of which sends messages larger
    /// than `message_bytes_max`.
    pub fn new(bytes: u64, streams_max: usize, message_bytes_max: u64) -> Self {
        let floor_bytes = bytes / 2 / streams_max.max(1) as u64;
        let state = State { common_bytes: bytes / 2, streams: 0 };
        Self { state: Arc::new(Mutex::new(state)), floor_bytes, message_bytes_max, streams_max }
    }

    /// Credit for a new stream; `None` if as many as may be are live.
    pub fn open(&self) -> Option<Credit> {
        let mut state = self.state.lock().expect("nothing panics in it");
        if state.streams == self.streams_max {
            return None;
        }
        state.streams += 1;
        // A quarter of what is left keeps the first streams from taking it all.
        let wanted = self.message_bytes_max.saturating_sub(self.floor_bytes);
        let extra_bytes = wanted.min(state.common_bytes / 4);
        state.common_bytes -= extra_bytes;
        let floor_bytes = self.floor_bytes;
        let window_bytes = WINDOW_BYTES.min(floor_bytes + extra_bytes);
        Some(Credit {
            state: self.state.clone(),
            floor_bytes,
            extra_bytes,
            window_bytes,
            round: Round::default(),
        })
    }

    /// Most streams at once.
    pub fn streams_max(&self) -> usize {
        self.streams_max
    }
}

impl Credit {
    /// Bytes that the engine may have unacknowledged: its window.
    pub fn bytes(&self) -> u64 {
        self.window_bytes
    }

    /// Bytes for which there is memory, however many batches they are.
    pub fn set_aside_bytes(&self) -> u64 {
        self.floor_bytes + self.extra_bytes
    }

    /// So much is unacknowledged now.
    pub fn used(&mut self, unacknowledged_bytes: u64) {
        self.round.peak_bytes = self.round.peak_bytes.max(unacknowledged_bytes);
    }

    /// A batch is settled after `waited`; its acknowledgement is prompt within `prompt`, which is
    /// asked for at the end of a round. True if the window grew.
    pub fn settled(
        &mut self,
        batch_bytes: u64,
        waited: Duration,
        prompt: impl FnOnce() -> Duration,
    ) -> bool {
        let round = &mut self.round;
        round.acknowledged_bytes += batch_bytes;
        round.batches += 1;
        round.waited += waited;
        // What one does not use is left for others.
        let used = round.peak_bytes * 2 > self.window_bytes;
        let long = round.acknowledged_bytes >= 2 * self.window_bytes;
        let ends = long && round.batches >= ROUND_BATCHES_MIN;
        let mut earned = false;
        if ends {
            earned = used && round.waited / round.batches <= prompt();
            self.round = Round::default();
        }
        used && self.grow(earned)
    }

    /// Widens the window to what is free, or to twice as much if that is `earned`.
    fn grow(&mut self, earned: bool) -> bool {
        let window = self.window_bytes;
        let mut state = self.state.lock().expect("nothing panics in it");
        let free = LEAN_BYTES / state.streams as u64;
        let wanted = if earned { free.max(2 * window) } else { free }.min(CREDIT_BYTES_MAX);
        let more = wanted.saturating_sub(self.set_aside_bytes()).min(state.common_bytes / 4);
        state.common_bytes -= more;
        self.extra_bytes += more;
        self.window_bytes = wanted.min(self.floor_bytes + self.extra_bytes).max(window);
        self.window_bytes > window
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let mut state = self.state.lock().expect("nothing panics in it");
        state.streams -= 1;
        state.common_bytes += self.extra_bytes;
    }
}
