//! The map in the README holds: what is said to be absent is absent.
#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]
use std::{
    fs,
    path::{Path, PathBuf},
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

/// Files below `folder` that name a crate in code, but for those below `allowed`.
fn naming(folder: &str, name: &str, allowed: &[&str]) -> Vec<String> {
    let path = format!("{name}::");
    let uses = [
        format!("use {name};"),
        format!("use {name}::"),
        format!("({path}"),
        format!("<{path}"),
        format!(" {path}"),
        format!("&{path}"),
    ];
    sources(folder)
        .into_iter()
        .filter(|(file, _)| !allowed.iter().any(|allowed| file.starts_with(allowed)))
        .filter(|(_, text)| {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            code.into_iter().any(|line| uses.iter().any(|used| line.contains(used)))
        })
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
    for name in ["std::fs", "std::net", "std::thread", "std::io"] {
        assert_eq!(naming("serializers/src", name, &[]), NONE, "serializers do no I/O");
    }
}

#[test]
fn proto_and_serializers_know_nothing_of_each_other_or_of_the_adapter() {
    for package in ["proto", "serializers"] {
        let dependencies = dependencies(package);
        for name in ["proto", "serializers", "kafka-output"].iter().filter(|name| **name != package)
        {
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
    let allowed = ["adapter/src/grpc/", "adapter/src/client/", "adapter/src/send/"];
    assert_eq!(naming("adapter/src", "proto", &allowed), NONE, "`proto`");
}

#[test]
fn only_kafka_names_librdkafka_and_unsafe_code() {
    assert_eq!(naming("adapter/src", "rdkafka", &["adapter/src/kafka/"]), NONE);
    for (file, text) in sources("adapter/src").into_iter().chain(sources("serializers/src")) {
        if !file.starts_with("adapter/src/kafka/") {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = code
                .into_iter()
                .any(|line| line.contains("unsafe {") || line.contains("unsafe impl"));
            assert!(!found, "{file} has unsafe code");
        }
    }
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
fn one_place_opens_a_secret() {
    let opening: Vec<_> = sources("adapter/src")
        .into_iter()
        .filter(|(file, text)| !file.starts_with("adapter/src/job/") && text.contains(".expose()"))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(opening, ["adapter/src/kafka/settings.rs"]);
}

#[test]
fn every_module_says_its_duty_first() {
    for folder in ["adapter/src", "serializers/src", "proto/src", "tests/src"] {
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
