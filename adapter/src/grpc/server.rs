//! The port: HTTP/2 with every limit set, health, reflection, and an end within a deadline.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use proto::v1::kafka_output_service_server::KafkaOutputServiceServer;
use tokio::{
    net::TcpSocket,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::server::HealthReporter;

use super::{
    callers::{Callers, TokenCheck},
    conduct::{Conduct, FAREWELL},
    gate::Gate,
    health::{health_service, report_health},
    listener::{Limits, Listener},
    served::Shared,
    service::Service,
    tls::ServerTls,
};

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

/// Streams that end with an error of the peer's in the life of a connection (MadeYouReset,
/// CVE-2025-8671); hyper's own default, which tonic switches off. A client that begins with more
/// streams than are allowed, before it knows how many are, has some of them.
const ERROR_RESETS_MAX: usize = 1024;

/// A peer that answers no ping for this long is gone.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Connections that have greeted and are not served yet.
const GREETED: usize = 16;

/// Peers that may wait until they are accepted.
const BACKLOG: u32 = 1024;

/// An address that is bound. Nobody can connect yet: peers are refused at once, and do not wait in
/// vain for a service that has no certificate to show.
pub struct Bound {
    socket: TcpSocket,
    /// Where it will listen.
    pub address: SocketAddr,
}

/// Who may call, and how.
pub struct Entrance {
    tls: Option<Arc<ServerTls>>,
    callers: Callers,
    reflection: bool,
    connection_age: Option<Duration>,
}

/// A server that runs.
pub struct Server {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
    health: JoinHandle<()>,
    stop: watch::Sender<bool>,
    /// Ends all connections at once.
    closing: watch::Sender<bool>,
}

impl Entrance {
    /// An entrance with TLS, or in plaintext without `tls`. Who is let in shows a token with each
    /// call if `tokens` is there, or in its place a client certificate where that is optional. With
    /// `reflection` the services are told to those who are let in. Connections grow as old as they
    /// like.
    pub fn new(tls: Option<Arc<ServerTls>>, tokens: Option<TokenCheck>, reflection: bool) -> Self {
        let callers = Callers::new(tls.clone(), tokens);
        Self { callers, tls, reflection, connection_age: None }
    }

    /// The same, but connections of this age are asked to end.
    #[must_use]
    pub fn with_connection_age(self, connection_age: Option<Duration>) -> Self {
        Self { connection_age, ..self }
    }
}

impl Bound {
    /// Binds an address.
    ///
    /// # Errors
    /// If it is taken or not of this host.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Connections of a service that was here before do not hold the address.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Listens, and serves the outputs.
    ///
    /// # Errors
    /// If somebody else has begun to listen there.
    pub fn serve(self, shared: Arc<Shared>, entrance: Entrance) -> io::Result<Server> {
        let Entrance { tls, callers, reflection, connection_age } = entrance;
        let socket = self.socket.listen(BACKLOG)?;
        let reporter = HealthReporter::new();
        let health_service = health_service(reporter.clone());
        let health = tokio::spawn(report_health(shared.clone(), reporter));
        let service = Service { shared: shared.clone() };
        // One message beyond the limit is refused by name; far beyond it is not even read.
        let decoded_bytes_max = shared.message_bytes_max as usize + (1 << 20);
        let service = KafkaOutputServiceServer::new(service)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(decoded_bytes_max)
            .max_encoding_message_size(16 << 20);
        let mut routes = Routes::new(service).add_service(health_service);
        if reflection {
            let reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .expect("the generated descriptors are complete");
            routes = routes.add_service(reflection);
        }
        let gate = Gate::new(routes.prepare(), shared.clone(), Arc::new(callers));

        let (stop, stopping) = watch::channel(false);
        let (closing, closed) = watch::channel(false);
        let (greeted, connections) = mpsc::channel(GREETED);
        let writers_max = shared.credits.streams_max();
        let listener = Listener::new(tls, Limits::of(writers_max), greeted);
        tokio::spawn(listener.run(socket));
        let http2 = http2(writers_max);
        let conduct = Conduct { http2, gate, connection_age, stop: stopping, closing: closed };
        let serving = tokio::spawn(conduct.serve_all(connections));
        Ok(Server { shared, serving, health, stop, closing })
    }
}

/// HTTP/2 with every limit set. All writers of an engine may share one connection.
fn http2(writers_max: usize) -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(writers_max as u32 + SPARE_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .http2_max_local_error_reset_streams(Some(ERROR_RESETS_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
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
            self.closing.send_replace(true);
            let _ = tokio::time::timeout(FAREWELL, serving).await;
        }
        ended
    }
}
