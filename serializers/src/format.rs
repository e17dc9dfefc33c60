//! What records look like: the formats, and the options that several of them share.

use crate::{
    avro::{AvroFraming, AvroOptions},
    csv::CsvOptions,
    json::JsonOptions,
};

/// The format of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object (RFC 8259) a row, on one line or in an array.
    Json(JsonOptions),
    /// One CSV line (RFC 4180) a row.
    Csv(CsvOptions),
    /// One Avro datum (Avro 1.12) a row, in one of several framings.
    Avro(AvroOptions),
}

impl Format {
    /// Whether a record may hold several rows. Of Avro only a container may.
    pub fn packs(&self) -> bool {
        match self {
            Self::Json(_) | Self::Csv(_) => true,
            Self::Avro(options) => matches!(options.framing, AvroFraming::Container { .. }),
        }
    }
}

/// What becomes of NaN and the infinities, for which neither JSON nor CSV has a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonFinite {
    /// `null`, as Stream Analytics, Spark and JavaScript write it; in CSV the null text.
    #[default]
    Null,
    /// The strings `"NaN"`, `"Infinity"` and `"-Infinity"`; in CSV without quotes.
    String,
    /// The row is rejected with [`NON_FINITE`](crate::RowErrorCode::NonFinite).
    Error,
}

/// How timestamps are written. Dates, times of day and durations do not follow it.
///
/// 2019-03-22T22:34:18.5664937Z in a column of nanoseconds becomes:
///
/// | option | JSON | a column of seconds |
/// | --- | --- | --- |
/// | `Iso` | `"2019-03-22T22:34:18.566493700Z"` | `"2019-03-22T22:34:18Z"` |
/// | `Iso7` | `"2019-03-22T22:34:18.5664937Z"` | `"2019-03-22T22:34:18.0000000Z"` |
/// | `EpochSeconds` | `1553294058` | `1553294058` |
/// | `EpochMilliseconds` | `1553294058566` | `1553294058000` |
/// | `EpochMicroseconds` | `1553294058566493` | `1553294058000000` |
///
/// - A timestamp without a zone is the same text without `Z`. As a number it is counted as if its
///   zone were UTC.
/// - A number that is not whole is rounded toward negative infinity, also before 1970: half a
///   second before it is second -1.
/// - The texts end with the years 0000 and 9999. The numbers do not, but one beyond 64 bits rejects
///   its row with [`OUT_OF_RANGE`](crate::RowErrorCode::OutOfRange).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampFormat {
    /// ISO 8601, with as many digits behind the point as the column's unit: none, 3, 6 or 9.
    #[default]
    Iso,
    /// ISO 8601 with always seven digits behind the point, as Stream Analytics prints it. What is
    /// finer than 100 ns is cut off.
    Iso7,
    /// The whole seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// The whole milliseconds since then.
    EpochMilliseconds,
    /// The whole microseconds since then. From the year 2255 on they are beyond 2⁵³.
    EpochMicroseconds,
}
