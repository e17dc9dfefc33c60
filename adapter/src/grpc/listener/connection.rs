//! A connection as the server of HTTP/2 reads and writes it.
//!
//! Beside handing bytes on it ends by itself: when its peer floods it, and when its standing says
//! so, for a peer that holds its connection open must not hold up the service.
//!
//! While nobody was let in on it, little is read ahead: HTTP/2 keeps what it reads for calls that
//! wait for the decision about them, and the windows are made for engines that are known.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{frames::Meter, greeting::Guest, slots::Slot};
use crate::grpc::{callers::Peer, standing::Standing};

/// Content of calls that is read before it is decided about them, unless somebody was let in; and
/// how much of it is read at once.
const AHEAD_BYTES_MAX: u64 = 64 << 10;
const AHEAD_CHUNK_BYTES: usize = 16 << 10;

/// What a client says first (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes to and from a peer.
pub enum Transport {
    /// As they are.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection whose peer has greeted.
pub struct Connection {
    transport: Transport,
    /// What of the preface is still to be handed on: the greeting has read it.
    preface: &'static [u8],
    meter: Meter,
    /// What of the content came before the last decision about a call, with no call left over.
    settled_bytes: u64,
    /// Waits for the next decision.
    decision: Option<Waiting>,
    /// Wakes the task of the connection when it is to end, if nothing else does.
    ended: Waiting,
    peer: Peer,
    _slot: Slot,
}

/// A wait for the standing of a connection.
type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Connection {
    /// A connection behind its greeting.
    pub fn new(guest: Guest) -> Self {
        let Guest { transport, peer, slot } = guest;
        let standing = peer.standing.clone();
        let ended = Box::pin(async move { standing.until(Standing::has_ended).await });
        Self {
            transport,
            preface: PREFACE,
            meter: Meter::new(),
            settled_bytes: 0,
            decision: None,
            ended,
            peer,
            _slot: slot,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    fn check_open(&self) -> io::Result<()> {
        if self.peer.standing.has_ended() { Err(closed()) } else { Ok(()) }
    }

    /// Waits until more may be read from a peer of whom nothing is known yet.
    fn poll_known(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let standing = &self.peer.standing;
            // Before the count of calls: what is decided meanwhile is waited for in vain else.
            let decisions = standing.decisions();
            if self.meter.calls() <= decisions {
                self.settled_bytes = self.meter.data_bytes();
            }
            let ahead_bytes = self.meter.data_bytes() - self.settled_bytes;
            if ahead_bytes < AHEAD_BYTES_MAX || standing.is_admitted() {
                self.decision = None;
                return Poll::Ready(());
            }
            let decision = self.decision.get_or_insert_with(|| {
                let standing = standing.clone();
                let is_decided =
                    move |now: &Standing| now.is_admitted() || now.decisions() > decisions;
                Box::pin(async move { standing.until(is_decided).await })
            });
            ready!(decision.as_mut().poll(context));
            self.decision = None;
        }
    }

    /// Reads from the transport: as much as fits, or a little of a peer who is not known.
    fn poll_transport(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peer.standing.is_admitted() {
            return self.transport.poll_read(context, buffer);
        }
        ready!(self.poll_known(context));
        let room = buffer.remaining().min(AHEAD_CHUNK_BYTES);
        let mut chunk = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let read = self.transport.poll_read(context, &mut chunk);
        let filled = chunk.filled().len();
        buffer.advance(filled);
        read
    }

    /// A result of the transport; if it is to be waited for, the end of the connection is, too.
    fn or_closed<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.ended.as_mut().poll(context).is_ready() {
            // It must not be polled again.
            self.ended = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(closed()));
        }
        polled
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whoever serves it has nothing to wait for any more.
        self.peer.standing.end();
    }
}

impl Transport {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection is ended")
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open()?;
        if !self.preface.is_empty() {
            let (now, later) = self.preface.split_at(self.preface.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.preface = later;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = self.poll_transport(context, buffer);
        if let Err(flood) = self.meter.take(&buffer.filled()[before..]) {
            let peer = self.peer.address;
            let (code, frame) = ("CONNECTION_FLOODED", flood.frame);
            tracing::warn!(code, %peer, frame, "a peer floods its connection: closed");
            return Poll::Ready(Err(io::Error::other("too many frames without rows")));
        }
        self.or_closed(context, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        let polled = match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Transport::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        };
        self.or_closed(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        let polled = match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Transport::Tls(tls) => Pin::new(tls).poll_flush(context),
        };
        self.or_closed(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_open()?;
        let polled = match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Transport::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        };
        self.or_closed(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        let polled = match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, bytes),
            Transport::Tls(tls) => Pin::new(tls).poll_write_vectored(context, bytes),
        };
        self.or_closed(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(tcp) => tcp.is_write_vectored(),
            Transport::Tls(tls) => tls.is_write_vectored(),
        }
    }
}
