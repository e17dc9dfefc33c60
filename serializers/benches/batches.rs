//! The batches that the benchmarks encode, the same on every run.
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray, types::Int64Type,
};
use arrow_schema::{DataType, Field};

use crate::report::ROWS;

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
pub fn flights() -> RecordBatch {
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
pub fn mixed() -> RecordBatch {
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

/// Twelve columns, as messages of devices have them: two integers, two floats, three texts, a flag,
/// a time, a float that is null in a tenth of the rows, a record and a list of three integers.
pub fn devices() -> RecordBatch {
    let mut n = Numbers(3);
    let names: Vec<String> =
        (0..500).map(|_| format!("device-{:06}", n.below(1_000_000))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let places = ["Amsterdam", "Berlin", "Kraków", "Lisboa", "Oslo", "Praha", "Wien", "Zürich"];
    let states = ["running", "idle", "stopped for maintenance", "error"];
    let floats = |n: &mut Numbers, null_percent| {
        let value = |_| (n.below(100) >= null_percent).then(|| n.below(1 << 53) as f64 / 1e14);
        Arc::new((0..ROWS).map(value).collect::<Float64Array>())
    };
    // From 2024-03-01T12:00:00Z on, a message every 1.7 seconds or so.
    // arrow-json knows zones by their distance alone.
    let times = (0..ROWS as i64).map(|row| 1_709_294_400_000_000 + row * 1_700_013 + n.below(999));
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("+00:00");
    let flags: BooleanArray = (0..ROWS).map(|_| Some(n.below(2) == 0)).collect();
    let part = StructArray::from(vec![
        (Arc::new(Field::new("id", DataType::Int64, true)), n.ints(1, 100_000, 0)),
        (Arc::new(Field::new("vendor", DataType::Utf8, true)), n.texts(&["Acme", "Initech"], 0)),
    ]);
    let list = (0..ROWS).map(|_| Some([0, 1, 2].map(|_| Some(n.below(10_000)))));
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(list);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", n.ints(1, 10_000_000, 0)),
        ("sequence", n.ints(1 << 40, 1 << 41, 0)),
        ("temperature", floats(&mut n, 0)),
        ("humidity", floats(&mut n, 0)),
        ("device", n.texts(&names, 0)),
        ("place", n.texts(&places, 0)),
        ("state", n.texts(&states, 0)),
        ("active", Arc::new(flags)),
        ("time", Arc::new(times)),
        ("pressure", floats(&mut n, 10)),
        ("part", Arc::new(part)),
        ("samples", Arc::new(list)),
    ];
    RecordBatch::try_from_iter(columns).expect("the columns have one length")
}
