//! Reads topics back with `confluent-kafka`, a client that is not ours.
//!
//! Each read is one run of `tests/python/read_topic.py`; it ends at the end offsets that the
//! topic had when it started, or follows it until told to stop ([`Reader::follow`]).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    cache,
    process::{self, Process},
    tools, wait,
};

/// One record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it lies in.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in milliseconds, if it has one.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// The value as text.
    ///
    /// # Panics
    /// When there is none, or it is not UTF-8.
    pub fn text(&self) -> &str {
        let value = self.value.as_deref().expect("the record has a value");
        str::from_utf8(value).expect("the value is UTF-8")
    }
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Count {
    /// How many records.
    pub records: u64,
    /// The sum of their values' sizes.
    pub value_bytes: u64,
}

/// How to read a topic.
#[derive(Clone, Debug)]
pub struct Reader {
    args: Vec<String>,
}

/// Reads `topic` from its beginning, committed records only.
pub fn topic(bootstrap: &str, topic: &str) -> Reader {
    Reader { args: vec![bootstrap.to_owned(), topic.to_owned()] }
}

impl Reader {
    /// Reads records of open and aborted transactions too.
    #[must_use]
    pub fn uncommitted(mut self) -> Self {
        self.args.push("--uncommitted".to_owned());
        self
    }

    /// Adds a setting of the client, such as `security.protocol`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.args.push(format!("--set={key}={value}"));
        self
    }

    /// All records, in order within each partition.
    ///
    /// # Panics
    /// When the topic cannot be read to its end.
    pub fn records(&self) -> Vec<Record> {
        self.run(&[]).lines().map(parse).collect()
    }

    /// How many records each partition holds; partitions without records are left out.
    ///
    /// # Panics
    /// When the topic cannot be read to its end.
    pub fn counts(&self) -> BTreeMap<i32, Count> {
        serde_json::from_str(&self.run(&["--count"])).expect("read_topic.py prints counts")
    }

    /// Writes the values alone, each ended by a newline, to `dir/PARTITION.values`.
    ///
    /// # Panics
    /// When the topic cannot be read to its end or the files cannot be written.
    pub fn values_to(&self, dir: &Path) {
        self.run(&["--values-to", dir.to_str().expect("a test's directory is UTF-8")]);
    }

    /// Starts to read, and reads on while things happen, until told to stop.
    pub fn follow(&self) -> Following {
        let dir = cache::run_dir("follow-");
        let until = dir.path().join("until");
        let running = self.start(dir, &["--until", until.to_str().expect("a path is UTF-8")]);
        Following { running, until }
    }

    /// Runs the reader.
    fn run(&self, more: &[&str]) -> String {
        self.start(cache::run_dir("read-"), more).wait()
    }

    /// Starts the reader. Its output goes through files: they never fill up like a pipe.
    fn start(&self, dir: TempDir, more: &[&str]) -> Running {
        let path = |name| dir.path().join(name);
        let create = |name| File::create(path(name)).expect("a new directory can be written");
        let mut command: Command = process::command(tools::python());
        command.arg(tools::repository().join("tests/python/read_topic.py"));
        command.args(&self.args).args(more);
        command.stdout(create("out")).stderr(create("errors")).stdin(Stdio::null());
        Running { process: Process::spawn(command), dir, what: self.args.join(" ") }
    }
}

/// A reader that is at work.
#[derive(Debug)]
struct Running {
    // In this order: the process has to end before its directory goes.
    process: Process,
    dir: TempDir,
    what: String,
}

impl Running {
    /// Waits for its end; what it has printed.
    fn wait(mut self) -> String {
        // The reader itself gives up when nothing comes; this ends one that hangs otherwise.
        let status = self.process.wait(10 * wait::DEADLINE);
        assert!(
            status.is_some_and(|status| status.success()),
            "read_topic.py {} ended with {status:?}:\n{}",
            self.what,
            process::tail(&self.dir.path().join("errors"), 40)
        );
        let out = fs::read_to_string(self.dir.path().join("out"));
        out.expect("read_topic.py prints text")
    }
}

/// Somebody who reads all the while; dropping it ends that.
#[derive(Debug)]
pub struct Following {
    running: Running,
    until: PathBuf,
}

impl Following {
    /// Reads up to the end that the topic has now; everything that was seen, in order within each
    /// partition.
    ///
    /// # Panics
    /// When the topic cannot be read to its end, or what was seen is not there any more.
    pub fn stop(self) -> Vec<Record> {
        File::create(&self.until).expect("a directory of ours can be written");
        self.running.wait().lines().map(parse).collect()
    }
}

/// A line as `read_topic.py` prints it; bytes are base64.
#[derive(Deserialize)]
struct Line<'a> {
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<&'a str>,
    headers: Vec<(String, Option<&'a str>)>,
    value: Option<&'a str>,
}

fn parse(line: &str) -> Record {
    let line: Line<'_> = serde_json::from_str(line).expect("read_topic.py prints JSON lines");
    let bytes = |text: Option<&str>| {
        text.map(|text| STANDARD.decode(text).expect("read_topic.py prints base64"))
    };
    let headers = line.headers.into_iter().map(|(name, value)| (name, bytes(value))).collect();
    Record {
        partition: line.partition,
        offset: line.offset,
        timestamp_ms: line.timestamp_ms,
        key: bytes(line.key),
        headers,
        value: bytes(line.value),
    }
}
