//! The loops over the rows of batches: records of one row or of several, limits, leaving rows out,
//! saying why.

use std::mem;

use crate::{
    encoder::EncodeError,
    output::{Output, TooLarge},
    records::{BATCH_BYTES_MAX, Limits, Packing, Records, RowError, RowErrorCode},
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

/// What a format puts around the rows of a record.
pub(crate) trait Frame {
    /// Bytes that [`close`](Self::close) adds at most, beside what compression does.
    fn end_bytes(&self) -> usize {
        0
    }

    /// Bytes that a record of at most `record_bytes_max` may grow by if its rows do not compress.
    fn grown_bytes(&self, record_bytes_max: usize) -> usize {
        let _ = record_bytes_max;
        0
    }

    /// Before the first row.
    #[inline]
    fn open(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// Between two rows.
    fn separate(&mut self, out: &mut Output);

    /// Behind the last of `rows` rows. What compression [saves](Output::save) was written, and is
    /// bounded as if it were kept.
    #[inline]
    fn close(&mut self, out: &mut Output, rows: u32) {
        let _ = (out, rows);
    }
}

/// Makes records of rows, batch after batch.
pub(crate) struct Packer<'a, F> {
    frame: F,
    packing: Packing,
    limits: Limits,
    /// The names of all fields by number, for errors.
    names: &'a [String],
    records: &'a mut Records,
    out: Output,
    /// What ends a record, which counts where rows are packed.
    end_bytes: usize,
    /// The same, and what compression may add, for which a record keeps room.
    kept_bytes: usize,
    /// Rows of the batches before.
    base: usize,
    /// Rows in the record under way.
    open: u32,
    wasted: usize,
}

impl<'a, F: Frame> Packer<'a, F> {
    /// Writes into `records`, which is empty.
    pub(crate) fn new(
        frame: F,
        packing: Packing,
        limits: &Limits,
        names: &'a [String],
        records: &'a mut Records,
    ) -> Self {
        let batch_bytes_max = limits.batch_bytes_max;
        assert!(batch_bytes_max <= BATCH_BYTES_MAX, "batch_bytes_max exceeds {BATCH_BYTES_MAX}");
        // A record beyond the batch's limit fails the batch, so nothing is written past that. One
        // that is judged as a whole is written first.
        let record_bytes_max = match packing.whole && packing.rows_max > 1 {
            true => batch_bytes_max,
            false => limits.record_bytes_max.min(batch_bytes_max),
        };
        let out = Output::new(mem::take(&mut records.bytes), record_bytes_max);
        let end_bytes = frame.end_bytes();
        let kept_bytes = end_bytes + frame.grown_bytes(record_bytes_max);
        let limits = *limits;
        Self {
            frame,
            packing,
            limits,
            names,
            records,
            out,
            end_bytes,
            kept_bytes,
            base: 0,
            open: 0,
            wasted: 0,
        }
    }

    /// Adds a batch of `rows` rows; `write` writes one.
    ///
    /// # Errors
    /// If all batches together become too large.
    pub(crate) fn batch(
        &mut self,
        rows: usize,
        write: impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
    ) -> Result<(), EncodeError> {
        self.records.begin_batch();
        let done = if self.packing.rows_max == 1 {
            self.each(rows, write)
        } else {
            self.packed(rows, write)
        };
        self.base += rows;
        done.ok_or(EncodeError::BatchTooLarge { bytes_max: self.limits.batch_bytes_max })
    }

    /// Ends the last record, unless a batch has failed.
    ///
    /// # Errors
    /// That of the batch, or if all batches together become too large; there are no records then.
    pub(crate) fn finish(mut self, done: Result<(), EncodeError>) -> Result<(), EncodeError> {
        let bytes_max = self.limits.batch_bytes_max;
        let done =
            done.and_then(|()| self.end_record().ok_or(EncodeError::BatchTooLarge { bytes_max }));
        self.records.plain_bytes = self.out.position() + self.out.saved();
        self.records.bytes = self.out.finish();
        if done.is_err() {
            self.records.clear();
        }
        done
    }

    /// Every row is a record. Returns none if the batch becomes too large.
    fn each(
        &mut self,
        rows: usize,
        mut write: impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
    ) -> Option<()> {
        for row in 0..rows {
            // Every row writes or wastes a byte at least, so that both limits are reached before
            // rows are too many for 32 bits.
            let number = (self.base + row) as u32;
            let out = &mut self.out;
            out.begin(self.kept_bytes);
            self.frame.open(out);
            let result = write(out, row).and_then(|()| Ok(out.check(0)?));
            self.wasted += out.take_wasted();
            match result {
                Ok(()) => {
                    self.frame.close(out, 1);
                    self.wasted += out.take_wasted();
                    if out.position() > self.limits.batch_bytes_max {
                        return None;
                    }
                    self.wasted += usize::from(out.record_len() == 0);
                    self.records.accept(number);
                    self.records.end(out.position() as u32, false);
                }
                Err(fault) => self.reject(number, *fault, self.out.record_start())?,
            }
            if self.wasted > self.limits.batch_bytes_max {
                return None;
            }
            if self.base + row + 1 == SAMPLE_ROWS {
                let guess = (self.out.position() / SAMPLE_ROWS).saturating_mul(rows - row);
                let guess = guess.min(self.limits.batch_bytes_max);
                self.out.reserve(guess + guess / 16);
                self.records.ends.reserve(rows.min(guess));
            }
        }
        Some(())
    }

    /// Several rows are a record. Returns none if the batch becomes too large.
    fn packed(
        &mut self,
        rows: usize,
        mut write: impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
    ) -> Option<()> {
        for row in 0..rows {
            let number = (self.base + row) as u32;
            // A row that does not fit into the record of those before it begins the next.
            while !self.add(number, row, &mut write)? {
                self.end_record()?;
            }
            if self.wasted > self.limits.batch_bytes_max {
                return None;
            }
        }
        Some(())
    }

    /// Adds a row to the record under way, or rejects it. False if it does not fit there. None if
    /// the batch becomes too large.
    fn add(
        &mut self,
        number: u32,
        row: usize,
        write: &mut impl FnMut(&mut Output, usize) -> Result<(), Box<Fault>>,
    ) -> Option<bool> {
        let out = &mut self.out;
        let from = out.position();
        if self.open == 0 {
            out.begin(self.kept_bytes);
            self.frame.open(out);
        } else {
            self.frame.separate(out);
        }
        let start = out.position();
        let result = write(out, row).and_then(|()| Ok(out.check(0)?));
        self.wasted += out.take_wasted();
        let fits = match &result {
            Ok(()) => out.record_len() + self.end_bytes <= self.packing.bytes_max,
            Err(fault) => !matches!(fault.cause, Cause::TooLarge(_)),
        };
        if self.open > 0 && !fits {
            out.take_back(from);
            return Some(false);
        }
        match result {
            Ok(()) => {
                self.wasted += usize::from(out.position() == start);
                self.records.accept(number);
                self.open += 1;
                if self.open == self.packing.rows_max || !fits {
                    self.end_record()?;
                } else if out.position() > self.limits.batch_bytes_max {
                    return None;
                }
            }
            Err(fault) => self.reject(number, *fault, from)?,
        }
        Some(true)
    }

    /// Ends the record under way, if there is one.
    fn end_record(&mut self) -> Option<()> {
        if self.open == 0 {
            return Some(());
        }
        self.frame.close(&mut self.out, self.open);
        self.wasted += self.out.take_wasted();
        let rows = mem::take(&mut self.open);
        if self.packing.whole && self.out.record_len() > self.limits.record_bytes_max {
            return self.reject_record(rows);
        }
        if self.out.position() > self.limits.batch_bytes_max {
            return None;
        }
        self.records.end(self.out.position() as u32, true);
        Some(())
    }

    /// Leaves out all rows of the record that has just ended, which is too long.
    #[cold]
    fn reject_record(&mut self, rows: u32) -> Option<()> {
        let (bytes, bytes_max) = (self.out.record_len(), self.limits.record_bytes_max);
        self.wasted += self.out.take_back(self.out.record_start()).max(1);
        for row in self.records.take_back(rows) {
            let error = || {
                let reason = format!(
                    "the record that it shares with others, {rows} rows in all, needs {bytes} \
                     bytes, and {bytes_max} are allowed"
                );
                let code = RowErrorCode::RowTooLarge;
                RowError { row, column: String::new(), code, reason }
            };
            self.wasted += self.records.reject(error);
        }
        (self.wasted <= self.limits.batch_bytes_max).then_some(())
    }

    /// Leaves a row out that was written from `from` on.
    #[cold]
    fn reject(&mut self, number: u32, fault: Fault, from: usize) -> Option<()> {
        self.wasted += self.out.take_back(from).max(1);
        if let Cause::TooLarge(TooLarge { bytes_min }) = fault.cause
            && bytes_min + self.kept_bytes <= self.limits.record_bytes_max
        {
            return None;
        }
        let (names, kept_bytes, bytes_max) =
            (self.names, self.kept_bytes, self.limits.record_bytes_max);
        let error = || row_error(number, fault, names, kept_bytes, bytes_max);
        self.wasted += self.records.reject(error);
        Some(())
    }
}

fn row_error(
    row: u32,
    fault: Fault,
    names: &[String],
    kept_bytes: usize,
    bytes_max: usize,
) -> RowError {
    let column = fault.column(names);
    let (code, reason) = match fault.cause {
        Cause::Value(code, reason) => (code, reason),
        Cause::TooLarge(TooLarge { bytes_min }) => {
            let bytes = bytes_min + kept_bytes;
            let reason =
                format!("its record needs {bytes} bytes or more, and {bytes_max} are allowed");
            (RowErrorCode::RowTooLarge, reason)
        }
    };
    RowError { row, column, code, reason }
}
