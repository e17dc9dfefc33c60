//! What of a job file may be a secret and is therefore never shown.
//!
//! A fault shows the line it is about, and people put passwords where they do not belong: under
//! a misspelled key, in a list of brokers, in a comment. So this errs on the side of hiding.

use std::borrow::Cow;

use keyvault::REDACTED;

use super::tree::Tree;

/// The most characters of a key that a message repeats.
const KEY_CHARS_MAX: usize = 60;

/// The keys that may stand below a key like `password`; another one could be the password.
const REFERENCE_KEYS: [&str; 7] =
    ["env", "file", "clearTextForTests", "secret", "certificate", "vault", "version"];

/// Keys of settings that are named like secrets: what stands directly at them is none.
const SETTINGS: [&str; 2] = ["secretRefresh", "trustAnyServerCertificate"];

/// Maps of settings that are named like secrets, with their keys: another one could be the secret.
const SETTINGS_MAPS: [(&str, &[&str]); 2] = [
    ("token", &["scope", "endpoint", "clientId", "clientSecret", "truststore", "extensions"]),
    (
        "tokens",
        &[
            "tenant",
            "issuer",
            "keysUrl",
            "truststore",
            "audiences",
            "applications",
            "roles",
            "clockSkew",
        ],
    ),
];

/// Words of the file, and so no secrets, by their key.
const WORDS: [(&str, &[&str]); 2] =
    [("clientCertificate", &["Required", "Optional"]), ("username", &["$ConnectionString"])];

/// Keys of addresses, which may name what is to be had there.
const ADDRESSES: [&str; 1] = ["endpoint"];

/// A key or a text that contains one of these, in any case and spelling, has to do with secrets.
const SECRET_WORDS: [&str; 17] = [
    "accesskey",
    "apikey",
    "certificate",
    "cleartext",
    "clientkey",
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
        // A private key goes by that name alone, too.
        || words.any(|word| word == "key" || hides_all_below(word))
}

/// Whether a key inside this one, and what stands there, may be a secret for being there.
pub(super) fn hides_inside(key: &str, inside: &str) -> bool {
    match settings_of(key) {
        Some(known) => !known.contains(&inside),
        // A private key; a list there names columns.
        None => key == "key" || hides_all_below(key),
    }
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
    let key = key.unwrap_or_default();
    // What belongs below `sasl` is a map with a user name and a password.
    let scalar = || key == "sasl" || (hides_all_below(key) && !SETTINGS.contains(&key));
    match value {
        Tree::Text(text) => {
            let lower = text.to_lowercase();
            let is_word = WORDS.iter().any(|(of, words)| *of == key && words.contains(&&**text));
            let names_secret = names_secret(text) && !ADDRESSES.contains(&key);
            !is_word
                && (scalar()
                    || names_secret
                    || SECRET_MARKS.iter().any(|mark| lower.contains(mark)))
        }
        Tree::List(_) => hides_all_below(key),
        Tree::Map(_) => hides_all_below(key) && settings_of(key).is_none(),
        Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Float(_) => scalar(),
    }
}

/// A text of free form as the effective job may show it: what may be a secret is masked.
pub(super) fn shown<'a>(key: &str, text: &'a str) -> &'a str {
    if hides(Some(key), &Tree::Text(text.to_owned())) { REDACTED } else { text }
}

/// An address on the web as the effective job may show it: what it asks for may be a secret, by
/// whatever name.
pub(super) fn shown_address(text: &str) -> Cow<'_, str> {
    match text.split_once('?') {
        Some((address, _)) => Cow::Owned(format!("{address}?{REDACTED}")),
        None => Cow::Borrowed(text),
    }
}

/// The keys of a map of settings that is named like a secret.
fn settings_of(key: &str) -> Option<&'static [&'static str]> {
    SETTINGS_MAPS.iter().find(|(name, _)| *name == key).map(|(_, keys)| *keys)
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

    #[test]
    fn free_texts_that_look_like_secrets_are_masked() {
        for (key, text) in [
            ("username", "user:word@kafka"),
            ("client.id", "password=x"),
            ("logicalCluster", "SharedAccessKey=x"),
        ] {
            assert_eq!(shown(key, text), REDACTED, "{key}");
        }
        for (key, text) in
            [("username", "$ConnectionString"), ("client.id", "flights"), ("tenant", "lkc-1")]
        {
            assert_eq!(shown(key, text), text);
        }
        // A key may have any name.
        assert_eq!(shown_address("https://a/token?x=y"), "https://a/token?****");
        assert_eq!(shown_address("https://a/keys"), "https://a/keys");
    }

    #[test]
    fn settings_that_are_named_like_secrets_are_shown() {
        let hidden = |key: &str, text: &str| hides(Some(key), &Tree::Text(text.to_owned()));
        assert!(!hidden("secretRefresh", "1h"));
        assert!(!hidden("clientCertificate", "Optional"));
        assert!(!hidden("username", "$ConnectionString"));
        assert!(!hidden("endpoint", "https://login.example.org/token"));
        assert!(hidden("endpoint", "https://user:word@login.example.org/token"));
        assert!(hidden("clientCertificate", "MIIB"));
        assert!(hidden("clientKey", "MIIB"));
        assert!(hidden("token", "eyJ"));
        assert!(hidden("secretRefresh", "a password"));
        assert!(!hides_inside("token", "scope"));
        assert!(hides_inside("token", "value"));
        assert!(hides_inside("password", "scope"));
        assert!(hides_inside("key", "scope"));
    }

    /// Whoever adds a key to such a map says here that it is a setting.
    #[test]
    fn maps_of_settings_have_the_keys_of_the_schema() {
        let schema = super::super::json_schema();
        for (name, definition) in [("token", "Token"), ("tokens", "Tokens")] {
            let properties = schema["$defs"][definition]["properties"].as_object().unwrap();
            let mut known = settings_of(name).unwrap().to_vec();
            known.sort_unstable();
            let mut keys = properties.keys().map(String::as_str).collect::<Vec<_>>();
            keys.sort_unstable();
            assert_eq!(known, keys);
        }
    }
}
