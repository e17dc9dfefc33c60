//! What holds after every run, whatever fault it met, each invariant by its name.
//!
//! A run knows of each output what its writers sent, heard and were told ([`Sent`]), and what
//! readers that are not ours find afterwards: all records, those that are committed, those that
//! somebody saw who read all the while, and how far the progress topic says that each writer is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde::Deserialize;

use super::{Disorder, examine_with};
use crate::{engine::load::Sent, reader::Record};

/// Findings that are written out; the others are counted.
const SHOWN: usize = 12;

/// Something that holds whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: every acknowledged row is there.
    NoneMissing,
    /// I2: no row is there twice; at least once: but for those that had no answer when a service
    /// died.
    NoneTwice,
    /// I3: each writer's rows are in the order of sending within a partition.
    InOrder,
    /// I4: nothing is there that was not sent, or that was said not to be written.
    NothingElse,
    /// I5: a batch is there as a whole or not at all, and the progress topic says so.
    WholeBatches,
    /// I6: a batch has one final answer; streams end only for reasons that the fault explains.
    OneAnswer,
    /// I7: values are those that were sent, byte for byte.
    SameValues,
    /// I10: rows go on in time when the fault is over.
    GoesOn,
    /// I11: the service stops in time, and its exit code says whether all was settled.
    Stops,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoneMissing,
        Self::NoneTwice,
        Self::InOrder,
        Self::NothingElse,
        Self::WholeBatches,
        Self::OneAnswer,
        Self::SameValues,
        Self::GoesOn,
        Self::Stops,
    ];

    /// Its number among those of the documentation.
    pub fn number(self) -> &'static str {
        match self {
            Self::NoneMissing => "I1",
            Self::NoneTwice => "I2",
            Self::InOrder => "I3",
            Self::NothingElse => "I4",
            Self::WholeBatches => "I5",
            Self::OneAnswer => "I6",
            Self::SameValues => "I7",
            Self::GoesOn => "I10",
            Self::Stops => "I11",
        }
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub text: String,
}

impl Finding {
    /// A finding.
    pub fn new(invariant: Invariant, text: impl Into<String>) -> Self {
        Self { invariant, text: text.into() }
    }

    /// A finding if something took longer than it may.
    pub fn late(invariant: Invariant, what: &str, took: Duration, max: Duration) -> Option<Self> {
        (took > max).then(|| Self::new(invariant, format!("{what}: {took:.1?}, at most {max:?}")))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.invariant.number(), self.text)
    }
}

/// What an output promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// `guarantee: atLeastOnce`.
    AtLeastOnce,
    /// `guarantee: exactlyOnce`.
    ExactlyOnce,
}

impl Promise {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    /// As the job file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "atLeastOnce",
            Self::ExactlyOnce => "exactlyOnce",
        }
    }
}

/// What an output was given, and what is there.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it promises.
    pub promise: Promise,
    /// What its writers sent and heard. At least once, `unanswered` is what had no answer when a
    /// service died.
    pub sent: Vec<Sent>,
    /// All records, those of aborted transactions too.
    pub plain: Vec<Record>,
    /// Committed records; without transactions the same.
    pub committed: Vec<Record>,
    /// Dead letters, those that are committed. They say why a row is not among the records.
    pub letters: Vec<Record>,
    /// Committed records as somebody saw them who read all the while.
    pub followed: Option<Vec<Record>>,
    /// The highest sequence that the progress topic has, by writer.
    pub progress: BTreeMap<String, u64>,
    /// Partitions of which the service has said that rows of them may come behind later ones.
    pub overtaken: BTreeSet<i32>,
    /// Reasons for which streams may have ended; the empty one is a broken connection.
    pub may_end_with: BTreeSet<&'static str>,
}

impl Seen {
    /// Everything that should not be.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.of_records("", &self.committed);
        if let Some(followed) = &self.followed {
            findings.extend(self.of_records("who read all the while: ", followed));
        }
        // Also what is aborted was sent, and as it is.
        findings.extend(examine_with(&self.plain, &self.letters, &self.sent).faults);
        for log in &self.sent {
            findings.extend(self.of_answers(log));
            if self.promise == Promise::ExactlyOnce {
                findings.extend(self.of_batches(log));
            }
        }
        findings.sort_by(|a, b| (a.invariant, &a.text).cmp(&(b.invariant, &b.text)));
        findings.dedup();
        findings
    }

    /// The same with what the progress topic has of each writer.
    #[must_use]
    pub fn with_progress(mut self, of: impl Fn(&str) -> Option<u64>) -> Self {
        let known = self.sent.iter().map(|log| &log.writer);
        self.progress = known.filter_map(|w| Some((w.clone(), of(w)?))).collect();
        self
    }

    /// Records that are not committed.
    pub fn aborted(&self) -> usize {
        self.plain.len() - self.committed.len().min(self.plain.len())
    }

    /// Records beyond the first of each row.
    pub fn surplus(&self) -> u64 {
        examine_with(&self.committed, &self.letters, &self.sent)
            .twice
            .iter()
            .map(|batch| batch.surplus)
            .sum()
    }

    /// I1 to I4 and I7.
    fn of_records(&self, who: &str, records: &[Record]) -> Vec<Finding> {
        let is_exact = self.promise == Promise::ExactlyOnce;
        let found = examine_with(records, &self.letters, &self.sent);
        let mut findings = found.faults.clone();
        for batch in found.twice.iter().filter(|batch| is_exact || !batch.excused) {
            let text =
                format!("{}: batch {}: {} too many", batch.writer, batch.sequence, batch.surplus);
            findings.push(Finding::new(Invariant::NoneTwice, text));
        }
        for log in &self.sent {
            let of_log = found.disorder.iter().filter(|disorder| disorder.writer == log.writer);
            let mut descents: BTreeMap<i32, Vec<&Disorder>> = BTreeMap::new();
            of_log.for_each(|one| descents.entry(one.partition).or_default().push(one));
            let excused = if is_exact { 0 } else { super::descents_max(log) };
            if !is_exact {
                descents.retain(|partition, _| !self.overtaken.contains(partition));
            }
            for (partition, steps) in descents.iter().filter(|(_, steps)| steps.len() > excused) {
                let Disorder { writer, row, after, .. } = steps[0];
                let text = format!(
                    "{writer}: partition {partition}: {} steps back, the first from row {after} to \
                     {row}",
                    steps.len()
                );
                findings.push(Finding::new(Invariant::InOrder, text));
            }
        }
        findings.iter_mut().for_each(|finding| finding.text.insert_str(0, who));
        findings
    }

    /// I6.
    fn of_answers(&self, log: &Sent) -> Vec<Finding> {
        let mut findings: Vec<Finding> = log
            .contradictions
            .iter()
            .map(|text| Finding::new(Invariant::OneAnswer, format!("{}: {text}", log.writer)))
            .collect();
        for end in log.ends.iter().chain(&log.end) {
            let reason = end.as_ref().map_or_else(|failure| failure.reason.as_str(), |()| "");
            if !self.may_end_with.contains(reason) {
                let text = format!("{}: a stream has ended: {end:?}", log.writer);
                findings.push(Finding::new(Invariant::OneAnswer, text));
            }
        }
        findings
    }

    /// I5: batches are whole, the first ones without a gap, and as many as the progress topic
    /// says.
    fn of_batches(&self, log: &Sent) -> Vec<Finding> {
        #[derive(Deserialize)]
        struct Row {
            w: String,
            n: u64,
        }
        let rows = self.committed.iter().chain(&self.letters).filter_map(|record| {
            let row: Row = serde_json::from_str(record.text()).ok()?;
            (row.w == log.writer).then_some(row.n)
        });
        let rows: BTreeSet<u64> = rows.collect();
        let mut batches: BTreeMap<u64, u64> = BTreeMap::new();
        rows.iter().for_each(|n| *batches.entry(n / log.batch_rows + 1).or_default() += 1);
        let mut findings = Vec::new();
        let mut add = |text: String| {
            let text = format!("{}: {text}", log.writer);
            findings.push(Finding::new(Invariant::WholeBatches, text));
        };
        for (sequence, count) in batches.iter().filter(|(_, count)| **count != log.batch_rows) {
            add(format!("batch {sequence}: {count} of {} rows are there", log.batch_rows));
        }
        let last = batches.last_key_value().map_or(0, |(sequence, _)| *sequence);
        let gone = log.rows_gone / log.batch_rows;
        if last > gone && batches.len() as u64 != last - gone {
            add(format!("{} batches are there, the last is {last}", batches.len()));
        }
        let stored = self.progress.get(&log.writer).copied().unwrap_or(0);
        if stored != last {
            add(format!("progress says that batch {stored} is the last, and {last} is"));
        }
        findings
    }
}

/// Says all findings.
///
/// # Panics
/// When there are some.
#[track_caller]
pub fn assert_none(run: &str, findings: &[Finding]) {
    let mut text: Vec<String> = findings.iter().take(SHOWN).map(ToString::to_string).collect();
    if findings.len() > SHOWN {
        text.push(format!("and {} more", findings.len() - SHOWN));
    }
    assert!(findings.is_empty(), "{run}: what must hold does not:\n  {}", text.join("\n  "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Failure, load::rows};

    fn record(partition: i32, offset: u64, n: u64) -> Record {
        let offset = i64::try_from(offset).unwrap();
        let value = rows("w", n..n + 1, "").trim_end().as_bytes().to_vec();
        let (key, headers) = (None, Vec::new());
        Record { partition, offset, timestamp_ms: None, key, headers, value: Some(value) }
    }

    /// Four batches of five rows, even rows in partition 0.
    fn seen() -> Seen {
        let records: Vec<Record> =
            (0..2).flat_map(|p| (0..10).map(move |n| record(p, n, 2 * n + p as u64))).collect();
        Seen {
            promise: Promise::ExactlyOnce,
            sent: vec![Sent { batch_rows: 5, ..Sent::whole("w", 20) }],
            plain: records.clone(),
            committed: records.clone(),
            letters: Vec::new(),
            followed: Some(records),
            progress: BTreeMap::from([("w".to_owned(), 4)]),
            overtaken: BTreeSet::new(),
            may_end_with: BTreeSet::new(),
        }
    }

    fn numbers(seen: &Seen) -> Vec<&'static str> {
        let mut numbers: Vec<_> =
            seen.findings().iter().map(|finding| finding.invariant.number()).collect();
        numbers.dedup();
        numbers
    }

    #[test]
    fn a_good_run_has_no_findings() {
        assert_eq!(seen().findings(), []);
        assert_none("a good run", &seen().findings());
    }

    #[test]
    fn each_invariant_is_missed_by_its_name() {
        let mut lost = seen();
        lost.committed.remove(3);
        assert_eq!(numbers(&lost), ["I1", "I5"], "a row of a batch is missing");

        let mut twice = seen();
        twice.committed.push(record(0, 10, 18));
        assert_eq!(numbers(&twice), ["I2"]);
        let mut twice = seen();
        twice.followed.as_mut().unwrap().push(record(0, 10, 18));
        assert_eq!(numbers(&twice), ["I2"], "only who read all the while has seen it");

        let mut back = seen();
        back.committed.swap(3, 4);
        assert_eq!(numbers(&back), ["I3"]);

        let mut more = seen();
        more.plain.push(record(0, 10, 20));
        assert_eq!(numbers(&more), ["I4"], "never sent, whether committed or not");

        let mut ahead = seen();
        ahead.progress.insert("w".to_owned(), 5);
        assert_eq!(numbers(&ahead), ["I5"], "progress and rows are not of one transaction");
        ahead.progress.clear();
        assert_eq!(numbers(&ahead), ["I5"]);

        let mut other = seen();
        other.committed[0].value = Some(br#"{"w":"w","n":0,"pad":"!"}"#.to_vec());
        assert!(numbers(&other).contains(&"I7"));
    }

    #[test]
    fn what_the_service_says_is_held_against_it() {
        let failure = |reason: &str, may_be_written| Failure {
            code: tonic::Code::Unavailable,
            reason: reason.to_owned(),
            retry: true,
            may_be_written,
            message: String::new(),
        };
        let mut ended = seen();
        ended.sent[0].ends.push(Err(failure("DELIVERY_UNKNOWN", true)));
        assert_eq!(numbers(&ended), ["I6"]);
        ended.may_end_with.insert("DELIVERY_UNKNOWN");
        assert_eq!(numbers(&ended), [""; 0]);
        ended.sent[0].contradictions.push("no".to_owned());
        assert_eq!(numbers(&ended), ["I6"]);

        let mut refused = seen();
        refused.may_end_with.insert("ROW_REFUSED");
        refused.sent[0].rows_durable = 15;
        refused.sent[0].end = Some(Err(failure("ROW_REFUSED", true)));
        assert_eq!(numbers(&refused), [""; 0], "an unknown batch may be there");
        refused.sent[0].end = Some(Err(failure("ROW_REFUSED", false)));
        assert_eq!(numbers(&refused), ["I4"], "one that is surely not written may not");
    }

    #[test]
    fn at_least_once_a_death_excuses_what_had_no_answer() {
        let mut twice = seen();
        twice.promise = Promise::AtLeastOnce;
        twice.progress.clear();
        twice.committed.extend([record(0, 10, 14), record(0, 11, 16)]);
        (twice.plain, twice.followed) = (twice.committed.clone(), None);
        assert_eq!(numbers(&twice), ["I2", "I3"]);
        twice.sent[0].unanswered.push(10..20);
        assert_eq!(numbers(&twice), [""; 0]);
        assert_eq!(twice.surplus(), 2);
    }

    #[test]
    fn what_takes_too_long_is_a_finding() {
        let second = Duration::from_secs(1);
        assert_eq!(Finding::late(Invariant::GoesOn, "x", second, second), None);
        let late = Finding::late(Invariant::GoesOn, "x", 2 * second, second).unwrap();
        assert_eq!(late.to_string(), "I10 x: 2.0s, at most 1s");
    }
}
