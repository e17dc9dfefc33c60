//! What keeps TLS from being agreed on, found by a connection of our own.
use std::{io, sync::Arc};

use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The preface of HTTP/2 and an empty SETTINGS frame, after which a server speaks (RFC 9113, 3.4).
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What keeps TLS from being agreed on with the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Nobody who is trusted here signed its certificate.
    #[error("its certificate is signed by an authority that is not trusted here")]
    UnknownAuthority,
    /// Its certificate is another host's.
    #[error("its certificate is for {0}, not for this host name")]
    WrongName(String),
    /// Its certificate has ended.
    #[error("its certificate has expired")]
    Expired,
    /// Its certificate does not hold yet.
    #[error("its certificate does not hold yet; compare the clocks")]
    NotYetValid,
    /// The port speaks plaintext.
    #[error("the port does not speak TLS; write http:// if that is meant to be")]
    Plaintext,
    /// The port speaks TLS, and the address says plaintext.
    #[error("the port speaks TLS; write https://")]
    TlsWanted,
    /// It asks for a client certificate.
    #[error("it asks for a client certificate")]
    CertificateWanted,
    /// It does not take our client certificate.
    #[error("it does not take our client certificate ({0})")]
    CertificateRefused(&'static str),
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

/// Looks at what is behind an address. `None` if nothing is wrong with TLS, or nothing was found.
pub(super) async fn diagnose(
    host: &str,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
) -> Option<TlsFault> {
    let mut tcp = TcpStream::connect((host, port)).await.ok()?;
    let Some(tls) = tls else {
        let answer = first_words(&mut tcp).await.ok()?;
        return wants_tls(&answer).then_some(TlsFault::TlsWanted);
    };
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let spoken = match TlsConnector::from(tls).connect(name, tcp).await {
        // With TLS 1.3 the service looks at our certificate when we are through, and says what it
        // thinks of it in place of its first words.
        Ok(mut stream) => first_words(&mut stream).await,
        Err(error) => Err(error),
    };
    of(&spoken.err()?)
}

/// The first words of a server of HTTP/2, or less.
async fn first_words(server: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Vec<u8>> {
    server.write_all(HELLO).await?;
    server.flush().await?;
    let (mut words, mut filled) = ([0; 64], 0);
    while filled < 9 + 9 + 8 {
        let count = server.read(&mut words[filled..]).await?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    Ok(words[..filled].to_vec())
}

/// Whether a server that was spoken to in the clear wants TLS: an alert of TLS, or GOAWAY with
/// INADEQUATE_SECURITY behind its SETTINGS.
fn wants_tls(words: &[u8]) -> bool {
    let goes_away = |frame: &[u8]| frame[3] == 0x7 && frame[13..17] == [0, 0, 0, 0xC];
    words.starts_with(&[0x15, 0x3]) || words.get(9..26).is_some_and(goes_away)
}

fn of(error: &io::Error) -> Option<TlsFault> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => TlsFault::Plaintext,
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        other => TlsFault::Other(other.to_string()),
    })
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::UnknownIssuer => TlsFault::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        CertificateError::NotValidForName => TlsFault::WrongName("another host".to_owned()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFault::WrongName(match &presented[..] {
                [] => "no host".to_owned(),
                names => names.join(", "),
            })
        }
        other => TlsFault::Other(format!("its certificate: {other}")),
    }
}

fn of_alert(alert: AlertDescription) -> TlsFault {
    match alert {
        AlertDescription::CertificateRequired => TlsFault::CertificateWanted,
        AlertDescription::UnknownCA => TlsFault::CertificateRefused("it does not know who signed"),
        AlertDescription::CertificateExpired => TlsFault::CertificateRefused("it has expired"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => TlsFault::CertificateRefused("its log says why"),
        AlertDescription::NoApplicationProtocol => {
            TlsFault::Other("the port does not speak HTTP/2".to_owned())
        }
        other => TlsFault::Other(format!("the service says {other:?}")),
    }
}
