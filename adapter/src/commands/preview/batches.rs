//! Parts of files on their way through an output, as batches of a stream take it.
//!
//! What a stream's session does to its batches is done here in the same order, since the output
//! learns from one batch how much room to expect of the next.
use std::collections::VecDeque;

use super::{Stop, show::Show, topic::Topic};
use crate::{
    kafka::Mark,
    output::{Fill, Output, Plan, Read, Refusal},
    rows::Carrier,
    send::Part,
};

/// Brings parts through an output and shows what comes of them.
pub struct Batches<'a> {
    /// The largest message that the service takes.
    pub message_bytes_max: u64,
    output: &'a Output,
    plan: &'a Plan,
    topic: &'a Topic,
    show: &'a mut Show,
    /// Parts that are still to be read, in their order.
    queue: VecDeque<Part>,
    /// So many of them, the first, wait for no others: they did, and could not go together.
    alone: usize,
    /// Batches that wait for others with which they share records.
    waiting: Vec<(Part, Read)>,
    fill: Fill,
}

impl<'a> Batches<'a> {
    /// Of an output and its topic.
    pub fn new(output: &'a Output, plan: &'a Plan, topic: &'a Topic, show: &'a mut Show) -> Self {
        Self {
            message_bytes_max: u64::MAX,
            output,
            plan,
            topic,
            show,
            queue: VecDeque::new(),
            alone: 0,
            waiting: Vec::new(),
            fill: Fill::new(output.packing),
        }
    }

    /// The next rows.
    pub async fn add(&mut self, part: Part) -> Result<(), Stop> {
        self.queue.push_back(part);
        self.work().await
    }

    /// There are no more: those that wait go.
    pub async fn end(&mut self) -> Result<(), Stop> {
        while !self.waiting.is_empty() {
            self.send(None).await?;
            self.work().await?;
        }
        Ok(())
    }

    async fn work(&mut self) -> Result<(), Stop> {
        while let Some(part) = self.queue.pop_front() {
            let alone = self.alone > 0;
            self.alone = self.alone.saturating_sub(1);
            // What is behind a part that cannot be read is not sent.
            match self.read(&part).await.inspect_err(|_| self.queue.clear())? {
                Err(refusal) => self.refuse(part, &refusal).await?,
                Ok(read) => {
                    let part = match self.fill.has_room(&read) {
                        true => Some(part),
                        false => self.send(Some(part)).await?,
                    };
                    let Some(part) = part else { continue };
                    self.fill.add(&read);
                    self.waiting.push((part, read));
                    if alone || self.fill.is_enough() {
                        self.send(None).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows as the service reads them, or why it does not take them.
    async fn read(&self, part: &Part) -> Result<Result<Read, Refusal>, Stop> {
        let rows = part.encode().map_err(|error| Stop::Input(error.to_string()))?;
        let (bytes, bytes_max) = (rows.bytes(), self.message_bytes_max);
        if bytes > bytes_max {
            let reason = format!(
                "it needs a message of {bytes} bytes, and `maxBatchSize` is {bytes_max}: shorten \
                 it, or raise that"
            );
            return Ok(Err(Refusal::new("BATCH_TOO_LARGE", reason)));
        }
        let read = self.output.read(self.plan, Carrier::ArrowIpc, rows.content()).await;
        Ok(read.map_err(|refusal| self.refusal_of(part, refusal)))
    }

    /// What is said of a batch that is refused. The service advises to send fewer rows, which is
    /// no help to one row.
    fn refusal_of(&self, part: &Part, refusal: Refusal) -> Refusal {
        if refusal.code != "BATCH_TOO_LARGE" || !part.is_one_row() {
            return refusal;
        }
        let reason = format!(
            "it becomes more than {} bytes, an eighth of `memory`: shorten it, or raise that",
            self.output.encoded_bytes_max
        );
        Refusal::new(refusal.code, reason)
    }

    /// Sends those that wait. If they cannot go together, the rest is read again, and `behind` is
    /// read behind it; else `behind` comes back.
    async fn send(&mut self, behind: Option<Part>) -> Result<Option<Part>, Stop> {
        if self.waiting.is_empty() {
            return Ok(behind);
        }
        let (mut sent, reads): (Vec<Part>, Vec<Read>) = self.waiting.drain(..).unzip();
        self.fill = Fill::new(self.output.packing);
        let marks = reads.iter().map(|_| Mark::default()).collect();
        let rest = match self.output.send(self.plan, reads, marks, None).await {
            Ok(accepted) => {
                let rest = sent.split_off(accepted.offsets.len());
                for (part, aside) in sent.iter().zip(&accepted.aside) {
                    self.show.bad_rows(&part.origin, aside);
                }
                for submitted in self.topic.take() {
                    self.show.records(&submitted, &sent, &accepted.offsets)?;
                }
                if rest.is_empty() {
                    return Ok(behind);
                }
                // One of them is to blame.
                self.alone = rest.len() + usize::from(behind.is_some());
                rest
            }
            Err(refusal) => {
                let rest = sent.split_off(1);
                let first = sent.pop().expect("what is refused was sent");
                let refusal = self.refusal_of(&first, refusal);
                let mut again = if goes_in_halves(&first, &refusal) {
                    // Those behind it are refused too, as gaps, and come as if they were new.
                    self.alone = 0;
                    first.split()
                } else {
                    self.show.refused(&first, &refusal);
                    Vec::new()
                };
                again.extend(rest);
                again
            }
        };
        self.put_back(rest.into_iter().chain(behind));
        Ok(None)
    }

    /// A batch that is refused goes in halves if it was too large, as `send` does it; else that is
    /// told. Those that wait come before it and are written.
    async fn refuse(&mut self, part: Part, refusal: &Refusal) -> Result<(), Stop> {
        if goes_in_halves(&part, refusal) {
            self.alone = 0;
            self.put_back(part.split().into_iter());
        } else if let Some(part) = self.send(Some(part)).await? {
            self.show.refused(&part, refusal);
        }
        Ok(())
    }

    fn put_back(&mut self, parts: impl DoubleEndedIterator<Item = Part>) {
        parts.rev().for_each(|part| self.queue.push_front(part));
    }
}

/// Whether `send` tries a refused batch again, in two.
fn goes_in_halves(part: &Part, refusal: &Refusal) -> bool {
    refusal.code == "BATCH_TOO_LARGE" && !part.is_one_row()
}
