//! What comes before the first call: TLS, and the preface of HTTP/2.
//!
//! Whoever speaks another protocol is told so in the one it speaks, as far as that goes, and the
//! log says it in any case.
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{PREFACE, Transport},
    slots::{Full, Slot, Slots},
};
use crate::grpc::{
    callers::{Peer, ShownCertificate},
    tls::Current,
};

/// How long a peer may take to greet.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long, and up to how much, the rest of what a peer sends is read before its connection is
/// closed: closed with bytes unread, it would take our last word away from the peer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 64 << 10;

/// Reasons for GOAWAY (RFC 9113, 7).
const ENHANCE_YOUR_CALM: u8 = 0xB;
const INADEQUATE_SECURITY: u8 = 0xC;

/// The first byte of a TLS connection: a record with a handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Why a peer is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unwelcome {
    /// It hung up before it said anything: a probe of the port, most of the time.
    #[error("it hung up")]
    Gone,
    /// It spoke in the clear.
    #[error("it speaks plaintext, and this port TLS; its address begins with https://")]
    PlaintextToTls,
    /// It spoke TLS.
    #[error("it speaks TLS, and this port plaintext; its address begins with http://")]
    TlsToPlaintext,
    /// It spoke something else.
    #[error("it speaks no HTTP/2, and this port gRPC alone")]
    NotHttp2,
    /// TLS failed.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    /// Its client certificate is verified and cannot be read all the same.
    #[error("its client certificate cannot be read")]
    Certificate,
    /// There is no place for it.
    #[error("{0}")]
    Full(Full),
    /// The connection failed.
    #[error("its connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A peer that has greeted.
pub struct Guest {
    /// The way to it.
    pub transport: Transport,
    /// Who it is.
    pub peer: Peer,
    /// Its place.
    pub slot: Slot,
}

/// Greets a peer and gives it a place.
///
/// # Errors
/// Why it is not served; the connection is closed.
pub async fn greet(
    tcp: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<Current>>,
    slots: &Slots,
) -> Result<Guest, Unwelcome> {
    let (transport, peer) = introduce(tcp, address, tls).await?;
    match slots.take(address.ip(), &peer.standing) {
        Ok(slot) => Ok(Guest { transport, peer, slot }),
        Err(full) => {
            let words = go_away(ENHANCE_YOUR_CALM, full.to_string().as_bytes());
            match transport {
                Transport::Plain(tcp) => dismiss(tcp, &words).await,
                Transport::Tls(tls) => dismiss(*tls, &words).await,
            }
            Err(Unwelcome::Full(full))
        }
    }
}

async fn introduce(
    mut tcp: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<Current>>,
) -> Result<(Transport, Peer), Unwelcome> {
    let Some(current) = tls else {
        let Err(stranger) = preface(&mut tcp).await? else {
            return Ok((Transport::Plain(tcp), Peer::new(address, None)));
        };
        let (cause, answer) = match stranger {
            // Plaintext in place of TLS is what its library names best.
            Stranger::Tls => (Unwelcome::TlsToPlaintext, http1(b"this port speaks plaintext")),
            Stranger::Http1 => (Unwelcome::NotHttp2, http1(b"this port speaks gRPC over HTTP/2")),
            Stranger::Other => (Unwelcome::NotHttp2, Vec::new()),
        };
        dismiss(tcp, &answer).await;
        return Err(cause);
    };
    let mut first = [0];
    if tcp.peek(&mut first).await? == 0 {
        return Err(Unwelcome::Gone);
    }
    if first[0] != TLS_HANDSHAKE {
        let words = b"this port speaks TLS: the address begins with https://";
        let answer = match preface(&mut tcp).await? {
            Ok(()) => go_away(INADEQUATE_SECURITY, words),
            Err(_) => http1(words),
        };
        dismiss(tcp, &answer).await;
        return Err(Unwelcome::PlaintextToTls);
    }
    let mut stream =
        match TlsAcceptor::from(current.config.clone()).accept(tcp).into_fallible().await {
            Ok(stream) => stream,
            Err((error, tcp)) => {
                dismiss(tcp, &[]).await;
                return Err(Unwelcome::Tls(error));
            }
        };
    let chain = stream.get_ref().1.peer_certificates();
    let certificate = match chain.zip(current.authorities.clone()) {
        Some((chain, by)) => Some(ShownCertificate::new(chain, by).ok_or(Unwelcome::Certificate)?),
        None => None,
    };
    if preface(&mut stream).await?.is_err() {
        dismiss(stream, &http1(b"this port speaks gRPC over HTTP/2")).await;
        return Err(Unwelcome::NotHttp2);
    }
    Ok((Transport::Tls(Box::new(stream)), Peer::new(address, certificate)))
}

/// What a peer speaks that does not speak HTTP/2.
enum Stranger {
    Tls,
    Http1,
    Other,
}

/// Reads the preface; no byte more, and of something else only the beginning.
async fn preface(from: &mut (impl AsyncRead + Unpin)) -> Result<Result<(), Stranger>, Unwelcome> {
    let (mut read, mut filled) = ([0; PREFACE.len()], 0);
    while filled < PREFACE.len() {
        let count = from.read(&mut read[filled..]).await?;
        if count == 0 {
            return if filled == 0 { Err(Unwelcome::Gone) } else { Ok(Err(Stranger::Other)) };
        }
        filled += count;
        if read[..filled] != PREFACE[..filled] {
            return Ok(Err(match read[0] {
                TLS_HANDSHAKE => Stranger::Tls,
                b'A'..=b'Z' => Stranger::Http1, // a method
                _ => Stranger::Other,
            }));
        }
    }
    Ok(Ok(()))
}

/// An answer in HTTP/1.1.
fn http1(words: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n";
    let mut answer = format!("{head}content-length: {}\r\n\r\n", words.len() + 1).into_bytes();
    answer.extend_from_slice(words);
    answer.push(b'\n');
    answer
}

/// An answer in HTTP/2: SETTINGS, without which nothing may come, and GOAWAY (RFC 9113, 6.8).
fn go_away(reason: u8, words: &[u8]) -> Vec<u8> {
    let length = (8 + words.len()) as u32;
    let mut answer = vec![0, 0, 0, 0x4, 0, 0, 0, 0, 0];
    answer.extend_from_slice(&length.to_be_bytes()[1..]);
    answer.extend_from_slice(&[0x7, 0, 0, 0, 0, 0]);
    answer.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, reason]);
    answer.extend_from_slice(words);
    answer
}

/// Says the last words and closes, so that the peer can hear them. If it does not, so be it.
async fn dismiss(mut peer: impl AsyncRead + AsyncWrite + Unpin, words: &[u8]) {
    let dismissed = async {
        peer.write_all(words).await?;
        peer.shutdown().await?;
        let (mut rest, mut left) = ([0; 4096], LINGER_BYTES_MAX);
        while left > 0 {
            let count = peer.read(&mut rest).await?;
            if count == 0 {
                break;
            }
            left = left.saturating_sub(count);
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, dismissed).await;
}
