//! Stands before every call: nothing is served, named or described to those who are not let in, and
//! no more is taken from a caller than its call may have.
//!
//! All is decided by the head of a call, before anything of its message is read: who calls; whether
//! there is an output into which it may write; and for `WriteOnce`, whose message is the batch,
//! whether there is memory for it.
use std::{
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tonic::{
    Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
};

use super::{
    callers::{Callers, Peer},
    error::CallError,
    first_message::FirstMessage,
    opening::too_many,
    served::Shared,
    service::Admitted,
};
use crate::credit::Credit;

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the message of a `WriteOnce` may take to come: memory is set aside for it.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// A service behind the gate.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    shared: Arc<Shared>,
    callers: Arc<Callers>,
}

/// What the gate tells calls apart by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Needs neither token nor certificate: probes have none.
    Probe,
    /// Opens a stream into an output.
    Write,
    /// Brings a batch for an output.
    WriteOnce,
    /// Anything else.
    Other,
}

/// Memory that is set aside for the message of a call.
#[derive(Clone)]
pub struct Reserved(Arc<Mutex<Option<Credit>>>);

impl<S> Gate<S> {
    /// Puts a service behind the gate.
    pub fn new(inner: S, shared: Arc<Shared>, callers: Arc<Callers>) -> Self {
        Self { inner, shared, callers }
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
        let (shared, callers) = (self.shared.clone(), self.callers.clone());
        Box::pin(async move {
            let kind = Kind::of(request.uri().path());
            let entering = Entering { shared: &shared, callers: &callers, kind };
            match entering.enter(&mut request).await {
                Err(refusal) => Ok(refusal.into_http()),
                Ok(Way::Open) => inner.call(request).await,
                Ok(Way::Probe(peer)) => {
                    let Some(_permit) = peer.standing.probe() else {
                        return Ok(Status::resource_exhausted("too many probes").into_http());
                    };
                    let answer = timeout(PROBE_TIMEOUT, inner.call(request)).await;
                    answer.unwrap_or_else(|_| {
                        Ok(Status::deadline_exceeded("the probe is not complete").into_http())
                    })
                }
                Ok(Way::Reserved(reserved)) => tokio::select! {
                    answer = inner.call(request) => answer,
                    () = reserved.unread() => Ok(Status::from(CallError::CallTimeout).into_http()),
                },
            }
        })
    }
}

impl Kind {
    fn of(path: &str) -> Self {
        match path {
            "/grpc.health.v1.Health/Check" => Self::Probe,
            "/kafkaoutput.v1.KafkaOutputService/Write" => Self::Write,
            "/kafkaoutput.v1.KafkaOutputService/WriteOnce" => Self::WriteOnce,
            _ => Self::Other,
        }
    }
}

/// How a call that may enter goes on.
enum Way {
    Open,
    /// Within its time, whoever probes.
    Probe(Peer),
    /// With memory for its message.
    Reserved(Reserved),
}

/// A call before the gate.
struct Entering<'a> {
    shared: &'a Arc<Shared>,
    callers: &'a Arc<Callers>,
    kind: Kind,
}

impl Entering<'_> {
    /// Decides about a call, and notes in it what was found out.
    async fn enter(&self, request: &mut http::Request<Body>) -> Result<Way, Status> {
        // Without a connection nobody calls; if one did, nothing would be known of it.
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.ok_or(CallError::CallerNotAllowed)?;
        let shown = request.headers().get_all(http::header::AUTHORIZATION);
        let shown: Vec<_> = shown.iter().cloned().collect();
        let _deciding = peer.standing.deciding();
        let caller = match self.kind {
            Kind::Probe => self.callers.probe(&peer, &shown).await,
            _ => Some(self.callers.admit(&peer, &shown).await?),
        };
        if let Some(caller) = caller {
            let (shared, callers) = (self.shared.clone(), self.callers.clone());
            let admitted = Admitted::new(shared, callers, peer.clone(), caller);
            if matches!(self.kind, Kind::Write | Kind::WriteOnce) {
                admitted.check_any()?;
            }
            request.extensions_mut().insert(Arc::new(admitted));
        }
        if self.kind == Kind::WriteOnce {
            let reserved = Reserved::of(self.shared)?;
            request.extensions_mut().insert(reserved.clone());
            return Ok(Way::Reserved(reserved));
        }
        let body = mem::replace(request.body_mut(), Body::empty());
        *request.body_mut() = Body::new(FirstMessage::new(body));
        Ok(if self.kind == Kind::Probe { Way::Probe(peer) } else { Way::Open })
    }
}

impl Reserved {
    fn of(shared: &Shared) -> Result<Self, CallError> {
        if shared.drain.borrow().is_some() {
            return Err(CallError::Draining);
        }
        let credit = shared.credits.open().ok_or_else(|| too_many(shared))?;
        Ok(Self(Arc::new(Mutex::new(Some(credit)))))
    }

    /// Takes the memory, once the message is there.
    pub fn take(&self) -> Option<Credit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Comes true if the message is not there in time.
    async fn unread(&self) {
        sleep(MESSAGE_TIMEOUT).await;
        if self.take().is_none() {
            std::future::pending::<()>().await;
        }
    }
}
