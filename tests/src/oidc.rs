//! An issuer of access tokens on loopback: signing keys, where they are published, and a token
//! endpoint for clients with a secret (RFC 6749, 4.4).

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt, fs,
    future::pending,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use openssl::rsa::Rsa;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use url::form_urlencoded;

use crate::{
    cache,
    engine::runtime,
    wait::{DEADLINE, wait_until},
};

/// What tokens are for unless they say something else.
pub const AUDIENCE: &str = "kafka";
/// How long tokens are good unless they or the issuer are told something else.
const LIFETIME_S: i64 = 300;

/// What a token shall say.
#[derive(Clone, Debug)]
pub struct Token {
    claims: Map<String, Value>,
    key_id: Option<String>,
}

/// What the issuer does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Answers with this status.
    Status(u16),
    /// Takes the request and never answers.
    Silent,
}

/// A running issuer; dropping it ends it.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    dir: TempDir,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    url: String,
    /// The last one signs.
    keys: Vec<Key>,
    keys_made: u32,
    /// Secrets by client.
    clients: BTreeMap<String, String>,
    lifetime_s: i64,
    failure: Option<Failure>,
    tokens_issued: u64,
    key_reads: u64,
}

struct Key {
    id: String,
    signing: EncodingKey,
    public: Value,
}

/// The issuer that the tests of a process share; who retires its keys starts one of its own.
pub fn shared() -> &'static Issuer {
    static SHARED: OnceLock<Issuer> = OnceLock::new();
    SHARED.get_or_init(Issuer::start)
}

impl Token {
    /// Of this subject, for [`AUDIENCE`], good for five minutes.
    pub fn of(subject: &str) -> Self {
        let token = Self { claims: Map::new(), key_id: None };
        let token = token.claim("sub", json!(subject)).claim("aud", json!(AUDIENCE));
        token.lasts(LIFETIME_S)
    }

    /// Adds or replaces a claim, such as `aud`. The issuer adds `iss` where there is none.
    #[must_use]
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// Good for so many seconds from now; one that has ended before began before that.
    #[must_use]
    pub fn lasts(self, seconds: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
        let now = i64::try_from(now.as_secs()).expect("seconds since 1970 fit");
        let issued = now.min(now + seconds - 60);
        self.claim("iat", json!(issued)).claim("exp", json!(now + seconds))
    }

    /// Names another key than the one that signs it.
    #[must_use]
    pub fn key_id(mut self, id: &str) -> Self {
        self.key_id = Some(id.to_owned());
        self
    }
}

impl Issuer {
    /// Starts an issuer with one key and no clients.
    ///
    /// # Panics
    /// When it cannot listen on loopback.
    pub fn start() -> Self {
        let bound = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = bound.expect("a port of loopback is free");
        let address = listener.local_addr().expect("a listener has an address");
        let url = format!("http://{address}");
        let state = State { url: url.clone(), lifetime_s: LIFETIME_S, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let task = runtime().spawn(serve(listener, state.clone()));
        let issuer = Self { url, dir: cache::run_dir("issuer-"), state, task };
        issuer.rotate();
        issuer
    }

    /// Its name in tokens (`iss`).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where clients get tokens.
    pub fn token_endpoint(&self) -> String {
        format!("{}/token", self.url)
    }

    /// Where its keys are published (JWKS, RFC 7517).
    pub fn keys_url(&self) -> String {
        format!("{}/keys", self.url)
    }

    /// The same keys in a file.
    pub fn keys_file(&self) -> PathBuf {
        self.dir.path().join("keys.json")
    }

    /// Makes a client of the token endpoint, or gives it another secret.
    pub fn set_client(&self, id: &str, secret: &str) {
        self.lock().clients.insert(id.to_owned(), secret.to_owned());
    }

    /// How long tokens of the token endpoint are good.
    pub fn set_lifetime(&self, seconds: u64) {
        self.lock().lifetime_s = i64::try_from(seconds).expect("a lifetime in a test is short");
    }

    /// Lets every request fail, or none.
    pub fn fail(&self, failure: Option<Failure>) {
        self.lock().failure = failure;
    }

    /// How many tokens the token endpoint has issued.
    pub fn tokens_issued(&self) -> u64 {
        self.lock().tokens_issued
    }

    /// How often the keys were fetched.
    pub fn key_reads(&self) -> u64 {
        self.lock().key_reads
    }

    /// Signs with a new key from now on; the older ones stay published.
    pub fn rotate(&self) {
        let mut state = self.lock();
        state.keys_made += 1;
        let key = Key::new(format!("key-{}", state.keys_made));
        state.keys.push(key);
        publish(&state, &self.keys_file());
    }

    /// Publishes the newest key alone: tokens of the older ones are no longer good.
    pub fn retire(&self) {
        let mut state = self.lock();
        let old = state.keys.len() - 1;
        state.keys.drain(..old);
        publish(&state, &self.keys_file());
    }

    /// Signs a token.
    pub fn sign(&self, token: &Token) -> String {
        self.lock().sign(token)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn sign(&self, token: &Token) -> String {
        let key = self.keys.last().expect("an issuer has a key from its start");
        let mut claims = token.claims.clone();
        claims.entry("iss").or_insert_with(|| json!(self.url));
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(token.key_id.clone().unwrap_or_else(|| key.id.clone()));
        encode(&header, &claims, &key.signing).expect("claims are JSON, the key is RSA")
    }

    fn keys(&self) -> Value {
        json!({ "keys": self.keys.iter().map(|key| &key.public).collect::<Vec<_>>() })
    }

    /// Answers a client of the token endpoint.
    fn token(&mut self, authorization: Option<&str>, form: &[u8]) -> (StatusCode, Value) {
        let form: BTreeMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let refuse = |status, error| (status, json!({ "error": error }));
        let Some((client, secret)) = credentials(authorization, &form) else {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request");
        };
        if self.clients.get(&client) != Some(&secret) {
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let mut token = Token::of(&client).lasts(self.lifetime_s);
        if let Some(scope) = form.get("scope") {
            token = token.claim("scope", json!(scope));
        }
        self.tokens_issued += 1;
        let (token, lifetime) = (self.sign(&token), self.lifetime_s);
        let answer =
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime });
        (StatusCode::OK, answer)
    }
}

impl Key {
    fn new(id: String) -> Self {
        let key = Rsa::generate(2048).expect("OpenSSL makes keys");
        let der = key.private_key_to_der().expect("OpenSSL writes a key that it has made");
        let part = |part: Vec<u8>| URL_SAFE_NO_PAD.encode(part);
        let public = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id,
            "n": part(key.n().to_vec()), "e": part(key.e().to_vec()),
        });
        Self { id, signing: EncodingKey::from_rsa_der(&der), public }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// The client's name and secret, from the header (RFC 6749, 2.3.1) or the form.
fn credentials(
    authorization: Option<&str>,
    form: &BTreeMap<String, String>,
) -> Option<(String, String)> {
    let Some(basic) = authorization else {
        return Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone()));
    };
    let pair = STANDARD.decode(basic.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (client, secret) = pair.split_once(':')?;
    let decode = |text: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    Some((decode(client), decode(secret)))
}

/// Writes the file of keys in one step: a reader sees the old ones or the new ones. Brokers look
/// at the file's time in milliseconds, so that has to change.
fn publish(state: &State, file: &Path) {
    let (text, new, old_ms) =
        (state.keys().to_string(), file.with_extension("new"), modified_ms(file));
    wait_until("the clock of files goes on", DEADLINE, || {
        fs::write(&new, &text).expect("the issuer's directory can be written");
        modified_ms(&new) != old_ms
    });
    fs::rename(&new, file).expect("both are in the issuer's directory");
}

/// When a file was written; `None` if it is not there.
fn modified_ms(file: &Path) -> Option<u128> {
    let time = fs::metadata(file).ok()?.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_millis())
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        // A client that has gone before it was accepted.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = state.clone();
        let answering = service_fn(move |request| answer(request, state.clone()));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answering);
        // A client that breaks off is its own business.
        tokio::spawn(async move { drop(serving.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let form = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let failure = lock(&state).failure;
    let (status, body) = match (failure, &head.method, head.uri.path()) {
        (Some(Failure::Silent), _, _) => pending().await,
        (Some(Failure::Status(code)), _, _) => {
            let status = StatusCode::from_u16(code).expect("a test names a real status");
            (status, json!({ "error": "told_to_fail" }))
        }
        (None, &Method::GET, "/keys") => {
            let mut state = lock(&state);
            state.key_reads += 1;
            (StatusCode::OK, state.keys())
        }
        (None, &Method::POST, "/token") => {
            let header = head.headers.get(header::AUTHORIZATION);
            lock(&state).token(header.and_then(|value| value.to_str().ok()), &form)
        }
        _ => (StatusCode::NOT_FOUND, json!({ "error": "not_here" })),
    };
    let response = Response::builder().status(status);
    let response = response.header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(body.to_string().into()).expect("status and header are good"))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
