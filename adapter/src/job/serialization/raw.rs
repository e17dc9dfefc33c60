//! `serialization` as it is written. The doc comments here become the descriptions in the JSON
//! Schema.

use schemars::JsonSchema;
use serde::Deserialize;

/// What holds where the file says nothing.
pub(super) mod default {
    pub(crate) const AVRO_NAME: &str = "Row";
}

/// How a row becomes the value of a record. Which keys may stand here depends on `type`, and for
/// Avro also on `framing`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Serialization")]
pub(in crate::job) struct RawSerialization {
    /// The format.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "Json"))]
    pub(super) kind: Option<RawFormat>,
    /// Json: how the rows of a record are laid out.
    #[schemars(extend("default" = "LineSeparated"))]
    pub(super) format: Option<RawJsonFormat>,
    /// Json: what becomes of members of objects that are null.
    #[schemars(extend("default" = "Write"))]
    pub(super) nulls: Option<RawNulls>,
    /// Json and Csv: how timestamps are written. Dates and times of day do not follow it.
    #[schemars(extend("default" = "Iso8601"))]
    pub(super) timestamps: Option<RawTimestamps>,
    /// Json: how integers of 64 bits are written, signed, unsigned and durations.
    #[schemars(extend("default" = "Number"))]
    pub(super) integers64: Option<RawNumbers>,
    /// Json: how decimals are written.
    #[schemars(extend("default" = "Number"))]
    pub(super) decimals: Option<RawNumbers>,
    /// Json and Csv: what is written for NaN and the infinities, which they have no numbers for.
    #[schemars(extend("default" = "Null"))]
    pub(super) non_finite: Option<RawNonFinite>,
    /// Csv: what stands between two values.
    #[schemars(extend("default" = "Comma"))]
    pub(super) delimiter: Option<RawDelimiter>,
    /// Csv: whether every record begins with a line of the columns' names.
    #[schemars(extend("default" = false))]
    pub(super) header: Option<bool>,
    /// Csv: what is written for null, up to 32 bytes without quotes, line breaks and delimiters.
    /// By default nothing, while the empty text is `""`.
    #[schemars(extend("default" = ""))]
    pub(super) null_text: Option<String>,
    /// Csv: whether texts that a spreadsheet may take for a formula get a single quote before
    /// them. For people who open records in a spreadsheet: readers cannot undo it.
    #[schemars(extend("default" = false))]
    pub(super) formula_guard: Option<bool>,
    /// Avro: what stands around the rows of a record.
    #[schemars(extend("default" = "Container"))]
    pub(super) framing: Option<RawFraming>,
    /// Avro in a Container: how its block is compressed.
    #[schemars(extend("default" = "Null"))]
    pub(super) codec: Option<RawAvroCodec>,
    /// Avro in Confluent's framing: the id under which the schema is registered. Needed there.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub(super) schema_id: Option<u32>,
    /// Avro: the file of the schema (`.avsc`) that rows are written by, a regular file of up to
    /// 1 MiB; a relative path begins at the folder of the job file. Without this key the schema is
    /// derived from the columns.
    #[schemars(length(min = 1), example = &"flight-delays.avsc")]
    pub(super) schema_file: Option<String>,
    /// Avro: the name of the record in the schema that is derived from the columns.
    #[schemars(length(min = 1), extend("default" = default::AVRO_NAME))]
    pub(super) name: Option<String>,
    /// Avro: the namespace of the record in the schema that is derived from the columns.
    #[schemars(length(min = 1), example = &"org.example")]
    pub(super) namespace: Option<String>,
}

/// The format of a record's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "SerializationType")]
pub(super) enum RawFormat {
    /// JSON: an object a row.
    #[default]
    Json,
    /// CSV: a line a row.
    Csv,
    /// Avro: a record a row.
    Avro,
}

/// How the rows of a record are laid out.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "JsonFormat")]
pub(super) enum RawJsonFormat {
    /// A JSON object a line.
    LineSeparated,
    /// A JSON array of objects, also around one row.
    Array,
}

/// What becomes of members of JSON objects that are null.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Nulls")]
pub(super) enum RawNulls {
    /// `{"a":1,"b":null}`.
    Write,
    /// `{"a":1}`. Items of lists and values of maps stay `null`.
    Omit,
}

/// How timestamps are written.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Timestamps")]
pub(super) enum RawTimestamps {
    /// `2013-01-01T05:00:00.250Z`, with as many digits of a second as the column's unit has.
    Iso8601,
    /// `2013-01-01T05:00:00.2500000Z`, always with seven digits, as Stream Analytics prints them.
    Iso8601Ticks,
    /// Whole seconds since 1970-01-01T00:00:00Z, as a number.
    EpochSeconds,
    /// Whole milliseconds since then.
    EpochMilliseconds,
    /// Whole microseconds since then.
    EpochMicroseconds,
}

/// How numbers are written that readers with double precision would round.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Numbers")]
pub(super) enum RawNumbers {
    /// `9007199254740993`: exact, but some readers round it.
    Number,
    /// `"9007199254740993"`.
    String,
}

/// What is written for NaN and the infinities.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NonFinite")]
pub(super) enum RawNonFinite {
    /// `null`; in CSV what `nullText` says.
    Null,
    /// `"NaN"`, `"Infinity"` and `"-Infinity"`; in CSV without quotes.
    String,
    /// Nothing: the row cannot be encoded, and `errorPolicy` decides.
    Error,
}

/// What stands between two values of a CSV line.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Delimiter")]
pub(super) enum RawDelimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// One space.
    Space,
    /// One tab.
    Tab,
    /// `|`
    VerticalBar,
}

/// What stands around the rows of an Avro record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Framing")]
pub(super) enum RawFraming {
    /// An object container file, which brings its schema: needs no registry, and packs.
    #[default]
    Container,
    /// Avro's single-object encoding: the fingerprint of the schema, then the row.
    SingleObject,
    /// The wire format of Confluent's registry: the id of the schema, then the row.
    Confluent,
    /// The row alone: readers must know the schema.
    Raw,
}

/// How the block of an Avro container is compressed.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AvroCodec")]
pub(super) enum RawAvroCodec {
    /// Not compressed.
    Null,
    /// Deflate, known to every reader.
    Deflate,
    /// Snappy: fast.
    Snappy,
    /// Zstandard: small and fast.
    Zstandard,
}
