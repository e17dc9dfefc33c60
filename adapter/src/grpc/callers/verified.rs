//! Remembers for a short time which tokens were verified, so that a caller with thousands of calls
//! costs one signature a minute.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

use super::token::Claims;

/// How long a token is believed without another look: a key that the issuer withdraws counts for
/// this much longer.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many tokens are remembered. Each is of another application or newly fetched.
const TOKENS_MAX: usize = 1024;

/// SHA-256 of a token: the tokens themselves are not kept.
type Digest = [u8; 32];

/// Tokens that were verified.
pub struct Verified(Mutex<HashMap<Digest, (Instant, Arc<Claims>)>>);

impl Verified {
    /// None yet.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// What a token is known by.
    pub fn digest(token: &str) -> Digest {
        let tls13 = TLS13_AES_128_GCM_SHA256.tls13().expect("it is a suite of TLS 1.3");
        let digest = tls13.common.hash_provider.hash(token.as_bytes());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// What a token says that was verified a short time ago.
    pub fn get(&self, digest: &Digest) -> Option<Arc<Claims>> {
        let verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, claims) = verified.get(digest)?;
        (at.elapsed() < REMEMBERED).then(|| claims.clone())
    }

    /// Remembers a token.
    pub fn insert(&self, digest: Digest, claims: Arc<Claims>) {
        let mut verified = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= TOKENS_MAX {
            verified.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        }
        if verified.len() >= TOKENS_MAX {
            // Any will do: it is verified once more.
            let any = verified.keys().next().copied();
            any.and_then(|any| verified.remove(&any));
        }
        verified.insert(digest, (Instant::now(), claims));
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_and_the_number_is_bounded() {
        let verified = Verified::new();
        let claims = Claims {
            application: None,
            roles: Vec::new(),
            subject: None,
            expires: SystemTime::now(),
        };
        let claims = Arc::new(claims);
        for n in 0..2 * TOKENS_MAX {
            let digest = Verified::digest(&n.to_string());
            assert_eq!(verified.get(&digest), None);
            verified.insert(digest, claims.clone());
            assert_eq!(verified.get(&digest), Some(claims.clone()));
        }
        assert_eq!(verified.0.lock().unwrap().len(), TOKENS_MAX);
        let abc = Verified::digest("abc");
        assert_eq!(abc[..4], [0xBA, 0x78, 0x16, 0xBF], "the test vector of FIPS 180");
    }
}
