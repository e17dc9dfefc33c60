//! TLS of the listener: whose certificate it shows, whose client certificates it takes.
use std::sync::Arc;

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

/// The listener's TLS. Its material can be renewed while it serves: connections that begin later
/// get the new one, and those that are there go on.
pub struct ServerTls {
    current: ArcSwap<ServerConfig>,
    client_certificate: ClientCertificates,
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
        let config = config(key_pair, client_ca, client_certificate)?;
        Ok(Self { current: ArcSwap::new(config), client_certificate })
    }

    /// Takes new material for connections that begin from now on. What is asked of callers stays:
    /// with client certificates, `client_ca` is there.
    ///
    /// # Errors
    /// If the material is of no use; the old one stays.
    pub fn renew(&self, key_pair: &KeyPair, client_ca: Option<&TrustStore>) -> Result<(), Error> {
        self.current.store(config(key_pair, client_ca, self.client_certificate)?);
        Ok(())
    }

    /// Which client certificates it asks for.
    pub fn client_certificates(&self) -> ClientCertificates {
        self.client_certificate
    }

    /// What a connection that begins now is served with.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

fn config(
    key_pair: &KeyPair,
    client_ca: Option<&TrustStore>,
    asked: ClientCertificates,
) -> Result<Arc<ServerConfig>, Error> {
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
    let builder = match asked {
        ClientCertificates::No => builder.with_no_client_auth(),
        ClientCertificates::Optional | ClientCertificates::Required => {
            builder.with_client_cert_verifier(verifier(provider, client_ca, asked)?)
        }
    };
    let (chain, key) = key_pair.certified().map_err(|error| unusable(&error.message))?;
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A session that is taken up again is not verified again: a client certificate that has ended
    // since, or whose authority is out, would still be good. Connections are few and long.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn verifier(
    provider: Arc<CryptoProvider>,
    client_ca: Option<&TrustStore>,
    asked: ClientCertificates,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let unusable = |cause: &dyn std::fmt::Display| {
        let message = format!("the authorities for client certificates are of no use: {cause}");
        Error::new("CLIENT_CA_UNUSABLE", message, "replace them (`clientCa`)")
    };
    let client_ca = client_ca.ok_or_else(|| unusable(&"there are none"))?;
    let roots = client_ca.roots().map_err(|error| unusable(&error.message))?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match asked {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::No | ClientCertificates::Required => builder,
    };
    builder.build().map_err(|error| unusable(&error))
}
