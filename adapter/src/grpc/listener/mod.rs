//! Accepts connections: so many in all, so many from one host, and nobody who only stands in the
//! way.
//!
//! A peer is a *stranger* until it has greeted (TLS, then the preface of HTTP/2), in a task of its
//! own and within [`GREETING_TIMEOUT`]. Strangers are bounded in number; when there are too many,
//! the oldest of the host that has the most of them goes, unless it has just come: a thousand
//! engines that connect at once wait for their turn, they do not drive each other out. The same
//! goes for those who have greeted, as long as nobody was let in on their connection ([`slots`]).
mod connection;
mod frames;
mod greeting;
mod slots;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout_at},
};

pub use self::{connection::Connection, slots::Limits};
use self::{
    greeting::{GREETING_TIMEOUT, Unwelcome, greet},
    slots::Slots,
};
use super::tls::ServerTls;

/// A stranger is left alone for this long, however many there are.
const STRANGER_GRACE: Duration = Duration::from_secs(1);

/// Between looks whether there is room for another stranger.
const CROWDED_PAUSE: Duration = Duration::from_millis(20);

/// After the system refused a connection (no more files, no more memory); doubles up to the second.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// A peer whose machine is gone is noticed: idle time, time between probes, number of probes.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// Accepts connections and greets their peers.
pub struct Listener {
    tls: Option<Arc<ServerTls>>,
    slots: Slots,
    /// Those who have greeted, on their way to the server.
    greeted: mpsc::Sender<Connection>,
    tasks: JoinSet<()>,
    strangers: VecDeque<Stranger>,
    strangers_max: usize,
}

/// A peer that has not greeted yet.
struct Stranger {
    host: IpAddr,
    since: Instant,
    greeting: AbortHandle,
}

impl Listener {
    /// A listener that hands connections to `greeted`.
    pub fn new(
        tls: Option<Arc<ServerTls>>,
        limits: Limits,
        greeted: mpsc::Sender<Connection>,
    ) -> Self {
        Self {
            tls,
            slots: Slots::new(limits),
            greeted,
            tasks: JoinSet::new(),
            strangers: VecDeque::new(),
            strangers_max: limits.strangers,
        }
    }

    /// Accepts until nobody takes connections any more, and closes the socket then.
    pub async fn run(mut self, socket: TcpListener) {
        let greeted = self.greeted.clone();
        tokio::select! {
            () = self.accept(socket) => {}
            () = greeted.closed() => {}
        }
    }

    async fn accept(&mut self, socket: TcpListener) {
        let mut pause = REFUSED_PAUSE.0;
        loop {
            while self.tasks.try_join_next().is_some() {}
            if !self.make_room() {
                sleep(CROWDED_PAUSE).await;
                continue;
            }
            match socket.accept().await {
                Ok((tcp, address)) => {
                    pause = REFUSED_PAUSE.0;
                    self.meet(tcp, address);
                }
                // The peer is gone already: the next one is not to blame.
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    let code = "ACCEPT_FAILED";
                    tracing::warn!(code, %error, "no connection can be accepted now");
                    sleep(pause).await;
                    pause = (pause * 2).min(REFUSED_PAUSE.1);
                }
            }
        }
    }

    /// Whether there is room for one more stranger, once somebody had to go for it.
    fn make_room(&mut self) -> bool {
        if self.strangers.len() < self.strangers_max {
            return true;
        }
        self.strangers.retain(|stranger| !stranger.greeting.is_finished());
        if self.strangers.len() < self.strangers_max {
            return true;
        }
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for stranger in &self.strangers {
            *counts.entry(stranger.host).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let oldest = self.strangers.iter().position(|one| counts.get(&one.host).copied() == most);
        let Some(oldest) = oldest else { return true };
        if self.strangers[oldest].since.elapsed() < STRANGER_GRACE {
            return false;
        }
        if let Some(stranger) = self.strangers.remove(oldest) {
            stranger.greeting.abort();
            let host = stranger.host;
            let code = "TOO_MANY_CONNECTIONS";
            tracing::warn!(code, %host, "too many connections that do not speak");
        }
        true
    }

    /// Greets a peer in a task of its own.
    fn meet(&mut self, tcp: TcpStream, address: SocketAddr) {
        if prepare(&tcp).is_err() {
            return; // it is gone already
        }
        let welcome = Welcome {
            tls: self.tls.clone(),
            slots: self.slots.clone(),
            greeted: self.greeted.clone(),
        };
        let (host, since) = (slots::host(address.ip()), Instant::now());
        let greeting = self.tasks.spawn(welcome.run(tcp, address));
        self.strangers.push_back(Stranger { host, since, greeting });
    }
}

/// What a greeting needs.
struct Welcome {
    tls: Option<Arc<ServerTls>>,
    slots: Slots,
    greeted: mpsc::Sender<Connection>,
}

impl Welcome {
    async fn run(self, tcp: TcpStream, address: SocketAddr) {
        let deadline = Instant::now() + GREETING_TIMEOUT;
        let tls = self.tls.as_ref().map(|tls| tls.current());
        let error = match timeout_at(deadline, greet(tcp, address, tls, &self.slots)).await {
            Ok(Ok(guest)) => {
                let connection = Connection::new(guest);
                // If nobody takes it, the service closes.
                let _ = self.greeted.send(connection).await;
                return;
            }
            Ok(Err(Unwelcome::Gone)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it does not greet within {} s", GREETING_TIMEOUT.as_secs()),
        };
        let code = "CONNECTION_NOT_SERVED";
        tracing::warn!(code, peer = %address, error, "a connection is not served");
    }
}

/// Sets a socket up for short answers and for peers that vanish.
fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, KEEPALIVE.0)?;
    sockopt::set_tcp_keepintvl(tcp, KEEPALIVE.1)?;
    sockopt::set_tcp_keepcnt(tcp, KEEPALIVE.2)?;
    Ok(())
}

/// Whether an error of `accept` is of the connection alone (accept(2), *Error handling*).
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}
