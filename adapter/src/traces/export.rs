//! Takes spans without waiting, and brings them to a collector: what does not fit is dropped and
//! counted, so that traces never hold up rows.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanExporter as _},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::Tracer;
use crate::job::Traces;

/// Spans that wait, as the specification has it (`OTEL_BSP_MAX_QUEUE_SIZE`): one has about 1 KiB.
const WAITING_MAX: usize = 2_048;

/// Spans of one request.
const TOGETHER_MAX: usize = 512;

/// For so long a span waits for others.
const TOGETHER_WITHIN: Duration = Duration::from_secs(1);

/// What is said of spans that nobody gets.
const CODE: &str = "TRACES_NOT_EXPORTED";

/// Where spans wait.
pub(super) struct Queue {
    waiting: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

/// What exports spans, until it is ended.
pub struct Exporting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The task.
struct Worker {
    waiting: mpsc::Receiver<SpanData>,
    dropped: Arc<AtomicU64>,
    exporter: SpanExporter,
    endpoint: String,
    timeout: Duration,
}

impl Queue {
    /// Takes a span, or drops it.
    pub(super) fn put(&self, span: SpanData) {
        if self.waiting.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The scheme and the host of an address: a path may hold somebody's token.
fn place_of(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return "the collector".to_owned();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// Begins to export the traces of a job.
///
/// # Errors
/// If a variable of OpenTelemetry in the environment is not as it should be.
pub fn start(job: &str, traces: &Traces) -> Result<(Tracer, Exporting), ExporterBuildError> {
    let Traces { endpoint, sample_per_million, timeout } = traces;
    // Nobody else is told of the spans, nor of a key in the headers, by a redirection.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.timeout(*timeout).build();
    let client = client.map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint.as_str())
        .with_timeout(*timeout)
        .build()?;
    let instance = RandomIdGenerator::default().new_trace_id().to_string();
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", "kafka-output"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance),
        KeyValue::new("kafka_output.job", job.to_owned()),
    ]);
    exporter.set_resource(&resource.build());
    let (waiting, taken) = mpsc::channel(WAITING_MAX);
    let dropped = Arc::<AtomicU64>::default();
    let queue = Queue { waiting, dropped: dropped.clone() };
    let worker = Worker {
        waiting: taken,
        dropped,
        exporter,
        endpoint: place_of(endpoint),
        timeout: *timeout,
    };
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(worker.run(stopped));
    let tracer = Tracer::new(f64::from(*sample_per_million) / 1e6, queue);
    Ok((tracer, Exporting { stop, task }))
}

impl Exporting {
    /// Exports what waits, until then at the latest.
    pub async fn end(mut self, deadline: Instant) {
        self.stop.send_replace(true);
        if timeout_at(deadline, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!(code = CODE, "the service ends before the last spans are exported");
        }
    }
}

impl Worker {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut spans = Vec::with_capacity(TOGETHER_MAX);
        loop {
            let first = tokio::select! {
                first = self.waiting.recv() => first,
                _ = stopped.wait_for(|stopped| *stopped) => self.waiting.try_recv().ok(),
            };
            let Some(first) = first else { return self.tell_dropped() };
            spans.push(first);
            let end = Instant::now() + TOGETHER_WITHIN;
            while spans.len() < TOGETHER_MAX {
                let room = TOGETHER_MAX - spans.len();
                let taken = tokio::select! {
                    biased;
                    taken = self.waiting.recv_many(&mut spans, room) => taken,
                    _ = stopped.wait_for(|stopped| *stopped) => 0,
                    () = sleep_until(end) => 0,
                };
                if taken == 0 {
                    break;
                }
            }
            self.export(std::mem::take(&mut spans)).await;
            self.tell_dropped();
        }
    }

    async fn export(&self, spans: Vec<SpanData>) {
        let (count, endpoint) = (spans.len(), &self.endpoint);
        let exported = timeout(self.timeout, self.exporter.export(spans)).await;
        let error = match exported {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {:?}", self.timeout),
        };
        tracing::warn!(code = CODE, spans = count, endpoint, "spans are not exported: {error}");
    }

    fn tell_dropped(&self) {
        let spans = self.dropped.swap(0, Ordering::Relaxed);
        if spans > 0 {
            let endpoint = &self.endpoint;
            tracing::warn!(code = CODE, spans, endpoint, "more spans than the collector takes");
        }
    }
}
