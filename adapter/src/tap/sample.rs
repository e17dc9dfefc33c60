//! What is shown of a record: its bytes, where it goes, and the rows that it is made of.
use std::time::SystemTime;

use arrow_array::RecordBatch;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    kafka::Encoded,
    rows::{RowText, row_text},
};

/// Bytes of a record that are shown, and of a row as text.
const SHOWN_BYTES_MAX: usize = 64 << 10;

/// Bytes of all texts that are made of the rows of one batch.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// Rows of a record that are shown.
const ROWS_MAX: usize = 10;

/// Records that are about to go, with what they are made of.
pub struct Source<'a> {
    /// The records.
    pub encoded: &'a Encoded,
    /// Whose they are.
    pub writer: &'a str,
    /// The batches that their rows came with.
    pub batches: Vec<Batch<'a>>,
    /// Their schema and its fingerprint, if they are Avro.
    pub schema: Option<(&'a str, u64)>,
}

/// A batch of them.
pub struct Batch<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// The number of its first row, among those of all batches.
    pub offset: u32,
    /// Its rows that could be read.
    pub rows: &'a RecordBatch,
    /// Of each of them its index in the message; `None`: they are the same.
    pub row_map: Option<&'a [u32]>,
}

/// A record that is shown.
pub(super) struct Pick {
    /// Its number.
    pub(super) record: u32,
    /// The schema, if the reader has not been told, and its fingerprint.
    pub(super) schema: Option<(String, u64)>,
    writer: String,
    rows: Vec<Row>,
    rows_total: usize,
}

/// A row of it.
struct Row {
    sequence: u64,
    /// Its index in the batch's message.
    row: u32,
    text: RowText,
}

impl Source<'_> {
    /// What is shown of these records; the reader knows the schema with the fingerprint `told`.
    pub(super) fn picks(&self, records: impl Iterator<Item = u32>, told: Option<u64>) -> Vec<Pick> {
        let mut left = TEXT_BYTES_MAX;
        let untold = self.schema.filter(|(_, fingerprint)| told != Some(*fingerprint));
        let mut schema = untold.map(|(text, fingerprint)| (text.to_owned(), fingerprint));
        let pick = |record| {
            let rows = self.encoded.rows.of(record);
            let rows_total = rows.size_hint().0;
            let rows = rows.take(ROWS_MAX).filter_map(|number| self.row(number, &mut left));
            let (rows, writer) = (rows.collect(), self.writer.to_owned());
            Pick { record, schema: schema.take(), writer, rows, rows_total }
        };
        records.map(pick).collect()
    }

    /// A row by its number among those of all batches.
    fn row(&self, number: u32, left: &mut usize) -> Option<Row> {
        let batch = self.batches.partition_point(|batch| batch.offset <= number).checked_sub(1)?;
        let Batch { sequence, offset, rows, row_map } = &self.batches[batch];
        let row = number - offset;
        let place = match row_map {
            Some(map) => map.binary_search(&row).ok()?,
            None => row as usize,
        };
        let text = row_text(rows, place, SHOWN_BYTES_MAX.min(*left));
        *left -= text.json.len();
        Some(Row { sequence: *sequence, row, text })
    }
}

/// A sample as its reader gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    writer: &'a str,
    partition: i32,
    time: String,
    /// One of so many records.
    of: u64,
    /// Behind so many samples that the reader was too slow for.
    dropped: u64,
    /// How long the record is.
    bytes: usize,
    /// The record, or its beginning, in base64.
    value: String,
    /// How many rows it has.
    rows_total: usize,
    /// The first of them.
    rows: Vec<LineRow<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avro_schema: Option<&'a str>,
}

#[derive(Serialize)]
struct LineRow<'a> {
    sequence: u64,
    row: u32,
    /// By column, in the columns' order.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<&'a RawValue>,
    /// The beginning of that, where it is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    beginning: Option<&'a str>,
}

impl Pick {
    /// The sample: one of so many records, behind so many samples that were left out.
    pub(super) fn line(
        &self,
        encoded: &Encoded,
        partition: i32,
        of: u64,
        dropped: u64,
    ) -> Line<'_> {
        let record = encoded.record(self.record);
        let shown = &record[..record.len().min(SHOWN_BYTES_MAX)];
        Line {
            writer: &self.writer,
            partition,
            time: now(),
            of,
            dropped,
            bytes: record.len(),
            value: STANDARD.encode(shown),
            rows_total: self.rows_total,
            rows: self.rows.iter().map(Row::line).collect(),
            avro_schema: self.schema.as_ref().map(|(schema, _)| schema.as_str()),
        }
    }
}

impl Row {
    fn line(&self) -> LineRow<'_> {
        let Self { sequence, row, text: RowText { json, is_cut } } = self;
        let columns = if *is_cut { None } else { serde_json::from_str(json).ok() };
        let beginning = columns.is_none().then_some(json.as_str());
        LineRow { sequence: *sequence, row: *row, columns, beginning }
    }
}

/// The time as RFC 3339, in milliseconds.
fn now() -> String {
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    format!("{now:.3}")
}
