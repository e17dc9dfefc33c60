//! The public keys that an issuer signs tokens with (JWKS, RFC 7517), kept fresh.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Error, flight::Flights, http};

/// How often the keys are fetched anew: a key that was withdrawn is out after this long.
const RENEW_EVERY: Duration = Duration::from_secs(3600);
/// The same after a failure.
const AGAIN_EVERY: Duration = Duration::from_secs(60);
/// Keys that nobody could confirm for so long do not count any more: the issuer may have withdrawn
/// them meanwhile.
const HOLD: Duration = Duration::from_secs(24 * 3600);
/// An unknown key makes nobody fetch more often: random key ids cost an issuer nothing.
const FETCH_EVERY: Duration = Duration::from_secs(10);
/// For one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Issuers have a handful.
const KEYS_MAX: usize = 100;

/// The keys of one issuer. Its clones share them.
#[derive(Clone)]
pub struct KeySet(Arc<Inner>);

struct Inner {
    url: Url,
    client: Client,
    /// What was fetched last. Used while the issuer is away, but not for ever.
    kept: RwLock<Option<Kept>>,
    /// Whether a task fetches them every hour.
    is_renewed: AtomicBool,
    /// The fetch that is under way.
    fetches: Flights<Result<(), Error>>,
    /// Held while the keys are fetched.
    last_fetch: Mutex<Option<Fetch>>,
}

/// Keys as an issuer gave them.
struct Kept {
    /// Each key's JSON, by its id.
    keys: HashMap<String, Arc<str>>,
    /// When they came: of this clock, which nobody sets, and of the one that people read.
    since: Instant,
    date: SystemTime,
}

struct Fetch {
    at: Instant,
    result: Result<(), Error>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// The keys at `url`, which is `https` or on loopback. Nobody is asked yet; with the first
    /// question the keys begin to be fetched anew every hour, as long as the set is there.
    ///
    /// # Errors
    /// When the address is not `https` or the authorities in `trust_pem` are no certificates.
    pub fn new(url: &str, trust_pem: Option<&str>) -> Result<Self, Error> {
        let url = http::secure_url(url).map_err(|fault| {
            let message = format!("the address of the issuer's keys {fault}");
            Error::new("KEYS_ADDRESS_ILLEGAL", message, "state its `https` address")
        })?;
        let client = http::for_url(&url, trust_pem)?;
        Ok(Self(Arc::new(Inner {
            url,
            client,
            kept: RwLock::default(),
            is_renewed: AtomicBool::new(false),
            fetches: Flights::default(),
            last_fetch: Mutex::default(),
        })))
    }

    /// The key of this id as a JSON Web Key, or `None` if the issuer has no such key.
    ///
    /// An id that is not known makes the keys be fetched anew, at most once in ten seconds. While
    /// the issuer cannot be asked, the keys of the last success count for 24 hours.
    ///
    /// # Errors
    /// When the key is not known, or does not count any more, and the issuer could not be asked.
    pub async fn key(&self, kid: &str) -> Result<Option<Arc<str>>, Error> {
        if let Some(key) = self.0.get(kid) {
            return Ok(Some(key));
        }
        if !self.0.is_renewed.swap(true, Ordering::Relaxed) {
            tokio::spawn(renew(Arc::downgrade(&self.0)));
        }
        // One task for all who ask: a caller that hangs up does not stop it, and callers whose keys
        // nobody knows leave nothing behind.
        let inner = self.0.clone();
        let fetch = || async move { inner.fetch_unless_fresh().await };
        let fetched = self.0.fetches.join("keys", fetch).await;
        let fetched = fetched.unwrap_or_else(|| Err(self.0.malformed()));
        match self.0.get(kid) {
            Some(key) => Ok(Some(key)),
            None => fetched.map(|()| None).map_err(|error| self.0.or_too_old(error)),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({})", self.0.url)
    }
}

impl Inner {
    fn get(&self, kid: &str) -> Option<Arc<str>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| kept.holds())?.keys.get(kid).cloned()
    }

    /// The error of a fetch, or what has come of such errors by now.
    fn or_too_old(&self, error: Error) -> Error {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = kept.as_ref().filter(|kept| !kept.holds()) else { return error };
        let since = Timestamp::try_from(kept.date).map_or_else(
            |_| "a time that no calendar has".to_owned(),
            |date| date.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        );
        let message = format!(
            "the issuer's keys at {} were fetched at {since} for the last time, more than {} h \
             ago, and do not count any more: {}",
            self.url,
            HOLD.as_secs() / 3600,
            error.message
        );
        Error { code: "KEYS_TOO_OLD", message, ..error }
    }

    async fn fetch_unless_fresh(&self) -> Result<(), Error> {
        let mut last = self.last_fetch.lock().await;
        if let Some(last) = last.as_ref()
            && last.at.elapsed() < FETCH_EVERY
        {
            return last.result.clone();
        }
        let result = self.fetch().await;
        if let Err(error) = &result {
            tracing::warn!(code = error.code, %error, "no new keys of an issuer");
        }
        *last = Some(Fetch { at: Instant::now(), result: result.clone() });
        result
    }

    async fn fetch(&self) -> Result<(), Error> {
        let request = self.client.get(self.url.clone()).timeout(ANSWER_WITHIN);
        let answer = http::send(request).await.map_err(|failure| {
            if failure.is_slow() {
                let message = format!("the issuer's keys at {} do not come in time", self.url);
                let remedy = "it is tried again; if it stays, check the way there";
                return self.error("KEYS_SLOW", message, remedy);
            }
            failure.tell(&format!("the server of the issuer's keys at {}", self.url))
        })?;
        if !answer.is_success() {
            let error = self.error(
                "KEYS_UNAVAILABLE",
                format!("there are no keys of the issuer at {} ({})", self.url, answer.status),
                "take the address from the issuer's `.well-known/openid-configuration`",
            );
            return Err(error.later(answer.retry_after()));
        }
        let document: Document = answer.json().ok_or_else(|| self.malformed())?;
        if document.keys.len() > KEYS_MAX {
            return Err(self.malformed());
        }
        let keys: HashMap<_, _> = document.keys.iter().filter_map(signing_key).collect();
        if keys.is_empty() {
            return Err(self.malformed());
        }
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Kept::now(keys));
        Ok(())
    }

    fn malformed(&self) -> Error {
        self.error(
            "KEYS_MALFORMED",
            format!("what is at {} is no set of 1 to {KEYS_MAX} signing keys", self.url),
            "check the address; a proxy may stand between",
        )
    }

    fn error(&self, code: &'static str, message: String, remedy: &str) -> Error {
        Error::new(code, message, remedy).later(None)
    }
}

impl Kept {
    fn now(keys: HashMap<String, Arc<str>>) -> Self {
        Self { keys, since: Instant::now(), date: SystemTime::now() }
    }

    fn holds(&self) -> bool {
        self.since.elapsed() < HOLD
    }
}

/// Fetches the keys now and then, until nobody has the set any more.
async fn renew(keys: Weak<Inner>) {
    let mut pause = RENEW_EVERY;
    loop {
        // Many services must not ask in the same minute.
        sleep(pause.mul_f64(0.9 + fastrand::f64() / 10.0)).await;
        let Some(keys) = keys.upgrade() else { return };
        // A failure is logged, and the old keys count for a while.
        let fetched = keys.fetch_unless_fresh().await;
        pause = if fetched.is_ok() { RENEW_EVERY } else { AGAIN_EVERY };
    }
}

/// A key that signatures can be checked with, by its id.
fn signing_key(key: &Value) -> Option<(String, Arc<str>)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let kid = text("kid")?;
    let is_public = matches!(text("kty"), Some("RSA" | "EC" | "OKP"));
    let is_for_signatures = text("use").is_none_or(|of| of == "sig");
    (is_public && is_for_signatures).then(|| (kid.to_owned(), key.to_string().into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_public_keys_for_signatures_with_an_id_are_kept() {
        let rsa = json!({"kid": "a", "kty": "RSA", "use": "sig", "n": "x", "e": "AQAB"});
        let (kid, kept) = signing_key(&rsa).unwrap();
        assert_eq!((kid.as_str(), serde_json::from_str::<Value>(&kept).unwrap()), ("a", rsa));
        for other in [
            json!({"kty": "RSA"}),
            json!({"kid": "a", "kty": "RSA", "use": "enc"}),
            json!({"kid": "a", "kty": "oct", "k": "shared"}),
        ] {
            assert_eq!(signing_key(&other), None, "{other}");
        }
    }

    /// So much time passes at once.
    async fn pass(time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn keys_of_an_issuer_that_is_away_count_for_a_day() {
        const MINUTE: Duration = Duration::from_secs(60);
        // Nobody listens there.
        let keys = KeySet::new("http://127.0.0.1:9/keys", None).unwrap();
        let key: Arc<str> = Arc::from("{}");
        let kept = Kept::now(HashMap::from([("a".to_owned(), key.clone())]));
        let date = Timestamp::try_from(kept.date).unwrap().strftime("%Y-%m-%d %H:%M UTC");
        *keys.0.kept.write().unwrap() = Some(kept);
        pass(HOLD - MINUTE).await;
        assert_eq!(keys.key("a").await, Ok(Some(key.clone())));
        assert_eq!(keys.key("b").await.unwrap_err().code, "CONNECTION_REFUSED");
        pass(MINUTE).await;
        for kid in ["a", "b"] {
            let error = keys.key(kid).await.unwrap_err();
            assert_eq!((error.code, error.retry), ("KEYS_TOO_OLD", crate::Retry::Later(None)));
            assert_eq!(
                error.message,
                format!(
                    "the issuer's keys at http://127.0.0.1:9/keys were fetched at {date} for the \
                     last time, more than 24 h ago, and do not count any more: the server of the \
                     issuer's keys at http://127.0.0.1:9/keys refuses connections"
                )
            );
        }
        // The issuer is back.
        let kept = Kept::now(HashMap::from([("a".to_owned(), key.clone())]));
        *keys.0.kept.write().unwrap() = Some(kept);
        assert_eq!(keys.key("a").await, Ok(Some(key)));
    }

    #[test]
    fn keys_come_by_https() {
        assert_eq!(
            KeySet::new("http://issuer.example/keys", None).unwrap_err().code,
            "KEYS_ADDRESS_ILLEGAL"
        );
        assert_eq!(KeySet::new("https://a.example/", Some("-")).unwrap_err().code, "TRUST_NOT_PEM");
    }
}
