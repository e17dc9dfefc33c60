//! Peers that abuse TCP, TLS and HTTP/2, written frame by frame: they hurt nobody else. Beside each
//! of them an engine goes on writing, and what it writes is acknowledged.
#![expect(clippy::unwrap_used, reason = "a test panics where something is not as it says")]

#[allow(dead_code, reason = "other tests of the boundary use the rest")]
mod support;

#[path = "abuse/bystander.rs"]
mod bystander;
#[path = "abuse/connections.rs"]
mod connections;
#[path = "abuse/floods.rs"]
mod floods;
#[allow(dead_code, reason = "tests of callers use the rest")]
#[path = "callers/issuer.rs"]
mod issuer;
#[path = "abuse/raw.rs"]
mod raw;
#[path = "abuse/unknown.rs"]
mod unknown;
