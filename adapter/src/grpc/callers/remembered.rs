//! Remembers for a short time what tokens were found to be, so that a caller with thousands of
//! calls costs one signature a minute, and one whose token does not hold hardly more.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// SHA-256 of a token: the tokens themselves are not kept.
pub type Digest = [u8; 32];

/// What was found of tokens, each for a while.
pub struct Remembered<T> {
    found: Mutex<HashMap<Digest, (Instant, T)>>,
    time: Duration,
    tokens_max: usize,
}

/// What a token is known by.
pub fn digest(token: &str) -> Digest {
    let tls13 = TLS13_AES_128_GCM_SHA256.tls13().expect("it is a suite of TLS 1.3");
    let digest = tls13.common.hash_provider.hash(token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl<T: Clone> Remembered<T> {
    /// Nothing yet; it keeps so many at most, for so long.
    pub fn new(time: Duration, tokens_max: usize) -> Self {
        Self { found: Mutex::default(), time, tokens_max }
    }

    /// What was found of a token a short time ago.
    pub fn get(&self, digest: &Digest) -> Option<T> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, what) = found.get(digest)?;
        (at.elapsed() < self.time).then(|| what.clone())
    }

    /// Remembers what was found.
    pub fn insert(&self, digest: Digest, what: T) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= self.tokens_max {
            found.retain(|_, (at, _)| at.elapsed() < self.time);
        }
        if found.len() >= self.tokens_max {
            // Any will do: it is looked at once more.
            let any = found.keys().next().copied();
            any.and_then(|any| found.remove(&any));
        }
        found.insert(digest, (Instant::now(), what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_for_a_while_and_the_number_is_bounded() {
        let remembered = Remembered::new(Duration::from_secs(60), 100);
        for n in 0..200 {
            let digest = digest(&n.to_string());
            assert_eq!(remembered.get(&digest), None);
            remembered.insert(digest, n);
            assert_eq!(remembered.get(&digest), Some(n));
        }
        assert_eq!(remembered.found.lock().unwrap().len(), 100);
        let abc = digest("abc");
        assert_eq!(abc[..4], [0xBA, 0x78, 0x16, 0xBF], "the test vector of FIPS 180");
        let brief = Remembered::new(Duration::ZERO, 100);
        brief.insert(abc, ());
        assert_eq!(brief.get(&abc), None);
    }
}
