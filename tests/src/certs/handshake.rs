//! Looks at what a TLS server shows in a handshake, whatever that is worth.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openssl::x509::X509;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{self, CryptoProvider},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Authority, Pair};

/// A server that does not answer within this is taken for one that does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a server shows before it knows who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its certificates in DER, its own first.
    chain: Vec<Vec<u8>>,
    /// The names of the authorities whose clients it takes, in DER.
    authorities: Vec<Vec<u8>>,
}

/// The handshake with the server at `address`, without a client certificate.
///
/// # Errors
/// When there is no server, or it speaks something else.
pub fn shown(address: SocketAddr) -> io::Result<Shown> {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let noted = Arc::<Noted>::default();
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_client_cert_resolver(noted.clone());
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))
        .map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let chain = connection.peer_certificates().unwrap_or_default();
    let authorities = noted.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Shown { chain: chain.iter().map(|certificate| certificate.to_vec()).collect(), authorities })
}

impl Shown {
    /// Whether the server shows this pair's certificate.
    pub fn is_of(&self, pair: &Pair) -> bool {
        self.chain.first() == Some(&read(pair.leaf_pem()).to_der().expect("it was just read"))
    }

    /// Whether the server takes clients of exactly these authorities.
    pub fn takes(&self, authorities: &[&Authority]) -> bool {
        let name = |authority: &&Authority| {
            read(&authority.pem()).subject_name().to_der().expect("it was just read")
        };
        let mut expected: Vec<_> = authorities.iter().map(name).collect();
        let mut found = self.authorities.clone();
        expected.sort();
        found.sort();
        expected == found
    }
}

fn read(pem: &str) -> X509 {
    X509::from_pem(pem.as_bytes()).expect("the workshop makes certificates in PEM")
}

/// Notes whose clients the server takes, and has no certificate.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<Vec<u8>>>);

impl ResolvesClientCert for Noted {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            authorities.iter().map(|name| name.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any certificate, also one that is expired or for another host.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
