//! Records that get older on their way, so that a broker itself finds their timestamps wrong: the
//! service's own clock is right, and a record of it never is so old.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::records::{
    Compression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};

use super::{
    Api, answer,
    body::{Reader, Writer},
    frame::Header,
};

/// What a record's value holds that is to get older. It is looked for in what is not compressed.
pub const AGED: &str = "older on its way";

/// A request with records, of which those that hold [`AGED`] are so much older; `None` if it is
/// none.
pub(super) fn aged(header: &Header, frame: &[u8], by: Duration) -> Option<Vec<u8>> {
    if header.api != Api::Produce as i16 {
        return None;
    }
    let flexible = answer::is_flexible(header.api, header.version)?;
    let (mut written, mut copied) = (Writer::new(flexible), 0);
    let mut request = Reader::new(&frame[header.end..], flexible);
    request.tags()?;
    if header.version >= 3 {
        request.string()?; // transactional id
    }
    request.take(2 + 4)?; // acks, timeout
    request.array(|request| {
        request.string()?;
        request.array(|request| {
            request.i32()?; // partition
            let start = frame.len() - request.left();
            let records = request.bytes()?;
            // All but the records is as it was.
            written.raw(&frame[copied..start]).bytes(&older(records, by)?);
            copied = frame.len() - request.left();
            request.tags()
        })?;
        request.tags()
    })?;
    written.raw(&frame[copied..]);
    Some(written.into_bytes())
}

/// The same records, of which some are older.
fn older(records: &[u8], by: Duration) -> Option<Vec<u8>> {
    let batches = RecordBatchDecoder::decode_all(&mut Bytes::copy_from_slice(records)).ok()?;
    let mut bytes = BytesMut::new();
    for mut batch in batches {
        for record in &mut batch.records {
            let holds = |value: &Bytes| value.windows(AGED.len()).any(|at| at == AGED.as_bytes());
            if record.value.as_ref().is_some_and(holds) {
                record.timestamp -= i64::try_from(by.as_millis()).ok()?;
            }
        }
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &batch.records, &options).ok()?;
    }
    Some(bytes.to_vec())
}
