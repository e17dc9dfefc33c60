//! Addresses of services: what is one, and how a fault shows it.
use std::error::Error as StdError;

use tonic::transport::Endpoint;

use super::{
    Error,
    options::{CONNECT_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT},
};

/// An HTTP/2 endpoint with the settings that rows need; not secured yet.
pub(super) fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let fault = |cause: String| Error::Endpoint { endpoint: shown(address), cause };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|e| fault(chain(&e)))?;
    let uri = endpoint.uri();
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err(fault(format!("`{other}` is not spoken here"))),
        None => return Err(fault("the scheme is missing".to_owned())),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(fault("it names a user, and the service knows none".to_owned()));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(fault("there is something behind the port".to_owned()));
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE_INTERVAL))
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024))
}

/// An address for a message: what may be a secret in it is left out.
pub(super) fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (rest, query) = match rest.find(['?', '#']) {
        Some(end) => (&rest[..end], "?…"),
        None => (rest, ""),
    };
    // A password may hold a slash, so the last `@` counts wherever it stands.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("…@", rest),
        None => ("", rest),
    };
    let scheme_end = if address.contains("://") { "://" } else { "" };
    format!("{scheme}{scheme_end}{user}{rest}{query}")
}

/// An error with all its causes, since those of a transport say nothing by themselves.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.dedup();
    texts.join(": ")
}
