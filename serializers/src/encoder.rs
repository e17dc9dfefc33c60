//! The one entry for every format: compile a schema, then encode its batches.

use arrow_array::RecordBatch;
use arrow_schema::{Fields, Schema};

use crate::{
    avro::AvroEncoder,
    csv::CsvEncoder,
    format::Format,
    json::JsonEncoder,
    records::{Limits, Packing, Records},
    shape::PlanError,
};

/// A format compiled for one schema. Cheap to share: encoding does not change it.
#[derive(Debug)]
pub struct Encoder {
    fields: Fields,
    kind: Kind,
}

/// A closed set, so an enum: the format is chosen once a batch.
#[derive(Debug)]
enum Kind {
    Json(JsonEncoder),
    Csv(CsvEncoder),
    Avro(AvroEncoder),
}

impl Encoder {
    /// Checks that every column of `schema` can be written in `format`, and prepares it.
    pub fn compile(format: &Format, schema: &Schema) -> Result<Self, PlanError> {
        let kind = match format {
            Format::Json(options) => Kind::Json(JsonEncoder::compile(options, schema.fields())?),
            Format::Csv(options) => Kind::Csv(CsvEncoder::compile(options, schema.fields())?),
            Format::Avro(options) => Kind::Avro(AvroEncoder::compile(options, schema.fields())?),
        };
        Ok(Self { fields: schema.fields().clone(), kind })
    }

    /// Encodes a batch, one record a row, into `out`, which is cleared first.
    /// [`encode_all`](Self::encode_all) says more.
    pub fn encode(
        &self,
        batch: &RecordBatch,
        limits: &Limits,
        out: &mut Records,
    ) -> Result<(), EncodeError> {
        self.encode_all(std::slice::from_ref(batch), Packing::NONE, limits, out)
    }

    /// Encodes batches into `out`, which is cleared first. Rows are packed into records across
    /// their bounds and numbered through all of them.
    ///
    /// Rows that cannot be encoded are left out and reported in `out`. If the batch as a whole
    /// fails, `out` is left empty.
    ///
    /// # Panics
    /// If `limits.batch_bytes_max` exceeds [`BATCH_BYTES_MAX`](crate::BATCH_BYTES_MAX), if a record
    /// is to hold no row, or if rows are to be packed in a format that does not
    /// ([`Format::packs`]).
    pub fn encode_all(
        &self,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        out: &mut Records,
    ) -> Result<(), EncodeError> {
        assert!(packing.rows_max > 0, "a record holds a row at least");
        out.clear();
        batches.iter().try_for_each(|batch| self.check_schema(batch))?;
        match &self.kind {
            Kind::Json(json) => json.encode(batches, packing, limits, out),
            Kind::Csv(csv) => csv.encode(batches, packing, limits, out),
            Kind::Avro(avro) => avro.encode(batches, packing, limits, out),
        }
    }

    /// The schema of the records as JSON, if the format has one: that of Avro. A given one is told
    /// without the white space between its tokens, as containers bring it.
    pub fn avro_schema(&self) -> Option<&str> {
        match &self.kind {
            Kind::Avro(avro) => Some(avro.schema()),
            Kind::Json(_) | Kind::Csv(_) => None,
        }
    }

    /// The CRC-64-AVRO fingerprint of the schema's canonical form, if the format is Avro.
    pub fn avro_fingerprint(&self) -> Option<u64> {
        match &self.kind {
            Kind::Avro(avro) => Some(avro.fingerprint()),
            Kind::Json(_) | Kind::Csv(_) => None,
        }
    }

    /// Batches of one stream share their schema, so this is a comparison of pointers.
    fn check_schema(&self, batch: &RecordBatch) -> Result<(), EncodeError> {
        let found = batch.schema_ref().fields();
        if *found == self.fields {
            return Ok(());
        }
        let at = self.fields.iter().zip(found).position(|(plan, batch)| plan != batch);
        let reason = match at {
            Some(at) => {
                let (plan, batch) = (&self.fields[at], &found[at]);
                format!("column {at} is {batch} in the batch and {plan} in the plan")
            }
            None => {
                format!("the batch has {} columns and the plan {}", found.len(), self.fields.len())
            }
        };
        Err(EncodeError::SchemaMismatch { reason })
    }
}

/// Why a whole batch could not be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The records of the batch would be larger than [`Limits::batch_bytes_max`].
    #[error("the batch becomes more than {bytes_max} bytes of records: send fewer rows in a batch")]
    BatchTooLarge {
        /// What is allowed.
        bytes_max: usize,
    },
    /// The batch has other columns than the schema that was compiled.
    #[error("the batch does not have the schema it was announced with: {reason}")]
    SchemaMismatch {
        /// The first difference.
        reason: String,
    },
}

impl EncodeError {
    /// The code for programs; it never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BatchTooLarge { .. } => "BATCH_TOO_LARGE",
            Self::SchemaMismatch { .. } => "SCHEMA_MISMATCH",
        }
    }
}
