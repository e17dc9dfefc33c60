//! Which configuration the service runs with, and how it came to it.
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use crate::kafka::Cause;

/// What has become of job files since the start. Copies of it are the same.
#[derive(Clone)]
pub struct History(Arc<Mutex<Configuration>>);

/// The configuration that is in use.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// 1 at the start, and one more with each job file that was applied.
    pub generation: u64,
    /// A digest of the file's text; `None` where the job did not come from a file.
    pub version: Option<String>,
    /// When it was applied.
    pub loaded: SystemTime,
    /// How often another was applied since the start.
    pub applied: u64,
    /// How often one was refused.
    pub refused: u64,
    /// Why the last one was refused, and when, if none was applied since.
    pub trouble: Option<(SystemTime, Cause)>,
}

impl Default for History {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Configuration {
            generation: 1,
            version: None,
            loaded: SystemTime::now(),
            applied: 0,
            refused: 0,
            trouble: None,
        })))
    }
}

impl History {
    /// The configuration that is in use now.
    pub fn now(&self) -> Configuration {
        self.lock().clone()
    }

    /// The text of the file that the service started with.
    pub(super) fn began(&self, version: String) {
        self.lock().version = Some(version);
    }

    /// Another is in use. Returns its generation.
    pub(super) fn applied(&self, version: String) -> u64 {
        let mut now = self.lock();
        now.generation += 1;
        now.applied += 1;
        now.version = Some(version);
        now.loaded = SystemTime::now();
        now.trouble = None;
        now.generation
    }

    /// The file says what is in use, perhaps in other words.
    pub(super) fn same(&self, version: String) {
        let mut now = self.lock();
        now.version = Some(version);
        now.trouble = None;
    }

    /// One was refused.
    pub(super) fn refused(&self, cause: Cause) {
        let mut now = self.lock();
        now.refused += 1;
        now.trouble = Some((SystemTime::now(), cause));
    }

    fn lock(&self) -> MutexGuard<'_, Configuration> {
        self.0.lock().expect("nothing panics in it")
    }
}
