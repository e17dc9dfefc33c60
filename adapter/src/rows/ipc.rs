//! Decodes Arrow IPC: checks each message (`ipc_frame`, `ipc_schema`, `guard`), then lets Arrow's
//! reader make arrays of the bytes in place.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{DictionaryBatch, MessageHeader, MetadataVersion, RecordBatch as IpcBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use bytes::Bytes;

use super::guard::{self, Malformed, Shape};
use super::ipc_frame::{Frame, Frames};
use super::table::Rejects;
use super::{Carrier, DecodeError, Decoded, Limits, ipc_schema, nulls};
use crate::quiet;

/// Starts the reason where Arrow's reader gave up by panicking.
const PANICKED: &str = "malformed, Arrow's reader panicked";

/// What the reading of a schema's batches needs, compiled once.
#[derive(Debug)]
pub(super) struct Reader {
    /// The schema, its dictionaries numbered in their order: the ids of declared schemas may be
    /// shared or unknown, and a batch's own schema message may have others.
    schema: SchemaRef,
    /// The same without required columns, to tell the rows that lack them from those where a null
    /// around them hides it; `None` if there are none.
    relaxed: Option<SchemaRef>,
    dictionaries: Vec<Dictionary>,
    shape: Shape,
}

/// A dictionary of the schema.
#[derive(Debug)]
struct Dictionary {
    /// Its id in the declared schema.
    declared_id: i64,
    /// The one column of its batches.
    schema: SchemaRef,
    shape: Shape,
}

/// The messages of a batch.
struct Messages<'a> {
    batch: IpcBatch<'a>,
    version: MetadataVersion,
    body: Buffer,
    /// The values that came, by the number of their dictionary.
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Reader {
    /// `schema` has only types that the compilation of its plan let pass.
    pub(super) fn compile(schema: &Schema) -> Self {
        let mut dictionaries = Vec::new();
        let fields = number_fields(schema.fields(), &mut dictionaries);
        let relaxed = nulls::has_required(&fields)
            .then(|| Arc::new(Schema::new(fields.iter().map(nulls::relax).collect::<Fields>())));
        let shape = Shape::of(fields.iter().map(AsRef::as_ref));
        let schema = Arc::new(Schema::new(fields));
        Self { schema, relaxed, dictionaries, shape }
    }

    /// Decodes the record batch of an IPC stream.
    pub(super) fn decode(
        &self,
        schema: &SchemaRef,
        bytes: &Bytes,
        limits: &Limits,
        named_max: usize,
    ) -> Result<Decoded, DecodeError> {
        if bytes.len() > limits.bytes_max {
            return Err(DecodeError::TooLarge { bytes_max: limits.bytes_max });
        }
        let messages = self.messages(bytes).map_err(bad)?;
        let Ok(rows) = usize::try_from(messages.batch.length()) else {
            return Err(bad("the record batch has a negative length"));
        };
        if rows > limits.rows_max || u32::try_from(rows).is_err() {
            return Err(DecodeError::TooManyRows { rows, rows_max: limits.rows_max });
        }
        let came = (0..self.dictionaries.len())
            .map(|number| messages.dictionaries.contains_key(&(number as i64)))
            .collect::<Vec<_>>();
        let fields = self.schema.fields().iter().map(AsRef::as_ref);
        guard::check(messages.batch, fields, self.shape, rows, messages.body.len(), &came)
            .map_err(bad)?;
        // Nulls among the values of a dictionary are not in its keys' null count.
        let hidden = messages.dictionaries.values().any(|values| values.null_count() > 0);
        let error = match messages.read(&self.schema) {
            Ok(batch) if !(hidden && self.relaxed.is_some()) => {
                let batch = with_schema(batch.columns().to_vec(), schema, rows)?;
                return Ok(Rejects::new(limits, named_max).into_decoded(batch, rows));
            }
            Ok(_) => None,
            Err(error) => Some(error),
        };
        match (&self.relaxed, error) {
            (Some(relaxed), error) => {
                let batch = messages.read(relaxed).map_err(|later| error.clone().unwrap_or(later));
                let rejects = Rejects::new(limits, named_max);
                without_bad_rows(&batch.map_err(bad)?, schema, rejects, error)
            }
            (None, Some(error)) => Err(bad(error)),
            (None, None) => unreachable!("without required columns no null is looked for"),
        }
    }

    /// All rows of a batch that was decoded before, those that lack a required value among them.
    /// Its bytes were checked then.
    pub(super) fn read_leniently(&self, bytes: &Bytes) -> Option<RecordBatch> {
        let messages = self.messages(bytes).ok()?;
        let strict = messages.read(&self.schema).ok();
        strict.or_else(|| messages.read(self.relaxed.as_ref()?).ok())
    }

    /// Checks the messages around the record batch and reads the dictionaries.
    fn messages<'a>(&self, bytes: &'a Bytes) -> Result<Messages<'a>, String> {
        let stream = Buffer::from(bytes.clone());
        let body = |frame: &Frame<'_>| stream.slice_with_length(frame.body.start, frame.body.len());
        let mut frames = Frames::new(bytes, self.shape.fields());
        let mut ids = self.dictionaries.iter().map(|d| d.declared_id).collect::<Vec<_>>();
        let mut dictionaries = HashMap::new();
        let (mut first, mut found) = (true, None);
        while let Some(frame) = frames.next()? {
            if found.is_some() {
                return Err(match frame.kind() {
                    MessageHeader::RecordBatch => "it has more than one record batch: send each \
                         as a batch of its own"
                        .to_owned(),
                    kind => format!("a {kind:?} message follows the record batch"),
                });
            }
            let message = frame.message;
            if let Some(schema) = message.header_as_schema() {
                if !first {
                    return Err("a schema message stands behind another message".to_owned());
                }
                ids.clear();
                ipc_schema::compare(schema, self.schema.fields(), &mut ids)
                    .map_err(|malformed| malformed.to_string())?;
            } else if let Some(dictionary) = message.header_as_dictionary_batch() {
                let (body, version) = (body(&frame), message.version());
                self.read_dictionary(dictionary, &body, version, &ids, &mut dictionaries)?;
            } else if let Some(batch) = message.header_as_record_batch() {
                found = Some((batch, message.version(), body(&frame)));
            } else {
                return Err(format!("a {:?} message has no place here", frame.kind()));
            }
            first = false;
        }
        match found {
            Some((batch, version, body)) => Ok(Messages { batch, version, body, dictionaries }),
            None => Err("it has no record batch".to_owned()),
        }
    }

    /// Reads the values of a dictionary for every column that has its id.
    fn read_dictionary(
        &self,
        message: DictionaryBatch<'_>,
        body: &Buffer,
        version: MetadataVersion,
        ids: &[i64],
        dictionaries: &mut HashMap<i64, ArrayRef>,
    ) -> Result<(), String> {
        let id = message.id();
        let fault = |what: &dyn std::fmt::Display| format!("the dictionary with id {id}: {what}");
        if message.isDelta() {
            return Err(fault(&"deltas are not supported: every batch brings its dictionaries"));
        }
        let batch = message.data().ok_or_else(|| fault(&"it has no values"))?;
        let mut read: Option<(ArrayRef, &Dictionary)> = None;
        for (number, dictionary) in self.dictionaries.iter().enumerate() {
            if ids[number] != id {
                continue;
            }
            let values = match &read {
                Some((values, first)) if first.schema == dictionary.schema => Arc::clone(values),
                Some(_) => return Err(fault(&"columns of different types share it")),
                None => dictionary.read(batch, body, version).map_err(|e| fault(&e))?,
            };
            read = Some((Arc::clone(&values), dictionary));
            if dictionaries.insert(number as i64, values).is_some() {
                return Err(fault(&"it came twice"));
            }
        }
        read.map(drop).ok_or_else(|| fault(&"no column of the schema has this id"))
    }
}

impl Dictionary {
    fn read(
        &self,
        batch: IpcBatch<'_>,
        body: &Buffer,
        version: MetadataVersion,
    ) -> Result<ArrayRef, String> {
        let rows = usize::try_from(batch.length()).map_err(|_| "its length is negative")?;
        let field = self.schema.field(0);
        guard::check(batch, [field], self.shape, rows, body.len(), &[])
            .map_err(|malformed: Malformed| malformed.to_string())?;
        let batch = read_batch(batch, body, &self.schema, &HashMap::new(), version)?;
        Ok(Arc::clone(batch.column(0)))
    }
}

impl Messages<'_> {
    fn read(&self, schema: &SchemaRef) -> Result<RecordBatch, String> {
        read_batch(self.batch, &self.body, schema, &self.dictionaries, self.version)
    }
}

/// Lets Arrow read and validate a checked batch.
fn read_batch(
    batch: IpcBatch<'_>,
    body: &Buffer,
    schema: &SchemaRef,
    dictionaries: &HashMap<i64, ArrayRef>,
    version: MetadataVersion,
) -> Result<RecordBatch, String> {
    // Nothing outlives a panic but what was borrowed, and that is not changed inside.
    quiet::catch(AssertUnwindSafe(|| {
        RecordBatchDecoder::try_new(body, batch, Arc::clone(schema), dictionaries, &version)?
            .read_record_batch()
    }))
    .map_err(|panic| format!("{PANICKED}: {panic}"))?
    .map_err(|error| error.to_string())
}

/// Leaves out the rows that have a null in a required column. Where Arrow refused the batch with
/// `error`, that may be for nulls that a null around them hides; if not, the batch is at fault.
fn without_bad_rows(
    relaxed: &RecordBatch,
    schema: &SchemaRef,
    mut rejects: Rejects,
    error: Option<String>,
) -> Result<Decoded, DecodeError> {
    let rows = relaxed.num_rows();
    let good = nulls::find(relaxed, schema, &mut rejects)?;
    let columns = quiet::catch(AssertUnwindSafe(|| nulls::keep(relaxed, schema, &good)))
        .and_then(|kept| kept.map_err(|error| error.to_string()))
        .map_err(|later| bad(error.filter(|_| rejects.is_empty()).unwrap_or(later)))?;
    let batch = with_schema(columns, schema, good.count_set_bits())?;
    Ok(rejects.into_decoded(batch, rows))
}

fn with_schema(
    columns: Vec<ArrayRef>,
    schema: &SchemaRef,
    rows: usize,
) -> Result<RecordBatch, DecodeError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(bad)
}

fn bad(reason: impl std::fmt::Display) -> DecodeError {
    DecodeError::bad(Carrier::ArrowIpc, reason)
}

/// The fields with their dictionaries numbered from 0 in the order of Arrow's reader.
fn number_fields(fields: &Fields, dictionaries: &mut Vec<Dictionary>) -> Fields {
    fields.iter().map(|field| number(field, dictionaries)).collect()
}

fn number(field: &FieldRef, dictionaries: &mut Vec<Dictionary>) -> FieldRef {
    use DataType as D;
    let data_type = match field.data_type() {
        D::Dictionary(_, values) => {
            let number = dictionaries.len() as i64;
            let values = Field::new("values", values.as_ref().clone(), true);
            let shape = Shape::of([&values]);
            let schema = Arc::new(Schema::new(vec![values]));
            #[expect(deprecated, reason = "Arrow's reader finds dictionaries by this id")]
            let declared_id = field.dict_id().unwrap_or_default();
            dictionaries.push(Dictionary { declared_id, schema, shape });
            #[expect(deprecated, reason = "Arrow's reader finds dictionaries by this id")]
            let numbered = Field::new_dict(
                field.name(),
                field.data_type().clone(),
                field.is_nullable(),
                number,
                false,
            );
            return Arc::new(numbered.with_metadata(field.metadata().clone()));
        }
        D::Struct(fields) => D::Struct(number_fields(fields, dictionaries)),
        D::List(item) => D::List(number(item, dictionaries)),
        D::LargeList(item) => D::LargeList(number(item, dictionaries)),
        D::FixedSizeList(item, size) => D::FixedSizeList(number(item, dictionaries), *size),
        D::Map(entries, sorted) => D::Map(number(entries, dictionaries), *sorted),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
