//! Where prepared things stay between runs, and where running things keep their files.
//!
//! `KAFKA_OUTPUT_CACHE`, else `$XDG_CACHE_HOME/kafka-output`, else `~/.cache/kafka-output`;
//! `scripts/tool` follows the same rule.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The cache directory; it exists.
///
/// # Panics
/// When it cannot be made, or neither of the variables nor `HOME` is set.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let set = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let dir = set("KAFKA_OUTPUT_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("kafka-output")))
            .or_else(|| set("HOME").map(|dir| dir.join(".cache/kafka-output")))
            .expect("set KAFKA_OUTPUT_CACHE or HOME: the tests keep Kafka's jars there");
        make_dir(&dir);
        dir.canonicalize().expect("a directory that was just made has a path")
    })
}

/// Makes a directory with all its parents.
///
/// # Panics
/// When that fails.
pub fn make_dir(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
}

/// Holds the lock called `name` against every other process that uses this cache.
///
/// # Panics
/// When the lock file cannot be opened or locked.
pub fn lock(name: &str) -> File {
    let path = dir().join(name).with_extension("lock");
    let file = open_lock(&path);
    file.lock().unwrap_or_else(|e| panic!("cannot lock {}: {e}", path.display()));
    file
}

fn open_lock(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path);
    file.unwrap_or_else(|e| panic!("cannot open {}: {e}", path.display()))
}

static RUNS: OnceLock<PathBuf> = OnceLock::new();

/// Keeps what runs below `parent` instead of in the cache; to be said before the first
/// [`run_dir`]. A file system in memory takes the disk out of a measurement.
pub fn keep_runs_in(parent: &Path) {
    RUNS.get_or_init(|| parent.join("kafka-output-run"));
}

/// A new directory for something that runs; dropping it removes it.
///
/// All of them lie in one directory of this process, with a lock that ends with the process.
///
/// # Panics
/// When it cannot be made.
pub fn run_dir(prefix: &str) -> TempDir {
    static MINE: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (mine, _) = MINE.get_or_init(|| {
        // Nobody may take a directory for a dead one's between making it and locking it.
        let _runs = lock("run");
        let runs = RUNS.get_or_init(|| dir().join("run")).clone();
        make_dir(&runs);
        remove_dead(&runs);
        let name = format!("{}-", process::id());
        let made = tempfile::Builder::new().prefix(&name).tempdir_in(&runs).map(TempDir::keep);
        let mine = made.unwrap_or_else(|e| panic!("cannot write to {}: {e}", runs.display()));
        let held = open_lock(&mine.join("lock"));
        held.lock().expect("nobody else locks a directory that was just made");
        (mine, held)
    });
    let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(mine);
    dir.unwrap_or_else(|e| panic!("cannot make a directory in {}: {e}", mine.display()))
}

/// Removes what processes left behind that ended without tidying up: their locks are free.
fn remove_dead(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let free = open_lock(&path.join("lock")).try_lock().is_ok();
        if free {
            // What cannot be removed now is tried again by the next process.
            let _ = fs::remove_dir_all(&path);
        }
    }
}
