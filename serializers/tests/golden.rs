//! What a user sees: a small table in every format and with every option, as files to look at.
//!
//! `KAFKA_OUTPUT_GOLDEN=write cargo test --release -p serializers --test golden` writes them anew;
//! what has changed in them changes for every consumer of a topic.
#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

use std::{collections::HashMap, env, fmt::Write, fs, path::Path, sync::Arc};

use arrow_array::{types::*, *};
use arrow_schema::{DataType, Field, Fields, Schema};
use serializers::{
    AvroFraming, AvroOptions, AvroSchema, CsvOptions, Decimals, Delimiter, Encoder, Format,
    Integers64, JsonLayout, JsonOptions, Limits, NonFinite, Nulls, Packing, Records,
    TimestampFormat,
};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: 1 << 20 };
const PAIRS: Packing = Packing { rows_max: 2, bytes_max: usize::MAX, whole: false };

/// Three rows: a common one, one of what needs care, one of nulls.
fn table() -> RecordBatch {
    let delay = Float64Array::from(vec![Some(2.5), Some(f64::NAN), None]);
    let fare = Decimal128Array::from(vec![Some(31_950), Some(-5), None]);
    let left = vec![Some(1_357_034_400_123_456_789), Some(-1), None];
    let tags: [Option<Vec<Option<&str>>>; 3] = [Some(vec![Some("late"), None]), Some(vec![]), None];
    let mut lists = builder::ListBuilder::new(builder::StringBuilder::new());
    tags.into_iter().for_each(|tags| lists.append_option(tags));
    let code = Arc::new(Field::new("IATA code", DataType::Utf8, true));
    let gate = Arc::new(Field::new("gate", DataType::Int32, true));
    let place = StructArray::new(
        Fields::from(vec![code, gate]),
        vec![
            Arc::new(StringArray::from(vec![Some("JFK"), Some("L\"GA"), None])),
            Arc::new(Int32Array::from(vec![Some(4), None, None])),
        ],
        Some(vec![true, true, false].into()),
    );
    let mut seats =
        builder::MapBuilder::new(None, builder::StringBuilder::new(), builder::Int32Builder::new());
    seats.keys().append_value("economy");
    seats.values().append_value(180);
    seats.append(true).unwrap();
    seats.append(true).unwrap();
    seats.append(false).unwrap();
    let json = vec![Some("{\"a\": [1, 2.50]}"), Some("\"x\""), None];
    let texts = vec![Some("UA"), Some("=a, b;\t\"c\"|d\n😀"), None];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("carrier", Arc::new(StringArray::from(texts))),
        ("empty", Arc::new(StringArray::from(vec![Some(""), Some("NULL"), None]))),
        ("on time", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("flight", Arc::new(Int64Array::from(vec![Some(1545), Some(i64::MIN), None]))),
        ("total", Arc::new(UInt64Array::from(vec![Some(7), Some(u64::MAX), None]))),
        ("delay", Arc::new(delay)),
        ("fare", Arc::new(fare.with_precision_and_scale(7, 2).unwrap())),
        ("raw", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), Some(b""), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(15_706), Some(-719_162), None]))),
        ("at", Arc::new(Time32SecondArray::from(vec![Some(18_000), Some(86_399), None]))),
        ("left", Arc::new(TimestampNanosecondArray::from(left.clone()).with_timezone("UTC"))),
        ("clock", Arc::new(TimestampNanosecondArray::from(left))),
        ("held", Arc::new(DurationSecondArray::from(vec![Some(90), Some(-1), None]))),
        ("kind", Arc::new([Some("jet"), Some("jet"), None].into_iter().collect::<Kinds>())),
        ("place", Arc::new(place)),
        ("tags", Arc::new(lists.finish())),
        ("seats", Arc::new(seats.finish())),
        ("extra", Arc::new(StringArray::from(json))),
    ];
    let field = |(name, array): &(&str, ArrayRef)| {
        let field = Field::new(*name, array.data_type().clone(), true);
        if *name != "extra" {
            return field;
        }
        let json = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        field.with_metadata(HashMap::from([json]))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

type Kinds = DictionaryArray<Int8Type>;

fn encode(format: &Format, packing: Packing) -> (Records, Option<String>) {
    let table = table();
    let encoder = Encoder::compile(format, table.schema_ref()).unwrap();
    let mut records = Records::new();
    encoder.encode_all(&[table], packing, &LIMITS, &mut records).unwrap();
    (records, encoder.avro_schema().map(str::to_owned))
}

/// The records under a title, each behind its number; rows that are none by their codes.
fn show(title: &str, format: &Format, packing: Packing, text: impl Fn(&[u8]) -> String) -> String {
    let (records, _) = encode(format, packing);
    let mut shown = format!("==== {title}\n");
    for at in 0..records.len() {
        write!(shown, "-- record {at}\n{}\n", text(records.record(at))).unwrap();
    }
    for error in records.rejected() {
        let (row, column, code) = (error.row, &error.column, error.code.as_str());
        writeln!(shown, "-- row {row} is rejected: {column} {code}").unwrap();
    }
    shown + "\n"
}

/// Text as it is, but for the carriage returns, which files of text do not keep everywhere.
fn plain(record: &[u8]) -> String {
    std::str::from_utf8(record).unwrap().replace('\r', "\\r")
}

/// Bytes that are no visible ASCII as `\x00`.
fn escaped(record: &[u8]) -> String {
    record.escape_ascii().to_string()
}

#[track_caller]
fn check(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("KAFKA_OUTPUT_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, shown).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = golden.lines().zip(shown.lines()).enumerate();
    for (at, (golden, shown)) in lines {
        assert_eq!(golden, shown, "{name}, line {}", at + 1);
    }
    assert_eq!(golden, shown, "{name}");
}

#[test]
fn json() {
    let of = |change: fn(&mut JsonOptions)| {
        let mut options = JsonOptions::default();
        change(&mut options);
        Format::Json(options)
    };
    let shown = [
        show("the default", &of(|_| {}), Packing::NONE, plain),
        show("packed in pairs", &of(|_| {}), PAIRS, plain),
        show("layout: array", &of(|o| o.layout = JsonLayout::Array), PAIRS, plain),
        show("nulls: omitted", &of(|o| o.nulls = Nulls::Omitted), Packing::NONE, plain),
        show(
            "timestamps: 7 digits",
            &of(|o| o.timestamps = TimestampFormat::Iso7),
            Packing::NONE,
            plain,
        ),
        show(
            "timestamps: epoch milliseconds",
            &of(|o| o.timestamps = TimestampFormat::EpochMilliseconds),
            Packing::NONE,
            plain,
        ),
        show(
            "integers of 64 bits: string",
            &of(|o| o.integers64 = Integers64::String),
            Packing::NONE,
            plain,
        ),
        show("decimals: string", &of(|o| o.decimals = Decimals::String), Packing::NONE, plain),
        show("non-finite: string", &of(|o| o.non_finite = NonFinite::String), Packing::NONE, plain),
        show("non-finite: error", &of(|o| o.non_finite = NonFinite::Error), Packing::NONE, plain),
    ];
    check("json.txt", &shown.concat());
}

#[test]
fn csv() {
    let of = |change: fn(&mut CsvOptions)| {
        let mut options = CsvOptions::default();
        change(&mut options);
        Format::Csv(options)
    };
    let shown = [
        show("the default", &of(|_| {}), Packing::NONE, plain),
        show("packed in pairs, with a header", &of(|o| o.header = true), PAIRS, plain),
        show("semicolon", &of(|o| o.delimiter = Delimiter::Semicolon), Packing::NONE, plain),
        show("space", &of(|o| o.delimiter = Delimiter::Space), Packing::NONE, plain),
        show("tab", &of(|o| o.delimiter = Delimiter::Tab), Packing::NONE, plain),
        show("vertical bar", &of(|o| o.delimiter = Delimiter::VerticalBar), Packing::NONE, plain),
        show(
            "null text: NULL",
            &of(|o| o.null_text = "NULL".parse().unwrap()),
            Packing::NONE,
            plain,
        ),
        show(
            "timestamps: 7 digits",
            &of(|o| o.timestamps = TimestampFormat::Iso7),
            Packing::NONE,
            plain,
        ),
        show("non-finite: string", &of(|o| o.non_finite = NonFinite::String), Packing::NONE, plain),
        show("non-finite: error", &of(|o| o.non_finite = NonFinite::Error), Packing::NONE, plain),
        show("formula guard", &of(|o| o.formula_guard = true), Packing::NONE, plain),
    ];
    check("csv.txt", &shown.concat());
}

/// Some of the columns, in other types.
const GIVEN: &str = r#"{"type":"record","name":"Flight","fields":[
    {"name":"number","aliases":["flight"],"type":["long","null"]},
    {"name":"source","type":"string","default":"test"}]}"#;

#[test]
fn avro() {
    let of = |framing| Format::Avro(AvroOptions { framing, schema: AvroSchema::default() });
    let (_, schema) = encode(&of(AvroFraming::Raw), Packing::NONE);
    // A line for every field.
    let schema = schema.unwrap().replace("{\"name\"", "\n{\"name\"");
    let confluent = AvroFraming::Confluent { schema_id: 258 };
    let shown = [
        format!("==== the derived schema\n{schema}\n\n"),
        show("raw", &of(AvroFraming::Raw), Packing::NONE, escaped),
        show("confluent, schema id 258", &of(confluent), Packing::NONE, escaped),
        show("single object", &of(AvroFraming::SingleObject), Packing::NONE, escaped),
        show("container, packed in pairs", &of(AvroFraming::default()), PAIRS, escaped),
    ];
    check("avro.txt", &shown.concat());
}

#[test]
fn avro_by_a_given_schema() {
    let table = table();
    let at = table.schema().index_of("flight").unwrap();
    let table = table.project(&[at]).unwrap();
    let schema = AvroSchema::Given(GIVEN.to_owned());
    let format = Format::Avro(AvroOptions { framing: AvroFraming::Raw, schema });
    let encoder = Encoder::compile(&format, table.schema_ref()).unwrap();
    let mut records = Records::new();
    encoder.encode(&table, &LIMITS, &mut records).unwrap();
    let shown: String = (0..records.len()).map(|at| escaped(records.record(at)) + "\n").collect();
    check("avro-given.txt", &format!("{GIVEN}\n\n{shown}"));
}
