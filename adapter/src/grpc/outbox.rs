//! What a session has to say to its client, in order, without ever waiting for it.
//!
//! Acknowledgements that the client has not taken yet are joined into one, so a client that reads
//! slowly costs no memory for them.
use std::{collections::VecDeque, time::Duration};

use proto::v1::{self, WriteResponse, write_response::Message as Out};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::Status;

use super::{convert::response, error::CallError};
use crate::output::NAMED_ROWS_MAX;

/// Answers that may wait for a client that does not read. A client within its credit has fewer.
const WAITING_MAX: usize = 512;

/// Answers between a session and its connection.
const ANSWERS: usize = 16;

/// Longest wait for a client that should take what waits at the end of its stream.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// The answers of one stream.
pub struct Outbox {
    to_client: mpsc::Sender<Answer>,
    /// The last answer has a place of its own: whoever reads at all hears how the stream ended.
    last_to_client: Option<mpsc::Sender<Answer>>,
    waiting: VecDeque<Out>,
    last_word: Instant,
}

/// What a client reads.
type Answer = Result<WriteResponse, Status>;

impl Outbox {
    /// An outbox, and the stream that empties it.
    pub fn new() -> (Self, impl Stream<Item = Answer> + Send + 'static) {
        let (to_client, answers) = mpsc::channel(ANSWERS);
        let (last_to_client, last) = mpsc::channel(1);
        let outbox = Self {
            to_client,
            last_to_client: Some(last_to_client),
            waiting: VecDeque::new(),
            last_word: Instant::now(),
        };
        (outbox, ReceiverStream::new(answers).chain(ReceiverStream::new(last)))
    }

    /// Says something.
    pub fn push(&mut self, message: Out) {
        self.waiting.push_back(message);
        self.try_flush();
    }

    /// Says that everything up to `durable_through` is durable.
    pub fn acknowledge(
        &mut self,
        durable_through: u64,
        credit: Option<v1::Credit>,
        rejected: Vec<v1::RejectedRow>,
        rejected_total: u64,
    ) {
        if let Some(Out::Ack(last)) = self.waiting.back_mut()
            && last.rejected.len() + rejected.len() <= NAMED_ROWS_MAX
        {
            last.durable_through = durable_through;
            last.credit = credit.or(last.credit.take());
            last.rejected.extend(rejected);
            last.rejected_total += rejected_total;
            return;
        }
        self.push(Out::Ack(v1::Ack { durable_through, credit, rejected, rejected_total }));
    }

    /// Hands on what the channel takes now.
    fn try_flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(place) = self.to_client.try_reserve() else { return };
            let message = self.waiting.pop_front().expect("it is not empty");
            place.send(Ok(response(message)));
            self.last_word = Instant::now();
        }
    }

    /// Waits until the client takes something of what waits; for ever if nothing does. False if
    /// the client is gone. Cancel safe.
    pub async fn flush(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.to_client.closed().await;
            return false;
        }
        match self.to_client.reserve().await {
            Ok(place) => {
                let message = self.waiting.pop_front().expect("it is not empty");
                place.send(Ok(response(message)));
                self.last_word = Instant::now();
                true
            }
            Err(_) => false,
        }
    }

    /// Ends the stream: what waits goes first. A client that does not read loses it, but hears
    /// the end whenever it reads.
    pub async fn end(&mut self, end: Result<(), CallError>) {
        let all = async { while !self.waiting.is_empty() && self.flush().await {} };
        let _ = tokio::time::timeout(END_TIMEOUT, all).await;
        if let (Some(last), Err(error)) = (self.last_to_client.take(), end) {
            // The place is free: it is used here and once. The client may be gone.
            let _ = last.try_send(Err(error.into()));
        }
        // The session lives on until its records are settled; the client need not wait for that.
        (self.to_client, _) = mpsc::channel(1);
    }

    /// When the service last said something.
    pub fn last_word(&self) -> Instant {
        self.last_word
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// More waits than a client that reads would ever leave.
    pub fn is_overfull(&self) -> bool {
        self.waiting.len() > WAITING_MAX
    }
}
