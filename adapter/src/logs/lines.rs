//! Writes lines: at once, or, if the same was said a moment ago, as a count when its time is over.
use std::{
    io::Write,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use tracing::{Event, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    line::{Form, Line},
    repeats::Repeats,
};

/// Writes each event that comes to it.
pub(super) struct Lines<W>(Arc<Shared<W>>);

struct Shared<W> {
    form: Form,
    to: W,
    repeats: Mutex<Repeats>,
    /// Rings when something is counted.
    counted: Condvar,
    /// Somebody writes the counts.
    has_thread: AtomicBool,
}

/// What ends the writing.
pub(super) struct Writing(Box<dyn Fn() + Send + Sync>);

impl<W, T> Lines<W>
where
    W: Fn() -> T + Send + Sync + 'static,
    T: Write,
{
    /// Writes to what `to` makes, a whole line with each call.
    pub(super) fn new(form: Form, to: W) -> Self {
        Self(Arc::new(Shared {
            form,
            to,
            repeats: Mutex::default(),
            counted: Condvar::new(),
            has_thread: AtomicBool::new(false),
        }))
    }

    /// What writes the rest.
    pub(super) fn writing(&self) -> Writing {
        let shared = self.0.clone();
        Writing(Box::new(move || {
            let rest = shared.lock().ended(Instant::now(), true);
            rest.iter().for_each(|line| shared.write(line));
        }))
    }

    /// A process that never says anything twice has no such thread.
    fn count(&self) {
        if !self.0.has_thread.swap(true, Ordering::Relaxed) {
            let shared = self.0.clone();
            let counts = thread::Builder::new().name("log".to_owned());
            if counts.spawn(move || shared.write_counts()).is_err() {
                // The next one tries again.
                self.0.has_thread.store(false, Ordering::Relaxed);
            }
        }
        self.0.counted.notify_one();
    }
}

impl<W, T> Shared<W>
where
    W: Fn() -> T,
    T: Write,
{
    fn lock(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) {
        // Nobody could be told that nothing can be told.
        let _ = (self.to)().write_all(line.print(self.form).as_bytes());
    }

    fn write_counts(&self) {
        let mut repeats = self.lock();
        loop {
            let ended = repeats.ended(Instant::now(), false);
            if !ended.is_empty() {
                // Who logs does not wait for a reader of the log that is slow.
                drop(repeats);
                ended.iter().for_each(|line| self.write(line));
                repeats = self.lock();
                continue;
            }
            let poisoned = "nothing panics in it";
            repeats = match repeats.next_end() {
                None => self.counted.wait(repeats).expect(poisoned),
                Some(end) => {
                    let pause = end.saturating_duration_since(Instant::now());
                    self.counted.wait_timeout(repeats, pause).expect(poisoned).0
                }
            };
        }
    }
}

impl<S, W, T> Layer<S> for Lines<W>
where
    S: Subscriber,
    W: Fn() -> T + Send + Sync + 'static,
    T: Write,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Before the lock: what it shows is formatted by code of others.
        let line = Line::of(event);
        let admitted = self.0.lock().admit(line, Instant::now());
        match admitted {
            Some(line) => self.0.write(&line),
            None => self.count(),
        }
    }
}

impl Writing {
    /// Writes what was counted so far.
    pub(super) fn end(&self) {
        (self.0)();
    }
}
