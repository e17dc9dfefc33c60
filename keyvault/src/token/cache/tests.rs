//! The cache against a source that does what each test wants.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::Secret;

/// Answers the nth fetch by the nth of its answers, the last one for ever.
#[derive(Default)]
struct Scripted {
    answers: Vec<Result<Duration, Error>>,
    fetches: AtomicUsize,
    /// Each fetch waits for it, if there is one.
    gate: Option<Arc<Notify>>,
    progress: Option<Error>,
    /// All but the first.
    panics: bool,
}

impl Source for Scripted {
    async fn fetch(&self, progress: Progress) -> Result<AccessToken, Error> {
        let nth = self.fetches.fetch_add(1, Ordering::SeqCst);
        progress.set(self.progress.clone());
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        assert!(!self.panics || nth == 0, "on purpose");
        let life = self.answers[nth.min(self.answers.len() - 1)].clone()?;
        let secret = Secret::from(format!("token {nth}"));
        Ok(AccessToken::new(secret, SystemTime::now() + life))
    }

    fn slow(&self) -> Error {
        Error::new("SLOW", "nobody answers", "wait").later(None)
    }
}

fn cache(answers: &[Result<Duration, Error>]) -> TokenCache<Scripted> {
    TokenCache::new(Scripted { answers: answers.to_vec(), ..Default::default() })
}

fn error(code: &'static str) -> Error {
    Error::new(code, "it failed", "wait").later(None)
}

fn fetches(cache: &TokenCache<Scripted>) -> usize {
    cache.source().fetches.load(Ordering::SeqCst)
}

/// The token is due for renewal.
fn due(cache: &TokenCache<Scripted>) {
    lock(&cache.0.state).token.as_mut().unwrap().renew_at = SystemTime::now();
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_is_fetched_once_for_all() {
    let cache = cache(&[Ok(HOUR)]);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let cache = cache.clone();
                async move { cache.get().await }
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), cache.get().await.unwrap());
    }
    assert_eq!(fetches(&cache), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let cache = cache(&[Ok(Duration::from_millis(800)), Ok(HOUR)]);
    let first = cache.get().await.unwrap();
    let renewed = loop {
        let token = cache.get().await.unwrap();
        if token != first {
            break token;
        }
        assert!(first.expires > SystemTime::now(), "a token that has ended was handed out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(renewed.expires > first.expires);
    assert_eq!(fetches(&cache), 2);
}

#[tokio::test]
async fn the_last_good_token_serves_while_renewing_fails() {
    let cache = cache(&[Ok(Duration::from_secs(2)), Err(error("AWAY"))]);
    let first = cache.get().await.unwrap();
    // Due for renewal, which fails, and good for a while.
    due(&cache);
    while fetches(&cache) < 2 {
        assert_eq!(cache.get().await.unwrap(), first);
    }
    assert_eq!(cache.get().await.unwrap(), first);
    // Once it has ended the error is told.
    lock(&cache.0.state).token.as_mut().unwrap().token.expires = SystemTime::now();
    assert_eq!(cache.get().await.unwrap_err().code, "AWAY");
}

#[tokio::test]
async fn a_renewal_that_fails_is_known_beside_the_token_that_holds() {
    let throttled = error("AWAY").later(Some(Duration::from_secs(2)));
    let cache = cache(&[Ok(HOUR), Err(throttled), Ok(HOUR)]);
    assert_eq!(cache.trouble(), None, "nobody has asked yet");
    let first = cache.get().await.unwrap();
    assert_eq!(cache.trouble(), None);
    due(&cache);
    assert_eq!(cache.get().await.unwrap(), first);
    let trouble = cache.trouble().unwrap();
    assert_eq!(trouble.code, "AWAY");
    assert!(trouble.retry_after().is_some_and(|after| after <= Duration::from_secs(2)));
    // The next try goes well.
    lock(&cache.0.state).quiet_until = Some(Instant::now());
    assert_ne!(cache.get().await.unwrap(), first);
    assert_eq!(cache.trouble(), None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_slow_is_known_while_it_goes_on() {
    let gate = Arc::new(Notify::new());
    let cache = TokenCache::new(Scripted {
        answers: vec![Ok(HOUR)],
        gate: Some(gate.clone()),
        ..Default::default()
    });
    gate.notify_one();
    let first = cache.get().await.unwrap();
    due(&cache);
    assert_eq!(cache.get().await.unwrap(), first);
    assert_eq!(cache.trouble(), None, "it has only just begun");
    lock(&cache.0.state).flight.as_mut().unwrap().since -= RENEWAL_PATIENCE;
    let trouble = cache.trouble().unwrap();
    assert_eq!(trouble.message, "nobody answers (it is still being tried)");
    gate.notify_one();
    while cache.get().await.unwrap() == first {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.trouble(), None);
}

#[tokio::test]
async fn a_renewal_that_panics_has_failed() {
    let source = Scripted { answers: vec![Ok(HOUR)], panics: true, ..Default::default() };
    let cache = TokenCache::new(source);
    let first = cache.get().await.unwrap();
    due(&cache);
    for _ in 0..10 {
        assert_eq!(cache.get().await.unwrap(), first);
    }
    assert_eq!(cache.trouble().unwrap().code, "SECRET_READ_FAILED");
    assert_eq!(fetches(&cache), 2, "it is not tried again at once");
}

/// The shorter a token still holds, the sooner it is tried again, whatever the other side wishes.
#[tokio::test]
async fn pauses_between_renewals_leave_time_for_several() {
    for (left, most) in [(3600, 30), (300, 30), (120, 12), (15, 2), (5, 1)] {
        let asked = Duration::from_secs(60);
        let cache = cache(&[Ok(HOUR), Err(error("AWAY").later(Some(asked)))]);
        cache.get().await.unwrap();
        due(&cache);
        let expires = SystemTime::now() + Duration::from_secs(left);
        lock(&cache.0.state).token.as_mut().unwrap().token.expires = expires;
        cache.get().await.unwrap();
        assert_eq!(fetches(&cache), 2);
        let until = lock(&cache.0.state).quiet_until.unwrap();
        let pause = until.saturating_duration_since(Instant::now());
        assert!(pause <= Duration::from_secs(most), "{left} s are left: {pause:?}");
        // What was asked for is kept as far as there is time.
        assert!(pause > Duration::from_secs(most).mul_f64(0.6), "{left} s are left: {pause:?}");
    }
    // A first failure that asks for nothing is not followed by a try at once.
    let cache = cache(&[Ok(HOUR), Err(error("AWAY"))]);
    cache.get().await.unwrap();
    due(&cache);
    cache.get().await.unwrap();
    let until = lock(&cache.0.state).quiet_until.unwrap();
    assert!(until.saturating_duration_since(Instant::now()) > BACKOFF_MIN.mul_f64(0.6));
}

#[tokio::test]
async fn a_failure_is_told_at_once_until_it_is_time_to_try_again() {
    let asked = Duration::from_secs(30);
    let cache = cache(&[Err(error("THROTTLED").later(Some(asked))), Ok(HOUR)]);
    assert_eq!(cache.get().await.unwrap_err().retry, crate::Retry::Later(Some(asked)));
    for _ in 0..10 {
        let left = cache.get().await.unwrap_err().retry_after().unwrap();
        assert!(left <= asked && left > asked / 2, "{left:?}");
    }
    assert_eq!(fetches(&cache), 1);
    lock(&cache.0.state).quiet_until = Some(Instant::now());
    assert!(cache.get().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_what_the_fetch_has_met_while_it_goes_on() {
    let gate = Arc::new(Notify::new());
    let cache = TokenCache::new(Scripted {
        answers: vec![Ok(HOUR)],
        gate: Some(gate.clone()),
        progress: Some(error("UPDATING")),
        ..Default::default()
    });
    for _ in 0..3 {
        let error = cache.get().await.unwrap_err();
        assert_eq!(error.code, "UPDATING");
        assert!(error.message.ends_with("(it is still being tried)"), "{error}");
    }
    gate.notify_one();
    assert!(cache.get().await.is_ok());
    assert_eq!(fetches(&cache), 1);
}

#[tokio::test]
async fn a_token_that_has_ended_when_it_comes_is_none() {
    let cache = cache(&[Ok(Duration::ZERO)]);
    assert_eq!(cache.get().await.unwrap_err().code, "TOKEN_EXPIRED_ON_ARRIVAL");
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_but_not_all_the_time() {
    let cache = cache(&[Ok(HOUR)]);
    let first = cache.get().await.unwrap();
    cache.forget();
    assert_eq!(cache.get().await.unwrap(), first, "it is too young to be the reason");
    lock(&cache.0.state).token.as_mut().unwrap().since -= FORGET_AFTER;
    cache.forget();
    assert_ne!(cache.get().await.unwrap(), first);
}

#[test]
fn pauses_grow_to_a_bound() {
    for failures in [0, 1, 5, 10, 31, 32, u32::MAX] {
        let pause = pause(failures);
        assert!(pause >= BACKOFF_MIN / 2 && pause <= BACKOFF_MAX, "{pause:?}");
    }
    assert!(pause(20) >= BACKOFF_MAX / 2);
}
