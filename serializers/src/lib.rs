//! Arrow record batches to the bytes of records: rows in, one buffer and the ends of its records
//! out.
//!
//! Pure: no I/O, no async, nothing of any transport. A schema is compiled once into an
//! [`Encoder`], which is then used for every batch; encoding binds the batch's arrays to typed
//! slices and runs plain loops over them, without an allocation per row or value (but one for
//! every `arrow.json` text that holds lists or objects, to check it).
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
//! use serializers::{Encoder, Format, JsonOptions, Limits, Records};
//!
//! let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
//! let carrier: ArrayRef = Arc::new(StringArray::from(vec!["UA", "B\"6"]));
//! let batch = RecordBatch::try_from_iter([("number", number), ("carrier", carrier)])?;
//!
//! let format = Format::Json(JsonOptions::default());
//! let encoder = Encoder::compile(&format, batch.schema_ref())?; // once a schema
//! let limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: 64 << 20 };
//! let mut records = Records::new();
//! encoder.encode(&batch, &limits, &mut records)?; // every batch
//!
//! assert_eq!(records.record(0), br#"{"number":1,"carrier":"UA"}"#);
//! assert_eq!(records.record(1), br#"{"number":null,"carrier":"B\"6"}"#);
//! assert!(records.rejected().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rows that cannot be encoded
//!
//! Such a row (NaN where it is an error, a record beyond its limit, …) is left out of the buffer
//! and reported in [`Records::rejected`] with its column and a stable code; the rows around it
//! are encoded. Whether that drops the row or refuses the batch is the caller's decision.
//!
//! # Layout
//!
//! | module | duty |
//! | --- | --- |
//! | `shape` | which types are encoded; the schema as a checked tree, every field numbered |
//! | `column` | one batch's arrays as typed slices |
//! | `rows` | the loops over rows: packing, limits, skipping, reporting |
//! | `style` | columns that an option has written in another way than their type |
//! | `output`, `words`, `number`, `time` | bytes, digits and dates, the same for every format |
//! | `scalar` | single values, the same for every format that is text |
//! | `json`, `csv`, `avro` | what is the format's own |
//!
//! A further format is a folder beside those, an entry in [`Format`] and one in [`Encoder`].
#![forbid(unsafe_code)]

mod avro;
mod column;
mod csv;
mod encoder;
mod format;
mod json;
mod number;
mod output;
mod records;
mod rows;
mod scalar;
mod shape;
mod style;
mod time;
mod words;

pub use avro::{AvroCodec, AvroDifference, AvroFraming, AvroOptions, AvroSchema};
pub use csv::{CsvOptions, Delimiter, NullText, NullTextError};
pub use encoder::{EncodeError, Encoder};
pub use format::{Format, NonFinite, TimestampFormat};
pub use json::{Decimals, Integers64, JsonLayout, JsonOptions, Nulls};
pub use records::{
    BATCH_BYTES_MAX, Limits, Packing, REJECTED_NAMED_MAX, Records, RowError, RowErrorCode, RowMap,
};
pub use shape::{DEPTH_MAX, PlanError};
