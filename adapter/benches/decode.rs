//! What a row of the flights table costs to decode, in each carrier: `cargo bench -p kafka-output`,
//! see [`report`] for its arguments.
#![expect(clippy::unwrap_used, reason = "rows that we made are right")]

#[path = "../../serializers/benches/report.rs"]
mod report;
#[expect(dead_code, reason = "most samples are for tests")]
#[path = "../tests/rows/samples.rs"]
mod samples;

use bytes::Bytes;
use kafka_output::rows::{Carrier, Decoder, Limits};
use report::{ROWS, Work};
use samples::{flights, ipc_bare, json_lines, typed_bytes};

const LIMITS: Limits = Limits { rows_max: ROWS, bytes_max: 64 << 20 };

fn main() {
    report::run(&["arrow-ipc", "misaligned", "typed-rows", "json-lines"], &[], work);
}

fn work(case: &str) -> Work {
    let batch = flights(ROWS);
    let (carrier, bytes) = match case {
        "typed-rows" => (Carrier::TypedRows, typed_bytes(&batch).into()),
        "json-lines" => (Carrier::JsonLines, json_lines(&batch).into()),
        // As it comes out of a message: protobuf aligns nothing, so buffers are copied into place.
        "misaligned" => (Carrier::ArrowIpc, shifted(&ipc_bare(&batch), 3)),
        _ => (Carrier::ArrowIpc, shifted(&ipc_bare(&batch), 0)),
    };
    let decoder = Decoder::compile(batch.schema()).unwrap();
    Box::new(move || {
        let decoded = decoder.decode(carrier, &bytes, &LIMITS).unwrap();
        assert_eq!(decoded.batch.num_rows(), ROWS);
        bytes.len()
    })
}

/// The bytes at an address that is so much beyond a multiple of 64.
fn shifted(bytes: &[u8], by: usize) -> Bytes {
    let mut room = Vec::with_capacity(bytes.len() + 128);
    let start = 64 - room.as_ptr() as usize % 64 + by;
    room.resize(start, 0);
    room.extend_from_slice(bytes);
    Bytes::from(room).slice(start..)
}
