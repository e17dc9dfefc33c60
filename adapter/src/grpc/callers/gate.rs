//! Stands before every call: nothing is served, named or described to those who are not let in.
use std::{
    convert::Infallible,
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::timeout;
use tonic::{
    Request, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
};

use super::{Caller, Callers, Peer};
use crate::grpc::error::CallError;

/// The one call that needs neither token nor certificate: probes have none.
const PROBE: &str = "/grpc.health.v1.Health/Check";

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A service behind the gate.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    callers: Arc<Callers>,
}

impl<S> Gate<S> {
    /// Puts a service behind the gate.
    pub fn new(inner: S, callers: Arc<Callers>) -> Self {
        Self { inner, callers }
    }
}

impl<S> Service<http::Request<Body>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that was asked whether it is ready takes the call.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let callers = self.callers.clone();
        Box::pin(async move {
            // Without a connection nobody calls; if one did, nothing would be known of it.
            let Some(peer) = request.extensions().get::<Peer>().cloned() else {
                return Ok(Status::from(CallError::CallerNotAllowed).into_http());
            };
            if request.uri().path() == PROBE {
                let Ok(_permit) = peer.probes.try_acquire() else {
                    return Ok(Status::resource_exhausted("too many probes").into_http());
                };
                let answer = timeout(PROBE_TIMEOUT, inner.call(request)).await;
                return answer.unwrap_or_else(|_| {
                    Ok(Status::deadline_exceeded("the probe is not complete").into_http())
                });
            }
            let shown = request.headers().get_all(http::header::AUTHORIZATION);
            let shown: Vec<_> = shown.iter().cloned().collect();
            match callers.admit(&peer, &shown).await {
                Ok(caller) => request.extensions_mut().insert(caller),
                Err(error) => return Ok(Status::from(error).into_http()),
            };
            inner.call(request).await
        })
    }
}

/// Who makes a call that has passed the gate.
///
/// # Errors
/// If it has not.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, CallError> {
    request.extensions().get().cloned().ok_or(CallError::CallerNotAllowed)
}
