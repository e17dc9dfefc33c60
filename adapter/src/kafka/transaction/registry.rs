//! The writers of an output that are open.
use std::{
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use tokio::sync::watch;

use super::{
    super::{cause::Cause, renewal::Unsettled},
    writer::Shared,
};

/// All writers of an output.
#[derive(Default)]
pub(in super::super) struct Registry {
    live: Mutex<Vec<Weak<Shared>>>,
    /// Threads of writers.
    threads: watch::Sender<usize>,
    is_progress_good: Arc<AtomicBool>,
    given_up: Arc<AtomicU64>,
}

/// Writers whose rows wait for a reason of their own.
pub(in super::super) struct Waiting {
    /// How many.
    pub(in super::super) writers: usize,
    /// They are all that are open.
    pub(in super::super) are_all: bool,
    /// Why one of them waits.
    pub(in super::super) cause: Cause,
    /// Since when the first of them waits.
    pub(in super::super) since: SystemTime,
}

/// A place among the writers, as long as it lives.
pub(super) struct Place {
    threads: watch::Sender<usize>,
    given_up: Arc<AtomicU64>,
}

impl Registry {
    /// A place for one more writer, if there is one.
    pub(super) fn enter(&self, writers_max: usize) -> Option<Place> {
        let entered = self.threads.send_if_modified(|threads| {
            let has_room = *threads < writers_max;
            *threads += usize::from(has_room);
            has_room
        });
        let (threads, given_up) = (self.threads.clone(), self.given_up.clone());
        // Not made in vain: it counts down when it is dropped.
        entered.then(|| Place { threads, given_up })
    }

    /// One more writer.
    pub(super) fn add(&self, shared: &Arc<Shared>) {
        let mut live = self.lock();
        live.retain(|writer| writer.strong_count() > 0);
        live.push(Arc::downgrade(shared));
    }

    /// Whether the progress topic was looked at.
    pub(super) fn is_progress_good(&self) -> Arc<AtomicBool> {
        self.is_progress_good.clone()
    }

    /// Another login is in place.
    pub(in super::super) fn login_changed(&self) {
        self.each(Shared::login_changed);
    }

    /// Credentials are in place that only other producers have.
    pub(in super::super) fn producer_changed(&self, unsettled: impl Fn() -> Unsettled) {
        self.each(|writer| writer.producer_changed(unsettled()));
    }

    /// Why the rows, or the opening, of the writer with this key wait, if they do.
    pub(super) fn trouble_of(&self, key: &str) -> Option<Cause> {
        let live: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let of_key = live.iter().filter(|writer| writer.plan.keys.progress == key);
        of_key.filter_map(|writer| writer.trouble()).map(|(cause, _)| cause).next()
    }

    /// Writers that wait, if there are some.
    pub(in super::super) fn waiting(&self) -> Option<Waiting> {
        let live: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let troubles: Vec<_> = live.iter().filter_map(|writer| writer.trouble()).collect();
        let (cause, since) = troubles.iter().min_by_key(|(_, since)| *since)?.clone();
        let writers = troubles.len();
        Some(Waiting { writers, are_all: writers == live.len(), cause, since })
    }

    /// Ends all writers; what is not settled until then is given up. Returns how many records were.
    pub(in super::super) async fn close(&self, deadline: Instant) -> u64 {
        // What earlier take-overs left open was answered then.
        let before = self.given_up.load(Ordering::SeqCst);
        self.each(|writer| writer.close_by(deadline));
        let mut threads = self.threads.subscribe();
        // A call of librdkafka's that is under way may end a little later.
        let _ = threads.wait_for(|threads| *threads == 0).await;
        self.given_up.load(Ordering::SeqCst) - before
    }

    fn each(&self, act: impl Fn(&Shared)) {
        let live: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        live.iter().for_each(|writer| act(writer));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.live.lock().expect("nothing panics in it")
    }
}

impl Place {
    /// Records of this writer have no answer.
    pub(super) fn gave_up(&self, records: u64) {
        self.given_up.fetch_add(records, Ordering::SeqCst);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.threads.send_modify(|threads| *threads -= 1);
    }
}
