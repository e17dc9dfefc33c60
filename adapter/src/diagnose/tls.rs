//! The TLS handshake, and all that is seen in it.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use keyvault::material::{CertificateInfo, KeyPair};
use openssl::x509::{X509, X509Name};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerMisbehaved,
    SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature_with_raw_key,
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::{
    certificate::authority,
    report::Finding,
    target::{Target, Tls},
    trust::Judge,
    wire::Broken,
};

/// How long a server may take for the handshake. One that is busy, as a broker that has just started,
/// takes seconds, and is not silent for that.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The most certificates that are looked at; OpenSSL's own limit is 100.
const CHAIN_MAX: usize = 20;

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// What was seen of a server, also if the handshake failed.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Its certificate and those that it shows with it; empty if none came.
    pub(super) chain: Vec<CertificateInfo>,
    /// Why its certificate is not trusted.
    pub(super) distrust: Option<Finding>,
    /// That it asked for a client certificate.
    pub(super) asked: Option<Asked>,
}

/// A server asks for a client certificate.
#[derive(Clone)]
pub(super) struct Asked {
    /// The authorities whose certificates it takes; it need not say any.
    pub(super) authorities: Vec<String>,
    /// A certificate was sent.
    pub(super) sent: bool,
}

/// Why no handshake was tried.
pub(super) struct Unable(pub(super) String);

/// Makes a handshake. What it found out is there whatever became of it.
pub(super) async fn shake(
    target: &Target,
    tls: &Tls,
    stream: TcpStream,
    end: Instant,
) -> Result<(Result<Box<TlsStream<TcpStream>>, Broken>, Seen), Unable> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let config = config(target, tls, &seen)?;
    let name = ServerName::try_from(target.host.clone())
        // A name that TLS cannot send is not sent, as an address is not.
        .unwrap_or_else(|_| ServerName::from(IpAddr::from([0, 0, 0, 0])));
    let end = end.min(Instant::now() + HANDSHAKE_MAX);
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let shaken = match timeout_at(end, shaken).await {
        Ok(shaken) => shaken.map(Box::new).map_err(|error| Broken::of(&error)),
        Err(_) => Err(Broken::Silent),
    };
    let seen = seen.lock().expect("nothing panics in it").clone();
    Ok((shaken, seen))
}

/// Whether what came back was TLS.
pub(super) fn is_tls(broken: &Broken, seen: &Seen) -> bool {
    match broken {
        Broken::Tls(Error::InvalidMessage(_)) | Broken::Closed | Broken::Silent => {
            !seen.chain.is_empty() || seen.asked.is_some()
        }
        Broken::Tls(_) => true,
        Broken::NotKafka => false,
    }
}

/// An alert as the standards name it (RFC 8446, 6): `TLS alert bad_certificate`.
pub(super) fn alert_name(alert: AlertDescription) -> String {
    let name = match alert {
        AlertDescription::HandshakeFailure => "handshake_failure",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::IllegalParameter => "illegal_parameter",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::DecodeError => "decode_error",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::InternalError => "internal_error",
        AlertDescription::CertificateRequired => "certificate_required",
        // As IANA lists them.
        other => return format!("TLS alert {}", u8::from(other)),
    };
    format!("TLS alert {name}")
}

/// What went wrong in a handshake otherwise, in words.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::AlertReceived(alert) => {
            format!("the other side ends it with {}", alert_name(*alert))
        }
        Error::PeerIncompatible(_) => {
            "it has no version, cipher or key exchange in common with this check".to_owned()
        }
        Error::PeerMisbehaved(_)
        | Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            "what it says breaks the rules of TLS".to_owned()
        }
        other => other.to_string(),
    }
}

fn config(target: &Target, tls: &Tls, seen: &Arc<Mutex<Seen>>) -> Result<ClientConfig, Unable> {
    let judge = if tls.trust_any_server_certificate {
        None
    } else {
        let judge = Judge::new(target, tls)
            .map_err(|error| Unable(format!("OpenSSL cannot read the authorities: {error}")))?;
        Some(judge)
    };
    let pair = tls.client_certificate.as_ref().map(Pair::new).transpose()?;
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { judge, seen: seen.clone() }))
        .with_client_cert_resolver(Arc::new(Resolver { pair, seen: seen.clone() }));
    // Each diagnosis looks at a whole handshake.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Notes the server's certificates and has them judged. That the server has the key of its
/// certificate is checked in any case.
struct Verifier {
    /// `None` trusts all.
    judge: Option<Judge>,
    seen: Arc<Mutex<Seen>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<&[u8]> = [end_entity]
            .into_iter()
            .chain(intermediates)
            .take(CHAIN_MAX)
            .map(AsRef::as_ref)
            .collect();
        let infos: Vec<_> = chain.iter().map_while(|der| CertificateInfo::from_der(der)).collect();
        let Some(leaf) = infos.first() else {
            return Err(CertificateError::BadEncoding.into());
        };
        let distrust = self.judge.as_ref().and_then(|judge| judge.judge(&chain, leaf));
        let mut seen = self.seen.lock().expect("nothing panics in it");
        (seen.chain, seen.distrust) = (infos, distrust);
        match seen.distrust {
            None => Ok(ServerCertVerified::assertion()),
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &PROVIDER.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // With the bare key, since the rest of a certificate of version 1 is refused by rustls.
        let (_, parsed) = X509Certificate::from_der(cert)
            .map_err(|_| Error::from(PeerMisbehaved::BadCertChainExtensions))?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// Notes that the server asks for a client certificate, and shows ours as librdkafka would: not at
/// all if the server lists authorities and none of them has signed it.
struct Resolver {
    pair: Option<Pair>,
    seen: Arc<Mutex<Seen>>,
}

struct Pair {
    key: Arc<CertifiedKey>,
    issuers: Vec<X509>,
}

impl Pair {
    fn new(pair: &KeyPair) -> Result<Self, Unable> {
        let unable = |error: &dyn fmt::Display| {
            Unable(format!("this check cannot use the key of the client certificate: {error}"))
        };
        let (chain, key) = pair.certified().map_err(|error| unable(&error))?;
        let issuers = chain.iter().filter_map(|der| X509::from_der(der).ok()).collect();
        let key = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| unable(&error))?;
        Ok(Self { key: Arc::new(key), issuers })
    }

    fn is_signed_by_one_of(&self, authorities: &[&[u8]]) -> bool {
        let names: Vec<_> =
            authorities.iter().filter_map(|der| X509Name::from_der(der).ok()).collect();
        let is_named = |certificate: &X509| {
            let issuer = certificate.issuer_name();
            names.iter().any(|name| issuer.try_cmp(name).is_ok_and(std::cmp::Ordering::is_eq))
        };
        authorities.is_empty() || self.issuers.iter().any(is_named)
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.as_ref().filter(|pair| pair.is_signed_by_one_of(root_hint_subjects));
        let authorities = root_hint_subjects.iter().map(|der| authority(der)).collect();
        let asked = Asked { authorities, sent: pair.is_some() };
        self.seen.lock().expect("nothing panics in it").asked = Some(asked);
        pair.map(|pair| pair.key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    #[test]
    fn faults_are_told_in_words_for_people() {
        for (error, told) in [
            (
                Error::AlertReceived(AlertDescription::DecodeError),
                "the other side ends it with TLS alert decode_error",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownPSKIdentity),
                "the other side ends it with TLS alert 115",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon),
                "it has no version, cipher or key exchange in common with this check",
            ),
            (
                Error::InvalidMessage(InvalidMessage::MissingKeyExchange),
                "what it says breaks the rules of TLS",
            ),
        ] {
            assert_eq!(words(&error), told);
        }
    }
}
