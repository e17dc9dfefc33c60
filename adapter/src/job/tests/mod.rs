//! Tests of the job file as a whole.

mod accepted;
mod effective;
mod faults;
mod formats;
mod formats_refused;
mod robust;
mod secrecy;
mod security;
mod security_callers;
mod security_event_hubs;
mod security_identity;
mod security_refused;

use super::{Job, parse};

/// Every key. It names a file beside it.
const FULL: &str = include_str!("../../../../examples/job-full.yaml");
/// What the text of [`FULL`] is read as.
const FULL_FILE: &str = "../examples/job-full.yaml";

/// Reads a job file that has faults, and compares what a person would read. Both texts begin on a
/// line of their own.
fn check(yaml: &str, expected: &str) {
    let shown = faults(&yaml[1..]);
    assert!(shown == expected[1..], "expected:\n{}\nfound:\n{shown}", &expected[1..]);
}

/// An output that is right, with which a job file may end or go on.
const OUTPUT: &str = "outputs:\n  - alias: a\n    topic: t\n    bootstrapServers: kafka:9092\n";

/// An identity and a vault, for [`check_output_in`].
const VAULT: &str = "identity: { type: systemAssigned }\nvault: https://contoso.vault.azure.net\n";

/// As [`check`], of a job whose one output has these keys more, from line 6 on.
fn check_output(keys: &str, expected: &str) {
    check_output_in("", keys, expected);
}

/// As [`check_output`], of a job with these lines more, behind the first.
fn check_output_in(head: &str, keys: &str, expected: &str) {
    check(&format!("\nname: j\n{head}{OUTPUT}{}", &keys[1..]), expected);
}

/// As [`check`], of what stands below `listen.grpc`, from line 4 on.
fn check_listen(keys: &str, expected: &str) {
    check(&format!("\nname: j\nlisten:\n  grpc:\n{}{OUTPUT}", &keys[1..]), expected);
}

/// What a person reads of the faults of a job file.
fn faults(yaml: &str) -> String {
    parse("job.yaml", yaml).expect_err("the job file has faults").to_string()
}

/// Reads a job file without faults.
fn job(yaml: &str) -> Job {
    parse("job.yaml", yaml).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Reads what the effective configuration says, which must be the same job.
fn read_back(job: &Job) {
    let printed = job.to_json();
    let read_again = parse("printed.json", &printed.to_string()).unwrap();
    assert_eq!(&read_again, job);
    assert_eq!(read_again.to_json(), printed);
}

/// A job with one output, which has these keys beside the ones it must have.
fn with_output(keys: &str) -> String {
    let keys = keys.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!("name: j\noutputs:\n  - alias: a\n    topic: t\n    bootstrapServers: k:9092\n{keys}")
}
