//! Who is at the other end of a connection, by the client certificate that was verified.
use std::{net::SocketAddr, sync::Arc};

use tokio::sync::Semaphore;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

use super::subject::Subject;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// The client certificate, if one was shown; it was verified.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Room for probes: those that do not end take none from other connections.
    pub probes: Arc<Semaphore>,
}

/// Probes of a connection at once; one takes no time unless its sender does.
const PROBES_MAX: usize = 16;

impl Peer {
    /// A connection from there.
    pub fn new(address: SocketAddr, certificate: Option<ClientCertificate>) -> Self {
        let certificate = certificate.map(Arc::new);
        Self { address, certificate, probes: Arc::new(Semaphore::new(PROBES_MAX)) }
    }
}

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
    /// Reads it from DER; `None` if it cannot be read.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = match certificate.subject_alternative_name().ok()? {
            None => Vec::new(),
            Some(extension) => {
                extension.value.general_names.iter().filter_map(name).collect::<Vec<_>>()
            }
        };
        Some(Self { subject: Subject::of(certificate.subject()), names })
    }

    /// Whether it has a name.
    pub fn has_name(&self, wanted: &str) -> bool {
        self.names.iter().any(|name| match name {
            Name::Dns(name) => name.eq_ignore_ascii_case(wanted),
            Name::Uri(name) => name == wanted,
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
        GeneralName::URI(name) => Some(Name::Uri((*name).to_owned())),
        _ => None,
    }
}
