//! Batches that wait for others, so that their rows share records.
//!
//! A batch that waits here has been read, and holds its room, but counts as not accepted: whatever
//! ends the stream now, the engine sends it again.
use std::sync::Arc;

use tokio::time::Instant;

use super::Taken;
use crate::{
    job::Packing,
    output::{Fill, Plan, Read},
    writers::Place,
};

/// The batches of a stream that wait, in their order, all of one schema.
pub(super) struct Pack {
    packing: Packing,
    batches: Vec<(Taken, Read)>,
    fill: Fill,
    wire_bytes: u64,
    due: Option<Instant>,
    /// One of them was sent before and did not go.
    again: bool,
}

impl Pack {
    /// An empty one.
    pub(super) fn new(packing: Packing) -> Self {
        Self {
            packing,
            batches: Vec::new(),
            fill: Fill::new(packing),
            wire_bytes: 0,
            due: None,
            again: false,
        }
    }

    /// Whether batches wait for others at all.
    pub(super) fn waits(&self) -> bool {
        !self.packing.time.is_zero()
    }

    pub(super) fn len(&self) -> u64 {
        self.batches.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The batches that wait.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Taken> {
        self.batches.iter().map(|(batch, _)| batch)
    }

    /// Whether a batch of this plan may share records with those that wait.
    pub(super) fn shares(&self, plan: &Arc<Plan>) -> bool {
        self.batches().next().is_none_or(|first| Arc::ptr_eq(&first.plan, plan))
    }

    /// Whether a record has room for a batch behind those that wait.
    pub(super) fn has_room(&self, read: &Read) -> bool {
        self.fill.has_room(read)
    }

    /// Another batch waits.
    pub(super) fn push(&mut self, batch: Taken, read: Read) {
        self.fill.add(&read);
        self.wire_bytes += batch.pending.wire_bytes;
        let (since, deadline) = (batch.pending.since, batch.pending.deadline);
        // Half of a batch's own time is left for Kafka.
        let patience = deadline.map(|deadline| deadline.saturating_duration_since(since) / 2);
        let patience = patience.unwrap_or(self.packing.time).min(self.packing.time);
        let due = since + patience;
        self.again |= batch.pending.again;
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
        self.batches.push((batch, read));
    }

    /// When those that wait have to go, however few they are.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether those that wait go now: they are enough, the engine cannot send much more before it
    /// hears of them, or their time is over and nobody is about to join.
    pub(super) fn is_due(&self, window_bytes: u64, more_came: bool) -> bool {
        let Some(due) = self.due else { return false };
        self.again
            || self.fill.is_enough()
            || self.wire_bytes >= window_bytes / 2
            || !more_came && Instant::now() >= due
    }

    /// Takes out all that wait.
    pub(super) fn take(&mut self) -> Vec<(Taken, Read)> {
        (self.fill, self.wire_bytes) = (Fill::new(self.packing), 0);
        (self.due, self.again) = (None, false);
        std::mem::take(&mut self.batches)
    }

    /// Where a batch stands among those that wait; `None` if it is before them all.
    pub(super) fn place(&self, sequence: u64, digest: u64) -> Option<Place> {
        let first = self.batches().next()?.pending.batch.sequence;
        let index = sequence.checked_sub(first)?;
        Some(match self.batches().nth(index as usize) {
            Some(known) if known.digest == digest => Place::Known,
            Some(_) => Place::Reused,
            None if index == self.len() => Place::Next,
            None => Place::Gap,
        })
    }
}
