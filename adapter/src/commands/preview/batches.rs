//! Parts of files on their way through an output, as batches of a stream take it.
use std::collections::VecDeque;

use super::{Stop, show::Show, topic::Topic};
use crate::{
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
            waiting: Vec::new(),
            fill: Fill::new(output.packing),
        }
    }

    /// The next rows.
    pub async fn add(&mut self, part: Part) -> Result<(), Stop> {
        self.work(VecDeque::from([part])).await
    }

    /// There are no more: those that wait go.
    pub async fn end(&mut self) -> Result<(), Stop> {
        while !self.waiting.is_empty() {
            let mut parts = VecDeque::new();
            self.send(&mut parts).await?;
            self.work(parts).await?;
        }
        Ok(())
    }

    async fn work(&mut self, mut parts: VecDeque<Part>) -> Result<(), Stop> {
        while let Some(part) = parts.pop_front() {
            let rows = part.encode().map_err(|error| Stop::Input(error.to_string()))?;
            if rows.bytes() > self.message_bytes_max {
                let (bytes, bytes_max) = (rows.bytes(), self.message_bytes_max);
                let reason = format!(
                    "it needs a message of {bytes} bytes, and `maxBatchSize` is {bytes_max}"
                );
                self.split(part, &Refusal::new("BATCH_TOO_LARGE", reason), &mut parts);
                continue;
            }
            match self.output.read(self.plan, Carrier::ArrowIpc, rows.content()).await {
                Err(refusal) => self.refuse(part, &refusal, &mut parts),
                Ok(read) if self.fill.has_room(&read) => {
                    self.fill.add(&read);
                    self.waiting.push((part, read));
                    if self.fill.is_enough() {
                        self.send(&mut parts).await?;
                    }
                }
                Ok(_) => {
                    parts.push_front(part);
                    self.send(&mut parts).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends those that wait. What could not go with the first comes to the front of `parts`.
    async fn send(&mut self, parts: &mut VecDeque<Part>) -> Result<(), Stop> {
        let (mut sent, reads): (Vec<Part>, Vec<Read>) = self.waiting.drain(..).unzip();
        self.fill = Fill::new(self.output.packing);
        let put_back = |rest: Vec<Part>, parts: &mut VecDeque<Part>| {
            rest.into_iter().rev().for_each(|part| parts.push_front(part));
        };
        match self.output.send(self.plan, reads).await {
            Ok(accepted) => {
                put_back(sent.split_off(accepted.offsets.len()), parts);
                for (part, aside) in sent.iter().zip(&accepted.aside) {
                    self.show.bad_rows(&part.origin, aside);
                }
                for submitted in self.topic.take() {
                    self.show.records(&submitted, &sent, &accepted.offsets)?;
                }
            }
            Err(refusal) => {
                put_back(sent.split_off(1), parts);
                let first = sent.pop().expect("what is refused was sent");
                self.refuse(first, &refusal, parts);
            }
        }
        Ok(())
    }

    /// A refused batch goes in parts if it was too large, as `send` does it; else that is told.
    fn refuse(&mut self, part: Part, refusal: &Refusal, parts: &mut VecDeque<Part>) {
        match refusal.code {
            "BATCH_TOO_LARGE" => self.split(part, refusal, parts),
            _ => self.show.refused(&part, refusal),
        }
    }

    fn split(&mut self, part: Part, refusal: &Refusal, parts: &mut VecDeque<Part>) {
        if part.is_one_row() {
            return self.show.refused(&part, refusal);
        }
        part.split().into_iter().rev().for_each(|half| parts.push_front(half));
    }
}
