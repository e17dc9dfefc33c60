//! The options of Avro, and what Arrow becomes in it.

/// How rows become Avro.
///
/// What is written for each Arrow type, if the schema is derived ([`AvroSchema::Derived`]):
///
/// | Arrow | Avro |
/// | --- | --- |
/// | nullable field of type T | union `["null", T]`, default `null` |
/// | null | `null` |
/// | boolean | `boolean` |
/// | int8, int16, int32, uint8, uint16 | `int` |
/// | int64, uint32 | `long` |
/// | uint64 | `bytes`, `decimal(20, 0)`: exact |
/// | float16, float32 | `float`; NaN and infinities as they are |
/// | float64 | `double`; NaN and infinities as they are |
/// | decimal32 … decimal256 | `bytes`, `decimal(precision, scale)`, as few bytes as can hold it |
/// | text | `string` |
/// | binary | `bytes` |
/// | fixed size binary | `fixed`, named after its path |
/// | date32, date64 | `int`, `date` |
/// | time32 in seconds, milliseconds | `int`, `time-millis` |
/// | time64 in microseconds | `long`, `time-micros` |
/// | time64 in nanoseconds | `long` with `"arrowType": "Time64(ns)"`, as Avro has no such type |
/// | timestamp with a zone, s, ms | `long`, `timestamp-millis` |
/// | timestamp with a zone, µs, ns | `long`, `timestamp-micros`, `timestamp-nanos` (Avro 1.12) |
/// | timestamp without a zone | the same with `local-timestamp-…` |
/// | duration | `long` in its own unit, with `"arrowType": "Duration(ms)"` |
/// | struct | `record`, named after its path |
/// | list, large list, fixed size list | `array` |
/// | map | `map`; integer and boolean keys as text |
/// | dictionary | its value: an `enum` would need the values before the first row |
/// | extension `arrow.json` on text | `string`: the text as it is, unchecked |
/// | other extensions | as their storage |
///
/// - A negative scale, which Avro lacks, is written out: `decimal(5, -2)` becomes `decimal(7, 0)`,
///   and the values get two zeros. A scale beyond the precision makes the precision as large:
///   `decimal(2, 5)` becomes `decimal(5, 5)`.
/// - A key that occurs twice in a map is written twice; readers keep the last.
/// - An array item that takes no bytes (`null`) counts as one byte towards the record's limit.
/// - Limits count a container before it is compressed.
///
/// # Names
///
/// A name that Avro does not allow (`[A-Za-z_][A-Za-z0-9_]*`) is changed as Materialize does:
/// every other character becomes `_`, and a leading digit gets a `_` before it. If that name is
/// taken, it gets the first free number from 1 at its end; legal names are never changed. The
/// Arrow name then stands in the field's attribute `arrowName`. Nested records and fixed types are
/// named by the path from the row: `Row_part_id`.
///
/// # Rows that are rejected
///
/// | code | when |
/// | --- | --- |
/// | `NULL_VALUE` | a null where the schema takes none |
/// | `DECIMAL_OVERFLOW` | more digits than the precision has |
/// | `OUT_OF_RANGE` | too large for its type; a time that is not within a day |
/// | `INEXACT` | the type cannot hold the value exactly, such as a date64 with a time of day |
/// | `UNKNOWN_SYMBOL`, `INVALID_UUID` | text that is no symbol of the given `enum`, no `uuid` |
/// | `NULL_MAP_KEY` | a null key |
/// | `ROW_TOO_LARGE` | the record is beyond its limit |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvroOptions {
    /// What stands around the rows of a record.
    pub framing: AvroFraming,
    /// Where the schema comes from.
    pub schema: AvroSchema,
}

/// What stands around the rows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvroFraming {
    /// Every record is an object container file that brings its schema, with one block.
    ///
    /// The only framing in which a record may hold several rows. The sync marker is derived from
    /// the schema, so that equal rows become equal records.
    Container {
        /// How the block is compressed.
        codec: AvroCodec,
    },
    /// `C3 01`, the CRC-64-AVRO fingerprint of the schema (little endian), the row.
    SingleObject,
    /// A zero byte, the schema's id in a registry (big endian), the row.
    Confluent {
        /// The id under which the schema is registered.
        schema_id: u32,
    },
    /// The row alone.
    Raw,
}

impl Default for AvroFraming {
    fn default() -> Self {
        Self::Container { codec: AvroCodec::default() }
    }
}

/// How the block of a container is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AvroCodec {
    /// Not at all.
    #[default]
    Null,
    /// DEFLATE (RFC 1951), level 6.
    Deflate,
    /// Snappy, followed by the CRC-32 of the plain block.
    Snappy,
    /// Zstandard, level 3.
    Zstandard,
}

impl AvroCodec {
    /// What `avro.codec` says.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Deflate => "deflate",
            Self::Snappy => "snappy",
            Self::Zstandard => "zstandard",
        }
    }
}

/// Where the schema comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AvroSchema {
    /// From the columns, as the table of [`AvroOptions`] says.
    Derived {
        /// The name of the record.
        name: String,
        /// Its namespace.
        namespace: Option<String>,
    },
    /// A given schema, as the JSON text of an `.avsc` file.
    ///
    /// Fields take the columns of their name (of their `arrowName`, if they have that attribute),
    /// else of an alias. Columns without a field are refused, and so are fields without a column
    /// that have no default and take no null. A null in a column whose field takes none rejects
    /// its row.
    ///
    /// No value is changed. Beyond the types of the table, a field may have these, checked row by
    /// row where not every value fits (`OUT_OF_RANGE`, `INEXACT`, `DECIMAL_OVERFLOW`, …):
    ///
    /// | Arrow | Avro |
    /// | --- | --- |
    /// | any integer | `int`, `long`, `float`, `double`, `decimal` |
    /// | float16, float32 | `double` |
    /// | decimals | `decimal` as `bytes` or `fixed`, of no smaller scale |
    /// | times | `time-millis`, `time-micros` |
    /// | timestamps | those of any unit, `local-` without a zone |
    /// | text | `enum`, and `string` with the logical type `uuid` |
    /// | fixed size binary | `fixed` of its size (`uuid` too), `bytes` |
    ///
    /// Of a union's branches the one that fits best is taken, for the whole column: the table's
    /// type before a wider one, that before one whose values must be checked, then the first. A
    /// record, array or map fits as its worst part does.
    Given(String),
}

impl Default for AvroSchema {
    fn default() -> Self {
        Self::Derived { name: "Row".to_owned(), namespace: None }
    }
}
