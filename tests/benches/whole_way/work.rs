//! The rows: the flights of New York as Arrow IPC messages for the service, and as the very same
//! encoded records for the floor.
use std::{fs, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serializers::{
    AvroFraming, AvroOptions, BATCH_BYTES_MAX, CsvOptions, Encoder, JsonOptions, Limits, Records,
};
use tests::flights;

const TEXTS: [&str; 4] = ["carrier", "tailnum", "origin", "dest"];
const TIME: &str = "time_hour";
const MISSING: &str = "NA";

/// What a row becomes: a record of its own, with the format's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Json,
    Csv,
    /// Behind the id of a schema: five bytes, where a container would bring the schema itself.
    Avro,
}

impl Format {
    /// The output's key in the job file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Json => "serialization: { type: Json }",
            Self::Csv => "serialization: { type: Csv }",
            Self::Avro => "serialization: { type: Avro, framing: Confluent, schemaId: 1 }",
        }
    }

    /// The same for the encoder.
    fn options(self) -> serializers::Format {
        match self {
            Self::Json => serializers::Format::Json(JsonOptions::default()),
            Self::Csv => serializers::Format::Csv(CsvOptions::default()),
            Self::Avro => {
                let framing = AvroFraming::Confluent { schema_id: 1 };
                serializers::Format::Avro(AvroOptions { framing, ..AvroOptions::default() })
            }
        }
    }
}

/// One pass of the table.
pub struct Work {
    /// The schema's message.
    pub schema: Bytes,
    table: RecordBatch,
}

/// Encoded records in one buffer.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub ends: Vec<u32>,
}

impl Encoded {
    pub fn record(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start as usize..self.ends[index] as usize]
    }
}

impl Work {
    /// Reads the table.
    pub fn load() -> Self {
        let text = fs::read_to_string(flights::csv()).expect("the flights were fetched");
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len() as u64, flights::ROWS);
        let columns = names.iter().enumerate().map(|(at, name)| {
            let cells = rows.iter().map(|row| Some(row[at]).filter(|cell| *cell != MISSING));
            let column = column(name, cells);
            // In Avro, a value of a column that may hold nulls has a byte more.
            let nullable = column.null_count() > 0;
            (*name, column, nullable)
        });
        let table = RecordBatch::try_from_iter_with_nullable(columns).expect("one length");
        let options = IpcWriteOptions::default();
        let message = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &table.schema(),
            &mut DictionaryTracker::new(false),
            &options,
        );
        let mut schema = Vec::new();
        write_message(&mut schema, message, &options).expect("memory can be written");
        Self { schema: schema.into(), table }
    }

    /// The table in batches of `rows`, the last one shorter: each batch's message.
    pub fn batches(&self, rows: usize) -> Vec<(u32, Bytes)> {
        let starts = (0..self.table.num_rows()).step_by(rows);
        let slices = starts.map(|at| self.table.slice(at, rows.min(self.table.num_rows() - at)));
        slices.map(|batch| (batch.num_rows() as u32, message(&batch))).collect()
    }

    /// The table as the service's own encoder writes it.
    pub fn encoded(&self, format: Format) -> Encoded {
        let encoder =
            Encoder::compile(&format.options(), self.table.schema_ref()).expect("plain types");
        let limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };
        let mut records = Records::new();
        encoder.encode(&self.table, &limits, &mut records).expect("100 MB are within the limits");
        let (bytes, ends, _) = records.into_parts();
        Encoded { bytes, ends }
    }
}

fn column<'a>(name: &str, cells: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    if name == TIME {
        let micros = cells.map(|cell| {
            cell.map(|text| text.parse::<jiff::Timestamp>().expect("a time").as_microsecond())
        });
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    } else if TEXTS.contains(&name) {
        Arc::new(cells.collect::<StringArray>())
    } else {
        let numbers = cells.map(|cell| cell.map(|text| text.parse::<i64>().expect("a number")));
        Arc::new(numbers.collect::<Int64Array>())
    }
}

fn message(batch: &RecordBatch) -> Bytes {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(false);
    let (_, rows) = IpcDataGenerator::default()
        .encode(batch, &mut dictionaries, &options, &mut IpcWriteContext::default())
        .expect("plain types are encoded");
    let mut bytes = Vec::new();
    write_message(&mut bytes, rows, &options).expect("memory can be written");
    bytes.into()
}
