//! Documentation tells codes that there are, and `docs/errors.md` all of them.
use std::{collections::BTreeSet, env, fs, path::Path};

use kafka_output::codes;

use super::{
    root,
    words::{OTHERS, is_capital},
};

/// Words in pages and in the contract that look like codes.
#[rustfmt::skip]
const OF_OTHERS: [&str; 26] = [
    // Codes of gRPC, and values of the contract.
    "BEST_EFFORT", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
    // Kafka's errors and rights.
    "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "INVALID_PRODUCER_EPOCH", "INVALID_PRODUCER_ID_MAPPING",
    "OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID",
    // Variables of the tests, and of emulators.
    "ENTRA_EMULATOR", "KAFKA_OUTPUT_BIN", "KAFKA_OUTPUT_LONG", "KAFKA_OUTPUT_SEED",
    "KAFKA_OUTPUT_SEEDS", "KAFKA_OUTPUT_UPDATE_DOCS", "KEYVAULT_EMULATOR",
    // Of OpenTelemetry, and of programs that ask the web.
    "HTTPS_PROXY", "HTTP_PROXY", "OTEL_EXPORTER_OTLP_HEADERS",
    // Of Linux, and of Python's csv.
    "PR_SET_DUMPABLE", "QUOTE_NOTNULL", "RLIMIT_CORE",
];

#[test]
fn the_page_of_errors_is_the_catalogue() {
    let (path, page) = (root().join("docs/errors.md"), codes::page());
    if env::var_os("KAFKA_OUTPUT_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, made)| written != made);
    assert!(
        written == page,
        "docs/errors.md is not what the catalogue says, first here: {differs:?}; \
         KAFKA_OUTPUT_UPDATE_DOCS=1 cargo test --release --test codes writes it anew"
    );
}

#[test]
fn every_code_has_an_anchor_and_every_link_one() {
    let page = codes::page();
    let anchors: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    assert!(codes::all().keys().all(|code| anchors.contains(&code.to_lowercase())));
    let links = page.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap());
    let links: BTreeSet<_> = links.map(str::to_owned).collect();
    assert_eq!(links, anchors);
}

/// The pages that people read, without the one that is made.
fn pages(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md")
            && !path.ends_with("docs/errors.md")
        {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn pages_and_contract_name_codes_that_there_are() {
    let mut texts = vec![
        fs::read_to_string(root().join("README.md")).unwrap(),
        fs::read_to_string(root().join("CHANGELOG.md")).unwrap(),
    ];
    pages(&root().join("docs"), &mut texts);
    // Of the contract its comments alone: names of values are its own.
    for name in ["service.proto", "rows.proto"] {
        let text = fs::read_to_string(root().join("proto/kafkaoutput/v1").join(name)).unwrap();
        texts.extend(
            text.lines().filter_map(|line| line.split_once("//")).map(|(_, said)| said.into()),
        );
    }
    let known = codes::all();
    let (mut told, mut unknown, mut unused) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::from(OF_OTHERS));
    for text in &texts {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| is_capital(word) && word.contains('_')) {
            unused.remove(word);
            if known.contains_key(word) {
                told.insert(word);
            } else if !OTHERS.contains(&word) && !OF_OTHERS.contains(&word) {
                unknown.insert(word);
            }
        }
    }
    assert!(unknown.is_empty(), "neither codes nor other words: {unknown:?}");
    assert!(unused.is_empty(), "no page has the words {unused:?}");
    assert!(told.len() >= 60, "{} codes were found", told.len());
}
