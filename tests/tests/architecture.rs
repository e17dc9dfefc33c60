//! The map in the README holds: what is said to be absent is absent.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below a folder, with its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let (root, mut found, mut folders) = (root(), Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// The words of a file's code, comments left out.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// Files below `folder` that use a word in code, but for those below `allowed`.
fn naming(folder: &str, word: &str, allowed: &[&str]) -> Vec<String> {
    sources(folder)
        .into_iter()
        .filter(|(file, _)| !allowed.iter().any(|allowed| file.starts_with(allowed)))
        .filter(|(_, text)| words(text).any(|found| found == word))
        .map(|(file, _)| file)
        .collect()
}

fn dependencies(package: &str) -> String {
    let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    let start = manifest.find("[dependencies]").unwrap();
    let rest = &manifest[start + 1..];
    rest[..rest.find("\n[").unwrap_or(rest.len())].to_owned()
}

const NONE: [String; 0] = [];

#[test]
fn serializers_are_pure() {
    let dependencies = dependencies("serializers");
    for name in ["tokio", "tonic", "rdkafka", "prost", "proto", "keyvault", "kafka-output"] {
        let stated = dependencies.lines().any(|line| line.starts_with(name));
        assert!(!stated, "serializers must not depend on `{name}`");
    }
    for name in ["fs", "net", "thread", "File", "TcpStream", "tokio"] {
        assert_eq!(naming("serializers/src", name, &[]), NONE, "serializers do no I/O");
    }
    // What its dependencies bring along counts as well.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "serializers", "-e", "normal", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.starts_with("serializers "), "{tree}");
    for name in ["tokio ", "tonic ", "rdkafka", "prost "] {
        assert!(!tree.lines().any(|line| line.starts_with(name)), "serializers bring {name}");
    }
}

#[test]
fn proto_serializers_and_keyvault_know_nothing_of_each_other_or_of_the_adapter() {
    for package in ["proto", "serializers", "keyvault"] {
        let dependencies = dependencies(package);
        let others = ["proto", "serializers", "keyvault", "kafka-output"];
        for name in others.iter().filter(|name| **name != package) {
            let stated =
                dependencies.lines().any(|line| line.split([' ', '.']).next() == Some(name));
            assert!(!stated, "{package} must not depend on `{name}`");
        }
    }
}

#[test]
fn only_grpc_and_the_client_name_tonic_and_the_contract() {
    let allowed = ["adapter/src/grpc/", "adapter/src/client/"];
    for name in ["tonic", "tonic_types", "tonic_health", "tonic_reflection"] {
        assert_eq!(naming("adapter/src", name, &allowed), NONE, "`{name}`");
    }
    // `send` is built on the client and reads its answers.
    let allowed = [
        "adapter/src/grpc/",
        "adapter/src/client/",
        "adapter/src/send/",
        // Encodes rows as engines do.
        "adapter/src/rows/text/tests.rs",
    ];
    assert_eq!(naming("adapter/src", "proto", &allowed), NONE, "`proto`");
}

#[test]
fn only_kafka_names_librdkafka_and_unsafe_code() {
    let kafka = ["adapter/src/kafka/"];
    for name in ["rdkafka", "rdkafka_sys", "unsafe"] {
        assert_eq!(naming("adapter/src", name, &kafka), NONE, "`{name}`");
    }
    let admin = ["adapter/src/kafka/admin/"];
    assert_eq!(naming("adapter/src", "kafka_protocol", &admin), NONE, "raw requests");
    // `#![forbid(unsafe_code)]` is another word.
    assert_eq!(naming("serializers/src", "unsafe", &[]), NONE);
}

#[test]
fn the_client_stands_alone() {
    for (file, text) in sources("adapter/src/client") {
        for line in text.lines().filter(|line| line.contains("crate::")) {
            assert!(line.contains("crate::client"), "{file}: {line}");
        }
    }
}

#[test]
fn keyvault_knows_neither_kafka_nor_grpc_and_alone_asks_azure() {
    let dependencies = dependencies("keyvault");
    for name in ["rdkafka", "tonic", "prost", "serde-saphyr"] {
        let stated = dependencies.lines().any(|line| line.starts_with(name));
        assert!(!stated, "keyvault must not depend on `{name}`");
    }
    for name in ["azure_core", "azure_identity", "rc2"] {
        assert_eq!(naming("adapter/src", name, &[]), NONE, "`{name}`");
    }
    // Spans go to a collector over HTTP.
    assert_eq!(naming("adapter/src", "reqwest", &["adapter/src/traces/"]), NONE);
    assert_eq!(naming("keyvault/src", "unsafe", &[]), NONE);
}

/// A secret is opened where it leaves for librdkafka, or for a handshake, and where its form is
/// judged; nowhere else.
#[test]
fn few_places_open_a_secret() {
    let mut opening: Vec<_> = sources("adapter/src")
        .into_iter()
        .map(|(file, text)| {
            // Tests look at what they have put in.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            (file, code.contains(".expose()") || code.contains(".expose_text()"))
        })
        .filter_map(|(file, opens)| opens.then_some(file))
        .collect();
    opening.sort();
    assert_eq!(
        opening,
        [
            "adapter/src/client/security.rs",
            "adapter/src/diagnose/connection_string.rs",
            "adapter/src/diagnose/sasl.rs",
            // SCRAM proves the password without sending it.
            "adapter/src/diagnose/scram.rs",
            "adapter/src/diagnose/token.rs",
            "adapter/src/kafka/client/text.rs",
        ]
    );
}

#[test]
fn the_diagnosis_and_the_catalogue_of_codes_stand_alone() {
    for folder in ["adapter/src/diagnose", "adapter/src/codes"] {
        for (file, text) in sources(folder) {
            assert!(!text.contains("crate::"), "{file} knows nothing else of the adapter");
        }
    }
}

#[test]
fn every_module_says_its_duty_first() {
    for folder in
        ["adapter/src", "serializers/src", "keyvault/src", "proto/src", "tests/src", "fuzz/src"]
    {
        for (file, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{file} starts with a sentence on its duty");
        }
    }
}

#[test]
fn the_readme_lists_every_exit_code() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let exit = fs::read_to_string(root().join("adapter/src/exit.rs")).unwrap();
    let codes = exit.lines().filter_map(|line| line.trim().strip_suffix(','));
    let codes: Vec<_> = codes.filter_map(|line| line.split_once(" = ")).collect();
    assert_eq!(codes.len(), 6);
    for (_, code) in codes {
        assert!(readme.contains(&format!("| {code} |")), "the README explains exit code {code}");
    }
}
