//! What another system said, made fit to be repeated in an error.

use super::{REDACTED, Secret};

/// The most characters that are repeated.
const CHARS_MAX: usize = 240;
/// A word longer than this is no word but data, such as an opaque token.
const WORD_CHARS_MAX: usize = 96;
/// Where Entra ID's sentence ends and the numbers of its support begin.
const NOISE: [&str; 3] = ["Trace ID:", "Correlation ID:", "Timestamp:"];

/// What was said as the end of a sentence: `: TEXT`, or nothing if nothing was said.
pub(crate) fn reason(text: &str, known: &[&Secret]) -> String {
    let said = repeatable(text, known);
    if said.is_empty() { said } else { format!(": {said}") }
}

/// The first line, without what nobody may or wants to read: `known` secrets, tokens, long data,
/// control characters, correlation numbers.
pub(crate) fn repeatable(text: &str, known: &[&Secret]) -> String {
    let mut text = text.trim().lines().next().unwrap_or_default().to_owned();
    for secret in known {
        text = without(&text, secret);
    }
    for noise in NOISE {
        if let Some(start) = text.find(noise) {
            text.truncate(start);
        }
    }
    let words = text.split_whitespace().map(|word| {
        // Every JSON Web Token begins so: it is base64 of `{"`.
        let is_data = word.contains("eyJ") || word.chars().count() > WORD_CHARS_MAX;
        if is_data { REDACTED } else { word }
    });
    let words = words.collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

#[expect(clippy::disallowed_methods, reason = "a secret is looked for in order to hide it")]
fn without(text: &str, secret: &Secret) -> String {
    match secret.expose_text().map(str::trim) {
        Some(secret) if !secret.is_empty() => text.replace(secret, REDACTED),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sentence_is_repeated() {
        let text =
            "AADSTS700213: No matching record for subject 'a:b'. Trace ID: 1 Correlation ID: 2";
        assert_eq!(repeatable(text, &[]), "AADSTS700213: No matching record for subject 'a:b'.");
        assert_eq!(repeatable("one\r\ntwo", &[]), "one");
        assert_eq!(repeatable("bad\u{1b}[31m", &[]), "bad[31m");
        assert_eq!(repeatable(&"ab ".repeat(500), &[]).chars().count(), CHARS_MAX);
    }

    #[test]
    fn no_secret_is_repeated() {
        let secret = Secret::from("hunter2\n".to_owned());
        assert_eq!(repeatable("wrong: hunter2!", &[&secret]), "wrong: ****!");
        assert_eq!(repeatable("token='eyJhbGciOi.e30.x' refused", &[]), "**** refused");
        assert_eq!(repeatable(&format!("got {}", "x".repeat(200)), &[]), "got ****");
    }
}
