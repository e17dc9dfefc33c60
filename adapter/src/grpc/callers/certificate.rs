//! Who is at the other end of a connection, by the client certificate that was verified.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use keyvault::material::name_parts;
use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

use crate::{
    grpc::tls::{ClientAuthorities, ServerTls},
    job::Subject,
};

/// How long a chain is believed without another look: a certificate within it may end.
const VERIFY_EVERY: Duration = Duration::from_secs(60);

/// A client certificate that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is.
    pub subject: Subject,
    /// DNS names and URIs among its subject alternative names, in their order.
    pub names: Vec<Name>,
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A DNS name; upper and lower case are the same.
    Dns(String),
    /// A URI, such as a SPIFFE id.
    Uri(String),
}

impl ClientCertificate {
    /// Whether it has a name.
    pub fn has_name(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| match name {
            Name::Dns(name) => name.eq_ignore_ascii_case(wanted),
            Name::Uri(name) => name == wanted,
        })
    }
}

/// What a peer has shown when it connected. TLS looks at it once, and a connection may live for
/// months: whether it still holds is asked with each call.
#[derive(Debug)]
pub struct ShownCertificate {
    certificate: Arc<ClientCertificate>,
    chain: Vec<CertificateDer<'static>>,
    not_after: SystemTime,
    verified: Mutex<Verified>,
}

/// When a chain was verified, and by what.
#[derive(Debug)]
struct Verified {
    by: Arc<ClientAuthorities>,
    at: Instant,
}

/// Why a certificate does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It has ended since.
    #[error("its client certificate has ended since it connected")]
    Ended,
    /// Its chain is not good any more.
    #[error("its client certificate is not taken any more: {0}")]
    Refused(String),
}

impl ShownCertificate {
    /// A chain that was verified just now, the peer's own certificate first; `None` if that cannot
    /// be read.
    pub fn new(chain: &[CertificateDer<'_>], by: Arc<ClientAuthorities>) -> Option<Self> {
        let (_, own) = X509Certificate::from_der(chain.first()?).ok()?;
        let names = match own.subject_alternative_name().ok()? {
            None => Vec::new(),
            Some(extension) => extension.value.general_names.iter().filter_map(name).collect(),
        };
        let subject = Subject::of(name_parts(own.subject().as_raw())?);
        Some(Self {
            certificate: Arc::new(ClientCertificate { subject, names }),
            not_after: own.validity().not_after.to_datetime().into(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            verified: Mutex::new(Verified { by, at: Instant::now() }),
        })
    }

    /// Whose it is.
    pub fn certificate(&self) -> &Arc<ClientCertificate> {
        &self.certificate
    }

    /// Checks that it still holds: it has not ended, and its chain leads to an authority that is
    /// trusted now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self, tls: &ServerTls) -> Result<(), CertificateFault> {
        if SystemTime::now() > self.not_after {
            return Err(CertificateFault::Ended);
        }
        let refused = |why: &dyn ToString| CertificateFault::Refused(why.to_string());
        let now = tls.client_authorities().ok_or_else(|| refused(&"nobody's are"))?;
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&verified.by, &now) || verified.at.elapsed() > VERIFY_EVERY {
            now.verify(&self.chain).map_err(|error| refused(&error))?;
            *verified = Verified { by: now, at: Instant::now() };
        }
        Ok(())
    }
}

fn name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
        GeneralName::URI(name) => Some(Name::Uri((*name).to_owned())),
        _ => None,
    }
}
