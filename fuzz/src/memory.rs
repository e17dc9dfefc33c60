//! Holds the readers to their bounds of memory.

#[path = "../../keyvault/tests/material/memory.rs"]
mod counting;

use tikv_jemallocator::Jemalloc;

use self::counting::{Counting, measure};

/// The service's allocator.
#[global_allocator]
static ALLOCATOR: Counting<Jemalloc> = Counting(Jemalloc);

/// What `work` returns; sees that it never had more than `bytes_max` bytes in use at once.
pub fn within<T>(bytes_max: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = measure(work);
    assert!(peak <= bytes_max, "{peak} bytes were in use at once, at most {bytes_max} may be");
    result
}
