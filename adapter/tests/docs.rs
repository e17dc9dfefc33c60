//! The pages of `docs/formats` are true: every record in them is what the service writes.
//!
//! A code block whose info string has a second word says something that is checked:
//!
//! | block | says |
//! | --- | --- |
//! | `text columns` | the columns from here on, a line each: `name: Arrow type` |
//! | `json rows` | the rows from here on, as an engine sends them as JSON lines |
//! | `json file NAME` | a file beside the job file |
//! | `yaml output` | keys of an output: the rows are now written by it |
//! | `… records` | records that follow, a line each |
//! | `… record` | the record that follows |
//! | `text bytes` | the same in hexadecimal digits; `...` is anything, behind a `#` is a comment |
//! | `text rejected` | the rows that cannot be written |
//! | `text refused` | why the columns cannot be written |
//! | `json schema` | the Avro schema of the records |
//!
//! Nothing may be left out: all records and all rejected rows of an output stand on the page.
//! Tables that begin with `| Arrow type | value |` are checked too.
#![expect(clippy::unwrap_used, reason = "a page that cannot be read fails the test")]

#[path = "docs/page.rs"]
mod page;
#[path = "docs/table.rs"]
mod table;

use std::{collections::BTreeSet, fs, path::Path};

use kafka_output::job;
use serde_json::Value;

use self::page::{Checked, Page};

const NAMES: [&str; 4] = ["README.md", "json.md", "csv.md", "avro.md"];

fn page(name: &'static str) -> Page {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/formats");
    Page { name, text: fs::read_to_string(folder.join(name)).unwrap() }
}

#[test]
fn every_example_is_what_the_service_writes() {
    let mut checked = Checked::default();
    NAMES.iter().for_each(|name| page(name).check_examples(&mut checked));
    assert!(checked.faults.is_empty(), "{}", checked.faults.join("\n"));
    let Checked { outputs, records, others, .. } = checked;
    println!("{outputs} outputs, {records} records, {others} schemas, rejected rows and refusals");
    assert!(outputs >= 30 && records >= 60 && others >= 5);
}

#[test]
fn every_row_of_the_type_tables_is_true() {
    let mut checked = Checked::default();
    let types =
        ["json.md", "csv.md", "avro.md"].map(|name| table::check(&page(name), &mut checked));
    assert!(checked.faults.is_empty(), "{}", checked.faults.join("\n"));
    println!("{} types, {} values in all tables", types[0].len(), checked.records);
    // What one format has a row for, the others have too.
    for (of, other) in [(0, 1), (1, 2), (2, 0)] {
        let missing: BTreeSet<_> = types[of].difference(&types[other]).collect();
        assert!(missing.is_empty(), "a table lacks {missing:?}");
    }
}

/// The values that a key of the job file may have, as the JSON Schema lists them.
fn values(schema: &Value, property: &Value) -> Vec<String> {
    let definition = ["/$ref", "/anyOf/0/$ref"].iter().find_map(|at| property.pointer(at));
    let definition = definition.and_then(|path| schema.pointer(&path.as_str().unwrap()[1..]));
    let list = definition.and_then(|definition| definition.get("oneOf")).and_then(Value::as_array);
    let name = |value: &Value| value["const"].as_str().map(str::to_owned);
    list.map(|list| list.iter().filter_map(name).collect()).unwrap_or_default()
}

#[test]
fn every_option_and_every_value_of_it_has_an_example() {
    let schema = job::json_schema();
    let outputs: Vec<String> = NAMES.iter().flat_map(|name| page(name).outputs()).collect();
    let outputs = outputs.join("\n");
    let mut found = 0;
    for definition in ["Serialization", "Packing"] {
        let properties = &schema["$defs"][definition]["properties"];
        for (key, property) in properties.as_object().unwrap() {
            assert!(outputs.contains(&format!("{key}: ")), "no example of `{key}`");
            for value in values(&schema, property) {
                let written = format!("{key}: {value}");
                let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric());
                let shown = outputs.match_indices(&written);
                let mut rests = shown.map(|(at, _)| &outputs[at + written.len()..]);
                assert!(rests.any(ends), "no example of `{written}`");
                found += 1;
            }
        }
    }
    assert!(found >= 30, "{found} values were found in the schema");
}

#[test]
fn every_code_is_explained() {
    let sources =
        [include_str!("../src/rows/fault.rs"), include_str!("../../serializers/src/records.rs")];
    let readme = page("README.md").text;
    let mut found = 0;
    let lines = sources.iter().flat_map(|text| text.lines());
    let quoted = lines.filter(|line| line.contains("=> \"") || line.contains("= \""));
    let texts = quoted.filter_map(|line| line.split('"').nth(1));
    for code in texts.filter(|text| text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')) {
        assert!(readme.contains(&format!("`{code}`")), "{code} is not explained");
        found += 1;
    }
    assert!(found >= 15, "{found} codes were found in the sources");
}
