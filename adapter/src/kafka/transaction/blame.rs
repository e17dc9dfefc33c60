//! Why a transaction is not committed. Which records a broker refuses: its verdict is about a Kafka
//! batch, and one record is to blame. What else is known.
use std::sync::atomic::Ordering;

use super::{
    super::{
        cause::{Cause, Fate, is_denied, is_too_large},
        client::{Failed, Fault, LETTER, NO_ERROR, TransactionFault, Verdict},
        letters::{LETTER_BYTES_MIN, waits},
    },
    submission::{Spot, Submission},
    worker::Worker,
};

/// Records of one batch for one partition.
struct Suspects {
    batch: usize,
    partition: i32,
    records: Vec<Spot>,
}

impl Worker {
    /// Finds the records that are to blame, by trials that are never committed: each half of those
    /// that failed together, until one stands alone. What is to be left out is noted in its batch;
    /// if the error policy is to wait, why. What is too large and has several rows is made smaller
    /// instead. True if anything is otherwise than it was, so that it is worth another try.
    pub(super) fn find_blamed(
        &mut self,
        batches: &mut [Submission],
        failed: &[Failed],
    ) -> Result<bool, TransactionFault> {
        let topic = self.shared.plan.recipe.topic.clone();
        let drops = self.shared.inner.settings.drop_blamed;
        // What the topic takes may be otherwise since the last verdict.
        batches.iter_mut().for_each(|batch| batch.blamed = None);
        let mut open: Vec<Suspects> = Vec::new();
        for failure in failed {
            if Cause::of_record(failure.code, &topic).0 != Fate::Blamed {
                continue;
            }
            // SAFETY: the receipt is of a record of these batches, which are alive.
            let receipt = unsafe { &*failure.receipt };
            let spots = batches.iter().enumerate();
            let spot = spots.filter_map(|(at, batch)| Some((at, batch.spot(receipt)?))).next();
            let Some((batch, spot)) = spot else { continue };
            let is_same = |s: &Suspects| s.batch == batch && s.partition == failure.partition;
            match open.iter_mut().find(|suspects| is_same(suspects)) {
                Some(suspects) => suspects.records.push(spot),
                None => {
                    let (partition, records) = (failure.partition, vec![spot]);
                    open.push(Suspects { batch, partition, records });
                }
            }
        }
        let mut is_changed = false;
        while let Some(mut suspects) = open.pop() {
            if !self.shared.goes_on() {
                // Whoever comes next begins again.
                let text = "the search for what is refused is given up".to_owned();
                let fault = Fault { code: 0, text };
                return Err(TransactionFault { verdict: Verdict::Broken, fault });
            }
            // One is enough for those who wait.
            if !drops && batches[suspects.batch].blamed.is_some() {
                continue;
            }
            suspects.records.sort_unstable();
            let Some(cause) = self.trial(&batches[suspects.batch], &suspects)? else { continue };
            if let [spot] = suspects.records[..] {
                let batch = &mut batches[suspects.batch];
                let (flight, record) = batch.at(spot);
                let bytes = flight.encoded.record(record).len();
                let known = self.known_bytes_max(bytes, &cause);
                if cause.is_size() && batch.split(spot, known) {
                    // The places of the other suspects may be others now.
                    self.shared.inner.tell_split(known);
                    return Ok(true);
                }
                let cause = cause.with_sizes(bytes, known);
                if drops {
                    batch.set_aside(spot, cause);
                    is_changed = true;
                } else {
                    let (flight, record) = batch.at(spot);
                    let row = flight.encoded.rows.first(record);
                    let text = format!("row {row} of its batch waits. {}", cause.text);
                    batch.blamed = Some(Cause::new(cause.code, text));
                }
                continue;
            }
            let half = suspects.records.split_off(suspects.records.len() / 2);
            open.push(Suspects { records: half, ..suspects });
            open.push(suspects);
        }
        Ok(is_changed)
    }

    /// The largest record that the topic takes, as far as is known. If so many bytes are refused as
    /// too large although they are fewer, the brokers are asked.
    fn known_bytes_max(&self, bytes: usize, cause: &Cause) -> usize {
        let known = self.shared.inner.record_bytes_max.load(Ordering::Relaxed);
        if bytes > known || !cause.is_size() {
            return known;
        }
        let told = self.producer.as_ref().and_then(|p| p.batch_bytes_max(&self.shared.plan));
        told.map_or(known, |told| told as usize)
    }

    /// Hands records over in a transaction that is taken back. Returns why they are refused, if they
    /// are.
    fn trial(
        &mut self,
        batch: &Submission,
        suspects: &Suspects,
    ) -> Result<Option<Cause>, TransactionFault> {
        let shared = self.shared.clone();
        let goes_on = || shared.goes_on();
        let producer = self.producer.as_mut().expect("it is there between transactions");
        producer.poller.begin_transaction()?;
        self.room.clear();
        for (flight, record) in suspects.records.iter().map(|spot| batch.at(*spot)) {
            self.room.push(flight, record);
        }
        // SAFETY: the batch outlives the trial, whose records are all reported when it is taken back.
        let refused = unsafe { producer.client().produce(suspects.partition, &mut self.room) };
        let flushed = producer.flush(&goes_on);
        let mut failed = std::mem::take(&mut producer.poller.poll().failed);
        failed.extend(refused);
        producer.abort(&goes_on)?;
        let reports = producer.poller.poll();
        reports.failed.clear();
        reports.reported.clear();
        if failed.is_empty()
            && let Err(TransactionFault { fault, .. }) = flushed
        {
            // No record is known to be refused: with another producer it is tried again.
            return Err(TransactionFault { verdict: Verdict::Broken, fault });
        }
        let topic = &self.shared.plan.recipe.topic;
        let judged = failed.iter().map(|failed| Cause::of_record(failed.code, topic));
        Ok(judged.filter(|(fate, _)| *fate == Fate::Blamed).map(|(_, cause)| cause).next())
    }

    /// What is known of why a transaction is aborted, beside what its records say.
    pub(super) fn told(&mut self, fault: Option<&Fault>) -> Option<Cause> {
        let inner = &self.shared.inner;
        let producer = self.producer.as_mut().expect("it is there in a transaction");
        if let Some(topic) = &self.shared.plan.dead_letters {
            let marks = &producer.poller.poll().marks;
            let refused = marks.iter().find(|mark| mark.number == LETTER && mark.code != NO_ERROR);
            if let Some(code) = refused.map(|mark| mark.code) {
                if is_too_large(code) {
                    let bytes = inner.letter_bytes_max.load(Ordering::Relaxed);
                    let less = (bytes / 2).max(LETTER_BYTES_MIN);
                    inner.letter_bytes_max.store(less, Ordering::Relaxed);
                }
                producer.look_for_letters();
                return Some(waits(&Cause::of_record(code, topic).1));
            }
            if let Some(fault) = fault.filter(|fault| fault.text.contains(topic.as_str())) {
                producer.look_for_letters();
                return Some(waits(&Cause::of_fault(fault, topic)));
            }
            if let Some(fault) = fault.filter(|fault| is_denied(fault.code)) {
                // librdkafka does not tell which of a transaction's topics it was.
                let Cause { code, text } = Cause::of_fault(fault, &self.shared.plan.recipe.topic);
                let text =
                    format!("{text} So it may be with `{topic}`, the topic of dead letters.");
                return Some(Cause::new(code, text));
            }
        }
        let cause = Cause::of_fault(fault?, &self.shared.plan.recipe.topic);
        // It is librdkafka's sentence for "look at the records" that has no code of ours.
        (cause.code != "BROKER_REFUSES").then_some(cause)
    }
}
