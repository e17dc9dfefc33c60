//! What a connection has earned: whether somebody was let in on it, how often somebody was not, and
//! when it is to end.
//!
//! One is shared by all that handle a connection: the listener, which reads little from those on
//! which nobody was let in; the gate, which decides about calls; and whoever serves it, who asks
//! the peer to leave, and ends it if need be.
use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::sleep,
};

/// Denied calls in [`DENIALS_PERIOD`] after which a connection takes no more calls. An engine whose
/// token has ended makes one for each of its writers, and loses nothing with the connection.
const DENIALS_MAX: u32 = 64;

/// For how long denied calls count.
const DENIALS_PERIOD: Duration = Duration::from_secs(10);

/// Whoever goes on so often, after it was told to leave, is not waited for any longer.
const IGNORED_MAX: u32 = 10 * DENIALS_MAX;

/// Probes of a connection at once; one takes no time unless its sender does.
const PROBES_MAX: usize = 16;

/// What is known of a connection.
#[derive(Debug)]
pub struct Standing {
    admitted: AtomicBool,
    probed: AtomicBool,
    /// Calls about which it was decided whether they are let in.
    decisions: AtomicU64,
    /// Calls that were let in and are not over.
    live: AtomicUsize,
    denials: Mutex<Denials>,
    barred: AtomicBool,
    leaving: AtomicBool,
    /// It will be of age some time.
    ages: AtomicBool,
    /// Within which time its streams move; unset as long as they stay.
    aged: OnceLock<Duration>,
    ended: AtomicBool,
    probes: Semaphore,
    /// Something of the above is otherwise now.
    news: Notify,
}

#[derive(Debug)]
struct Denials {
    since: Instant,
    count: u32,
}

/// A call that waits for the decision about it; it is decided when this is dropped.
pub struct Deciding(Arc<Standing>);

/// A call that was let in; it is over when this is dropped.
pub struct Live(Arc<Standing>);

/// What a denied call does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing.
    Counted,
    /// It was one too many: the connection takes no more calls from now on.
    Barred,
}

impl Standing {
    /// That of a connection that has just come.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            admitted: AtomicBool::new(false),
            probed: AtomicBool::new(false),
            decisions: AtomicU64::new(0),
            live: AtomicUsize::new(0),
            denials: Mutex::new(Denials { since: Instant::now(), count: 0 }),
            barred: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            ages: AtomicBool::new(false),
            aged: OnceLock::new(),
            ended: AtomicBool::new(false),
            probes: Semaphore::new(PROBES_MAX),
            news: Notify::new(),
        })
    }

    /// A call begins, and nobody knows yet whether it is let in.
    pub fn deciding(self: &Arc<Self>) -> Deciding {
        Deciding(self.clone())
    }

    /// A call is let in.
    pub fn admit(self: &Arc<Self>) -> Live {
        self.live.fetch_add(1, SeqCst);
        if !self.admitted.swap(true, SeqCst) {
            self.news.notify_waiters();
        }
        Live(self.clone())
    }

    /// A call is denied.
    pub fn deny(&self) -> Denied {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_barred() && denials.since.elapsed() >= DENIALS_PERIOD {
            *denials = Denials { since: Instant::now(), count: 0 };
        }
        denials.count = denials.count.saturating_add(1);
        let count = denials.count;
        drop(denials);
        if count >= IGNORED_MAX {
            self.end();
        }
        if count < DENIALS_MAX || self.barred.swap(true, SeqCst) {
            return Denied::Counted;
        }
        self.leave();
        Denied::Barred
    }

    /// Room for a probe: those that do not end take none from other connections. `None` if there
    /// are too many.
    pub fn probe(&self) -> Option<SemaphorePermit<'_>> {
        self.probed.store(true, SeqCst);
        self.probes.try_acquire().ok()
    }

    /// The peer shall make no new calls here; those that live go on.
    pub fn leave(&self) {
        self.leaving.store(true, SeqCst);
        self.news.notify_waiters();
    }

    /// It will be of age some time; said before its first call.
    pub fn ages(&self) {
        self.ages.store(true, SeqCst);
    }

    /// The same as [`Standing::leave`], and the streams that live shall move to another connection, each within this time.
    pub fn age(&self, scatter: Duration) {
        self.aged.get_or_init(|| scatter);
        self.leave();
    }

    /// The connection ends now, whatever lives on it.
    pub fn end(&self) {
        self.ended.store(true, SeqCst);
        self.news.notify_waiters();
    }

    /// Whether somebody was let in.
    pub fn is_admitted(&self) -> bool {
        self.admitted.load(SeqCst)
    }

    /// Whether somebody has probed.
    pub fn has_probed(&self) -> bool {
        self.probed.load(SeqCst)
    }

    /// Whether so many calls were denied that it takes no more.
    pub fn is_barred(&self) -> bool {
        self.barred.load(SeqCst)
    }

    /// Whether the peer shall leave.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(SeqCst)
    }

    /// Whether it is of age.
    pub fn is_aged(&self) -> bool {
        self.aged.get().is_some()
    }

    /// Waits until a stream shall move to another connection: none of them when the others do.
    pub async fn moves(&self) {
        if !self.ages.load(SeqCst) {
            // What costs nothing, however often it is looked at.
            return std::future::pending().await;
        }
        self.until(|standing| standing.aged.get().is_some()).await;
        let scatter = self.aged.get().copied().unwrap_or_default();
        sleep(scatter.mul_f64(fastrand::f64())).await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    /// Whether no call that was let in lives.
    pub fn is_idle(&self) -> bool {
        self.live.load(SeqCst) == 0
    }

    /// About how many calls it was decided.
    pub fn decisions(&self) -> u64 {
        self.decisions.load(SeqCst)
    }

    /// Waits until something is so.
    pub async fn until(&self, fact: impl Fn(&Self) -> bool) {
        loop {
            // Before the look: it hears what happens from here on.
            let news = self.news.notified();
            if fact(self) {
                return;
            }
            news.await;
        }
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        self.0.decisions.fetch_add(1, SeqCst);
        // Only those wait on which nobody was let in.
        if !self.0.is_admitted() {
            self.0.news.notify_waiters();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Only whoever is to leave is waited for.
        if self.0.live.fetch_sub(1, SeqCst) == 1 && self.0.is_leaving() {
            self.0.news.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_denials_bar_and_who_ignores_that_is_ended() {
        let standing = Standing::new();
        for _ in 1..DENIALS_MAX {
            assert_eq!(standing.deny(), Denied::Counted);
        }
        // Long ago is forgotten.
        standing.denials.lock().unwrap().since -= DENIALS_PERIOD;
        for _ in 1..DENIALS_MAX {
            assert_eq!(standing.deny(), Denied::Counted);
        }
        assert!(!standing.is_barred() && !standing.is_leaving());
        assert_eq!(standing.deny(), Denied::Barred);
        assert!(standing.is_barred() && standing.is_leaving());
        standing.denials.lock().unwrap().since -= DENIALS_PERIOD;
        for _ in DENIALS_MAX + 1..IGNORED_MAX {
            assert_eq!(standing.deny(), Denied::Counted);
        }
        assert!(!standing.has_ended());
        standing.deny();
        assert!(standing.has_ended());
    }

    #[tokio::test]
    async fn waiting_hears_of_decisions_and_of_the_last_call_that_ends() {
        let standing = Standing::new();
        let deciding = standing.deciding();
        let decided = tokio::spawn({
            let standing = standing.clone();
            async move { standing.until(|standing| standing.decisions() == 1).await }
        });
        tokio::task::yield_now().await;
        drop(deciding);
        decided.await.unwrap();

        let (one, other) = (standing.admit(), standing.admit());
        standing.leave();
        let idle = tokio::spawn({
            let standing = standing.clone();
            async move { standing.until(Standing::is_idle).await }
        });
        tokio::task::yield_now().await;
        drop((one, other));
        idle.await.unwrap();
        assert!(standing.is_admitted());
    }
}
