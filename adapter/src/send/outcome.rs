//! How a sending ended, for a person or a script.
use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

use indicatif::HumanCount;
use serde::Serialize;

use super::report::RowFault;
use crate::{exit::Exit, output_format::OutputFormat};

/// Bad rows that are named to a person.
const SHOWN_ROWS_MAX: usize = 10;

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
    /// Rows that went again although they may be written: at most so many records are there in
    /// addition. Of batches that an earlier run left unknown, those that took their numbers count.
    pub repeated_rows: u64,
    /// Rows that were on their way at the end: they may or may not be written.
    pub rows_unknown: u64,
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
            rows_unknown: 0,
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
            write!(io::stderr(), "error: {error}\n{errors}").ok();
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
                "{durable} rows are durable in {output}; while the service keeps running, the \
                 same command goes on after them\n"
            ),
            Ended::BadInput | Ended::Refused | Ended::Failed if self.rows_durable > 0 => format!(
                "{durable} rows are durable in {output}; while the service keeps running, the \
                 same command goes on after them, but after a change to the files send only the \
                 rows behind them, else they are there twice\n"
            ),
            Ended::BadInput | Ended::Refused | Ended::Failed => String::new(),
        };
        if self.rows_unknown > 0 {
            let rows = HumanCount(self.rows_unknown);
            writeln!(
                text,
                "{rows} rows behind them were on their way: they may or may not be written"
            )
            .expect("a string takes everything");
        }
        if self.repeated_rows > 0 {
            let rows = HumanCount(self.repeated_rows);
            writeln!(
                text,
                "at most {rows} rows are there twice: they went again, since it was not known \
                 whether they were written"
            )
            .expect("a string takes everything");
        }
        text + &self.rejected_text()
    }

    fn rejected_text(&self) -> String {
        let mut text = String::new();
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
