//! From `serialization` and `packing` as they are written to what the serializers take.

use std::{path::PathBuf, time::Duration};

use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, CsvOptions, Decimals, Delimiter, Format,
    Integers64, JsonLayout, JsonOptions, NonFinite, NullText, NullTextError, Nulls, PlanError,
    TimestampFormat,
};

use super::{
    super::{
        convert::Section,
        file::{self, FileFault},
        output::KAFKA_BATCH_BYTES,
        raw::{self, RawPacking},
        raw_values::RawTooLarge,
        text::InvalidText,
        words,
    },
    Packing, Serialization,
    kind::{self, said},
    raw::{
        RawAvroCodec, RawDelimiter, RawFormat, RawFraming, RawJsonFormat, RawNonFinite, RawNulls,
        RawNumbers, RawSerialization, RawTimestamps, default,
    },
};

/// The longest a row may wait for others: its writer waits for the acknowledgement.
const PACKING_TIME_MAX: Duration = Duration::from_secs(60);
/// A schema has hundreds of fields at most.
const SCHEMA_FILE_BYTES_MAX: usize = 1 << 20;
/// The most characters of a path that a message repeats.
const PATH_CHARS_MAX: usize = 200;

/// Makes the serialization of an output. Nothing comes back only if a fault was reported.
pub(in crate::job) fn serialization(
    section: &mut Section<'_>,
    raw: Option<&RawSerialization>,
) -> Option<Serialization> {
    let nothing = RawSerialization::default();
    let raw = raw.unwrap_or(&nothing);
    if raw.framing == Some(RawFraming::Confluent)
        && raw.kind == Some(RawFormat::Avro)
        && raw.schema_id.is_none()
        && !section.is_wrong("serialization.schemaId")
    {
        let message = "`framing: Confluent` needs `schemaId`, which is not there".to_owned();
        let help = "add `schemaId`, the id under which the schema is registered";
        section.missing("serialization.schemaId", message, help);
    }
    converted(section, raw)
}

/// Checks what of `defaults` can be checked without an output: what is there, not what is missing.
pub(in crate::job) fn check_defaults(section: &mut Section<'_>, raw: Option<&RawSerialization>) {
    raw.and_then(|raw| converted(section, raw));
}

fn converted(section: &mut Section<'_>, raw: &RawSerialization) -> Option<Serialization> {
    kind::check(section, raw);
    let (format, schema_file) = match raw.kind.unwrap_or_default() {
        RawFormat::Json => (Format::Json(json(raw)), None),
        RawFormat::Csv => (Format::Csv(csv(section, raw)?), None),
        RawFormat::Avro => {
            let (schema, file) = match &raw.schema_file {
                Some(path) => {
                    let (text, file) = schema_file(section, path)?;
                    (AvroSchema::Given(text), Some(file))
                }
                None => (derived_schema(section, raw)?, None),
            };
            (Format::Avro(AvroOptions { framing: framing(raw)?, schema }), file)
        }
    };
    Some(Serialization { format, schema_file })
}

fn json(raw: &RawSerialization) -> JsonOptions {
    JsonOptions {
        layout: match raw.format {
            None | Some(RawJsonFormat::LineSeparated) => JsonLayout::LineSeparated,
            Some(RawJsonFormat::Array) => JsonLayout::Array,
        },
        nulls: match raw.nulls {
            None | Some(RawNulls::Write) => Nulls::Written,
            Some(RawNulls::Omit) => Nulls::Omitted,
        },
        timestamps: timestamps(raw),
        integers64: match raw.integers64 {
            None | Some(RawNumbers::Number) => Integers64::Number,
            Some(RawNumbers::String) => Integers64::String,
        },
        decimals: match raw.decimals {
            None | Some(RawNumbers::Number) => Decimals::Number,
            Some(RawNumbers::String) => Decimals::String,
        },
        non_finite: non_finite(raw),
    }
}

fn csv(section: &mut Section<'_>, raw: &RawSerialization) -> Option<CsvOptions> {
    let null_text = raw.null_text.as_deref().unwrap_or_default().parse::<NullText>();
    let null_text = null_text.map_err(|error| {
        const HELP: &str =
            "write a short text such as NULL, in quotes for YAML: `nullText: \"NULL\"`";
        let reason = match error {
            NullTextError::Character { character } => {
                let held = match character {
                    ' ' => "a space".to_owned(),
                    other => format!("`{}`", other.escape_debug()),
                };
                format!(
                    "may not hold {held}: it is never quoted, so quotes, line breaks and \
                     delimiters would be misread"
                )
            }
            NullTextError::TooLong { bytes } => {
                format!("has {bytes} bytes, more than {}", NullText::BYTES_MAX)
            }
        };
        InvalidText::new(reason, HELP)
    });
    Some(CsvOptions {
        delimiter: match raw.delimiter {
            None | Some(RawDelimiter::Comma) => Delimiter::Comma,
            Some(RawDelimiter::Semicolon) => Delimiter::Semicolon,
            Some(RawDelimiter::Space) => Delimiter::Space,
            Some(RawDelimiter::Tab) => Delimiter::Tab,
            Some(RawDelimiter::VerticalBar) => Delimiter::VerticalBar,
        },
        header: raw.header.unwrap_or(false),
        null_text: section.take("serialization.nullText", null_text)?,
        timestamps: timestamps(raw),
        non_finite: non_finite(raw),
        formula_guard: raw.formula_guard.unwrap_or(false),
    })
}

fn timestamps(raw: &RawSerialization) -> TimestampFormat {
    match raw.timestamps {
        None | Some(RawTimestamps::Iso8601) => TimestampFormat::Iso,
        Some(RawTimestamps::Iso8601Ticks) => TimestampFormat::Iso7,
        Some(RawTimestamps::EpochSeconds) => TimestampFormat::EpochSeconds,
        Some(RawTimestamps::EpochMilliseconds) => TimestampFormat::EpochMilliseconds,
        Some(RawTimestamps::EpochMicroseconds) => TimestampFormat::EpochMicroseconds,
    }
}

fn non_finite(raw: &RawSerialization) -> NonFinite {
    match raw.non_finite {
        None | Some(RawNonFinite::Null) => NonFinite::Null,
        Some(RawNonFinite::String) => NonFinite::String,
        Some(RawNonFinite::Error) => NonFinite::Error,
    }
}

/// The framing; none if an id is missing.
fn framing(raw: &RawSerialization) -> Option<AvroFraming> {
    Some(match raw.framing.unwrap_or_default() {
        RawFraming::Container => AvroFraming::Container {
            codec: match raw.codec {
                None | Some(RawAvroCodec::Null) => AvroCodec::Null,
                Some(RawAvroCodec::Deflate) => AvroCodec::Deflate,
                Some(RawAvroCodec::Snappy) => AvroCodec::Snappy,
                Some(RawAvroCodec::Zstandard) => AvroCodec::Zstandard,
            },
        },
        RawFraming::SingleObject => AvroFraming::SingleObject,
        RawFraming::Confluent => AvroFraming::Confluent { schema_id: raw.schema_id? },
        RawFraming::Raw => AvroFraming::Raw,
    })
}

/// A schema that is derived from the columns; its name and namespace are ones that Avro takes.
fn derived_schema(section: &mut Section<'_>, raw: &RawSerialization) -> Option<AvroSchema> {
    let name = raw.name.as_deref().unwrap_or(default::AVRO_NAME).to_owned();
    let namespace = raw.namespace.clone();
    // One by one, so that each has its own fault.
    let named = AvroSchema::Derived { name: name.clone(), namespace: None };
    let spaced = AvroSchema::Derived { name: default::AVRO_NAME.to_owned(), namespace };
    let [named, spaced] = [("name", named), ("namespace", spaced)].map(|(key, schema)| {
        let checked = checked_schema(schema).map_err(|error| {
            let reason = format!("is not a name that Avro allows: {}", reason(&error));
            InvalidText::new(reason, "write words such as `FlightDelay` or `org.example`")
        });
        section.take(&format!("serialization.{key}"), checked)
    });
    let (AvroSchema::Derived { name, .. }, AvroSchema::Derived { namespace, .. }) =
        (named?, spaced?)
    else {
        return None;
    };
    Some(AvroSchema::Derived { name, namespace })
}

fn checked_schema(schema: AvroSchema) -> Result<AvroSchema, PlanError> {
    let options = AvroOptions { schema, ..AvroOptions::default() };
    options.check().map(|()| options.schema)
}

/// What is wrong, without the place.
fn reason(error: &PlanError) -> String {
    match error {
        PlanError::AvroSchemaInvalid { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Reads a given schema: its text, and where it was found.
fn schema_file(section: &mut Section<'_>, path: &str) -> Option<(String, PathBuf)> {
    let key = "serialization.schemaFile";
    let found = section.folder.join(path);
    let shown = match section.node(key) {
        Some(node) if node.hidden => "a file".to_owned(),
        _ => {
            let path = found.display().to_string();
            format!("the file `{}`", words::cut(&path, PATH_CHARS_MAX))
        }
    };
    let text = file::read_regular(&found, SCHEMA_FILE_BYTES_MAX).map_err(|fault| match fault {
        FileFault::Unreadable(error) => (
            "SCHEMA_FILE_UNREADABLE",
            format!("`schemaFile` names {shown}, which cannot be read: {error}"),
            "check the path, which begins at the folder of the job file, and whether this user \
             may read the file",
        ),
        FileFault::TooLarge => (
            "SCHEMA_FILE_TOO_LARGE",
            format!("`schemaFile` names {shown}, which is larger than 1 MiB"),
            "name the file of an Avro schema (`.avsc`)",
        ),
        FileFault::NotUtf8 { line } => (
            "SCHEMA_FILE_NOT_UTF8",
            format!("`schemaFile` names {shown}, which is not UTF-8 text, from line {line} on"),
            "name the file of an Avro schema (`.avsc`), saved as UTF-8",
        ),
    });
    let schema = text.and_then(|text| {
        checked_schema(AvroSchema::Given(text.clone())).map(|_| text).map_err(|error| {
            let code = error.code();
            let message = format!("`schemaFile` names {shown}, but {error}");
            (code, message, "correct the schema in that file, or name another file")
        })
    });
    match schema {
        // As the job means it wherever it is read again.
        Ok(text) => Some((text, std::path::absolute(&found).unwrap_or(found))),
        Err((code, message, help)) => {
            section.fault(code, key, message, help);
            None
        }
    }
}

/// Makes the packing of an output, if its format has one. Nothing comes back outside only if a
/// fault was reported.
pub(in crate::job) fn packing(
    section: &mut Section<'_>,
    raw: Option<&RawPacking>,
    serialization: Option<&Serialization>,
) -> Option<Option<Packing>> {
    let Some(raw) = raw else { return Some(None) };
    let bytes = section.bytes(
        "packing.bytes",
        raw.bytes.as_ref(),
        raw::default::PACKING_BYTES,
        KAFKA_BATCH_BYTES,
    );
    let range = (Duration::ZERO, PACKING_TIME_MAX);
    let time =
        section.duration("packing.time", raw.time.as_ref(), raw::default::PACKING_TIME, range);
    let rows_max = raw.rows.unwrap_or(raw::default::PACKING_ROWS);
    if let Some(Format::Avro(options)) = serialization.map(|serialization| &serialization.format)
        && rows_max > 1
        && !serialization.is_some_and(|serialization| serialization.format.packs())
        && !["packing.rows", "serialization.framing", "serialization.type"]
            .iter()
            .any(|key| section.is_wrong(key))
    {
        let framing = match options.framing {
            AvroFraming::Container { .. } => RawFraming::Container,
            AvroFraming::SingleObject => RawFraming::SingleObject,
            AvroFraming::Confluent { .. } => RawFraming::Confluent,
            AvroFraming::Raw => RawFraming::Raw,
        };
        let says = said(section, "framing", &framing);
        let message = format!("`packing` puts several rows into a record, but {says}");
        let help = "take `packing` out (`packing: { rows: 1 }` in an output that has it from \
            `defaults`), or write `framing: Container`, whose records hold several rows";
        section.fault("CONFLICT", "packing", message, help);
    }
    let (bytes, time) = (bytes?, time?);
    if rows_max == 1 {
        check_unpacked(section, raw);
        return Some(Some(Packing::NONE));
    }
    let whole = matches!(raw.too_large, Some(RawTooLarge::ErrorPolicy));
    let limits = serializers::Packing { rows_max, bytes_max: usize::try_from(bytes).ok()?, whole };
    Some(Some(Packing { limits, time }))
}

/// Reports what has no effect on records of one row. An output that so refuses what `defaults` lend
/// it keeps their other keys, and those are no fault.
fn check_unpacked(section: &mut Section<'_>, raw: &RawPacking) {
    let Some(rows) = section.node("packing.rows") else { return };
    let refuses = section.whole().find("packing.rows").is_some();
    let others = [
        ("bytes", raw.bytes.is_some()),
        ("time", raw.time.is_some()),
        ("tooLarge", raw.too_large.is_some()),
    ];
    for (key, given) in others {
        let path = format!("packing.{key}");
        if !given || refuses && section.whole().find(&path).is_none() {
            continue;
        }
        let line = rows.place().line;
        let message =
            format!("`{key}` is for records of several rows, but line {line} says `rows: 1`");
        let help = format!("take `{key}` out, or write more `rows`");
        section.fault("CONFLICT", &path, message, &help);
    }
}
