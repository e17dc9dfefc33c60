//! Credit: how much each stream may have unacknowledged, drawn from one pool.
//!
//! Half of the pool is dealt out in equal floors, one for each stream that may be live, so that
//! there is always room for the next; the other half goes to the first and to the busy. What a
//! stream has been granted it keeps until it ends.
use crate::sync::{Arc, Mutex};

/// A stream's largest credit, in bytes.
const CREDIT_BYTES_MAX: u64 = 16 << 20;

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
        Some(Credit { state: self.state.clone(), floor_bytes: self.floor_bytes, extra_bytes })
    }

    /// Most streams at once.
    pub fn streams_max(&self) -> usize {
        self.streams_max
    }
}

impl Credit {
    /// Bytes that may be unacknowledged.
    pub fn bytes(&self) -> u64 {
        self.floor_bytes + self.extra_bytes
    }

    /// Doubles the credit if the pool can. True if it grew.
    pub fn grow(&mut self) -> bool {
        let more = self.bytes().min(CREDIT_BYTES_MAX.saturating_sub(self.bytes()));
        let mut state = self.state.lock().expect("nothing panics in it");
        let more = more.min(state.common_bytes / 4);
        state.common_bytes -= more;
        self.extra_bytes += more;
        more > 0
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        let mut state = self.state.lock().expect("nothing panics in it");
        state.streams -= 1;
        state.common_bytes += self.extra_bytes;
    }
}
