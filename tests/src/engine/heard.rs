//! What a load has heard for a while: how much, how long it took, and what was said of what waits.

use std::time::{Duration, Instant};

/// What a load has heard for a while.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Rows that were acknowledged.
    pub rows: u64,
    /// For how long.
    pub time: Duration,
    /// The longest time without an acknowledgement.
    pub longest_gap: Duration,
    /// From sending to acknowledgement, of every batch, in ascending order.
    pub(super) latencies: Vec<Duration>,
}

/// The same while it is heard.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) since: Instant,
    pub(super) last: Instant,
    pub(super) longest_gap: Duration,
    pub(super) rows: u64,
    pub(super) latencies: Vec<Duration>,
    /// Which batch waits, and why, as the service has said last.
    pub(super) held: Option<(u64, String)>,
    /// How the last stream has ended, after which there is no other.
    pub(super) over: Option<String>,
}

impl Heard {
    /// Rows a second.
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.time.as_secs_f64()
    }

    /// The latency that so many of a hundred batches do not exceed.
    ///
    /// # Panics
    /// When nothing was acknowledged.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().checked_sub(1).expect("batches were acknowledged");
        self.latencies[last * percent / 100]
    }
}

impl Log {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let (longest_gap, rows, latencies) = (Duration::ZERO, 0, Vec::new());
        Self { since: now, last: now, longest_gap, rows, latencies, held: None, over: None }
    }

    pub(super) fn progress(&mut self, now: Instant) {
        self.longest_gap = self.longest_gap.max(now - self.last);
        self.last = now;
    }
}
