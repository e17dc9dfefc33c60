//! Large batches: what memory they take, and where work on them holds up nobody.
use arrow_array::{Array as _, RecordBatch};

/// Batches from this size on are worked on aside, so that they do not hold up other streams.
const LARGE_BATCH_BYTES: u64 = 256 * 1024;

/// Runs work that takes long where it holds up nobody, if this runtime can do so.
pub(super) fn aside<T>(large: bool, work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    if large && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Memory that the values of a batch take.
pub(super) fn memory_bytes(batch: &RecordBatch) -> u64 {
    let columns = batch.columns().iter();
    // What cannot be counted has lengths that no memory has.
    let bytes = columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0) as u64);
    bytes.sum()
}

/// A large batch is worked on aside.
pub(super) fn is_large(wire_bytes: u64) -> bool {
    wire_bytes >= LARGE_BATCH_BYTES
}
