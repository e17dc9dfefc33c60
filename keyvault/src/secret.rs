//! The one type that holds a secret.

use std::fmt;

use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const REDACTED: &str = "****";

/// Secret bytes: never printed, and wiped from memory when dropped.
///
/// What other libraries copy (OpenSSL, librdkafka) is beyond its reach.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes bytes over. The caller must leave no copy behind.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The secret itself. Whoever calls this says why.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, if it is UTF-8. Whoever calls this says why.
    pub fn expose_text(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text.into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test looks at what was kept")]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::from("canary".to_owned());
        let shown = format!("{secret:?} {secret} {:?}", Some(&secret));
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(secret.expose_text(), Some("canary"));
    }
}
