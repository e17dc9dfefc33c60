//! A connection as the server of HTTP/2 reads and writes it.
//!
//! Beside handing bytes on it ends by itself: when its peer floods it, and when the service closes,
//! for a peer that holds its connection open must not hold up the service.
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{frames::Meter, greeting::Guest, slots::Slot};
use crate::grpc::{callers::Peer, quiet_log::QuietLog};

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
    /// Changes when the service closes; a look at it costs next to nothing.
    closing: watch::Receiver<bool>,
    /// Wakes the task of the connection then, if nothing else does.
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    peer: Peer,
    log: Arc<QuietLog>,
    _slot: Slot,
}

impl Connection {
    /// A connection behind its greeting, which lives until `closing` says so at the latest.
    pub fn new(guest: Guest, closing: watch::Receiver<bool>, log: Arc<QuietLog>) -> Self {
        let Guest { transport, peer, slot } = guest;
        let mut wakes = closing.clone();
        let closed = Box::pin(async move {
            // A service that is gone has closed, too.
            let _ = wakes.wait_for(|closing| *closing).await;
        });
        let meter = Meter::new();
        Self { transport, preface: PREFACE, meter, closing, closed, peer, log, _slot: slot }
    }

    fn check_open(&self) -> io::Result<()> {
        match self.closing.has_changed() {
            Ok(false) => Ok(()),
            Ok(true) | Err(_) => Err(closed()),
        }
    }

    /// A result of the transport; if it is to be waited for, the end of the service is, too.
    fn or_closed<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.closed.as_mut().poll(context).is_ready() {
            // It must not be polled again.
            self.closed = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(closed()));
        }
        polled
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the service closes")
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
        let read = match &mut self.transport {
            Transport::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Transport::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        };
        if let Err(flood) = self.meter.take(&buffer.filled()[before..]) {
            let peer = self.peer.address;
            self.log.warn(|suppressed| {
                let frame = flood.frame;
                tracing::warn!(%peer, frame, suppressed, "a peer floods its connection: closed");
            });
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
