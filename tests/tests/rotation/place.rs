//! Where the secrets of the job stand: files that are replaced as Kubernetes replaces those of a
//! mounted secret, by a symbolic link that is renamed into place.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;
use tests::cache;

/// A directory of secrets.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    writes: AtomicU32,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        Self { dir: cache::run_dir("secrets-"), writes: AtomicU32::new(0) }
    }

    /// Where a secret stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The reference of a job file to it.
    pub fn reference(&self, name: &str) -> String {
        format!("{{ file: {} }}", self.path(name).display())
    }

    /// Puts other content there, in one step.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        let file = self.path(&format!("..{write}-{name}"));
        fs::write(&file, content).expect("a new file can be written");
        let link = self.path(&format!("..link-{write}-{name}"));
        let target = Path::new(file.file_name().expect("it was just named"));
        symlink(target, &link).expect("a link can be made");
        fs::rename(&link, self.path(name)).expect("a link can be put in place");
    }
}
