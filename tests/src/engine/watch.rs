//! Watches from outside how far a writer is, for senders that are not ours to ask.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::Engine;
use crate::wait::{DEADLINE, wait_until};

/// Short against every gap that is measured.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks the service again and again; dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    end: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    durable_through: u64,
    last: Instant,
    longest_gap: Duration,
}

impl Watch {
    /// Watches a writer.
    pub fn start(engine: &Engine, output: &str, writer: &str) -> Self {
        let seen = Seen { durable_through: 0, last: Instant::now(), longest_gap: Duration::ZERO };
        let shared = Arc::new(Shared { end: AtomicBool::default(), seen: Mutex::new(seen) });
        let (engine, output, writer) = (engine.clone(), output.to_owned(), writer.to_owned());
        let looking = shared.clone();
        let look = move || {
            while !looking.end.load(Ordering::SeqCst) {
                looking.look(engine.writer(&output, &writer).durable_through);
                thread::sleep(LOOK_EVERY);
            }
        };
        Self { shared, thread: Some(thread::spawn(look)) }
    }

    /// Every batch up to here is durable.
    pub fn durable_through(&self) -> u64 {
        self.shared.seen().durable_through
    }

    /// Waits until so many batches more are durable, and returns how long that took.
    ///
    /// # Panics
    /// When it takes longer than the deadline.
    #[track_caller]
    pub fn wait_progress(&self, batches: u64) -> Duration {
        let (start, goal) = (Instant::now(), self.durable_through() + batches);
        wait_until("more batches are durable", DEADLINE, || self.durable_through() >= goal);
        start.elapsed()
    }

    /// The longest time without progress since the start or the last call.
    pub fn longest_gap(&self) -> Duration {
        let mut seen = self.shared.seen();
        let gap = seen.longest_gap.max(seen.last.elapsed());
        seen.longest_gap = Duration::ZERO;
        gap
    }
}

impl Shared {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, durable_through: u64) {
        let (mut seen, now) = (self.seen(), Instant::now());
        if durable_through > seen.durable_through {
            seen.longest_gap = seen.longest_gap.max(now - seen.last);
            (seen.durable_through, seen.last) = (durable_through, now);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A service that is gone ends it as well, with a panic of its own.
            let _ = thread.join();
        }
    }
}
