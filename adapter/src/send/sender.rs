//! The sending itself: chunks of files become batches of a writer.
use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use indicatif::HumanCount;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    BROKEN_FILE, Interrupted, SendArgs,
    files::{FileError, Files},
    identity::{Identity, Resume},
    parts::{Origin, Part, ReadChunk, read_all},
    report::{Ended, Outcome, Report, RowFault},
};
use crate::client::{
    Error, Event, Opened, Progress, RejectedRow, Rows, SchemaId, Writer, WriterOptions,
};

/// Between looks at what the service says.
const TICK: Duration = Duration::from_millis(100);
/// How long a stopped sending waits for acknowledgements.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Chunks between reading and sending.
const CHUNKS: usize = 2;

/// Why sending ended before everything was durable.
enum Stop {
    Interrupted,
    File(FileError),
    Broken,
    Foreign(String),
    AlreadyThere,
    Client(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// What is waited for in the client.
enum Step<'a> {
    Open,
    Send(SchemaId, &'a Rows, Bytes),
    Settle,
}

/// One run of the command, after the files were looked through.
pub struct Sender<'a> {
    args: SendArgs,
    files: Arc<Files>,
    identity: Identity,
    report: &'a mut Report,
    interrupted: Interrupted,
    writer_id: String,
    /// Of the batches that are not durable, oldest first.
    origins: VecDeque<Origin>,
    rows_total: Option<u64>,
    rows_before: u64,
    rows_durable: u64,
    batches: u64,
    bytes: u64,
    refused: Vec<RowFault>,
}

impl<'a> Sender<'a> {
    /// Prepares a run.
    pub fn new(
        args: SendArgs,
        files: Files,
        identity: Identity,
        report: &'a mut Report,
        interrupted: Interrupted,
    ) -> Self {
        let writer_id = args.writer.clone().unwrap_or_else(|| identity.writer_id());
        let rows_total = match (files.rows_total, args.limit) {
            (Some(rows), Some(limit)) => Some(rows.min(limit)),
            (rows, _) => rows,
        };
        Self {
            args,
            files: Arc::new(files),
            identity,
            report,
            interrupted,
            writer_id,
            origins: VecDeque::new(),
            rows_total,
            rows_before: 0,
            rows_durable: 0,
            batches: 0,
            bytes: 0,
            refused: Vec::new(),
        }
    }

    /// Sends, and tells how that ended.
    pub async fn run(mut self) -> Outcome {
        let options = WriterOptions {
            reconnect_for: self.args.wait,
            ..WriterOptions::new(&self.args.into, &self.writer_id)
        };
        let mut writer = match Writer::start(&self.args.to, options) {
            Ok(writer) => writer,
            Err(error) => return self.outcome(Err(Stop::Client(error)), &Progress::default()),
        };
        let mut result = self.send_all(&mut writer).await;
        if matches!(result, Err(Stop::Interrupted)) {
            self.report.note("stopping: waiting for the last acknowledgements");
        }
        let progress = writer.stop(STOP_PATIENCE).await;
        self.watch(&mut writer);
        if matches!(result, Err(Stop::Interrupted)) && self.rows_total == Some(self.rows_durable) {
            result = Ok(());
        }
        self.outcome(result, &progress)
    }

    async fn send_all(&mut self, writer: &mut Writer) -> Result<(), Stop> {
        self.attend(writer, Step::Open).await?;
        self.watch(writer);
        let opened = writer.opened().await?;
        self.resume(&opened)?;
        let schema = writer.schema(&self.files.schema)?;
        let chunk_rows = self.chunk_rows(writer);
        let (mut chunks, reading) = self.read(chunk_rows);
        let start = Instant::now();
        let (mut sent_rows, mut position) = (0_u64, self.rows_before);
        loop {
            let chunk = tokio::select! {
                () = &mut self.interrupted => return Err(Stop::Interrupted),
                chunk = chunks.recv() => chunk,
            };
            let Some(chunk) = chunk else { break };
            let (file, first_row, chunk) = chunk?;
            let rows = chunk.batch.num_rows() as u64;
            position += rows;
            let origin =
                Origin { sequence: 0, file, first_row, lines: chunk.lines, rows_through: position };
            if let Some(rate) = self.args.rate {
                let due = Duration::from_secs_f64(sent_rows as f64 / f64::from(rate.get()));
                self.rest_until(writer, start + due).await?;
            }
            self.send_part(writer, schema, Part { batch: chunk.batch, origin }).await?;
            sent_rows += rows;
        }
        // The channel also ends when the reader panics; that is no end of the file.
        reading.await.map_err(|_| Stop::Broken)?;
        self.attend(writer, Step::Settle).await?;
        self.watch(writer);
        if sent_rows == 0 && self.rows_before > 0 {
            return Err(Stop::AlreadyThere);
        }
        Ok(())
    }

    /// Rows of a batch: as asked for, below the service's limit, and at most those of a second.
    fn chunk_rows(&self, writer: &Writer) -> usize {
        let rows = self
            .args
            .batch_rows
            .get()
            .min(writer.limits().map_or(u32::MAX, |limits| limits.batch_rows_max))
            .max(1);
        let per_s = self.args.rate.map_or(u32::MAX, std::num::NonZeroU32::get);
        rows.min(per_s) as usize
    }

    fn resume(&mut self, opened: &Opened) -> Result<(), Stop> {
        let rows = match (&opened.position, opened.resume_after) {
            (None, 0) => 0,
            (Some(position), _) => match self.identity.rows_of(position) {
                Resume::After(rows) => rows,
                Resume::Foreign => return Err(Stop::Foreign("has sent other rows".to_owned())),
            },
            (None, through) => {
                return Err(Stop::Foreign(format!(
                    "is at batch {through}, but without the position that `send` leaves"
                )));
            }
        };
        (self.rows_before, self.rows_durable) = (rows, rows);
        self.report.start(rows, self.rows_total);
        let wanted = self.rows_total.or(self.args.limit);
        if wanted.is_some_and(|wanted| rows >= wanted) {
            return Err(Stop::AlreadyThere);
        }
        if rows > 0 {
            self.report.note(&format!("going on after row {}", HumanCount(rows)));
        }
        Ok(())
    }

    /// Reads the files on a thread of their own. Two chunks are read ahead.
    fn read(&self, chunk_rows: usize) -> (mpsc::Receiver<ReadChunk>, JoinHandle<()>) {
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        let (files, skip, limit) = (self.files.clone(), self.rows_before, self.args.limit);
        let reading = tokio::task::spawn_blocking(move || {
            if let Err(error) = read_all(&files, skip, limit, chunk_rows, &chunks) {
                chunks.blocking_send(Err(error)).ok();
            }
        });
        (receiver, reading)
    }

    /// Hands rows to the writer; in halves where the service takes no larger messages.
    async fn send_part(
        &mut self,
        writer: &mut Writer,
        schema: SchemaId,
        part: Part,
    ) -> Result<(), Stop> {
        let mut parts = vec![part];
        while let Some(mut part) = parts.pop() {
            let rows = Rows::from_arrow(&part.batch)?;
            let position = self.identity.position(part.origin.rows_through);
            match self.attend(writer, Step::Send(schema, &rows, position)).await {
                Ok(sequence) => {
                    part.origin.sequence = sequence;
                    self.origins.push_back(part.origin);
                    self.batches += 1;
                    self.bytes += rows.bytes();
                    self.watch(writer);
                }
                Err(Stop::Client(Error::BatchTooLarge { bytes, bytes_max })) => {
                    if part.batch.num_rows() == 1 {
                        return Err(self.row_too_large(&part.origin, bytes, bytes_max).into());
                    }
                    let [front, back] = part.split();
                    parts.extend([back, front]);
                }
                Err(Stop::Client(Error::TooManyRows { .. })) if part.batch.num_rows() > 1 => {
                    let [front, back] = part.split();
                    parts.extend([back, front]);
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    fn row_too_large(&self, origin: &Origin, bytes: u64, bytes_max: u64) -> FileError {
        let (path, line, row) = self.place(origin, 0);
        let what = format!(
            "row {row} needs a message of {bytes} bytes, and the service takes {bytes_max}; \
             shorten it or raise the service's limit"
        );
        match line {
            Some(line) => FileError::at(path, line, what),
            None => FileError::new(path, what),
        }
    }

    /// Waits for the client, and meanwhile tells the person what happens. What came with the end
    /// of the wait is for the caller to look at, who knows more by then: an answer may be of the
    /// very batch that was just taken.
    async fn attend(&mut self, writer: &mut Writer, step: Step<'_>) -> Result<u64, Stop> {
        loop {
            let done = tokio::select! {
                biased;
                () = &mut self.interrupted => return Err(Stop::Interrupted),
                done = perform(writer, &step) => Some(done),
                () = sleep(TICK) => None,
            };
            match done {
                Some(done) => return Ok(done?),
                None => self.watch(writer),
            }
        }
    }

    async fn rest_until(&mut self, writer: &mut Writer, due: Instant) -> Result<(), Stop> {
        while Instant::now() < due {
            tokio::select! {
                () = &mut self.interrupted => return Err(Stop::Interrupted),
                () = sleep_until(due) => {}
                () = sleep(TICK) => {}
            }
            self.watch(writer);
        }
        Ok(())
    }

    /// Takes note of what the service said since the last look.
    fn watch(&mut self, writer: &mut Writer) {
        // In this order: the events that belong to the progress are there by then.
        let progress = writer.progress();
        for event in writer.poll_events() {
            match &event {
                Event::Rejected { rows, .. } => {
                    let rows: Vec<_> = rows.iter().map(|row| self.fault(row)).collect();
                    self.report.reject(rows);
                }
                Event::Refused(refused) => {
                    let sequence = refused.sequence;
                    let rows =
                        refused.rows.iter().map(|row| RejectedRow { sequence, ..row.clone() });
                    self.refused = rows.map(|row| self.fault(&row)).collect();
                }
                _ => self.report.event(&event, &self.args.to),
            }
        }
        self.durable(&progress);
        self.report.draw(self.rows_durable, self.bytes, &progress);
    }

    fn durable(&mut self, progress: &Progress) {
        while let Some(origin) =
            self.origins.pop_front_if(|origin| origin.sequence <= progress.durable_through)
        {
            self.rows_durable = origin.rows_through;
        }
    }

    /// File, line and number (from 1) of a row.
    fn place(&self, origin: &Origin, row: u64) -> (&Path, Option<u64>, u64) {
        let line = origin.lines.as_ref().and_then(|lines| lines.get(row as usize).copied());
        (&self.files.paths()[origin.file], line, origin.first_row + row + 1)
    }

    fn fault(&self, row: &RejectedRow) -> RowFault {
        let origin = self.origins.iter().find(|origin| origin.sequence == row.sequence);
        RowFault::new(row, origin.map(|origin| self.place(origin, row.row)))
    }

    fn outcome(self, result: Result<(), Stop>, progress: &Progress) -> Outcome {
        let unsettled = progress.unacknowledged_batches > 0;
        let (ended, error) = match result {
            Ok(()) => (Ended::Done, None),
            Err(Stop::AlreadyThere) => (Ended::AlreadyThere, None),
            Err(Stop::Interrupted) => {
                let rest = match (self.batches, progress.unacknowledged_batches) {
                    (0, _) => "nothing was sent".to_owned(),
                    (_, 0) => "everything sent is acknowledged".to_owned(),
                    (_, open) => {
                        format!("batches not acknowledged: {open}; they may or may not be written")
                    }
                };
                (Ended::Unsettled, Some(format!("stopped; {rest}")))
            }
            Err(Stop::File(error)) => (Ended::BadInput, Some(error.to_string())),
            Err(Stop::Broken) => (Ended::BadInput, Some(BROKEN_FILE.to_owned())),
            Err(Stop::Foreign(what)) => {
                let writer = &self.writer_id;
                let error = format!(
                    "the writer `{writer}` {what}; give the sending another name: --writer NAME"
                );
                (Ended::BadInput, Some(error))
            }
            Err(Stop::Client(error)) => {
                (ended_by(&error, unsettled), Some(error_text(&error, &self.args)))
            }
        };
        let Self {
            args, writer_id: writer, rows_total, rows_before, rows_durable, batches, ..
        } = self;
        Outcome {
            ended,
            output: args.into,
            writer,
            rows_total,
            rows_before,
            rows_durable,
            batches,
            durable_through: progress.durable_through,
            rejected_total: progress.rejected_total,
            rejected: std::mem::take(&mut self.report.rejected),
            refused: self.refused,
            reconnects: progress.reconnects,
            repeated_rows: progress.repeated.rows,
            seconds: 0.0,
            rows_per_s: 0.0,
            error,
        }
    }
}

/// Cancel safe, since each of the three is.
async fn perform(writer: &mut Writer, step: &Step<'_>) -> Result<u64, Error> {
    match step {
        Step::Open => writer.opened().await.map(|opened| opened.resume_after),
        Step::Send(schema, rows, position) => {
            writer.send(*schema, rows, Some(position.clone())).await
        }
        Step::Settle => writer.settled().await.map(|()| 0),
    }
}

fn ended_by(error: &Error, unsettled: bool) -> Ended {
    match error {
        Error::Refused(_) => Ended::Refused,
        _ if unsettled && error.may_be_written() => Ended::Unsettled,
        Error::Unreachable { .. } => Ended::Unreachable,
        Error::Service(service) if service.retry => Ended::Unreachable,
        Error::Service(_) => Ended::Refused,
        Error::Endpoint { .. } | Error::Encode(_) => Ended::BadInput,
        Error::BatchTooLarge { .. }
        | Error::TooManyRows { .. }
        | Error::PositionTooLong { .. }
        | Error::TooManySchemas { .. }
        | Error::ProgressLost { .. }
        | Error::ForeignProgress { .. }
        | Error::Protocol(_)
        | Error::Closed => Ended::Failed,
    }
}

fn error_text(error: &Error, args: &SendArgs) -> String {
    match error {
        Error::Unreachable { .. } => format!(
            "{error}\ncheck that the service runs there (kafka-output serve), that --to is its \
             address, and that nothing between blocks the port; --wait 5m tries longer"
        ),
        Error::Refused(refused) => {
            let rows = match refused.rows_total {
                0 => String::new(),
                rows => format!(" ({} bad rows)", HumanCount(rows)),
            };
            format!("{error}{rows}; nothing of this batch is written, and nothing behind it")
        }
        Error::Service(service) if service.reason == "TAKEN_OVER" => format!(
            "{error}\nanother `send` of the same rows into {} has started; it goes on",
            args.into
        ),
        _ => error.to_string(),
    }
}
