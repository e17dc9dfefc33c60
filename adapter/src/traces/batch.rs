//! The spans of one batch, and of batches that go together.
use std::{sync::Arc, time::SystemTime};

use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};

use super::{Context, Inner, Open};

/// From the arrival of a batch to its answer.
pub(super) const RECEIVE: &str = "receive";

/// Until records are handed over.
const ENCODE: &str = "encode";

/// A stream that ends does not answer what nothing was done to.
const CANCELLED: &str = "cancelled";

/// Which batch it is.
pub struct About {
    /// The output's alias.
    pub output: String,
    /// The writer, if it has a name.
    pub writer: Option<String>,
    /// The batch's number, if it has one.
    pub sequence: Option<u64>,
}

/// A batch that is sampled. If nobody ends its span, its stream has ended first.
pub struct Batch {
    inner: Arc<Inner>,
    open: Open,
    attributes: Vec<KeyValue>,
    has_ended: bool,
}

/// Batches that go to Kafka together, of which one is sampled. Dropped, nothing was done to them.
pub struct Going {
    inner: Arc<Inner>,
    encode: Open,
    /// Known before they are handed over, as records may tell of it; from that moment on.
    send: Open,
    is_sent: bool,
    /// The sampled ones but the first.
    others: Vec<SpanContext>,
    topic: String,
    records: u32,
}

impl Batch {
    pub(super) fn new(inner: Arc<Inner>, open: Open, about: About) -> Self {
        let mut attributes = vec![KeyValue::new("kafka_output.output", about.output)];
        attributes.extend(about.writer.map(|id| KeyValue::new("kafka_output.writer", id)));
        let sequence = about.sequence.map(i64::try_from).and_then(Result::ok);
        attributes.extend(sequence.map(|number| KeyValue::new("kafka_output.sequence", number)));
        Self { inner, open, attributes, has_ended: false }
    }

    /// It is durable, but for so many rows.
    pub fn durable(mut self, set_aside: u64) {
        if let Some(rows) = i64::try_from(set_aside).ok().filter(|rows| *rows > 0) {
            self.attributes.push(KeyValue::new("kafka_output.rows_set_aside", rows));
        }
        self.end(None);
    }

    /// It was durable before.
    pub fn repeated(mut self) {
        self.attributes.push(KeyValue::new("kafka_output.repeated", true));
        self.end(None);
    }

    /// It is refused, or it is not known whether it is written.
    pub fn failed(mut self, code: &'static str) {
        self.end(Some(code));
    }

    fn end(&mut self, failed: Option<&'static str>) {
        self.has_ended = true;
        let attributes = std::mem::take(&mut self.attributes);
        self.inner.end(&self.open, RECEIVE, SpanKind::Server, attributes, &[], failed);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(Some(CANCELLED));
        }
    }
}

impl Going {
    /// Batches are encoded for a topic; nothing if none of them is sampled.
    pub fn start<'a>(
        mut batches: impl Iterator<Item = &'a Batch>,
        topic: &str,
    ) -> Option<Box<Self>> {
        let first = batches.next()?;
        let encode = first.inner.below(&first.open.context);
        let others = batches.map(|batch| batch.open.context.clone()).collect();
        let send = first.inner.below(&first.open.context);
        let (inner, topic) = (first.inner.clone(), topic.to_owned());
        Some(Box::new(Self { inner, encode, send, is_sent: false, others, topic, records: 0 }))
    }

    /// What records may tell those who read them: the span that has sent them.
    pub fn context(&self) -> Context {
        Context::new(self.send.context.clone())
    }

    /// Their records are handed over.
    pub fn handed_over(&mut self, records: u32) {
        self.records = records;
        self.end_encode(None);
        self.send.since = SystemTime::now();
        self.is_sent = true;
    }

    /// Nothing of them is handed over.
    pub fn refused(self: Box<Self>, code: &'static str) {
        self.end_encode(Some(code));
    }

    /// The brokers have answered, with this code if it is not known whether all is written.
    pub fn answered(self: Box<Self>, failed: Option<&'static str>) {
        if !self.is_sent {
            return;
        }
        let attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.name", "send"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", self.topic.clone()),
            KeyValue::new("messaging.batch.message_count", i64::from(self.records)),
        ];
        let name = format!("send {}", self.topic);
        self.inner.end(&self.send, name, SpanKind::Producer, attributes, &self.others, failed);
    }

    fn end_encode(&self, failed: Option<&'static str>) {
        let (kind, others) = (SpanKind::Internal, &self.others);
        self.inner.end(&self.encode, ENCODE, kind, Vec::new(), others, failed);
    }
}
