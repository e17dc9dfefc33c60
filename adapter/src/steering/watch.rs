//! Looks whether the job file has become another one.
//!
//! It is read, every two seconds. Notices of the file system would be sooner, but do not come from
//! network file systems, nor where a volume of Kubernetes swaps the folder under a link.
use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use super::Steering;
use crate::job;

/// Between looks. What has changed is loaded when two looks have seen the same: somebody may still
/// be writing.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until it is dropped.
pub struct Watching(JoinHandle<()>);

impl Watching {
    /// Looks at the file that a service came from, whose text had this digest.
    pub fn new(steering: Arc<Steering>, file: PathBuf, version: String) -> Self {
        Self(tokio::spawn(async move {
            let (mut known, mut seen) = (version.clone(), version);
            loop {
                sleep(EVERY).await;
                let reading = file.clone();
                let read = tokio::task::spawn_blocking(move || job::version_of(&reading)).await;
                // A file that is away is on its way: nothing is taken down for it.
                let Ok(Some(now)) = read else { continue };
                let is_still = now == seen;
                seen.clone_from(&now);
                if is_still && now != known {
                    known = now;
                    // What came of it is logged, and stands in the status.
                    let _ = steering.reload().await;
                }
            }
        }))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}
