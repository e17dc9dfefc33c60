//! Rows as Avro: alone, behind an id, or in object container files.
//!
//! A schema, derived or given, is read by the same parser and met with the columns by the same
//! planner, so that what is documented of the one holds for the other. The plan is bound to each
//! batch once; then every value is one match.

mod bind;
mod convert;
mod decimal;
mod default;
mod derive;
mod frame;
mod names;
mod options;
mod parse;
mod plan;
mod schema;
mod text;
mod value;
mod varint;

use arrow_array::RecordBatch;
use arrow_schema::Fields;

use self::{
    frame::{Container, Header, Prefix},
    schema::Schema,
};
pub use self::{
    options::{AvroCodec, AvroFraming, AvroOptions, AvroSchema},
    plan::AvroDifference,
};
use crate::{
    column::bind_batch,
    encoder::EncodeError,
    records::{Limits, Packing, Records},
    rows::{Frame, Packer},
    shape::{PlanError, Tree},
};

/// A schema, ready to become Avro.
#[derive(Debug)]
pub(crate) struct AvroEncoder {
    tree: Tree,
    plan: plan::Record,
    /// The schema as JSON.
    schema: String,
    fingerprint: u64,
    framing: Framing,
}

/// A framing with what it needs of the schema.
#[derive(Debug)]
enum Framing {
    Container(Header, AvroCodec),
    SingleObject([u8; 10]),
    Confluent([u8; 5]),
    Raw,
}

impl AvroEncoder {
    pub(crate) fn compile(options: &AvroOptions, fields: &Fields) -> Result<Self, PlanError> {
        let tree = Tree::build(fields)?;
        let text = options.text(fields)?;
        let schema = Schema::parse(&text)?;
        let text = text::minify(&text);
        let plan = plan::plan(&schema, fields, &tree.root)?;
        let fingerprint = schema.fingerprint();
        let framing = match options.framing {
            AvroFraming::Container { codec } => {
                Framing::Container(Header::new(&text, codec), codec)
            }
            AvroFraming::SingleObject => {
                let mut prefix = [0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
                prefix[2..].copy_from_slice(&fingerprint.to_le_bytes());
                Framing::SingleObject(prefix)
            }
            AvroFraming::Confluent { schema_id } => {
                let [a, b, c, d] = schema_id.to_be_bytes();
                Framing::Confluent([0, a, b, c, d])
            }
            AvroFraming::Raw => Framing::Raw,
        };
        Ok(Self { tree, plan, schema: text, fingerprint, framing })
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn encode(
        &self,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        records: &mut Records,
    ) -> Result<(), EncodeError> {
        let packs = matches!(self.framing, Framing::Container(..));
        assert!(packs || packing.rows_max == 1, "only containers of Avro hold several rows");
        match &self.framing {
            Framing::Container(header, codec) => {
                self.framed(Container::new(header, *codec), batches, packing, limits, records)
            }
            Framing::SingleObject(prefix) => {
                self.framed(Prefix(*prefix), batches, packing, limits, records)
            }
            Framing::Confluent(prefix) => {
                self.framed(Prefix(*prefix), batches, packing, limits, records)
            }
            Framing::Raw => self.framed(Prefix([]), batches, packing, limits, records),
        }
    }

    fn framed(
        &self,
        frame: impl Frame,
        batches: &[RecordBatch],
        packing: Packing,
        limits: &Limits,
        records: &mut Records,
    ) -> Result<(), EncodeError> {
        let mut packer = Packer::new(frame, packing, limits, &self.tree.names, records);
        let done = batches.iter().try_for_each(|batch| {
            let columns = bind_batch(&self.tree.root, batch);
            let fields = bind::bind_record(&self.plan, &columns);
            packer.batch(batch.num_rows(), |out, row| value::record(out, &fields, row))
        });
        packer.finish(done)
    }
}

impl AvroOptions {
    /// Whether a given schema is one; that does not need the columns.
    ///
    /// # Errors
    /// With the code `AVRO_SCHEMA_INVALID`, and where in the schema.
    pub fn check(&self) -> Result<(), PlanError> {
        self.text(&Fields::empty()).and_then(|text| Schema::parse(&text)).map(drop)
    }

    /// The schema as JSON.
    fn text(&self, fields: &Fields) -> Result<String, PlanError> {
        match &self.schema {
            AvroSchema::Derived { name, namespace } => {
                derive::derive(fields, name, namespace.as_deref())
            }
            // Editors may put a byte order mark before a file's text.
            AvroSchema::Given(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        }
    }
}
