//! What an output may say of its format and of packing, and what it means.

use std::time::Duration;

use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, CsvOptions, Decimals, Delimiter, Format,
    Integers64, JsonLayout, JsonOptions, NonFinite, Nulls, TimestampFormat,
};

use super::{
    super::{Packing, load},
    job, read_back, with_output,
};

/// The format of an output with these keys of `serialization`.
fn format(keys: &str) -> Format {
    let job = job(&with_output(&format!("serialization: {{ {keys} }}")));
    read_back(&job);
    job.outputs[0].serialization.format.clone()
}

fn packing(keys: &str) -> Packing {
    let job = job(&with_output(keys));
    read_back(&job);
    job.outputs[0].packing.unwrap()
}

fn derived(name: &str, namespace: Option<&str>) -> AvroSchema {
    AvroSchema::Derived { name: name.to_owned(), namespace: namespace.map(str::to_owned) }
}

#[test]
fn every_option_of_json_arrives() {
    let keys = "format: Array, nulls: Omit, timestamps: Iso8601Ticks, integers64: String, \
        decimals: String, nonFinite: Error";
    let options = JsonOptions {
        layout: JsonLayout::Array,
        nulls: Nulls::Omitted,
        timestamps: TimestampFormat::Iso7,
        integers64: Integers64::String,
        decimals: Decimals::String,
        non_finite: NonFinite::Error,
    };
    assert_eq!(format(keys), Format::Json(options));
    let keys = "type: Json, format: LineSeparated, nulls: Write, timestamps: Iso8601, \
        integers64: Number, decimals: Number, nonFinite: Null";
    assert_eq!(format(keys), Format::Json(JsonOptions::default()));
    for (timestamps, expected) in [
        ("EpochSeconds", TimestampFormat::EpochSeconds),
        ("EpochMilliseconds", TimestampFormat::EpochMilliseconds),
        ("EpochMicroseconds", TimestampFormat::EpochMicroseconds),
    ] {
        let options = JsonOptions { timestamps: expected, ..JsonOptions::default() };
        assert_eq!(format(&format!("timestamps: {timestamps}")), Format::Json(options));
    }
}

#[test]
fn every_option_of_csv_arrives() {
    let keys = r"type: Csv, delimiter: Tab, header: true, nullText: '\N', formulaGuard: true, 
        timestamps: EpochSeconds, nonFinite: String";
    let options = CsvOptions {
        delimiter: Delimiter::Tab,
        header: true,
        null_text: r"\N".parse().unwrap(),
        timestamps: TimestampFormat::EpochSeconds,
        non_finite: NonFinite::String,
        formula_guard: true,
    };
    assert_eq!(format(keys), Format::Csv(options));
    assert_eq!(format("type: Csv"), Format::Csv(CsvOptions::default()));
    for (delimiter, expected) in [
        ("Comma", Delimiter::Comma),
        ("Semicolon", Delimiter::Semicolon),
        ("Space", Delimiter::Space),
        ("VerticalBar", Delimiter::VerticalBar),
    ] {
        let options = CsvOptions { delimiter: expected, ..CsvOptions::default() };
        assert_eq!(format(&format!("type: Csv, delimiter: {delimiter}")), Format::Csv(options));
    }
}

#[test]
fn every_framing_of_avro_arrives() {
    assert_eq!(format("type: Avro"), Format::Avro(AvroOptions::default()));
    for (codec, expected) in [
        ("Null", AvroCodec::Null),
        ("Deflate", AvroCodec::Deflate),
        ("Snappy", AvroCodec::Snappy),
        ("Zstandard", AvroCodec::Zstandard),
    ] {
        let options = AvroOptions {
            framing: AvroFraming::Container { codec: expected },
            schema: derived("Delay", Some("org.example")),
        };
        let keys = format!("type: Avro, codec: {codec}, name: Delay, namespace: org.example");
        assert_eq!(format(&keys), Format::Avro(options));
    }
    for (keys, framing) in [
        ("framing: SingleObject", AvroFraming::SingleObject),
        ("framing: Confluent, schemaId: 17", AvroFraming::Confluent { schema_id: 17 }),
        ("framing: Raw", AvroFraming::Raw),
    ] {
        let options = AvroOptions { framing, schema: derived("org.example.Delay", None) };
        let keys = format!("type: Avro, name: org.example.Delay, {keys}");
        assert_eq!(format(&keys), Format::Avro(options));
    }
}

#[test]
fn a_schema_is_read_from_a_file_beside_the_job() {
    const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("schemas")).unwrap();
    let file = folder.path().join("schemas/r.avsc");
    std::fs::write(&file, SCHEMA).unwrap();
    for path in ["schemas/r.avsc", &file.display().to_string()] {
        let yaml = with_output(&format!("serialization: {{ type: Avro, schemaFile: {path} }}"));
        std::fs::write(folder.path().join("job.yaml"), yaml).unwrap();
        let job = load(&folder.path().join("job.yaml")).unwrap();
        let serialization = &job.outputs[0].serialization;
        assert_eq!(serialization.schema_file.as_ref(), Some(&file));
        let Format::Avro(options) = &serialization.format else { panic!("it is Avro") };
        assert_eq!(options.schema, AvroSchema::Given(SCHEMA.to_owned()));
        read_back(&job);
    }
}

/// YAML reads `Null` as nothing.
#[test]
fn null_needs_no_quotes() {
    for null in ["Null", "\"Null\"", "null", "~"] {
        let options = JsonOptions { non_finite: NonFinite::Null, ..JsonOptions::default() };
        assert_eq!(format(&format!("nonFinite: {null}")), Format::Json(options));
        let keys = format!("type: Avro, codec: {null}");
        assert_eq!(format(&keys), Format::Avro(AvroOptions::default()));
    }
}

#[test]
fn packing_is_filled_with_defaults() {
    let limits = |rows_max, bytes_max| serializers::Packing { rows_max, bytes_max, whole: false };
    let (time, limits_of) = (Duration::ZERO, limits(1000, 1_000_000));
    assert_eq!(packing("packing: {}"), Packing { limits: limits_of, time });
    assert_eq!(
        packing("packing: { rows: 20, bytes: 4 KiB, time: 250ms }"),
        Packing { limits: limits(20, 4096), time: Duration::from_millis(250) }
    );
    assert!(packing("packing: { tooLarge: ErrorPolicy }").limits.whole);
    assert!(!packing("packing: { tooLarge: Split }").limits.whole);
    let packs = packing("packing: { rows: 2 }\nserialization: { type: Avro, codec: Snappy }");
    assert_eq!(packs.limits.rows_max, 2);
    // An output may so refuse what `defaults` lend it.
    let alone = packing("packing: { rows: 1 }\nserialization: { type: Avro, framing: Raw }");
    assert_eq!(alone, Packing::NONE);
    let job = job(
        "name: j\ndefaults: { bootstrapServers: k:9092, packing: { bytes: 4 KiB, time: 5s } }\n\
         outputs: [{ alias: a, topic: t, packing: { rows: 1 } }]",
    );
    read_back(&job);
    assert_eq!(job.outputs[0].packing, Some(Packing::NONE));
}

#[test]
fn a_packed_record_may_take_all_the_room_of_a_batch() {
    let job = job(&format!("memory: 32 MiB\n{}", with_output("packing: { bytes: 4 MiB }")));
    let limits = job.outputs[0].packing.unwrap().limits;
    assert_eq!((limits.bytes_max as u64, job.encoded_bytes_max()), (4 << 20, 4 << 20));
}

#[test]
fn defaults_lend_what_belongs_to_the_format() {
    let formats = |defaults: &str, outputs: &[&str]| {
        let mut yaml = format!(
            "name: j\ndefaults: {{ bootstrapServers: k:9092, serialization: {defaults} }}\n\
             outputs:\n"
        );
        for (index, keys) in outputs.iter().enumerate() {
            yaml += &format!("  - {{ alias: a{index}, topic: t{keys} }}\n");
        }
        let job = job(&yaml);
        read_back(&job);
        let formats = job.outputs.iter().map(|output| output.serialization.format.clone());
        formats.collect::<Vec<_>>()
    };
    let json = JsonOptions {
        layout: JsonLayout::Array,
        timestamps: TimestampFormat::EpochSeconds,
        ..JsonOptions::default()
    };
    let found = formats(
        "{ format: Array, timestamps: EpochSeconds }",
        &[
            "",
            ", serialization: { type: Json, nulls: Omit }",
            ", serialization: { type: Csv }",
            ", serialization: { type: Avro }",
        ],
    );
    let timestamps = TimestampFormat::EpochSeconds;
    let expected = [
        Format::Json(json.clone()),
        Format::Json(JsonOptions { nulls: Nulls::Omitted, ..json }),
        Format::Csv(CsvOptions { timestamps, ..CsvOptions::default() }),
        Format::Avro(AvroOptions::default()),
    ];
    assert_eq!(found, expected);

    let found = formats(
        "{ type: Avro, codec: Snappy, namespace: org.example }",
        &[
            ", serialization: { name: A }",
            ", serialization: { framing: Confluent, schemaId: 3 }",
            ", serialization: { schemaFile: ../examples/flight-delays.avsc }",
            ", serialization: { type: Json }",
        ],
    );
    let snappy = AvroFraming::Container { codec: AvroCodec::Snappy };
    let given = AvroSchema::Given(include_str!("../../../../examples/flight-delays.avsc").into());
    let expected = [
        AvroOptions { framing: snappy, schema: derived("A", Some("org.example")) },
        AvroOptions {
            framing: AvroFraming::Confluent { schema_id: 3 },
            schema: derived("Row", Some("org.example")),
        },
        AvroOptions { framing: snappy, schema: given },
    ];
    assert_eq!(found[..3], expected.map(Format::Avro));
    assert_eq!(found[3], Format::Json(JsonOptions::default()));

    // The id is each output's own.
    let found = formats(
        "{ type: Avro, framing: Confluent, schemaFile: ../examples/flight-delays.avsc }",
        &[", serialization: { schemaId: 4, name: A }", ", serialization: { framing: Raw }"],
    );
    let framing = AvroFraming::Confluent { schema_id: 4 };
    assert_eq!(found[0], Format::Avro(AvroOptions { framing, schema: derived("A", None) }));
    let Format::Avro(AvroOptions { framing, schema: AvroSchema::Given(_) }) = found[1] else {
        panic!("the schema is lent")
    };
    assert_eq!(framing, AvroFraming::Raw);
}
