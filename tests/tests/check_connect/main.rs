//! `check` at real brokers: what works is told as working, and each fault by its own code, with
//! what it is about. Every kind of security in [`ways`], what delivery needs in [`delivery`].

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod delivery;
mod job;
mod ways;

const DONE: Option<i32> = Some(0);
const BAD_INPUT: Option<i32> = Some(3);
const UNREACHABLE: Option<i32> = Some(4);
