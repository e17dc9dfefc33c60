//! The four requests of Kafka's protocol that lead to a login, written by hand.
//!
//! A request is its size, a header and a body; an answer is its size, the number of the request
//! and a body (<https://kafka.apache.org/protocol>). All versions used here are older than compact
//! encodings.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};
use zeroize::Zeroizing;

/// The largest answer that is read. Brokers need some hundred bytes.
const ANSWER_BYTES_MAX: u32 = 64 * 1024;

/// The most mechanisms that are looked at; Kafka knows five.
const MECHANISMS_MAX: usize = 20;

/// `ApiVersions`, version 0: every broker since 0.10 answers it, before any login.
const API_VERSIONS: i16 = 18;
/// `SaslHandshake`, version 1 (Kafka 1.0).
const SASL_HANDSHAKE: i16 = 17;
/// `SaslAuthenticate`, version 0 (Kafka 1.0).
const SASL_AUTHENTICATE: i16 = 36;

/// No error.
pub(super) const NONE: i16 = 0;
/// UNSUPPORTED_SASL_MECHANISM.
pub(super) const UNSUPPORTED_MECHANISM: i16 = 33;
/// ILLEGAL_SASL_STATE: there is nothing to log in to.
pub(super) const ILLEGAL_STATE: i16 = 34;

/// A connection that speaks Kafka.
pub(super) struct Link<S> {
    stream: S,
    requests: i32,
    end: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side closed the connection.
    Closed,
    /// TLS ended it: an alert, as a rule.
    Tls(rustls::Error),
    /// What came is no answer of Kafka.
    NotKafka,
    /// Nothing came in time.
    Silent,
}

/// Which requests a broker knows, as far as they matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Apis {
    /// `SaslHandshake` in version 1.
    pub(super) handshake: bool,
    /// `SaslAuthenticate`.
    pub(super) authenticate: bool,
}

/// The answer to a mechanism.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Kafka's error code.
    pub(super) code: i16,
    /// What the broker offers.
    pub(super) mechanisms: Vec<String>,
}

/// The answer to a login.
#[derive(Debug)]
pub(super) struct Authentication {
    /// Kafka's error code.
    pub(super) code: i16,
    /// What the broker says of it.
    pub(super) message: String,
    /// The mechanism's own answer.
    pub(super) answer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Speaks over a stream until `end`.
    pub(super) fn new(stream: S, end: Instant) -> Self {
        Self { stream, requests: 0, end }
    }

    /// The stream alone, between an answer and the next request.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Goes on until `end`.
    pub(super) fn extend(&mut self, end: Instant) {
        self.end = end;
    }

    /// Asks which requests the broker knows.
    pub(super) async fn api_versions(&mut self) -> Result<Apis, Broken> {
        let answer = self.ask(API_VERSIONS, 0, &[]).await?;
        let mut fields = Fields(&answer);
        let mut apis = Apis { handshake: false, authenticate: false };
        let (NONE, count) = (fields.int16()?, fields.int32()?) else {
            return Err(Broken::NotKafka);
        };
        for _ in 0..count {
            let (key, _, max) = (fields.int16()?, fields.int16()?, fields.int16()?);
            apis.handshake |= key == SASL_HANDSHAKE && max >= 1;
            apis.authenticate |= key == SASL_AUTHENTICATE;
        }
        Ok(apis)
    }

    /// Says which mechanism comes.
    pub(super) async fn handshake(&mut self, mechanism: &str) -> Result<Handshake, Broken> {
        let mut body = (mechanism.len() as i16).to_be_bytes().to_vec();
        body.extend(mechanism.as_bytes());
        let answer = self.ask(SASL_HANDSHAKE, 1, &body).await?;
        let mut fields = Fields(&answer);
        let (code, count) = (fields.int16()?, fields.int32()?.max(0));
        let mechanisms = (0..count).map(|_| fields.text()).collect::<Result<Vec<_>, _>>()?;
        let mechanisms = mechanisms.into_iter().filter(|name| is_mechanism(name));
        Ok(Handshake { code, mechanisms: mechanisms.take(MECHANISMS_MAX).collect() })
    }

    /// Sends a message of the mechanism.
    pub(super) async fn authenticate(&mut self, message: &[u8]) -> Result<Authentication, Broken> {
        let mut body = Zeroizing::new(Vec::with_capacity(4 + message.len()));
        body.extend((message.len() as i32).to_be_bytes());
        body.extend(message);
        let answer = self.ask(SASL_AUTHENTICATE, 0, &body).await?;
        let mut fields = Fields(&answer);
        let (code, message) = (fields.int16()?, fields.text()?);
        let length = fields.int32()?.max(0) as usize;
        Ok(Authentication { code, message, answer: fields.take(length)?.to_vec() })
    }

    async fn ask(&mut self, api: i16, version: i16, body: &[u8]) -> Result<Vec<u8>, Broken> {
        const HEADER_BYTES: usize = 10;
        self.requests += 1;
        let mut request = Zeroizing::new(Vec::with_capacity(4 + HEADER_BYTES + body.len()));
        request.extend(((HEADER_BYTES + body.len()) as i32).to_be_bytes());
        request.extend(api.to_be_bytes());
        request.extend(version.to_be_bytes());
        request.extend(self.requests.to_be_bytes());
        request.extend((-1_i16).to_be_bytes()); // no client id
        request.extend(body);
        match timeout_at(self.end, self.exchange(&request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Broken::Silent),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Broken> {
        // Whoever refuses us closes the connection, perhaps before this is written, and says why
        // before it does so: what is there to read is read in any case.
        let written = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        let written = written.await;
        let size = match self.stream.read_u32().await {
            Ok(size) => size,
            Err(error) => match (Broken::of(&error), written) {
                (Broken::Closed, Err(error)) => return Err(Broken::of(&error)),
                (broken, _) => return Err(broken),
            },
        };
        if !(4..=ANSWER_BYTES_MAX).contains(&size) {
            return Err(Broken::NotKafka);
        }
        let mut answer = vec![0; size as usize];
        self.stream.read_exact(&mut answer).await.map_err(|error| Broken::of(&error))?;
        if answer[..4] != self.requests.to_be_bytes() {
            return Err(Broken::NotKafka);
        }
        answer.drain(..4);
        Ok(answer)
    }
}

impl Broken {
    pub(super) fn of(error: &io::Error) -> Self {
        // tokio-rustls hands errors of TLS through inside those of I/O.
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        inner.cloned().map_or(Self::Closed, Self::Tls)
    }
}

/// Whether a text is the name of a mechanism (RFC 4422, 3.1). Others are not repeated.
fn is_mechanism(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=20).contains(&name.len()) && name.chars().all(legal)
}

/// The fields of an answer, from its start to its end.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Broken::NotKafka)?;
        self.0 = rest;
        Ok(taken)
    }

    fn int16(&mut self) -> Result<i16, Broken> {
        let bytes = self.take(2)?;
        Ok(i16::from_be_bytes(bytes.try_into().expect("two were taken")))
    }

    fn int32(&mut self) -> Result<i32, Broken> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes(bytes.try_into().expect("four were taken")))
    }

    /// A text that may be null, which reads as empty.
    fn text(&mut self) -> Result<String, Broken> {
        let length = self.int16()?.max(0) as usize;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }
}
