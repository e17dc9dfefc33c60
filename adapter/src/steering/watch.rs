//! Looks whether the job file has become another one.
//!
//! It is read, every two seconds. Notices of the file system would be sooner, but do not come from
//! network file systems, nor where a volume of Kubernetes swaps the folder under a link.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{Refused, Steering};
use crate::job;

/// Between looks. What has changed is loaded when two looks have seen the same: somebody may still
/// be writing.
const EVERY: Duration = Duration::from_secs(2);

/// A file that was right, and of which an output did not start, is loaded again after this, then
/// after twice as long, to: a secret may come later than the file that names it.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// Looks until it is dropped.
pub struct Watching(JoinHandle<()>);

/// What a look has seen: the digest of a text, or why it cannot be read.
type Seen = Result<String, String>;

impl Watching {
    /// Looks at the file that a service came from, whose text had this digest; `None` if it cannot
    /// be read twice, as a pipe.
    pub fn new(steering: Arc<Steering>, file: PathBuf, version: String) -> Option<Self> {
        if !fs::metadata(&file).is_ok_and(|file| file.is_file()) {
            tracing::info!(file = %file.display(), "the job file is no regular file: not watched");
            return None;
        }
        Some(Self(tokio::spawn(watch(steering, file, version))))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(steering: Arc<Steering>, file: PathBuf, version: String) {
    let (mut known, mut seen): (Seen, Seen) = (Ok(version.clone()), Ok(version));
    let (mut again, mut pause) = (None, AGAIN.0);
    loop {
        sleep(EVERY).await;
        let reading = file.clone();
        let read = tokio::task::spawn_blocking(move || look(&reading)).await;
        // A file that is away is on its way: nothing is taken down for it.
        let Ok(Some(now)) = read else { continue };
        let is_new = now == seen && now != known;
        seen.clone_from(&now);
        if is_new {
            pause = AGAIN.0;
        } else if again.is_none_or(|due| Instant::now() < due) {
            continue;
        }
        known = now;
        // What came of it is logged, and stands in the status.
        again = match steering.reload().await {
            Err(Refused::Output(_)) => Some(Instant::now() + pause),
            _ => None,
        };
        pause = (pause * 2).min(AGAIN.1);
    }
}

/// Looks at a file; `None` if it is not there.
fn look(file: &Path) -> Option<Seen> {
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
        Ok(found) if !found.is_file() => Some(Err("no regular file".to_owned())),
        Ok(_) => Some(job::version_of(file).ok_or_else(|| "unreadable".to_owned())),
    }
}
