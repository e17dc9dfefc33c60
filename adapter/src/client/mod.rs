//! A client of the Kafka output service, for engines and commands. It stands alone: it imports
//! nothing else of this crate.
//!
//! [`Writer`] is one ordered sender of rows. A producer loop is three calls:
//!
//! ```text
//! let options = WriterOptions::new("delays", "q1-0");
//! let mut writer = Writer::open("http://127.0.0.1:7070", options).await?;
//! let schema = writer.schema(&batch.schema())?;
//! for batch in batches {
//!     writer.send(schema, &Rows::from_arrow(&batch)?, None).await?; // waits for credit
//! }
//! let progress = writer.finish().await?;                          // everything is durable
//! ```
//!
//! A task behind the handle owns the connection. It numbers nothing and decides nothing about
//! rows: the window does. The handle puts batches into the window, the task sends what the
//! credit allows, takes acknowledgements, and after a lost stream opens again and sends what is
//! not durable, byte for byte. Memory is bounded by the credit: `send` waits when the window is
//! full, and a batch larger than the credit goes when nothing else is on its way.
mod backoff;
mod calls;
mod endpoint;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod options;
mod rows;
mod security;
mod state;
#[cfg(test)]
mod tests;
mod tls_fault;
mod way;
mod window;
mod worker;

use std::{sync::Arc, time::Duration};

use arrow_schema::Schema;
use bytes::Bytes;
use proto::v1::schema;
pub use proto::v1::{Columns, Credit, Held, Limits, Opened, Refused, RejectedRow, Waiting};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use self::{
    backoff::Backoff,
    options::wire_duration,
    state::{Shared, State},
    way::Way,
    window::Draft,
    worker::Worker,
};
pub use self::{
    calls::Client,
    error::{Error, ServiceError},
    options::WriterOptions,
    rows::{Rows, encode_schema},
    security::{OwnCertificate, Security, TokenFrom},
    state::{Event, Progress},
    tls_fault::TlsFault,
    window::{SchemaId, Tally},
};

/// One ordered sender of rows into an output. Dropping it drops the stream; what was not
/// acknowledged by then may or may not be written, and the next writer of that name is told.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    task: JoinHandle<()>,
    batch_timeout: Option<prost_types::Duration>,
}

/// Checks an address without connecting: `http://HOST:PORT` or `https://HOST:PORT`.
pub fn check_endpoint(endpoint: &str) -> Result<(), Error> {
    endpoint::endpoint(endpoint).map(|_| ())
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Writer {
    /// Opens a writer and waits until the service says where to go on.
    pub async fn open(endpoint: &str, options: WriterOptions) -> Result<Self, Error> {
        let mut writer = Self::start(endpoint, options)?;
        writer.opened().await?;
        Ok(writer)
    }

    /// Starts to open a writer without waiting, so that the caller can watch
    /// [`poll_events`](Self::poll_events) meanwhile. Must be called inside a tokio runtime.
    pub fn start(endpoint: &str, options: WriterOptions) -> Result<Self, Error> {
        let way = Way::new(endpoint, &options.security)?;
        let (shared, changed) = Shared::new();
        let batch_timeout = options.batch_timeout.map(wire_duration);
        let worker = Worker {
            way,
            options,
            shared: shared.clone(),
            backoff: Backoff::default(),
            lost_since: Some(Instant::now()),
        };
        let task = tokio::spawn(worker.run());
        Ok(Self { shared, changed, task, batch_timeout })
    }

    /// Waits until the service has opened the writer. The answer tells where to go on (after
    /// `resume_after`, and the `position` stored with it); it is that of the latest stream.
    pub async fn opened(&mut self) -> Result<Opened, Error> {
        self.wait(|state| match &state.opened {
            Some(opened) => Some(Ok(opened.clone())),
            None => state.obstacle().map(Err),
        })
        .await
    }

    /// The sizes that hold for this stream; none before it is open.
    pub fn limits(&self) -> Option<Limits> {
        self.shared.read(|state| state.window.limits())
    }

    /// Declares an Arrow schema. The same schema gets the same id, however often it is declared.
    pub fn schema(&mut self, schema: &Schema) -> Result<SchemaId, Error> {
        let columns = schema::Columns::ArrowIpc(encode_schema(schema)?);
        self.shared.with(|state| state.window.schema(columns))
    }

    /// Declares columns by hand, for [`Rows::encoded`].
    pub fn schema_typed(&mut self, columns: Columns) -> Result<SchemaId, Error> {
        self.shared.with(|state| state.window.schema(schema::Columns::Typed(columns)))
    }

    /// Hands a batch over and tells its sequence. Waits for room in the window; returns when the
    /// batch is in it, long before it is durable. `position` is the caller's own resume point.
    ///
    /// An error means that this batch was *not* taken. [`Error::Refused`] speaks of an earlier
    /// batch: decide ([`skip_refused`](Self::skip_refused) or
    /// [`replace_refused`](Self::replace_refused)) and send this one again.
    ///
    /// Cancel safe: until it returns, nothing is taken.
    pub async fn send(
        &mut self,
        schema: SchemaId,
        rows: &Rows,
        position: Option<Bytes>,
    ) -> Result<u64, Error> {
        self.opened().await?;
        let draft = self.draft(schema, rows, position);
        loop {
            // Marked as seen before the look, so that a change after it is not slept through.
            self.changed.borrow_and_update();
            let taken = self.shared.ask(|state| match state.obstacle() {
                Some(obstacle) => Err(obstacle),
                None => Ok(state.window.offer(&draft)?.map(|offered| {
                    state.repeated.add(offered.repeated);
                    offered.sequence
                })),
            })?;
            if let Some(sequence) = taken {
                return Ok(sequence);
            }
            self.changed().await;
        }
    }

    /// Gives the refused batch up; its rows will not be written. Batches behind it move up one
    /// number and go out again. Tells what was refused, if anything was.
    pub fn skip_refused(&mut self) -> Option<Arc<Refused>> {
        self.shared.ask(|state| state.window.skip_refused())
    }

    /// Sends other rows in the place of the refused batch, under its number. Batches behind it
    /// go out again after it. Does nothing if no batch is refused.
    pub fn replace_refused(
        &mut self,
        schema: SchemaId,
        rows: &Rows,
        position: Option<Bytes>,
    ) -> Result<(), Error> {
        let draft = self.draft(schema, rows, position);
        self.shared.ask(|state| state.window.replace_refused(&draft))
    }

    /// Sends several batches in the place of the refused one (BATCH_TOO_LARGE), each with its own
    /// position. The first takes its number; batches behind it move up and go out again after
    /// them. Does nothing if no batch is refused. An error means that nothing was changed.
    pub fn split_refused(
        &mut self,
        schema: SchemaId,
        parts: impl IntoIterator<Item = (Rows, Option<Bytes>)>,
    ) -> Result<(), Error> {
        let drafts = parts.into_iter().map(|(rows, position)| self.draft(schema, &rows, position));
        let drafts: Vec<_> = drafts.collect();
        self.shared.ask(|state| state.window.split_refused(&drafts))
    }

    fn draft(&self, schema: SchemaId, rows: &Rows, position: Option<Bytes>) -> Draft {
        Draft { schema, rows: rows.clone(), position, timeout: self.batch_timeout }
    }

    /// How far the writer is.
    pub fn progress(&self) -> Progress {
        self.shared.read(State::progress)
    }

    /// What happened since the last call. Of events that nobody polls the last 256 are kept.
    pub fn poll_events(&mut self) -> Vec<Event> {
        self.shared.with(State::take_events)
    }

    /// Waits until [`progress`](Self::progress) or the events may have changed. Cancel safe.
    pub async fn changed(&mut self) {
        // The sender lives in `shared`, which this handle holds.
        self.changed.changed().await.ok();
    }

    /// Waits until everything that was handed over is durable.
    pub async fn settled(&mut self) -> Result<(), Error> {
        self.wait(|state| match state.window.unacknowledged() {
            (0, _) => Some(Ok(())),
            _ => state.obstacle().map(Err),
        })
        .await
    }

    /// Waits until everything that was handed over is durable, then closes the stream.
    pub async fn finish(mut self) -> Result<Progress, Error> {
        self.settled().await?;
        self.close().await;
        Ok(self.progress())
    }

    /// Stops early: waits at most `patience` until what was handed over is answered, then closes
    /// the stream. What the result still counts as unacknowledged may or may not be written.
    /// Afterwards only [`progress`](Self::progress) and [`poll_events`](Self::poll_events) answer.
    pub async fn stop(&mut self, patience: Duration) -> Progress {
        let quiet =
            self.wait(|state| (state.window.at_rest() || state.ended.is_some()).then_some(Ok(())));
        if timeout(patience, quiet).await.is_err() {
            // The service would keep a closed stream open until it has settled: not for us.
            self.task.abort();
        }
        self.close().await;
        self.progress()
    }

    async fn close(&mut self) {
        self.shared.ask(|state| state.closing = true);
        self.wait(|state| state.ended.is_some().then_some(Ok(()))).await.ok();
    }

    async fn wait<T>(
        &mut self,
        look: impl Fn(&State) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        loop {
            self.changed.borrow_and_update();
            if let Some(done) = self.shared.read(&look) {
                return done;
            }
            self.changed().await;
        }
    }
}
