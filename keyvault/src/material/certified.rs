//! Key material as rustls takes it.

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{KeyPair, TrustStore, certificate::name};
use crate::Error;

impl KeyPair {
    /// The certificates, the leaf first, and the key. The key is a copy that nobody wipes; rustls
    /// keeps one, too.
    ///
    /// # Errors
    /// If they are not in PEM, which those of [`super::key_pair`] are.
    #[expect(clippy::disallowed_methods, reason = "rustls signs with the key")]
    pub fn certified(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let what = || format!("the certificate {}", name(&self.leaf().subject));
        let chain = certificates(&self.chain_pem, what)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.expose());
        let key =
            key.map_err(|_| unusable(&format!("the key of {}", what()), "it is not in PEM"))?;
        Ok((chain, key))
    }
}

impl TrustStore {
    /// The authorities.
    ///
    /// # Errors
    /// If rustls cannot use one of them.
    pub fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        let certificates = certificates(&self.pem, || "the authorities".to_owned())?;
        for (at, certificate) in certificates.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                let subject = self.certificates.get(at).map_or("", |info| &info.subject);
                unusable(&format!("the authority {}", name(subject)), &error.to_string())
            })?;
        }
        Ok(roots)
    }
}

fn certificates(
    pem: &str,
    what: impl Fn() -> String,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    read.map_err(|error| unusable(&what(), &error.to_string()))
}

fn unusable(what: &str, why: &str) -> Error {
    let message = format!("{what} cannot be used for TLS: {why}");
    Error::new("KEY_MATERIAL_UNSUPPORTED", message, "replace it")
}
