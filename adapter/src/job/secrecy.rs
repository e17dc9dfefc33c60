//! What of a job file may be a secret and is therefore never shown.
//!
//! A fault shows the line it is about, and people put passwords where they do not belong: under
//! a misspelled key, in a list of brokers, in a comment. So this errs on the side of hiding.

use std::borrow::Cow;

use super::tree::Tree;

/// What is shown in place of a secret.
pub(super) const REDACTED: &str = "****";

/// The most characters of a key that a message repeats.
const KEY_CHARS_MAX: usize = 60;

/// The keys that may stand below a key like `password`; another one could be the password.
const REFERENCE_KEYS: [&str; 7] =
    ["env", "file", "clearTextForTests", "secret", "certificate", "vault", "version"];

/// A key or a text that contains one of these, in any case and spelling, has to do with secrets.
const SECRET_WORDS: [&str; 16] = [
    "accesskey",
    "apikey",
    "certificate",
    "cleartext",
    "connectionstring",
    "credential",
    "jaas",
    "passphrase",
    "passwd",
    "password",
    "passwort",
    "privatekey",
    "secret",
    "signature",
    "sslkey",
    "token",
];

/// Keys are also compared with these as a whole; a longer one may be misspelled.
const SECRET_KEYS: [&str; 5] = ["password", "passwd", "secret", "pwd", "pass"];

/// Marks of secrets in values: keys of Azure, PEM, and a user name before a host.
const SECRET_MARKS: [&str; 3] = ["-----begin", "sig=", "@"];

/// Whether a text contains a word that has to do with secrets.
pub(super) fn names_secret(text: &str) -> bool {
    let plain = plain(text);
    SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a line of a text that is not YAML has to do with secrets.
pub(super) fn line_names_secret(line: &str) -> bool {
    let lower = line.to_lowercase();
    let mut words = line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-')));
    names_secret(line)
        || SECRET_MARKS.iter().any(|mark| lower.contains(mark))
        || words.any(hides_all_below)
}

/// Whether everything below this key may be a secret.
pub(super) fn hides_all_below(key: &str) -> bool {
    let plain = plain(key);
    let near = |word: &str| {
        // Short words have too many neighbours.
        let distance_max = usize::from(word.len() > 4) + usize::from(word.len() > 7);
        plain.len().abs_diff(word.len()) <= distance_max
            && strsim::damerau_levenshtein(&plain, word) <= distance_max
    };
    SECRET_WORDS.iter().any(|word| plain.contains(word)) || SECRET_KEYS.into_iter().any(near)
}

/// Whether this value may be a secret.
pub(super) fn hides(key: Option<&str>, value: &Tree) -> bool {
    let key_hides = key.is_some_and(hides_all_below);
    match value {
        Tree::Text(text) => {
            let lower = text.to_lowercase();
            key_hides
                // What belongs there is a map with a user name and a password.
                || key == Some("sasl")
                || names_secret(text)
                || SECRET_MARKS.iter().any(|mark| lower.contains(mark))
        }
        Tree::List(_) | Tree::Map(_) => key_hides,
        Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => {
            key_hides || key == Some("sasl")
        }
    }
}

/// A key as messages may repeat it: short, without control characters, and no secret.
pub(super) fn show_key(key: &str, inside_hidden: bool) -> Cow<'_, str> {
    let lower = key.to_lowercase();
    let foreign = inside_hidden && !REFERENCE_KEYS.contains(&key);
    if foreign || key.contains('=') || SECRET_MARKS.iter().any(|mark| lower.contains(mark)) {
        return Cow::Borrowed(REDACTED);
    }
    if key.chars().count() <= KEY_CHARS_MAX && !key.chars().any(char::is_control) {
        return Cow::Borrowed(key);
    }
    let escaped = key.escape_debug().take(KEY_CHARS_MAX).collect::<String>();
    Cow::Owned(format!("{escaped}…"))
}

/// Letters and digits alone, in lower case: `sasl.Client_Secret` is `saslclientsecret`.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_secrets_are_known_in_every_spelling() {
        for key in [
            "password",
            "Password",
            "pasword",
            "passwrod",
            "passwords",
            "pass",
            "pwd",
            "sasl.password",
            "client_secret",
            "connectionString",
            "ssl.key.pem",
            "SharedAccessKey",
            "sasl.jaas.config",
            "apiKey",
            "clearTextForTests",
            "bearerToken",
        ] {
            assert!(hides_all_below(key), "{key}");
        }
        for key in ["topic", "alias", "bootstrapServers", "username", "mechanism", "time", "name"] {
            assert!(!hides_all_below(key), "{key}");
        }
    }

    #[test]
    fn values_that_look_like_secrets_are_hidden_anywhere() {
        let hidden = |text: &str| hides(Some("topic"), &Tree::Text(text.to_owned()));
        assert!(hidden("Endpoint=sb://x;SharedAccessKey=y"));
        assert!(hidden("-----BEGIN PRIVATE KEY-----"));
        assert!(hidden("user:word@kafka:9092"));
        assert!(!hidden("flight-delays"));
    }
}
