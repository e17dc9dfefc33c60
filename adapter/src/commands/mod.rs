//! The commands, one a file; `send` has a folder of its own.
pub mod bench;
pub mod check;
pub mod demo;
pub mod explain;
pub mod preview;
pub mod schema;
pub mod serve;
pub mod tap;
pub mod transactions;
mod values;
