//! When secrets are looked up again: every so often, at once when a file is another one, and at
//! once when somebody refuses them.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use keyvault::{Reference, Retry};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

/// Between looks at files; a mount of Kubernetes is another one within a minute or two anyway.
const FILES_EVERY: Duration = Duration::from_secs(2);

/// How long the state of files may take to tell.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Between looks that somebody's refusal asks for.
const REFUSED_EVERY: Duration = Duration::from_secs(10);

/// After a look that failed: from, to, doubling.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How far looks are spread, so that many services do not ask a vault at once.
const JITTER: f64 = 0.1;

/// A token is looked up again after this part of the life that it has left.
const TOKEN_PART: f64 = 0.85;

/// After a look that failed, of the life that a token has left, so much passes at most.
const HURRIED_PART: f64 = 0.1;

/// Decides when to look again.
pub(super) struct Watch {
    refresh: Duration,
    files: Vec<PathBuf>,
    seen: Vec<Option<FileState>>,
    /// Whose it is looks at them.
    turn: Arc<Mutex<()>>,
    /// Somebody refuses them, and that has led to no look yet.
    is_refused: AtomicBool,
    /// When a refusal last led to a look.
    heard: Option<Instant>,
    failures: u32,
}

/// By what another file is told from the one before: a symbolic link may point elsewhere.
#[derive(PartialEq, Eq)]
struct FileState {
    inode: (u64, u64),
    changed: (i64, i64),
    len: u64,
}

impl Watch {
    /// Looks every `refresh`, and when a file among these changes.
    pub(super) fn new<'a>(
        refresh: Duration,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Self {
        let file = |reference: &Reference| match reference {
            Reference::File(path) => Some(path.clone()),
            Reference::Env(_) | Reference::Vault(_) | Reference::ClearTextForTests(_) => None,
        };
        let files: Vec<_> = references.into_iter().filter_map(file).collect();
        let (seen, turn) = (Vec::new(), Arc::default());
        let (is_refused, heard) = (AtomicBool::new(false), None);
        Self { refresh, files, seen, turn, is_refused, heard, failures: 0 }
    }

    /// A look begins. Files that change from now on are another matter; those that cannot be told
    /// now count as changed when they can.
    pub(super) async fn looking(&mut self) {
        self.seen = self.states(LOOK_WITHIN).await.unwrap_or_default();
    }

    /// The pause after a look with success. `token` is when a token ends, if there is one.
    pub(super) fn pause(&mut self, token: Option<SystemTime>) -> Duration {
        self.failures = 0;
        let spread = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        let pause = self.refresh.mul_f64(spread);
        let Some(end) = token else { return pause };
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        pause.min(left.mul_f64(TOKEN_PART)).max(RETRY.0)
    }

    /// The pause after a look that failed. `token` is when the token in place ends: until then there
    /// are always some more tries.
    pub(super) fn pause_after(&mut self, retry: Retry, token: Option<SystemTime>) -> Duration {
        let doubled = RETRY.0 * 2_u32.saturating_pow(self.failures.min(10));
        self.failures += 1;
        let pause = doubled.min(RETRY.1).min(self.refresh.max(RETRY.0));
        let pause = match retry {
            Retry::Later(Some(asked)) => pause.max(asked),
            Retry::Later(None) | Retry::Never => pause,
        };
        let Some(end) = token else { return pause };
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        pause.min(left.mul_f64(HURRIED_PART)).max(RETRY.0)
    }

    /// Waits for so long, or until it is time for another reason. True if that is a refusal.
    pub(super) async fn wait(
        &mut self,
        pause: Duration,
        refused: impl Future<Output = ()>,
    ) -> bool {
        let refusal = async {
            if !self.is_refused.load(Ordering::Relaxed) {
                refused.await;
                // It counts though the pause may end first.
                self.is_refused.store(true, Ordering::Relaxed);
            }
            // Not faster than brokers refuse.
            let heard = self.heard.map(|heard| REFUSED_EVERY.saturating_sub(heard.elapsed()));
            sleep(heard.unwrap_or_default()).await;
        };
        let is_refusal = tokio::select! {
            () = sleep(pause) => false,
            () = self.changed() => false,
            () = refusal => true,
        };
        if is_refusal {
            self.is_refused.store(false, Ordering::Relaxed);
            self.heard = Some(Instant::now());
        }
        is_refusal
    }

    /// Waits until a file is another one.
    async fn changed(&self) {
        if self.files.is_empty() {
            return std::future::pending().await;
        }
        let every = FILES_EVERY.min(self.refresh);
        loop {
            sleep(every).await;
            if self.states(every * 10).await.is_some_and(|states| states != self.seen) {
                return;
            }
        }
    }

    /// The files as they are, unless their mount hangs: that must hang no thread that serves
    /// streams, and no more than one of those that may wait.
    async fn states(&self, within: Duration) -> Option<Vec<Option<FileState>>> {
        if self.files.is_empty() {
            return Some(Vec::new());
        }
        let turn = self.turn.clone().try_lock_owned().ok()?;
        let files = self.files.clone();
        let look = tokio::task::spawn_blocking(move || {
            let states = states(&files);
            drop(turn);
            states
        });
        timeout(within, look).await.ok()?.ok()
    }
}

fn states(files: &[PathBuf]) -> Vec<Option<FileState>> {
    let state = |path: &Path| {
        let data = fs::metadata(path).ok()?;
        Some(FileState {
            inode: (data.dev(), data.ino()),
            changed: (data.ctime(), data.ctime_nsec()),
            len: data.len(),
        })
    };
    files.iter().map(|path| state(path)).collect()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn watch(references: &[Reference]) -> Watch {
        Watch::new(Duration::from_secs(3600), references)
    }

    #[test]
    fn looks_are_spread_and_a_token_is_renewed_before_it_ends() {
        let mut watch = watch(&[]);
        let pauses: Vec<_> = (0..100).map(|_| watch.pause(None).as_secs()).collect();
        assert!(pauses.iter().all(|pause| (3240..=3960).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        let soon = watch.pause(Some(SystemTime::now() + Duration::from_secs(1000)));
        assert!((840..=850).contains(&soon.as_secs()), "{soon:?}");
        assert_eq!(watch.pause(Some(SystemTime::UNIX_EPOCH)), RETRY.0);
    }

    #[test]
    fn failures_are_tried_again_ever_more_slowly_and_never_sooner_than_asked() {
        let mut watch = watch(&[]);
        let pauses: Vec<_> =
            (0..9).map(|_| watch.pause_after(Retry::Later(None), None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        watch.pause(None);
        let asked = Retry::Later(Some(Duration::from_secs(7)));
        assert_eq!(watch.pause_after(asked, None).as_secs(), 7);
        let end = Some(SystemTime::now() + Duration::from_secs(30));
        let soon = watch.pause_after(Retry::Later(Some(Duration::from_secs(3600))), end);
        assert!(soon > Duration::from_secs(2) && soon <= Duration::from_secs(3), "{soon:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_lost_because_a_pause_ends_first() {
        let mut watch = watch(&[]);
        let long = Duration::from_secs(3600);
        assert!(watch.wait(long, async {}).await, "the first is heard at once");
        // The second comes too early, and pauses end meanwhile.
        assert!(!watch.wait(Duration::from_millis(1), async {}).await);
        let rest = tokio::time::Instant::now();
        assert!(watch.wait(long, pending()).await, "it is heard when its time has come");
        assert!(rest.elapsed() <= REFUSED_EVERY);
    }

    #[tokio::test]
    async fn a_symbolic_link_to_another_file_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let (link, fresh) = (folder.path().join("link"), folder.path().join("fresh"));
        for file in [&one, &two] {
            fs::write(file, "same").unwrap();
        }
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let mut watch = watch(&[Reference::File(link.clone())]);
        watch.looking().await;
        std::os::unix::fs::symlink(&two, &fresh).unwrap();
        fs::rename(&fresh, &link).unwrap();
        let waits = watch.wait(Duration::from_secs(3600), pending());
        timeout(Duration::from_secs(30), waits).await.expect("the change is seen");
    }
}
