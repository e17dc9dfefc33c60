//! The listener: HTTP/2 with every limit set, health, reflection, and an end within a deadline.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use proto::v1::kafka_output_service_server::KafkaOutputServiceServer;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};
use tonic::{codec::CompressionEncoding, transport::server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::service::{Service, Shared};
use crate::kafka::State;

/// Name under which the health service tells whether rows pass (readiness); the empty name tells
/// that the process serves (liveness), and `output/ALIAS` tells about one output.
const SERVICE: &str = "kafkaoutput.v1.KafkaOutputService";

/// Unacknowledged bytes are bounded by credit, and the service always reads, so the windows only
/// have to keep a fast connection busy.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
const FRAME_BYTES_MAX: u32 = 1 << 20;
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;

/// Streams of one connection beside those of writers: health, calls.
const SPARE_STREAMS: u32 = 100;

/// Streams that a peer opened and reset before they were served (rapid reset, CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 50;

/// A peer that answers no ping for this long is gone.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// What connections get to carry the last words of their streams.
const FAREWELL: Duration = Duration::from_millis(500);

/// Between looks at the outputs' state for the health service.
const HEALTH_REFRESH: Duration = Duration::from_millis(250);

/// A listener that is bound.
pub struct Bound {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A server that runs.
pub struct Server {
    shared: Arc<Shared>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    health: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Bound {
    /// Binds an address.
    ///
    /// # Errors
    /// If it is taken or not of this host.
    pub async fn new(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves the outputs.
    pub fn serve(self, shared: Arc<Shared>, reflection: bool) -> Server {
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let health = tokio::spawn(report_health(shared.clone(), reporter));
        // One message beyond the limit is refused by name; far beyond it is not even read.
        let decoded_bytes_max = shared.message_bytes_max as usize + (1 << 20);
        let service = KafkaOutputServiceServer::new(Service(shared.clone()))
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(decoded_bytes_max)
            .max_encoding_message_size(16 << 20);
        let reflection = reflection.then(|| {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .expect("the generated descriptors are complete")
        });
        let streams_max = shared.credits.streams_max() as u32 + SPARE_STREAMS;
        let (stop, mut stopping) = watch::channel(false);
        let router = tonic::transport::Server::builder()
            .max_concurrent_streams(streams_max)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .add_service(service)
            .add_service(health_service)
            .add_optional_service(reflection);
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let serving = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            router.serve_with_incoming_shutdown(incoming, stopped).await
        });
        Server { shared, serving, health, stop }
    }
}

impl Server {
    /// Ends: writers are told, their records settle, connections close; by `deadline` at the
    /// latest, whatever peers do. True if every session ended by itself.
    pub async fn drain(self, deadline: Instant) -> bool {
        self.health.abort();
        // Streams are ended a little before the connections are, so that they hear why.
        let left = deadline.saturating_duration_since(Instant::now());
        let streams_end = deadline - FAREWELL.min(left / 4);
        self.shared.drain.send_replace(Some(streams_end));
        let mut sessions = self.shared.sessions.subscribe();
        let all = sessions.wait_for(|sessions| *sessions == 0);
        let ended = tokio::time::timeout_at(deadline, all).await.is_ok();
        self.stop.send_replace(true);
        // A peer that holds its connection open holds up nobody: hyper would wait for it.
        let mut serving = self.serving;
        let grace = Instant::now() + FAREWELL;
        if tokio::time::timeout_at(grace, &mut serving).await.is_err() {
            serving.abort();
        }
        ended
    }
}

/// Keeps the health service true. Liveness is that this runs; readiness is that some output is
/// ready, since a caller whose output is away learns so by name on its own stream.
async fn report_health(shared: Arc<Shared>, reporter: HealthReporter) {
    let of = |ready: bool| if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    let names: Vec<String> =
        shared.outputs.iter().map(|served| format!("output/{}", served.output.alias)).collect();
    let mut known: Vec<Option<bool>> = vec![None; names.len()];
    let mut tick = tokio::time::interval(HEALTH_REFRESH);
    loop {
        tick.tick().await;
        let mut news = false;
        for (index, served) in shared.outputs.iter().enumerate() {
            let ready = served.output.kafka.health().state == State::Ready;
            if known[index] != Some(ready) {
                known[index] = Some(ready);
                news = true;
                reporter.set_service_status(&names[index], of(ready)).await;
            }
        }
        if news {
            reporter.set_service_status(SERVICE, of(known.contains(&Some(true)))).await;
        }
    }
}
