//! `tap`: what it shows of records on their way is what the topic gets, and it slows nobody.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tests::{
    admin::{Admin, Follow},
    engine::{
        Engine,
        job::{OUTPUT, job, with_admin},
        load::{COLUMNS, Load, Pace, rows, rows_with_bad},
    },
    kafka::shared_broker,
    reader,
    service::{Service, program},
    wait::{DEADLINE, wait_until},
};

use super::{send, well};

/// Rows of a load's batch.
const BATCH_ROWS: u64 = 10;

/// `kafka-output tap`, to its end.
fn tap(admin: &Admin, args: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("tap").args(args).args(["--admin", admin.address()]);
    command.output().unwrap()
}

/// Opens a tap by hand, which is open when this returns.
fn open(admin: &Admin, query: &str) -> Follow {
    let mut follow = admin.follow(&format!("/outputs/{OUTPUT}/tap?{query}"));
    let first: Value = serde_json::from_str(&follow.line().unwrap()).unwrap();
    assert_eq!(first["output"], OUTPUT);
    follow
}

/// The next sample; signs of life are passed over.
fn sample(follow: &mut Follow) -> Value {
    loop {
        let line: Value = serde_json::from_str(&follow.line().unwrap()).unwrap();
        if line.get("value").is_some() {
            return line;
        }
    }
}

fn load(engine: &Engine, writer: &str) -> Load {
    let pace = Pace { batch_rows: BATCH_ROWS, pause: Duration::from_millis(5) };
    Load::start(engine, OUTPUT, writer, pace)
}

fn value(sample: &Value) -> String {
    let bytes = STANDARD.decode(sample["value"].as_str().unwrap()).unwrap();
    assert_eq!(sample["bytes"], bytes.len());
    String::from_utf8(bytes).unwrap()
}

/// A record of the sample lies where the sample says, and is made of the rows that it names.
#[test]
fn samples_are_what_the_topic_gets() {
    let (topic, service, engine) = well("tap", "");
    let admin = service.admin();
    let loads = [load(&engine, "w"), load(&engine, "v/1 ü")];
    let args = [OUTPUT, "--rows", "150", "--every", "20ms", "--output", "json"];
    let tapped = tap(&admin, &args);
    let only = tap(&admin, &[OUTPUT, "--rows", "5", "--writer", "v/1 ü", "--output", "json"]);
    let text = tap(&admin, &[OUTPUT, "--rows", "1"]);
    let raw = tap(&admin, &[OUTPUT, "--rows", "1", "--raw"]);
    loads.into_iter().for_each(|load| drop(load.stop()));
    let stored: BTreeSet<(i64, String)> = reader::topic(&shared_broker().bootstrap(), &topic)
        .records()
        .iter()
        .map(|record| (record.partition.into(), record.text().to_owned()))
        .collect();

    assert!(tapped.status.success(), "{tapped:?}");
    let samples = |output: &Output| -> Vec<Value> {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let seen = samples(&tapped);
    // More than come at once, so that both writers have their turn.
    assert_eq!(seen.len(), 150);
    for sample in &seen {
        let value = value(sample);
        let place = (sample["partition"].as_i64().unwrap(), value.clone());
        assert!(stored.contains(&place), "{place:?} is not in the topic");
        let row = &sample["rows"][0];
        let record: Value = serde_json::from_str(&value).unwrap();
        assert_eq!(row["columns"], record, "the row is what the record was made of");
        assert_eq!(sample["writer"], record["w"]);
        let of = |key: &str| row[key].as_u64().unwrap();
        assert_eq!(record["n"], (of("sequence") - 1) * BATCH_ROWS + of("row"));
        assert!(sample["of"].as_u64() > Some(0) && sample["rowsTotal"] == 1, "{sample}");
    }
    let writers: BTreeSet<_> = seen.iter().map(|sample| sample["writer"].to_string()).collect();
    assert_eq!(writers.len(), 2, "both are seen");
    assert!(seen.iter().any(|sample| sample["of"].as_u64() > Some(1)), "it is a sample");
    let only = samples(&only);
    assert!(only.len() == 5 && only.iter().all(|sample| sample["writer"] == "v/1 ü"), "{only:?}");

    let text = String::from_utf8(text.stdout).unwrap();
    let begin = format!("Records of output `{OUTPUT}` on their way to topic `{topic}`; Kafka has");
    assert!(text.starts_with(&begin) && text.contains("\nrecord 1, one of "), "{text}");
    let shown = |text: &str| stored.iter().any(|(_, value)| value == text.trim_end());
    assert!(text.lines().any(shown), "{text}");
    assert!(text.contains("\n  row ") && text.contains(" of batch "), "{text}");
    let raw = String::from_utf8(raw.stdout).unwrap();
    assert!(stored.iter().any(|(_, value)| *value == raw), "{raw}");
}

/// Rows keep their numbers where others are set aside and several share a record.
#[test]
fn rows_of_packed_records_are_named_as_the_engine_numbers_them() {
    let packed = "errorPolicy: Drop, packing: { rows: 4 }";
    let (_, service, engine) = well("tap-packed", packed);
    let mut follow = open(&service.admin(), "everyMs=20");
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows_with_bad("w", 0..30, "", Some(3)));
    stream.wait_durable();
    assert_eq!(stream.rejected_total, 10);
    // 20 rows in five records, of which a tap that is new shows all.
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let sample = sample(&mut follow);
        assert_eq!((sample["of"].as_u64(), sample["rowsTotal"].as_u64()), (Some(1), Some(4)));
        let lines = value(&sample);
        for (line, row) in lines.lines().zip(sample["rows"].as_array().unwrap()) {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&record["n"], &record["n"]), (&row["row"], &row["columns"]["n"]));
            assert_eq!(row["sequence"], 1);
            numbers.push(row["row"].as_u64().unwrap());
        }
    }
    let good: Vec<u64> = (0..30).filter(|n| numbers.contains(n)).collect();
    assert!(numbers.len() == 20 && numbers == good, "{numbers:?}");
}

/// A reader that takes nothing: rows pass as before, and what it has missed is counted.
#[test]
fn a_reader_that_does_not_read_slows_nothing() {
    let (_, service, engine) = well("tap-slow", "");
    let admin = service.admin();
    let mut follow = open(&admin, "everyMs=20");
    let pad = "x".repeat(60_000);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    // A new tap takes 50 records at once, which are more than its queue and two sockets hold, and
    // then some of each batch.
    for batch in 0..40 {
        stream.send(rows("w", batch * BATCH_ROWS..(batch + 1) * BATCH_ROWS, &pad));
        stream.wait_durable();
    }
    // A sign of life comes when all that was kept is read.
    loop {
        let line: Value = serde_json::from_str(&follow.line().unwrap()).unwrap();
        if line["dropped"].as_u64() > Some(0) {
            break;
        }
        assert!(line.get("value").is_some(), "nothing was left out: {line}");
    }
}

#[test]
fn a_tap_is_refused_with_what_to_do() {
    let (_, service, engine) = well("tap-refused", "");
    let admin = service.admin();
    let unknown = tap(&admin, &["oot"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(6), "{said}");
    assert!(said.contains("no output `oot`; did you mean: `out`"), "{said}");
    let path = format!("/outputs/{OUTPUT}/tap");
    for (name, value) in [("Host", "evil.test:7071"), ("Origin", "https://evil.test")] {
        let mut headers = vec![(name, value)];
        if name != "Host" {
            headers.push(("Host", admin.address()));
        }
        // If it were not refused for that, it would be for this, and at once.
        assert_eq!(admin.get_with(&format!("{path}?everyMs=1"), &headers).code, 403, "{name}");
    }
    // A fifth finds no place, until one of four has gone.
    let mut four: Vec<Follow> = (0..4).map(|_| open(&admin, "")).collect();
    assert_eq!(admin.get(&path).code, 429);
    four.pop();
    wait_until("there is room again", DEADLINE, || {
        send(&engine, "w", 1);
        admin.follow(&path).line().is_some_and(|line| line.contains(OUTPUT))
    });
    drop(four);
    let forbids = with_admin(&job(&shared_broker().bootstrap(), "t", ""));
    let forbids = forbids.replace("admin: {", "admin: { tap: false,");
    let service = Service::start(&forbids);
    let refused = tap(&service.admin(), &[OUTPUT]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(6) && said.contains("`listen.admin.tap`"), "{said}");
    let address = service.admin().address().to_owned();
    drop(service);
    let away = tap(&Admin::at(&address), &[OUTPUT]);
    assert_eq!(away.status.code(), Some(4), "{away:?}");
}

/// Avro is shown as `preview` does it: the schema, once, and the bytes.
#[test]
fn avro_is_shown_with_its_schema_once() {
    let avro = "serialization: { type: Avro, framing: SingleObject }";
    let (_, service, engine) = well("tap-avro", avro);
    let load = load(&engine, "w");
    let tapped = tap(&service.admin(), &[OUTPUT, "--rows", "15"]);
    drop(load.stop());
    let text = String::from_utf8(tapped.stdout).unwrap();
    assert_eq!(text.matches("\nAvro schema of what follows:\n{\"type\":\"record\"").count(), 1);
    assert_eq!(text.matches("\n00000000  c3 01 ").count(), 15, "{text}");
    assert_eq!(text.matches("{\"w\":\"w\",\"n\":").count(), 15, "{text}");
}
