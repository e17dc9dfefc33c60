//! One token, kept ready: fetched once for all who ask, renewed before it ends, and the last good
//! one used while renewing fails.
//!
//! The official crates have a cache, too. It refuses a token that still holds once a renewal
//! fails, and keeps everybody waiting behind a lock while an endpoint is silent.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::time::timeout;

use super::AccessToken;
use crate::{Error, flight::Flight};

/// How long a call waits for the first token. The fetch goes on after that.
pub(crate) const PATIENCE: Duration = Duration::from_secs(7);
/// How long the call that starts a renewal waits for it before it takes the old token.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(2);
/// No fetch is longer. A machine whose agent is being renewed answers within 70 s.
const FETCH_MAX: Duration = Duration::from_secs(100);
/// After a failed fetch, and doubled with each.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Longer than this nobody is left alone, whatever he asks for.
const ASKED_MAX: Duration = Duration::from_secs(60);
/// A token that still holds is tried to be renewed at least so many times in the time it has left.
const RENEWALS_MIN: u32 = 10;
/// A token that the other side refuses is thrown away unless it is younger than this.
const FORGET_AFTER: Duration = Duration::from_secs(10);
/// Of the life that a token had left when it came, so much passes before it is renewed, and up to
/// [`RENEWAL_SPREAD`] less, so that many services do not ask at once.
const RENEWAL_PART: f64 = 0.8;
const RENEWAL_SPREAD: f64 = 0.05;

/// Where tokens come from.
pub(crate) trait Source: Send + Sync + 'static {
    /// Gets one. What is known before it ends goes to `progress`.
    fn fetch(&self, progress: Progress) -> impl Future<Output = Result<AccessToken, Error>> + Send;

    /// What to say while it is slow and there is no progress.
    fn slow(&self) -> Error;
}

/// What a fetch that is under way has met so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Option<Error>>>);

impl Progress {
    pub(crate) fn set(&self, error: Option<Error>) {
        *lock(&self.0) = error;
    }

    pub(crate) fn get(&self) -> Option<Error> {
        lock(&self.0).clone()
    }
}

/// One token of one source, shared by its clones.
pub(crate) struct TokenCache<S>(Arc<Inner<S>>);

struct Inner<S> {
    source: S,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Kept>,
    flight: Option<Fetch>,
    /// Since the last success.
    failures: u32,
    last_error: Option<Error>,
    /// No fetch before this.
    quiet_until: Option<Instant>,
}

/// A fetch that is under way.
#[derive(Clone)]
struct Fetch {
    flight: Flight<Result<AccessToken, Error>>,
    progress: Progress,
    since: Instant,
}

struct Kept {
    token: AccessToken,
    since: Instant,
    renew_at: SystemTime,
}

/// What a call finds.
enum Look {
    Ready(AccessToken),
    /// This call has started a renewal.
    Renewing(AccessToken, Fetch),
    Fetching(Fetch),
    Failed(Error),
}

impl<S: Source> TokenCache<S> {
    pub(crate) fn new(source: S) -> Self {
        Self(Arc::new(Inner { source, state: Mutex::default() }))
    }

    pub(crate) fn source(&self) -> &S {
        &self.0.source
    }

    /// A token that holds now.
    pub(crate) async fn get(&self) -> Result<AccessToken, Error> {
        match self.look() {
            Look::Ready(token) => Ok(token),
            Look::Renewing(old, Fetch { flight, .. }) => {
                match timeout(RENEWAL_PATIENCE, flight.result()).await {
                    Ok(Some(Ok(new))) => Ok(new),
                    // What came of it is this cache's trouble.
                    _ => Ok(old),
                }
            }
            Look::Fetching(Fetch { flight, progress, .. }) => {
                match timeout(PATIENCE, flight.result()).await {
                    Ok(result) => result.unwrap_or_else(|| Err(self.0.source.slow())),
                    Err(_) => Err(self.so_far(&progress)),
                }
            }
            Look::Failed(error) => Err(error),
        }
    }

    /// Why there is no newer token, although one is wanted: the last fetch failed, or the one that
    /// is under way is slow. A token that still holds is handed out all the same.
    pub(crate) fn trouble(&self) -> Option<Error> {
        let state = lock(&self.0.state);
        if let Some(error) = &state.last_error {
            let now = Instant::now();
            let left = state.quiet_until.map(|until| until.saturating_duration_since(now));
            return Some(error.clone().with_time_left(left.unwrap_or_default()));
        }
        let fetch = state.flight.as_ref()?;
        (fetch.since.elapsed() >= RENEWAL_PATIENCE).then(|| self.so_far(&fetch.progress))
    }

    /// What to say of a fetch that goes on.
    fn so_far(&self, progress: &Progress) -> Error {
        let mut error = progress.get().unwrap_or_else(|| self.0.source.slow());
        error.message.push_str(" (it is still being tried)");
        error
    }

    /// The token that is there, without asking anybody.
    pub(crate) fn current(&self) -> Option<AccessToken> {
        lock(&self.0.state).token.as_ref().map(|kept| kept.token.clone())
    }

    /// The other side does not take the token: the next call fetches another.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.0.state);
        state.token.take_if(|kept| kept.since.elapsed() >= FORGET_AFTER);
    }

    fn look(&self) -> Look {
        let mut state = lock(&self.0.state);
        let (now, instant) = (SystemTime::now(), Instant::now());
        let may_fetch = state.quiet_until.is_none_or(|until| until <= instant);
        let good = state.token.as_ref().filter(|kept| kept.token.expires > now);
        let good = good.map(|kept| (kept.token.clone(), kept.renew_at <= now));
        match (good, &state.flight) {
            (Some((token, true)), None) if may_fetch => {
                Look::Renewing(token, self.start(&mut state))
            }
            (Some((token, _)), _) => Look::Ready(token),
            (None, Some(fetch)) => Look::Fetching(fetch.clone()),
            (None, None) => match (&state.last_error, state.quiet_until) {
                (Some(error), Some(until)) if !may_fetch => {
                    let rest = until.duration_since(instant);
                    Look::Failed(error.clone().with_time_left(rest))
                }
                _ => Look::Fetching(self.start(&mut state)),
            },
        }
    }

    fn start(&self, state: &mut State) -> Fetch {
        let (cache, progress) = (Self(self.0.clone()), Progress::default());
        let watched = progress.clone();
        let flight = Flight::start(async move {
            let mut landing = Landing { cache: &cache, settled: false };
            let fetched = timeout(FETCH_MAX, cache.0.source.fetch(watched)).await;
            let result = fetched.unwrap_or_else(|_| Err(cache.0.source.slow())).and_then(in_time);
            landing.settle(&result);
            drop(landing);
            result
        });
        let fetch = Fetch { flight, progress, since: Instant::now() };
        state.flight = Some(fetch.clone());
        fetch
    }

    fn settle(&self, result: &Result<AccessToken, Error>) {
        let mut state = lock(&self.0.state);
        match result {
            Ok(token) => {
                let life = token.expires.duration_since(SystemTime::now()).unwrap_or_default();
                let part = RENEWAL_PART - fastrand::f64() * RENEWAL_SPREAD;
                let renew_at = SystemTime::now() + life.mul_f64(part);
                let (token, since) = (token.clone(), Instant::now());
                state.token = Some(Kept { token, since, renew_at });
                (state.failures, state.last_error, state.quiet_until) = (0, None, None);
            }
            Err(error) => {
                // Whoever asks has the error, or asks for the trouble, and tells it.
                tracing::debug!(code = error.code, %error, "no access token");
                // A page of maintenance may ask for an hour; the token in use may not last so long.
                let asked = error.retry_after().unwrap_or_default().min(ASKED_MAX);
                let left = state
                    .token
                    .as_ref()
                    .and_then(|kept| kept.token.expires.duration_since(SystemTime::now()).ok());
                let pause = match left {
                    Some(left) => {
                        pause(state.failures).max(asked).clamp(BACKOFF_MIN, pause_max(left))
                    }
                    None => pause(state.failures).max(asked),
                };
                state.failures = state.failures.saturating_add(1);
                state.quiet_until = Some(Instant::now() + pause);
                state.last_error = Some(error.clone());
            }
        }
    }
}

/// Takes the flight off however it ends. A source that panics has failed, and must not leave the
/// cache waiting for it.
struct Landing<'a, S: Source> {
    cache: &'a TokenCache<S>,
    settled: bool,
}

impl<S: Source> Landing<'_, S> {
    fn settle(&mut self, result: &Result<AccessToken, Error>) {
        self.settled = true;
        self.cache.settle(result);
    }
}

impl<S: Source> Drop for Landing<'_, S> {
    fn drop(&mut self) {
        if !self.settled {
            self.cache.settle(&Err(Error::failed("an access token")));
        }
        lock(&self.cache.0.state).flight = None;
    }
}

/// A token that has ended when it comes is of no use, and asking again at once helps nobody.
fn in_time(token: AccessToken) -> Result<AccessToken, Error> {
    let Ok(late) = SystemTime::now().duration_since(token.expires) else { return Ok(token) };
    Err(Error::new(
        "TOKEN_EXPIRED_ON_ARRIVAL",
        format!("the access token had ended {} s before it came", late.as_secs()),
        "set the clock of this machine; if it is right, whoever gives the tokens is wrong",
    )
    .later(None))
}

fn pause(failures: u32) -> Duration {
    let longest = BACKOFF_MIN.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The longest pause between renewals of a token that holds for so long.
fn pause_max(left: Duration) -> Duration {
    (left / RENEWALS_MIN).clamp(BACKOFF_MIN, BACKOFF_MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Clone for TokenCache<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for TokenCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCache")
    }
}

#[cfg(test)]
mod tests;
