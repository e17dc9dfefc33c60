//! A service for tests: keeps the contract's rules, checks that the client keeps its own, and
//! misbehaves by script.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use bytes::Bytes;
use prost::Message as _;
use proto::v1::{
    Ack, Batch, Credit, Draining, GetOutputRequest, GetOutputResponse, GetWriterRequest,
    GetWriterResponse, Guarantee, Held, Limits, ListOutputsRequest, ListOutputsResponse, Open,
    Opened, Output, Refused, RejectedRow, ResetWriterRequest, ResetWriterResponse, Schema, Waiting,
    WriteOnceRequest, WriteOnceResponse, WriteRequest, WriteResponse,
    batch::Rows as Carrier,
    kafka_output_service_server::{KafkaOutputService, KafkaOutputServiceServer},
    schema::Columns,
    write_request, write_response,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
pub(crate) use tonic::Code;
use tonic::{Request, Response, Status, Streaming, transport::Server};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How one stream behaves. The first streams take the scripts in order, later ones the default.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) credit: Credit,
    pub(crate) limits: Limits,
    /// Before `Opened`.
    pub(crate) opening: Opening,
    /// How long after its arrival a batch becomes durable.
    pub(crate) ack_after: Duration,
    /// What happens when the n-th batch of this stream arrives (from 1).
    pub(crate) at: HashMap<usize, Act>,
}

#[derive(Clone, Debug)]
pub(crate) enum Opening {
    Accept,
    Fail(Status),
    /// Says `Waiting` so often, 200 ms apart, then accepts.
    Wait(usize),
    Silent,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The stream breaks; the batch is not stored, what waited before it neither.
    Break,
    /// The stream breaks; everything is stored, but no acknowledgement goes out.
    StoreAndBreak,
    /// The stream breaks. The oldest batch that waits is durable; what became of those behind it
    /// is not known (they are there).
    StoreOneAndBreak,
    /// The same as `StoreAndBreak`, and the service forgets: from now on it knows what an `Open`
    /// tells it, as after a restart.
    StoreAndForget,
    /// The batch is refused, with these rows named.
    Refuse(&'static str, Vec<RejectedRow>),
    /// These rows are set aside when the batch becomes durable.
    Reject(Vec<RejectedRow>),
    /// `Draining`; batches after it are not read, those before are acknowledged.
    Drain,
    /// `Held`, and nothing is acknowledged for so long.
    Hold(&'static str, Duration),
    /// The stream ends with this.
    Fail(Status),
}

impl Default for Script {
    fn default() -> Self {
        Self {
            credit: Credit { bytes: 1 << 20, batches: 4 },
            limits: Limits {
                message_bytes_max: 1 << 20,
                batch_rows_max: 10_000,
                position_bytes_max: 1024,
                schemas_max: 4,
                record_bytes_max: 1 << 20,
            },
            opening: Opening::Accept,
            ack_after: Duration::ZERO,
            at: HashMap::new(),
        }
    }
}

impl Script {
    pub(crate) fn at(mut self, batch: usize, act: Act) -> Self {
        self.at.insert(batch, act);
        self
    }
}

/// Everything that the service has seen.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) scripts: VecDeque<Script>,
    pub(crate) opens: Vec<Open>,
    /// Sequences as they arrived: (stream, sequence).
    pub(crate) arrivals: Vec<(usize, u64)>,
    pub(crate) heartbeats: usize,
    /// Rules that the client broke.
    pub(crate) violations: Vec<String>,
    pub(crate) durable_through: u64,
    /// An `Open` that knows more is believed.
    believes: bool,
    pub(crate) position: Option<Bytes>,
    /// A batch has come since the service knows the writer.
    met: bool,
    /// Batches up to here may be written.
    pub(crate) maybe_written_through: u64,
    /// Rows that were set aside in durable batches.
    aside: Vec<RejectedRow>,
    /// What is in the topic, by sequence, with its schema.
    pub(crate) stored: BTreeMap<u64, (Schema, Batch)>,
    /// Highest sequence that the client was told to be durable.
    acknowledged: u64,
    /// What was there when the service forgot everything: it may come again.
    forgotten: BTreeSet<u64>,
    /// Batches that are there once more, after the service forgot them.
    pub(crate) copies: u64,
    /// The bytes that a sequence had when it came first.
    first_seen: HashMap<u64, Vec<u8>>,
    pub(crate) reset: bool,
}

impl Log {
    /// The stored rows, decoded, in order.
    pub(crate) fn rows(&self) -> Vec<RecordBatch> {
        self.stored.values().map(|(schema, batch)| decode(schema, batch)).collect()
    }

    fn store(&mut self, schema: &Schema, batch: &Batch) {
        let twice = self.stored.insert(batch.sequence, (schema.clone(), batch.clone()));
        match (twice.is_some(), self.forgotten.remove(&batch.sequence)) {
            (false, _) => {}
            (true, true) => self.copies += 1,
            (true, false) => {
                self.violations.push(format!("batch {} is stored twice", batch.sequence));
            }
        }
        self.durable_through = batch.sequence;
        self.position = batch.position.clone();
    }

    /// It is there, and the service does not know it.
    fn store_unknown(&mut self, schema: &Schema, batch: &Batch) {
        self.stored.insert(batch.sequence, (schema.clone(), batch.clone()));
        self.forgotten.insert(batch.sequence);
        self.maybe_written_through = batch.sequence;
    }

    /// After a restart.
    pub(crate) fn forget(&mut self) {
        self.forgotten = self.stored.keys().copied().collect();
        (self.met, self.maybe_written_through) = (false, 0);
        self.aside.clear();
        (self.durable_through, self.position, self.believes) = (0, None, true);
    }
}

fn decode(schema: &Schema, batch: &Batch) -> RecordBatch {
    let (Some(Columns::ArrowIpc(schema)), Some(Carrier::ArrowIpc(rows))) =
        (&schema.columns, &batch.rows)
    else {
        panic!("not Arrow")
    };
    let stream = [&schema[..], &rows[..]].concat();
    let mut reader = StreamReader::try_new(stream.as_slice(), None).unwrap();
    reader.next().unwrap().unwrap()
}

/// A status as the real service makes them.
pub(crate) fn status(code: Code, reason: &str, retry: &str, written: &str) -> Status {
    let metadata = HashMap::from([
        ("retry".to_owned(), retry.to_owned()),
        ("may_be_written".to_owned(), written.to_owned()),
    ]);
    let details = ErrorDetails::with_error_info(reason, "kafkaoutput", metadata);
    Status::with_error_details(code, format!("{reason} by script"), details)
}

/// The service, on a runtime of its own, so that it can die like a process.
pub(crate) struct Fake {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    runtime: Option<Runtime>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Fake {
    pub(crate) fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let log = Log { scripts: scripts.into_iter().collect(), ..Log::default() };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut fake = Self { address, log: Arc::new(Mutex::new(log)), runtime: None };
        fake.serve(listener);
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Ends the service at once; its connections break.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts it again under its address. It remembers what is durable.
    pub(crate) fn revive(&mut self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.serve(listener);
    }

    fn serve(&mut self, listener: std::net::TcpListener) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        listener.set_nonblocking(true).unwrap();
        let service = Service { log: self.log.clone() };
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let server = KafkaOutputServiceServer::new(service);
            Server::builder()
                .add_service(server)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        self.runtime = Some(runtime);
    }
}

struct Service {
    log: Arc<Mutex<Log>>,
}

type Answer = Result<WriteResponse, Status>;

fn answer(message: write_response::Message) -> Answer {
    Ok(WriteResponse { message: Some(message) })
}

/// One stream of the service.
struct Session {
    log: Arc<Mutex<Log>>,
    script: Script,
    number: usize,
    answers: mpsc::Sender<Answer>,
    schemas: HashMap<u32, Schema>,
    /// Accepted, not yet durable: batch, size, when it becomes durable, rows set aside.
    pending: VecDeque<(Batch, u64, Instant, Vec<RejectedRow>)>,
    accepted_through: u64,
    arrived: usize,
    draining: bool,
}

impl Session {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    async fn say(&self, message: write_response::Message) {
        self.answers.send(answer(message)).await.ok();
    }

    async fn run(mut self, mut requests: Streaming<WriteRequest>) {
        if let Err(status) = self.open(&mut requests).await {
            self.answers.send(Err(status)).await.ok();
            return;
        }
        let mut half_closed = false;
        loop {
            let due = self.pending.front().map(|pending| pending.2);
            if (self.draining || half_closed) && due.is_none() {
                return;
            }
            tokio::select! {
                request = requests.message(), if !half_closed && !self.draining => {
                    match request {
                        Ok(Some(request)) => if let Err(status) = self.take(request).await {
                            self.answers.send(Err(status)).await.ok();
                            return;
                        },
                        Ok(None) => half_closed = true,
                        Err(_) => return,
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.settle().await;
                }
            }
        }
    }

    async fn open(&mut self, requests: &mut Streaming<WriteRequest>) -> Result<(), Status> {
        let Some(write_request::Message::Open(open)) =
            requests.message().await?.and_then(|request| request.message)
        else {
            return Err(status(Code::InvalidArgument, "OPEN_EXPECTED", "no", "no"));
        };
        let acknowledged;
        let resume_after = {
            let mut log = self.log();
            let known = open.acknowledged.filter(|_| log.believes).unwrap_or(0);
            if known > log.durable_through {
                let position = open.acknowledged_position.clone().map(Bytes::from);
                (log.durable_through, log.position, log.met) = (known, position, false);
            }
            // As it would be refused, it may come in other parts, and what is behind it, too.
            let bytes_max = self.script.limits.message_bytes_max as usize;
            let large = log.first_seen.iter().filter(|(_, bytes)| bytes.len() + 4 > bytes_max);
            let large = large.map(|(sequence, _)| *sequence).min().unwrap_or(u64::MAX);
            log.first_seen.retain(|sequence, _| *sequence < large);
            acknowledged = open.acknowledged;
            log.opens.push(open);
            log.durable_through
        };
        match &self.script.opening {
            Opening::Accept => {}
            Opening::Fail(status) => return Err(status.clone()),
            Opening::Silent => sleep(Duration::from_secs(3600)).await,
            Opening::Wait(times) => {
                for _ in 0..*times {
                    let code = "OLDER_STREAM_SETTLING".to_owned();
                    self.say(write_response::Message::Waiting(Waiting {
                        code,
                        ..Default::default()
                    }))
                    .await;
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
        self.accepted_through = resume_after;
        let (position, maybe_written_through, rejected) = {
            let log = self.log();
            let position = log.position.clone().map(|position| position.to_vec());
            let maybe = log.met.then_some(log.maybe_written_through.max(resume_after));
            let untold =
                |row: &&RejectedRow| acknowledged.is_some_and(|known| row.sequence > known);
            let rejected: Vec<_> = log.aside.iter().filter(untold).cloned().collect();
            (position, maybe, rejected)
        };
        self.say(write_response::Message::Opened(Opened {
            resume_after,
            position,
            credit: Some(self.script.credit),
            limits: Some(self.script.limits),
            guarantee: Guarantee::AtLeastOnce.into(),
            maybe_written_through,
            rejected_total: rejected.len() as u64,
            rejected,
        }))
        .await;
        Ok(())
    }

    async fn take(&mut self, request: WriteRequest) -> Result<(), Status> {
        let bytes = request.encoded_len() as u64;
        match request.message {
            Some(write_request::Message::Schema(schema)) => {
                self.schemas.insert(schema.id, schema);
                Ok(())
            }
            Some(write_request::Message::Batch(batch)) => self.batch(batch, bytes).await,
            Some(write_request::Message::Heartbeat(_)) => {
                self.log().heartbeats += 1;
                Ok(())
            }
            _ => Err(status(Code::InvalidArgument, "SECOND_OPEN", "no", "no")),
        }
    }

    async fn batch(&mut self, batch: Batch, bytes: u64) -> Result<(), Status> {
        self.check(&batch, bytes);
        let sequence = batch.sequence;
        let expected_sequence = self.accepted_through + 1;
        if sequence > expected_sequence {
            self.log().first_seen.remove(&sequence);
            self.say(write_response::Message::Refused(Refused {
                sequence,
                code: "SEQUENCE_GAP".to_owned(),
                expected_sequence,
                ..Default::default()
            }))
            .await;
            return Ok(());
        }
        self.arrived += 1;
        let mut rejected = Vec::new();
        let mut due = Instant::now() + self.script.ack_after;
        match self.script.at.get(&self.arrived).cloned() {
            None => {}
            Some(Act::Break) => return Err(Status::unavailable("broken by script")),
            Some(act @ (Act::StoreAndBreak | Act::StoreAndForget)) => {
                let pending: Vec<_> = self.pending.drain(..).collect();
                for (batch, _, _, rejected) in &pending {
                    self.set_aside(batch.sequence, rejected);
                }
                for batch in pending.iter().map(|pending| &pending.0).chain([&batch]) {
                    let schema = self.schemas[&batch.schema_id].clone();
                    self.log().store(&schema, batch);
                }
                self.log().met = true;
                if matches!(act, Act::StoreAndForget) {
                    self.log().forget();
                }
                return Err(Status::unavailable("broken by script"));
            }
            Some(Act::Refuse(code, rows)) => {
                self.log().first_seen.remove(&sequence);
                let rows_total = rows.len() as u64;
                let code = code.to_owned();
                let reason = "refused by script".to_owned();
                self.say(write_response::Message::Refused(Refused {
                    sequence,
                    code,
                    reason,
                    expected_sequence,
                    rows,
                    rows_total,
                }))
                .await;
                return Ok(());
            }
            Some(Act::Reject(rows)) => rejected = rows,
            Some(Act::Drain) => {
                self.draining = true;
                self.say(write_response::Message::Draining(Draining::default())).await;
            }
            Some(Act::Hold(code, length)) => {
                due = Instant::now() + length;
                let code = code.to_owned();
                let reason = "held by script".to_owned();
                let since = None;
                self.say(write_response::Message::Held(Held { sequence, code, since, reason }))
                    .await;
            }
            Some(Act::StoreOneAndBreak) => {
                let pending: Vec<_> = self.pending.drain(..).map(|pending| pending.0).collect();
                for (at, batch) in pending.iter().chain([&batch]).enumerate() {
                    let schema = self.schemas[&batch.schema_id].clone();
                    match at {
                        0 => self.log().store(&schema, batch),
                        _ => self.log().store_unknown(&schema, batch),
                    }
                }
                return Err(Status::unavailable("broken by script"));
            }
            Some(Act::Fail(status)) => {
                if status.get_details_error_info().is_some_and(|i| i.reason == "DELIVERY_UNKNOWN") {
                    self.log().maybe_written_through = sequence;
                }
                return Err(status);
            }
        }
        self.log().met = true;
        self.accepted_through = sequence;
        self.pending.push_back((batch, bytes, due, rejected));
        Ok(())
    }

    /// The client's rules: credit, schema before batch, no batch after its acknowledgement, the
    /// same bytes for the same sequence.
    fn check(&self, batch: &Batch, bytes: u64) {
        let sequence = batch.sequence;
        let mut faults = Vec::new();
        let unacknowledged: u64 = self.pending.iter().map(|pending| pending.1).sum();
        let credit = self.script.credit;
        let over = unacknowledged + bytes > credit.bytes
            || self.pending.len() + 1 > credit.batches as usize;
        if over && !self.pending.is_empty() {
            faults.push(format!("batch {sequence} exceeds the credit"));
        }
        if !self.schemas.contains_key(&batch.schema_id) {
            faults.push(format!("batch {sequence} uses an undeclared schema"));
        }
        let mut log = self.log();
        log.arrivals.push((self.number, sequence));
        if sequence <= log.acknowledged {
            faults.push(format!("batch {sequence} is sent after its acknowledgement"));
        }
        let encoded = batch.encode_to_vec();
        let first = log.first_seen.entry(sequence).or_insert_with(|| encoded.clone());
        if *first != encoded {
            faults.push(format!("batch {sequence} is sent again with other bytes"));
        }
        log.violations.extend(faults);
    }

    /// Rows of a durable batch; as the service names them.
    fn set_aside(&self, sequence: u64, rows: &[RejectedRow]) -> Vec<RejectedRow> {
        let rows: Vec<_> = rows.iter().map(|row| RejectedRow { sequence, ..row.clone() }).collect();
        self.log().aside.extend(rows.clone());
        rows
    }

    async fn settle(&mut self) {
        let Some((batch, _, _, rejected)) = self.pending.pop_front() else { return };
        let sequence = batch.sequence;
        let rejected = self.set_aside(sequence, &rejected);
        let schema = self.schemas.get(&batch.schema_id).cloned().unwrap_or_default();
        {
            let mut log = self.log();
            log.store(&schema, &batch);
            log.acknowledged = sequence;
        }
        self.say(write_response::Message::Ack(Ack {
            durable_through: sequence,
            credit: None,
            rejected_total: rejected.len() as u64,
            rejected,
        }))
        .await;
    }
}

fn output(alias: &str) -> Output {
    Output { alias: alias.to_owned(), topic: "flight-delays".to_owned(), ..Default::default() }
}

#[tonic::async_trait]
impl KafkaOutputService for Service {
    type WriteStream = ReceiverStream<Answer>;

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let (answers, stream) = mpsc::channel(64);
        let (script, number) = {
            let mut log = self.log.lock().unwrap();
            (log.scripts.pop_front().unwrap_or_default(), log.opens.len())
        };
        let session = Session {
            log: self.log.clone(),
            script,
            number,
            answers,
            schemas: HashMap::new(),
            pending: VecDeque::new(),
            accepted_through: 0,
            arrived: 0,
            draining: false,
        };
        tokio::spawn(session.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn write_once(
        &self,
        request: Request<WriteOnceRequest>,
    ) -> Result<Response<WriteOnceResponse>, Status> {
        let request = request.into_inner();
        let (Some(schema), Some(batch)) = (request.schema, request.batch) else {
            return Err(status(Code::InvalidArgument, "INVALID_BATCH", "no", "no"));
        };
        let mut log = self.log.lock().unwrap();
        log.store(&schema, &batch);
        let durable_through = request.writer_id.map(|_| batch.sequence);
        Ok(Response::new(WriteOnceResponse { durable_through, ..Default::default() }))
    }

    async fn get_writer(
        &self,
        _: Request<GetWriterRequest>,
    ) -> Result<Response<GetWriterResponse>, Status> {
        let log = self.log.lock().unwrap();
        let durable_through = log.durable_through;
        let known = durable_through > 0;
        Ok(Response::new(GetWriterResponse { known, durable_through, ..Default::default() }))
    }

    async fn reset_writer(
        &self,
        _: Request<ResetWriterRequest>,
    ) -> Result<Response<ResetWriterResponse>, Status> {
        let mut log = self.log.lock().unwrap();
        let was_known = log.durable_through > 0;
        log.reset = true;
        Ok(Response::new(ResetWriterResponse { was_known }))
    }

    async fn list_outputs(
        &self,
        _: Request<ListOutputsRequest>,
    ) -> Result<Response<ListOutputsResponse>, Status> {
        Ok(Response::new(ListOutputsResponse { outputs: vec![output("delays")] }))
    }

    async fn get_output(
        &self,
        request: Request<GetOutputRequest>,
    ) -> Result<Response<GetOutputResponse>, Status> {
        match request.into_inner().output.as_str() {
            "delays" => Ok(Response::new(GetOutputResponse { output: Some(output("delays")) })),
            _ => Err(status(Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no")),
        }
    }
}

/// The streams on which a sequence arrived.
pub(crate) fn streams_of(log: &Log, sequence: u64) -> BTreeSet<usize> {
    log.arrivals.iter().filter(|(_, seen)| *seen == sequence).map(|(stream, _)| *stream).collect()
}
