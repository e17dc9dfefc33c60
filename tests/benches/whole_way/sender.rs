//! The engine's side: prepared batches over one gRPC stream, as many on their way as the credit
//! allows.
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message as _;
use proto::v1::{
    Batch, Credit, Open, Schema, WriteRequest, WriteResponse, batch::Rows,
    kafka_output_service_client::KafkaOutputServiceClient, schema::Columns,
    write_request::Message as In, write_response::Message as Out,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Streaming, metadata::MetadataValue, transport::Channel};

use super::work::Work;

/// Batches before those that count, when one is sent after the other.
const WARM_UP: usize = 200;

/// The trace that all rows are part of; only an output with `traceHeaders` looks at it.
const CONTEXT: &str = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2222222222222222-01";

/// One open stream.
pub struct Sender {
    requests: mpsc::UnboundedSender<WriteRequest>,
    answers: Streaming<WriteResponse>,
    credit: Credit,
    sent: u64,
    /// Sizes of the batches without an acknowledgement, and when they were sent.
    unacknowledged: VecDeque<(u64, Instant)>,
    used_bytes: u64,
}

/// Connects to a service.
pub async fn connect(url: &str) -> KafkaOutputServiceClient<Channel> {
    let endpoint = Channel::from_shared(url.to_owned()).expect("a service has a proper URL");
    let endpoint = endpoint.tcp_nodelay(true);
    KafkaOutputServiceClient::new(endpoint.connect().await.expect("the service listens"))
}

impl Sender {
    /// Opens a stream and declares the schema.
    pub async fn open(
        mut client: KafkaOutputServiceClient<Channel>,
        output: &str,
        writer: &str,
        work: &Work,
    ) -> Self {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (output, writer_id) = (output.to_owned(), writer.to_owned());
        let open = In::Open(Open { output, writer_id, ..Open::default() });
        requests.send(WriteRequest { message: Some(open) }).expect("the receiver is here");
        let mut request = Request::new(UnboundedReceiverStream::new(receiver));
        request.metadata_mut().insert("traceparent", MetadataValue::from_static(CONTEXT));
        let call = client.write(request).await;
        let mut answers = call.expect("the service takes the call").into_inner();
        let credit = loop {
            match next(&mut answers).await {
                Out::Opened(opened) => break opened.credit.expect("credit is told"),
                Out::Waiting(_) => {}
                other => panic!("Opened is next, not {other:?}"),
            }
        };
        let columns = Some(Columns::ArrowIpc(work.schema.clone()));
        let schema = In::Schema(Schema { id: 0, columns });
        requests.send(WriteRequest { message: Some(schema) }).expect("the stream is open");
        let unacknowledged = VecDeque::new();
        Self { requests, answers, credit, sent: 0, unacknowledged, used_bytes: 0 }
    }

    fn has_room(&self, bytes: u64) -> bool {
        // One batch may always be on its way, however large.
        self.unacknowledged.is_empty()
            || self.used_bytes + bytes <= self.credit.bytes
                && self.unacknowledged.len() < self.credit.batches as usize
    }

    fn send(&mut self, rows: &Bytes) {
        self.sent += 1;
        let rows = Some(Rows::ArrowIpc(rows.clone()));
        let batch = Batch { sequence: self.sent, rows, ..Batch::default() };
        let request = WriteRequest { message: Some(In::Batch(batch)) };
        let bytes = request.encoded_len() as u64;
        self.used_bytes += bytes;
        self.unacknowledged.push_back((bytes, Instant::now()));
        self.requests.send(request).expect("the stream is open");
    }

    /// Takes one answer; the times of the batches that it acknowledges.
    async fn answer(&mut self) -> Vec<Duration> {
        match next(&mut self.answers).await {
            Out::Ack(ack) => {
                assert_eq!(ack.rejected_total, 0, "every row is good");
                self.credit = ack.credit.unwrap_or(self.credit);
                let open = (self.sent - ack.durable_through) as usize;
                let done = self.unacknowledged.len() - open;
                let done: Vec<_> = self.unacknowledged.drain(..done).collect();
                self.used_bytes -= done.iter().map(|(bytes, _)| bytes).sum::<u64>();
                done.iter().map(|(_, since)| since.elapsed()).collect()
            }
            // A full machine is slow, and the service says so.
            Out::Heartbeat(_) | Out::Held(_) => Vec::new(),
            other => panic!("only acknowledgements are expected, not {other:?}"),
        }
    }

    /// Sends batches as fast as they are taken, until all are acknowledged.
    pub async fn send_all(&mut self, batches: Vec<Bytes>) {
        for rows in batches {
            // A little for the envelope.
            while !self.has_room(rows.len() as u64 + 64) {
                self.answer().await;
            }
            self.send(&rows);
        }
        while !self.unacknowledged.is_empty() {
            self.answer().await;
        }
    }

    /// Sends a batch every `interval` until `end`, or as soon as the credit allows. The times to
    /// the acknowledgements, in milliseconds.
    pub async fn send_paced(
        mut self,
        batches: Arc<Vec<(u32, Bytes)>>,
        interval: Duration,
        end: Instant,
    ) -> (u64, Vec<f64>) {
        let (mut rows_sent, mut times) = (0, Vec::new());
        let mut due = Instant::now();
        for (count, rows) in batches.iter().cycle() {
            if Instant::now() >= end {
                break;
            }
            while Instant::now() < due || !self.has_room(rows.len() as u64 + 64) {
                let wait = if self.has_room(rows.len() as u64 + 64) { due } else { end };
                let answer = tokio::time::timeout_at(wait.into(), self.answer()).await;
                times.extend(answer.into_iter().flatten());
                if Instant::now() >= end {
                    break;
                }
            }
            self.send(rows);
            rows_sent += u64::from(*count);
            due = (due + interval).max(Instant::now() - 10 * interval);
        }
        while !self.unacknowledged.is_empty() {
            times.extend(self.answer().await);
        }
        (rows_sent, times.iter().map(|time: &Duration| time.as_secs_f64() * 1e3).collect())
    }

    /// Sends one batch after the other, each when the one before is acknowledged and `pause` has
    /// passed. The times to the acknowledgements, in milliseconds.
    pub async fn send_each(
        mut self,
        batches: &[(u32, Bytes)],
        count: usize,
        pause: Duration,
    ) -> Vec<f64> {
        let mut times = Vec::with_capacity(count);
        for (_, rows) in batches.iter().cycle().take(count + WARM_UP) {
            self.send(rows);
            while !self.unacknowledged.is_empty() {
                times.extend(self.answer().await);
            }
            tokio::time::sleep(pause).await;
        }
        times.drain(..WARM_UP);
        times.iter().map(|time: &Duration| time.as_secs_f64() * 1e3).collect()
    }
}

async fn next(answers: &mut Streaming<WriteResponse>) -> Out {
    let answer = answers.message().await.expect("the stream goes on").expect("and does not end");
    answer.message.expect("an answer says something")
}
