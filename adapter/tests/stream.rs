//! The rules of the contract at the gRPC boundary, with a model of Kafka behind the seam whose
//! records the test settles by hand.
#![expect(clippy::unwrap_used, reason = "a test panics where something is not as it says")]

#[allow(dead_code, reason = "other tests of the boundary use the rest")]
mod support;

#[path = "stream/age.rs"]
mod age;
#[path = "stream/batches.rs"]
mod batches;
#[path = "stream/calls.rs"]
mod calls;
#[path = "stream/drain.rs"]
mod drain;
#[path = "stream/ending.rs"]
mod ending;
#[path = "stream/formats.rs"]
mod formats;
#[path = "stream/limits.rs"]
mod limits;
#[path = "stream/once.rs"]
mod once;
#[path = "stream/opening.rs"]
mod opening;
#[path = "stream/packing.rs"]
mod packing;
#[path = "stream/random.rs"]
mod random;
#[path = "stream/rows.rs"]
mod rows;
#[path = "stream/takeover.rs"]
mod takeover;
#[path = "stream/time.rs"]
mod time;
#[path = "stream/unread.rs"]
mod unread;
