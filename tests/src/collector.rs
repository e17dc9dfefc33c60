//! A collector of traces: takes spans by OTLP over HTTP, as protobuf, and keeps them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
};
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::engine::runtime;

/// A collector on loopback.
#[derive(Debug)]
pub struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
    task: JoinHandle<()>,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its trace, in hexadecimal.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of its parent; empty if it has none.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// Its kind: 1 internal, 2 server, 4 producer.
    pub kind: i32,
    /// When it began and ended, in nanoseconds of Unix time.
    pub time: (u64, u64),
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The spans that it names beside its parent.
    pub links: Vec<String>,
    /// Its status: 0 unset, 2 error.
    pub status: i32,
    /// The attributes of the service.
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot listen on loopback.
    pub fn start() -> Self {
        let bound = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = bound.expect("a port of loopback is free");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let task = runtime().spawn(serve(listener, spans.clone()));
        Self { address, spans, task }
    }

    /// What a job file calls it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far, by their beginning.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by_key(|span| span.time);
        spans
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, spans: Arc<Mutex<Vec<Span>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let spans = spans.clone();
        let answering = service_fn(move |request| answer(request, spans.clone()));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answering);
        tokio::spawn(async move { drop(serving.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    spans: Arc<Mutex<Vec<Span>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let kind = head.headers.get(header::CONTENT_TYPE).map(hyper::http::HeaderValue::as_bytes);
    let is_otlp = head.method == Method::POST
        && head.uri.path() == "/v1/traces"
        && kind == Some(b"application/x-protobuf");
    let taken = is_otlp.then(|| ExportTraceServiceRequest::decode(body));
    let (status, answer) = match taken {
        None => (StatusCode::NOT_FOUND, Vec::new()),
        Some(Err(_)) => (StatusCode::BAD_REQUEST, Vec::new()),
        Some(Ok(request)) => {
            spans.lock().unwrap_or_else(PoisonError::into_inner).extend(read(request));
            (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
        }
    };
    let response = Response::builder().status(status);
    let response = response.header(header::CONTENT_TYPE, "application/x-protobuf");
    Ok(response.body(answer.into()).expect("status and header are good"))
}

fn read(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut found = Vec::new();
    for of_service in request.resource_spans {
        let resource = of_service.resource.map(|resource| texts(resource.attributes));
        let resource = resource.unwrap_or_default();
        for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                time: (span.start_time_unix_nano, span.end_time_unix_nano),
                attributes: texts(span.attributes),
                links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                status: span.status.map_or(0, |status| status.code),
                resource: resource.clone(),
            });
        }
    }
    found
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        other => format!("{other:?}"),
    };
    let value =
        |attribute: KeyValue| (attribute.key, text(attribute.value.and_then(|value| value.value)));
    attributes.into_iter().map(value).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
