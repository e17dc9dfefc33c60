//! Rows and their numbers: of a batch, among those that were read, and among all that are sent
//! together.
use serializers::Records;

use super::Read;
use crate::{
    kafka::{Encoded, Rows},
    rows::BadRow,
};

/// The number of the first row of each batch, among the rows of all that were sent together.
pub(super) fn offsets(batches: &[Read]) -> impl Iterator<Item = u32> {
    batches.iter().scan(0, |next, batch| {
        let first = *next;
        *next += batch.decoded.rows_total as u32;
        Some(first)
    })
}

/// The batch of an encoded row, and its number among the rows that came with that batch. `ends` are
/// the encoded rows through each batch.
fn origin(row: u32, batches: &[Read], ends: &[u32]) -> (usize, u32) {
    let batch = ends.partition_point(|end| *end <= row);
    let place = row - batch.checked_sub(1).map_or(0, |before| ends[before]);
    let map = batches[batch].decoded.row_map.as_deref();
    (batch, map.map_or(place, |map| map[place as usize]))
}

/// The bad rows of each batch that have names, in their order, whoever found them.
pub(super) fn named(batches: &[Read], ends: &[u32], records: &Records) -> Vec<Vec<BadRow>> {
    let mut bad: Vec<_> = batches.iter().map(|batch| batch.decoded.rejected.clone()).collect();
    for error in records.rejected() {
        let (batch, row) = origin(error.row, batches, ends);
        let (column, code) = (error.column.clone(), error.code.as_str());
        bad[batch].push(BadRow { row, column, code, reason: error.reason.clone() });
    }
    bad.iter_mut().for_each(|bad| bad.sort_by_key(|bad| bad.row));
    bad
}

/// How many bad rows each batch has. What is missing of its rows was left out.
pub(super) fn totals(batches: &[Read], ends: &[u32], records: &Records) -> Vec<u64> {
    let mut totals: Vec<_> =
        batches.iter().map(|batch| batch.decoded.rejected_total as u64).collect();
    if records.rejected_total() == records.rejected().len() {
        let rejected = records.rejected().iter();
        rejected.for_each(|error| totals[origin(error.row, batches, ends).0] += 1);
        return totals;
    }
    for (total, batch) in totals.iter_mut().zip(batches) {
        *total += batch.decoded.batch.num_rows() as u64;
    }
    records.row_map().rows().for_each(|row| totals[origin(row, batches, ends).0] -= 1);
    totals
}

/// Encoded records with their rows, numbered through all rows of the messages.
pub(super) fn encoded(records: Records, batches: &[Read], ends: &[u32]) -> Encoded {
    let plain = batches.iter().all(|batch| batch.decoded.row_map.is_none());
    let (bytes, record_ends, map) = records.into_parts();
    let offsets: Vec<u32> = offsets(batches).collect();
    let numbers = (!plain || map.leaves_out()).then(|| {
        map.rows()
            .map(|row| {
                let (batch, row) = origin(row, batches, ends);
                offsets[batch] + row
            })
            .collect()
    });
    let rows = Rows { ends: map.into_ends(), numbers };
    Encoded { bytes, ends: record_ends, rows, ..Encoded::default() }
}
