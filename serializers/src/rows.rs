//! The loop over the rows of a batch: limits, leaving rows out, saying why.

use std::mem;

use crate::{
    encoder::EncodeError,
    output::{Output, TooLarge},
    records::{BATCH_BYTES_MAX, Limits, Records, RowError, RowErrorCode},
    shape::join,
};

/// After how many rows the size of the others is guessed.
const SAMPLE_ROWS: usize = 16;

// Ends within the limit fit their 32 bits.
const _: () = assert!(BATCH_BYTES_MAX <= u32::MAX as usize);

/// What is wrong with a value. Boxed, so that the way without faults carries one word.
#[derive(Debug)]
pub(crate) struct Fault {
    cause: Cause,
    /// From the value outwards.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Cause {
    TooLarge(TooLarge),
    Value(RowErrorCode, String),
}

/// One step from a value to a part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Into the field of this number.
    Field(usize),
    /// To the item of a list or the entry of a map.
    Index(usize),
    /// To the key of an entry.
    Key,
    /// To the value of an entry.
    Value,
}

impl Fault {
    #[cold]
    pub(crate) fn new(code: RowErrorCode, reason: impl Into<String>) -> Box<Self> {
        Box::new(Self { cause: Cause::Value(code, reason.into()), path: Vec::new() })
    }

    /// Notes where the faulty part stands in what holds it.
    #[cold]
    pub(crate) fn at(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.path.push(step);
        self
    }

    fn column(&self, names: &[String]) -> String {
        self.path.iter().rev().fold(String::new(), |path, step| match *step {
            Step::Field(number) => join(&path, &names[number]),
            Step::Index(index) => format!("{path}[{index}]"),
            Step::Key => join(&path, "key"),
            Step::Value => join(&path, "value"),
        })
    }
}

impl From<TooLarge> for Box<Fault> {
    #[cold]
    fn from(too_large: TooLarge) -> Self {
        Box::new(Fault { cause: Cause::TooLarge(too_large), path: Vec::new() })
    }
}

/// Makes one record of each of `rows` rows with `write`, into `records`, which is empty.
///
/// `names` are the names of all fields by number, for errors.
pub(crate) fn write_rows(
    rows: usize,
    names: &[String],
    limits: &Limits,
    records: &mut Records,
    write: impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
) -> Result<(), EncodeError> {
    let batch_bytes_max = limits.batch_bytes_max;
    assert!(batch_bytes_max <= BATCH_BYTES_MAX, "batch_bytes_max exceeds {BATCH_BYTES_MAX}");
    // A record beyond the batch's limit fails the batch, so nothing is written past that either.
    let record_bytes_max = limits.record_bytes_max.min(batch_bytes_max);
    let mut out = Output::new(mem::take(&mut records.bytes), record_bytes_max);
    let done = write_each(rows, names, limits, records, &mut out, write);
    records.bytes = out.finish();
    if done.is_none() {
        records.clear();
        return Err(EncodeError::BatchTooLarge { bytes_max: batch_bytes_max });
    }
    Ok(())
}

/// Returns none if the batch becomes too large.
fn write_each(
    rows: usize,
    names: &[String],
    limits: &Limits,
    records: &mut Records,
    out: &mut Output,
    mut write: impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
) -> Option<()> {
    let mut wasted = 0;
    for row in 0..rows {
        // Every row writes or wastes a byte at least, so that both limits are reached before
        // rows are too many for 32 bits.
        let number = row as u32;
        out.begin();
        let result = write(out, row).and_then(|()| Ok(out.check(0)?));
        wasted += out.take_wasted();
        match result {
            Ok(()) if out.position() <= limits.batch_bytes_max => {
                records.accept(number, out.position() as u32);
            }
            Ok(()) => return None,
            Err(fault) => {
                wasted += out.take_back().max(1);
                if let Cause::TooLarge(TooLarge { bytes_min }) = fault.cause
                    && bytes_min <= limits.record_bytes_max
                {
                    return None;
                }
                records.reject(|| row_error(number, *fault, names, limits));
            }
        }
        if wasted > limits.batch_bytes_max {
            return None;
        }
        if row + 1 == SAMPLE_ROWS {
            let guess = (out.position() / SAMPLE_ROWS).saturating_mul(rows - row);
            let guess = guess.min(limits.batch_bytes_max);
            out.reserve(guess + guess / 16);
            records.ends.reserve(rows.min(guess));
        }
    }
    Some(())
}

fn row_error(row: u32, fault: Fault, names: &[String], limits: &Limits) -> RowError {
    let column = fault.column(names);
    let (code, reason) = match fault.cause {
        Cause::Value(code, reason) => (code, reason),
        Cause::TooLarge(TooLarge { bytes_min }) => {
            let reason = format!(
                "the record becomes at least {bytes_min} bytes, and {} are allowed",
                limits.record_bytes_max
            );
            (RowErrorCode::RowTooLarge, reason)
        }
    };
    RowError { row, column, code, reason }
}
