//! How a connection to the service is secured: whom to trust, and who we are.
use std::{path::PathBuf, sync::Arc};

use keyvault::{Found, Reference, Secret, Store, read_local};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::Identity,
};

use super::Error;

/// A key that rustls does not take.
const UNKNOWN_KEY: &str = "the key of the client certificate is of a kind that is not taken; taken \
                           are RSA of 2048 bits at least, P-256, P-384 and Ed25519";

/// How a connection is secured. By default: `https` with the authorities that the system trusts,
/// without a certificate and a token of our own.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Authorities to trust, in PEM; without it, those that the system trusts.
    pub authorities_pem: Option<Vec<u8>>,
    /// Our own certificate.
    pub certificate: Option<OwnCertificate>,
    /// Where our token stands.
    pub token: Option<TokenFrom>,
}

/// A client certificate.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// It and its chain, in PEM.
    pub chain_pem: Vec<u8>,
    /// Its key, in PEM, not encrypted.
    pub key_pem: Secret,
}

/// Where a token stands. It is read anew for each connection, so that it may be renewed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFrom {
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

impl Security {
    /// TLS as it is agreed on with the service.
    pub(super) fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        let unusable = |what: String| Error::Credentials(what);
        let roots = self.roots()?;
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = certificates("the client certificate", &own.chain_pem)?;
                builder.with_client_auth_cert(chain, own.key()?).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => {
                        let what = "the client certificate and its key do not fit: the key is \
                                    another certificate's";
                        unusable(what.to_owned())
                    }
                    _ => unusable(UNKNOWN_KEY.to_owned()),
                })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// The authorities to trust.
    pub(super) fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        let Some(pem) = &self.authorities_pem else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let what = "the system trusts no authority; name the service's own";
                return Err(Error::Credentials(what.to_owned()));
            }
            return Ok(roots);
        };
        for certificate in certificates("the authority's certificate", pem)? {
            roots.add(certificate).map_err(|_| {
                let what = "the authority's certificate cannot be read: it is damaged, or not of \
                            X.509 version 3 (`openssl x509 -noout -text` shows it)";
                Error::Credentials(what.to_owned())
            })?;
        }
        Ok(roots)
    }
}

impl OwnCertificate {
    #[expect(clippy::disallowed_methods, reason = "tonic takes the key as it is")]
    pub(super) fn identity(&self) -> Identity {
        Identity::from_pem(&self.chain_pem, self.key_pem.expose())
    }

    #[expect(clippy::disallowed_methods, reason = "rustls takes the key as it is")]
    fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key_pem.expose()).map_err(|_| {
            let what = "the key of the client certificate cannot be read: it is PEM, and not \
                        encrypted (`openssl pkey -in KEY -out PLAIN` takes a password off)";
            Error::Credentials(what.to_owned())
        })
    }
}

fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |why: String| Error::Credentials(format!("{what} cannot be read: {why}"));
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|_| unusable("its PEM is damaged".to_owned()))?;
    if found.is_empty() {
        return Err(unusable("there is no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    Ok(found)
}

impl TokenFrom {
    /// Whether there is one now.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.carried(read_local(&self.reference())).map(drop)
    }

    /// The token as a call carries it. The file may be on a mount that hangs.
    pub(super) async fn authorization(&self) -> Result<MetadataValue<Ascii>, Error> {
        let store = Store::new(None).expect("a store without an identity needs nothing");
        self.carried(store.get(&self.reference()).await)
    }

    fn reference(&self) -> Reference {
        match self {
            Self::File(path) => Reference::File(path.clone()),
            Self::Env(name) => Reference::Env(name.clone()),
        }
    }

    fn carried(
        &self,
        found: Result<Found, keyvault::Error>,
    ) -> Result<MetadataValue<Ascii>, Error> {
        let found = found.map_err(|error| Error::Token(error.to_string()))?;
        bearer(&found.secret)
            .ok_or_else(|| Error::Token(format!("{} holds no token", self.reference())))
    }
}

#[expect(clippy::disallowed_methods, reason = "a call carries the token as text")]
fn bearer(token: &Secret) -> Option<MetadataValue<Ascii>> {
    let token = token.expose_text()?.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = is_token.then(|| MetadataValue::try_from(format!("Bearer {token}")).ok())??;
    value.set_sensitive(true);
    Some(value)
}
