//! The admin port: probes, metrics, status and changes over HTTP/1.1, apart from the port of
//! writers.
//!
//! Probes and metrics are for whoever reaches the port. The status names topics, brokers and writers,
//! and is for this machine alone unless the job file says otherwise; taps show rows, and always are.
//! A browser on this machine that
//! was led here by a name of somebody else's (DNS rebinding) gets nothing: such a request names that
//! host.
mod changes;
mod guard;
mod routes;
mod tap;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

use self::routes::Peer;
use crate::{job::AdminListen, observe::Observer, steering::Steering};

/// Connections at once: probes, scrapes and some people.
const CONNECTIONS_MAX: usize = 64;

/// Who says nothing for so long is let go.
const HEADERS_MAX: Duration = Duration::from_secs(10);

/// After a connection that could not be accepted, as without a descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A port that is bound and not served yet.
pub struct Bound {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The port while it is served; it closes when dropped.
pub struct Serving(JoinHandle<()>);

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

    /// Serves what is observed, and changes that, to those whom the job lets see it.
    pub fn serve(
        self,
        observer: Arc<Observer>,
        steering: Arc<Steering>,
        job: &AdminListen,
    ) -> Serving {
        let router = routes::router(observer.clone(), job.remote_status);
        let router = router.merge(changes::router(steering)).merge(tap::router(observer, job.tap));
        Serving(tokio::spawn(accept(self.listener, router)))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, router: axum::Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // One too many waits in the backlog until one of these ends.
        let place = places.clone().acquire_owned().await.expect("it is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                connections.spawn(async move {
                    serve_one(stream, peer, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the admin port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: TcpStream, peer: SocketAddr, router: axum::Router) {
    let service = router.layer(axum::Extension(Peer(peer)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a connection to the admin port");
    }
}
