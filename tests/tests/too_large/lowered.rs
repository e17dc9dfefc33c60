//! The limit is lowered behind the service's back: the broker judges what is on its way.
use std::collections::BTreeMap;

use tests::{engine::Answer, kafka::unique_topic, reader, wait::DEADLINE};

use super::{World, all_numbers, numbers, rows, shared_broker};

const GUARANTEES: [&str; 3] =
    ["guarantee: bestEffort, acks: One", "guarantee: atLeastOnce", "guarantee: exactlyOnce"];

/// What the topic takes at first, and what afterwards.
const BEFORE: usize = 900_000;
const AFTER: usize = 2_000;

/// All rows but `missing` are there once and in the order of their partitions, in records that the
/// topic takes now.
#[track_caller]
fn check(written: &[reader::Record], through: u64, missing: &[u64], what: &str) {
    let mut last = BTreeMap::new();
    for record in written {
        let bytes = record.value.as_ref().unwrap().len();
        assert!(bytes <= AFTER, "{what}: a record of {bytes} bytes");
        for number in numbers(record) {
            let before = last.insert(record.partition, number);
            assert!(before < Some(number), "{what}: {number} is behind {before:?}");
        }
    }
    let mut all = all_numbers(written);
    all.sort_unstable();
    let expected = (0..through).filter(|number| !missing.contains(number));
    assert_eq!(all, expected.collect::<Vec<_>>(), "{what}");
}

#[test]
fn records_on_their_way_are_split_and_a_row_that_is_too_large_alone_is_named() {
    for guarantee in GUARANTEES {
        for format in ["LineSeparated", "Array"] {
            let what = format!("{guarantee}, {format}");
            let more = format!(
                "{guarantee}, errorPolicy: Drop, packing: {{ rows: 200 }}, \
                 serialization: {{ type: Json, format: {format} }}, \
                 partitioning: {{ strategy: roundRobin, turn: {{ rows: 200 }} }}"
            );
            let world = World::start("lowered", 3, BEFORE, &more);
            let mut stream = world.open(&world.topic);
            world.lower(AFTER);
            let pad = "x".repeat(60);
            let large = rows("w", 777..778, &"x".repeat(3_000));
            stream.send(rows("w", 0..777, &pad) + &large + &rows("w", 778..1_200, &pad));
            stream.send(rows("w", 1_200..1_800, &pad));
            stream.wait_durable();
            let named: Vec<_> = stream.rejected.iter().map(|row| (row.row, &*row.code)).collect();
            assert_eq!(named, [(777, "ROW_TOO_LARGE")], "{what}");
            let reason = &stream.rejected[0].reason;
            let bytes = large.trim_end().len() + if format == "Array" { 2 } else { 0 };
            let sizes = format!("has {bytes} bytes; the topic was last known to take {AFTER}.");
            assert!(reason.contains(&sizes), "{what}: {reason}");
            let written = world.records();
            check(&written, 1_800, &[777], &what);
            // A partition keeps its rows, and those were dealt out evenly before.
            let mut dealt = BTreeMap::<i32, usize>::new();
            for record in &written {
                *dealt.entry(record.partition).or_default() += numbers(record).len();
            }
            assert_eq!(dealt.values().sum::<usize>(), 1_799);
            assert!(dealt.values().all(|rows| (599..=600).contains(rows)), "{what}: {dealt:?}");
            let log = world.service.stderr();
            assert!(log.contains("larger than the topic takes, and are split"), "{what}: {log}");
            // What comes now is as large as the topic takes, before it is sent.
            let before = written.len();
            stream.send(rows("w", 1_800..2_000, &pad));
            stream.wait_durable();
            let written = world.records();
            check(&written, 2_000, &[777], &what);
            assert!(written.len() - before < 20, "{what}: {} more", written.len() - before);
        }
    }
}

#[test]
fn a_row_that_is_too_large_alone_waits_under_stop_and_those_before_it_go() {
    for guarantee in GUARANTEES {
        let more = format!("{guarantee}, packing: {{ rows: 50 }}");
        let world = World::start("held", 1, BEFORE, &more);
        let mut stream = world.open(&world.topic);
        world.lower(AFTER);
        let pad = "x".repeat(60);
        stream.send(rows("w", 0..50, &pad));
        let large = rows("w", 70..71, &"x".repeat(3_000));
        stream.send(rows("w", 50..70, &pad) + &large + &rows("w", 71..100, &pad));
        let held = loop {
            match stream.next(DEADLINE).expect("there is an answer") {
                Answer::Held(held) if held.sequence == 2 => break held,
                Answer::Ended(end) => panic!("{end:?}"),
                _ => {}
            }
        };
        let bytes = large.trim_end().len();
        assert_eq!(held.code, "ROW_TOO_LARGE", "{guarantee}: {held:?}");
        assert!(held.reason.contains("row 20"), "{guarantee}: {held:?}");
        assert!(held.reason.contains(&format!("has {bytes} bytes")), "{guarantee}: {held:?}");
        let admin = shared_broker().admin();
        admin.set_topic_property(&world.topic, "max.message.bytes", "1000000");
        stream.wait_durable();
        assert_eq!(stream.rejected_total, 0);
        assert_eq!(all_numbers(&world.records()), (0..100).collect::<Vec<_>>(), "{guarantee}");
    }
}

#[test]
fn records_that_must_stay_whole_are_set_aside_whole_with_a_letter_for_each_row() {
    for guarantee in ["guarantee: atLeastOnce", "guarantee: exactlyOnce"] {
        let letters = unique_topic("letters");
        shared_broker().admin().create_topic(&letters, 1, 1, &[]);
        for (packing, kept) in [("tooLarge: ErrorPolicy", 0..20), ("tooLarge: Split", 0..60)] {
            let more = format!(
                "{guarantee}, errorPolicy: DeadLetter, deadLetter: {{ topic: {letters} }}, \
                 packing: {{ rows: 40, {packing} }}"
            );
            let world = World::start("whole", 1, BEFORE, &more);
            let mut stream = world.open(&world.topic);
            world.lower(AFTER);
            stream.send(rows("w", 20..60, &"x".repeat(60)) + &rows("w", 0..20, ""));
            stream.wait_durable();
            let mut all = all_numbers(&world.records());
            all.sort_unstable();
            assert_eq!(all, kept.clone().collect::<Vec<_>>(), "{guarantee}, {packing}");
            assert_eq!(stream.rejected_total, 60 - kept.end, "{guarantee}, {packing}");
            let letters = reader::topic(&shared_broker().bootstrap(), &letters).records();
            let is_its = |of: &&reader::Record| {
                of.headers.iter().any(|(_, value)| value.as_deref() == Some(world.topic.as_bytes()))
            };
            assert_eq!(letters.iter().filter(is_its).count() as u64, 60 - kept.end);
        }
    }
}

/// Every part begins with the header, and containers are whole files.
#[test]
fn parts_are_framed_as_their_format_says() {
    let formats = [
        "{ type: Csv, header: true }",
        "{ type: Avro, codec: Null }",
        "{ type: Avro, codec: Deflate }",
    ];
    for guarantee in ["guarantee: atLeastOnce", "guarantee: exactlyOnce"] {
        for format in formats {
            let what = format!("{guarantee}, {format}");
            let more = format!("{guarantee}, packing: {{ rows: 300 }}, serialization: {format}");
            let world = World::start("framed", 1, BEFORE, &more);
            let mut stream = world.open(&world.topic);
            world.lower(AFTER);
            let lines: String = (0..600)
                .map(|n| rows("w", n..n + 1, &format!("{:x}", n * 7_919_000_003)))
                .collect();
            stream.send(lines);
            stream.wait_durable();
            assert_eq!(stream.rejected_total, 0, "{what}");
            let values: Vec<_> = world.records().into_iter().map(|of| of.value.unwrap()).collect();
            assert!(values.len() > 2 && values.iter().all(|of| of.len() <= AFTER), "{what}");
            let numbers: Vec<u64> = match format.contains("Csv") {
                true => values.iter().flat_map(|value| csv_numbers(value)).collect(),
                false => avro_numbers(&values),
            };
            assert_eq!(numbers, (0..600).collect::<Vec<_>>(), "{what}");
        }
    }
}

fn csv_numbers(value: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(value).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("w,n,pad"));
    lines.map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

/// As another implementation reads them.
fn avro_numbers(files: &[Vec<u8>]) -> Vec<u64> {
    let dir = tests::cache::run_dir("avro-");
    for (at, file) in files.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{at:06}.avro")), file).unwrap();
    }
    let read = "import sys, glob, fastavro\n\
                for path in sorted(glob.glob(sys.argv[1] + '/*.avro')):\n\
                \x20   for row in fastavro.reader(open(path, 'rb')): print(row['n'])";
    let mut command = tests::process::command(tests::tools::python());
    let out = command.arg("-c").arg(read).arg(dir.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}
