//! Refused batches of the window: what is refused, and what the caller makes of it.
use std::sync::Arc;

use proto::v1::Refused;

use super::{Draft, Entry, Window};
use crate::client::Error;

/// The code of a batch that must be split.
const BATCH_TOO_LARGE: &str = "BATCH_TOO_LARGE";

impl Window {
    /// A batch of a stream before may be too large for this one. The service would end the stream;
    /// here it is refused instead, as the service refuses others.
    pub(super) fn refuse_oversized(&mut self) {
        let bytes_max = self.limits.map_or(u64::MAX, |limits| limits.message_bytes_max);
        let Some(entry) = self.entries.iter().find(|entry| entry.bytes > bytes_max) else { return };
        let sequence = entry.batch.sequence;
        if self.refused.as_ref().is_some_and(|refused| refused.sequence <= sequence) {
            return;
        }
        let bytes = entry.bytes;
        let reason = format!("the message has {bytes} bytes, the limit is {bytes_max}; split it");
        let code = BATCH_TOO_LARGE.to_owned();
        self.refuse(Refused { sequence, code, reason, ..Refused::default() });
    }

    fn refuse(&mut self, refused: Refused) -> Arc<Refused> {
        self.given_through = self.given_through.min(refused.sequence - 1);
        let refused = Arc::new(refused);
        self.refused = Some(refused.clone());
        refused
    }

    /// A batch is refused. Those behind it are not accepted either; they go again after the
    /// caller has decided. Tells the refusal if it is news.
    pub(in crate::client) fn refused_by_service(
        &mut self,
        refused: Refused,
    ) -> Result<Option<Arc<Refused>>, Error> {
        let index = refused.sequence.checked_sub(self.durable_through + 1).map(|i| i as usize);
        if self.gaps_expected > 0 && index.is_some_and(|index| index > self.sent) {
            self.gaps_expected -= 1;
            return Ok(None);
        }
        let Some(index) = index.filter(|index| *index < self.sent) else {
            let sequence = refused.sequence;
            return Err(Error::Protocol(format!("it refuses batch {sequence}, which is not sent")));
        };
        if refused.code == "SEQUENCE_GAP" {
            let Refused { sequence, expected_sequence, .. } = refused;
            return Err(Error::Protocol(format!(
                "it refuses batch {sequence} as a gap and expects {expected_sequence}"
            )));
        }
        self.gaps_expected += self.sent - index - 1;
        self.sent = index;
        self.sent_bytes = self.entries.range(..index).map(|entry| entry.bytes).sum();
        Ok(Some(self.refuse(refused)))
    }

    /// Gives the refused batch up: those behind it move up one number.
    pub(in crate::client) fn skip_refused(&mut self) -> Option<Arc<Refused>> {
        let refused = self.refused.take()?;
        let index = self.index_of(&refused);
        let entry = self.entries.remove(index).expect("a refused batch is in the window");
        self.bytes -= entry.bytes;
        self.renumber(index);
        self.refuse_oversized();
        Some(refused)
    }

    /// Puts other rows in the place of the refused ones, under the same number.
    pub(in crate::client) fn replace_refused(&mut self, draft: &Draft) -> Result<(), Error> {
        let Some(refused) = self.refused.clone() else { return Ok(()) };
        let replacement = self.entry(refused.sequence, draft)?;
        let index = self.index_of(&refused);
        self.bytes = self.bytes - self.entries[index].bytes + replacement.bytes;
        self.entries[index] = replacement;
        self.refused = None;
        self.refuse_oversized();
        Ok(())
    }

    /// Puts several batches in the place of the refused one; those behind it move up.
    pub(in crate::client) fn split_refused(&mut self, drafts: &[Draft]) -> Result<(), Error> {
        let Some(refused) = self.refused.clone() else { return Ok(()) };
        let parts = drafts.iter().map(|draft| self.entry(refused.sequence, draft));
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let index = self.index_of(&refused);
        let entry = self.entries.remove(index).expect("a refused batch is in the window");
        self.bytes -= entry.bytes;
        for (at, part) in parts.into_iter().enumerate() {
            self.bytes += part.bytes;
            self.entries.insert(index + at, part);
        }
        self.refused = None;
        self.renumber(index);
        self.refuse_oversized();
        Ok(())
    }

    /// Gives the entries from this one on the numbers that follow from those before it.
    fn renumber(&mut self, from: usize) {
        for index in from..self.entries.len() {
            let mut batch = self.entries[index].batch.clone();
            batch.sequence = self.durable_through + 1 + index as u64;
            // The number may take a byte more or less on the wire.
            let moved = Entry::new(batch, self.entries[index].rows);
            self.bytes = self.bytes - self.entries[index].bytes + moved.bytes;
            self.entries[index] = moved;
        }
        self.next_sequence = self.durable_through + 1 + self.entries.len() as u64;
    }

    fn index_of(&self, refused: &Refused) -> usize {
        (refused.sequence - self.durable_through - 1) as usize
    }
}
