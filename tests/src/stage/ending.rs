//! The end of a trial: everything is read, and everything that must hold is looked at.

use std::{collections::BTreeMap, thread};

use serde_json::Value;

use super::trial::{Part, Trial};
use crate::{
    check::invariants::{Promise, Seen, assert_none},
    engine::{
        Failure,
        load::{Load, Sent},
    },
    reader::{self, Following, Record},
    service::Service,
};

/// What a trial has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Rows that are there, and letters.
    pub rows: u64,
    /// Of those, what is there once more.
    pub again: u64,
    /// Streams that ended, and were opened again.
    pub streams_ended: u64,
}

impl Trial<'_> {
    /// Stops the writers, reads what is there, and looks at everything that must hold.
    ///
    /// # Panics
    /// When something does not.
    #[track_caller]
    pub fn finish(mut self) -> Sum {
        self.stage.mend();
        let bootstrap = self.stage.cluster.bootstrap();
        let parts = std::mem::take(&mut self.parts);
        let topics: Vec<String> = parts.iter().flat_map(Part::all_topics).collect();
        let stopped: Vec<_> = parts.into_iter().map(stop).collect();
        let log = self.service.as_ref().map(Service::stderr).unwrap_or_default();
        self.hear(&log);
        let has_exact = stopped.iter().any(|(part, _)| part.promise == Promise::ExactlyOnce);
        // Each read is a process of its own.
        let all_seen: Vec<Seen> = thread::scope(|scope| {
            let stored = scope.spawn(|| match has_exact {
                true => stored_progress(&bootstrap, &self.progress),
                false => BTreeMap::new(),
            });
            let looks: Vec<_> = stopped
                .into_iter()
                .map(|(part, sent)| scope.spawn(|| self.look(&bootstrap, part, sent)))
                .collect();
            let stored = stored.join().expect("progress can be read");
            let looked = looks.into_iter().map(|look| look.join().expect("a topic can be read"));
            looked
                .map(|(topic, seen)| seen.with_progress(|w| progress_of(&stored, &topic, w)))
                .collect()
        });
        let (mut findings, mut sum) = (std::mem::take(&mut self.findings), Sum::default());
        for seen in all_seen {
            let of_part = seen.findings();
            if !seen.overtaken.is_empty() {
                println!("{}: rows may be overtaken in partitions {:?}", self.name, seen.overtaken);
            }
            let ended = seen.sent.iter().map(|log| log.ends.len() as u64).sum::<u64>();
            println!(
                "{}: {}: {} rows, {} letters, {} aborted, {} again, {ended} streams ended, {} \
                 findings",
                self.name,
                seen.promise.name(),
                seen.committed.len(),
                seen.letters.len(),
                seen.aborted(),
                seen.surplus(),
                of_part.len()
            );
            sum.rows += (seen.committed.len() + seen.letters.len()) as u64;
            sum.again += seen.surplus();
            sum.streams_ended += ended;
            findings.extend(of_part);
        }
        assert_none(self.name, &findings);
        drop(self.service.take());
        let admin = self.stage.cluster.admin();
        topics.iter().for_each(|topic| admin.delete_topic(topic));
        sum
    }

    /// What is there of an output, but for progress.
    fn look(&self, bootstrap: &str, part: Part, sent: Vec<Sent>) -> (String, Seen) {
        let Part { promise, topic, following, letters, .. } = part;
        let followed = following.map(Following::stop);
        let committed = || reader::topic(bootstrap, &topic).records();
        let letters =
            || letters.map_or_else(Vec::new, |of| reader::topic(bootstrap, &of).records());
        let (plain, committed, letters) = thread::scope(|scope| {
            let plain = scope.spawn(|| reader::topic(bootstrap, &topic).uncommitted().records());
            let committed = (promise == Promise::ExactlyOnce).then(|| scope.spawn(committed));
            let letters: Vec<Record> = letters();
            let plain = plain.join().expect("a topic can be read");
            let committed = committed.map(|read| read.join().expect("a topic can be read"));
            (plain.clone(), committed.unwrap_or(plain), letters)
        });
        let (progress, may_end_with) = (BTreeMap::new(), self.may_end_with.clone());
        let overtaken = self.overtaken.iter().filter(|(output, _)| *output == topic);
        let overtaken = overtaken.map(|(_, partition)| *partition).collect();
        let seen = Seen {
            promise,
            sent,
            plain,
            committed,
            letters,
            followed,
            progress,
            overtaken,
            may_end_with,
        };
        (topic, seen)
    }
}

/// The number that is stored of a writer of an output.
fn progress_of(stored: &BTreeMap<String, u64>, alias: &str, writer: &str) -> Option<u64> {
    stored.get(&progress_key(alias, writer)).copied()
}

/// Stops the writers of an output: everything they have sent becomes durable.
fn stop(mut part: Part) -> (Part, Vec<Sent>) {
    let is_exact = part.promise == Promise::ExactlyOnce;
    part.loads.iter().for_each(Load::send_no_more);
    let loads = std::mem::take(&mut part.loads);
    let stopped = loads.into_iter().map(Load::stop);
    let each = stopped.zip(&part.deaths);
    let sent = each.map(|(log, deaths)| match (is_exact, deaths.is_empty()) {
        // With exactly once nothing is excused.
        (true, _) => log.died_with(&[]),
        (false, false) => log.died_with(deaths),
        // Batches behind one whose outcome is not known go again, and may be there.
        (false, true) => {
            let is_unknown = |end: &Result<(), Failure>| {
                end.as_ref().is_err_and(|failure| failure.reason == "DELIVERY_UNKNOWN")
            };
            let ends = log.unanswered.iter().zip(&log.ends);
            let unknown = ends.filter(|(_, end)| is_unknown(end)).map(|(rows, _)| rows.clone());
            let unknown: Vec<_> = unknown.collect();
            log.died_with(&unknown)
        }
    });
    let sent = sent.collect();
    (part, sent)
}

/// The name under which the progress topic has a writer of a trial. Its parts need no escape.
pub fn progress_key(alias: &str, writer: &str) -> String {
    format!("tests.{alias}.exactlyOnce.{writer}")
}

/// The highest sequence that a progress topic has of each writer, by [`progress_key`].
pub fn stored_progress(bootstrap: &str, topic: &str) -> BTreeMap<String, u64> {
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for record in reader::topic(bootstrap, topic).records() {
        let key = String::from_utf8(record.key.clone().unwrap_or_default());
        let value: Option<Value> =
            record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
        let sequence = value.and_then(|value| value["sequence"].as_u64());
        if let (Ok(key), Some(sequence)) = (key, sequence) {
            let known = found.entry(key).or_default();
            *known = sequence.max(*known);
        }
    }
    found
}
