//! Keeps hand-overs and flushes apart.
//!
//! A hand-over must leave as one request (see [`super::lane`]), but librdkafka's broker thread
//! wakes with its first record. So librdkafka pauses before it sends, and counts the pause in whole
//! milliseconds. When little is on its way nothing is gained by that, and the poll thread ends it:
//! it flushes, and what was handed over leaves at once. Meanwhile no hand-over may be half done,
//! and none begins.
use std::sync::atomic::{AtomicU32, Ordering};

/// Set while somebody flushes.
const CLOSED: u32 = 1 << 31;

/// Counts who hands over; closed while somebody flushes.
#[derive(Default)]
pub struct Gate(AtomicU32);

/// A hand-over; ends when dropped.
pub struct Passage<'a>(&'a Gate);

impl Gate {
    /// Begins a hand-over. `None` while somebody flushes.
    pub fn pass(&self) -> Option<Passage<'_>> {
        let open = |state| (state & CLOSED == 0).then_some(state + 1);
        let passed = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, open);
        passed.ok().map(|_| Passage(self))
    }

    /// Does `flush` if nobody hands over; `None` if somebody does.
    pub fn closed<T>(&self, flush: impl FnOnce() -> T) -> Option<T> {
        self.0.compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        let done = flush();
        self.0.store(0, Ordering::SeqCst);
        Some(done)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hands_over_keeps_it_open_and_who_flushes_keeps_it_closed() {
        let gate = Gate::default();
        let (first, second) = (gate.pass().unwrap(), gate.pass().unwrap());
        drop(first);
        assert_eq!(gate.closed(|| ()), None);
        drop(second);
        assert_eq!(gate.closed(|| gate.pass().is_none()), Some(true));
        assert!(gate.pass().is_some());
    }
}
