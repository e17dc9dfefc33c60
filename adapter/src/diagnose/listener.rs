//! What a listener speaks, and which `securityProtocol` would be right for it.

use std::net::SocketAddr;

use rustls::{AlertDescription, Error, PeerIncompatible};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Duration, Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;

use super::{
    certificate::{expires_soon, facts},
    client_certificate,
    report::{Facts, Finding, StepName, Steps},
    target::{Target, Tls, protocol},
    tls::{self, HANDSHAKE_MAX, Seen, is_tls, words},
    wire::{Apis, Broken, Link, NONE, UNSUPPORTED_MECHANISM},
};

/// A connection that has answered, and which requests the broker knows.
pub(super) enum Spoken {
    Plaintext(Link<TcpStream>, Apis),
    Tls(Box<Link<Box<TlsStream<TcpStream>>>>, Apis),
}

/// How long a second connection may take, which finds out what a listener speaks instead.
const PROBE: Duration = Duration::from_secs(2);

/// Speaks plaintext to a listener.
pub(super) async fn plaintext(
    target: &Target,
    stream: TcpStream,
    address: SocketAddr,
    end: Instant,
    steps: &mut Steps,
) -> Option<Spoken> {
    let mut link = Link::new(stream, end.min(Instant::now() + HANDSHAKE_MAX));
    let apis = match link.api_versions().await {
        Ok(apis) => apis,
        Err(broken) => {
            let finding = match speaks_tls(target, address, end).await {
                Some(protocol) => tls_listener(target, protocol),
                None => no_kafka(target, &broken),
            };
            return steps.failed(StepName::Listener, finding);
        }
    };
    if let Some(finding) = wants_login(target, &mut link, apis).await {
        return steps.failed(StepName::Listener, finding);
    }
    link.extend(end);
    steps.passed(StepName::Listener, Facts::new("Kafka in plaintext").with("speaks", "plaintext"));
    Some(Spoken::Plaintext(link, apis))
}

/// Speaks TLS to a listener, and Kafka inside.
pub(super) async fn encrypted(
    target: &Target,
    tls: &Tls,
    stream: TcpStream,
    address: SocketAddr,
    end: Instant,
    steps: &mut Steps,
) -> Option<Spoken> {
    let (shaken, seen) = match tls::shake(target, tls, stream, end).await {
        Ok(shaken) => shaken,
        Err(tls::Unable(why)) => return steps.unknown(StepName::Tls, why),
    };
    let stream = match shaken {
        Ok(stream) => stream,
        Err(broken) if is_tls(&broken, &seen) => {
            steps.passed(StepName::Listener, Facts::new("TLS").with("speaks", "TLS"));
            return not_shaken(target, tls, &broken, &seen, steps);
        }
        Err(broken) => {
            let finding = match speaks_plaintext(address, end).await {
                Some(protocol) => plaintext_listener(target, protocol),
                None => no_tls(target, &broken),
            };
            return steps.failed(StepName::Listener, finding);
        }
    };
    note_tls(tls, &stream, &seen, steps);
    let mut link = Link::new(stream, end);
    let apis = match link.api_versions().await {
        Ok(apis) => apis,
        Err(broken) => return refused(target, tls, &broken, &seen, steps),
    };
    if tls.client_certificate.is_some() || seen.asked.is_some() {
        let (facts, warning) = client_certificate::taken(target, tls, seen.asked.as_ref());
        steps.passed_but(StepName::ClientCertificate, facts, warning);
    }
    if let Some(finding) = wants_login(target, &mut link, apis).await {
        return steps.failed(StepName::Listener, finding);
    }
    steps.passed(StepName::Listener, Facts::new("Kafka in TLS").with("speaks", "TLS"));
    Some(Spoken::Tls(Box::new(link), apis))
}

/// The version, the cipher and the server's certificate.
fn note_tls(tls: &Tls, stream: &TlsStream<TcpStream>, seen: &Seen, steps: &mut Steps) {
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
    let Some(leaf) = seen.chain.first() else { return };
    let Facts { text, values } = facts(leaf);
    let facts = Facts { text: format!("{version}, {text}"), values }
        .with("version", version)
        .with("cipher", cipher);
    let unchecked = match (tls.trust_any_server_certificate, tls.trust_any_host_name) {
        (true, _) => Some("neither who signed it nor its host name was checked"),
        (false, true) => Some("its host name was not checked"),
        (false, false) => None,
    };
    let warning = match unchecked {
        Some(unchecked) => Some(Finding::new(
            "SERVER_NOT_PROVEN",
            format!("{unchecked}, since the job file says so"),
            "whoever stands between can read and change rows: give a `truststore` instead",
        )),
        None => expires_soon(leaf, "the server's certificate", "SERVER_CERTIFICATE_EXPIRES_SOON"),
    };
    steps.passed_but(StepName::Tls, facts, warning);
}

/// Why a handshake with a server that speaks TLS failed.
fn not_shaken(
    target: &Target,
    tls: &Tls,
    broken: &Broken,
    seen: &Seen,
    steps: &mut Steps,
) -> Option<Spoken> {
    if let Some(distrust) = &seen.distrust {
        return steps.failed(StepName::Tls, distrust.clone());
    }
    let place = target.place();
    let finding = match (broken, &seen.asked) {
        (Broken::Tls(Error::AlertReceived(_)) | Broken::Closed, Some(asked)) => {
            let finding = client_certificate::refused(target, tls, asked, alert_of(broken));
            return steps.failed(StepName::ClientCertificate, finding);
        }
        (Broken::Tls(Error::InvalidCertificate(_)), _) => {
            // The judge has accepted it.
            let why = format!("this check cannot read the certificate of {place}");
            return steps.unknown(StepName::Tls, why);
        }
        (
            Broken::Tls(
                Error::AlertReceived(AlertDescription::ProtocolVersion)
                | Error::PeerIncompatible(
                    PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
                ),
            ),
            _,
        ) => Finding::new(
            "TLS_VERSION_TOO_OLD",
            format!("{place} speaks neither TLS 1.2 nor TLS 1.3"),
            "switch TLS 1.2 on at the broker (`ssl.enabled.protocols`)",
        ),
        (
            Broken::Tls(Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            )),
            _,
        ) => {
            // OpenSSL has older ones, too.
            let why = format!(
                "{place} takes none of the ciphers of this check (TLS 1.3, and ECDHE with AES-GCM \
                 or ChaCha20)"
            );
            return steps.unknown(StepName::Tls, why);
        }
        (Broken::Tls(Error::AlertReceived(AlertDescription::UnrecognisedName)), _) => Finding::new(
            "SERVER_NAME_UNKNOWN",
            format!("{place} says that it is not `{}`", target.host),
            "check the host name in `bootstrapServers`; a proxy chooses the broker by it",
        ),
        (Broken::Tls(error), _) => Finding::new(
            "TLS_HANDSHAKE_FAILED",
            format!("the TLS handshake with {place} failed: {}", words(error)),
            "check the TLS settings of the broker, and what stands between it and this machine",
        ),
        (Broken::Closed, None) => closed_in_handshake(target),
        (Broken::Silent | Broken::NotKafka, _) => silent_in_handshake(target),
    };
    steps.failed(StepName::Tls, finding)
}

/// Why a server broke off after the handshake.
fn refused(
    target: &Target,
    tls: &Tls,
    broken: &Broken,
    seen: &Seen,
    steps: &mut Steps,
) -> Option<Spoken> {
    match (broken, &seen.asked) {
        (Broken::Tls(_) | Broken::Closed, Some(asked)) => {
            let finding = client_certificate::refused(target, tls, asked, alert_of(broken));
            steps.passed(StepName::Listener, Facts::new("TLS").with("speaks", "TLS"));
            steps.failed(StepName::ClientCertificate, finding)
        }
        _ => steps.failed(StepName::Listener, no_kafka(target, broken)),
    }
}

fn alert_of(broken: &Broken) -> Option<AlertDescription> {
    match broken {
        Broken::Tls(Error::AlertReceived(alert)) => Some(*alert),
        Broken::Tls(_) | Broken::Closed | Broken::NotKafka | Broken::Silent => None,
    }
}

/// Whether a listener asks for a login that the target does not have. A listener without logins
/// answers the question, too, and nothing comes of it.
async fn wants_login<S>(target: &Target, link: &mut Link<S>, apis: Apis) -> Option<Finding>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if target.login.is_some() {
        return None;
    }
    let mechanisms = asks_for_login(link, apis).await?;
    let right = protocol(target.tls.is_some(), true);
    Some(Finding::new(
        "LISTENER_WANTS_LOGIN",
        format!(
            "{} asks for a login ({}), and `securityProtocol: {}` has none",
            target.place(),
            mechanisms.join(", "),
            target.protocol(),
        ),
        format!(
            "write `securityProtocol: {right}` and `sasl`, or use the port of a listener without \
             logins"
        ),
    ))
}

/// The mechanisms of a listener that asks for a login.
async fn asks_for_login<S>(link: &mut Link<S>, apis: Apis) -> Option<Vec<String>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !apis.handshake {
        return None;
    }
    let answer = link.handshake("PLAIN").await.ok()?;
    matches!(answer.code, NONE | UNSUPPORTED_MECHANISM).then_some(answer.mechanisms)
}

/// The protocol of a listener that speaks plaintext after all.
async fn speaks_plaintext(address: SocketAddr, end: Instant) -> Option<&'static str> {
    let end = end.min(Instant::now() + PROBE);
    let mut link = Link::new(again(address, end).await?, end);
    let apis = link.api_versions().await.ok()?;
    let login = asks_for_login(&mut link, apis).await.is_some();
    Some(protocol(false, login))
}

/// The protocol of a listener that speaks TLS after all. Nothing of ours is shown to it.
async fn speaks_tls(target: &Target, address: SocketAddr, end: Instant) -> Option<&'static str> {
    let end = end.min(Instant::now() + PROBE);
    let stream = again(address, end).await?;
    let any = Tls { trust_any_server_certificate: true, ..Tls::default() };
    let (shaken, seen) = tls::shake(target, &any, stream, end).await.ok()?;
    match shaken {
        Err(broken) if !is_tls(&broken, &seen) => None,
        Err(_) if seen.asked.is_some() => Some("mTLS"),
        Err(_) => Some("SASL_SSL"),
        Ok(stream) => {
            let mut link = Link::new(stream, end);
            // A client certificate was asked for: who shows none hears so with the first answer.
            let Ok(apis) = link.api_versions().await else {
                return Some(protocol(true, seen.asked.is_none()));
            };
            let login = asks_for_login(&mut link, apis).await.is_some();
            // One that is slow to answer, and asks for no certificate, will ask for a login.
            let is_late = Instant::now() >= end && seen.asked.is_none();
            Some(protocol(true, login || is_late))
        }
    }
}

async fn again(address: SocketAddr, end: Instant) -> Option<TcpStream> {
    timeout_at(end, TcpStream::connect(address)).await.ok()?.ok()
}

fn tls_listener(target: &Target, right: &str) -> Finding {
    Finding::new(
        "TLS_LISTENER",
        format!(
            "{} speaks TLS, and `securityProtocol: {}` does not",
            target.place(),
            target.protocol()
        ),
        format!("write `securityProtocol: {right}`, which this listener speaks"),
    )
}

fn plaintext_listener(target: &Target, right: &str) -> Finding {
    Finding::new(
        "PLAINTEXT_LISTENER",
        format!(
            "{} speaks plaintext, and `securityProtocol: {}` asks for TLS",
            target.place(),
            target.protocol()
        ),
        format!(
            "use the port of the broker's TLS listener; or, if everybody in between may read the \
             rows, write `securityProtocol: {right}`, which this listener speaks"
        ),
    )
}

/// A listener that does not speak TLS, and not plaintext Kafka either.
fn no_tls(target: &Target, broken: &Broken) -> Finding {
    match broken {
        Broken::Closed => closed_in_handshake(target),
        Broken::Silent => silent_in_handshake(target),
        Broken::Tls(_) | Broken::NotKafka => not_kafka(target),
    }
}

/// A listener that does not answer as Kafka does.
fn no_kafka(target: &Target, broken: &Broken) -> Finding {
    let place = target.place();
    match broken {
        Broken::NotKafka => not_kafka(target),
        Broken::Silent => Finding::new(
            "BROKER_SILENT",
            format!("{place} takes connections, but does not answer Kafka's first request"),
            "check that this is the port of a broker, and that the broker is not overloaded",
        ),
        Broken::Closed | Broken::Tls(_) => Finding::new(
            "LISTENER_CLOSED",
            format!("{place} closes the connection at Kafka's first request"),
            "check that this is a port for clients, and the broker's limits of connections; its \
             log says why it closes them",
        ),
    }
}

fn not_kafka(target: &Target) -> Finding {
    Finding::new(
        "NOT_KAFKA",
        format!("what answers at {} is no Kafka broker", target.place()),
        "check host and port in `bootstrapServers`",
    )
}

fn closed_in_handshake(target: &Target) -> Finding {
    Finding::new(
        "TLS_CLOSED",
        format!("{} closes the connection in the TLS handshake", target.place()),
        "check that this is the port of a TLS listener, that a proxy in between knows this host \
         name, and the broker's limits of connections",
    )
}

fn silent_in_handshake(target: &Target) -> Finding {
    Finding::new(
        "TLS_TIMED_OUT",
        format!(
            "{} takes connections, but does not answer a TLS handshake within {HANDSHAKE_MAX:?}",
            target.place()
        ),
        "check that this is the port of a TLS listener, and that the broker is not overloaded",
    )
}
