//! The sending itself: chunks of files become batches of a writer.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use indicatif::HumanCount;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Interrupted, SendArgs,
    ending::Stop,
    files::{ChunkSize, FileError, Files},
    identity::{Identity, Resume},
    outcome::Outcome,
    parts::{Origin, Part, ReadChunk, read_all},
    report::{Report, RowFault},
};
use crate::client::{
    Error, Event, Opened, Progress, Refused, RejectedRow, Rows, SchemaId, Security, Writer,
    WriterOptions,
};

/// Between looks at what the service says.
const TICK: Duration = Duration::from_millis(100);
/// How long a stopped sending waits for acknowledgements.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Chunks between reading and sending.
const CHUNKS: usize = 2;

/// What is waited for in the client.
enum Step<'a> {
    Open,
    Send(SchemaId, &'a Rows, Bytes),
    Settle,
}

/// One run of the command, after the files were looked through.
pub struct Sender<'a> {
    pub(super) args: SendArgs,
    files: Arc<Files>,
    identity: Identity,
    pub(super) report: &'a mut Report,
    interrupted: Interrupted,
    pub(super) writer_id: String,
    schema: Option<SchemaId>,
    /// The batches that are not durable, oldest first.
    parts: VecDeque<Part>,
    pub(super) rows_total: Option<u64>,
    pub(super) rows_before: u64,
    pub(super) rows_durable: u64,
    pub(super) batches: u64,
    bytes: u64,
    pub(super) refused: Vec<RowFault>,
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
        let rows_total = match (files.rows_total, args.input.limit) {
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
            schema: None,
            parts: VecDeque::new(),
            rows_total,
            rows_before: 0,
            rows_durable: 0,
            batches: 0,
            bytes: 0,
            refused: Vec::new(),
        }
    }

    /// Sends, and tells how that ended.
    pub async fn run(mut self, security: Security) -> Outcome {
        let options = WriterOptions {
            reconnect_for: self.args.wait,
            security,
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
        self.schema = Some(schema);
        let (mut chunks, reading) = self.read(self.chunk_size(writer));
        let mut due = Instant::now();
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
            self.rest_until(writer, due).await?;
            self.send_part(writer, schema, Part { batch: chunk.batch, origin }).await?;
            if let Some(rate) = self.args.rate {
                // What a stall has cost is not made up for, but for what a timer is late.
                let earliest = Instant::now().checked_sub(TICK).unwrap_or(due);
                due = due.max(earliest)
                    + Duration::from_secs_f64(rows as f64 / f64::from(rate.get()));
            }
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

    /// A batch: rows as asked for, below the service's limits, and at most those of a second.
    fn chunk_size(&self, writer: &Writer) -> ChunkSize {
        let limits = writer.limits().unwrap_or_default();
        let rows = self.args.input.batch_rows.get().min(limits.batch_rows_max).max(1);
        let per_s = self.args.rate.map_or(u32::MAX, std::num::NonZeroU32::get);
        let bytes = limits.message_bytes_max.clamp(1, ChunkSize::BYTES_MAX as u64) as usize;
        ChunkSize { rows: rows.min(per_s) as usize, bytes }
    }

    fn resume(&mut self, opened: &Opened) -> Result<(), Stop> {
        let maybe_written = opened.maybe_written_through;
        let rows = match (&opened.position, opened.resume_after) {
            (None, 0) => {
                if maybe_written.is_none() {
                    self.report.note("the service knows nothing of these rows: starting at row 1");
                }
                0
            }
            (Some(position), _) => match self.identity.rows_of(position) {
                Resume::After(rows) => rows,
                Resume::Foreign => {
                    let what = "has sent other rows; give the sending another name: --writer NAME";
                    return Err(Stop::Foreign(what.to_owned()));
                }
            },
            (None, through) => {
                return Err(Stop::Foreign(format!(
                    "is at batch {through}, but without the position that `send` leaves, so it is \
                     not known which rows are there; another name, --writer NAME, sends all rows: \
                     those of {through} batches would be there twice"
                )));
            }
        };
        if let Some(batches) = maybe_written.and_then(|m| m.checked_sub(opened.resume_after + 1)) {
            let batches = HumanCount(batches + 1);
            self.report.note(&format!(
                "it is not known what became of {batches} batches of an earlier run; their rows go \
                 again and may be there twice"
            ));
        }
        (self.rows_before, self.rows_durable) = (rows, rows);
        self.report.start(rows, self.rows_total);
        let wanted = self.rows_total.or(self.args.input.limit);
        if wanted.is_some_and(|wanted| rows >= wanted) {
            return Err(Stop::AlreadyThere);
        }
        if rows > 0 {
            self.report.note(&format!("going on after row {}", HumanCount(rows)));
        }
        Ok(())
    }

    /// Reads the files on a thread of their own. Two chunks are read ahead.
    fn read(&self, chunk: ChunkSize) -> (mpsc::Receiver<ReadChunk>, JoinHandle<()>) {
        let (chunks, receiver) = mpsc::channel(CHUNKS);
        let (files, skip, limit) = (self.files.clone(), self.rows_before, self.args.input.limit);
        let reading = tokio::task::spawn_blocking(move || {
            if let Err(error) = read_all(&files, skip, limit, chunk, &chunks) {
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
            let rows = part.encode()?;
            let position = self.identity.position(part.origin.rows_through);
            match self.attend(writer, Step::Send(schema, &rows, position)).await {
                Ok(sequence) => {
                    part.origin.sequence = sequence;
                    self.parts.push_back(part);
                    self.batches += 1;
                    self.bytes += rows.bytes();
                    self.watch(writer);
                }
                Err(Stop::Client(Error::BatchTooLarge { bytes, bytes_max })) => {
                    if part.batch.num_rows() == 1 {
                        let why = format!(
                            "needs a message of {bytes} bytes, and the service takes {bytes_max}"
                        );
                        return Err(self.row_too_large(&part, &why).into());
                    }
                    parts.extend(part.split().into_iter().rev());
                }
                Err(Stop::Client(Error::TooManyRows { .. })) if part.batch.num_rows() > 1 => {
                    parts.extend(part.split().into_iter().rev());
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// Sends the rows of a refused batch in smaller ones, under its number and those behind it.
    fn split_refused(&mut self, writer: &mut Writer, refused: &Arc<Refused>) -> Result<(), Stop> {
        self.watch(writer);
        let place = self.parts.iter().position(|part| part.origin.sequence == refused.sequence);
        let (Some(index), Some(schema)) = (place, self.schema) else {
            return Err(Error::Refused(refused.clone()).into());
        };
        let mut halves: Vec<Part> = self.parts.remove(index).into_iter().collect();
        let mut why = format!("is refused as too large: {}", refused.reason);
        loop {
            if let Some(part) = halves.first().filter(|_| halves.iter().all(Part::is_one_row)) {
                return Err(self.row_too_large(part, &why).into());
            }
            halves = halves.into_iter().flat_map(Part::split).collect();
            let encoded = halves.iter().map(|part| {
                let position = self.identity.position(part.origin.rows_through);
                Ok((part.encode()?, Some(position)))
            });
            match writer.split_refused(schema, encoded.collect::<Result<Vec<_>, Error>>()?) {
                Ok(()) => break,
                // Smaller still.
                Err(error @ (Error::BatchTooLarge { .. } | Error::TooManyRows { .. })) => {
                    why = error.to_string();
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.batches += halves.len() as u64 - 1;
        for (at, part) in halves.into_iter().enumerate() {
            self.parts.insert(index + at, part);
        }
        for (sequence, part) in (refused.sequence..).zip(self.parts.iter_mut().skip(index)) {
            part.origin.sequence = sequence;
        }
        Ok(())
    }

    fn row_too_large(&self, part: &Part, why: &str) -> FileError {
        let (path, line, row) = part.origin.place(&self.files, 0);
        let what = format!("row {row} {why}; shorten it or raise the service's limit");
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
                Some(Err(Error::Refused(refused))) if refused.code == "BATCH_TOO_LARGE" => {
                    self.split_refused(writer, &refused)?;
                }
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
        let durable = |part: &mut Part| part.origin.sequence <= progress.durable_through;
        while let Some(part) = self.parts.pop_front_if(durable) {
            self.rows_durable = part.origin.rows_through;
        }
    }

    fn fault(&self, row: &RejectedRow) -> RowFault {
        let part = self.parts.iter().find(|part| part.origin.sequence == row.sequence);
        RowFault::new(row, part.map(|part| part.origin.place(&self.files, row.row)))
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
