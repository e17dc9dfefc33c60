//! The commands, one a file; `send` has a folder of its own.
pub mod check;
pub mod config;
pub mod demo;
pub mod explain;
pub mod health;
pub mod preview;
pub mod schema;
pub mod serve;
pub mod shell;
pub mod steer;
pub mod support;
pub mod top;
pub mod transactions;
