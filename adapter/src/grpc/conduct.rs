//! The way of a connection from its greeting to its end.
//!
//! Each is served by a server of its own, so that each can be asked to leave by itself: GOAWAY,
//! upon which the peer makes no new calls and those that live go on. A peer is asked when the
//! service stops, when nobody was let in on its connection for a while, when its connection is of
//! age, and when its standing says so. One on whose connection nothing lives any more, and who does
//! not go, is ended.
//!
//! A balancer of connections sends a stream where its connection leads. So what is of age is asked to
//! leave first, and then its streams are told to move: whoever opens them again comes over a new
//! connection, to one of the replicas that there are now.
use std::{io, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::StreamExt as _;
use tonic::service::Routes;

use super::{callers::Peer, gate::Gate, listener::Connection, standing::Standing};

/// How long there may be nobody who was let in on a connection.
const NOBODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What connections get to carry the last words of their streams.
pub const FAREWELL: Duration = Duration::from_millis(500);

/// The same for those of age: nothing is in a hurry, and an engine may stand still for a while.
const FAREWELL_AGED: Duration = Duration::from_secs(10);

/// Connections that came at once, as to a replica when another one ends, do not go at once: so much
/// of their age they go earlier, each by a chance of its own, and so much later their streams move.
const AGE_SCATTER: f64 = 0.1;

/// Serves connections.
pub struct Conduct {
    /// HTTP/2 with its limits.
    pub http2: tonic::transport::Server,
    /// What is served.
    pub gate: Gate<Routes>,
    /// The age at which a peer is asked to leave.
    pub connection_age: Option<Duration>,
    /// Asks all peers to leave.
    pub stop: watch::Receiver<bool>,
    /// Ends all connections at once.
    pub closing: watch::Receiver<bool>,
}

impl Conduct {
    /// Serves connections until the service stops and all of them are gone.
    pub async fn serve_all(self, mut connections: mpsc::Receiver<Connection>) {
        let conduct = Arc::new(self);
        let (mut serving, mut stop) = (JoinSet::new(), conduct.stop.clone());
        loop {
            let connection = tokio::select! {
                connection = connections.recv() => connection,
                // A service that is gone has stopped, too.
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(connection) = connection else { break };
            while serving.try_join_next().is_some() {}
            serving.spawn(conduct.clone().serve(connection));
        }
        // The listener hears that nobody takes connections any more.
        drop(connections);
        while serving.join_next().await.is_some() {}
    }

    async fn serve(self: Arc<Self>, connection: Connection) {
        let peer = connection.peer().clone();
        if self.connection_age.is_some() {
            peer.standing.ages();
        }
        let (leave, left) = oneshot::channel::<()>();
        let leaving = async move {
            let _ = left.await;
        };
        let one = tokio_stream::once(Ok::<_, io::Error>(connection));
        let incoming = one.chain(tokio_stream::pending());
        let server = self.http2.clone();
        let mut served =
            pin!(server.serve_with_incoming_shutdown(self.gate.clone(), incoming, leaving));
        tokio::select! {
            _ = &mut served => return,
            () = self.until_asked(&peer) => {}
        }
        let _ = leave.send(());
        tokio::select! {
            _ = &mut served => return,
            () = self.until_over(&peer.standing) => peer.standing.end(),
        }
        let _ = served.await;
    }

    /// Until the peer is to be asked to leave.
    async fn until_asked(&self, peer: &Peer) {
        let standing = &peer.standing;
        let nobody = async {
            let admitted = standing.until(Standing::is_admitted);
            if timeout(NOBODY_TIMEOUT, admitted).await.is_ok() {
                return std::future::pending().await;
            }
            // Probes are let through, and are nobody all the same.
            if !standing.has_probed() {
                let (peer, seconds) = (peer.address, NOBODY_TIMEOUT.as_secs());
                tracing::warn!(
                    code = "NOBODY_ADMITTED",
                    %peer,
                    "nobody was let in on a connection for {seconds} s: it ends"
                );
            }
        };
        let aged = async {
            let Some(age) = self.connection_age else { return std::future::pending().await };
            sleep(age.mul_f64(1.0 - AGE_SCATTER * fastrand::f64())).await;
            age.mul_f64(AGE_SCATTER)
        };
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = standing.until(|now| now.is_leaving() || now.has_ended()) => {}
            () = nobody => standing.leave(),
            scatter = aged => standing.age(scatter),
        }
    }

    /// Until a connection whose peer was asked to leave is to end, whatever the peer does.
    async fn until_over(&self, standing: &Standing) {
        let idle = async {
            loop {
                standing.until(Standing::is_idle).await;
                // The peer hears the last words, and goes by itself.
                let farewell = if standing.is_aged() { FAREWELL_AGED } else { FAREWELL };
                sleep(farewell).await;
                if standing.is_idle() {
                    return;
                }
            }
        };
        let mut closing = self.closing.clone();
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => {}
            () = standing.until(Standing::has_ended) => {}
            () = idle => {}
        }
    }
}
