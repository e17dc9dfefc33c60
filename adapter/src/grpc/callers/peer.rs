//! Who is at the other end of a connection.
use std::{net::SocketAddr, sync::Arc};

use super::certificate::ShownCertificate;
use crate::grpc::standing::Standing;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// The client certificate, if one was shown; it was verified.
    pub certificate: Option<Arc<ShownCertificate>>,
    /// What its connection has earned.
    pub standing: Arc<Standing>,
}

impl Peer {
    /// A connection from there.
    pub fn new(address: SocketAddr, certificate: Option<ShownCertificate>) -> Self {
        Self { address, certificate: certificate.map(Arc::new), standing: Standing::new() }
    }
}
