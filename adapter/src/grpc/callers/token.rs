//! Checks a caller's token: who signed it, for whom, until when, and what it allows.
//!
//! The signature is the library's affair; every claim is checked here, so that the log can name the
//! one at fault. Keys are found by their id alone: an algorithm that does not belong to the key's
//! own kind is refused, so a public key never serves as a secret, and nothing in a token says where
//! its key is.
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    keys::KeySource,
    remembered::{Remembered, digest},
};
use crate::job::Tokens;

/// The longest token. Those of Entra ID have some 2 KiB, with 200 groups 8 KiB.
const TOKEN_BYTES_MAX: usize = 12 << 10;

/// Callers who may wait for a key at once. Keys that are known take no time.
const LOOKUPS_MAX: usize = 64;

/// The longest wait for a key.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a token is believed without another look, and how many are: a key that the issuer
/// withdraws counts for this much longer. Each is of another application or newly fetched.
const VERIFIED: (Duration, usize) = (Duration::from_secs(60), 1024);

/// How long, and of how many tokens, it is known that they do not hold. Whoever shows one again and
/// again costs no signatures; a key that comes again under its old name is not missed for long.
const REFUSED: (Duration, usize) = (Duration::from_secs(10), 1024);

/// What a verified token says of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The application: `azp`, or `appid` in tokens of version 1; `None` if it has not proven that
    /// it is the one (a public client).
    pub application: Option<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// `sub`, for the log.
    pub subject: Option<String>,
    /// When it ends, by the issuer's clock.
    pub expires: SystemTime,
}

/// Why a token is not accepted. What it shows of a token that nobody signed is quoted and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is none.
    #[error("it is no token: {0}")]
    Malformed(&'static str),
    /// Its signature is of a kind that is not taken, or not of the key's kind.
    #[error("its algorithm {0} is none of the key's (RS256, PS256, ES256)")]
    Algorithm(String),
    /// The issuer has no such key.
    #[error("the issuer has no key {0}")]
    UnknownKey(String),
    /// The issuer's key is of no use.
    #[error("the issuer's key {0} is no RSA or P-256 key for signatures")]
    UselessKey(String),
    /// The signature is not the issuer's.
    #[error("its signature does not belong to the key {0}")]
    Signature(String),
    /// A claim is missing or not as the job file wants it.
    #[error("its claim `{claim}` is {found}, wanted is {wanted}")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        wanted: String,
    },
    /// It does not hold any more, or not yet.
    #[error("{0}")]
    Time(String),
    /// The key is not known, and the issuer could not be asked.
    #[error("its key {kid} is not known: {cause}")]
    NoKeys {
        /// The id of the key.
        kid: String,
        /// Why not.
        cause: String,
    },
}

/// Checks tokens as a job file says.
pub struct TokenCheck {
    wanted: Tokens,
    keys: Arc<dyn KeySource>,
    lookups: Semaphore,
    verified: Remembered<Arc<Claims>>,
    refused: Remembered<TokenFault>,
}

impl TokenCheck {
    /// A check of tokens whose keys come from `keys`.
    pub fn new(wanted: Tokens, keys: Arc<dyn KeySource>) -> Self {
        let lookups = Semaphore::new(LOOKUPS_MAX);
        let verified = Remembered::new(VERIFIED.0, VERIFIED.1);
        let refused = Remembered::new(REFUSED.0, REFUSED.1);
        Self { wanted, keys, lookups, verified, refused }
    }

    /// What a token says, if it is to be believed.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn check(&self, token: &str) -> Result<Arc<Claims>, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed("it is longer than 12 KiB"));
        }
        let digest = digest(token);
        if let Some(claims) = self.verified.get(&digest) {
            // What has ended since is not known any more by this name.
            self.in_time(claims.expires)?;
            return Ok(claims);
        }
        if let Some(fault) = self.refused.get(&digest) {
            return Err(fault);
        }
        let header = Header::of(token)?;
        // A key that is missing now may come: that is never remembered, and costs no signature.
        let key = self.key(&header.kid).await?;
        match signed(token, &header, &key).and_then(|claims| self.claims(&claims)) {
            Ok(claims) => {
                let claims = Arc::new(claims);
                self.verified.insert(digest, claims.clone());
                Ok(claims)
            }
            Err(fault) => {
                self.refused.insert(digest, fault.clone());
                Err(fault)
            }
        }
    }

    /// The key of a token. A wait for it is bounded in time, and in the callers who wait: they hold
    /// what they have sent in memory.
    async fn key(&self, kid: &str) -> Result<Arc<str>, TokenFault> {
        let no_keys = |cause: &str| TokenFault::NoKeys { kid: shown(kid), cause: cause.to_owned() };
        let deadline = Instant::now() + LOOKUP_TIMEOUT;
        let mut lookup = self.keys.key(kid);
        let found = tokio::select! {
            biased;
            found = &mut lookup => found,
            permit = async { self.lookups.try_acquire() } => {
                let _permit = permit.map_err(|_| no_keys("too many callers wait for keys"))?;
                let found = timeout_at(deadline, lookup).await;
                found.map_err(|_| no_keys("the issuer's keys do not come in time"))?
            }
        };
        match found {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(TokenFault::UnknownKey(shown(kid))),
            Err(error) => Err(no_keys(&error.to_string())),
        }
    }

    /// Checks the claims of a token whose signature holds.
    fn claims(&self, claims: &Map<String, Value>) -> Result<Claims, TokenFault> {
        let Tokens { issuer, audiences, tenant, applications, roles, .. } = &self.wanted;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        let fault = |claim: &'static str, found: &Value, wanted: &[String]| TokenFault::Claim {
            claim,
            found: cut(&found.to_string()),
            wanted: wanted.join(" or "),
        };
        let value = |claim: &str| claims.get(claim).unwrap_or(&Value::Null);
        if text("iss") != Some(issuer) {
            return Err(fault("iss", value("iss"), std::slice::from_ref(issuer)));
        }
        if !texts(value("aud")).any(|audience| audiences.iter().any(|wanted| wanted == audience)) {
            return Err(fault("aud", value("aud"), audiences));
        }
        if tenant.is_some() && text("tid") != tenant.as_deref() {
            return Err(fault("tid", value("tid"), tenant.as_slice()));
        }
        let expires = time("exp", value("exp"))?;
        self.in_time(expires)?;
        if claims.contains_key("nbf") {
            let begins = time("nbf", value("nbf"))?;
            if begins > SystemTime::now() + self.wanted.clock_skew {
                return Err(TokenFault::Time("it does not hold yet (`nbf`)".to_owned()));
            }
        }
        let application = application(claims);
        if !applications.is_empty() && !application.iter().any(|id| applications.contains(id)) {
            if let Some(claim) = public_client(claims) {
                let wanted = ["\"1\"", "\"2\" (its application has shown a secret or a key)"];
                return Err(fault(claim, value(claim), &wanted.map(ToOwned::to_owned)));
            }
            let found = if claims.contains_key("azp") { "azp" } else { "appid" };
            return Err(fault("azp or appid", value(found), applications));
        }
        let shown: Vec<String> = texts(value("roles")).map(ToOwned::to_owned).collect();
        if !roles.is_empty() && !shown.iter().any(|role| roles.contains(role)) {
            return Err(fault("roles", value("roles"), roles));
        }
        let subject = text("sub").map(cut);
        Ok(Claims { application, roles: shown, subject, expires })
    }

    fn in_time(&self, expires: SystemTime) -> Result<(), TokenFault> {
        let ended = SystemTime::now().duration_since(expires + self.wanted.clock_skew);
        match ended {
            Ok(ago) => {
                let ago_s = (ago + self.wanted.clock_skew).as_secs();
                Err(TokenFault::Time(format!("it ended {ago_s} s ago (`exp`)")))
            }
            Err(_) => Ok(()),
        }
    }
}

/// What a token says of its own signature; nothing of it is believed but the key's id.
struct Header {
    algorithm: String,
    kid: String,
}

impl Header {
    fn of(token: &str) -> Result<Self, TokenFault> {
        let mut parts = token.split('.');
        let (Some(first), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::Malformed("it has not three parts"));
        };
        let json = URL_SAFE_NO_PAD.decode(first).ok();
        let header = json.and_then(|json| serde_json::from_slice::<Map<String, Value>>(&json).ok());
        let header = header.ok_or(TokenFault::Malformed("its header is no JSON object"))?;
        // Extensions that one must understand (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err(TokenFault::Malformed("its header has extensions that are not known"));
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let algorithm = text("alg").ok_or(TokenFault::Malformed("its header names no `alg`"))?;
        let kid = text("kid").ok_or(TokenFault::Malformed("its header names no key (`kid`)"))?;
        Ok(Self { algorithm, kid })
    }
}

/// The claims of a token that this key signed.
fn signed(token: &str, header: &Header, key: &str) -> Result<Map<String, Value>, TokenFault> {
    let kid = || shown(&header.kid);
    let useless = || TokenFault::UselessKey(kid());
    let key: Jwk = serde_json::from_str(key).map_err(|_| useless())?;
    if key.common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return Err(useless());
    }
    let by_kind: &[Algorithm] = match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[Algorithm::RS256, Algorithm::PS256],
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::OctetKeyPair(_) => return Err(useless()),
    };
    let algorithm = by_kind.iter().copied().find(|algorithm| {
        let own = key.common.key_algorithm.as_ref();
        format!("{algorithm:?}") == header.algorithm
            && own.is_none_or(|own| own.to_string() == header.algorithm)
    });
    let algorithm = algorithm.ok_or_else(|| TokenFault::Algorithm(shown(&header.algorithm)))?;
    let key = DecodingKey::from_jwk(&key).map_err(|_| useless())?;
    let mut validation = Validation::new(algorithm);
    // The claims are checked here, each with its own fault.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    decoded.map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(_) => {
            TokenFault::Malformed("its claims are no JSON object")
        }
        _ => TokenFault::Signature(kid()),
    })
}

/// The application that a token was given to, if that has proven who it is.
fn application(claims: &Map<String, Value>) -> Option<String> {
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
    let named = text("azp").or_else(|| text("appid"));
    named.filter(|_| public_client(claims).is_none()).map(ToOwned::to_owned)
}

/// The claim by which Entra ID says that the application has shown neither secret nor key: anybody
/// can be one who knows its client id.
fn public_client(claims: &Map<String, Value>) -> Option<&'static str> {
    ["azpacr", "appidacr"].into_iter().find(|claim| match claims.get(*claim) {
        Some(Value::String(kind)) => kind == "0",
        Some(Value::Number(kind)) => kind.as_u64() == Some(0),
        _ => false,
    })
}

/// The texts of a claim that is one text or a list of them.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    let several = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(several)
}

/// A claim that is a time (RFC 7519, 2: seconds, perhaps with a fraction).
fn time(claim: &'static str, value: &Value) -> Result<SystemTime, TokenFault> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e11).contains(seconds));
    seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds)).ok_or_else(|| {
        let (found, wanted) = (cut(&value.to_string()), "a time in seconds".to_owned());
        TokenFault::Claim { claim, found, wanted }
    })
}

/// A text from outside, so that it can do no harm in a log.
fn shown(text: &str) -> String {
    format!("`{}`", cut(text).escape_debug())
}

fn cut(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(128).map(harmless).collect()
}
