//! Counts what each thread has allocated, so that targets can hold the readers to their bounds.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

use tikv_jemallocator::Jemalloc;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The service's allocator, and how much of it each thread has in use.
struct Counting;

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the allocator as it is; counting neither allocates
// (the counters are constants at first and have no destructor) nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { Jemalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new are in use together while the bytes are copied.
        count(size as isize);
        // SAFETY: the caller keeps the contract, which is the same.
        let new = unsafe { Jemalloc.realloc(pointer, layout, size) };
        count(-(layout.size() as isize));
        new
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` returns, and the most bytes that this thread had in use at once meanwhile.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before).max(0) as usize)
}

/// Like [`measure`], and sees that the peak is within `bytes_max`.
pub fn within<T>(bytes_max: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = measure(work);
    assert!(peak <= bytes_max, "{peak} bytes were in use at once, at most {bytes_max} may be");
    result
}
