//! The gRPC side: the contract of `kafkaoutput.v1`, served.
//!
//! This module and the client alone name tonic. A connection comes through [`listener`] and is
//! served by [`conduct`]; a call comes through [`gate`], which asks [`callers`] who makes it. A
//! stream is a [`session`]; calls that are not streams are in [`service`]; [`error`] is the one
//! place where an error meets the wire.
//!
//! Non-obvious:
//! - The service always reads. What a stream may have unacknowledged is bounded by its credit, so
//!   nothing stays unread in HTTP/2 buffers, and a stalled writer stalls no other on the same
//!   connection, whatever the windows are.
//! - tonic hands `None` to hyper for limits that are not set, which switches hyper's own defaults
//!   off; hence [`server`] sets every one of them.
pub mod callers;
mod conduct;
mod convert;
mod ended;
mod error;
mod first_message;
mod gate;
mod headers;
mod health;
mod listener;
mod once;
mod opening;
mod outbox;
pub mod schema; // for `fuzz` alone
mod served;
mod server;
mod service;
mod session;
mod standing;
mod tls;

pub use self::{
    ended::ended,
    served::{Served, Shared, Table},
    server::{Bound, Entrance, Server},
    tls::{ClientCertificates, ServerTls},
};
