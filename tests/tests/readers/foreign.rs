//! Readers that others wrote, as processes that answer case after case.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use serde::Deserialize;
use tempfile::TempDir;
use tests::{
    cache, java,
    process::{self, Process},
    tools,
    wait::DEADLINE,
};

use crate::case::Case;

const POM: &str = include_str!("../../readers/java/pom.xml");
const SHOWN_LINES: usize = 40;

/// Python's readers for every case, and Java's too for those of Avro.
pub struct Readers {
    python: Mutex<Reader>,
    java: Option<Mutex<Reader>>,
}

impl Readers {
    /// Those of text: Python's `json`, `orjson` and `csv`, and DuckDB's reader of CSV.
    pub fn of_text() -> Self {
        Self { python: Mutex::new(Reader::python()), java: None }
    }

    /// Those of Avro: `fastavro`, and Java's Avro.
    pub fn of_avro() -> Self {
        Self { java: Some(Mutex::new(Reader::java())), ..Self::of_text() }
    }

    /// Has the case read and compared; the number of values, or the first difference.
    pub fn try_check(&self, case: &Case) -> Result<u64, String> {
        assert_eq!(self.java.is_some(), case.is_avro(), "{} has its readers", case.name());
        let (line, only) = (case.line(), case.only_reader());
        let mut values = 0;
        if only != Some("java") {
            values += lock(&self.python).check(&line)?;
        }
        if let Some(java) = self.java.as_ref().filter(|_| only.is_none_or(|only| only == "java")) {
            values += lock(java).check(&line)?;
        }
        Ok(values)
    }

    /// Has the case read and compared; returns the number of values.
    ///
    /// # Panics
    /// When there is a difference.
    #[track_caller]
    pub fn check(&self, case: &Case) -> u64 {
        self.try_check(case).unwrap_or_else(|difference| panic!("{}: {difference}", case.name()))
    }
}

/// A test that has failed leaves no reader in the middle of a case.
fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a reader says about a case.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Values { values: u64 },
    Difference { difference: String },
}

struct Reader {
    cases: ChildStdin,
    answers: mpsc::Receiver<String>,
    _process: Process,
    dir: TempDir,
}

impl Reader {
    fn python() -> Self {
        let mut command = process::command(tools::python());
        command.arg(tools::repository().join("tests/readers/python/answer.py"));
        Self::start(command)
    }

    fn java() -> Self {
        java::version();
        let mut command = process::command(java::program());
        command.args(["-XX:+UseSerialGC", "-Xmx1g", "-cp"]).arg(java::class_path_of("avro", POM));
        command.arg(tools::repository().join("tests/readers/java/AvroReader.java"));
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let dir = cache::run_dir("reader-");
        let errors = File::create(dir.path().join("errors")).expect("a new directory is ours");
        command.current_dir(dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = Process::spawn(command);
        let (cases, answers) = process.pipes().expect("both were asked for");
        let (sender, receiver) = mpsc::channel();
        // A thread of its own, so that waiting for an answer can end.
        thread::spawn(move || {
            let lines = BufReader::new(answers).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        Self { cases, answers: receiver, _process: process, dir }
    }

    fn check(&mut self, line: &str) -> Result<u64, String> {
        let sent = writeln!(self.cases, "{line}").and_then(|()| self.cases.flush());
        let answer = self.answers.recv_timeout(5 * DEADLINE);
        let Ok(answer) = answer else {
            let errors = process::tail(&self.dir.path().join("errors"), SHOWN_LINES);
            panic!("the reader gives no answer ({sent:?}, {answer:?}):\n{errors}");
        };
        match serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}")) {
            Answer::Values { values } => Ok(values),
            Answer::Difference { difference } => Err(difference),
        }
    }
}
