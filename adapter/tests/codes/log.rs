//! Whatever warns in the log says a stable code, by which it is counted, explained and found.
use super::{root, source};

/// The arguments of each `warn!` and `error!` of the product, with its file.
fn warnings() -> Vec<(String, Vec<String>)> {
    let folders = ["adapter/src", "keyvault/src", "serializers/src"];
    folders.iter().flat_map(|folder| source::calls(&root(), folder, &["warn", "error"])).collect()
}

#[test]
fn whatever_warns_has_a_code() {
    let warnings = warnings();
    assert!(warnings.len() >= 30, "{} were found", warnings.len());
    // `code`, `code = …` or `%code`, before the message.
    let has_code = |words: &[String]| words.iter().any(|word| word == "code");
    let without: Vec<_> = warnings.iter().filter(|(_, words)| !has_code(words)).collect();
    assert!(without.is_empty(), "no `code`, which the catalogue explains: {without:#?}");
}
