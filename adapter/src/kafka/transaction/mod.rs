//! Exactly once: a transactional producer for each writer, whose transactions carry rows and, last,
//! how far the writer has come.
//!
//! Opening a writer fences whoever had it before, commits a *claim*, and reads the progress topic
//! back until that claim is seen: a deposed leader, which would tell an old sequence, does not have
//! it. Rows of one or more batches make a transaction (group commit): whatever is ready when the one
//! before has ended. After any result that is not certain the producer is thrown away, and what is
//! stored decides which batches go again.
//!
//! Each writer has a thread: librdkafka's calls wait, and while one of them commits the next batches
//! are read and encoded elsewhere.
mod blame;
mod footing;
mod init;
mod producer;
mod recovery;
mod registry;
mod submission;
mod worker;
mod writer;

pub(super) use self::registry::{Registry, Waiting};
pub use self::{
    init::Opening,
    submission::Mark,
    writer::{OpenError, Stored, Writer},
};
