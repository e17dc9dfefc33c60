//! The independent check: what was sent and acknowledged, by the engine's own log, against what is
//! stored, as a client that is not ours reads it.
//!
//! Four things hold after every fault. No acknowledged row is missing. Nothing is there that was
//! never sent, and every value is what was sent. Rows are there once; after a restart of the
//! service those without an answer may be there once more for each restart, and are counted. Each
//! writer's rows are in order within each partition, but for the places where a restart went back.
//!
//! [`invariants`] holds a whole run against what its guarantee promises.

pub mod invariants;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use serde::Deserialize;

use self::invariants::{Finding, Invariant};
use crate::{
    engine::load::{Sent, rows_with_bad},
    reader::Record,
    segments::Batch,
};

/// Faults that are written out; the others are counted.
const SHOWN_FAULTS: usize = 10;

/// What is shown of a record.
const SHOWN_CHARS: usize = 200;

/// What an examination has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Records that are stored.
    pub records: u64,
    /// What must not be, whatever happened.
    pub faults: Vec<Finding>,
    /// Rows that come after a later one of their writer.
    pub disorder: Vec<Disorder>,
    /// Batches of which rows are there more than once.
    pub twice: Vec<Twice>,
}

/// A batch of which rows are there more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twice {
    /// Its writer.
    pub writer: String,
    /// Its sequence.
    pub sequence: u64,
    /// Records beyond the first of each row.
    pub surplus: u64,
    /// Each of its rows is there at most once more for each time that it was left without an
    /// answer.
    pub excused: bool,
}

/// A row that comes after a later one of its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// Their writer.
    pub writer: String,
    /// Their partition.
    pub partition: i32,
    /// The row.
    pub row: u64,
    /// The later row, right before it.
    pub after: u64,
}

#[derive(Deserialize)]
struct Row {
    w: String,
    n: u64,
}

/// Compares what is stored with the log of all writers.
pub fn examine(records: &[Record], sent: &[Sent]) -> Findings {
    examine_with(records, &[], sent)
}

/// The same with the dead letters of rows that cannot be written, whose place in the order is
/// nobody's business.
pub fn examine_with(records: &[Record], letters: &[Record], sent: &[Sent]) -> Findings {
    let logs: HashMap<&str, &Sent> = sent.iter().map(|log| (log.writer.as_str(), log)).collect();
    let mut faults = Vec::new();
    let mut copies: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut places = Vec::new();
    let records = records.iter().map(|record| (record, false));
    let all = records.chain(letters.iter().map(|letter| (letter, true)));
    let mut count = 0;
    for (record, is_letter) in all {
        count += 1;
        match whose(record, is_letter, &logs) {
            Ok((log, n)) => {
                *copies.entry((&log.writer, n)).or_default() += 1;
                if !is_letter {
                    places.push((record.partition, log.writer.as_str(), n));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    for log in sent {
        let is_missing = |n: &u64| !copies.contains_key(&(log.writer.as_str(), *n));
        let missing: Vec<u64> = (log.rows_gone..log.rows_durable).filter(is_missing).collect();
        if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
            let (writer, count) = (&log.writer, missing.len());
            let text =
                format!("{writer}: {count} acknowledged rows are missing, from {first} to {last}");
            faults.push(Finding::new(Invariant::NoneMissing, text));
        }
    }
    let twice = twice(&copies, &logs);
    Findings { records: count, faults, disorder: disorder(&places), twice }
}

/// Whose record it is, and which row; or what is wrong with it.
fn whose<'a>(
    record: &Record,
    is_letter: bool,
    logs: &HashMap<&str, &'a Sent>,
) -> Result<(&'a Sent, u64), Finding> {
    let text = record.text();
    let wrong = |invariant, what: &str| {
        let shown: String = text.chars().take(SHOWN_CHARS).collect();
        let (partition, offset) = (record.partition, record.offset);
        let text = format!("partition {partition}, offset {offset}: {what}: {shown}");
        Err(Finding::new(invariant, text))
    };
    let Ok(Row { w, n }) = serde_json::from_str(text) else {
        return wrong(Invariant::SameValues, "no row");
    };
    let Some(log) = logs.get(w.as_str()) else {
        return wrong(Invariant::NothingElse, "a row of nobody");
    };
    if n >= log.rows_sent {
        return wrong(Invariant::NothingElse, "a row that was never sent");
    }
    if log.is_refused(n) {
        return wrong(Invariant::NothingElse, "a row that was said not to be written");
    }
    if is_letter != log.is_bad(n) {
        let what = if is_letter { "a letter of a good row" } else { "a row that is bad" };
        return wrong(Invariant::NothingElse, what);
    }
    let differs = |pad: &String| {
        let expected = rows_with_bad(&w, n..n + 1, pad, log.bad_every);
        text != expected.trim_end()
    };
    if log.pad.as_ref().is_some_and(differs) {
        return wrong(Invariant::SameValues, "not the row that was sent");
    }
    Ok((log, n))
}

/// Rows that come after a later one of their writer, in the order of the records.
fn disorder(places: &[(i32, &str, u64)]) -> Vec<Disorder> {
    let mut last: HashMap<(i32, &str), u64> = HashMap::new();
    let mut found = Vec::new();
    for (partition, writer, row) in places {
        match last.insert((*partition, writer), *row) {
            Some(after) if after > *row => {
                let (writer, partition, row) = ((*writer).to_owned(), *partition, *row);
                found.push(Disorder { writer, partition, row, after });
            }
            _ => {}
        }
    }
    found
}

/// The batches of which rows are there more than once.
fn twice(copies: &BTreeMap<(&str, u64), u64>, logs: &HashMap<&str, &Sent>) -> Vec<Twice> {
    let mut found: BTreeMap<(&str, u64), (u64, bool)> = BTreeMap::new();
    for ((writer, n), count) in copies.iter().filter(|(_, count)| **count > 1) {
        let log = logs[writer];
        let sequence = n / log.batch_rows + 1;
        let unanswered = log.unanswered.iter().filter(|rows| rows.contains(n)).count() as u64;
        let (surplus, excused) = found.entry((writer, sequence)).or_insert((0, true));
        *surplus += count - 1;
        *excused &= *count <= 1 + unanswered;
    }
    let batch = |((writer, sequence), (surplus, excused)): ((&str, u64), (u64, bool))| Twice {
        writer: writer.to_owned(),
        sequence,
        surplus,
        excused,
    };
    found.into_iter().map(batch).collect()
}

/// Checks that a topic holds the acknowledged rows of all writers, nothing that they have not
/// sent, nothing twice, and each writer's rows in order within each partition.
///
/// # Panics
/// When one of these does not hold.
#[track_caller]
pub fn exactly(records: &[Record], sent: &[Sent]) {
    let found = examine(records, sent);
    let Findings { faults, disorder, twice, .. } = &found;
    assert!(faults.is_empty() && disorder.is_empty() && twice.is_empty(), "{found}");
}

/// The same after the service has died: rows that had no answer then may be there again, once for
/// each death ([`Sent::died_with`]). Returns how many records are there beyond the first of each
/// row.
///
/// # Panics
/// When something else does not hold.
#[track_caller]
pub fn at_least_once(records: &[Record], sent: &[Sent]) -> u64 {
    let found = examine(records, sent);
    let excused = found.twice.iter().all(|batch| batch.excused);
    let in_order = sent.iter().all(|log| {
        let mut descents: BTreeMap<i32, usize> = BTreeMap::new();
        for disorder in found.disorder.iter().filter(|disorder| disorder.writer == log.writer) {
            *descents.entry(disorder.partition).or_default() += 1;
        }
        descents.values().all(|count| *count <= descents_max(log))
    });
    assert!(found.faults.is_empty() && excused && in_order, "{found}");
    found.twice.iter().map(|batch| batch.surplus).sum()
}

/// How often the rows of a writer may step back in a partition: the next service goes back, and a
/// request of the one that died may arrive behind its first rows.
fn descents_max(log: &Sent) -> usize {
    2 * log.unanswered.len()
}

/// The sum of [`headers`] over all partitions of a topic.
///
/// # Panics
/// As [`headers`].
#[track_caller]
pub fn headers_of(partitions: &[Vec<Batch>]) -> u64 {
    partitions.iter().map(|batches| headers(batches)).sum()
}

/// Checks the batch headers of a partition that idempotent producers alone have written: offsets
/// without gaps, and each producer's sequence numbers too. Returns how many records there are.
///
/// # Panics
/// When one of these does not hold.
#[track_caller]
pub fn headers(batches: &[Batch]) -> u64 {
    let mut next_offset = 0;
    let mut next_sequence: BTreeMap<(i64, i16), i32> = BTreeMap::new();
    let mut ended: BTreeSet<(i64, i16)> = BTreeSet::new();
    let mut last = None;
    for batch in batches {
        let producer = (batch.producer_id, batch.producer_epoch);
        assert!(batch.producer_id >= 0, "without idempotence: {batch:?}");
        assert_eq!(batch.base_offset, next_offset, "a gap before {batch:?}");
        assert_eq!(
            batch.last_offset - batch.base_offset + 1,
            i64::from(batch.records),
            "{batch:?}"
        );
        let expected = next_sequence.entry(producer).or_default();
        assert_eq!(batch.base_sequence, *expected, "twice or a gap: {batch:?}");
        assert!(!ended.contains(&producer), "a producer that had ended writes: {batch:?}");
        // A producer's older epoch never comes back.
        ended.extend(
            last.replace(producer)
                .filter(|last: &(i64, i16)| last.0 == producer.0 && last.1 < producer.1),
        );
        *expected = expected.wrapping_add(batch.records);
        next_offset = batch.last_offset + 1;
    }
    u64::try_from(next_offset).expect("offsets are not negative")
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, faults, disorder, twice } = self;
        write!(formatter, "{records} records, {} faults", faults.len())?;
        for fault in faults.iter().take(SHOWN_FAULTS) {
            write!(formatter, "\n  {fault}")?;
        }
        write!(formatter, "\n{} rows out of order", disorder.len())?;
        for Disorder { writer, partition, row, after } in disorder.iter().take(SHOWN_FAULTS) {
            let comes = format!("in partition {partition} row {row} comes after row {after}");
            write!(formatter, "\n  {writer}: {comes}")?;
        }
        let surplus: u64 = twice.iter().map(|batch| batch.surplus).sum();
        write!(formatter, "\n{surplus} records too many, of {} batches", twice.len())?;
        for Twice { writer, sequence, surplus, excused } in twice.iter().take(SHOWN_FAULTS) {
            let answer = if *excused { "without an answer" } else { "for no reason" };
            write!(formatter, "\n  {writer}: batch {sequence}: {surplus}, {answer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::{
        engine::load::{bad_row, rows},
        segments::Codec,
    };

    /// Two writers with batches of ten: `a` with 50 rows acknowledged, `b` with 20 of 40.
    fn sent() -> [Sent; 2] {
        let log = |writer, rows_durable, rows_sent| Sent {
            rows_sent,
            batch_rows: 10,
            ..Sent::whole(writer, rows_durable)
        };
        [log("a", 50, 50), log("b", 20, 40)]
    }

    fn record(partition: i32, offset: usize, text: &str) -> Record {
        Record {
            partition,
            offset: i64::try_from(offset).unwrap(),
            timestamp_ms: None,
            key: None,
            headers: Vec::new(),
            value: Some(text.as_bytes().to_vec()),
        }
    }

    /// What is stored after a run without faults: even rows in partition 0, odd ones in 1.
    fn stored() -> Vec<Record> {
        let mut records = Vec::new();
        for partition in 0..2 {
            for (writer, count) in [("a", 50), ("b", 30)] {
                for n in (partition..count).step_by(2) {
                    let text = rows(writer, n..n + 1, "");
                    let offset = records.len();
                    records.push(record(
                        i32::try_from(partition).unwrap(),
                        offset,
                        text.trim_end(),
                    ));
                }
            }
        }
        records
    }

    fn faults(records: &[Record]) -> String {
        let found = examine(records, &sent());
        assert_eq!(
            (found.twice.as_slice(), found.disorder.as_slice()),
            (&[][..], &[][..]),
            "{found}"
        );
        let texts: Vec<String> = found.faults.into_iter().map(|fault| fault.text).collect();
        texts.join("; ")
    }

    #[test]
    fn a_good_topic_passes() {
        exactly(&stored(), &sent());
        assert_eq!(at_least_once(&stored(), &sent()), 0);
        assert_eq!(examine(&stored(), &sent()).records, 80);
    }

    #[test]
    fn a_missing_row_is_found_if_it_was_acknowledged() {
        let without = |row: &str| {
            let mut records = stored();
            records.retain(|record| !record.text().starts_with(row));
            assert_eq!(records.len(), 79, "{row}");
            records
        };
        let found = faults(&without(r#"{"w":"a","n":37,"#));
        assert_eq!(found, "a: 1 acknowledged rows are missing, from 37 to 37");
        exactly(&without(r#"{"w":"b","n":27,"#), &sent());
        assert!(faults(&[]).contains("a: 50 acknowledged rows are missing, from 0 to 49; b: 20"));
    }

    #[test]
    fn a_row_from_nowhere_is_found() {
        for (text, expected) in [
            (r#"{"w":"c","n":1,"pad":""}"#, "a row of nobody"),
            (r#"{"w":"b","n":40,"pad":""}"#, "a row that was never sent"),
            (r#"{"w":"b","n":39,"pad":"!"}"#, "not the row that was sent"),
            (r#"{"w":"b", "n":39,"pad":""}"#, "not the row that was sent"),
            ("torn", "no row"),
        ] {
            let mut records = stored();
            records.push(record(1, 99, text));
            let found = faults(&records);
            assert_eq!(found, format!("partition 1, offset 99: {expected}: {text}"));
        }
    }

    #[test]
    fn a_bad_row_belongs_among_the_letters_and_a_good_one_does_not() {
        let sent = [Sent { bad_every: Some(4), ..Sent::whole("a", 8) }];
        let topic: Vec<Record> = (0..8)
            .filter(|n| n % 4 != 3)
            .map(|n| record(0, n as usize, rows("a", n..n + 1, "").trim_end()))
            .collect();
        let letter = |n| record(0, 0, bad_row("a", n).trim_end());
        let texts = |letters: &[Record], topic: &[Record]| -> Vec<String> {
            let found = examine_with(topic, letters, &sent);
            found.faults.into_iter().map(|fault| fault.text).collect()
        };
        assert_eq!(texts(&[letter(3), letter(7)], &topic), [""; 0]);
        assert_eq!(
            texts(&[letter(3)], &topic),
            ["a: 1 acknowledged rows are missing, from 7 to 7"]
        );
        let good = record(0, 0, rows("a", 2..3, "").trim_end());
        let found = texts(&[letter(3), letter(7), good], &topic);
        assert!(found[0].contains("a letter of a good row"), "{found:?}");
        let spoiled = [topic.as_slice(), &[letter(3)]].concat();
        let found = texts(&[letter(3), letter(7)], &spoiled);
        assert!(found[0].contains("a row that is bad"), "{found:?}");
        let twice = examine_with(&topic, &[letter(3), letter(7), letter(3)], &sent).twice;
        assert_eq!((twice.len(), twice[0].surplus, twice[0].excused), (1, 1, false));
    }

    #[test]
    fn disorder_is_found_within_a_partition() {
        let mut records = stored();
        records.swap(3, 4);
        let found = examine(&records, &sent());
        let expected = Disorder { writer: "a".to_owned(), partition: 0, row: 6, after: 8 };
        assert_eq!((found.faults, found.disorder), (Vec::<Finding>::new(), vec![expected]));
    }

    /// Some records more, at the end: copies of those at these places.
    fn stored_again<const N: usize>(places: [usize; N]) -> Vec<Record> {
        let mut records = stored();
        records.extend(places.map(|place| stored()[place].clone()));
        records
    }

    #[test]
    fn a_row_that_is_there_again_is_counted_with_its_batch() {
        // Rows 6, 6, 8 of partition 0, 41 of partition 1.
        let records = stored_again([3, 3, 4, 60]);
        let found = examine(&records, &sent());
        let batch = |sequence, surplus, excused| Twice {
            writer: "a".to_owned(),
            sequence,
            surplus,
            excused,
        };
        assert_eq!(found.faults, Vec::<Finding>::new());
        assert_eq!(found.twice, [batch(1, 3, false), batch(5, 1, false)]);

        let [a, b] = sent();
        let died = a.clone().died_with(&[40..50, 0..10]);
        let found = examine(&records, &[died, b.clone()]);
        assert_eq!(found.twice, [batch(1, 3, false), batch(5, 1, true)], "row 6 is there thrice");
        let died = a.died_with(&[40..50, 0..10, 6..7]);
        assert_eq!(at_least_once(&records, &[died, b]), 4);
    }

    #[test]
    #[should_panic(expected = "a: batch 1: 2, for no reason")]
    fn a_row_is_there_once_more_at_most_for_each_death() {
        let [a, b] = sent();
        at_least_once(&stored_again([3, 3]), &[a.died_with(&[Range { start: 0, end: 10 }]), b]);
    }

    #[test]
    #[should_panic(expected = "a: batch 1: 1, for no reason")]
    fn an_acknowledged_batch_must_not_be_there_twice() {
        at_least_once(&stored_again([0]), &sent());
    }

    #[test]
    fn a_death_excuses_two_steps_back_in_each_partition_and_no_more() {
        let [a, b] = sent();
        let sent = [a.died_with(&[Range { start: 0, end: 50 }]), b];
        assert_eq!(at_least_once(&stored_again([4, 3]), &sent), 2);
        let thrice = || at_least_once(&stored_again([4, 3, 2]), &sent);
        assert!(std::panic::catch_unwind(thrice).is_err());
        // Where every row is there once, order is not excused.
        let mut swapped = stored();
        swapped.swap(3, 4);
        assert!(std::panic::catch_unwind(|| exactly(&swapped, &sent)).is_err());
    }

    fn header(base_offset: i64, records: i32, epoch: i16, base_sequence: i32) -> Batch {
        Batch {
            base_offset,
            last_offset: base_offset + i64::from(records) - 1,
            records,
            size_bytes: 100,
            codec: Codec::None,
            transactional: false,
            control: false,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            first_timestamp_ms: 0,
            max_timestamp_ms: 0,
        }
    }

    #[test]
    fn headers_are_without_gaps() {
        let good = [header(0, 5, 0, 0), header(5, 3, 0, 5), header(8, 2, 1, 0)];
        assert_eq!(headers(&good), 10);
        for wrong in [header(10, 1, 1, 1), header(10, 1, 0, 8), header(11, 1, 1, 2)] {
            let batches = [good.as_slice(), &[wrong]].concat();
            assert!(std::panic::catch_unwind(|| headers(&batches)).is_err(), "{batches:?}");
        }
    }
}
