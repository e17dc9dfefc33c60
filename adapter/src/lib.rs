//! The Kafka output service: rows in over gRPC, records out in Kafka, every batch acknowledged.
//!
//! The way of a batch: [`grpc`] (the stream's rules) → [`rows`] (decode) → `serializers` (encode)
//! → [`partition`] (route) → [`kafka`] (reserve, submit, settle) → acknowledge. [`output`] is that
//! way in one function; [`serve`] puts the service together; [`cli`] is what a person types.
//!
//! Imports run one way: `cli` → `commands`, `send` → `serve` → `admin` → `observe` → `steering` →
//! `grpc`, `secrets` → `output`, `writers`, `credit` → `valve`, `tap`, `rows`, `partition`, `kafka` →
//! `diagnose`, `job`. `client`, `codes`, `diagnose` and `operator` stand alone. Only `grpc` and
//! `client` name tonic; only `kafka` names rdkafka; a test holds it.

pub mod admin;
pub mod cli;
pub mod client;
pub mod codes;
pub mod commands;
pub mod credit;
pub mod diagnose;
mod entrance;
pub mod exit;
pub mod grpc;
pub mod hardening;
pub mod job;
pub mod kafka;
mod keeper;
pub mod logs;
pub mod meter;
pub mod observe;
pub mod operator;
pub mod output;
pub mod output_format;
pub mod partition;
mod quiet;
pub mod rows;
pub mod secrets;
pub mod send;
pub mod serve;
pub mod steering;
mod sync;
pub mod tap;
#[cfg(test)]
mod tests;
mod timestamp;
pub mod traces;
pub mod valve;
pub mod writers;
