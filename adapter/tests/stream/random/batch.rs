//! Batches of the random walk: whatever an engine may send under a number.
use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use proto::v1::{self, Primitive, batch, value::Kind};

use crate::support::rows::{schema, typed};

/// Some rows in a carrier. No two batches have the same, but for those that are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Tells these rows from all others.
    pub salt: u64,
    /// How they are brought.
    pub carrier: Carrier,
    /// What each is like.
    pub rows: Vec<Row>,
}

/// How rows are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// JSON lines.
    Json,
    /// Typed rows.
    Typed,
    /// Arrow IPC.
    Arrow,
    /// Bytes that are no Arrow IPC.
    Garbage,
    /// None at all.
    Missing,
}

/// What a row is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// It can be written.
    Good,
    /// It cannot be decoded; Arrow has no such rows, and it cannot be encoded.
    Unreadable,
    /// It cannot be encoded.
    NotFinite,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Batch {
    pub sequence: u64,
    pub rows: Rows,
    pub position: Option<Bytes>,
    /// The schema is declared.
    pub declared: bool,
    /// The engine does not wait for it at all.
    pub impatient: bool,
    /// It did not, and there was something before it.
    pub late: bool,
}

/// The schema of all rows, under id 0.
pub fn columns() -> v1::Schema {
    schema(0, &[("salt", Primitive::Int64), ("row", Primitive::Int64), ("x", Primitive::Float64)])
}

impl Rows {
    /// Bad rows with their codes.
    pub fn bad(&self) -> Vec<(u64, String)> {
        let code = |row| match (row, self.carrier) {
            (Row::Good, _) => None,
            (Row::Unreadable, Carrier::Json) => Some("TYPE_MISMATCH"),
            (Row::Unreadable, Carrier::Typed) => Some("ROW_WIDTH"),
            _ => Some("NON_FINITE"),
        };
        let rows = (0..).zip(&self.rows);
        rows.filter_map(|(at, row)| Some((at, code(*row)?.to_owned()))).collect()
    }

    /// The rows that records are made of.
    pub fn good(&self) -> impl Iterator<Item = u64> {
        (0..).zip(&self.rows).filter(|(_, row)| **row == Row::Good).map(|(at, _)| at)
    }

    /// What Kafka gets of them.
    pub fn records(&self) -> Vec<String> {
        self.good().map(|at| self.record(at)).collect()
    }

    /// What Kafka gets of one.
    pub fn record(&self, at: u64) -> String {
        format!("{{\"salt\":{},\"row\":{at},\"x\":{at}.5}}", self.salt)
    }

    fn wire(&self) -> Option<batch::Rows> {
        match self.carrier {
            // No rows are blank lines, so that these bytes are like no others, too.
            Carrier::Json | Carrier::Typed | Carrier::Arrow if self.rows.is_empty() => {
                Some(batch::Rows::JsonLines("\n".repeat(self.salt as usize).into()))
            }
            Carrier::Json => {
                let lines: String =
                    (0..).zip(&self.rows).map(|(at, row)| self.line(at, *row)).collect();
                Some(batch::Rows::JsonLines(lines.into()))
            }
            Carrier::Typed => {
                let rows: Vec<_> =
                    (0..).zip(&self.rows).map(|(at, row)| self.values(at, *row)).collect();
                let rows: Vec<&[_]> = rows.iter().map(Vec::as_slice).collect();
                typed(0, &rows).rows
            }
            Carrier::Arrow => Some(batch::Rows::ArrowIpc(self.ipc().into())),
            Carrier::Garbage => {
                Some(batch::Rows::ArrowIpc(format!("no Arrow, but {}", self.salt).into()))
            }
            Carrier::Missing => None,
        }
    }

    fn line(&self, at: u64, row: Row) -> String {
        let (salt, number) = (self.salt, format!("{at}.5"));
        match row {
            Row::Good => format!("{{\"row\":{at},\"x\":{number},\"salt\":{salt}}}\n"),
            Row::Unreadable => format!("{{\"row\":true,\"x\":{number},\"salt\":{salt}}}\n"),
            Row::NotFinite => format!("{{\"row\":{at},\"x\":\"NaN\",\"salt\":{salt}}}\n"),
        }
    }

    fn values(&self, at: u64, row: Row) -> Vec<Option<Kind>> {
        let x = if row == Row::NotFinite { f64::NAN } else { at as f64 + 0.5 };
        let mut values = vec![
            Some(Kind::Int64(self.salt as i64)),
            Some(Kind::Int64(at as i64)),
            Some(Kind::Float64(x)),
        ];
        if row == Row::Unreadable {
            values.pop();
        }
        values
    }

    fn ipc(&self) -> Vec<u8> {
        let count = self.rows.len() as i64;
        let x = (0..).zip(&self.rows).map(|(at, row)| match row {
            Row::Good => f64::from(at) + 0.5,
            Row::Unreadable | Row::NotFinite => f64::NAN,
        });
        let fields =
            [("salt", DataType::Int64), ("row", DataType::Int64), ("x", DataType::Float64)]
                .map(|(name, kind)| Field::new(name, kind, true));
        let schema = Arc::new(arrow_schema::Schema::new(fields.to_vec()));
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(Int64Array::from_iter_values((0..count).map(|_| self.salt as i64))),
                Arc::new(Int64Array::from_iter_values(0..count)),
                Arc::new(Float64Array::from_iter_values(x)),
            ],
        );
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
        writer.write(&batch.unwrap()).unwrap();
        writer.finish().unwrap();
        drop(writer);
        bytes
    }
}

impl Default for Batch {
    /// No rows, and nothing special.
    fn default() -> Self {
        let rows = Rows { salt: 0, carrier: Carrier::Json, rows: Vec::new() };
        Self { sequence: 0, rows, position: None, declared: true, impatient: false, late: false }
    }
}

impl Batch {
    /// The message.
    pub fn wire(&self) -> v1::Batch {
        v1::Batch {
            sequence: self.sequence,
            schema_id: if self.declared { 0 } else { 7 },
            rows: self.rows.wire(),
            position: self.position.clone(),
            timeout: self.impatient.then(prost_types::Duration::default),
            ..v1::Batch::default()
        }
    }
}
