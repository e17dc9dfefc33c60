//! The kept inputs, the seeds and damaged ones of both, through every target.
#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fuzz::{
    TARGETS, Target,
    mutate::{Random, mutate},
    seeds,
};

/// `scripts/test --long` runs so many times as many damaged inputs.
const LONG: usize = 50;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The kept inputs of a target, by name.
fn kept(target: Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs = entries
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect::<Vec<_>>();
    assert!(!inputs.is_empty(), "{} holds no inputs", folder.display());
    inputs.sort();
    inputs
}

/// Runs an input; one that fails is saved and named.
fn run(target: Target, name: &str, input: &[u8]) {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if let Err(panic) = result {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-failed", target.name));
        fs::write(&path, input).unwrap();
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        panic!("{} fails for {name}, saved as {}: {text}", target.name, path.display());
    }
}

/// Runs the kept inputs and the seeds of a target, then so many damaged ones.
fn replay(name: &str, mutants: usize) {
    let target = fuzz::target(name);
    let mut inputs = kept(target);
    inputs.extend(seeds::of(name));
    for (name, input) in &inputs {
        run(target, name, input);
    }
    let mut random = Random::of(name);
    let long = env::var_os("KAFKA_OUTPUT_LONG").is_some();
    for index in 0..if long { LONG * mutants } else { mutants } {
        let (name, input) = &inputs[index % inputs.len()];
        let (_, other) = &inputs[random.below(inputs.len())];
        run(target, &format!("mutant {index} of {name}"), &mutate(input, other, &mut random));
    }
}

#[test]
fn arrow_batches() {
    replay("ipc", 60_000);
}

#[test]
fn typed_rows() {
    replay("typed", 60_000);
}

#[test]
fn lines_of_json() {
    replay("json_lines", 40_000);
}

#[test]
fn schemas_of_arrow_and_by_hand() {
    replay("ipc_schema", 40_000);
    replay("columns", 40_000);
}

#[test]
fn job_files() {
    replay("job", 20_000);
}

#[test]
fn key_material() {
    replay("material", 10_000);
}

#[test]
fn text_files() {
    replay("csv", 20_000);
    replay("jsonl", 20_000);
}

#[test]
fn arrow_files() {
    replay("arrow", 2_000);
}

#[test]
fn parquet_files() {
    replay("parquet", 10_000);
}

/// Nothing is kept for a target that is gone, and none of the tests above forgets one.
#[test]
fn every_target_has_its_folder_and_its_test() {
    let folders = fs::read_dir(corpus()).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut folders = folders.collect::<Vec<_>>();
    folders.sort();
    let mut targets = TARGETS.map(|target| target.name);
    targets.sort();
    assert_eq!(folders, targets);
    for target in targets {
        assert!(include_str!("corpus.rs").contains(&format!("replay(\"{target}\", ")), "{target}");
    }
}
