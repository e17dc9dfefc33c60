//! What a person sees while rows are sent.
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::ProgressMode;
use crate::{
    client::{Error, Event, Held, Progress, RejectedRow},
    output_format::OutputFormat,
};

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

    /// For a person.
    pub fn text(&self) -> String {
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
    /// The batch that the output waits with, and why.
    held: Option<(u64, String)>,
    /// Rows that the error policy set aside.
    pub rejected: Vec<RowFault>,
    #[cfg(test)]
    pub(super) said: std::sync::Mutex<Vec<String>>,
}

impl Report {
    /// With a progress bar where one can be drawn and is wanted.
    pub fn new(mode: ProgressMode, format: OutputFormat) -> Self {
        let drawn = mode == ProgressMode::Auto
            && format == OutputFormat::Text
            && io::stderr().is_terminal();
        let bar = drawn.then(ProgressBar::new_spinner);
        Self {
            bar,
            lost: false,
            held: None,
            rejected: Vec::new(),
            #[cfg(test)]
            said: std::sync::Mutex::default(),
        }
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
        // A new connection alone is no reason: the output may wait as before.
        if self.held.take_if(|(batch, _)| progress.durable_through >= *batch).is_some() {
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
        #[cfg(test)]
        self.said.lock().unwrap().push(text.to_owned());
        // Whoever closes standard error does not want to know; the rows go on.
        let print = || writeln!(io::stderr(), "{text}").ok();
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        };
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
                self.note(&lost_text(cause));
            }
            Event::Waiting(waiting) => {
                let (code, reason) = (&waiting.code, &waiting.reason);
                self.note(&format!("the service takes its time to open: {code} {reason}"));
            }
            Event::Held(held) => {
                let known = self.held.replace((held.sequence, held.code.clone()));
                if known.is_none_or(|(_, code)| code != held.code) {
                    self.note(&held_text(held));
                }
            }
            Event::Repeated(repeated) => {
                let rows = HumanCount(repeated.rows);
                self.note(&format!(
                    "it is not known what became of {rows} rows; they go again and may be there \
                     twice"
                ));
            }
            Event::Draining => {
                self.note("the service ends, or this output of it; connecting again");
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

/// A service that gives a reason is there.
fn lost_text(cause: &Error) -> String {
    match cause.reason() {
        "" => format!("no connection: {cause}; trying again"),
        _ => format!("the service ended the stream: {cause}; trying again"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::ServiceError;

    #[test]
    fn a_lost_stream_is_told_by_its_cause() {
        let error = |reason: &str| {
            Error::Service(Arc::new(ServiceError {
                code: crate::client::fake::Code::Unavailable,
                reason: reason.to_owned(),
                message: "why".to_owned(),
                retry: true,
                may_be_written: false,
                retry_delay: None,
                fields: Vec::new(),
            }))
        };
        let text = lost_text(&error("TOO_MANY_WRITERS"));
        assert_eq!(text, "the service ended the stream: TOO_MANY_WRITERS: why; trying again");
        assert!(lost_text(&error("")).starts_with("no connection: "));
    }

    #[test]
    fn an_output_goes_on_when_rows_are_durable_and_not_before() {
        let mut report = Report::new(ProgressMode::Never, OutputFormat::Text);
        let held = Held { sequence: 4, code: "BROKER_UNREACHABLE".to_owned(), ..Held::default() };
        report.event(&Event::Held(held), "");
        let progress = |durable_through| Progress {
            durable_through,
            connected: true,
            reconnects: 1,
            ..Progress::default()
        };
        report.draw(0, 0, &progress(3));
        assert!(report.held.is_some(), "a new connection, and the output waits as before");
        report.draw(0, 0, &progress(4));
        assert!(report.held.is_none());
    }
}
