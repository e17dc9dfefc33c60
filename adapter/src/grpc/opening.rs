//! The start of a `Write` stream: `Open`, the wait for an older stream of the writer, the session.
use std::time::Duration;

use proto::v1::{
    self, Open, WriteRequest, write_request::Message as In, write_response::Message as Out,
};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::Streaming;

use super::{
    error::{CallError, denied},
    outbox::Outbox,
    service::{Served, Shared},
    session::{Session, Terms, is_too_large},
};
use crate::writers::{Lease, WRITER_ID_BYTES_MAX};

/// How long a new stream may take for its `Open`.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The service's words on a quiet stream, unless the engine asks otherwise.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);

/// Bounds of the interval that an engine may ask for; ingresses close streams idle for 240 s.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(200));

/// A `Write` stream: `Open`, the wait for an older stream, the session.
pub async fn serve_stream(
    shared: &Shared,
    mut incoming: Streaming<WriteRequest>,
    mut outbox: Outbox,
) {
    let opened = async {
        let open = first_message(shared, &mut incoming).await?;
        let served = shared.find(&open.output)?;
        check_writer_id(&open.writer_id, "INVALID_OPEN", "open.writer_id")?;
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
    if lease.must_wait() {
        // Nothing is read while it waits, however long: its room is for those who send.
        credit = None;
        if let Err(error) = wait_for_turn(shared, &mut lease, &mut outbox, terms.heartbeat).await {
            outbox.end(Err(error)).await;
            // Whoever took over from this stream must wait for the one before it, too.
            return lease.turn().await;
        }
    }
    let Some(credit) = credit.or_else(|| shared.credits.open()) else {
        return outbox.end(Err(too_many(shared))).await;
    };
    let terms = Terms { message_bytes_max: terms.message_bytes_max.min(credit.bytes()), ..terms };
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
    let bytes_max = shared.message_bytes_max;
    match first {
        Ok(Some(Ok(WriteRequest { message: Some(In::Open(open)) }))) => Ok(open),
        Ok(Some(Ok(WriteRequest { message: None }))) => Err(CallError::EmptyRequest),
        Ok(Some(Err(status))) if is_too_large(&status) => {
            Err(CallError::MessageTooLarge { bytes_max })
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
    Ok(Terms {
        output: served.output.clone(),
        heartbeat: asked.unwrap_or(HEARTBEAT_DEFAULT),
        client_beats: asked.is_some(),
        message_bytes_max: shared.message_bytes_max,
    })
}

/// Waits until the older stream of this writer is settled, and says so meanwhile.
async fn wait_for_turn(
    shared: &Shared,
    lease: &mut Lease,
    outbox: &mut Outbox,
    heartbeat: Duration,
) -> Result<(), CallError> {
    let since = prost_types::Timestamp::from(std::time::SystemTime::now());
    let mut draining = shared.draining();
    let taken_over = lease.taken_over();
    tokio::pin!(taken_over);
    let waiting = v1::Waiting {
        code: "OLDER_STREAM_SETTLING".into(),
        since: Some(since),
        reason: "records of an older stream of this writer are not settled yet".into(),
    };
    let mut beat = tokio::time::interval(heartbeat);
    loop {
        tokio::select! {
            () = lease.turn() => return Ok(()),
            () = &mut taken_over => return Err(CallError::TakenOver),
            _ = draining.wait_for(Option::is_some) => return Err(CallError::Draining),
            // Words that nobody takes would only pile up.
            _ = beat.tick() => if outbox.is_empty() {
                outbox.push(Out::Waiting(waiting.clone()));
            },
            read = outbox.flush() => if !read { return Err(CallError::AnswersUnread) },
        }
    }
}
