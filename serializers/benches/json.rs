//! What a row costs as JSON: `cargo bench -p serializers`, see [`report`] for its arguments.
//!
//! The baseline is a plain row-wise writer (one match a value, `extend_from_slice`, `itoa`) that
//! knows the types of the first case alone.
mod report;

use std::{hint::black_box, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray, cast::AsArray, types::Int64Type,
    types::TimestampMicrosecondType,
};
use arrow_schema::{DataType, Field};
use report::{ROWS, Work};
use serializers::{BATCH_BYTES_MAX, Encoder, Format, JsonOptions, Limits, Records};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };

fn main() {
    report::run(&["flights", "baseline", "mixed"], work);
}

/// Encodes one batch into a buffer of its own, as a caller does that gives it away; returns the
/// bytes.
fn work(case: &str) -> Work {
    let batch = if case == "mixed" { mixed() } else { flights() };
    if case == "baseline" {
        return Box::new(move || baseline(&batch).0.len());
    }
    let format = Format::Json(JsonOptions::default());
    let encoder = Encoder::compile(&format, batch.schema_ref()).expect("all types are supported");
    Box::new(move || {
        let mut records = Records::new();
        encoder.encode(&batch, &LIMITS, &mut records).expect("the batch is small");
        assert_eq!(records.len(), ROWS);
        black_box(records.into_parts()).0.len()
    })
}

/// A small generator of numbers (xorshift), the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as i64
    }

    fn ints(&mut self, low: i64, high: i64, null_percent: i64) -> ArrayRef {
        let value = |_| (self.below(100) >= null_percent).then(|| low + self.below(high - low));
        Arc::new((0..ROWS).map(value).collect::<Int64Array>())
    }

    fn texts(&mut self, of: &[&str], null_percent: i64) -> ArrayRef {
        let value =
            |_| (self.below(100) >= null_percent).then(|| of[self.below(of.len() as i64) as usize]);
        Arc::new((0..ROWS).map(value).collect::<StringArray>())
    }
}

/// 19 columns like those of the New York flights of 2013, about 300 bytes a row.
fn flights() -> RecordBatch {
    let mut n = Numbers(1);
    let tails: Vec<String> = (0..200).map(|_| format!("N{}", 10_000 + n.below(89_999))).collect();
    let tails: Vec<&str> = tails.iter().map(String::as_str).collect();
    // 2013-01-01T10:00:00Z and on, fifty flights an hour.
    let hours = (0..ROWS as i64).map(|row| (1_357_034_400 + row / 50 * 3_600) * 1_000_000);
    let hours = TimestampMicrosecondArray::from_iter_values(hours).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("year", n.ints(2013, 2014, 0)),
        ("month", n.ints(1, 13, 0)),
        ("day", n.ints(1, 32, 0)),
        ("dep_time", n.ints(1, 2400, 3)),
        ("sched_dep_time", n.ints(106, 2360, 0)),
        ("dep_delay", n.ints(-20, 90, 3)),
        ("arr_time", n.ints(1, 2400, 3)),
        ("sched_arr_time", n.ints(1, 2360, 0)),
        ("arr_delay", n.ints(-40, 110, 3)),
        ("carrier", n.texts(&["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN"], 0)),
        ("flight", n.ints(1, 6200, 0)),
        ("tailnum", n.texts(&tails, 1)),
        ("origin", n.texts(&["EWR", "LGA", "JFK"], 0)),
        ("dest", n.texts(&["IAH", "MIA", "BQN", "ATL", "ORD", "FLL", "IAD", "MCO"], 0)),
        ("air_time", n.ints(20, 400, 3)),
        ("distance", n.ints(80, 2600, 0)),
        ("hour", n.ints(5, 24, 0)),
        ("minute", n.ints(0, 60, 0)),
        ("time_hour", Arc::new(hours)),
    ];
    RecordBatch::try_from_iter(columns).expect("the columns have one length")
}

/// Floats, longer texts, large numbers, a list and a struct.
fn mixed() -> RecordBatch {
    let mut n = Numbers(2);
    let words = ["temperature", "said \"stop\"", "a much longer message about a thing or two, ok"];
    let floats: Float64Array = (0..ROWS).map(|_| Some(n.below(1 << 50) as f64 / 1e9)).collect();
    let flags: BooleanArray = (0..ROWS).map(|_| Some(n.below(2) == 0)).collect();
    let lists = (0..ROWS).map(|_| Some([Some(n.below(10)), Some(n.below(100_000)), None]));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let parts = StructArray::from(vec![
        (Arc::new(Field::new("id", DataType::Int64, true)), n.ints(0, i64::MAX, 0)),
        (Arc::new(Field::new("name", DataType::Utf8, true)), n.texts(&words, 0)),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", n.ints(i64::MAX / 2, i64::MAX, 0)),
        ("ratio", Arc::new(floats)),
        ("ok", Arc::new(flags)),
        ("message", n.texts(&words, 10)),
        ("values", Arc::new(lists)),
        ("part", Arc::new(parts)),
    ];
    RecordBatch::try_from_iter(columns).expect("the columns have one length")
}

enum Plain<'a> {
    Int(&'a Int64Array),
    Text(&'a StringArray),
    Time(&'a TimestampMicrosecondArray),
}

/// Flights alone, in the obvious way.
fn baseline(batch: &RecordBatch) -> (Vec<u8>, Vec<u32>) {
    let columns: Vec<Plain> = (batch.columns().iter())
        .map(|column| match column.data_type() {
            DataType::Int64 => Plain::Int(column.as_primitive()),
            DataType::Utf8 => Plain::Text(column.as_string()),
            _ => Plain::Time(column.as_primitive::<TimestampMicrosecondType>()),
        })
        .collect();
    let schema = batch.schema_ref();
    let keys: Vec<String> = (schema.fields().iter().enumerate())
        .map(|(at, field)| format!("{}\"{}\":", if at == 0 { '{' } else { ',' }, field.name()))
        .collect();
    let (mut out, mut ends) = (Vec::with_capacity(ROWS * 320), Vec::with_capacity(ROWS));
    for row in 0..batch.num_rows() {
        for (key, column) in keys.iter().zip(&columns) {
            out.extend_from_slice(key.as_bytes());
            match column {
                Plain::Int(array) if array.is_valid(row) => {
                    let value = array.value(row);
                    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
                }
                Plain::Text(array) if array.is_valid(row) => plain_text(&mut out, array.value(row)),
                Plain::Time(array) => plain_time(&mut out, array.value(row)),
                _ => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        ends.push(out.len() as u32);
    }
    (out, ends)
}

fn plain_text(out: &mut Vec<u8>, text: &str) {
    assert!(!text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\'));
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn plain_time(out: &mut Vec<u8>, microseconds: i64) {
    let seconds = microseconds.div_euclid(1_000_000);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let days = (seconds.div_euclid(86_400) + 719_468) as u32;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u32::from(month <= 2);
    let mut text = *b"\"0000-00-00T00:00:00.000000Z\"";
    let mut pair = |at: usize, value: u32| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    pair(1, year / 100);
    pair(3, year % 100);
    pair(6, month);
    pair(9, day);
    pair(12, of_day / 3_600);
    pair(15, of_day / 60 % 60);
    pair(18, of_day % 60);
    out.extend_from_slice(&text);
}
