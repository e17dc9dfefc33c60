//! The round trip to the brokers: the least time between a hand-over and its last report, lately.
//!
//! The least, since everything that adds to it (a busy machine, other batches) is a queue; lately,
//! since the brokers may move.
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// A minimum is forgotten after one to two of these.
const PERIOD: Duration = Duration::from_secs(5);

/// The least of this period and of the one before.
pub struct RoundTrip {
    state: Mutex<State>,
}

struct State {
    since: Instant,
    least: Option<Duration>,
    before: Option<Duration>,
}

impl RoundTrip {
    /// Nothing measured yet.
    pub fn new() -> Self {
        let state = State { since: Instant::now(), least: None, before: None };
        Self { state: Mutex::new(state) }
    }

    /// A batch took so long.
    pub fn record(&self, took: Duration, now: Instant) {
        let mut state = self.state.lock().expect("nothing panics in it");
        if now.saturating_duration_since(state.since) >= PERIOD {
            state.before = state.least.take();
            state.since = now;
        }
        state.least = Some(state.least.map_or(took, |least| least.min(took)));
    }

    /// The least lately; `None` before the first batch.
    pub fn least(&self) -> Option<Duration> {
        let state = self.state.lock().expect("nothing panics in it");
        state.least.into_iter().chain(state.before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_counts_and_is_forgotten() {
        let (trip, start) = (RoundTrip::new(), Instant::now());
        assert_eq!(trip.least(), None);
        let ms = Duration::from_millis;
        for (took, after, least) in
            [(9, 0, 9), (3, 0, 3), (7, 1, 3), (8, 6, 3), (9, 9, 3), (9, 12, 8), (20, 40, 9)]
        {
            trip.record(ms(took), start + Duration::from_secs(after));
            assert_eq!(trip.least(), Some(ms(least)), "{took} ms after {after} s");
        }
    }
}
