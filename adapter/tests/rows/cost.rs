//! What decoding costs; run with `--release -- --ignored --nocapture cost`.

use std::time::{Duration, Instant};

use super::samples::*;
use super::*;

#[test]
#[ignore = "measures; says nothing in a debug build"]
fn decode_cost() {
    const ROWS: usize = 1_000;
    let batch = flights(ROWS);
    let decoder = Decoder::compile(batch.schema()).unwrap();
    let limits = Limits { rows_max: ROWS, bytes_max: 64 << 20 };
    let shift = |bytes: Vec<u8>, by: usize| {
        let mut shifted = vec![0; 64];
        let start = 64 - shifted.as_ptr() as usize % 64 + by;
        shifted.resize(start, 0);
        shifted.extend(bytes);
        Bytes::from(shifted).slice(start..)
    };
    for (name, carrier, bytes) in [
        ("IPC stream, aligned", Carrier::ArrowIpc, ipc_stream(&batch).into()),
        ("IPC stream, shifted", Carrier::ArrowIpc, shift(ipc_stream(&batch), 3)),
        ("IPC batch alone", Carrier::ArrowIpc, ipc_bare(&batch).into()),
        ("typed rows", Carrier::TypedRows, Bytes::from(typed_bytes(&batch))),
        ("JSON lines", Carrier::JsonLines, Bytes::from(json_lines(&batch))),
    ] {
        let mut best = Duration::MAX;
        for _ in 0..300 {
            let start = Instant::now();
            let decoded = decoder.decode(carrier, &bytes, &limits).unwrap();
            best = best.min(start.elapsed());
            assert_eq!(decoded.batch.num_rows(), ROWS);
        }
        let per_row = best.as_nanos() as f64 / ROWS as f64;
        println!("{name:20} {per_row:8.1} ns/row, {} B/row", bytes.len() / ROWS);
    }
}
