//! Dead letters of rows that are set aside: what the decoder or the encoder leaves out, and what
//! the broker refuses for good.
//!
//! A letter shows the row as the engine sent it, so it is made of the batch's own bytes, which are
//! kept until the batch is settled. The memory behind them is the writer's credit, which they hold
//! anyway.
use std::sync::Arc;

use bytes::Bytes;

use super::Output;
use crate::{
    kafka::{Cause, Letter, Letters, Mark, Sender},
    rows::{BadRow, Carrier, Decoder},
};

/// A batch as it came.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) decoder: Arc<Decoder>,
    pub(super) carrier: Carrier,
    pub(super) bytes: Bytes,
}

/// Makes the letters of one batch.
struct Writer {
    origin: Origin,
    sender: Arc<Sender>,
    /// The number of the batch's first row, among those that are submitted together.
    offset: u32,
    bytes_max: usize,
}

/// The letters of batches that are submitted together: of each its mark, the number of its first
/// row, and its bad rows. Nothing where the output has no dead letters.
pub(super) fn letters(
    output: &Output,
    origins: Vec<Option<Origin>>,
    marks: &[Mark],
    offsets: &[u32],
    bad: Vec<Vec<BadRow>>,
) -> Letters {
    let mut left = output.encoded_bytes_max;
    let (mut made, mut writers) = (Vec::new(), Vec::new());
    let batches = origins.into_iter().zip(marks).zip(offsets).zip(bad);
    for (((origin, mark), offset), bad) in batches {
        let Some(origin) = origin else { continue };
        let sender = Sender {
            output: output.alias.clone(),
            topic: output.topic.clone(),
            writer: mark.writer.clone(),
            sequence: mark.sequence,
        };
        let bytes_max = output.kafka.letter_bytes_max();
        let writer = Writer { origin, sender: Arc::new(sender), offset: *offset, bytes_max };
        made.append(&mut writer.write(bad, &mut left));
        writers.push(writer);
    }
    let sum_bytes_max = output.encoded_bytes_max;
    let later = move |rows: &[u32], cause: &Cause| refused(&writers, rows, cause, sum_bytes_max);
    Letters { made, later: Some(Box::new(later)) }
}

/// The letters of a record's rows that the broker refused for good, in their order.
fn refused(writers: &[Writer], rows: &[u32], cause: &Cause, mut left: usize) -> Vec<Letter> {
    let mut letters = Vec::new();
    for (index, writer) in writers.iter().enumerate() {
        let end = writers.get(index + 1).map_or(u32::MAX, |next| next.offset);
        let of_this = rows.iter().filter(|row| (writer.offset..end).contains(*row));
        let bad = of_this.map(|row| BadRow::refused(row - writer.offset, cause)).collect();
        letters.append(&mut writer.write(bad, &mut left));
    }
    letters
}

impl Writer {
    /// The letters of bad rows, which are sorted; their texts take `left` bytes at most. What is
    /// beyond them is cut.
    fn write(&self, bad: Vec<BadRow>, left: &mut usize) -> Vec<Letter> {
        if bad.is_empty() {
            return Vec::new();
        }
        let Origin { decoder, carrier, bytes } = &self.origin;
        let rows: Vec<u32> = bad.iter().map(|bad| bad.row).collect();
        let texts = decoder.texts(*carrier, bytes, &rows, self.bytes_max, *left);
        *left -= texts.iter().map(|text| text.json.len()).sum::<usize>();
        let letter = |(bad, text): (BadRow, crate::rows::RowText)| Letter {
            sender: self.sender.clone(),
            row: bad.row,
            code: bad.code,
            column: bad.column,
            reason: bad.reason,
            json: text.json,
            is_cut: text.is_cut,
        };
        bad.into_iter().zip(texts).map(letter).collect()
    }
}
