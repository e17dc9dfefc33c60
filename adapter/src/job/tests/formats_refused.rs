//! Every fault of formats and of packing with the text that a person reads.

use std::{process::Command, sync::mpsc, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    super::{FILE_BYTES_MAX, json_schema, load, parse},
    check, with_output,
};

#[test]
fn a_key_of_another_format_is_a_conflict() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization:
      type: Csv
      format: Array
      codec: Snappy
",
        "
job.yaml:8:15: error[CONFLICT]: `format` belongs to `type: Json`, but line 7 says `type: Csv`
 8 |       format: Array
   |               ^^^^^
   = help: take `format` out, or write `type: Json`
job.yaml:9:14: error[CONFLICT]: `codec` belongs to `type: Avro`, but line 7 says `type: Csv`
 9 |       codec: Snappy
   |              ^^^^^^
   = help: take `codec` out, or write `type: Avro`
2 faults in job.yaml
",
    );
}

#[test]
fn a_key_of_another_format_than_the_default_is_a_conflict() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { delimiter: Tab, schemaFile: x.avsc }
",
        "
job.yaml:6:33: error[CONFLICT]: `delimiter` belongs to `type: Csv`, but `type` is `Json` by default
 6 |     serialization: { delimiter: Tab, schemaFile: x.avsc }
   |                                 ^^^
   = help: take `delimiter` out, or write `type: Csv`
job.yaml:6:50: error[CONFLICT]: `schemaFile` belongs to `type: Avro`, but `type` is `Json` by default
 6 |     serialization: { delimiter: Tab, schemaFile: x.avsc }
   |                                                  ^^^^^^
   = help: take `schemaFile` out, or write `type: Avro`
2 faults in job.yaml
",
    );
}

/// Whichever key the JSON Schema has: one that no list of formats names would be accepted in
/// silence where it has no effect.
#[test]
fn every_key_belongs_to_some_formats() {
    let schema = json_schema();
    let properties = schema["$defs"]["Serialization"]["properties"].as_object().unwrap();
    let mut checked = 0;
    for (key, property) in properties.iter().filter(|(key, _)| *key != "type") {
        let of = ["/$ref", "/anyOf/0/$ref"].iter().find_map(|at| property.pointer(at));
        let of = of.and_then(|of| schema.pointer(&of.as_str().unwrap()[1..]));
        let value = match of {
            Some(of) => of["oneOf"][0]["const"].clone(),
            None if property["type"].to_string().contains("boolean") => Value::Bool(true),
            None if property["type"].to_string().contains("integer") => Value::from(1),
            None => Value::from("x"),
        };
        let belongs = ["Json", "Csv", "Avro", "Avro, framing: Confluent"].map(|kind| {
            let yaml = with_output(&format!("serialization: {{ type: {kind}, {key}: {value} }}"));
            let faults = parse("job.yaml", &yaml).err();
            let path = format!("outputs[0].serialization.{key}");
            let mut list = faults.iter().flat_map(|faults| &faults.list);
            !list.any(|fault| fault.code == "CONFLICT" && fault.path == path)
        });
        assert!(belongs.contains(&true), "`{key}: {value}` belongs to no format");
        assert!(belongs.contains(&false), "`{key}: {value}` has an effect in no format alone");
        checked += 1;
    }
    assert!(checked >= 16, "{checked} keys were found in the schema");
}

#[test]
fn a_key_of_two_formats_names_both() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, timestamps: EpochSeconds }
",
        "
job.yaml:6:46: error[CONFLICT]: `timestamps` belongs to `type: Json` and `type: Csv`, but line 6 says `type: Avro`
 6 |     serialization: { type: Avro, timestamps: EpochSeconds }
   |                                              ^^^^^^^^^^^^
   = help: take `timestamps` out, or write `type: Json` or `type: Csv`
",
    );
}

#[test]
fn a_key_of_another_framing_is_a_conflict() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization:
      type: Avro
      schemaId: 17
      framing: SingleObject
      codec: Deflate
",
        "
job.yaml:8:17: error[CONFLICT]: `schemaId` belongs to `framing: Confluent`, but line 9 says `framing: SingleObject`
 8 |       schemaId: 17
   |                 ^^
   = help: take `schemaId` out, or write `framing: Confluent`
job.yaml:10:14: error[CONFLICT]: `codec` belongs to `framing: Container`, but line 9 says `framing: SingleObject`
 10 |       codec: Deflate
    |              ^^^^^^^
    = help: take `codec` out, or write `framing: Container`
2 faults in job.yaml
",
    );
}

#[test]
fn a_key_of_another_framing_than_the_default_is_a_conflict() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, schemaId: 17 }
",
        "
job.yaml:6:44: error[CONFLICT]: `schemaId` belongs to `framing: Confluent`, but `framing` is `Container` by default
 6 |     serialization: { type: Avro, schemaId: 17 }
   |                                            ^^
   = help: take `schemaId` out, or write `framing: Confluent`
",
    );
}

#[test]
fn a_conflict_with_defaults_is_shown_where_it_stands() {
    check(
        "
name: j
defaults:
  bootstrapServers: kafka:9092
  serialization: { type: Avro, framing: Raw, codec: Snappy }
outputs:
  - { alias: a, topic: t }
  - alias: b
    topic: t
    serialization: { header: true }
",
        "
job.yaml:4:53: error[CONFLICT]: `codec` belongs to `framing: Container`, but line 4 says `framing: Raw`
 4 |   serialization: { type: Avro, framing: Raw, codec: Snappy }
   |                                                     ^^^^^^
   = help: take `codec` out, or write `framing: Container`
job.yaml:9:30: error[CONFLICT]: `header` belongs to `type: Csv`, but line 4 says `type: Avro`
 9 |     serialization: { header: true }
   |                              ^^^^
   = help: take `header` out, or write `type: Csv`
2 faults in job.yaml
",
    );
}

#[test]
fn a_given_schema_has_its_own_name() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, schemaFile: ../examples/flight-delays.avsc, name: A, namespace: b }
",
        "
job.yaml:6:84: error[CONFLICT]: `name` is for a schema derived from the columns, but `schemaFile` gives one
 6 |     serialization: { type: Avro, schemaFile: ../examples/flight-delays.avsc, name: A, namespace: b }
   |                                                                                    ^
   = help: take `name` out: the file says it; or take `schemaFile` out
job.yaml:6:98: error[CONFLICT]: `namespace` is for a schema derived from the columns, but `schemaFile` gives one
 6 |     serialization: { type: Avro, schemaFile: ../examples/flight-delays.avsc, name: A, namespace: b }
   |                                                                                                  ^
   = help: take `namespace` out: the file says it; or take `schemaFile` out
2 faults in job.yaml
",
    );
}

#[test]
fn a_framing_with_an_id_needs_one() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization:
      type: Avro
      framing: Confluent
",
        "
job.yaml:6:5: error[MISSING_KEY]: `framing: Confluent` needs `schemaId`, which is not there
 6 |     serialization:
   |     ^^^^^^^^^^^^^
   = help: add `schemaId`, the id under which the schema is registered
",
    );
}

#[test]
fn a_schema_id_is_one_of_a_registry() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, framing: Confluent, schemaId: 0 }
",
        "
job.yaml:6:64: error[OUT_OF_RANGE]: `schemaId` is 0, which is out of its range
 6 |     serialization: { type: Avro, framing: Confluent, schemaId: 0 }
   |                                                                ^
   = help: write a whole number from 1 to 2147483647
",
    );
}

#[test]
fn names_are_what_avro_takes() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, name: flight delay, namespace: org.3d }
",
        "
job.yaml:6:40: error[INVALID_VALUE]: `name` is not a name that Avro allows: it may have A-Z, a-z, 0-9 and _, and begins with no digit
 6 |     serialization: { type: Avro, name: flight delay, namespace: org.3d }
   |                                        ^^^^^^^^^^^^
   = help: write words such as `FlightDelay` or `org.example`
job.yaml:6:65: error[INVALID_VALUE]: `namespace` is not a name that Avro allows: it may have A-Z, a-z, 0-9 and _, and begins with no digit
 6 |     serialization: { type: Avro, name: flight delay, namespace: org.3d }
   |                                                                 ^^^^^^
   = help: write words such as `FlightDelay` or `org.example`
2 faults in job.yaml
",
    );
}

#[test]
fn a_null_text_is_never_quoted() {
    check(
        r#"
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Csv, nullText: "not available" }
"#,
        r#"
job.yaml:6:43: error[INVALID_VALUE]: `nullText` may not hold a space: it is never quoted, so quotes, line breaks and delimiters would be misread
 6 |     serialization: { type: Csv, nullText: "not available" }
   |                                           ^^^^^^^^^^^^^^^
   = help: write a short text such as NULL, in quotes for YAML: `nullText: "NULL"`
"#,
    );
}

#[test]
fn a_null_text_is_short() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Csv, nullText: this-value-was-not-there-at-all-sorry }
",
        r#"
job.yaml:6:43: error[INVALID_VALUE]: `nullText` has 37 bytes, more than 32
 6 |     serialization: { type: Csv, nullText: this-value-was-not-there-at-all-sorry }
   |                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: write a short text such as NULL, in quotes for YAML: `nullText: "NULL"`
"#,
    );
}

#[test]
fn a_word_that_yaml_reads_as_nothing_needs_quotes() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization:
      type: Csv
      nullText: NULL
      nonFinite:
",
        "
job.yaml:8:7: error[WRONG_TYPE]: `nullText` has no value
 8 |       nullText: NULL
   |       ^^^^^^^^
   = help: put quotes around it: YAML reads this word as nothing
job.yaml:9:7: error[WRONG_TYPE]: `nonFinite` has no value
 9 |       nonFinite:
   |       ^^^^^^^^^
   = help: write `nonFinite: Null`, or another value
2 faults in job.yaml
",
    );
}

#[test]
fn the_formats_are_listed() {
    check(
        r#"
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Parquet, delimiter: "," }
"#,
        r#"
job.yaml:6:28: error[UNKNOWN_VALUE]: `Parquet` is not a value of `type`
 6 |     serialization: { type: Parquet, delimiter: "," }
   |                            ^^^^^^^
   = help: the values are `Json`, `Csv` and `Avro`
job.yaml:6:48: error[UNKNOWN_VALUE]: `,` is not a value of `delimiter`
 6 |     serialization: { type: Parquet, delimiter: "," }
   |                                                ^^^
   = help: the values are `Comma`, `Semicolon`, `Space`, `Tab` and `VerticalBar`
2 faults in job.yaml
"#,
    );
}

#[test]
fn a_schema_file_is_there() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization: { type: Avro, schemaFile: schemas/delays.avsc }
",
        "
job.yaml:6:46: error[SCHEMA_FILE_UNREADABLE]: `schemaFile` names the file `schemas/delays.avsc`, which cannot be read: No such file or directory (os error 2)
 6 |     serialization: { type: Avro, schemaFile: schemas/delays.avsc }
   |                                              ^^^^^^^^^^^^^^^^^^^
   = help: check the path, which begins at the folder of the job file, and whether this user may read the file
",
    );
}

#[test]
fn records_of_one_row_are_not_packed() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    serialization:
      type: Avro
      framing: Confluent
      schemaId: 3
    packing: { rows: 100 }
",
        "
job.yaml:10:5: error[CONFLICT]: `packing` puts several rows into a record, but line 8 says `framing: Confluent`
 10 |     packing: { rows: 100 }
    |     ^^^^^^^
    = help: take `packing` out (`packing: { rows: 1 }` in an output that has it from `defaults`), or write `framing: Container`, whose records hold several rows
",
    );
}

#[test]
fn packing_that_defaults_lend_can_be_refused() {
    check(
        "
name: j
defaults: { bootstrapServers: kafka:9092, packing: { time: 1s } }
outputs:
  - { alias: a, topic: t }
  - { alias: b, topic: t, serialization: { type: Avro, framing: Raw } }
",
        "
job.yaml:2:43: error[CONFLICT]: `packing` puts several rows into a record, but line 5 says `framing: Raw`
 2 | defaults: { bootstrapServers: kafka:9092, packing: { time: 1s } }
   |                                           ^^^^^^^
   = help: take `packing` out (`packing: { rows: 1 }` in an output that has it from `defaults`), or write `framing: Container`, whose records hold several rows
",
    );
}

#[test]
fn packing_stays_in_its_range() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    packing: { rows: 0, bytes: 200 MiB, time: 2m }
",
        "
job.yaml:6:22: error[OUT_OF_RANGE]: `rows` is 0, which is out of its range
 6 |     packing: { rows: 0, bytes: 200 MiB, time: 2m }
   |                      ^
   = help: write a whole number from 1 to 1000000
job.yaml:6:32: error[OUT_OF_RANGE]: `bytes` is 200 MiB, which is out of its range
 6 |     packing: { rows: 0, bytes: 200 MiB, time: 2m }
   |                                ^^^^^^^
   = help: write at most 100 MiB
job.yaml:6:47: error[OUT_OF_RANGE]: `time` is 2m, which is out of its range
 6 |     packing: { rows: 0, bytes: 200 MiB, time: 2m }
   |                                               ^^
   = help: write at most 1m
3 faults in job.yaml
",
    );
}

#[test]
fn packing_of_one_row_has_no_other_keys() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    packing: { rows: 1, bytes: 1 KiB, time: 5s }
",
        "
job.yaml:6:32: error[CONFLICT]: `bytes` is for records of several rows, but line 6 says `rows: 1`
 6 |     packing: { rows: 1, bytes: 1 KiB, time: 5s }
   |                                ^^^^^
   = help: take `bytes` out, or write more `rows`
job.yaml:6:45: error[CONFLICT]: `time` is for records of several rows, but line 6 says `rows: 1`
 6 |     packing: { rows: 1, bytes: 1 KiB, time: 5s }
   |                                             ^^
   = help: take `time` out, or write more `rows`
2 faults in job.yaml
",
    );
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    packing: { rows: 1, tooLarge: Split }
",
        "
job.yaml:6:35: error[CONFLICT]: `tooLarge` is for records of several rows, but line 6 says `rows: 1`
 6 |     packing: { rows: 1, tooLarge: Split }
   |                                   ^^^^^
   = help: take `tooLarge` out, or write more `rows`
",
    );
    // An output may refuse what `defaults` lend it, but not add to what they refuse.
    check(
        "
name: j
defaults: { bootstrapServers: kafka:9092, packing: { rows: 1, bytes: 1 KiB } }
outputs:
  - { alias: a, topic: t }
  - { alias: b, topic: t, packing: { time: 5s } }
",
        "
job.yaml:2:70: error[CONFLICT]: `bytes` is for records of several rows, but line 2 says `rows: 1`
 2 | defaults: { bootstrapServers: kafka:9092, packing: { rows: 1, bytes: 1 KiB } }
   |                                                                      ^^^^^
   = help: take `bytes` out, or write more `rows`
job.yaml:5:44: error[CONFLICT]: `time` is for records of several rows, but line 2 says `rows: 1`
 5 |   - { alias: b, topic: t, packing: { time: 5s } }
   |                                            ^^
   = help: take `time` out, or write more `rows`
2 faults in job.yaml
",
    );
}

#[test]
fn a_packed_record_has_room_in_a_batch() {
    check(
        "
name: j
memory: 32 MiB
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    packing: { bytes: 100 MiB }
",
        "
job.yaml:7:23: error[CONFLICT]: `bytes` is 100 MiB, more than an eighth of `memory`, 32 MiB: no batch has so many bytes of records
 7 |     packing: { bytes: 100 MiB }
   |                       ^^^^^^^
   = help: write at most 4 MiB, or raise `memory`
",
    );
}

/// What is wrong with a job whose schema file holds these bytes; the folder is left out.
fn fault_of_schema(schema: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.avsc"), schema).unwrap();
    fault_in(&folder)
}

/// What is wrong with a job whose schema is the file `s.avsc` in this folder, which is left out.
fn fault_in(folder: &TempDir) -> String {
    let yaml = with_output("serialization: { type: Avro, schemaFile: s.avsc }");
    std::fs::write(folder.path().join("job.yaml"), yaml).unwrap();
    let faults = load(&folder.path().join("job.yaml")).unwrap_err();
    let [fault] = faults.list.as_slice() else { panic!("{faults}") };
    assert_eq!((fault.line, fault.column), (6, 46));
    let text = format!("{}: {} ({})", fault.code, fault.message, fault.help);
    text.replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn a_schema_file_is_a_regular_file() {
    let refused = "SCHEMA_FILE_UNREADABLE: `schemaFile` names the file `FOLDER/s.avsc`, which \
                   cannot be read: it is not a regular file (check the path, which begins at the \
                   folder of the job file, and whether this user may read the file)";
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("s.avsc")).unwrap();
    assert_eq!(fault_in(&folder), refused);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("s.avsc");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Whoever opens it waits until somebody writes.
    let (said, fault) = mpsc::channel();
    std::thread::spawn(move || said.send(fault_in(&folder)));
    assert_eq!(fault.recv_timeout(Duration::from_secs(30)).unwrap(), refused);
}

#[test]
fn a_schema_file_that_is_no_schema_is_named_with_the_place() {
    let field = |of: &str| {
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"n","type":{of}}}]}}"#)
    };
    assert_eq!(
        fault_of_schema(field("\"lang\"").as_bytes()),
        "AVRO_SCHEMA_INVALID: `schemaFile` names the file `FOLDER/s.avsc`, but the Avro schema is \
         not valid at fields[0].type: `lang` is no type, nor a name defined before (correct the \
         schema in that file, or name another file)"
    );
    assert_eq!(
        fault_of_schema(b"{"),
        "AVRO_SCHEMA_INVALID: `schemaFile` names the file `FOLDER/s.avsc`, but the Avro schema is \
         not valid at the top level: it is not JSON: EOF while parsing an object at line 1 column \
         1 (correct the schema in that file, or name another file)"
    );
    assert_eq!(
        fault_of_schema(b"{\n\"type\": \"\xff\"}"),
        "SCHEMA_FILE_NOT_UTF8: `schemaFile` names the file `FOLDER/s.avsc`, which is not UTF-8 \
         text, from line 2 on (name the file of an Avro schema (`.avsc`), saved as UTF-8)"
    );
    // The same limit as for job files.
    let mut longest = field("\"long\"");
    longest += &" ".repeat(FILE_BYTES_MAX + 1 - longest.len());
    assert_eq!(
        fault_of_schema(longest.as_bytes()),
        "SCHEMA_FILE_TOO_LARGE: `schemaFile` names the file `FOLDER/s.avsc`, which is larger than \
         1 MiB (name the file of an Avro schema (`.avsc`))"
    );
}
