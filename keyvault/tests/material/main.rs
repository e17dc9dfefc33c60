//! Key material in every format that is read: what comes of it, what is refused, and with which
//! words.
#![expect(clippy::disallowed_methods, reason = "the tests look at what was made")]
#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod chains;
mod damage;
mod effort;
mod faults;
mod fixtures;
mod formats;
mod handshake;
mod make;
mod memory;
mod trust;

#[global_allocator]
static ALLOCATOR: memory::Counting<std::alloc::System> = memory::Counting(std::alloc::System);
