//! The start of a `Write` stream: `Open`, the wait for an older stream of the writer, the session.
use std::time::Duration;

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
    service::{Admitted, Served, Shared},
    session::{SCHEMAS_MAX, Session, Terms},
};
use crate::writers::{Lease, POSITION_BYTES_MAX, WRITER_ID_BYTES_MAX};

/// How long a new stream may take for its `Open`.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The service's words on a quiet stream, unless the engine asks otherwise.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);

/// Bounds of the interval that an engine may ask for; ingresses close streams idle for 240 s.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(200));

/// A `Write` stream: `Open`, the wait for an older stream, the session.
pub async fn serve_stream(
    admitted: &Admitted,
    mut incoming: Streaming<WriteRequest>,
    mut outbox: Outbox,
) {
    let shared = &*admitted.shared;
    let opened = async {
        let open = first_message(shared, &mut incoming).await?;
        let served = admitted.find(&open.output)?;
        check_writer_id(&open.writer_id, "INVALID_OPEN", "open.writer_id")?;
        admitted.check_writer(served, &open.writer_id)?;
        let terms = terms(shared, served, &open)?;
        let credit = shared.credits.open();
        // A stream that takes over needs no room beside the older one, which ends first.
        if credit.is_none() && !served.writers.is_live(&open.writer_id) {
            return Err(too_many(shared));
        }
        let epoch = open.epoch.unwrap_or(0);
        let lease = served.writers.take_over(&open.writer_id, epoch).map_err(denied)?;
        Ok((open, terms, credit, lease))
    };
    let (open, terms, mut credit, mut lease) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return outbox.end(Err(error)).await,
    };
    let mut early = Vec::new();
    if lease.must_wait() {
        // It sends nothing while it waits, however long: its room is for those who do.
        credit = None;
        let waiting = Waiting { shared, heartbeat: terms.heartbeat, incoming: &mut incoming };
        match waiting.wait(&mut lease, &mut outbox).await {
            Ok(schemas) => early = schemas,
            Err(error) => {
                outbox.end(Err(error)).await;
                // What the client had sent is not kept for as long as the wait may last.
                drop((incoming, outbox));
                // Whoever took over from this stream must wait for the one before it, too.
                return lease.turn().await;
            }
        }
    }
    let Some(credit) = credit.or_else(|| shared.credits.open()) else {
        return outbox.end(Err(too_many(shared))).await;
    };
    let message_bytes_max = terms.message_bytes_max.min(credit.set_aside_bytes());
    let terms = Terms { message_bytes_max, ..terms };
    let incoming = tokio_stream::iter(early.into_iter().map(Ok)).chain(incoming);
    Session::new(terms, lease, credit, outbox, incoming, shared).run(open.acknowledged).await;
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

fn terms(shared: &Shared, served: &Served, open: &Open) -> Result<Terms, CallError> {
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
        acknowledged_position: open.acknowledged_position.clone().map(Into::into),
        heartbeat: asked.unwrap_or(HEARTBEAT_DEFAULT),
        client_beats: asked.is_some(),
        message_bytes_max: shared.message_bytes_max,
    })
}

/// A stream that waits until the older stream of its writer is settled.
struct Waiting<'a> {
    shared: &'a Shared,
    heartbeat: Duration,
    incoming: &'a mut Streaming<WriteRequest>,
}

impl Waiting<'_> {
    /// Waits, and says so meanwhile. It reads, so that nothing stays in HTTP/2 buffers at the cost
    /// of other streams of the connection; returns the schemas that came.
    async fn wait(
        self,
        lease: &mut Lease,
        outbox: &mut Outbox,
    ) -> Result<Vec<WriteRequest>, CallError> {
        let since = prost_types::Timestamp::from(std::time::SystemTime::now());
        let mut draining = self.shared.draining();
        let (mut schemas, mut ended) = (Vec::new(), false);
        let taken_over = lease.taken_over();
        tokio::pin!(taken_over);
        let waiting = v1::Waiting {
            code: "OLDER_STREAM_SETTLING".into(),
            since: Some(since),
            reason: "records of an older stream of this writer are not settled yet".into(),
        };
        let mut beat = tokio::time::interval(self.heartbeat);
        loop {
            tokio::select! {
                () = lease.turn() => return Ok(schemas),
                () = &mut taken_over => return Err(CallError::TakenOver),
                _ = draining.wait_for(Option::is_some) => return Err(CallError::Draining),
                // Words that nobody takes would only pile up.
                _ = beat.tick() => if outbox.is_empty() {
                    outbox.push(Out::Waiting(waiting.clone()));
                },
                read = outbox.flush() => if !read { return Err(CallError::AnswersUnread) },
                message = self.incoming.next(), if !ended => match message {
                    Some(message) => {
                        schemas.extend(early_message(self.shared, message, schemas.len())?);
                    }
                    // It has nothing to send, and may still want to hear where the writer is.
                    None => ended = true,
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
