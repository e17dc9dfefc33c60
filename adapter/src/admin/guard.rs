//! Who may see rows and change what runs: this machine alone, and no page of others in its browsers.
use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use url::Url;

use super::routes::is_local;

/// Why somebody may not. The port has no logins: a browser that was led here names another host
/// (DNS rebinding), and a page of somebody else's names its origin.
pub(super) fn refuses(peer: SocketAddr, headers: &HeaderMap) -> Option<&'static str> {
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = said(header::ORIGIN.as_str()).map(|origin| Url::parse(origin).ok());
    let is_own =
        |origin: Option<Url>| origin.is_some_and(|origin| origin.host_str().is_some_and(is_local));
    if !peer.ip().to_canonical().is_loopback() {
        Some(
            "this is for the machine of the service alone; ask there, as with `kubectl exec`, or \
             forward the port",
        )
    } else if !said(header::HOST.as_str()).is_none_or(is_local) {
        Some("this port is asked for by its address or as localhost")
    } else if origin.is_some_and(|origin| !is_own(origin))
        || said("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
    {
        Some("this is not for pages of others")
    } else {
        None
    }
}
