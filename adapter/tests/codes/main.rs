//! The catalogue of codes is true: whatever raises a code raises one that stands there, each of
//! them is raised, and documentation and `explain` tell what stands there.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

mod documents;
mod explain;
mod source;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use kafka_output::codes::{self, Entry, Place};

use self::words::{OTHERS, is_capital};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    codes::AREAS.iter().flat_map(|area| area.entries)
}

/// Every text in capitals in the code of the product, and the files that have it.
fn raised() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for folder in ["adapter/src", "keyvault/src", "serializers/src"] {
        for (file, text) in source::literals(&root(), folder) {
            if is_capital(&text) && !file.starts_with("adapter/src/codes/") {
                found.entry(text).or_default().insert(file);
            }
        }
    }
    found
}

/// Where codes come from that are told in a place.
fn sources(place: Place) -> &'static [&'static str] {
    match place {
        Place::Waits => &[
            "adapter/src/kafka/",
            "adapter/src/grpc/",
            "adapter/src/diagnose/",
            "adapter/src/valve.rs",
            "adapter/src/steering/",
        ],
        Place::Call => &["adapter/src/grpc/", "adapter/src/kafka/", "adapter/src/valve.rs"],
        Place::Refused => &[
            "adapter/src/grpc/",
            "adapter/src/output/",
            "adapter/src/rows/",
            "adapter/src/commands/preview/",
        ],
        Place::Unknown => &["adapter/src/kafka/", "adapter/src/grpc/"],
        Place::Row => &["adapter/src/rows/", "adapter/src/kafka/", "serializers/src/"],
        Place::JobFile => &["adapter/src/job/", "serializers/src/"],
        Place::Credentials => &[
            "keyvault/src/",
            "adapter/src/secrets/",
            "adapter/src/grpc/tls.rs",
            "adapter/src/kafka/",
            "adapter/src/commands/check/",
        ],
        Place::Check => {
            &["adapter/src/commands/check/", "adapter/src/diagnose/", "adapter/src/kafka/"]
        }
        Place::Transactions => &[
            "adapter/src/commands/transactions/",
            "adapter/src/kafka/admin/",
            "adapter/src/kafka/progress/",
            "adapter/src/diagnose/",
        ],
        Place::Log => &["adapter/src/kafka/", "adapter/src/keeper.rs", "adapter/src/steering/"],
        Place::Library => &["serializers/src/"],
    }
}

/// These tell codes that others raise.
const READERS: [&str; 2] = ["adapter/src/client/", "adapter/src/send/"];

#[test]
fn every_code_is_in_the_catalogue() {
    let (known, raised) = (codes::all(), raised());
    let is_known = |text: &str| known.contains_key(text) || OTHERS.contains(&text);
    let missing: Vec<_> = raised.iter().filter(|(text, _)| !is_known(text)).collect();
    assert!(missing.is_empty(), "neither a code of the catalogue nor another word: {missing:#?}");
    assert!(raised.len() >= 300, "{} texts in capitals were found", raised.len());
}

#[test]
fn every_code_of_the_catalogue_is_raised() {
    let raised = raised();
    let unused: Vec<_> =
        codes::all().into_keys().filter(|code| !raised.contains_key(*code)).collect();
    assert!(unused.is_empty(), "nothing raises {unused:?}");
    let unused: Vec<_> = OTHERS.into_iter().filter(|word| !raised.contains_key(*word)).collect();
    assert!(unused.is_empty(), "nothing has the words {unused:?}");
    let codes: Vec<_> = OTHERS.into_iter().filter(|word| codes::all().contains_key(word)).collect();
    assert!(codes.is_empty(), "{codes:?} are codes");
}

#[test]
fn codes_are_told_where_the_catalogue_says() {
    let (known, raised) = (codes::all(), raised());
    let comes_from = |file: &str, place| sources(place).iter().any(|from| file.starts_with(from));
    for (code, entries) in known {
        // One that nothing raises is another test's.
        let Some(files) = raised.get(code) else { continue };
        let places: Vec<_> = entries.iter().flat_map(|entry| entry.places).copied().collect();
        for file in files.iter().filter(|file| !READERS.iter().any(|of| file.starts_with(of))) {
            let is_told = places.iter().any(|place| comes_from(file, *place));
            assert!(is_told, "{code}: {file} tells it somewhere else than {places:?}");
        }
        for place in &places {
            let is_raised = files.iter().any(|file| comes_from(file, *place));
            assert!(is_raised, "{code}: nothing tells it in {place:?}, but {files:?}");
        }
    }
}

#[test]
fn each_area_is_sorted_and_each_place_has_one_meaning_of_a_code() {
    for area in codes::AREAS {
        let names: Vec<_> = area.entries.iter().map(|entry| entry.code).collect();
        assert!(names.is_sorted(), "{}: {names:?}", area.title);
    }
    for (code, entries) in codes::all() {
        let places: Vec<_> = entries.iter().flat_map(|entry| entry.places).collect();
        let different: BTreeSet<_> = places.iter().collect();
        assert_eq!(different.len(), places.len(), "{code}: {places:?}");
    }
}

#[test]
fn causes_and_remedies_are_sentences() {
    for Entry { code, places, cause, remedy, stream_analytics, .. } in entries() {
        for text in [cause, remedy] {
            let is_sentence = text.ends_with('.') && !text.contains("  ") && !text.contains('\n');
            assert!(is_sentence && text.len() >= 5, "{code}: {text:?}");
            assert!(text.len() <= 300, "{code}: {} bytes are more than a remedy", text.len());
        }
        assert!(is_capital(code) && !places.is_empty(), "{code}");
        let is_row = *places == [Place::Row];
        // Kafka's own verdict on what a record holds has no like there.
        let has_one = is_row && *code != "ROW_REFUSED";
        assert_eq!(stream_analytics.is_some(), has_one, "{code}");
    }
}
