//! What can be chosen about JSON.

use crate::format::{NonFinite, TimestampFormat};

/// How values become JSON.
///
/// | Arrow | JSON, unless an option says otherwise |
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
///   counts on a dictionary of text too. Numbers beyond what a double holds and keys that occur
///   twice are JSON and stay.
///
/// These reject their row: dates and timestamps outside the years 0000 to 9999, times outside a
/// day, a date64 with a time of day, decimals of more digits than their precision, and
/// `arrow.json` text that is malformed, has half a surrogate pair or nests deeper than 128 levels.
/// Intervals, unions, run-end encoding and list views are refused when the schema is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// How the rows of a record are laid out. Default [`JsonLayout::LineSeparated`].
    pub layout: JsonLayout,
    /// What becomes of members that are null. Default [`Nulls::Written`].
    pub nulls: Nulls,
    /// How timestamps are written. Default [`TimestampFormat::Iso`].
    pub timestamps: TimestampFormat,
    /// Whether integers of 64 bits are numbers. Default [`Integers64::Number`].
    pub integers64: Integers64,
    /// Whether decimals are numbers. Default [`Decimals::Number`].
    pub decimals: Decimals,
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

/// What becomes of members of objects that are null: columns, and fields of structs at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nulls {
    /// `{"a":1,"b":null}`.
    #[default]
    Written,
    /// `{"a":1}`, and `{}` where all are null. A float that [`NonFinite::Null`] makes null counts
    /// as null.
    ///
    /// Only what the schema names is left out, since a reader knows of it anyway: items of lists
    /// and values of maps stay `null`, and so does what an `arrow.json` text says itself.
    Omitted,
}

/// How integers of 64 bits are written: int64, uint64 and durations, which are such integers too.
///
/// The column's type decides and not the value, so that a member has one type. Keys of maps are
/// text as they are; timestamps as [numbers](TimestampFormat) stay numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Integers64 {
    /// `9007199254740993`. Readers that hold numbers as doubles, such as JavaScript, round what
    /// is beyond 2⁵³.
    #[default]
    Number,
    /// `"9007199254740993"`.
    String,
}

/// How decimals of all widths are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decimals {
    /// `1.50`. Readers that hold numbers as doubles keep 15 digits or so.
    #[default]
    Number,
    /// `"1.50"`.
    String,
}
