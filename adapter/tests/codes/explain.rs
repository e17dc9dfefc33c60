//! `explain` as a person and a script see it: the built binary.
use std::process::{Command, Output};

use kafka_output::codes;
use serde_json::Value;

const DONE: Option<i32> = Some(0);
const WRONG_USAGE: Option<i32> = Some(2);

fn explain(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-output"));
    command.arg("explain").args(args).env_remove("KAFKA_OUTPUT_LOG").output().unwrap()
}

fn told(args: &[&str]) -> String {
    let output = explain(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((said.as_str(), output.status.code()), ("", DONE));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = explain(args);
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], WRONG_USAGE));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_code_is_explained_with_all_that_it_may_mean() {
    let told_once = told(&["NON_FINITE"]);
    assert_eq!(
        told_once,
        "NON_FINITE\n\n  \
         cause             The value is NaN or infinite, for which the format has no number, and \
         `nonFinite` is `Error`.\n  \
         remedy            Leave such values out in the query, or set `nonFinite` to `Null` or \
         `String`.\n  \
         told              refuses a row\n  \
         rows written      no\n  \
         trying again      never as it is\n  \
         Stream Analytics  OutputDataConversionError.TypeConversionError\n"
    );
    let told_twice = told(&["OUT_OF_RANGE"]);
    for cause in ["beyond what the key may have", "The type of the column or of the record"] {
        assert!(told_twice.contains(cause), "{told_twice}");
    }
}

#[test]
fn a_code_is_known_in_any_case_and_with_hyphens() {
    assert_eq!(told(&["non-finite"]), told(&["NON_FINITE"]));
}

#[test]
fn a_script_gets_an_object() {
    for args in [["TOPIC_NOT_FOUND", "--output", "json"], ["--output", "json", "TOPIC_NOT_FOUND"]] {
        let told: Value = serde_json::from_str(&told(&args)).unwrap();
        let meant = &codes::all()["TOPIC_NOT_FOUND"];
        assert_eq!(told["code"], "TOPIC_NOT_FOUND");
        assert_eq!(told["meanings"].as_array().unwrap().len(), meant.len());
        let first = &told["meanings"][0];
        assert_eq!(first["cause"], meant[0].cause);
        assert_eq!(first["remedy"], meant[0].remedy);
        assert_eq!(first["rowsWritten"], "no");
        assert_eq!(first["retry"], "afterChange");
        assert_eq!(first["places"][0], "waits");
        assert_eq!(first["streamAnalytics"], Value::Null);
    }
}

#[test]
fn without_a_code_all_are_listed() {
    let (text, json) = (told(&[]), told(&["--output", "json"]));
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = codes::all();
    assert!(lines.iter().map(|line| line["code"].as_str().unwrap()).eq(all.keys().copied()));
    for entry in all.values().flatten() {
        let line = format!("\n  {}  {}\n", entry.code, entry.cause);
        assert!(text.contains(&line), "{line}");
    }
}

#[test]
fn a_misspelled_code_is_refused_with_what_is_near() {
    let said = refused(&["TOPIC_NOT_FOND"]);
    assert!(said.contains("no such code; near it: TOPIC_NOT_FOUND"), "{said}");
    let said = refused(&["PASSWORD_MISING"]);
    assert!(said.contains("near it: PASSWORD_MISSING"), "{said}");
    let said = refused(&["WHATEVER_THIS_IS"]);
    assert!(said.contains("no such code; `kafka-output explain` lists all"), "{said}");
    refused(&[&"X".repeat(100_000)]);
}
