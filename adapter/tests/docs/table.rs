//! The tables of types: values of each type, and what is written for them.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

use super::page::{Checked, Page, Written, column, hex, write};

const HEADER: &str = "| Arrow type | value | ";

/// Checks the table of a page, which counts a value as a record; returns its types.
///
/// A cell holds several types or values between backquotes; then a cell behind them holds one text
/// for all, or one for each.
pub(crate) fn check(page: &Page, checked: &mut Checked) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = page.text.lines().skip_while(|line| !line.starts_with(HEADER));
    let header = lines.next().unwrap();
    let mut all = BTreeSet::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.split(" | ").map(codes).collect();
        let is_json = cells[0].contains(&"arrow.json");
        let types: Vec<_> = cells[0].iter().filter(|of| **of != "arrow.json").collect();
        assert!(!types.is_empty() && !cells[1].is_empty(), "{}: {line}", page.name);
        for (number, of) in types.into_iter().enumerate() {
            all.insert(format!("{of}{}", if is_json { ", arrow.json" } else { "" }));
            for (place, value) in cells[1].iter().enumerate() {
                // A column of nulls takes nulls.
                let column = column("v", of, *of == "Null", is_json);
                let row = format!("{{\"v\":{value}}}");
                let found: Vec<Value> = match header.split(" | ").nth(2).unwrap() {
                    "JSON" => vec![json(folder.path(), column, &row)],
                    "CSV" => vec![csv(folder.path(), column, &row)],
                    "Avro" => avro(folder.path(), column, &row).to_vec(),
                    other => panic!("{}: no format is called {other}", page.name),
                };
                let expected = match &found[..] {
                    [_] => vec![Value::from(one_or_each(&cells[2], place))],
                    _ => vec![
                        type_of(one_or_each(&cells[2], number)),
                        Value::from(one_or_each(&cells[3], place)),
                    ],
                };
                let place = format!("{}, {of}, {value}", page.name);
                let text =
                    |values: &[Value]| values.iter().map(|v| format!("{v} ")).collect::<String>();
                checked.compare(&place, &text(&found), &text(&expected));
                checked.records += 1;
            }
        }
    }
    all
}

/// What stands between backquotes.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn one_or_each<'a>(texts: &[&'a str], place: usize) -> &'a str {
    match texts {
        // `nothing`, without backquotes.
        [] => "",
        [one] => one,
        each => each.get(place).copied().unwrap_or_default(),
    }
}

/// A type of Avro: a name, or JSON.
fn type_of(text: &str) -> Value {
    if text.starts_with('{') { serde_json::from_str(text).unwrap() } else { text.into() }
}

fn json(folder: &Path, field: Field, row: &str) -> Value {
    let schema = Arc::new(Schema::new(vec![field]));
    let record = text(&write(folder, "serialization: { type: Json }", schema, row));
    record.strip_prefix("{\"v\":").and_then(|text| text.strip_suffix('}')).unwrap().into()
}

/// With a column behind it, since the null of a column alone is written in another way.
fn csv(folder: &Path, field: Field, row: &str) -> Value {
    let behind = Field::new("behind", DataType::Int8, true);
    let schema = Arc::new(Schema::new(vec![field, behind]));
    let record = text(&write(folder, "serialization: { type: Csv }", schema, row));
    record.strip_suffix(',').unwrap().into()
}

/// The derived type, and the bytes of the row.
fn avro(folder: &Path, field: Field, row: &str) -> [Value; 2] {
    let schema = Arc::new(Schema::new(vec![field]));
    let written = write(folder, "serialization: { type: Avro, framing: Raw }", schema, row);
    let schema: Value = serde_json::from_str(written.schema.as_ref().unwrap()).unwrap();
    [schema["fields"][0]["type"].clone(), hex(&written.records[0]).into()]
}

fn text(written: &Written) -> String {
    String::from_utf8(written.records[0].clone()).unwrap()
}
