//! What is remembered of a writer: how far it has come, and what its engine may not know of that.
use std::{cmp::Ordering, collections::VecDeque, time::Instant};

use bytes::Bytes;

use crate::{credit::CREDIT_BATCHES, output::BadRows};

/// Batches of a writer whose digest is remembered, to recognise a reused sequence.
const REMEMBERED_LIVE: usize = 1024;

/// The same for a writer without a stream.
const REMEMBERED_IDLE: usize = 16;

/// Rows of a writer that are remembered by name because they were set aside: what is beyond it is
/// only counted. They go out in one message, and common clients take 4 MiB.
const ASIDE_NAMED_LIVE: usize = 1000;

/// The same for a writer without a stream.
const ASIDE_NAMED_IDLE: usize = 100;

/// How far a writer has come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// The position stored with it.
    pub position: Option<Bytes>,
    /// The last sequence that was accepted.
    pub accepted_through: u64,
    /// How often the writer was forgotten on request, as far as is stored.
    pub generation: u64,
    /// What of it is stored outside this process.
    stored_through: u64,
    remembered: VecDeque<(u64, u64)>,
    /// Batches that are accepted and not durable, and since when they are here.
    waiting: VecDeque<(u64, Instant)>,
    /// Batches up to here were handed to Kafka, and their outcome is not known.
    maybe_written_through: u64,
    /// A batch has come since this memory began. Its engine has heard of that beginning by then,
    /// and what it sends came here.
    met: bool,
    /// Rows that were set aside, of the last durable batches: their `Ack` may be lost.
    aside: VecDeque<(u64, BadRows)>,
}

/// What the next stream of a writer is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// Every batch up to here is durable.
    pub after: u64,
    /// The position that belongs to it.
    pub position: Option<Bytes>,
    /// Batches behind it, up to here, may be written. `None`: it is not known which.
    pub maybe_written_through: Option<u64>,
    /// Rows that were set aside in batches of which the engine does not know that they are durable.
    pub aside: Vec<(u64, BadRows)>,
}

/// Where a sequence stands among those of its writer that were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the next.
    Next,
    /// It was accepted before.
    Known,
    /// It was accepted before, for other rows.
    Reused,
    /// Others are missing before it.
    Gap,
}

impl Progress {
    /// Where the writer goes on: after the higher of what is stored and what the engine knows to
    /// be durable, with the position that it has for that.
    pub fn resume(&mut self, acknowledged: Option<u64>, position: Option<Bytes>) -> Resume {
        if let Some(acknowledged) = acknowledged.filter(|known| *known > self.durable_through) {
            // Another process has served it meanwhile, and what that took is not known here.
            (self.durable_through, self.position, self.met) = (acknowledged, position, false);
        }
        self.accepted_through = self.durable_through;
        self.waiting.clear();
        let durable = self.durable_through;
        self.remembered.retain(|(sequence, _)| *sequence <= durable);
        let aside = acknowledged.map(|acknowledged| {
            self.aside.retain(|(sequence, _)| *sequence > acknowledged);
            self.aside.iter().cloned().collect()
        });
        Resume {
            after: durable,
            position: self.position.clone(),
            maybe_written_through: self.met.then(|| self.maybe_written_through.max(durable)),
            aside: aside.unwrap_or_default(),
        }
    }

    /// How far the writer has come as far as is known here, where so much of it is stored that was
    /// forgotten so often: what was before that counts no more.
    pub fn known_durable(&self, generation: u64) -> u64 {
        if generation > self.generation { 0 } else { self.durable_through }
    }

    /// The writer has come so far, as is stored with its rows: nothing else is written.
    pub fn restore(&mut self, generation: u64, sequence: u64, position: Option<Bytes>) {
        if generation != self.generation {
            self.aside.clear();
            self.remembered.clear();
        }
        self.generation = generation;
        if self.durable_through != sequence {
            self.remembered.clear();
        }
        (self.durable_through, self.position, self.met) = (sequence, position, true);
        self.maybe_written_through = sequence;
    }

    /// Whether there is nothing to learn of the writer where its engine knows so much to be durable:
    /// what is known is from this process alone, and does not go beyond that. What goes beyond may
    /// be another batch's number, if the writer was forgotten elsewhere.
    pub fn is_known(&self, acknowledged: u64) -> bool {
        self.met && self.durable_through <= acknowledged
    }

    /// What a process has stored, this one or another. What is known here and is further stays.
    pub fn recall(&mut self, generation: u64, sequence: u64, position: Option<Bytes>) {
        let is_newer = (generation, sequence) > (self.generation, self.durable_through);
        if is_newer {
            self.remembered.clear();
            (self.durable_through, self.position, self.met) = (sequence, position, false);
        }
        if generation > self.generation {
            // It was forgotten elsewhere: its numbers are those of other batches.
            (self.stored_through, self.maybe_written_through) = (sequence, 0);
            self.aside.clear();
        }
        self.generation = self.generation.max(generation);
        self.stored_through = self.stored_through.max(sequence);
    }

    /// Whether the writer has come further than is stored.
    pub fn is_unstored(&self) -> bool {
        self.durable_through > self.stored_through
    }

    /// So much is stored, of the writer's life of this number.
    pub fn stored(&mut self, generation: u64, sequence: u64) {
        if generation == self.generation {
            self.stored_through = self.stored_through.max(sequence);
        }
    }

    /// A batch is on its way, that is here since then.
    pub fn accepted(&mut self, sequence: u64, digest: u64, since: Instant) {
        self.waiting.push_back((sequence, since));
        (self.accepted_through, self.met) = (sequence, true);
        if self.remembered.len() == REMEMBERED_LIVE {
            self.remembered.pop_front();
        }
        self.remembered.push_back((sequence, digest));
    }

    /// Everything up to this batch is durable.
    pub fn durable(&mut self, sequence: u64, position: Option<Bytes>) {
        self.durable_through = sequence;
        self.position = position;
        while self.waiting.pop_front_if(|(waiting, _)| *waiting <= sequence).is_some() {}
    }

    /// Since when the oldest batch without an answer is here.
    pub fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, since)| *since)
    }

    /// The outcome of this batch is not known, and the writer goes on before it.
    pub fn maybe_written(&mut self, sequence: u64) {
        self.maybe_written_through = self.maybe_written_through.max(sequence);
    }

    /// Rows of this durable batch were set aside. Its `Ack` may be lost, as may be those of as many
    /// batches as an engine may have unacknowledged.
    pub fn set_aside(&mut self, sequence: u64, rows: &BadRows) {
        let oldest = sequence.saturating_sub(u64::from(CREDIT_BATCHES));
        self.aside.retain(|(known, _)| *known > oldest);
        if rows.total > 0 {
            self.aside.push_back((sequence, rows.clone()));
            self.keep_names(ASIDE_NAMED_LIVE);
        }
    }

    /// Keeps the names of so many rows, the latest batches first. False if none is left.
    pub(super) fn keep_names(&mut self, mut names_max: usize) -> bool {
        for (_, rows) in self.aside.iter_mut().rev() {
            rows.named.truncate(names_max);
            names_max -= rows.named.len();
        }
        self.aside.iter().any(|(_, rows)| !rows.named.is_empty())
    }

    /// Where a batch stands among those that were accepted.
    pub fn place(&self, sequence: u64, digest: u64) -> Place {
        match sequence.cmp(&(self.accepted_through + 1)) {
            Ordering::Equal => Place::Next,
            Ordering::Greater => Place::Gap,
            Ordering::Less if self.same(sequence, digest) => Place::Known,
            Ordering::Less => Place::Reused,
        }
    }

    /// False if this sequence named other rows before, as far as is remembered.
    fn same(&self, sequence: u64, digest: u64) -> bool {
        let known = self.remembered.iter().rev().find(|(known, _)| *known == sequence);
        known.is_none_or(|(_, known)| *known == digest)
    }

    /// Nothing is on its way any more, and little is kept. True if rows are remembered by name.
    pub(super) fn rest(&mut self) -> bool {
        self.accepted_through = self.durable_through;
        self.waiting = VecDeque::new();
        let surplus = self.remembered.len().saturating_sub(REMEMBERED_IDLE);
        self.remembered.drain(..surplus);
        self.remembered.shrink_to_fit();
        self.aside.shrink_to_fit();
        self.keep_names(ASIDE_NAMED_IDLE)
    }
}
