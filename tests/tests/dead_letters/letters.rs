//! Dead letters as another client reads them.
use std::collections::BTreeMap;

use serde_json::Value;
use tests::reader;

/// The headers of a letter, in their order.
const HEADERS: [&str; 8] =
    ["output", "topic", "writer", "sequence", "row", "code", "column", "reason"];

/// A letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub writer: String,
    pub sequence: u64,
    pub row: u64,
    pub code: String,
    pub column: String,
    pub reason: String,
    /// Its value, which is JSON.
    pub text: String,
}

impl Letter {
    /// What it is about.
    pub fn place(&self) -> (u64, u64) {
        (self.sequence, self.row)
    }

    /// What it says beside that.
    pub fn says(&self) -> (&str, &str, &str) {
        (&self.code, &self.column, &self.text)
    }
}

/// The letters of an output for `topic` in `letters`, by writer, batch and row.
pub fn read(bootstrap: &str, letters: &str, output: &str, topic: &str) -> Vec<Letter> {
    let records = reader::topic(bootstrap, letters).records();
    let mut found: Vec<_> = records.iter().map(|record| letter(record, output, topic)).collect();
    found.sort();
    found
}

fn letter(record: &reader::Record, output: &str, topic: &str) -> Letter {
    assert_eq!(record.key, None, "letters have no key");
    let text = |value: &Option<Vec<u8>>| {
        String::from_utf8(value.clone().expect("a header has a value")).expect("it is UTF-8")
    };
    let names: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, HEADERS.map(|name| format!("kafka-output.{name}")));
    let headers: BTreeMap<_, _> = HEADERS
        .iter()
        .zip(&record.headers)
        .map(|(name, (_, value))| (*name, text(value)))
        .collect();
    assert_eq!((headers["output"].as_str(), headers["topic"].as_str()), (output, topic));
    let number = |name: &str| headers[name].parse().expect("it is a number");
    let value: Value = serde_json::from_str(record.text()).expect("the value is JSON");
    assert!(value.is_object(), "{value}");
    Letter {
        writer: headers["writer"].clone(),
        sequence: number("sequence"),
        row: number("row"),
        code: headers["code"].clone(),
        column: headers["column"].clone(),
        reason: headers["reason"].clone(),
        text: record.text().to_owned(),
    }
}
