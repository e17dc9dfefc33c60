//! Several rows in a record: limits, layouts, rows that are left out, batches encoded together.
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use serializers::{
    BATCH_BYTES_MAX, EncodeError, Encoder, Format, JsonLayout, JsonOptions, Limits, NonFinite,
    Packing, REJECTED_NAMED_MAX, Records,
};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };

fn encode(
    layout: JsonLayout,
    batches: &[RecordBatch],
    packing: Packing,
    limits: &Limits,
) -> Result<Records, EncodeError> {
    // Further options have their defaults.
    let mut options = JsonOptions { layout, ..JsonOptions::default() };
    options.non_finite = NonFinite::Error;
    let format = Format::Json(options);
    let encoder = Encoder::compile(&format, batches[0].schema_ref()).unwrap();
    let mut records = Records::new();
    encoder.encode_all(batches, packing, limits, &mut records)?;
    Ok(records)
}

fn numbers(values: impl IntoIterator<Item = f64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    RecordBatch::try_from_iter([("n", column)]).unwrap()
}

fn texts(records: &Records) -> Vec<&str> {
    (0..records.len()).map(|at| std::str::from_utf8(records.record(at)).unwrap()).collect()
}

fn rows(records: &Records) -> Vec<Vec<u32>> {
    (0..records.len()).map(|at| records.rows_of(at).collect()).collect()
}

fn packing(rows_max: u32, bytes_max: usize) -> Packing {
    Packing { rows_max, bytes_max, whole: false }
}

#[test]
fn rows_are_packed_across_batches_and_bad_ones_left_out() {
    let batches = [numbers([0.5, f64::NAN, 2.5]), numbers([]), numbers([3.5, f64::NAN, 5.5, 6.5])];
    let three = packing(3, 1 << 20);
    let records = encode(JsonLayout::LineSeparated, &batches, three, &LIMITS).unwrap();
    assert_eq!(
        texts(&records),
        ["{\"n\":0.5}\n{\"n\":2.5}\n{\"n\":3.5}", "{\"n\":5.5}\n{\"n\":6.5}"]
    );
    assert_eq!(rows(&records), [vec![0, 2, 3], vec![5, 6]]);
    let rejected: Vec<u32> = records.rejected().iter().map(|error| error.row).collect();
    assert_eq!(rejected, [1, 4]);
    let (_, _, map) = records.into_parts();
    assert_eq!((map.count(0), map.count(1), map.row_of(1), map.is_identity()), (3, 2, 5, false));

    let array = encode(JsonLayout::Array, &batches, three, &LIMITS).unwrap();
    assert_eq!(
        texts(&array),
        ["[{\"n\":0.5},{\"n\":2.5},{\"n\":3.5}]", "[{\"n\":5.5},{\"n\":6.5}]"]
    );
    let alone = encode(JsonLayout::Array, &batches, Packing::NONE, &LIMITS).unwrap();
    assert_eq!(texts(&alone)[0], "[{\"n\":0.5}]");
    assert_eq!(rows(&alone), [[0], [2], [3], [5], [6]]);
}

#[test]
fn bytes_end_a_record_too_and_a_long_row_is_one_alone() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "12345678901234567890", "c"]));
    let batch = [RecordBatch::try_from_iter([("t", text)]).unwrap()];
    // {"t":"a"} is 9 bytes; two with a line break are 19, in an array 21.
    for (layout, bytes_max, expected) in [
        (JsonLayout::LineSeparated, 19, vec![vec![0, 1], vec![2], vec![3]]),
        (JsonLayout::LineSeparated, 18, vec![vec![0], vec![1], vec![2], vec![3]]),
        (JsonLayout::Array, 21, vec![vec![0, 1], vec![2], vec![3]]),
        (JsonLayout::Array, 20, vec![vec![0], vec![1], vec![2], vec![3]]),
    ] {
        let records = encode(layout, &batch, packing(10, bytes_max), &LIMITS).unwrap();
        assert_eq!(rows(&records), expected, "{layout:?}, {bytes_max} bytes");
        // The same as a limit of the topic: what is longer is rejected.
        let limits = Limits { record_bytes_max: bytes_max, ..LIMITS };
        let records = encode(layout, &batch, packing(10, 1 << 20), &limits).unwrap();
        let expected: Vec<_> = expected.into_iter().filter(|rows| *rows != [2]).collect();
        assert_eq!(rows(&records), expected, "{layout:?}, {bytes_max} bytes allowed");
        assert_eq!((records.rejected_total(), records.rejected()[0].row), (1, 2));
        assert!(texts(&records).iter().all(|text| text.len() <= bytes_max));
    }
}

#[test]
fn records_that_stay_whole_are_rejected_whole() {
    let whole = |rows_max, bytes_max| Packing { whole: true, ..packing(rows_max, bytes_max) };
    // {"n":0.5} is 9 bytes, {"n":1000.5} 12: three of a kind are 29 and 38 with their line breaks.
    let batches =
        [numbers([0.5, f64::NAN, 0.5, 0.5, 1000.5]), numbers([1000.5, f64::NAN, 1000.5, 0.5])];
    let limits = Limits { record_bytes_max: 29, ..LIMITS };
    let records = encode(JsonLayout::LineSeparated, &batches, whole(3, 1 << 20), &limits).unwrap();
    assert_eq!(rows(&records), [vec![0, 2, 3], vec![8]]);
    let rejected: Vec<_> =
        records.rejected().iter().map(|error| (error.row, error.code.as_str())).collect();
    let [bad, large] = ["NON_FINITE", "ROW_TOO_LARGE"];
    assert_eq!(rejected, [(1, bad), (4, large), (5, large), (6, bad), (7, large)]);
    assert_eq!(records.rejected_total(), 5);
    assert_eq!(
        records.rejected()[1].reason,
        "the record that it shares with others, 3 rows in all, needs 38 bytes, and 29 are allowed"
    );
    // At the boundary it passes.
    let limits = Limits { record_bytes_max: 38, ..LIMITS };
    let records = encode(JsonLayout::LineSeparated, &batches, whole(3, 1 << 20), &limits).unwrap();
    assert_eq!(rows(&records), [vec![0, 2, 3], vec![4, 5, 7], vec![8]]);
    // What `bytes_max` ends is no longer than that.
    let records = encode(JsonLayout::Array, &batches, whole(3, 26), &limits).unwrap();
    assert!(texts(&records).iter().all(|text| text.len() <= 26));
    assert_eq!(rows(&records).concat(), [0, 2, 3, 4, 5, 7, 8]);
}

#[test]
fn all_batches_together_are_limited() {
    let batches = [numbers([0.5; 10]), numbers([0.5; 10])];
    let of = |batch_bytes_max| {
        let limits = Limits { batch_bytes_max, ..LIMITS };
        encode(JsonLayout::LineSeparated, &batches, packing(5, 1 << 20), &limits)
    };
    // Twenty rows of nine bytes, four line breaks in each of four records.
    assert_eq!(of(20 * 9 + 16).unwrap().len(), 4);
    assert_eq!(of(20 * 9 + 15).unwrap_err(), EncodeError::BatchTooLarge { bytes_max: 195 });
}

#[test]
fn each_batch_names_its_own_rejected_rows() {
    let batches = [numbers([f64::NAN; 150]), numbers([0.5, f64::NAN, f64::INFINITY])];
    let records =
        encode(JsonLayout::LineSeparated, &batches, packing(5, 1 << 20), &LIMITS).unwrap();
    assert_eq!(records.rejected_total(), 152);
    let named = records.rejected().iter().map(|error| error.row);
    assert!(named.eq((0..REJECTED_NAMED_MAX as u32).chain([151, 152])));
}

proptest! {
    #[test]
    fn packed_rows_are_the_rows_one_by_one(
        sizes in proptest::collection::vec(0usize..6, 1..5),
        values in proptest::collection::vec((any::<i64>(), any::<bool>()), 30),
        rows_max in 2u32..9,
        bytes_max in 1usize..120,
        array in any::<bool>(),
    ) {
        let layout = if array { JsonLayout::Array } else { JsonLayout::LineSeparated };
        let mut at = 0;
        let batches: Vec<_> = sizes.iter().map(|size| {
            let part = &values[at..at + size];
            at += size;
            let n: ArrayRef = Arc::new(Int64Array::from_iter_values(part.iter().map(|v| v.0)));
            let bad = part.iter().map(|v| if v.1 { f64::NAN } else { 1.5 });
            let x: ArrayRef = Arc::new(Float64Array::from_iter_values(bad));
            RecordBatch::try_from_iter([("n", n), ("x", x)]).unwrap()
        }).collect();
        let packed = encode(layout, &batches, packing(rows_max, bytes_max), &LIMITS).unwrap();
        let alone =
            encode(JsonLayout::LineSeparated, &batches, Packing::NONE, &LIMITS).unwrap();
        prop_assert_eq!(packed.rejected(), alone.rejected());
        let numbers: Vec<u32> = rows(&packed).concat();
        prop_assert_eq!(&numbers, &rows(&alone).concat());
        let mut next = texts(&alone).into_iter();
        for (at, text) in texts(&packed).into_iter().enumerate() {
            let count = packed.rows_of(at).count();
            let of: Vec<&str> = next.by_ref().take(count).collect();
            let expected =
                if array { format!("[{}]", of.join(",")) } else { of.join("\n") };
            prop_assert_eq!(text, expected);
            prop_assert!(count <= rows_max as usize && (count == 1 || text.len() <= bytes_max));
            // It ended for a reason: full, the last, or the next row does not fit.
            if let Some(first) = next.clone().next().filter(|_| count < rows_max as usize) {
                prop_assert!(text.len() + 1 + first.len() > bytes_max);
            }
        }
        prop_assert!(next.next().is_none());
    }
}
