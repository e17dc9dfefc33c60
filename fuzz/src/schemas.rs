//! Schemas as engines declare them: one that is served takes rows, one that is not says why.

use bytes::Bytes;
use kafka_output::{
    grpc::schema,
    rows::{Carrier, DecodeError, Decoder, Limits, SchemaError, code, schema_from_ipc},
};
use prost::Message as _;
use proto::v1;

use crate::{memory::within, rows::schema_message};

const MIB: usize = 1 << 20;
/// Names on the way to a field, each of which may be 1 KiB, and some words.
const FAULT_BYTES_MAX: usize = 80 * 1024;

/// An Arrow IPC schema message.
pub fn ipc_schema(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let schema = within(16 * data.len() + MIB, || schema_from_ipc(&bytes));
    let Some(schema) = told(schema) else { return };
    let Some(decoder) = told(Decoder::compile(schema)) else { return };
    take_an_empty_row(&decoder);
    // Arrow writes what it read, and reads it again.
    let written = schema_message(decoder.schema()).expect("a schema that is served can be written");
    let read = schema_from_ipc(&written.into()).expect("what Arrow wrote can be read");
    // But for time zones without a name, which it does not write.
    let has_empty_zone = format!("{:?}", decoder.schema()).contains("Some(\"\")");
    assert!(has_empty_zone || read.fields() == decoder.schema().fields(), "{read} is read back");
}

/// An encoded `kafkaoutput.v1.Schema`, in either form.
pub fn columns(data: &[u8]) {
    let Ok(message) = v1::Schema::decode(data) else { return };
    let decode = || Decoder::compile(schema::decode(&message)?);
    if let Some(decoder) = told(within(256 * data.len() + MIB, decode)) {
        take_an_empty_row(&decoder);
    }
}

fn told<T>(result: Result<T, SchemaError>) -> Option<T> {
    let error = match result {
        Ok(served) => return Some(served),
        Err(error) => error.to_string(),
    };
    assert!(!error.is_empty() && error.len() <= FAULT_BYTES_MAX, "{} bytes", error.len());
    None
}

/// A row without values is all nulls, or lacks a required one.
fn take_an_empty_row(decoder: &Decoder) {
    let limits = Limits { rows_max: 1, bytes_max: MIB };
    match decoder.decode(Carrier::JsonLines, &Bytes::from_static(b"{}"), &limits) {
        Ok(decoded) => {
            assert_eq!(decoded.rows_total, 1);
            assert!(decoded.rejected.iter().all(|bad| bad.code == code::NULL_IN_REQUIRED));
        }
        Err(DecodeError::TooLarge { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
