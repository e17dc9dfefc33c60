//! A small query engine: speaks the contract as a caller does, one step after the other.
//!
//! Calls block, so that a test reads as a story; the connection itself lives on a runtime that
//! all tests of a process share. [`load`] sends rows from a thread of its own and checks what
//! arrived, [`job`] writes job files, [`watch`] watches other senders.

mod heard;
pub mod job;
pub mod load;
pub mod once;
mod sent;
mod shown;
pub mod watch;

use std::{
    collections::VecDeque,
    sync::OnceLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message as _;
use proto::v1::{
    self, Ack, Batch, Draining, Held, Open, Opened, OutputState, Primitive, Refused, RejectedRow,
    WriteRequest, batch::Rows, kafka_output_service_client::KafkaOutputServiceClient,
    write_request::Message as In, write_response::Message as Out,
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{
    Code, Request, Status, Streaming, service::interceptor::InterceptedService, transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use self::shown::Shown;
use crate::{
    service::Service,
    wait::{DEADLINE, wait_for},
};

/// How long a connection may take; a host that is away answers nothing at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection to a service.
#[derive(Clone, Debug)]
pub struct Engine {
    client: KafkaOutputServiceClient<InterceptedService<Channel, Shown>>,
    channel: Channel,
}

/// An open `Write` stream that numbers its batches.
#[derive(Debug)]
pub struct Stream {
    requests: mpsc::UnboundedSender<WriteRequest>,
    answers: Streaming<v1::WriteResponse>,
    /// The service's answer to `Open`.
    pub opened: Opened,
    /// The last sequence that was sent.
    pub sent: u64,
    /// Everything up to here is acknowledged.
    pub durable_through: u64,
    /// Rows that acknowledgements named as set aside.
    pub rejected: Vec<RejectedRow>,
    /// How many rows were set aside, named or not.
    pub rejected_total: u64,
    /// Sequences and sizes of the batches without an acknowledgement.
    unacknowledged: VecDeque<(u64, u64)>,
}

/// What the service says on a stream after `Opened`.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Batches are durable.
    Ack(Ack),
    /// A batch is refused.
    Refused(Refused),
    /// A batch waits.
    Held(Held),
    /// The service lives.
    Heartbeat,
    /// The service is about to close.
    Draining(Draining),
    /// The stream has ended.
    Ended(Result<(), Failure>),
}

/// An error with the details that the contract promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC code.
    pub code: Code,
    /// The stable reason; empty if the error is not the service's own.
    pub reason: String,
    /// Whether a retry helps.
    pub retry: bool,
    /// Whether rows may be written; true as well if nobody says.
    pub may_be_written: bool,
    /// For a person.
    pub message: String,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let info = status.get_details_error_info();
        let says = |key: &str| info.as_ref().and_then(|info| info.metadata.get(key).cloned());
        Self {
            code: status.code(),
            retry: says("retry").is_some_and(|said| said == "yes"),
            may_be_written: says("may_be_written").is_none_or(|said| said == "yes"),
            message: status.message().to_owned(),
            reason: info.map(|info| info.reason).unwrap_or_default(),
        }
    }
}

/// The threads of all connections, and of [`crate::proxy`].
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("threads can be started"))
}

/// Waits for an answer to a call.
fn call<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Failure> {
    let within = async { tokio::time::timeout(DEADLINE, call).await };
    let answer = runtime().block_on(within).expect("the service answers calls");
    answer.map(tonic::Response::into_inner).map_err(Failure::from)
}

impl Engine {
    /// Connects to a service.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn connect(service: &Service) -> Self {
        let address = service.address();
        Self::connect_to(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects to whoever listens at host and port: a service, or a [`crate::proxy::Proxy`].
    ///
    /// # Errors
    /// When nobody does.
    ///
    /// # Panics
    /// When it is no host and port.
    pub fn connect_to(address: &str) -> Result<Self, String> {
        let endpoint = Channel::from_shared(format!("http://{address}")).expect("host and port");
        Self::connect_as(endpoint, None)
    }

    /// Configuration and state of an output.
    ///
    /// # Panics
    /// When the service has no such output.
    pub fn output(&self, alias: &str) -> v1::Output {
        self.try_output(alias).expect("the output is there")
    }

    /// The same of an output that may not be this engine's.
    ///
    /// # Errors
    /// What the service says instead.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn try_output(&self, alias: &str) -> Result<v1::Output, Failure> {
        let request = v1::GetOutputRequest { output: alias.to_owned() };
        let answer = call(self.client.clone().get_output(request))?;
        Ok(answer.output.expect("GetOutput answers with an output"))
    }

    /// Forgets a writer.
    ///
    /// # Errors
    /// What the service says instead.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn reset_writer(&self, output: &str, writer_id: &str) -> Result<bool, Failure> {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = v1::ResetWriterRequest { output, writer_id };
        call(self.client.clone().reset_writer(request)).map(|answer| answer.was_known)
    }

    /// What the service remembers of a writer.
    ///
    /// # Panics
    /// When the service has no such output.
    pub fn writer(&self, output: &str, writer_id: &str) -> v1::GetWriterResponse {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let request = v1::GetWriterRequest { output, writer_id };
        call(self.client.clone().get_writer(request)).expect("the output is there")
    }

    /// Waits until `fact` holds of an output, and returns that output.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn wait_output(
        &self,
        alias: &str,
        what: &str,
        fact: impl Fn(&v1::Output) -> bool,
    ) -> v1::Output {
        wait_for(&format!("output {alias} {what}"), DEADLINE, || {
            Some(self.output(alias)).filter(|output| fact(output))
        })
    }

    /// Waits until rows pass.
    ///
    /// # Panics
    /// When that takes longer than the deadline.
    #[track_caller]
    pub fn wait_ready(&self, alias: &str) -> v1::Output {
        self.wait_output(alias, "is ready", |output| output.state() == OutputState::Ready)
    }

    /// Whether the health service says `SERVING` of a name.
    ///
    /// # Panics
    /// When it does not know the name.
    pub fn serving(&self, name: &str) -> bool {
        let request = HealthCheckRequest { service: name.to_owned() };
        let answer = call(HealthClient::new(self.channel.clone()).check(request));
        answer.expect("the health service knows the name").status() == ServingStatus::Serving
    }

    /// Opens a writer's stream.
    ///
    /// # Panics
    /// When the service does not open it.
    pub fn open(&self, output: &str, writer_id: &str) -> Stream {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let open = Open { output, writer_id, ..Open::default() };
        self.try_open(open).expect("the service opens the stream")
    }

    /// Opens a stream as told.
    ///
    /// # Errors
    /// What the service says instead of `Opened`.
    ///
    /// # Panics
    /// When it says nothing, or something else first.
    pub fn try_open(&self, open: Open) -> Result<Stream, Failure> {
        self.open_as_part_of(open, None)
    }

    /// Opens a writer's stream, with this `traceparent` in its metadata.
    ///
    /// # Panics
    /// As [`Engine::open`].
    pub fn open_traced(&self, output: &str, writer_id: &str, traceparent: &str) -> Stream {
        let (output, writer_id) = (output.to_owned(), writer_id.to_owned());
        let open = Open { output, writer_id, ..Open::default() };
        self.open_as_part_of(open, Some(traceparent)).expect("the service opens the stream")
    }

    fn open_as_part_of(&self, open: Open, traceparent: Option<&str>) -> Result<Stream, Failure> {
        let (requests, receiver) = mpsc::unbounded_channel();
        let first = WriteRequest { message: Some(In::Open(open)) };
        requests.send(first).expect("the receiver is still here");
        let mut client = self.client.clone();
        let mut request = Request::new(UnboundedReceiverStream::new(receiver));
        if let Some(traceparent) = traceparent {
            let value = traceparent.parse().expect("it is ASCII");
            request.metadata_mut().insert("traceparent", value);
        }
        let mut answers = call(client.write(request))?;
        let opened = async {
            loop {
                match answers.message().await?.and_then(|answer| answer.message) {
                    Some(Out::Opened(opened)) => return Ok::<_, Status>(opened),
                    Some(Out::Waiting(_)) => {}
                    other => panic!("the service should say Opened, not {other:?}"),
                }
            }
        };
        let within = async { tokio::time::timeout(DEADLINE, opened).await };
        let opened = runtime().block_on(within).expect("the service answers Open")?;
        Ok(Stream {
            requests,
            answers,
            sent: opened.resume_after,
            durable_through: opened.resume_after,
            opened,
            rejected: Vec::new(),
            rejected_total: 0,
            unacknowledged: VecDeque::new(),
        })
    }
}

impl Stream {
    /// Declares columns under the id 0, which all batches name.
    pub fn declare(&mut self, columns: &[(&str, Primitive)]) {
        self.request(In::Schema(once::schema(columns)));
    }

    /// The same for an Arrow schema, as its IPC message.
    pub fn declare_arrow(&mut self, schema: impl Into<Bytes>) {
        let columns = Some(v1::schema::Columns::ArrowIpc(schema.into()));
        self.request(In::Schema(v1::Schema { id: 0, columns }));
    }

    /// Sends rows as the next batch and returns its sequence.
    pub fn send(&mut self, json_lines: impl Into<Bytes>) -> u64 {
        self.send_rows(Rows::JsonLines(json_lines.into()))
    }

    /// The same for rows of values.
    pub fn send_typed(&mut self, rows: Vec<v1::Row>) -> u64 {
        self.send_rows(Rows::TypedRows(v1::TypedRows { rows }.encode_to_vec().into()))
    }

    /// The same for the messages of an Arrow IPC stream with one record batch.
    pub fn send_arrow(&mut self, ipc: impl Into<Bytes>) -> u64 {
        self.send_rows(Rows::ArrowIpc(ipc.into()))
    }

    /// Sends rows with the engine's own resume point.
    pub fn send_at(&mut self, json_lines: impl Into<Bytes>, position: impl Into<Bytes>) -> u64 {
        self.send_batch(Batch {
            rows: Some(Rows::JsonLines(json_lines.into())),
            position: Some(position.into()),
            ..Batch::default()
        })
    }

    /// Sends rows as a batch that is part of this trace.
    pub fn send_traced(&mut self, json_lines: impl Into<Bytes>, traceparent: &str) -> u64 {
        self.send_batch(Batch {
            rows: Some(Rows::JsonLines(json_lines.into())),
            traceparent: Some(traceparent.to_owned()),
            ..Batch::default()
        })
    }

    /// The same, with what systems on the way have noted.
    pub fn send_noted(&mut self, json_lines: impl Into<Bytes>, context: (&str, &str)) -> u64 {
        self.send_batch(Batch {
            rows: Some(Rows::JsonLines(json_lines.into())),
            traceparent: Some(context.0.to_owned()),
            tracestate: Some(context.1.to_owned()),
            ..Batch::default()
        })
    }

    fn send_rows(&mut self, rows: Rows) -> u64 {
        self.send_batch(Batch { rows: Some(rows), ..Batch::default() })
    }

    fn send_batch(&mut self, batch: Batch) -> u64 {
        self.sent += 1;
        let batch = Batch { sequence: self.sent, ..batch };
        let bytes = self.request(In::Batch(batch));
        self.unacknowledged.push_back((self.sent, bytes));
        self.sent
    }

    /// Whether the credit allows another batch of `bytes`.
    pub fn may_send(&self, bytes: u64) -> bool {
        let credit = self.opened.credit.unwrap_or_default();
        let used: u64 = self.unacknowledged.iter().map(|(_, bytes)| bytes).sum();
        // A little for the envelope of the rows.
        self.unacknowledged.is_empty()
            || used + bytes + 64 <= credit.bytes
                && self.unacknowledged.len() < credit.batches as usize
    }

    /// The next answer; `None` if there is none within `deadline`.
    pub fn next(&mut self, deadline: Duration) -> Option<Answer> {
        let answers = &mut self.answers;
        let within = async {
            tokio::select! {
                biased;
                answer = answers.message() => Some(answer),
                // A timer takes a millisecond at least, which is long for a mere look.
                () = std::future::ready(()), if deadline.is_zero() => None,
                () = tokio::time::sleep(deadline) => None,
            }
        };
        let answer = match runtime().block_on(within)? {
            Ok(None) => Answer::Ended(Ok(())),
            Err(status) => Answer::Ended(Err(status.into())),
            Ok(Some(answer)) => match answer.message {
                Some(Out::Ack(ack)) => Answer::Ack(ack),
                Some(Out::Refused(refused)) => Answer::Refused(refused),
                Some(Out::Held(held)) => Answer::Held(held),
                Some(Out::Heartbeat(_)) => Answer::Heartbeat,
                Some(Out::Draining(draining)) => Answer::Draining(draining),
                other => panic!("not an answer of an open stream: {other:?}"),
            },
        };
        match &answer {
            Answer::Ack(ack) => self.acknowledged(ack),
            Answer::Refused(refused) => {
                self.unacknowledged.retain(|(sequence, _)| *sequence != refused.sequence);
                self.sent = refused.expected_sequence - 1;
            }
            _ => {}
        }
        Some(answer)
    }

    fn acknowledged(&mut self, ack: &Ack) {
        assert!(ack.durable_through >= self.durable_through, "{ack:?} takes something back");
        self.durable_through = ack.durable_through;
        self.unacknowledged.retain(|(sequence, _)| *sequence > ack.durable_through);
        self.rejected.extend_from_slice(&ack.rejected);
        self.rejected_total += ack.rejected_total;
        self.opened.credit = ack.credit.or(self.opened.credit);
    }

    /// Waits until everything that was sent is durable, however often the service says that it
    /// waits.
    ///
    /// # Panics
    /// When a batch is refused, the stream ends, or the deadline passes.
    #[track_caller]
    pub fn wait_durable(&mut self) {
        let start = Instant::now();
        while self.durable_through < self.sent {
            let (through, sent) = (self.durable_through, self.sent);
            match self.next(DEADLINE.saturating_sub(start.elapsed())) {
                Some(answer @ (Answer::Refused(_) | Answer::Ended(_))) => panic!("{answer:?}"),
                Some(_) => {}
                None => panic!("{sent} batches were sent, durable are {through}"),
            }
        }
    }

    /// Waits until the service says that a batch waits because of `code`.
    ///
    /// # Panics
    /// When the batch becomes durable instead, the stream ends, or the deadline passes.
    #[track_caller]
    pub fn wait_held(&mut self, code: &str) -> Held {
        let (start, mut heard) = (Instant::now(), Vec::new());
        loop {
            match self.next(DEADLINE.saturating_sub(start.elapsed())) {
                Some(Answer::Held(held)) if held.code == code => return held,
                Some(answer @ (Answer::Held(_) | Answer::Heartbeat)) => heard.push(answer),
                other => panic!("waited for Held {code}, not {other:?} after {heard:?}"),
            }
        }
    }

    /// The next answer that is not a heartbeat: the refusal of a batch.
    ///
    /// # Panics
    /// When it is something else, or there is none within the deadline.
    #[track_caller]
    pub fn wait_refused(&mut self) -> Refused {
        let start = Instant::now();
        loop {
            match self.next(DEADLINE.saturating_sub(start.elapsed())) {
                Some(Answer::Refused(refused)) => return refused,
                Some(Answer::Heartbeat) => {}
                other => panic!("waited for Refused, not {other:?}"),
            }
        }
    }

    /// Reads on until the stream ends; returns how.
    ///
    /// # Errors
    /// What ended it, unless it was closed in peace.
    ///
    /// # Panics
    /// When it does not end within the deadline.
    #[track_caller]
    pub fn wait_end(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            match self.next(DEADLINE.saturating_sub(start.elapsed())) {
                Some(Answer::Ended(end)) => return end,
                Some(_) => {}
                None => panic!("the stream does not end"),
            }
        }
    }

    /// Sends nothing more, and reads on until the stream ends; returns how.
    ///
    /// # Errors
    /// What ended it, unless it was closed in peace.
    ///
    /// # Panics
    /// As [`Stream::wait_end`].
    #[track_caller]
    pub fn close(&mut self) -> Result<(), Failure> {
        self.requests = mpsc::unbounded_channel().0;
        self.wait_end()
    }

    /// Sends a request; returns its size. A stream that has ended tells so when it is read.
    fn request(&mut self, message: In) -> u64 {
        let request = WriteRequest { message: Some(message) };
        let bytes = request.encoded_len() as u64;
        let _ = self.requests.send(request);
        bytes
    }
}
