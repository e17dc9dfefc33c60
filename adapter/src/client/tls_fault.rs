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

/// Neither a version nor a cipher.
const NOTHING_IN_COMMON: &str =
    "the service speaks none of its versions (1.2, 1.3) and ciphers that are spoken here";

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
        rustls::Error::PeerIncompatible(_) => TlsFault::Other(NOTHING_IN_COMMON.to_owned()),
        // What rustls names in the words of its own source.
        rustls::Error::InvalidMessage(_) | rustls::Error::PeerMisbehaved(_) => {
            TlsFault::Other("what the service says breaks the rules of TLS".to_owned())
        }
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
        CertificateError::BadSignature => TlsFault::UnknownAuthority,
        CertificateError::Revoked => of_no_use("was revoked"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            of_no_use("is not one for servers (`serverAuth`)")
        }
        // The words of the library that judges: an authority's certificate that is its own.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            of_no_use("is an authority's, and not one for servers")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            of_no_use("is signed in a way that is not taken, such as with SHA-1")
        }
        _ => of_no_use("cannot be judged: it is damaged, or of an unusual kind"),
    }
}

fn of_no_use(why: &str) -> TlsFault {
    TlsFault::Other(format!("its certificate {why}"))
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
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => TlsFault::Other(NOTHING_IN_COMMON.to_owned()),
        AlertDescription::UnrecognisedName => {
            TlsFault::Other("it does not know this host name".to_owned())
        }
        // As IANA lists them.
        other => TlsFault::Other(format!("the service ends it with alert {}", u8::from(other))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{InvalidMessage, OtherError, PeerIncompatible, PeerMisbehaved};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Words(&'static str);

    /// Words of a source, such as `CaUsedAsEndEntity`, and signs of Rust's `Debug`.
    fn is_of_a_source(text: &str) -> bool {
        let inner = |word: &str| word.chars().skip(1).any(char::is_uppercase);
        let is_name = |word: &str| inner(word) && word.chars().any(char::is_lowercase);
        text.contains("::") || text.split(|c: char| !c.is_alphanumeric()).any(is_name)
    }

    #[test]
    fn faults_are_told_in_words_for_people() {
        let certificate = |error: CertificateError| rustls::Error::InvalidCertificate(error);
        let other = |words| CertificateError::Other(OtherError(Arc::new(Words(words))));
        for (error, said) in [
            (certificate(other("CaUsedAsEndEntity")), "an authority's, and not one for servers"),
            (certificate(other("UnsupportedCertVersion")), "cannot be judged"),
            (certificate(CertificateError::BadEncoding), "cannot be judged"),
            (certificate(CertificateError::InvalidPurpose), "not one for servers (`serverAuth`)"),
            (certificate(CertificateError::BadSignature), "an authority that is not trusted"),
            (
                rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "none of its versions (1.2, 1.3) and ciphers",
            ),
            (rustls::Error::PeerMisbehaved(PeerMisbehaved::MissingKeyShare), "breaks the rules"),
            (rustls::Error::InvalidMessage(InvalidMessage::MissingData("X")), "breaks the rules"),
            (
                rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
                "none of its versions (1.2, 1.3) and ciphers",
            ),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), "with alert 80"),
        ] {
            let told = of(&io::Error::other(error)).expect("each is one of TLS").to_string();
            assert!(told.contains(said), "{told}");
            assert!(!is_of_a_source(&told.replace("`serverAuth`", "")), "{told}");
        }
    }
}
