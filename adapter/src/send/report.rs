//! What a person sees while rows are sent, and the result for a person or a script.
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::ProgressMode;
use crate::{
    client::{Event, Held, Progress, RejectedRow},
    exit::Exit,
    output_format::OutputFormat,
};

/// Bad rows that are named to a person.
const SHOWN_ROWS_MAX: usize = 10;
/// Bad rows that are kept for the result.
const KEPT_ROWS_MAX: usize = 1000;

/// A row that is not written, in the words of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowFault {
    /// The file; empty if the row is not known any more.
    pub file: PathBuf,
    /// Its line, from 1, where the format has lines.
    pub line: Option<u64>,
    /// Its number among the rows of the file, from 1.
    pub row: Option<u64>,
    /// The column at fault; empty if it is the row as a whole.
    pub column: String,
    /// A stable code.
    pub code: String,
    /// What is wrong.
    pub reason: String,
}

impl RowFault {
    /// A row of the service in the words of the file.
    pub fn new(row: &RejectedRow, place: Option<(&Path, Option<u64>, u64)>) -> Self {
        let (file, line, number) = match place {
            Some((file, line, number)) => (file.to_owned(), line, Some(number)),
            None => (PathBuf::new(), None, None),
        };
        Self {
            file,
            line,
            row: number,
            column: row.column.clone(),
            code: row.code.clone(),
            reason: row.reason.clone(),
        }
    }

    fn text(&self) -> String {
        let mut text = self.file.display().to_string();
        match (self.line, self.row) {
            (Some(line), _) => write!(text, ":{line}"),
            (None, Some(row)) => write!(text, ": row {row}"),
            (None, None) => Ok(()),
        }
        .expect("a string takes everything");
        match self.column.as_str() {
            "" => format!("{text}: {}: {}", self.code, self.reason),
            column => format!("{text}: column {column}: {}: {}", self.code, self.reason),
        }
    }
}

/// Lines for a person, on standard error.
pub struct Report {
    bar: Option<ProgressBar>,
    /// An outage is told once, not with every attempt.
    lost: bool,
    held: bool,
    /// Rows that the error policy set aside.
    pub rejected: Vec<RowFault>,
}

impl Report {
    /// With a progress bar where one can be drawn and is wanted.
    pub fn new(mode: ProgressMode, format: OutputFormat) -> Self {
        let drawn = mode == ProgressMode::Auto
            && format == OutputFormat::Text
            && io::stderr().is_terminal();
        let bar = drawn.then(ProgressBar::new_spinner);
        Self { bar, lost: false, held: false, rejected: Vec::new() }
    }

    /// Tells how many rows there will be, where that is known, and how many are there already.
    pub fn start(&self, rows_durable: u64, rows_total: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        let template = match rows_total {
            Some(rows) => {
                bar.set_length(rows);
                "{bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left {msg}"
            }
            None => "{spinner} {human_pos} rows, {per_sec} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(rows_durable);
        bar.reset_eta();
    }

    /// Moves the bar.
    pub fn draw(&mut self, rows_durable: u64, bytes: u64, progress: &Progress) {
        if self.held && progress.held.is_none() && progress.connected {
            self.held = false;
            self.note("the output goes on");
        }
        let Some(bar) = &self.bar else { return };
        bar.set_position(rows_durable);
        let waits = match &progress.held {
            Some(held) => format!(", waits: {}", held.code),
            None if !progress.connected => ", not connected".to_owned(),
            None => String::new(),
        };
        let unacknowledged = progress.unacknowledged_batches;
        bar.set_message(format!(
            "({}, {unacknowledged} batches unacknowledged{waits})",
            HumanBytes(bytes)
        ));
    }

    /// A line for the person.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// What happened in the client.
    pub fn event(&mut self, event: &Event, endpoint: &str) {
        match event {
            Event::Opened(opened) if self.lost => {
                self.lost = false;
                self.note(&match opened.resume_after {
                    0 => format!("connected to {endpoint}"),
                    through => format!("connected to {endpoint}; batch {through} is there"),
                });
            }
            Event::Lost { cause, .. } if !self.lost => {
                self.lost = true;
                self.note(&format!("no connection: {cause}; trying again"));
            }
            Event::Waiting(waiting) => {
                let (code, reason) = (&waiting.code, &waiting.reason);
                self.note(&format!("the service takes its time to open: {code} {reason}"));
            }
            Event::Held(held) => {
                self.held = true;
                self.note(&held_text(held));
            }
            Event::Repeated(repeated) => {
                let rows = HumanCount(repeated.rows);
                self.note(&format!(
                    "the service does not remember what was on its way; {rows} rows go again and \
                     may be there twice"
                ));
            }
            Event::Draining => {
                self.note("the service is about to close; connecting again");
                self.lost = true;
            }
            // Told by the caller, who knows the files.
            Event::Opened(_) | Event::Lost { .. } | Event::Rejected { .. } | Event::Refused(_) => {}
        }
    }

    /// Keeps rows that were set aside.
    pub fn reject(&mut self, rows: impl IntoIterator<Item = RowFault>) {
        let room = KEPT_ROWS_MAX.saturating_sub(self.rejected.len());
        self.rejected.extend(rows.into_iter().take(room));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn held_text(held: &Held) -> String {
    let Held { code, since, reason, .. } = held;
    let since = since.as_ref().and_then(|since| {
        jiff::Timestamp::new(since.seconds, since.nanos).ok()?.round(jiff::Unit::Second).ok()
    });
    match since {
        Some(since) => format!("the output waits: {code} since {since}: {reason}"),
        None => format!("the output waits: {code}: {reason}"),
    }
}

/// How a sending ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All rows are durable.
    Done,
    /// They were before.
    AlreadyThere,
    /// The files have no rows.
    NoRows,
    /// A file is at fault.
    BadInput,
    /// The service cannot be reached.
    Unreachable,
    /// Stopped before everything was durable.
    Unsettled,
    /// The service refused.
    Refused,
    /// Something else.
    Failed,
}

impl Ended {
    /// The exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Done | Self::AlreadyThere | Self::NoRows => Exit::Done,
            Self::BadInput => Exit::BadInput,
            Self::Unreachable => Exit::Unreachable,
            Self::Unsettled => Exit::Unsettled,
            Self::Refused => Exit::Refused,
            Self::Failed => Exit::Failure,
        }
    }
}

/// The result, as a script gets it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The output's alias.
    pub output: String,
    /// The writer; empty if it did not come to one.
    pub writer: String,
    /// Rows that were to be sent, where that is known.
    pub rows_total: Option<u64>,
    /// Rows that were durable before.
    pub rows_before: u64,
    /// Rows that are durable now, those before among them.
    pub rows_durable: u64,
    /// Batches that this run sent.
    pub batches: u64,
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// Rows that the output's error policy set aside.
    pub rejected_total: u64,
    /// Some of them.
    pub rejected: Vec<RowFault>,
    /// The rows for which a batch is refused.
    pub refused: Vec<RowFault>,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// Rows that went again after the service had lost its memory of them: at most so many
    /// records are there in addition.
    pub repeated_rows: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Rows that became durable, each second.
    pub rows_per_s: f64,
    /// What went wrong.
    pub error: Option<String>,
}

impl Outcome {
    /// Before anything was sent.
    pub fn new(ended: Ended, output: &str) -> Self {
        Self {
            ended,
            output: output.to_owned(),
            writer: String::new(),
            rows_total: None,
            rows_before: 0,
            rows_durable: 0,
            batches: 0,
            durable_through: 0,
            rejected_total: 0,
            rejected: Vec::new(),
            refused: Vec::new(),
            reconnects: 0,
            repeated_rows: 0,
            seconds: 0.0,
            rows_per_s: 0.0,
            error: None,
        }
    }

    /// Notes how long it took.
    pub fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
        let rows = self.rows_durable.saturating_sub(self.rows_before);
        self.rows_per_s = if rows == 0 { 0.0 } else { rows as f64 / self.seconds.max(1e-6) };
    }

    /// Prints it: faults to standard error, the result to standard output.
    pub fn print(&self, format: OutputFormat) {
        let mut errors = String::new();
        for row in self.refused.iter().take(SHOWN_ROWS_MAX) {
            writeln!(errors, "  {}", row.text()).expect("a string takes everything");
        }
        if self.refused.len() > SHOWN_ROWS_MAX {
            let more = self.refused.len() - SHOWN_ROWS_MAX;
            writeln!(errors, "  … and {more} more").expect("a string takes everything");
        }
        if let Some(error) = &self.error {
            eprint!("error: {error}\n{errors}");
        }
        let result = match format {
            OutputFormat::Text => self.text(),
            OutputFormat::Json => {
                serde_json::to_string(self).expect("an outcome has no maps and no foreign types")
            }
        };
        if !result.is_empty() {
            // A closed pipe is the reader's business: the rows are where they are.
            writeln!(io::stdout(), "{}", result.trim_end()).ok();
        }
    }

    /// The result for a person.
    pub fn text(&self) -> String {
        let Self { output, writer, durable_through, .. } = self;
        let durable = HumanCount(self.rows_durable);
        let mut text = match self.ended {
            Ended::Done => {
                let rows = HumanCount(self.rows_durable.saturating_sub(self.rows_before));
                let (batches, per_s) = (HumanCount(self.batches), self.rows_per_s as u64);
                let (seconds, per_s) = (self.seconds, HumanCount(per_s));
                let goals = match self.rows_before {
                    0 => String::new(),
                    _ => format!(", {durable} with those before"),
                };
                format!(
                    "sent {rows} rows in {batches} batches to {output} in {seconds:.1} s ({per_s} \
                     rows/s){goals}; durable through batch {durable_through}\n"
                )
            }
            Ended::AlreadyThere => format!(
                "everything is already there: {durable} rows are durable in {output} (writer \
                 {writer}); to send them again, give the sending a new name: --writer NAME\n"
            ),
            Ended::NoRows => "the files have no rows; nothing to send\n".to_owned(),
            _ if self.rows_durable == 0 && self.batches == 0 => String::new(),
            Ended::Unsettled | Ended::Unreachable => format!(
                "{durable} rows are durable in {output}; the same command goes on after them\n"
            ),
            Ended::BadInput | Ended::Refused | Ended::Failed if self.rows_durable > 0 => format!(
                "{durable} rows are durable in {output}; the same command goes on after them, \
                 but after a change to the files send only the rows behind them, else they are \
                 there twice\n"
            ),
            Ended::BadInput | Ended::Refused | Ended::Failed => String::new(),
        };
        if self.repeated_rows > 0 {
            let rows = HumanCount(self.repeated_rows);
            writeln!(
                text,
                "at most {rows} rows are there twice: they were on their way when the service was \
                 lost, and went again"
            )
            .expect("a string takes everything");
        }
        if self.rejected_total > 0 {
            let total = HumanCount(self.rejected_total);
            writeln!(text, "{total} rows were set aside by the output's error policy:")
                .expect("a string takes everything");
            for row in self.rejected.iter().take(SHOWN_ROWS_MAX) {
                writeln!(text, "  {}", row.text()).expect("a string takes everything");
            }
            let shown = self.rejected.len().min(SHOWN_ROWS_MAX) as u64;
            if self.rejected_total > shown {
                let more = HumanCount(self.rejected_total - shown);
                writeln!(text, "  … and {more} more").expect("a string takes everything");
            }
        }
        text
    }
}
