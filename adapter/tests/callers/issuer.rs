//! An issuer of tokens: its keys, and tokens with whatever one wants in them.
use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use kafka_output::{
    grpc::callers::{KeySource, TokenCheck},
    job::Tokens,
};
use serde_json::{Value, json};

pub const ISSUER: &str =
    "https://login.microsoftonline.com/11111111-0000-0000-0000-000000000000/v2.0";
pub const TENANT: &str = "11111111-0000-0000-0000-000000000000";
pub const AUDIENCE: &str = "api://rows";
pub const APPLICATION: &str = "22222222-0000-0000-0000-000000000000";

/// Keys take a while to be made.
static RSA: LazyLock<[EncodingKey; 2]> = LazyLock::new(|| [rsa(), rsa()]);

fn rsa() -> EncodingKey {
    let size = rcgen::RsaKeySize::_2048;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
    // PKCS#8 is a head of 26 bytes and the PKCS#1 key (RFC 5208), for a key of this size.
    EncodingKey::from_rsa_der(&key.serialized_der()[26..])
}

/// The keys that an issuer shows.
#[derive(Default)]
pub struct Keys {
    pub keys: Mutex<HashMap<String, Arc<str>>>,
    /// How often it was asked.
    pub asked: AtomicUsize,
    /// It cannot be reached.
    pub away: Mutex<bool>,
}

#[tonic::async_trait]
impl KeySource for Keys {
    async fn key(&self, kid: &str) -> Result<Option<Arc<str>>, keyvault::Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = self.keys.lock().unwrap().get(kid).cloned();
        if known.is_none() && *self.away.lock().unwrap() {
            return Err(keyvault::Error::new("KEYS_SLOW", "the keys do not come", "wait"));
        }
        Ok(known)
    }
}

/// An issuer.
pub struct Issuer {
    pub keys: Arc<Keys>,
    rsa: &'static EncodingKey,
    ec: EncodingKey,
}

impl Issuer {
    /// An issuer with an RSA key `rsa` and an EC key `ec`.
    pub fn new() -> Self {
        let ec = rcgen::KeyPair::generate().unwrap();
        let ec = EncodingKey::from_ec_der(ec.serialized_der());
        let issuer = Self { keys: Arc::default(), rsa: &RSA[0], ec };
        issuer.publish("rsa", &jwk(issuer.rsa, Algorithm::RS256));
        issuer.publish("ec", &jwk(&issuer.ec, Algorithm::ES256));
        issuer
    }

    /// Shows a key.
    pub fn publish(&self, kid: &str, key: &Value) {
        self.keys.keys.lock().unwrap().insert(kid.to_owned(), key.to_string().into());
    }

    /// The public RSA key.
    pub fn jwk(&self) -> Value {
        jwk(self.rsa, Algorithm::RS256)
    }

    /// The check of a service that takes its tokens.
    pub fn check(&self) -> TokenCheck {
        self.check_with(|_| {})
    }

    /// The same, but for what `change` says.
    pub fn check_with(&self, change: impl FnOnce(&mut Tokens)) -> TokenCheck {
        let mut wanted = wanted();
        change(&mut wanted);
        TokenCheck::new(wanted, self.keys.clone())
    }

    /// A token with these claims, signed with the RSA key.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as("rsa", Algorithm::RS256, claims)
    }

    /// A token that names a key and an algorithm.
    pub fn sign_as(&self, kid: &str, algorithm: Algorithm, claims: &Value) -> String {
        let key = if algorithm == Algorithm::ES256 { &self.ec } else { self.rsa };
        encode(key, kid, algorithm, claims)
    }

    /// A token that another issuer signed, under this one's key id.
    pub fn sign_foreign(&self, claims: &Value) -> String {
        encode(&RSA[1], "rsa", Algorithm::RS256, claims)
    }
}

/// The tokens that a service wants.
pub fn wanted() -> Tokens {
    Tokens {
        issuer: ISSUER.to_owned(),
        keys_url: "https://login.microsoftonline.com/keys".to_owned(),
        truststore: None,
        audiences: vec!["other".to_owned(), AUDIENCE.to_owned()],
        tenant: Some(TENANT.to_owned()),
        applications: vec![APPLICATION.to_owned()],
        roles: vec!["Rows.Write".to_owned(), "Rows.All".to_owned()],
        clock_skew: Duration::from_secs(60),
    }
}

/// A token.
pub fn encode(key: &EncodingKey, kid: &str, algorithm: Algorithm, claims: &Value) -> String {
    let mut header = jsonwebtoken::Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// A token whose header is anything, and whose signature is none.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(header), part(claims))
}

fn jwk(key: &EncodingKey, algorithm: Algorithm) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).unwrap()).unwrap();
    // Entra ID does not say what algorithm its keys are for.
    jwk.as_object_mut().unwrap().remove("alg");
    jwk["use"] = json!("sig");
    jwk
}

/// The claims of a good token of version 2.
pub fn claims() -> Value {
    let now = seconds_from_now(0);
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "tid": TENANT, "azp": APPLICATION, "sub": "the-engine",
        "roles": ["Rows.Read", "Rows.Write"], "ver": "2.0",
        "iat": now, "nbf": now, "exp": now + 3600,
    })
}

/// The same, but for one claim; without it if it is null.
pub fn claims_with(claim: &str, value: Value) -> Value {
    let mut claims = claims();
    let map = claims.as_object_mut().unwrap();
    if value.is_null() {
        map.remove(claim);
    } else {
        map.insert(claim.to_owned(), value);
    }
    claims
}

/// A time as tokens have it.
pub fn seconds_from_now(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs() as i64 + offset
}
