//! Files that `send` reads: rows come out the same however they are cut, and a fault names the
//! file and a line of it.

use std::{
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray as _,
    types::{
        ArrowTimestampType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};
use arrow_ipc::{Block, root_as_footer, root_as_message, writer::StreamWriter};
use arrow_schema::{DataType, Schema, TimeUnit};
use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use kafka_output::{
    rows::{BadRow, Carrier, Decoder, Limits, code, schema_from_ipc},
    send::{
        files::{ChunkSize, FileError, Files, Format, TextOptions},
        types::ColumnType,
    },
};
use tempfile::NamedTempFile;

use crate::types::{Input, name};

/// More rows than any input has.
const ALL_ROWS: usize = 1 << 20;
/// Files of more rows, which take few bytes where all are the same, are not read in many ways.
const CUT_ROWS_MAX: usize = 1 << 10;

/// What a text column may be said to be; the first says nothing.
const TYPES: [&str; 12] = [
    "",
    "utf8",
    "int64",
    "uint8",
    "float32",
    "bool",
    "json",
    "date",
    "time[ms]",
    "timestamp[us,UTC]",
    "decimal(10,2)",
    "decimal(40,5)",
];

thread_local! {
    /// Readers take paths, so that is what they get; in memory, if there is such a place.
    static INPUT: NamedTempFile = NamedTempFile::new_in("/dev/shm")
        .or_else(|_| NamedTempFile::new())
        .expect("a temporary file can be made");
}

/// CSV: a byte of options, a byte for the type of the first column, the text.
pub fn csv(data: &[u8]) {
    let mut input = Input(data);
    let (bits, given) = (input.byte(), input.byte());
    let header = bits & 4 == 0;
    let options = TextOptions {
        delimiter: [b',', b';', b'\t', b'|'][usize::from(bits & 3)],
        header,
        null_text: if bits & 8 == 0 { vec![String::new()] } else { vec!["NA".to_owned()] },
        types: given_type(if header { name(0) } else { "column_1".to_owned() }, given),
    };
    text(Format::Csv, options, input.0);
}

/// JSON Lines: a byte for the type of the column `a`, the lines.
pub fn jsonl(data: &[u8]) {
    let mut input = Input(data);
    let types = given_type(name(0), input.byte());
    let null_text = vec![String::new()];
    text(Format::Jsonl, TextOptions { delimiter: b',', header: true, null_text, types }, input.0);
}

/// An Arrow IPC file or stream. Compressed ones are left out: Arrow's reader asks for as much
/// memory as they say they need, and where that is a lie, the process ends.
pub fn arrow(data: &[u8]) {
    let messages = if data.starts_with(b"ARROW1") { blocks(data) } else { messages(data) };
    if !messages.into_iter().any(is_compressed) {
        binary(Format::Arrow, data);
    }
}

/// The messages of a stream, as far as its lengths lead.
fn messages(mut data: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(message) = message(data) {
        messages.push(message);
        let body = root_as_message(message).map_or(0, |message| message.bodyLength());
        let end = message.as_ptr_range().end as usize - data.as_ptr() as usize;
        data = data.get(end + usize::try_from(body).unwrap_or(0)..).unwrap_or_default();
    }
    messages
}

/// The messages that the footer of a file names.
fn blocks<'a>(data: &'a [u8]) -> Vec<&'a [u8]> {
    let footer = data.len().checked_sub(10).and_then(|end| {
        let len = i32::from_le_bytes(*data[end..].first_chunk()?);
        root_as_footer(data.get(end.checked_sub(len.try_into().ok()?)?..end)?).ok()
    });
    let Some(footer) = footer else { return Vec::new() };
    let blocks = footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten();
    let start = |block: &Block| data.get(usize::try_from(block.offset()).ok()?..);
    // Arrow's reader does not look at the length of a block's message.
    let message = |data: &'a [u8]| data.get(if data.starts_with(&[0xff; 4]) { 8 } else { 4 }..);
    blocks.filter_map(start).filter_map(message).collect()
}

/// The message at the front, if there is one.
fn message(data: &[u8]) -> Option<&[u8]> {
    let data = data.strip_prefix(&[0xff; 4]).unwrap_or(data);
    let (len, rest) = data.split_first_chunk()?;
    let len = usize::try_from(i32::from_le_bytes(*len)).ok()?;
    rest.get(..len)
}

fn is_compressed(message: &[u8]) -> bool {
    let Ok(message) = root_as_message(message) else { return false };
    let dictionary = message.header_as_dictionary_batch().and_then(|batch| batch.data());
    let mut batches = message.header_as_record_batch().into_iter().chain(dictionary);
    batches.any(|batch| batch.compression().is_some())
}

/// A Parquet file.
pub fn parquet(data: &[u8]) {
    binary(Format::Parquet, data);
}

fn given_type(column: String, choice: u8) -> Vec<(String, ColumnType)> {
    match TYPES[usize::from(choice) % TYPES.len()] {
        "" => Vec::new(),
        text => vec![(column, text.parse().expect("it is the name of a type"))],
    }
}

fn save(data: &[u8]) -> PathBuf {
    INPUT.with(|input| {
        // Not truncated first: some file systems then wait for the disk when it is closed.
        let written = input.as_file().write_all_at(data, 0);
        let cut = written.and_then(|()| input.as_file().set_len(data.len() as u64));
        cut.expect("a temporary file can be written");
        input.path().to_owned()
    })
}

fn text(format: Format, options: TextOptions, data: &[u8]) {
    let path = save(data);
    let lines = data.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let files = match Files::survey(std::slice::from_ref(&path), Some(format), options.clone()) {
        Ok(files) => files,
        Err(error) => return check_fault(&error, &path, Some(lines)),
    };
    // What the survey has seen can be read: guessed types hold for all rows, given ones were tried.
    let whole = read(&files, 0, ALL_ROWS).expect("what was looked through can be read");
    assert_eq!(files.rows_total, Some(whole.count() as u64));
    assert_eq!(whole.lines.len(), whole.count());
    // A lone carriage return ends a row, but not a line.
    assert!(whole.lines.is_sorted(), "{:?}", whole.lines);
    assert!(whole.lines.iter().all(|line| (1..=lines).contains(line)), "{:?}", whole.lines);
    check_cuts(&files, &whole, &path);
    check_sent(&whole, format);
    if format == Format::Csv && options.types.is_empty() {
        check_digits(&path, options, &files.schema, &whole);
    }
}

fn binary(format: Format, data: &[u8]) {
    let path = save(data);
    let options =
        TextOptions { delimiter: b',', header: true, null_text: Vec::new(), types: Vec::new() };
    let read = Files::survey(std::slice::from_ref(&path), Some(format), options)
        .and_then(|files| Ok((read(&files, 0, ALL_ROWS)?, files)));
    match read {
        Ok((whole, files)) => {
            assert!(files.rows_total.is_none_or(|rows| rows == whole.count() as u64));
            check_cuts(&files, &whole, &path);
            check_sent(&whole, format);
        }
        Err(error) => check_fault(&error, &path, None),
    }
}

/// The rows of a file, in one piece or in many.
struct Rows {
    batches: Vec<RecordBatch>,
    lines: Vec<u64>,
}

impl Rows {
    fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Each by itself: Arrow does not join all batches that it reads.
    fn each(&self) -> Vec<RecordBatch> {
        let rows = |batch: &RecordBatch| {
            let batch = batch.clone();
            (0..batch.num_rows()).map(move |row| batch.slice(row, 1))
        };
        self.batches.iter().flat_map(rows).collect()
    }
}

fn read(files: &Files, skip: u64, chunk_rows: usize) -> Result<Rows, FileError> {
    let (mut reader, skipped) =
        files.open(0, skip, ChunkSize { rows: chunk_rows, bytes: usize::MAX })?;
    assert!(skipped <= skip);
    let (mut batches, mut lines) = (Vec::new(), Vec::new());
    while let Some(chunk) = reader.next_chunk()? {
        let rows = chunk.batch.num_rows();
        assert!((1..=chunk_rows).contains(&rows), "a chunk of {rows} rows");
        batches.push(chunk.batch);
        lines.extend(chunk.lines.into_iter().flatten());
    }
    Ok(Rows { batches, lines })
}

/// Read in pieces, and on from the middle, the rows are the same.
fn check_cuts(files: &Files, whole: &Rows, path: &Path) {
    if whole.count() > CUT_ROWS_MAX {
        return;
    }
    let (rows, each) = (whole.count(), whole.each());
    for (skip, chunk_rows) in [(0, 1), (0, 3), (rows / 2, 2), (rows, 1), (rows + 1, 1)] {
        let left = rows.saturating_sub(skip);
        let part = match read(files, skip as u64, chunk_rows) {
            // Columns of a map that disagree on where a row ends only fail where one is cut.
            Err(error) if files.formats() == [Format::Parquet] => {
                check_fault(&error, path, None);
                continue;
            }
            part => part.expect("it could be read whole"),
        };
        let skip = rows - left;
        assert_eq!(part.count(), left, "rows in chunks of {chunk_rows}");
        // What Parquet's reader makes of a damaged page depends on where it stops in it.
        let same = files.formats() == [Format::Parquet] || part.each() == each[skip..];
        assert!(same, "other rows from {skip} in chunks of {chunk_rows}");
        if !whole.lines.is_empty() {
            assert_eq!(part.lines, whole.lines[skip..]);
        }
    }
}

/// The service takes what was read, if it serves the columns at all.
fn check_sent(rows: &Rows, format: Format) {
    rows.batches.iter().for_each(|batch| check_sent_batch(batch, format));
}

fn check_sent_batch(batch: &RecordBatch, format: Format) {
    let Ok(declared) = schema_from_ipc(&stream(&batch.slice(0, 0)).into()) else { return };
    let Ok(decoder) = Decoder::compile(declared) else { return };
    let limits = Limits { rows_max: ALL_ROWS, bytes_max: usize::MAX };
    let sent = decoder.decode(Carrier::ArrowIpc, &stream(batch).into(), &limits);
    let taken = sent.expect("the service takes what was read");
    // Damaged levels of Parquet can leave out a value that has to be there: its row is refused.
    if format == Format::Parquet && !taken.rejected.is_empty() {
        let null = |row: &BadRow| row.code == code::NULL_IN_REQUIRED;
        return assert!(taken.rejected.iter().all(null), "of what was read: {:?}", taken.rejected);
    }
    assert_eq!(taken.rejected, [], "of what was read");
    for (taken, read) in taken.batch.columns().iter().zip(batch.columns()) {
        assert_eq!(taken.len(), read.len());
        // A time zone without a name is none in Arrow's schema messages.
        if taken.data_type() == read.data_type() {
            assert_eq!(taken, read);
        }
    }
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).expect("Arrow has it");
    writer.write(batch).expect("memory takes it");
    writer.finish().expect("memory takes it");
    drop(writer);
    bytes
}

/// A fault names the file, and a line that is there.
fn check_fault(error: &FileError, path: &Path, lines: Option<u64>) {
    let text = error.to_string();
    let rest = text.strip_prefix(&format!("{}:", path.display()));
    let rest = rest.unwrap_or_else(|| panic!("the fault names no file: {text}"));
    let line = rest.split(':').next().and_then(|line| line.parse::<u64>().ok());
    if let Some(line) = line {
        assert!(lines.is_some_and(|lines| (1..=lines).contains(&line)), "of {lines:?}: {text}");
    }
}

/// No guess of a type loses a digit: shown as text again, values are as they were written.
fn check_digits(path: &Path, options: TextOptions, schema: &Schema, guessed: &Rows) {
    let utf8 = |field: &str| (field.to_owned(), ColumnType::from(DataType::Utf8));
    let types = schema.fields().iter().map(|field| utf8(field.name())).collect();
    let options = TextOptions { types, ..options };
    let files = Files::survey(&[path.to_owned()], Some(Format::Csv), options);
    let texts = files.and_then(|files| read(&files, 0, ALL_ROWS)).expect("as text it can be read");
    let columns = |rows: &Rows| rows.batches.first().map_or(Vec::new(), |b| b.columns().to_vec());
    for (column, texts) in columns(guessed).iter().zip(&columns(&texts)) {
        let texts = texts.as_string::<i32>();
        for row in 0..texts.len() {
            assert_eq!(column.is_null(row), texts.is_null(row));
            if texts.is_valid(row) {
                check_value(column, row, texts.value(row));
            }
        }
    }
}

fn check_value(column: &ArrayRef, row: usize, text: &str) {
    let same = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row) == text,
        DataType::Boolean => {
            column.as_boolean().value(row).to_string() == text.to_ascii_lowercase()
        }
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string() == text,
        DataType::Float64 => {
            let (ours, due) =
                (column.as_primitive::<Float64Type>().value(row), text.parse::<f64>());
            due.is_ok_and(|due| ours == due || (ours.is_nan() && due.is_nan()))
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            (civil::date(1970, 1, 1) + days.days()).to_string() == text
        }
        DataType::Timestamp(unit, zone) => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            instant(text, zone.is_some())
                == i128::from(count(column, row)) * (1_000_000_000 / per_second)
        }
        other => panic!("no CSV column is guessed to be {other}"),
    };
    assert!(same, "`{text}` became another value of {}", column.data_type());
}

/// Nanoseconds from 1970 to a time as text.
fn instant(text: &str, zoned: bool) -> i128 {
    let text = text.replacen(' ', "T", 1);
    match zoned {
        true => text.parse::<Timestamp>().expect("it is a time with a zone").as_nanosecond(),
        false => {
            let local = text.parse::<civil::DateTime>().expect("it is a time without a zone");
            let utc = local.to_zoned(TimeZone::UTC).expect("UTC has every time");
            utc.timestamp().as_nanosecond()
        }
    }
}

/// A timestamp in its column's unit.
fn count(column: &ArrayRef, row: usize) -> i64 {
    fn of<T: ArrowTimestampType>(column: &ArrayRef, row: usize) -> Option<i64> {
        column.as_primitive_opt::<T>().map(|column| column.value(row))
    }
    of::<TimestampSecondType>(column, row)
        .or_else(|| of::<TimestampMillisecondType>(column, row))
        .or_else(|| of::<TimestampMicrosecondType>(column, row))
        .or_else(|| of::<TimestampNanosecondType>(column, row))
        .expect("the column is a timestamp")
}
