//! What a session has to say to its client, in order, without ever waiting for it.
//!
//! Acknowledgements that the client has not taken yet are joined into one, so a client that reads
//! slowly costs no memory for them.
use std::collections::VecDeque;

use proto::v1::{self, WriteResponse, write_response::Message as Out};
use tokio::{sync::mpsc, time::Instant};
use tonic::Status;

use super::{error::CallError, session::response};

/// Answers that may wait for a client that does not read. A client within its credit has fewer.
const WAITING_MAX: usize = 512;

/// Rows that one joined acknowledgement names at most.
const JOINED_ROWS_MAX: usize = 1000;

/// Longest wait for a client that should take the end of its stream.
const END_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The answers of one stream.
pub struct Outbox {
    to_client: mpsc::Sender<Result<WriteResponse, Status>>,
    waiting: VecDeque<Out>,
    last_word: Instant,
}

impl Outbox {
    /// Answers into this channel.
    pub fn new(to_client: mpsc::Sender<Result<WriteResponse, Status>>) -> Self {
        Self { to_client, waiting: VecDeque::new(), last_word: Instant::now() }
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
            && last.rejected.len() + rejected.len() <= JOINED_ROWS_MAX
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

    /// Ends the stream: what waits goes first. A client that does not read loses the rest.
    pub async fn end(&mut self, end: Result<(), CallError>) {
        let all = async {
            while !self.waiting.is_empty() && self.flush().await {}
            if let Err(error) = end {
                let _ = self.to_client.send(Err(error.into())).await;
            }
        };
        let _ = tokio::time::timeout(END_TIMEOUT, all).await;
        // The session lives on until its records are settled; the client need not wait for that.
        let (closed, _) = mpsc::channel(1);
        self.to_client = closed;
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
