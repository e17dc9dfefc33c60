//! Compares what was read with what was sent, value by value, without the service's own encoder.
use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::flights;
use crate::kafka::reader::Read;

/// Records that are shown.
const EXAMPLES: usize = 3;

/// What was expected and what came.
pub struct Comparison {
    /// How often each row is still to come.
    expected: HashMap<Value, u64>,
    /// Records that are no row that was sent, or one too many of it.
    pub unexpected: u64,
    /// Records of each partition.
    pub partitions: Vec<u64>,
    /// The first records of some partitions.
    pub examples: Vec<Read>,
    rows: u64,
}

impl Comparison {
    /// Expects the first `rows` rows of the sample, repeated as often as needed.
    pub fn new(rows: u64, partitions: usize) -> Self {
        let sample: Vec<Value> = rows_of_sample().collect();
        let (passes, rest) = (rows / sample.len() as u64, rows % sample.len() as u64);
        let mut expected = HashMap::new();
        for (index, row) in sample.into_iter().enumerate() {
            let times = passes + u64::from((index as u64) < rest);
            if times > 0 {
                *expected.entry(row).or_default() += times;
            }
        }
        Self { expected, unexpected: 0, partitions: vec![0; partitions], examples: vec![], rows }
    }

    /// Takes a record that was read.
    pub fn take(&mut self, record: &Read) {
        self.partitions[record.partition as usize] += 1;
        if record.offset == 0 && self.examples.len() < EXAMPLES {
            self.examples.push(record.clone());
        }
        let value = serde_json::from_slice::<Value>(&record.value).unwrap_or(Value::Null);
        match self.expected.get_mut(&value) {
            Some(times) if *times > 0 => *times -= 1,
            _ => self.unexpected += 1,
        }
    }

    /// Rows that did not come.
    pub fn missing(&self) -> u64 {
        self.expected.values().sum()
    }

    /// Every row came once and equal.
    pub fn is_equal(&self) -> bool {
        self.missing() == 0 && self.unexpected == 0
    }

    /// The same, in words.
    pub fn verdict(&self) -> String {
        if self.is_equal() {
            return format!(
                "All {} rows are in the topic, each once, every column equal.",
                self.rows
            );
        }
        let (missing, unexpected) = (self.missing(), self.unexpected);
        format!("NOT EQUAL: {missing} rows are missing, {unexpected} records are unexpected.")
    }
}

/// The rows as JSON objects, straight from the text of the sample.
fn rows_of_sample() -> impl Iterator<Item = Value> {
    let mut lines = flights::CSV.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines.map(move |line| {
        let values = line.split(',').zip(&names).map(|(text, name)| {
            let value = match text {
                "" => Value::Null,
                _ if flights::TEXT.contains(name) || *name == flights::TIME => text.into(),
                _ => text.parse::<Number>().map_or(Value::Null, Value::Number),
            };
            ((*name).to_owned(), value)
        });
        Value::Object(values.collect::<Map<_, _>>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(offset: i64, value: &Value) -> Read {
        Read { partition: 0, offset, value: value.to_string().into_bytes() }
    }

    #[test]
    fn a_row_that_is_missing_doubled_or_changed_is_noticed() {
        let rows: Vec<Value> = rows_of_sample().take(3).collect();
        let mut comparison = Comparison::new(3, 1);
        comparison.take(&read(0, &rows[0]));
        comparison.take(&read(1, &rows[0]));
        assert_eq!((comparison.missing(), comparison.unexpected), (2, 1));
        comparison.take(&read(2, &rows[1]));
        let mut changed = rows[2].clone();
        changed["flight"] = 1.into();
        comparison.take(&read(3, &changed));
        assert_eq!((comparison.missing(), comparison.unexpected), (1, 2));
        assert!(!comparison.is_equal());
    }

    #[test]
    fn the_sample_has_ten_thousand_different_rows() {
        let comparison = Comparison::new(20_001, 1);
        assert_eq!(comparison.expected.len(), 10_000);
        assert_eq!(comparison.missing(), 20_001);
    }
}
