//! The way to the service: address, TLS, token; and what is wrong with it when it fails.
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use rustls::ClientConfig;
use tokio::time::timeout;
use tonic::{
    Request,
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use super::{
    Error, Security, TokenFrom,
    endpoint::{chain, endpoint, shown},
    tls_fault::diagnose,
};

/// For a look at what is wrong. Whoever says nothing for so long says nothing of TLS.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The way to a service.
pub(super) struct Way {
    endpoint: Endpoint,
    /// As in `endpoint`, for a look of our own; `None` for plaintext.
    tls: Option<Arc<ClientConfig>>,
    token: Option<TokenFrom>,
}

impl Way {
    /// The way to an address.
    pub(super) fn new(address: &str, security: &Security) -> Result<Self, Error> {
        let endpoint = endpoint(address)?;
        let Security { authorities_pem, certificate, token } = security;
        let (endpoint, tls) = if endpoint.uri().scheme_str() == Some("https") {
            let tls = security.tls()?;
            (endpoint.tls_config(tonic_tls(security)?).map_err(unusable)?, Some(tls))
        } else {
            if authorities_pem.is_some() || certificate.is_some() {
                let what = "certificates are of no use without TLS";
                return Err(Error::Credentials(format!("{what}; write https:// in {address}")));
            }
            // Whoever reads it could use it.
            if token.is_some() && !is_loopback(endpoint.uri().host()) {
                let what = "a token goes over TLS alone";
                let address = shown(address);
                return Err(Error::Credentials(format!("{what}; write https:// in {address}")));
            }
            (endpoint, None)
        };
        // A wrong name of a file or variable is told at once.
        token.as_ref().map_or(Ok(()), TokenFrom::check)?;
        Ok(Self { endpoint, tls, token: token.clone() })
    }

    /// The address, for messages.
    pub(super) fn address(&self) -> String {
        self.endpoint.uri().to_string().trim_end_matches('/').to_owned()
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Channel, Error> {
        match self.endpoint.connect().await {
            Ok(channel) => Ok(channel),
            Err(error) => Err(self.explain(self.unreachable(chain(&error))).await),
        }
    }

    /// Puts our token into a call.
    pub(super) async fn authorize<T>(&self, request: &mut Request<T>) -> Result<(), Error> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.authorization().await?);
        }
        Ok(())
    }

    /// That there is no way, and why.
    pub(super) fn unreachable(&self, cause: String) -> Error {
        Error::Unreachable { endpoint: self.address(), tried_s: 0, cause }
    }

    /// The cause of a connection that failed before the service said anything, if a look of our own
    /// finds a better one: HTTP/2 tells no more than that it broke.
    pub(super) async fn explain(&self, error: Error) -> Error {
        let is_broken = match &error {
            Error::Unreachable { .. } => true,
            Error::Service(answer) => answer.reason.is_empty(),
            _ => false,
        };
        if !is_broken {
            return error;
        }
        let uri = self.endpoint.uri();
        let Some(host) = uri.host() else { return error };
        let port = uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let looking = diagnose(host.trim_matches(['[', ']']), port, self.tls.clone());
        match timeout(LOOK_TIMEOUT, looking).await {
            Ok(Some(fault)) => Error::Tls { endpoint: self.address(), tried_s: 0, fault },
            _ => error,
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Way({})", self.address())
    }
}

/// TLS as tonic wants to be told of it.
fn tonic_tls(security: &Security) -> Result<ClientTlsConfig, Error> {
    let config = ClientTlsConfig::new().trust_anchors(security.roots()?.roots);
    Ok(match &security.certificate {
        None => config,
        Some(own) => config.identity(own.identity()),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` has")]
fn unusable(error: tonic::transport::Error) -> Error {
    Error::Credentials(chain(&error))
}

fn is_loopback(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
