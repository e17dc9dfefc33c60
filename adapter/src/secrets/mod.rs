//! The secrets of the service: what the job file refers to, read, put in place, and renewed while
//! rows flow.
//!
//! [`resolve`] makes what TLS and a login need of references. [`renewal`] keeps that of one output
//! fresh, [`listener`] that of the gRPC port. [`report`] is what may be told of it.

pub mod listener;
pub mod renewal;
pub mod report;
mod resolve;
mod watch;

pub use self::{
    renewal::{Renewal, Running},
    report::{InUse, Report, Reporter},
    resolve::{Issuers, resolve, resolve_listener, trust_store},
};
