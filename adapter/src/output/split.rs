//! Records that turn out to be too large for the topic, made anew of fewer rows each.
//!
//! What the topic takes is known before rows are encoded, but for a limit that is lowered behind the
//! service's back. Then the broker refuses records that are on their way, and their rows are read
//! and encoded again from the batch's own bytes, which are the writer's credit anyway.
use std::sync::Arc;

use arrow_array::RecordBatch;
use serializers::{BATCH_BYTES_MAX, Encoder, Limits, Packing, Records};

use super::{BATCH_ROWS_MAX, Output, Plan, letters::Origin};
use crate::kafka::{Encoded, Fit, Rows, Split};

/// Batches that were submitted together, as they came.
struct Source {
    encoder: Arc<Encoder>,
    origins: Vec<Option<Origin>>,
    /// The number of the first row of each.
    offsets: Vec<u32>,
    limits: crate::rows::Limits,
}

/// A batch that was read again.
struct Table {
    batch: RecordBatch,
    row_map: Option<Vec<u32>>,
    offset: u32,
}

/// Makes several records of one of these batches'.
pub(super) fn split(
    output: &Output,
    plan: &Plan,
    origins: Vec<Option<Origin>>,
    offsets: Vec<u32>,
) -> Split {
    let limits = crate::rows::Limits {
        rows_max: BATCH_ROWS_MAX as usize,
        bytes_max: output.encoded_bytes_max,
    };
    let source = Source { encoder: plan.encoder.clone(), origins, offsets, limits };
    Box::new(move |records, fit| {
        let tables = source.read(records)?;
        records.iter().map(|rows| source.parts(&tables, rows, fit)).collect()
    })
}

impl Source {
    /// Reads the batches again that rows of these records came with.
    fn read(&self, records: &[Vec<u32>]) -> Option<Vec<Option<Table>>> {
        let batches = self.origins.iter().zip(&self.offsets).enumerate();
        let read = |(index, (origin, offset)): (usize, (&Option<Origin>, &u32))| {
            let end = self.offsets.get(index + 1).map_or(u32::MAX, |next| *next);
            let is_its = |row: &u32| (*offset..end).contains(row);
            if !records.iter().flatten().any(is_its) {
                return Some(None);
            }
            let Origin { decoder, carrier, bytes } = origin.as_ref()?;
            let decoded = decoder.decode(*carrier, bytes, &self.limits).ok()?;
            let (batch, row_map) = (decoded.batch, decoded.row_map);
            Some(Some(Table { batch, row_map, offset: *offset }))
        };
        batches.map(read).collect()
    }

    /// The parts of one record. `None` if they are not all of its rows, or not several.
    fn parts(&self, tables: &[Option<Table>], rows: &[u32], fit: Fit) -> Option<Encoded> {
        let slices = self.slices(tables, rows)?;
        let half = rows.len().div_ceil(2) as u32;
        let encode = |rows_max, bytes_max| {
            let packing = Packing { rows_max, bytes_max, whole: false };
            // What has one row is tried, however long it is: the broker judges it.
            let limits =
                Limits { record_bytes_max: BATCH_BYTES_MAX, batch_bytes_max: BATCH_BYTES_MAX };
            let mut records = Records::new();
            self.encoder.encode_all(&slices, packing, &limits, &mut records).ok()?;
            let is_all = records.rejected_total() == 0 && records.len() > 1;
            is_all.then_some(records)
        };
        let records = match fit {
            Fit::Bytes(bytes_max) => encode(u32::MAX, bytes_max),
            Fit::Half => None,
        };
        // A container that does not compress well may be as long as it was.
        let records = records.or_else(|| encode(half, usize::MAX))?;
        let (bytes, ends, map) = records.into_parts();
        let numbers = map.rows().map(|place| rows[place as usize]).collect();
        let rows = Rows { ends: map.into_ends(), numbers: Some(numbers) };
        Some(Encoded { bytes, ends, rows, ..Encoded::default() })
    }

    /// The rows of a record as they were read, in their order.
    fn slices(&self, tables: &[Option<Table>], rows: &[u32]) -> Option<Vec<RecordBatch>> {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for row in rows {
            let index = self.offsets.partition_point(|offset| offset <= row) - 1;
            let place = tables[index].as_ref()?.place(*row)?;
            match runs.last_mut() {
                Some((of, at, count)) if *of == index && *at + *count == place => *count += 1,
                _ => runs.push((index, place, 1)),
            }
        }
        let slice = |(index, at, count): (usize, usize, usize)| {
            Some(tables[index].as_ref()?.batch.slice(at, count))
        };
        runs.into_iter().map(slice).collect()
    }
}

impl Table {
    /// Where a row is among those that could be read.
    fn place(&self, row: u32) -> Option<usize> {
        let row = row - self.offset;
        let place = match &self.row_map {
            Some(map) => map.binary_search(&row).ok()?,
            None => row as usize,
        };
        (place < self.batch.num_rows()).then_some(place)
    }
}
