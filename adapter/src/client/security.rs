//! How a connection to the service is secured: whom to trust, and who we are.
use std::{env, ffi::OsString, fs, path::PathBuf, sync::Arc};

use keyvault::Secret;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::Identity,
};

use super::Error;

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
                builder.with_client_auth_cert(chain, own.key()?).map_err(|error| {
                    unusable(format!("the client certificate and its key do not fit: {error}"))
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
            roots.add(certificate).map_err(|error| {
                Error::Credentials(format!("the authority's certificate is of no use: {error}"))
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
    let found = found.map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("there is no `BEGIN CERTIFICATE` in it".to_owned()));
    }
    Ok(found)
}

impl TokenFrom {
    /// The token as a call carries it.
    pub(super) fn authorization(&self) -> Result<MetadataValue<Ascii>, Error> {
        let (place, read) = match self {
            Self::File(path) => (format!("the file {}", path.display()), fs::read(path)),
            Self::Env(name) => {
                let value = env::var_os(name).map(OsString::into_encoded_bytes);
                let missing = || std::io::Error::other("it is not set");
                (format!("the variable `{name}`"), value.ok_or_else(missing))
            }
        };
        let fault = |why: &str| Error::Token(format!("{place} {why}"));
        let token = Secret::new(read.map_err(|error| fault(&format!("cannot be read: {error}")))?);
        bearer(&token).ok_or_else(|| fault("holds no token"))
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
