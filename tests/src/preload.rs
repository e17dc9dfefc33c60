//! A wall clock and names of hosts that a process has for itself: `native/clock.c`, loaded before libc.

use std::{
    fs::{self, File},
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{cache, service::ServiceOptions, tools};

/// The clock and the names of a process; dropping it removes its files.
#[derive(Debug)]
pub struct Preload {
    dir: TempDir,
}

impl Preload {
    /// The right clock, and no names.
    ///
    /// # Panics
    /// When there is no C compiler; librdkafka is built with one as well.
    pub fn new() -> Self {
        let preload = Self { dir: cache::run_dir("preload-") };
        let built = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(preload.path("clock.so"))
            .arg(tools::repository().join("tests/native/clock.c"))
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler can be run");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        write(&preload.path("clock"), &0_i64.to_ne_bytes());
        preload.set_names(&[]);
        preload
    }

    /// How a service is run that has them.
    pub fn service(&self) -> ServiceOptions {
        let path = |name| self.path(name).display().to_string();
        ServiceOptions::default()
            .env("LD_PRELOAD", &path("clock.so"))
            .env("TEST_CLOCK", &path("clock"))
            .env("TEST_NAMES", &path("names"))
    }

    /// Sets the clock so many seconds ahead, from now on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set_clock(&self, ahead_s: i64) {
        // In place: the process has it in its memory.
        let file = File::options().write(true).open(self.path("clock"));
        let written =
            file.and_then(|mut file| std::io::Write::write_all(&mut file, &ahead_s.to_ne_bytes()));
        written.expect("a file of ours can be written");
    }

    /// The names that exist from now on, of those that end with `.test`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set_names(&self, names: &[(&str, IpAddr)]) {
        let lines: String =
            names.iter().map(|(name, address)| format!("{name} {address}\n")).collect();
        write(&self.path("names.new"), lines.as_bytes());
        let moved = fs::rename(self.path("names.new"), self.path("names"));
        moved.expect("a file of ours can be moved");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Default for Preload {
    fn default() -> Self {
        Self::new()
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a directory of ours can be written");
}
