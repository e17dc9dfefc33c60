//! The task behind a writer: keeps one stream open, sends what the window allows, takes answers.
use std::{sync::Arc, time::Duration};

use proto::v1::{
    Ack, Heartbeat, Open, Opened, WriteRequest, WriteResponse,
    kafka_output_service_client::KafkaOutputServiceClient, write_request, write_response::Message,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Streaming};

use super::{
    Error, Event, ServiceError, WriterOptions,
    backoff::Backoff,
    options::{ANSWER_BYTES_MAX, CONNECT_TIMEOUT, wire_duration},
    state::Shared,
    way::Way,
    window::Moved,
};

/// Requests between the window and HTTP/2. The credit bounds what is in flight; this only keeps
/// the encoder of the connection busy.
const OUTBOUND_REQUESTS: usize = 8;
/// How long the service may take to end a stream that is closed from here.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a timer that is not wanted.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A stream that the service asked to come again.
fn asked_to_go() -> Error {
    lost("DRAINING", "the service ends, or this output of it, or the stream moves")
}

/// A stream that ended without the service's word.
fn lost(reason: &str, message: impl Into<String>) -> Error {
    Error::Service(Arc::new(ServiceError {
        code: Code::Unavailable,
        reason: reason.to_owned(),
        message: message.into(),
        retry: true,
        may_be_written: true,
        retry_delay: None,
        fields: Vec::new(),
    }))
}

/// Owns the streams of one writer, one after the other.
pub(super) struct Worker {
    pub(super) way: Way,
    pub(super) options: WriterOptions,
    pub(super) shared: Arc<Shared>,
    pub(super) backoff: Backoff,
    /// Since when there is no stream.
    pub(super) lost_since: Option<Instant>,
}

impl Worker {
    /// Runs until the caller closes or nothing more can be done, and leaves the reason behind.
    pub(super) async fn run(mut self) {
        let _mark = EndMark(self.shared.clone());
        let ended = self.run_to_end().await;
        self.shared.tell(|state| {
            // A stream that was refused says nothing of what an older one was given.
            let unsettled = state.window.unsettled().batches > 0;
            let ended =
                ended.map_err(|error| if unsettled { error.of_given_rows() } else { error });
            state.connected = false;
            state.ended = Some(ended);
        });
    }

    async fn run_to_end(&mut self) -> Result<(), Error> {
        loop {
            let Err(cause) = self.stream().await else { return Ok(()) };
            if self.shared.read(|state| state.closing) {
                return Ok(());
            }
            let opened = self.shared.read(|state| state.opened.is_some());
            // What was wrong with certificates from the start is not mended by waiting.
            if !cause.retry() || (!opened && matches!(cause, Error::Tls { .. })) {
                return Err(cause);
            }
            let since = *self.lost_since.get_or_insert_with(Instant::now);
            let left = self.options.reconnect_for.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(self.gave_up(cause, since));
            }
            let mut retry_in = self.backoff.next();
            if let Error::Service(error) = &cause {
                retry_in = retry_in.max(error.retry_delay.unwrap_or_default());
            }
            // However late the service wants it, there is a last attempt.
            let retry_in = retry_in.min(left);
            self.shared.tell(|state| {
                state.connected = false;
                state.event(Event::Lost { cause, retry_in });
            });
            self.pause(retry_in).await;
        }
    }

    /// The service's own reason if it has one; else that it cannot be reached.
    fn gave_up(&self, cause: Error, since: Instant) -> Error {
        let (endpoint, tried_s) = (self.way.address(), since.elapsed().as_secs());
        let cause = match cause {
            Error::Service(error) if !error.reason.is_empty() => return Error::Service(error),
            Error::Tls { fault, .. } => return Error::Tls { endpoint, tried_s, fault },
            Error::Unreachable { cause, .. } => cause,
            other => other.to_string(),
        };
        Error::Unreachable { endpoint, tried_s, cause }
    }

    async fn pause(&self, length: Duration) {
        let end = Instant::now() + length;
        while !self.shared.read(|state| state.closing) {
            tokio::select! {
                () = sleep_until(end) => return,
                () = self.shared.work.notified() => {}
            }
        }
    }

    /// Opens a stream and serves it to its end. `Ok` only if the caller closed it.
    async fn stream(&mut self) -> Result<(), Error> {
        // A port that takes connections may still never answer the handshake of TLS.
        let connected = timeout(self.patience(), self.way.connect());
        let Ok(channel) = self.unless_closing(connected).await? else {
            return Err(self.no_answer());
        };
        let channel = channel?;
        let mut client =
            KafkaOutputServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let (outbound, requests) = mpsc::channel(OUTBOUND_REQUESTS);
        outbound.try_send(self.open_request()).expect("an empty channel has room");
        let mut request = Request::new(ReceiverStream::new(requests));
        self.unless_closing(self.way.authorize(&mut request)).await??;
        let call = timeout(self.patience(), client.write(request));
        let mut inbound = match self.unless_closing(call).await? {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => {
                return Err(self.unless_closing(self.way.explain(status.into())).await?);
            }
            Err(_) => return Err(self.no_answer()),
        };
        let opened = self.wait_opened(&mut inbound).await?;
        self.opened(opened)?;
        let (options, shared) = (&self.options, self.shared.as_ref());
        Stream { inbound, outbound, options, shared, backoff: &mut self.backoff }.serve().await
    }

    fn open_request(&self) -> WriteRequest {
        let WriterOptions { output, writer_id, epoch, .. } = &self.options;
        let (acknowledged, position) = self.shared.read(|state| match state.opened {
            Some(_) => (Some(state.window.durable_through()), state.window.durable_position()),
            None => (self.options.acknowledged, self.options.acknowledged_position.clone()),
        });
        request(write_request::Message::Open(Open {
            output: output.clone(),
            writer_id: writer_id.clone(),
            epoch: *epoch,
            acknowledged,
            acknowledged_position: position.map(Into::into),
            heartbeat_interval: self.options.heartbeat_interval.map(wire_duration),
        }))
    }

    /// How long the service may stay silent before it opens: what is left of the time to
    /// reconnect, but long enough for one honest attempt.
    fn patience(&self) -> Duration {
        let spent = self.lost_since.map_or(Duration::ZERO, |since| since.elapsed());
        self.options.reconnect_for.saturating_sub(spent).max(CONNECT_TIMEOUT)
    }

    fn no_answer(&self) -> Error {
        self.way.unreachable("it accepts connections, but does not answer".to_owned())
    }

    async fn unless_closing<T>(&self, wait: impl Future<Output = T>) -> Result<T, Error> {
        let closing = async {
            while !self.shared.read(|state| state.closing) {
                self.shared.work.notified().await;
            }
        };
        tokio::select! {
            done = wait => Ok(done),
            () = closing => Err(Error::Closed),
        }
    }

    async fn wait_opened(
        &mut self,
        inbound: &mut Streaming<WriteResponse>,
    ) -> Result<Opened, Error> {
        let mut patience = self.patience();
        loop {
            let answer = self.unless_closing(timeout(patience, inbound.message())).await?;
            let Some(answer) = answer.map_err(|_| self.no_answer())?? else {
                return Err(lost("", "the service ended the stream before it opened"));
            };
            match answer.message {
                Some(Message::Opened(opened)) => return Ok(opened),
                Some(Message::Waiting(waiting)) => {
                    self.shared.tell(|state| state.event(Event::Waiting(waiting)));
                }
                Some(Message::Draining(_)) => {
                    return Err(asked_to_go());
                }
                _ => {}
            }
            // It speaks, so it is there: the time to reconnect starts anew.
            self.lost_since = Some(Instant::now());
            // And from here on it owes a word in each heartbeat, as on an open stream.
            patience = self.patience().max(self.options.silence_max());
        }
    }

    fn opened(&mut self, opened: Opened) -> Result<(), Error> {
        self.lost_since = None;
        let moved = self.shared.tell(|state| -> Result<Moved, Error> {
            let before = state.window.refused();
            let (moved, repeated) = state.window.opened(&opened)?;
            state.reconnects += u64::from(state.opened.is_some());
            state.connected = true;
            state.draining = false;
            state.held = None;
            state.opened = Some(opened.clone());
            let (rows, total) = (opened.rejected.clone(), opened.rejected_total);
            state.event(Event::Opened(opened));
            state.reject(rows, total);
            state.repeat(repeated);
            if let Some(refused) = state.window.refused().filter(|now| before.as_ref() != Some(now))
            {
                state.event(Event::Refused(refused));
            }
            Ok(moved)
        })?;
        if moved == Moved::Durable {
            self.backoff.reset();
        }
        Ok(())
    }
}

/// Silence is the bad news: a worker that ends in any other way must not leave callers waiting.
struct EndMark(Arc<Shared>);

impl Drop for EndMark {
    fn drop(&mut self) {
        self.0.tell(|state| {
            state.ended.get_or_insert(Err(Error::Closed));
        });
    }
}

fn request(message: write_request::Message) -> WriteRequest {
    WriteRequest { message: Some(message) }
}

/// One open stream.
struct Stream<'a> {
    inbound: Streaming<WriteResponse>,
    outbound: mpsc::Sender<WriteRequest>,
    options: &'a WriterOptions,
    shared: &'a Shared,
    backoff: &'a mut Backoff,
}

impl Stream<'_> {
    /// The one loop of a stream. It waits for: an answer, room to send, the caller, the time to
    /// give a sign of life, the service's silence.
    async fn serve(mut self) -> Result<(), Error> {
        let heartbeat = self.options.heartbeat_interval.unwrap_or(FAR);
        let silence_max = self.options.silence_max();
        let (mut heard, mut spoke) = (Instant::now(), Instant::now());
        loop {
            let (may_send, drained, closing) = self.shared.read(|state| {
                let may_send = state.window.may_send() && !state.draining;
                (may_send, state.draining && state.window.in_flight() == 0, state.closing)
            });
            if closing {
                return self.close().await;
            }
            if drained {
                return Err(asked_to_go());
            }
            // Answers first: what has come must not lose against the timer of the silence.
            tokio::select! {
                biased;
                answer = self.inbound.message() => {
                    heard = Instant::now();
                    let answer = answer?.ok_or_else(|| lost("", "the service ended the stream"))?;
                    answered(answer, self.shared, self.backoff)?;
                }
                permit = self.outbound.reserve(), if may_send && !self.outbound.is_closed() => {
                    // A closed channel: the call has ended, and `inbound` tells how.
                    let Ok(permit) = permit else { continue };
                    if let Some(next) = self.shared.with(|state| state.window.next_to_send()) {
                        permit.send(next);
                        spoke = Instant::now();
                    }
                }
                () = self.shared.work.notified() => {}
                () = sleep_until(spoke + heartbeat) => {
                    // A full channel is a sign of life by itself.
                    let beat = request(write_request::Message::Heartbeat(Heartbeat {}));
                    self.outbound.try_send(beat).ok();
                    spoke = Instant::now();
                }
                () = sleep_until(heard + silence_max) => {
                    let silent_s = silence_max.as_secs();
                    return Err(lost("", format!("the service was silent for {silent_s} s")));
                }
            }
        }
    }

    /// Says that nothing more comes, and waits for the service to end the stream in its own way.
    async fn close(mut self) -> Result<(), Error> {
        drop(self.outbound);
        let ended = async {
            while let Ok(Some(answer)) = self.inbound.message().await {
                answered(answer, self.shared, self.backoff)?;
            }
            Ok(())
        };
        timeout(CLOSE_TIMEOUT, ended).await.unwrap_or(Ok(()))
    }
}

/// Takes one answer of an open stream.
fn answered(answer: WriteResponse, shared: &Shared, backoff: &mut Backoff) -> Result<(), Error> {
    match answer.message {
        Some(Message::Ack(ack)) => {
            if acknowledged(ack, shared)? == Moved::Durable {
                backoff.reset();
            }
            Ok(())
        }
        Some(Message::Refused(refused)) => shared.tell(|state| {
            if let Some(refused) = state.window.refused_by_service(refused)? {
                state.event(Event::Refused(refused));
            }
            Ok(())
        }),
        Some(Message::Held(held)) => {
            shared.tell(|state| {
                // The service says it again with every heartbeat.
                if state.held.as_ref().is_none_or(|known| known.code != held.code) {
                    state.event(Event::Held(held.clone()));
                }
                state.held = Some(held);
            });
            Ok(())
        }
        Some(Message::Draining(_)) => {
            shared.tell(|state| {
                state.draining = true;
                state.event(Event::Draining);
            });
            Ok(())
        }
        Some(Message::Opened(_)) => Err(Error::Protocol("it answers `Opened` twice".to_owned())),
        // A client ignores a kind that it does not know.
        Some(Message::Waiting(_) | Message::Heartbeat(_)) | None => Ok(()),
    }
}

fn acknowledged(ack: Ack, shared: &Shared) -> Result<Moved, Error> {
    shared.tell(|state| {
        let moved = state.window.acknowledged(&ack)?;
        if moved == Moved::Durable {
            state.held = None;
        }
        state.reject(ack.rejected, ack.rejected_total);
        Ok(moved)
    })
}
