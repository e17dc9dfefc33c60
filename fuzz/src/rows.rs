//! Batches in the three carriers: what is decoded is valid, within its bounds, and becomes records
//! that say the same.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use kafka_output::rows::{
    Carrier, DecodeError, Decoded, Decoder, Limits, REJECTED_NAMED_MAX, code, schema_from_ipc,
};
use prost::Message as _;
use proto::v1;
use serde::de::IgnoredAny;
use serializers::{EncodeError, Encoder, Format, JsonOptions, NonFinite, Records};

use crate::{memory::within, types::Input};

const MIB: usize = 1 << 20;
const LIMITS: Limits = Limits { rows_max: 10_000, bytes_max: 256 << 10 };
const RECORDS: serializers::Limits =
    serializers::Limits { record_bytes_max: MIB / 4, batch_bytes_max: MIB };
/// For rows that the service wrote itself.
const WIDE: Limits = Limits { rows_max: 10_000, bytes_max: 256 << 20 };

/// What a caught panic of Arrow's reader is called. It is an error of its batch, but the checks
/// before the reader are there so that it never happens.
const PANICKED: &str = "reader panicked";

/// The schema is Arrow's own, taken from the front of the stream.
pub const OWN_SCHEMA: u8 = 0x80;

/// Arrow IPC: a byte of options; columns, unless the stream brings them; the stream.
pub fn ipc(data: &[u8]) {
    let (options, schema, rows) = match data {
        [options, stream @ ..] if options & OWN_SCHEMA != 0 => {
            let stream = Bytes::copy_from_slice(stream);
            let Ok(schema) = schema_from_ipc(&stream) else { return };
            (*options, schema, stream)
        }
        _ => {
            let mut input = Input(data);
            let (options, schema) = (input.byte(), input.schema());
            let Some(schema) = declared(&schema) else { return };
            (options, schema, Bytes::copy_from_slice(input.0))
        }
    };
    let Ok(decoder) = Decoder::compile(schema) else { return };
    // An array takes some hundred bytes, however few bytes of the message are its own.
    let arrays = 2048 * fields(decoder.schema());
    let bytes_max = 2 * rows.len() + MIB / 8 + arrays;
    match within(bytes_max, || decoder.decode(Carrier::ArrowIpc, &rows, &LIMITS)) {
        Ok(decoded) => {
            check(&decoder, &decoded, options);
            check_texts(&decoder, Carrier::ArrowIpc, &rows, &decoded);
        }
        Err(error) => assert!(!error.to_string().contains(PANICKED), "{error}"),
    }
}

/// The schema as an engine declares it: its dictionaries are numbered.
fn declared(schema: &Schema) -> Option<SchemaRef> {
    schema_from_ipc(&schema_message(schema)?.into()).ok()
}

/// The message of a schema, if Arrow has one.
pub fn schema_message(schema: &Schema) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema).ok()?.finish().ok()?;
    Some(bytes)
}

/// Typed rows: a byte of options; columns; an encoded `TypedRows`. Protobuf's own reader must see
/// the same rows.
pub fn typed(data: &[u8]) {
    let mut input = Input(data);
    let (options, schema) = (input.byte(), input.schema());
    let Ok(decoder) = Decoder::compile(schema) else { return };
    let bytes = Bytes::copy_from_slice(input.0);
    let decode = |bytes: &Bytes| {
        let bytes_max = built_bytes_max(bytes.len());
        within(bytes_max, || decoder.decode(Carrier::TypedRows, bytes, &LIMITS))
    };
    let ours = decode(&bytes);
    if let Ok(decoded) = &ours {
        check(&decoder, decoded, options);
        check_texts(&decoder, Carrier::TypedRows, &bytes, decoded);
    }
    let Ok(theirs) = v1::TypedRows::decode(bytes) else { return };
    match (&ours, decode(&theirs.encode_to_vec().into())) {
        (Ok(ours), Ok(plain)) => {
            assert_eq!(ours.rows_total, theirs.rows.len());
            assert_eq!(ours.batch, plain.batch, "protobuf reads other rows");
            assert_eq!(ours.rejected, plain.rejected, "protobuf reads other rows");
        }
        // Room for what is merged is taken twice, and what is overwritten takes room as well.
        (Err(DecodeError::TooLarge { .. }), _) => {}
        (Err(DecodeError::BadCarrier { reason }), _) if reason.contains("groups") => {}
        (Err(ours), Err(plain)) => assert_eq!(ours, &plain),
        (ours, plain) => panic!("of bytes: {ours:?}; of what protobuf reads: {plain:?}"),
    }
}

/// JSON lines: a byte of options; columns; lines.
pub fn json_lines(data: &[u8]) {
    let mut input = Input(data);
    let (options, schema) = (input.byte(), input.schema());
    let Ok(decoder) = Decoder::compile(schema) else { return };
    let bytes = Bytes::copy_from_slice(input.0);
    let bytes_max = built_bytes_max(bytes.len());
    let decoded = within(bytes_max, || decoder.decode(Carrier::JsonLines, &bytes, &LIMITS));
    let Ok(decoded) = decoded else { return };
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let lines = lines.collect::<Vec<_>>();
    assert_eq!(decoded.rows_total, lines.len());
    for row in good_rows(&decoded) {
        let read = serde_json::from_slice::<IgnoredAny>(lines[row as usize]);
        assert!(read.is_ok(), "row {row} is no JSON, and yet it is taken");
    }
    for bad in decoded.rejected.iter().filter(|bad| bad.code == code::INVALID_JSON) {
        let read = serde_json::from_slice::<serde_json::Value>(lines[bad.row as usize]);
        assert!(read.is_err() || bad.reason.contains("deeper"), "it is valid JSON, but: {bad:?}");
    }
    check(&decoder, &decoded, options);
    check_texts(&decoder, Carrier::JsonLines, &bytes, &decoded);
}

/// Every row, good or bad, has a text: one JSON object, or its beginning.
fn check_texts(decoder: &Decoder, carrier: Carrier, bytes: &Bytes, decoded: &Decoded) {
    const TEXT_BYTES_MAX: usize = MIB / 16;
    let all: Vec<u32> = (0..decoded.rows_total as u32).collect();
    let texts = decoder.texts(carrier, bytes, &all, TEXT_BYTES_MAX, MIB);
    assert_eq!(texts.len(), all.len());
    assert!(texts.iter().map(|text| text.json.len()).sum::<usize>() <= MIB);
    for text in texts {
        assert!(text.json.len() <= TEXT_BYTES_MAX);
        if !text.is_cut {
            assert!(text.json.starts_with('{'), "{}", text.json);
            serde_json::from_str::<IgnoredAny>(&text.json).expect("a text is JSON");
        }
    }
}

/// What columns may take while they grow.
fn built_bytes_max(len: usize) -> usize {
    2 * LIMITS.bytes_max + 2 * len + MIB
}

/// Fields of a schema, those inside others counted.
fn fields(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| field.size() / 64 + 1).sum()
}

/// The rows that were taken, by their places in the message.
fn good_rows(decoded: &Decoded) -> Vec<u32> {
    match &decoded.row_map {
        Some(map) => map.clone(),
        None => (0..decoded.rows_total as u32).collect(),
    }
}

/// Checks decoded rows by themselves, then what becomes of them.
fn check(decoder: &Decoder, decoded: &Decoded, options: u8) {
    let Decoded { batch, rows_total, rejected, rejected_total, .. } = decoded;
    assert_eq!(batch.schema_ref(), decoder.schema());
    for column in batch.columns() {
        column.to_data().validate_full().expect("a decoded column is valid");
    }
    assert_eq!(batch.num_rows() + rejected_total, *rows_total);
    assert_eq!(rejected.len(), REJECTED_NAMED_MAX.min(*rejected_total));
    assert_eq!(decoded.row_map.is_some(), *rejected_total > 0);
    let good = good_rows(decoded);
    assert_eq!(good.len(), batch.num_rows());
    assert!(good.is_sorted_by(|one, next| one < next) && rejected.is_sorted_by_key(|bad| bad.row));
    for bad in rejected {
        assert!((bad.row as usize) < *rows_total && good.binary_search(&bad.row).is_err());
        assert!(!bad.reason.is_empty() && !bad.code.is_empty(), "{bad:?}");
    }
    let non_finite = match options & 3 {
        0 => NonFinite::Null,
        1 => NonFinite::Error,
        _ => NonFinite::String,
    };
    let Some(records) = encode(batch, non_finite) else { return };
    if non_finite == NonFinite::String {
        check_reads_back(decoder, batch, &records);
    }
}

/// The records of a batch: each is one line of JSON, and every row is a record or named.
fn encode(batch: &RecordBatch, non_finite: NonFinite) -> Option<Records> {
    let format = Format::Json(JsonOptions { non_finite, ..JsonOptions::default() });
    let encoder = Encoder::compile(&format, batch.schema_ref()).ok()?;
    let mut records = Records::new();
    // A buffer that grows is there twice, at up to twice its need.
    let bytes_max = 4 * RECORDS.batch_bytes_max + 2 * MIB;
    match within(bytes_max, || encoder.encode(batch, &RECORDS, &mut records)) {
        Ok(()) => {}
        Err(EncodeError::BatchTooLarge { .. }) => return None,
        Err(error) => panic!("{error}"),
    }
    assert_eq!(records.len() + records.rejected_total(), batch.num_rows());
    for index in 0..records.len() {
        let record = records.record(index);
        assert!(record.len() <= RECORDS.record_bytes_max);
        assert!(record.starts_with(b"{") && !record.contains(&b'\n') && !record.contains(&b'\r'));
        let text = str::from_utf8(record).expect("a record is text");
        serde_json::from_str::<IgnoredAny>(text).expect("a record is JSON");
    }
    let rows = (0..records.len()).map(|record| records.row_of(record)).collect::<Vec<_>>();
    assert!(rows.is_sorted_by(|one, next| one < next));
    for error in records.rejected() {
        assert!((error.row as usize) < batch.num_rows() && rows.binary_search(&error.row).is_err());
    }
    Some(records)
}

/// What is written as JSON can be sent as JSON lines, and is then written the same.
fn check_reads_back(decoder: &Decoder, batch: &RecordBatch, records: &Records) {
    let lines = (0..records.len()).flat_map(|record| [records.record(record), b"\n"]);
    let lines = Bytes::from(lines.collect::<Vec<_>>().concat());
    let decoded = match decoder.decode(Carrier::JsonLines, &lines, &WIDE) {
        Ok(decoded) => decoded,
        // A thousand nulls of type null are five bytes each in JSON, and none in Arrow.
        Err(DecodeError::TooLarge { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(decoded.rejected, [], "a record that the service wrote is refused");
    let again = encode(&decoded.batch, NonFinite::String).expect("the same rows fit again");
    assert!(Arc::ptr_eq(batch.schema_ref(), decoded.batch.schema_ref()));
    for index in 0..records.len() {
        let (first, second) = (records.record(index), again.record(index));
        assert!(
            first == second,
            "{} is read as {}",
            String::from_utf8_lossy(first),
            String::from_utf8_lossy(second)
        );
    }
}
