//! Lines of the log that a stranger can cause: so many, and then the number of those left out.
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lines in [`PERIOD`].
const LINES_MAX: u32 = 20;

/// After this there may be as many again.
const PERIOD: Duration = Duration::from_secs(10);

/// Bounds how often something is said.
pub struct QuietLog(Mutex<State>);

struct State {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl QuietLog {
    /// Nothing is said yet.
    pub fn new() -> Self {
        Self(Mutex::new(State { since: Instant::now(), lines: 0, suppressed: 0 }))
    }

    /// Says something unless too much was said: `say` gets the number of lines that were left out
    /// since the last one.
    pub fn warn(&self, say: impl FnOnce(u64)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.elapsed() >= PERIOD {
            (state.since, state.lines) = (Instant::now(), 0);
        }
        if state.lines == LINES_MAX {
            state.suppressed += 1;
            return;
        }
        state.lines += 1;
        let suppressed = std::mem::take(&mut state.suppressed);
        drop(state);
        say(suppressed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let (log, mut said) = (QuietLog::new(), Vec::new());
        for _ in 0..100 {
            log.warn(|suppressed| said.push(suppressed));
        }
        assert_eq!(said, [0; LINES_MAX as usize]);
        log.0.lock().unwrap().since -= PERIOD;
        log.warn(|suppressed| said.push(suppressed));
        assert_eq!(said.last(), Some(&(100 - u64::from(LINES_MAX))));
    }
}
