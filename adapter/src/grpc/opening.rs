//! The start of a `Write` stream: `Open`, the wait for an older stream of the writer, the session.
use std::{sync::Arc, time::Duration};

use prost::Message as _;
use proto::v1::{
    self, Open, WriteRequest, write_request::Message as In, write_response::Message as Out,
};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

use super::{
    convert::is_too_large,
    error::{CallError, denied},
    first_message::FIRST_MESSAGE_BYTES_MAX,
    outbox::Outbox,
    served::{Ending, Inside, Served, Shared},
    service::Admitted,
    session::{SCHEMAS_MAX, Session, Terms},
};
use crate::{
    kafka::{Delivery, OpenError, ProgressEntry, Stored, Writer},
    output::Output,
    traces,
    writers::{Lease, POSITION_BYTES_MAX, WRITER_ID_BYTES_MAX},
};

/// How long a new stream may take for its `Open`.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Finding out how far a writer has come always takes a while; one that is shorter is not told.
const FIRST_WORD_AFTER: Duration = Duration::from_millis(300);

/// Why a stream waits for the one before it.
const OLDER_STREAM: &str = "records of an older stream of this writer are not settled yet";

/// The service's words on a quiet stream, unless the engine asks otherwise.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);

/// Bounds of the interval that an engine may ask for; ingresses close streams idle for 240 s.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(200));

/// A `Write` stream: `Open`, the wait for an older stream, the session.
pub async fn serve_stream(
    admitted: &Admitted,
    mut incoming: Streaming<WriteRequest>,
    mut outbox: Outbox,
    trace: traces::Context,
) {
    let shared = &*admitted.shared;
    let opened = async {
        let open = first_message(shared, &mut incoming).await?;
        let served = admitted.find(&open.output)?;
        check_writer_id(&open.writer_id, "INVALID_OPEN", "open.writer_id")?;
        admitted.check_writer(&served, &open.writer_id)?;
        let terms = terms(admitted, &served, &open)?;
        let inside = served.clone().enter()?;
        let credit = shared.credits.open();
        // A stream that takes over needs no room beside the older one, which ends first.
        if credit.is_none() && !served.writers.is_live(&open.writer_id) {
            return Err(too_many(shared));
        }
        let epoch = open.epoch.unwrap_or(0);
        let lease = served.writers.take_over(&open.writer_id, epoch).map_err(denied)?;
        Ok((open, inside, terms, credit, lease))
    };
    let (open, inside, terms, mut credit, mut lease) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return outbox.end(Err(error)).await,
    };
    let mut waiting = Waiting::new(inside.ending(shared), terms.heartbeat, shared, incoming);
    if lease.must_wait() {
        // It sends nothing while it waits, however long: its room is for those who do.
        credit = None;
        let taken_over = lease.taken_over();
        let settling = || ("OLDER_STREAM_SETTLING", OLDER_STREAM.to_owned());
        let settled =
            waiting.wait(lease.turn(), taken_over, &settling, Duration::ZERO, &mut outbox);
        if let Err(error) = settled.await {
            outbox.end(Err(error)).await;
            // What the client had sent is not kept for as long as the wait may last.
            drop((waiting, outbox));
            // Whoever took over from this stream must wait for the one before it, too.
            return lease.turn().await;
        }
    }
    let opened = open_writer(&inside, &open, &mut lease, &mut waiting, &mut outbox).await;
    let output = match opened {
        Ok(output) => output.unwrap_or(terms.output),
        Err(error) => return outbox.end(Err(error)).await,
    };
    let Some(credit) = credit.or_else(|| shared.credits.open()) else {
        return outbox.end(Err(too_many(shared))).await;
    };
    let message_bytes_max = terms.message_bytes_max.min(credit.set_aside_bytes());
    let terms = Terms { message_bytes_max, output, trace, ..terms };
    let Waiting { incoming, schemas, ending, .. } = waiting;
    let incoming = tokio_stream::iter(schemas.into_iter().map(Ok)).chain(incoming);
    Session::new(terms, lease, credit, outbox, incoming, ending).run(open.acknowledged).await;
}

/// Opens a writer whose output keeps progress with the rows, and sets its memory by that. Returns
/// the output as this writer sees it; `None` where all writers share one way.
async fn open_writer(
    served: &Inside,
    open: &Open,
    lease: &mut Lease,
    waiting: &mut Waiting<'_>,
    outbox: &mut Outbox,
) -> Result<Option<Arc<Output>>, CallError> {
    let Some(sink) = &served.transactional else {
        recall(served, open, lease, waiting, outbox).await?;
        return Ok(None);
    };
    let why = || {
        let cause = sink.why_opening(&open.writer_id);
        ("WRITER_OPENING", format!("the writer is being opened. {}: {}", cause.code, cause.text))
    };
    let opening = sink.open_writer(&open.writer_id);
    let opened = waiting.wait(opening, lease.taken_over(), &why, FIRST_WORD_AFTER, outbox);
    let writer = opened.await??;
    opened_as(&served.output, writer, open.acknowledged, lease).map(Some)
}

/// The output as a writer with transactions of its own sees it, once its memory is what is stored.
pub fn opened_as(
    output: &Output,
    writer: Writer,
    acknowledged: Option<u64>,
    lease: &Lease,
) -> Result<Arc<Output>, CallError> {
    check_progress(acknowledged, &writer.stored, lease)?;
    let Stored { generation, sequence, position, .. } = writer.stored.clone();
    lease.progress().restore(generation, sequence, position);
    let kafka: Arc<dyn Delivery> = Arc::new(writer);
    Ok(Arc::new(Output { kafka, ..output.clone() }))
}

/// What is stored of a writer becomes part of what is remembered of it.
pub fn recalled(found: ProgressEntry, lease: &Lease) -> Result<(), CallError> {
    let Stored { sequence, position, epoch, .. } = found.known;
    if lease.epoch() < epoch {
        return Err(CallError::StaleEpoch { highest: epoch });
    }
    lease.progress().recall(found.generation, sequence, position);
    Ok(())
}

/// Another process may have served the writer, and stored how far it came. Where the engine says
/// what it holds acknowledged, and this process has served it, there is little to learn.
async fn recall(
    served: &Served,
    open: &Open,
    lease: &mut Lease,
    waiting: &mut Waiting<'_>,
    outbox: &mut Outbox,
) -> Result<(), CallError> {
    let Some(log) = served.progress.clone() else { return Ok(()) };
    if open.acknowledged.is_some_and(|known| lease.progress().is_known(known)) {
        return Ok(());
    }
    let asked = log.look_up(&open.writer_id);
    let why = || ("WRITER_OPENING", "it is looked up how far the writer has come".to_owned());
    match waiting.wait(asked, lease.taken_over(), &why, FIRST_WORD_AFTER, outbox).await? {
        Ok(Some(found)) => recalled(found, lease),
        Ok(None) => Ok(()),
        // Then the engine's word counts alone, as it would without a progress topic.
        Err(cause) => {
            let (output, code) = (&open.output, cause.code);
            tracing::debug!(output, code, "a writer's progress cannot be read: {}", cause.text);
            Ok(())
        }
    }
}

/// Whatever the engine or this process knows to be written must be stored.
fn check_progress(
    acknowledged: Option<u64>,
    stored: &Stored,
    lease: &Lease,
) -> Result<(), CallError> {
    let here = lease.progress().known_durable(stored.generation);
    let known = acknowledged.unwrap_or(0).max(here);
    if known > stored.sequence {
        return Err(CallError::ProgressLost { known, stored: stored.sequence });
    }
    if lease.epoch() < stored.epoch {
        return Err(CallError::StaleEpoch { highest: stored.epoch });
    }
    Ok(())
}

impl From<OpenError> for CallError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused(cause) => Self::WriterRefused(cause.code, cause.text),
            OpenError::Later(cause) => Self::ProgressUnavailable(cause.code, cause.text),
            OpenError::TooMany(writers_max) => Self::TooManyTransactional { writers_max },
            OpenError::Stopped => Self::Draining,
        }
    }
}

/// As many streams as may be are live.
pub fn too_many(shared: &Shared) -> CallError {
    CallError::TooManyWriters { writers_max: shared.credits.streams_max() }
}

async fn first_message(
    shared: &Shared,
    incoming: &mut Streaming<WriteRequest>,
) -> Result<Open, CallError> {
    let mut draining = shared.draining();
    let first = tokio::select! {
        first = timeout(OPEN_TIMEOUT, incoming.next()) => first,
        _ = draining.wait_for(Option::is_some) => return Err(CallError::Draining),
    };
    match first {
        Ok(Some(Ok(WriteRequest { message: Some(In::Open(open)) }))) => Ok(open),
        Ok(Some(Err(status))) if is_too_large(&status) => {
            Err(CallError::FirstMessageTooLarge { bytes_max: FIRST_MESSAGE_BYTES_MAX })
        }
        _ => Err(CallError::OpenExpected),
    }
}

/// Whether a writer may have this name.
pub fn check_writer_id(
    id: &str,
    reason: &'static str,
    field: &'static str,
) -> Result<(), CallError> {
    if id.is_empty() || id.len() > WRITER_ID_BYTES_MAX || id.chars().any(char::is_control) {
        let what = format!("1 to {WRITER_ID_BYTES_MAX} bytes without control characters");
        return Err(CallError::Invalid(reason, field, what));
    }
    Ok(())
}

fn terms(admitted: &Admitted, served: &Served, open: &Open) -> Result<Terms, CallError> {
    let (min, max) = HEARTBEAT_BOUNDS;
    let invalid = || {
        let what = format!("{} s to {} s", min.as_secs(), max.as_secs());
        CallError::Invalid("INVALID_OPEN", "open.heartbeat_interval", what)
    };
    let asked =
        open.heartbeat_interval.map(Duration::try_from).transpose().map_err(|_| invalid())?;
    if asked.is_some_and(|asked| asked < min || asked > max) {
        return Err(invalid());
    }
    if open.acknowledged.is_some_and(|acknowledged| acknowledged > i64::MAX as u64) {
        let what = "no writer has come this far".to_owned();
        return Err(CallError::Invalid("INVALID_OPEN", "open.acknowledged", what));
    }
    if let Some(position) = &open.acknowledged_position {
        let bytes = position.len();
        let what = if open.acknowledged.is_none() {
            Some("is only for what `open.acknowledged` says".to_owned())
        } else {
            (bytes > POSITION_BYTES_MAX)
                .then(|| format!("has {bytes} bytes, the limit is {POSITION_BYTES_MAX}"))
        };
        if let Some(what) = what {
            return Err(CallError::Invalid("INVALID_OPEN", "open.acknowledged_position", what));
        }
    }
    Ok(Terms {
        output: served.output.clone(),
        keeper: served.keeper.clone(),
        acknowledged_position: open.acknowledged_position.clone().map(Into::into),
        heartbeat: asked.unwrap_or(HEARTBEAT_DEFAULT),
        client_beats: asked.is_some(),
        message_bytes_max: admitted.shared.message_bytes_max,
        connection: admitted.peer.standing.clone(),
        trace: traces::Context::default(),
        tracer: admitted.shared.tracer.clone(),
    })
}

/// A stream before `Opened`.
struct Waiting<'a> {
    shared: &'a Shared,
    ending: Ending,
    heartbeat: Duration,
    incoming: Streaming<WriteRequest>,
    /// Schemas that came meanwhile.
    schemas: Vec<WriteRequest>,
    /// The engine has nothing to send, and may still want to hear where the writer is.
    ended: bool,
}

impl<'a> Waiting<'a> {
    fn new(
        ending: Ending,
        heartbeat: Duration,
        shared: &'a Shared,
        incoming: Streaming<WriteRequest>,
    ) -> Self {
        Self { shared, ending, heartbeat, incoming, schemas: Vec::new(), ended: false }
    }

    /// Waits, and says so meanwhile, for the first time after `first_word`. It reads, so that nothing
    /// stays in HTTP/2 buffers at the cost of other streams of the connection.
    async fn wait<T>(
        &mut self,
        awaited: impl Future<Output = T>,
        taken_over: impl Future<Output = ()>,
        why: &(dyn Fn() -> (&'static str, String) + Sync),
        first_word: Duration,
        outbox: &mut Outbox,
    ) -> Result<T, CallError> {
        let since = prost_types::Timestamp::from(std::time::SystemTime::now());
        tokio::pin!(awaited, taken_over);
        let start = tokio::time::Instant::now() + first_word;
        let mut beat = tokio::time::interval_at(start, self.heartbeat);
        loop {
            tokio::select! {
                awaited = &mut awaited => return Ok(awaited),
                () = &mut taken_over => return Err(CallError::TakenOver),
                _ = self.ending.told() => return Err(CallError::Draining),
                // Words that nobody takes would only pile up.
                _ = beat.tick() => if outbox.is_empty() {
                    let (code, reason) = why();
                    let (code, since) = (code.into(), Some(since));
                    outbox.push(Out::Waiting(v1::Waiting { code, since, reason }));
                },
                read = outbox.flush() => if !read { return Err(CallError::AnswersUnread) },
                message = self.incoming.next(), if !self.ended => match message {
                    Some(message) => {
                        let early = early_message(self.shared, message, self.schemas.len())?;
                        self.schemas.extend(early);
                    }
                    None => self.ended = true,
                },
            }
        }
    }
}

/// A message before `Opened`: schemas are kept, and batches have no credit yet.
fn early_message(
    shared: &Shared,
    message: Result<WriteRequest, Status>,
    schemas: usize,
) -> Result<Option<WriteRequest>, CallError> {
    let bytes_max = shared.message_bytes_max;
    let request = match message {
        Ok(request) => request,
        Err(status) if is_too_large(&status) => {
            return Err(CallError::MessageTooLarge { bytes_max });
        }
        // The client is gone; nobody hears this.
        Err(_) => return Err(CallError::AnswersUnread),
    };
    match &request.message {
        None => Err(CallError::EmptyRequest),
        Some(In::Open(_)) => Err(CallError::SecondOpen),
        Some(In::Heartbeat(_)) => Ok(None),
        Some(In::Schema(_)) if schemas >= SCHEMAS_MAX as usize => {
            Err(CallError::TooManySchemas { schemas_max: SCHEMAS_MAX })
        }
        Some(In::Schema(_)) => Ok(Some(request)),
        Some(In::Batch(_)) => {
            let bytes = request.encoded_len() as u64;
            Err(CallError::CreditExceeded { bytes, bytes_max: 0, batches_max: 0 })
        }
    }
}
