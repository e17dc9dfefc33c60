//! What records look like: the formats and their options.

/// The format of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// One JSON object (RFC 8259) a row, on one line.
    Json(JsonOptions),
}

/// How values become JSON.
///
/// What no option changes:
///
/// | Arrow | JSON |
/// | --- | --- |
/// | any null | `null` |
/// | integers | number, exact (also beyond 2⁵³) |
/// | floats | number, the shortest text that reads back as the same value |
/// | decimals | number, exact, with the column's scale: `1.50` |
/// | text | string; `"`, `\` and control characters are escaped, nothing else |
/// | binary | string: base64 (RFC 4648, section 4, padded) |
/// | date32, date64 | string: `2013-01-01` |
/// | time32, time64 | string: `05:00:00` |
/// | timestamp with a zone | string, RFC 3339 in UTC: `2013-01-01T05:00:00Z` |
/// | timestamp without | string: `2013-01-01T05:00:00` |
/// | duration | number: the integer, in the column's unit |
/// | struct | object |
/// | list, large list, fixed size list | array |
/// | map | object; keys are text, or integers and booleans as text |
/// | dictionary | its value |
/// | extension `arrow.json` on text | that JSON itself |
/// | other extensions | as their storage |
///
/// - Fractions of a second have as many digits as the column's unit: none, 3, 6 or 9.
/// - `-0.0` keeps its sign; a half float is written as the single float of the same value.
/// - A negative scale is written out: 12 with scale -3 is `12000`.
/// - A key that occurs twice in a map is written twice.
/// - `arrow.json` is checked, and the white space between its tokens taken out. The extension
///   counts on a dictionary of text too.
///
/// Dates and timestamps outside the years 0000 to 9999, times outside a day and malformed
/// `arrow.json` text reject their row. Intervals, unions, run-end encoding and list views are
/// refused when the schema is compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonOptions {
    /// How the rows of a record are laid out. Default [`JsonLayout::LineSeparated`].
    pub layout: JsonLayout,
    /// What becomes of a float that JSON has no number for. Default [`NonFinite::Null`].
    pub non_finite: NonFinite,
}

/// How the rows of a record are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonLayout {
    /// An object a line, with a line break between them and none at the end.
    #[default]
    LineSeparated,
    /// An array of objects, also around one row.
    Array,
}

/// What becomes of NaN and the infinities, for which JSON has no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonFinite {
    /// `null`, as Stream Analytics, Spark and JavaScript write it.
    #[default]
    Null,
    /// The strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
    String,
    /// The row is rejected with [`NON_FINITE`](crate::RowErrorCode::NonFinite).
    Error,
}
