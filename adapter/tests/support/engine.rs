//! A small engine: one connection, several streams, and a word for each thing that it waits for.
use std::{net::SocketAddr, time::Duration};

use proto::v1::{
    Ack, Batch, Draining, GetOutputRequest, GetWriterRequest, GetWriterResponse, Heartbeat, Held,
    Open, Opened, Output, Refused, Schema, Waiting, WriteOnceRequest, WriteOnceResponse,
    WriteRequest, WriteResponse, kafka_output_service_client::KafkaOutputServiceClient,
    write_request::Message as In, write_response::Message as Out,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{PATIENCE, in_time, rows::numbers};

/// One connection to the service.
#[derive(Clone)]
pub struct Engine {
    /// All calls.
    pub calls: KafkaOutputServiceClient<Channel>,
}

/// A `Write` stream, seen by the engine.
pub struct Stream {
    to: Option<mpsc::Sender<WriteRequest>>,
    from: Streaming<WriteResponse>,
}

/// `Open` of a writer into output `a`, and nothing else said.
pub fn open(writer: &str) -> Open {
    Open { output: "a".to_owned(), writer_id: writer.to_owned(), ..Open::default() }
}

impl Engine {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(Endpoint::try_from(format!("http://{address}")).unwrap()).await
    }

    /// Connects with windows of 64 KiB, so that what it does not read stays with the service.
    pub async fn connect_narrow(address: SocketAddr) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{address}")).unwrap();
        let endpoint = endpoint.initial_stream_window_size(65_535);
        Self::over(endpoint.initial_connection_window_size(1 << 20)).await
    }

    /// Connects as an endpoint says.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn try_over(endpoint: Endpoint) -> Result<Self, tonic::transport::Error> {
        let channel = in_time(PATIENCE, endpoint.connect()).await.expect("it connects in time");
        Ok(Self { calls: KafkaOutputServiceClient::new(channel?) })
    }

    async fn over(endpoint: Endpoint) -> Self {
        Self::try_over(endpoint).await.unwrap()
    }

    /// A stream on which nothing is said yet.
    ///
    /// # Errors
    /// The service's, if it takes no stream.
    pub async fn try_stream(&self) -> Result<Stream, Status> {
        let (to, messages) = mpsc::channel(16);
        let mut calls = self.calls.clone();
        let call = calls.write(ReceiverStream::new(messages));
        let from = in_time(PATIENCE, call).await.expect("a stream starts in time")?.into_inner();
        Ok(Stream { to: Some(to), from })
    }

    /// The same, of a service that takes it.
    pub async fn stream(&self) -> Stream {
        self.try_stream().await.unwrap()
    }

    /// A stream on which `Open` is sent.
    pub async fn send_open(&self, open: Open) -> Stream {
        let stream = self.stream().await;
        stream.say(In::Open(open)).await;
        stream
    }

    /// A stream that is open.
    pub async fn open_with(&self, open: Open) -> (Stream, Opened) {
        let mut stream = self.send_open(open).await;
        let opened = stream.opened().await;
        (stream, opened)
    }

    /// A stream of a writer into output `a`, with the schema of numbers declared.
    pub async fn writer(&self, id: &str) -> (Stream, Opened) {
        let (stream, opened) = self.open_with(open(id)).await;
        stream.say(In::Schema(numbers())).await;
        (stream, opened)
    }

    /// How a stream with this `Open` fails.
    pub async fn refused_open(&self, open: Open) -> Status {
        self.send_open(open).await.failure().await
    }

    /// What is known of a writer of output `a`.
    pub async fn get_writer(&self, id: &str) -> GetWriterResponse {
        let request = GetWriterRequest { output: "a".to_owned(), writer_id: id.to_owned() };
        self.calls.clone().get_writer(request).await.unwrap().into_inner()
    }

    /// State of output `a`.
    pub async fn get_output(&self) -> Output {
        let request = GetOutputRequest { output: "a".to_owned() };
        self.calls.clone().get_output(request).await.unwrap().into_inner().output.unwrap()
    }

    /// One batch in one call, with the caller's deadline.
    pub async fn write_once(
        &self,
        request: WriteOnceRequest,
        deadline: Option<Duration>,
    ) -> Result<WriteOnceResponse, Status> {
        let mut request = Request::new(request);
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let mut calls = self.calls.clone();
        let answer = in_time(PATIENCE, calls.write_once(request)).await;
        answer.expect("a call is answered in time").map(tonic::Response::into_inner)
    }
}

impl Stream {
    /// A stream by its two ends.
    pub fn new(to: mpsc::Sender<WriteRequest>, from: Streaming<WriteResponse>) -> Self {
        Self { to: Some(to), from }
    }

    /// Sends a message; a stream that the service has ended takes none.
    pub async fn say(&self, message: In) {
        self.request(WriteRequest { message: Some(message) }).await;
    }

    /// The same for any request.
    pub async fn request(&self, request: WriteRequest) {
        let to = self.to.as_ref().expect("it is not half-closed");
        let _ = in_time(PATIENCE, to.send(request)).await.expect("the service reads in time");
    }

    /// Sends a batch.
    pub async fn batch(&self, batch: Batch) {
        self.say(In::Batch(batch)).await;
    }

    /// Declares a schema.
    pub async fn schema(&self, schema: Schema) {
        self.say(In::Schema(schema)).await;
    }

    /// Says that it lives.
    pub async fn beat(&self) {
        self.say(In::Heartbeat(Heartbeat {})).await;
    }

    /// Sends no more.
    pub fn half_close(&mut self) {
        self.to = None;
    }

    /// The next answer; `None` at a good end.
    pub async fn next(&mut self) -> Result<Option<Out>, Status> {
        let next = in_time(PATIENCE, self.from.message()).await.expect("an answer in time");
        Ok(next?.map(|response| response.message.expect("a response says something")))
    }

    /// The next answer; there is one.
    pub async fn answer(&mut self) -> Out {
        self.next().await.expect("the stream goes on").expect("the stream goes on")
    }

    /// The next answer before `end`, if one comes.
    pub async fn answer_before(&mut self, end: Instant) -> Option<Out> {
        let next = timeout_at(end, self.from.message()).await.ok()?;
        Some(next.expect("the stream goes on").expect("it goes on").message.expect("it speaks"))
    }

    /// `Opened`, after any `Waiting`.
    pub async fn opened(&mut self) -> Opened {
        loop {
            match self.answer().await {
                Out::Waiting(_) => {}
                Out::Opened(opened) => return opened,
                other => panic!("instead of Opened: {other:?}"),
            }
        }
    }

    /// The acknowledgements that lead to `through`, as one.
    pub async fn ack(&mut self, through: u64) -> Ack {
        let mut all = Ack::default();
        while all.durable_through < through {
            match self.answer().await {
                Out::Ack(ack) => {
                    assert!(ack.durable_through >= all.durable_through, "an Ack goes back");
                    all.durable_through = ack.durable_through;
                    all.credit = ack.credit.or(all.credit);
                    all.rejected.extend(ack.rejected);
                    all.rejected_total += ack.rejected_total;
                }
                Out::Held(_) | Out::Heartbeat(_) => {}
                other => panic!("instead of an Ack of {through}: {other:?}"),
            }
        }
        assert_eq!(all.durable_through, through, "more is acknowledged than was stored");
        all
    }

    /// Reads acknowledgements until one reaches `through` or more.
    pub async fn acked(&mut self, through: u64) -> u64 {
        loop {
            match self.answer().await {
                Out::Ack(ack) if ack.durable_through >= through => return ack.durable_through,
                Out::Ack(_) | Out::Held(_) | Out::Heartbeat(_) => {}
                other => panic!("instead of an Ack of {through}: {other:?}"),
            }
        }
    }

    /// A refusal, and nothing before it but words that the service lives.
    pub async fn refused(&mut self) -> Refused {
        loop {
            match self.answer().await {
                Out::Refused(refused) => return refused,
                Out::Held(_) | Out::Heartbeat(_) => {}
                other => panic!("instead of Refused: {other:?}"),
            }
        }
    }

    /// `Held`, and nothing before it but heartbeats.
    pub async fn held(&mut self) -> Held {
        loop {
            match self.answer().await {
                Out::Held(held) => return held,
                Out::Heartbeat(_) => {}
                other => panic!("instead of Held: {other:?}"),
            }
        }
    }

    /// `Waiting`.
    pub async fn waiting(&mut self) -> Waiting {
        match self.answer().await {
            Out::Waiting(waiting) => waiting,
            other => panic!("instead of Waiting: {other:?}"),
        }
    }

    /// `Draining`.
    pub async fn draining(&mut self) -> Draining {
        match self.answer().await {
            Out::Draining(draining) => draining,
            other => panic!("instead of Draining: {other:?}"),
        }
    }

    /// Sends a batch that leaves a gap and reads its refusal: all that was sent before is
    /// processed then, and answered if it has an answer. Returns the number that is expected.
    pub async fn barrier(&mut self) -> u64 {
        const FAR: u64 = 1 << 60;
        self.batch(super::rows::batch(FAR)).await;
        let refused = self.refused().await;
        assert_eq!((refused.sequence, &*refused.code), (FAR, "SEQUENCE_GAP"));
        refused.expected_sequence
    }

    /// Reads what is left, and how the stream ended.
    pub async fn rest(&mut self) -> (Vec<Out>, Result<(), Status>) {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(answer)) => all.push(answer),
                Ok(None) => return (all, Ok(())),
                Err(status) => return (all, Err(status)),
            }
        }
    }

    /// How the stream failed.
    pub async fn failure(&mut self) -> Status {
        self.rest().await.1.expect_err("the stream fails")
    }
}

/// Checks an error against the contract: its code and reason, and its answers to *may I retry* and
/// *may it be written*.
#[track_caller]
pub fn check(
    status: &Status,
    code: Code,
    reason: &str,
    retry: &str,
    written: &str,
) -> ErrorDetails {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!((status.code(), &*info.reason), (code, reason), "{}", status.message());
    assert_eq!(info.domain, "kafkaoutput");
    let mut metadata: Vec<_> = info.metadata.iter().collect();
    metadata.sort();
    let said: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(said, [("may_be_written", written), ("retry", retry)], "{reason}");
    assert_eq!(details.retry_info().is_some(), retry == "yes", "RetryInfo helps a retry only");
    assert!(!status.message().is_empty());
    details
}

/// The same for an error that names the field at fault.
#[track_caller]
pub fn check_field(status: &Status, reason: &str, written: &str, field: &str) -> String {
    let details = check(status, Code::InvalidArgument, reason, "no", written);
    let bad = details.bad_request().expect("a BadRequest");
    let [violation] = &bad.field_violations[..] else { panic!("{bad:?}") };
    assert_eq!(violation.field, field);
    violation.description.clone()
}
