//! What the admin port answers, and to whom.
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::observe::{
    Observer,
    metrics::{Form, Metrics},
};

/// The other end of a connection.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

#[derive(Clone)]
struct Admin {
    observer: Arc<Observer>,
    metrics: Arc<Metrics>,
    remote_status: bool,
}

const PAGE: &str = include_str!("page/page.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");

/// Nothing of the page comes from elsewhere, and nobody puts it into a page of theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All of it.
pub(super) fn router(observer: Arc<Observer>, remote_status: bool) -> Router {
    let metrics = Arc::new(Metrics::new(observer.clone()));
    let admin = Admin { observer, metrics, remote_status };
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/status", get(status))
        .route("/config", get(config))
        .route("/", get(page))
        .route("/page.js", get(script))
        .route("/page.css", get(style))
        .with_state(admin)
}

/// That this answers is the answer.
async fn livez() -> Response {
    text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".to_owned())
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let picture = admin.observer.picture();
    let mut said = String::new();
    if picture.draining {
        said += "the service ends\n";
    }
    for output in &picture.outputs {
        let code = output.trouble.as_ref().map_or("", |trouble| trouble.code);
        said += &format!("{}: {} {code}\n", output.alias, output.state);
    }
    match picture.ready {
        true => text(StatusCode::OK, "text/plain; charset=utf-8", format!("ready\n{said}")),
        false => {
            let said = format!("not ready\n{said}");
            text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", said)
        }
    }
}

async fn metrics_page(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = Form::of_accept(accept.unwrap_or_default());
    text(StatusCode::OK, form.media_type(), admin.metrics.print(form))
}

async fn status(
    State(admin): State<Admin>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = admin.refuses(peer, &headers) {
        return refused;
    }
    let picture = serde_json::to_string_pretty(&admin.observer.picture());
    let picture = picture.expect("a picture has no map with other keys than text");
    text(StatusCode::OK, "application/json", picture + "\n")
}

/// Names brokers, callers and where secrets stand, as the status does.
async fn config(
    State(admin): State<Admin>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let config = || {
        let config = admin.observer.steering.job().to_yaml();
        text(StatusCode::OK, "application/yaml", config)
    };
    admin.refuses(peer, &headers).unwrap_or_else(config)
}

async fn page(
    State(admin): State<Admin>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let page = || text(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned());
    admin.refuses(peer, &headers).unwrap_or_else(page)
}

async fn script() -> Response {
    text(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT.to_owned())
}

async fn style() -> Response {
    text(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned())
}

impl Admin {
    /// The answer to somebody who may not see the status.
    fn refuses(&self, Peer(peer): Peer, headers: &HeaderMap) -> Option<Response> {
        let is_remote = !peer.ip().to_canonical().is_loopback();
        let said = match is_remote {
            _ if self.remote_status => return None,
            true => {
                "the status is shown on the machine of the service alone; set \
                 `listen.admin.remoteStatus: true` to show it to others, or forward the port\n"
            }
            false if !is_of_elsewhere(headers) => return None,
            false => "this port is asked for by its address or as localhost\n",
        };
        Some(refusal(said))
    }
}

/// Whether a request names another host than this machine: a browser was led here.
fn is_of_elsewhere(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| !is_local(host))
}

/// The answer to somebody who may not.
pub(super) fn refusal(said: &str) -> Response {
    text(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", said.trim_end().to_owned() + "\n")
}

/// Whether a host, with or without a port, is an address or this machine's own name for itself.
pub(super) fn is_local(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address = host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || inner.is_some_and(|host| host.parse::<IpAddr>().is_ok());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    is_address || name == "localhost"
}

pub(super) fn text(code: StatusCode, media_type: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (code, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine_are_told_from_names_of_others() {
        for host in
            ["localhost", "localhost:7071", "127.0.0.1:7071", "10.0.0.7", "[::1]:7071", "[::1]"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.test", "evil.test:7071", "localhost.evil.test", "127.0.0.1.evil.test:1", ""]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
