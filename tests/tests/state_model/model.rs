//! What must be so of one writer, whatever happens: a machine of few states beside the real service.
use std::collections::{BTreeMap, BTreeSet};

use proto::v1::Opened;

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    AtLeastOnce,
    ExactlyOnce,
}

/// A batch: the life of its writer, which ends when the writer is forgotten, and its sequence.
pub type Id = (u64, u64);

/// One writer as its engine knows it.
#[derive(Debug)]
pub struct Model {
    promise: Promise,
    /// How often it was forgotten.
    life: u64,
    /// Everything up to here is durable, as the engine was told.
    pub durable: u64,
    /// The last batch that was ever sent in this life.
    pub sent: u64,
    /// Batches that are in the topic.
    must: BTreeSet<Id>,
    /// Batches that may be there, and those that must.
    may: BTreeSet<Id>,
}

impl Model {
    pub fn new(promise: Promise) -> Self {
        let (must, may) = (BTreeSet::new(), BTreeSet::new());
        Self { promise, life: 0, durable: 0, sent: 0, must, may }
    }

    /// The batch with this sequence, and its position.
    pub fn id(&self, sequence: u64) -> Id {
        (self.life, sequence)
    }

    pub fn position(id: Id) -> Vec<u8> {
        format!("{}/{}", id.0, id.1).into_bytes()
    }

    /// The engine has sent a batch.
    pub fn sends(&mut self, sequence: u64) {
        self.may.insert((self.life, sequence));
        self.sent = self.sent.max(sequence);
    }

    /// It was told that everything up to here is durable.
    pub fn hears(&mut self, durable: u64) {
        self.durable = self.durable.max(durable);
        let life = self.life;
        self.must.extend((1..=durable).map(|sequence| (life, sequence)));
    }

    /// The writer is forgotten.
    pub fn forgets(&mut self) {
        (self.life, self.durable, self.sent) = (self.life + 1, 0, 0);
    }

    /// What `Opened` must say, where the engine has said `acknowledged`. `remembers`: the process
    /// that opens it has all of what was acknowledged, of its own or stored.
    pub fn opened(&mut self, acknowledged: Option<u64>, remembers: bool, opened: &Opened) {
        let Opened { resume_after, maybe_written_through, .. } = *opened;
        assert!(
            resume_after <= self.sent,
            "{opened:?} goes on after what was never sent: {self:?}"
        );
        assert!(resume_after >= acknowledged.unwrap_or(0), "{opened:?} goes back: {self:?}");
        if self.promise == Promise::ExactlyOnce {
            assert!(resume_after >= self.durable, "{opened:?} takes something back: {self:?}");
            assert_eq!(maybe_written_through, Some(resume_after), "nothing else is written");
            // What is behind it is not there, and will not be unless it is sent again.
            let from = (self.life, resume_after + 1);
            self.may.retain(|id| *id < from || id.0 != self.life);
        } else {
            let least = if remembers { self.durable } else { 0 };
            assert!(resume_after >= least, "{opened:?} has forgotten: {self:?}");
            assert!(maybe_written_through.is_none_or(|maybe| maybe >= resume_after), "{opened:?}");
        }
        let position = (resume_after > 0).then(|| Self::position(self.id(resume_after)));
        assert_eq!(
            opened.position.as_ref().map(|of| of.to_vec()),
            position,
            "{opened:?}: {self:?}"
        );
        self.hears(resume_after);
    }

    /// What the topic holds: of each batch how often.
    pub fn check(&self, found: &BTreeMap<Id, u64>) {
        for id in &self.must {
            let times = found.get(id).copied().unwrap_or(0);
            let is_right = match self.promise {
                Promise::ExactlyOnce => times == 1,
                Promise::AtLeastOnce => times >= 1,
            };
            assert!(is_right, "batch {id:?} is durable and is there {times} times");
        }
        for (id, times) in found {
            assert!(self.may.contains(id), "batch {id:?} is there and must not be");
            assert!(self.promise == Promise::AtLeastOnce || *times == 1, "{id:?}: {times} times");
        }
    }
}
