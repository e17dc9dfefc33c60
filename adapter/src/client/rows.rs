//! Rows and schemas as the wire carries them.
use arrow_array::RecordBatch;
use arrow_ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use arrow_schema::Schema;
use bytes::Bytes;
use proto::v1::batch::Rows as Carrier;

use super::Error;

/// Room for the framing of a message beside its buffers: schema-dependent, a guess that saves
/// most reallocations.
const FRAMING_BYTES: usize = 4 * 1024;

/// The rows of one batch, encoded once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(super) carrier: Carrier,
    pub(super) count: Option<u64>,
}

impl Rows {
    /// Encodes a record batch as the Arrow IPC messages of a batch: its dictionaries, then itself.
    pub fn from_arrow(batch: &RecordBatch) -> Result<Self, Error> {
        let bytes = encode_batch(batch).map_err(|cause| Error::Encode(cause.to_string()))?;
        let count = Some(batch.num_rows() as u64);
        Ok(Self { carrier: Carrier::ArrowIpc(bytes), count })
    }

    /// Rows that are encoded already, in any of the contract's carriers.
    pub fn encoded(carrier: Carrier) -> Self {
        Self { carrier, count: None }
    }

    /// The size of the encoded rows.
    pub fn bytes(&self) -> u64 {
        self.content().len() as u64
    }

    /// The encoded rows.
    pub fn content(&self) -> &Bytes {
        match &self.carrier {
            Carrier::ArrowIpc(bytes) | Carrier::TypedRows(bytes) | Carrier::JsonLines(bytes) => {
                bytes
            }
        }
    }
}

/// Encodes an Arrow schema as the contract wants it: its encapsulated IPC message.
pub fn encode_schema(schema: &Schema) -> Result<Bytes, Error> {
    let options = IpcWriteOptions::default();
    let message = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
        schema,
        &mut DictionaryTracker::new(false),
        &options,
    );
    let mut bytes = Vec::with_capacity(FRAMING_BYTES);
    write_message(&mut bytes, message, &options)
        .map_err(|cause| Error::Encode(cause.to_string()))?;
    Ok(bytes.into())
}

fn encode_batch(batch: &RecordBatch) -> Result<Bytes, arrow_schema::ArrowError> {
    let options = IpcWriteOptions::default();
    let generator = IpcDataGenerator::default();
    // The tracker gives out the ids of dictionaries while it sees the schema. A new one for each
    // batch keeps a batch whole: it brings its dictionaries, so it can be sent again anywhere.
    let mut dictionaries = DictionaryTracker::new(false);
    generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut dictionaries, &options);
    let (dictionaries, rows) =
        generator.encode(batch, &mut dictionaries, &options, &mut IpcWriteContext::default())?;
    let body_bytes: usize = dictionaries.iter().chain([&rows]).map(|m| m.arrow_data.len()).sum();
    let mut bytes = Vec::with_capacity(body_bytes + FRAMING_BYTES);
    for message in dictionaries.into_iter().chain([rows]) {
        write_message(&mut bytes, message, &options)?;
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Array, DictionaryArray, Int64Array, types::Int32Type};
    use arrow_ipc::reader::StreamReader;

    use super::*;

    #[test]
    fn schema_and_batch_together_are_an_ipc_stream() {
        let numbers = Int64Array::from_iter([Some(1), None, Some(-3)]);
        let names: DictionaryArray<Int32Type> = ["JFK", "LGA", "JFK"].into_iter().collect();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("number", Arc::new(numbers) as Arc<dyn Array>, true),
            ("name", Arc::new(names) as Arc<dyn Array>, true),
        ])
        .unwrap();
        // A slice: its offsets must not leak into the message.
        let batch = batch.slice(1, 2);
        let Carrier::ArrowIpc(rows) = Rows::from_arrow(&batch).unwrap().carrier else {
            panic!("not Arrow")
        };
        let mut stream = encode_schema(&batch.schema()).unwrap().to_vec();
        stream.extend_from_slice(&rows);
        let mut reader = StreamReader::try_new(stream.as_slice(), None).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), batch);
    }

    #[test]
    fn encoding_twice_gives_the_same_bytes() {
        let names: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let batch =
            RecordBatch::try_from_iter([("name", Arc::new(names) as Arc<dyn Array>)]).unwrap();
        let [one, two] = [(); 2].map(|()| Rows::from_arrow(&batch).unwrap().carrier);
        assert_eq!(one, two);
    }
}
