//! TLS of the listener: whose certificate it shows, whose client certificates it takes.
use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use keyvault::{
    Error,
    material::{KeyPair, TrustStore},
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// The listener's TLS. Its material can be renewed while it serves: connections that begin later
/// get the new one. Streams that are open go on; calls that begin later on an older connection are
/// let in if the new authorities vouch for its client certificate, too.
pub struct ServerTls {
    current: ArcSwap<Current>,
    client_certificate: ClientCertificates,
}

/// What a connection is served with.
pub struct Current {
    /// The certificate, and how TLS is spoken.
    pub config: Arc<ServerConfig>,
    /// Who vouches for callers, if anybody is asked.
    pub authorities: Option<Arc<ClientAuthorities>>,
}

/// Who vouches for callers.
pub struct ClientAuthorities {
    pem: String,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Which client certificates a listener asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None.
    No,
    /// One may be shown; it is verified then.
    Optional,
    /// No connection without one.
    Required,
}

impl ServerTls {
    /// TLS with this certificate; with `client_ca`, callers show one that it signed, or may show
    /// one if that is `optional`.
    ///
    /// # Errors
    /// If the material is of no use.
    pub fn new(
        key_pair: &KeyPair,
        client_ca: Option<&TrustStore>,
        optional: bool,
    ) -> Result<Self, Error> {
        let client_certificate = match (client_ca, optional) {
            (None, _) => ClientCertificates::No,
            (Some(_), true) => ClientCertificates::Optional,
            (Some(_), false) => ClientCertificates::Required,
        };
        let current = current(key_pair, client_ca, client_certificate, None)?;
        Ok(Self { current: ArcSwap::from_pointee(current), client_certificate })
    }

    /// Takes new material for connections that begin from now on. What is asked of callers stays:
    /// with client certificates, `client_ca` is there.
    ///
    /// # Errors
    /// If the material is of no use; the old one stays.
    pub fn renew(&self, key_pair: &KeyPair, client_ca: Option<&TrustStore>) -> Result<(), Error> {
        let old = self.client_authorities();
        let new = current(key_pair, client_ca, self.client_certificate, old)?;
        self.current.store(Arc::new(new));
        Ok(())
    }

    /// Which client certificates it asks for.
    pub fn client_certificates(&self) -> ClientCertificates {
        self.client_certificate
    }

    /// What a connection that begins now is served with.
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// Who vouches for callers now.
    pub fn client_authorities(&self) -> Option<Arc<ClientAuthorities>> {
        self.current.load().authorities.clone()
    }
}

impl ClientAuthorities {
    /// Checks a chain, the caller's own certificate first, as TLS does when it connects.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (own, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_client_cert(own, others, UnixTime::now()).map(drop)
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAuthorities")
    }
}

/// The material as it is served. Authorities that are the same as before stay the same ones, so
/// that nobody is verified again for their sake.
fn current(
    key_pair: &KeyPair,
    client_ca: Option<&TrustStore>,
    asked: ClientCertificates,
    old: Option<Arc<ClientAuthorities>>,
) -> Result<Current, Error> {
    // Named, since a process may have several providers. Its suites are AEAD ones alone.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |error: &dyn std::fmt::Display| {
        let message = format!(
            "the listener's certificate of {} is of no use: {error}",
            key_pair.leaf().subject
        );
        Error::new("LISTENER_CERTIFICATE_UNUSABLE", message, "replace it, with its key and chain")
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(&error))?;
    let authorities = match asked {
        ClientCertificates::No => None,
        ClientCertificates::Optional | ClientCertificates::Required => {
            Some(client_authorities(provider, client_ca, asked, old)?)
        }
    };
    let builder = match &authorities {
        None => builder.with_no_client_auth(),
        Some(known) => builder.with_client_cert_verifier(known.verifier.clone()),
    };
    let (chain, key) = key_pair.certified().map_err(|error| unusable(&error.message))?;
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A session that is taken up again is not verified again: a client certificate that has ended
    // since, or whose authority is out, would still be good. Connections are few and long.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Current { config: Arc::new(config), authorities })
}

fn client_authorities(
    provider: Arc<CryptoProvider>,
    client_ca: Option<&TrustStore>,
    asked: ClientCertificates,
    old: Option<Arc<ClientAuthorities>>,
) -> Result<Arc<ClientAuthorities>, Error> {
    let unusable = |cause: &dyn std::fmt::Display| {
        let message = format!("the authorities for client certificates are of no use: {cause}");
        Error::new("CLIENT_CA_UNUSABLE", message, "replace them (`clientCa`)")
    };
    let client_ca = client_ca.ok_or_else(|| unusable(&"there are none"))?;
    if let Some(old) = old.filter(|old| old.pem == client_ca.pem) {
        return Ok(old);
    }
    let roots = client_ca.roots().map_err(|error| unusable(&error.message))?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match asked {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::No | ClientCertificates::Required => builder,
    };
    let verifier = builder.build().map_err(|error| unusable(&error))?;
    Ok(Arc::new(ClientAuthorities { pem: client_ca.pem.clone(), verifier }))
}
