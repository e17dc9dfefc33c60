//! Requests about transactions that librdkafka has none for: what coordinators and partitions know
//! of them, and how one is ended from outside.
//!
//! [`Cluster`] finds the broker that a question is for and keeps its connection ([`link`]);
//! [`coordinators`] asks about transactional ids, [`partitions`] about the producers of a partition.
//! Messages are those of the crate `kafka-protocol`, measured before they are decoded ([`shape`]);
//! connections are made as a diagnosis makes them,
//! so what is wrong with one is told in the same words.
mod cluster;
mod coordinators;
mod fault;
mod link;
mod partitions;
mod shape;

pub use self::{
    cluster::{Cluster, Layout},
    coordinators::{Described, Listed, State},
    fault::AdminFault,
    partitions::{OpenProducer, Span},
};
