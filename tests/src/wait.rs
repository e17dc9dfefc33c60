//! Waiting for facts instead of time: every wait has a name and a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A deadline for anything that usually takes a few seconds at most; a busy machine needs more.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a fact is looked at: short against everything that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `fact` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the text says `what` was waited for.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, mut fact: impl FnMut() -> bool) {
    wait_for(what, deadline, || fact().then_some(()));
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// When nothing is found within `deadline`; the text says `what` was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}
