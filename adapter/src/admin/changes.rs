//! What the admin port has done: the job file loaded again; outputs paused, drained, resumed.
//!
//! It is for this machine alone, whatever the job file says, as the port has no logins.
use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::post,
};
use serde::Serialize;

use super::{
    guard,
    routes::{Peer, refusal, text},
};
use crate::steering::{Refused, Steering};

/// The routes.
pub(super) fn router(steering: Arc<Steering>) -> Router {
    Router::new()
        .route("/reload", post(reload))
        .route("/outputs/{alias}/pause", post(pause))
        .route("/outputs/{alias}/resume", post(resume))
        .route("/outputs/{alias}/drain", post(drain))
        .with_state(steering)
}

async fn reload(
    State(steering): State<Arc<Steering>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    match refuses(peer, &headers) {
        Some(refused) => refused,
        None => answer(steering.reload().await),
    }
}

async fn pause(
    State(steering): State<Arc<Steering>>,
    Path(alias): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    refuses(peer, &headers).unwrap_or_else(|| answer(steering.pause(&alias)))
}

async fn resume(
    State(steering): State<Arc<Steering>>,
    Path(alias): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    refuses(peer, &headers).unwrap_or_else(|| answer(steering.resume(&alias)))
}

async fn drain(
    State(steering): State<Arc<Steering>>,
    Path(alias): Path<String>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    match refuses(peer, &headers) {
        Some(refused) => refused,
        None => answer(steering.drain(&alias).await),
    }
}

/// The answer to somebody who may change nothing.
fn refuses(Peer(peer): Peer, headers: &HeaderMap) -> Option<Response> {
    guard::refuses(peer, headers).map(refusal)
}

fn answer<T: Serialize>(done: Result<T, Refused>) -> Response {
    let (code, said) = match done {
        Ok(done) => {
            let said = serde_json::to_string(&done).expect("it is plain data");
            return text(StatusCode::OK, "application/json", said + "\n");
        }
        Err(refused @ Refused::NoOutput { .. }) => (StatusCode::NOT_FOUND, refused.to_string()),
        Err(refused @ Refused::Stopping) => (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()),
        Err(refused) => (StatusCode::CONFLICT, refused.to_string()),
    };
    text(code, "text/plain; charset=utf-8", said + "\n")
}
