//! Records mean what their rows do, to readers that others wrote: Python's `json`, `orjson` and
//! `csv`, DuckDB's reader of CSV, `fastavro` and Java's Avro.
//!
//! Types and values are random, with shrinking, or all the ends of all ranges at once; a failure
//! shows the least case and its seed. What rows mean is told by [`meaning`], which shares nothing
//! with the encoder; the readers, in `tests/readers`, tell what they have read in the same form.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod case;
mod flights;
mod foreign;
mod generate;
mod given;
mod meaning;
mod source;
mod values;

use std::{cell::Cell, sync::Arc};

use arrow_array::{
    ArrayRef, BinaryArray, LargeStringArray, RecordBatch, StringArray, StringViewArray,
};
use arrow_schema::DataType;
use proptest::{prelude::*, sample::select};
use serializers::{
    AvroFraming, CsvOptions, Decimals, Delimiter, Format, Integers64, JsonLayout, JsonOptions,
    NonFinite, Nulls, Packing, TimestampFormat,
};

use crate::{
    case::{Case, avro, framings},
    foreign::Readers,
};

const TIMESTAMPS: [TimestampFormat; 5] = [
    TimestampFormat::Iso,
    TimestampFormat::Iso7,
    TimestampFormat::EpochSeconds,
    TimestampFormat::EpochMilliseconds,
    TimestampFormat::EpochMicroseconds,
];
const ALL_ROWS: Packing = Packing { rows_max: u32::MAX, bytes_max: usize::MAX, whole: false };

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if tests::is_long() { 20 * cases } else { cases })
}

/// Every combination of JSON's options; the options of rows that are no record aside.
fn json_options() -> Vec<Format> {
    let mut all = Vec::new();
    for layout in [JsonLayout::LineSeparated, JsonLayout::Array] {
        for nulls in [Nulls::Written, Nulls::Omitted] {
            for timestamps in TIMESTAMPS {
                for integers64 in [Integers64::Number, Integers64::String] {
                    for decimals in [Decimals::Number, Decimals::String] {
                        for non_finite in [NonFinite::Null, NonFinite::String] {
                            all.push(Format::Json(JsonOptions {
                                layout,
                                nulls,
                                timestamps,
                                integers64,
                                decimals,
                                non_finite,
                            }));
                        }
                    }
                }
            }
        }
    }
    all
}

/// Every combination of CSV's options.
fn csv_options() -> Vec<Format> {
    use Delimiter::{Comma, Semicolon, Space, Tab, VerticalBar};
    let mut all = Vec::new();
    for delimiter in [Comma, Semicolon, Space, Tab, VerticalBar] {
        for header in [false, true] {
            for null_text in ["", "NULL", "\\N", "0"] {
                for timestamps in TIMESTAMPS {
                    for non_finite in [NonFinite::Null, NonFinite::String] {
                        for formula_guard in [false, true] {
                            let null_text = null_text.parse().unwrap();
                            all.push(Format::Csv(CsvOptions {
                                delimiter,
                                header,
                                null_text,
                                timestamps,
                                non_finite,
                                formula_guard,
                            }));
                        }
                    }
                }
            }
        }
    }
    all
}

fn avro_options() -> Vec<Format> {
    framings().into_iter().map(|framing| avro(framing, None)).collect()
}

/// So many rows a record, where the format can.
fn packing(format: &Format, rows_max: u32) -> Packing {
    if format.packs() { Packing { rows_max, ..ALL_ROWS } } else { Packing::NONE }
}

/// Random columns of any type, in a format of these.
fn random_columns(readers: &Readers, formats: Vec<Format>, cases: u32) {
    let (checked, values) = (Cell::new(0), Cell::new(0));
    proptest!(config(cases), |(
        format in select(formats),
        of in prop::collection::vec((generate::data_type(), any::<bool>()), 1..9),
        rows in 0_usize..16,
        rows_max in 1_u32..6,
        seed in any::<u64>(),
    )| {
        let batch = generate::batch(of, rows, seed);
        let case = Case::encoded("random", &format, &batch, packing(&format, rows_max));
        let read = readers.try_check(&case).map_err(TestCaseError::fail)?;
        checked.set(checked.get() + 1);
        values.set(values.get() + read);
    });
    println!("random columns: {} cases, {} values", checked.get(), values.get());
}

/// Ten levels of lists, structs, maps and dictionaries around a value.
fn deep_columns(readers: &Readers, formats: Vec<Format>, cases: u32) {
    let (checked, values) = (Cell::new(0), Cell::new(0));
    proptest!(config(cases), |(
        format in select(formats),
        leaf in select(generate::leaves()),
        levels in prop::collection::vec(0..generate::AROUND, 10),
        rows in 1_usize..5,
        seed in any::<u64>(),
    )| {
        let of = levels.into_iter().fold(leaf, generate::around);
        let batch = generate::batch(vec![(of, true), (DataType::Int8, true)], rows, seed);
        let case = Case::encoded("deep", &format, &batch, packing(&format, 3));
        let read = readers.try_check(&case).map_err(TestCaseError::fail)?;
        checked.set(checked.get() + 1);
        values.set(values.get() + read);
    });
    println!("ten levels: {} cases, {} values", checked.get(), values.get());
}

/// Every end of every range of every type, in these formats.
fn extremes(readers: &Readers, formats: &[Format]) {
    let batch = generate::extremes();
    let check = |(at, format): (usize, &Format)| {
        let packing = packing(format, [u32::MAX, 1, 7][at % 3]);
        readers.check(&Case::encoded(&format!("{format:?}"), format, &batch, packing))
    };
    let values: u64 = formats.iter().enumerate().map(check).sum();
    println!(
        "extremes: {} cases of {} columns, {values} values",
        formats.len(),
        batch.num_columns()
    );
}

/// Every character of Unicode, and values of a megabyte.
fn large_values(readers: &Readers, formats: &[Format]) {
    let plane = |plane: u32| (plane << 16..(plane + 1) << 16).filter_map(char::from_u32).collect();
    let planes: Vec<String> = (0..=16).map(plane).collect();
    let repeated = |text: &str| text.repeat((1 << 20) / text.len());
    let texts = ["a", "\"", "😀", "\n", "\\"].map(repeated);
    let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| (at ^ (at >> 8)) as u8).collect();
    let column = |array: ArrayRef| RecordBatch::try_from_iter([("v", array)]).unwrap();
    let batches = [
        column(Arc::new(StringArray::from(planes))),
        column(Arc::new(LargeStringArray::from(texts.to_vec()))),
        column(Arc::new(StringViewArray::from(texts.to_vec()))),
        column(Arc::new(BinaryArray::from(vec![bytes.as_slice(), b""]))),
    ];
    let mut values = 0;
    for format in formats {
        for batch in &batches {
            let name = format!("{format:?} of {}", batch.schema().field(0).data_type());
            values += readers.check(&Case::encoded(&name, format, batch, packing(format, 2)));
        }
    }
    println!("large values: {values}");
}

#[test]
fn python_and_orjson_read_json_as_it_is_meant() {
    let readers = Readers::of_text();
    extremes(&readers, &json_options());
    large_values(&readers, &[Format::Json(JsonOptions::default())]);
    random_columns(&readers, json_options(), 400);
    deep_columns(&readers, json_options(), 60);
}

#[test]
fn python_and_duckdb_read_csv_as_it_is_meant() {
    let readers = Readers::of_text();
    // Enough to meet every pair of two options' values.
    let some: Vec<Format> = csv_options().into_iter().step_by(17).collect();
    extremes(&readers, &some);
    large_values(&readers, &[Format::Csv(CsvOptions::default())]);
    random_columns(&readers, csv_options(), 400);
    deep_columns(&readers, csv_options(), 60);
}

#[test]
fn fastavro_and_java_read_avro_as_it_is_meant() {
    let readers = Readers::of_avro();
    extremes(&readers, &avro_options());
    large_values(&readers, &[avro(AvroFraming::default(), None), avro(AvroFraming::Raw, None)]);
    random_columns(&readers, avro_options(), 400);
    deep_columns(&readers, avro_options(), 60);
}

/// Each of these readers says so when a column holds, in two rows, what is not meant.
fn notices(readers: &Readers, names: &[&str], format: &Format) {
    let batch = generate::extremes();
    let case = Case::encoded("wrong", format, &batch, packing(format, u32::MAX));
    let wrong = (0..batch.num_columns()).filter_map(|column| case.wrong(column));
    let wrong: Vec<Case> = wrong.collect();
    // The column of nulls, and lists that are always empty.
    assert!(wrong.len() + 5 > batch.num_columns(), "{}", wrong.len());
    for name in names {
        for case in &wrong {
            readers.try_check(&case.clone().only(name)).expect_err(name);
        }
        readers.check(&case.clone().only(name));
    }
}

#[test]
fn every_reader_notices_a_value_that_is_not_meant() {
    let (text, avro_readers) = (Readers::of_text(), Readers::of_avro());
    notices(&text, &["json", "orjson"], &Format::Json(JsonOptions::default()));
    notices(&text, &["csv", "duckdb"], &Format::Csv(CsvOptions::default()));
    notices(&avro_readers, &["fastavro", "java"], &avro(AvroFraming::default(), None));
}
