//! Decodes an engine's bytes into Arrow record batches; pure: no I/O, no gRPC, no Kafka, no async.
//!
//! Three carriers bring the same rows: Arrow IPC (`ipc`, guarded by `guard`, since Arrow's own
//! reader trusts its input), typed rows (`typed`) and JSON lines (`json_lines`); the last two
//! share the column builders of `build`. What the schema decides is decided once, in
//! [`Decoder::compile`] (`plan`).
//!
//! A bad row is left out and named by row and column; a batch fails as a whole only where its
//! bytes make no sense or exceed a limit.

mod build;
mod decimal;
mod fault;
mod guard;
mod ipc;
mod ipc_frame;
mod ipc_schema;
mod json_lines;
mod nulls;
mod pack;
mod plan;
mod scalar;
mod table;
mod text;
mod time;
mod typed;
mod wire;

use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use crate::quiet;

pub use self::fault::code;
pub use self::{
    ipc_schema::schema_from_ipc,
    plan::NAME_BYTES_MAX,
    text::{RowText, row_text},
};

/// Most bad rows of a batch that are named; all of them are counted.
pub const REJECTED_NAMED_MAX: usize = 100;

/// How the rows of a batch are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The encapsulated messages of an Arrow IPC stream with exactly one record batch.
    ArrowIpc,
    /// An encoded `kafkaoutput.v1.TypedRows`.
    TypedRows,
    /// One JSON object a line.
    JsonLines,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArrowIpc => "Arrow IPC",
            Self::TypedRows => "typed rows",
            Self::JsonLines => "JSON lines",
        })
    }
}

/// What one batch may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows, good and bad.
    pub rows_max: usize,
    /// Most memory that the values of the decoded batch may take. Columns grow by doubling while
    /// they are built, so the allocator may see up to twice this for a moment.
    pub bytes_max: usize,
}

/// Decodes the batches of one schema; compiled once per schema, shared by any number of threads.
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
    root: plan::Plan,
    ipc: ipc::Reader,
}

impl Decoder {
    /// Checks that every column of `schema` can be decoded, and settles how.
    ///
    /// # Errors
    /// [`SchemaError`] names the first column that has an unsupported type, a name that is taken,
    /// empty or too long, or that nests too deep; or says that there are no or too many columns.
    pub fn compile(schema: SchemaRef) -> Result<Self, SchemaError> {
        let root = plan::compile(&schema)?;
        let ipc = ipc::Reader::compile(&schema);
        quiet::install();
        Ok(Self { schema, root, ipc })
    }

    /// The schema of every decoded batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes the rows of one batch.
    ///
    /// # Errors
    /// [`DecodeError`] if the batch as a whole is at fault; bad rows are in [`Decoded::rejected`].
    pub fn decode(
        &self,
        carrier: Carrier,
        bytes: &Bytes,
        limits: &Limits,
    ) -> Result<Decoded, DecodeError> {
        self.decode_naming(carrier, bytes, limits, REJECTED_NAMED_MAX)
    }

    /// The same, with every bad row named; what the names take is part of what the batch may take.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_naming_all(
        &self,
        carrier: Carrier,
        bytes: &Bytes,
        limits: &Limits,
    ) -> Result<Decoded, DecodeError> {
        self.decode_naming(carrier, bytes, limits, usize::MAX)
    }

    fn decode_naming(
        &self,
        carrier: Carrier,
        bytes: &Bytes,
        limits: &Limits,
        named_max: usize,
    ) -> Result<Decoded, DecodeError> {
        let (root, schema) = (&self.root, &self.schema);
        match carrier {
            Carrier::ArrowIpc => self.ipc.decode(schema, bytes, limits, named_max),
            Carrier::TypedRows => typed::decode(root, schema, bytes, limits, named_max),
            Carrier::JsonLines => json_lines::decode(root, schema, bytes, limits, named_max),
        }
    }
}

/// The rows of a batch, decoded.
#[derive(Debug)]
pub struct Decoded {
    /// The good rows, in their order.
    pub batch: RecordBatch,
    /// How many rows came, good and bad.
    pub rows_total: usize,
    /// The first [`REJECTED_NAMED_MAX`] bad rows, or all if all were to be named.
    pub rejected: Vec<BadRow>,
    /// How many rows are bad, named or not.
    pub rejected_total: usize,
    /// For each row of `batch` its index in the message; `None`: they are the same.
    pub row_map: Option<Vec<u32>>,
}

/// A row that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its index in the message, from 0.
    pub row: u32,
    /// The column with the path inside it (`a.b[3]`); empty if the row as a whole is at fault.
    pub column: String,
    /// A stable code, one of [`code`].
    pub code: &'static str,
    /// What is wrong, for a person.
    pub reason: String,
}

/// Why a schema is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The bytes are not a schema.
    #[error("not an Arrow IPC schema message: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// The columns as a whole cannot be served.
    #[error("{reason}")]
    Columns {
        /// Why, and what to do.
        reason: String,
    },
    /// One column cannot be served.
    #[error("column `{column}`: {reason}")]
    Column {
        /// The column with the path inside it (`a.b`).
        column: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// Why a batch as a whole cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what their carrier demands: truncated, malformed, compressed, or of
    /// another schema.
    #[error("{reason}")]
    BadCarrier {
        /// What is wrong, where, and what to do.
        reason: String,
    },
    /// Too many rows.
    #[error("the batch has {rows} rows, but at most {rows_max} are allowed: split it")]
    TooManyRows {
        /// How many came.
        rows: usize,
        /// How many are allowed.
        rows_max: usize,
    },
    /// The values take too much memory.
    #[error("decoded, the batch would take more than {bytes_max} bytes: split it")]
    TooLarge {
        /// How many bytes are allowed.
        bytes_max: usize,
    },
}

impl DecodeError {
    /// The stable code of the contract's `Refused`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadCarrier { .. } => "BAD_CARRIER",
            Self::TooManyRows { .. } => "ROW_COUNT",
            Self::TooLarge { .. } => "BATCH_TOO_LARGE",
        }
    }

    fn bad(carrier: Carrier, reason: impl fmt::Display) -> Self {
        Self::BadCarrier { reason: format!("not valid {carrier}: {reason}") }
    }
}
