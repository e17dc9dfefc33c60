//! Gathers the rows of a batch: takes back a bad row, names it, and counts what is used.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, RecordBatchOptions, StructArray};
use arrow_schema::SchemaRef;

use super::build::Column;
use super::fault::{Fault, Taken, Trouble};
use super::plan::Plan;
use super::{BadRow, DecodeError, Decoded, Limits, REJECTED_NAMED_MAX};

/// What the taking of a value may use.
pub(super) struct Context {
    bytes_left: usize,
    bytes_max: usize,
    /// False once enough bad rows are named: their reasons are not even written.
    naming: bool,
    /// For values that must be decoded before they are taken.
    pub(super) scratch: Vec<u8>,
}

impl Context {
    /// Takes `bytes` from what the batch may use.
    #[inline]
    pub(super) fn charge(&mut self, bytes: usize) -> Taken {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(self.too_large()),
        }
    }

    #[cold]
    pub(super) fn too_large(&self) -> Trouble {
        Trouble::batch(DecodeError::TooLarge { bytes_max: self.bytes_max })
    }

    /// A bad row; `reason` is called only if the row will be named.
    #[cold]
    pub(super) fn fault(&self, code: &'static str, reason: impl FnOnce() -> String) -> Trouble {
        Trouble::row(code, if self.naming { reason() } else { String::new() })
    }
}

/// The rows of a batch while they come.
pub(super) struct Table<'p> {
    /// The columns as the fields of one record.
    root: Column<'p>,
    context: Context,
    rejects: Rejects,
    rows: usize,
}

impl<'p> Table<'p> {
    /// Makes room for `rows` rows.
    pub(super) fn new(
        root: &'p Plan,
        rows: usize,
        limits: &Limits,
        named_max: usize,
    ) -> Result<Self, DecodeError> {
        let bytes_max = limits.bytes_max;
        if rows > limits.rows_max || u32::try_from(rows).is_err() {
            return Err(DecodeError::TooManyRows { rows, rows_max: limits.rows_max });
        }
        let fixed_bytes = root.slot_bytes.saturating_mul(rows);
        let Some(bytes_left) = bytes_max.checked_sub(fixed_bytes) else {
            return Err(DecodeError::TooLarge { bytes_max });
        };
        let context = Context { bytes_left, bytes_max, naming: true, scratch: Vec::new() };
        let root = Column::new(root, rows);
        Ok(Self { root, context, rejects: Rejects::new(limits, named_max), rows: 0 })
    }

    /// The index of the row that comes next.
    pub(super) fn row(&self) -> usize {
        self.rows
    }

    /// Takes a row: `take` puts it into the columns, or says what is wrong with it.
    pub(super) fn take(
        &mut self,
        take: impl FnOnce(&mut Column<'p>, &mut Context) -> Taken,
    ) -> Result<(), DecodeError> {
        let row = self.rows as u32; // `new` saw to it that rows fit
        self.rows += 1;
        match take(&mut self.root, &mut self.context) {
            Ok(()) => self.rejects.good(row),
            Err(Trouble::Batch(error)) => return Err(*error),
            Err(Trouble::Row(fault)) => {
                let good = self.rejects.good_rows(row);
                self.root.truncate(good);
                self.rejects.bad(row, *fault)?;
                self.context.naming = self.rejects.naming();
            }
        }
        Ok(())
    }

    /// The batch of the good rows.
    pub(super) fn finish(self, schema: &SchemaRef) -> Result<Decoded, DecodeError> {
        let rows = self.root.len();
        let array = self.root.finish()?;
        let columns = array
            .as_any()
            .downcast_ref::<StructArray>()
            .expect("the root of the plan is a record")
            .columns()
            .to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
            .expect("the plan builds the columns of its schema");
        Ok(self.rejects.into_decoded(batch, self.rows))
    }
}

/// The bad rows of a batch, and where the good ones are.
pub(super) struct Rejects {
    named: Vec<BadRow>,
    named_max: usize,
    /// Bytes that the names take, and may take.
    names_bytes: usize,
    bytes_max: usize,
    total: usize,
    row_map: Option<Vec<u32>>,
}

impl Rejects {
    /// None yet; so many may have names.
    pub(super) fn new(limits: &Limits, named_max: usize) -> Self {
        let bytes_max = limits.bytes_max;
        Self { named: Vec::new(), named_max, names_bytes: 0, bytes_max, total: 0, row_map: None }
    }

    /// Notes that `row`, the next one, is good.
    pub(super) fn good(&mut self, row: u32) {
        if let Some(map) = &mut self.row_map {
            map.push(row);
        }
    }

    /// Notes that `row`, the next one, is bad.
    ///
    /// # Errors
    /// If the names take too much memory; the first ones never do.
    pub(super) fn bad(&mut self, row: u32, fault: Fault) -> Result<(), DecodeError> {
        if self.row_map.is_none() {
            self.row_map = Some((0..row).collect());
        }
        if self.naming() {
            let bad = fault.at_row(row);
            self.names_bytes += size_of::<BadRow>() + bad.column.len() + bad.reason.len();
            self.named.push(bad);
            if self.named.len() > REJECTED_NAMED_MAX && self.names_bytes > self.bytes_max {
                return Err(DecodeError::TooLarge { bytes_max: self.bytes_max });
            }
        }
        self.total += 1;
        Ok(())
    }

    /// True while bad rows are still named.
    pub(super) fn naming(&self) -> bool {
        self.named.len() < self.named_max
    }

    /// True if no row is bad.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many of the rows before `row`, the next one, are good.
    fn good_rows(&self, row: u32) -> usize {
        row as usize - self.total
    }

    /// `batch` holds the good rows of `rows_total`.
    pub(super) fn into_decoded(self, batch: RecordBatch, rows_total: usize) -> Decoded {
        Decoded {
            batch,
            rows_total,
            rejected: self.named,
            rejected_total: self.total,
            row_map: self.row_map,
        }
    }
}
