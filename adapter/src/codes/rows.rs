//! What is wrong with one row.
use super::{Entry, Place, Retry, RowsWritten};

/// A row that `errorPolicy` sets aside, and the error of Stream Analytics that it stands for.
const fn row(
    code: &'static str,
    stream_analytics: Option<&'static str>,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    let entry = Entry::new(code, &[Place::Row], RowsWritten::No, Retry::Never, cause, remedy);
    Entry { stream_analytics, ..entry }
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    row(
        "DECIMAL_OVERFLOW",
        Some("OutputDataConversionError.TypeConversionError"),
        "A decimal has more digits than its type.",
        "Cast the column to a wider decimal in the query, or round it there.",
    ),
    row(
        "DUPLICATE_COLUMN",
        Some("OutputDataConversionError.DuplicateKey"),
        "In JSON lines: a key stands twice in its object.",
        "Give each column one value.",
    ),
    row(
        "INEXACT",
        Some("OutputDataConversionError.TypeConversionError"),
        "The type in the record cannot hold the value exactly, such as a date with a time of day, \
         or more digits than the type has.",
        "Round or cast the column in the query, or write it as a type that holds it.",
    ),
    row(
        "INVALID_JSON",
        Some("OutputDataConversionError.TypeConversionError"),
        "A line of JSON lines, or a text of a column of JSON (`arrow.json`), is no JSON, nests too \
         deeply or holds half a surrogate pair.",
        "Mend whatever makes the text.",
    ),
    row(
        "INVALID_UUID",
        Some("OutputDataConversionError.TypeConversionError"),
        "The Avro schema asks for a UUID, and the text is none.",
        "Write it as `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, or let the schema take a string.",
    ),
    row(
        "NON_FINITE",
        Some("OutputDataConversionError.TypeConversionError"),
        "The value is NaN or infinite, for which the format has no number, and `nonFinite` is \
         `Error`.",
        "Leave such values out in the query, or set `nonFinite` to `Null` or `String`.",
    ),
    row(
        "NULL_IN_REQUIRED",
        Some("OutputDataConversionError.RequiredColumnMissing"),
        "A null, or no value at all, for a column that takes none.",
        "Let the schema of the batch take nulls in this column, or give the value.",
    ),
    row(
        "NULL_MAP_KEY",
        Some("OutputDataConversionError.TypeConversionError"),
        "A key of a map is null, which no format can write.",
        "Leave such entries out in the query.",
    ),
    row(
        "NULL_VALUE",
        Some("OutputDataConversionError.RequiredColumnMissing"),
        "The given Avro schema takes no null here.",
        "Give the value in the query, or let the schema take a union with `null`.",
    ),
    row(
        "OUT_OF_RANGE",
        Some("OutputDataConversionError.TypeConversionError"),
        "The type of the column or of the record cannot hold the value: a number beyond its \
         bounds, a year beyond 0000 to 9999, a time that is not within a day.",
        "Cast the column to a wider type, or leave such rows out in the query.",
    ),
    row(
        "ROW_REFUSED",
        None,
        "The broker refuses the record for what it holds: a compacted topic wants keys, timestamps \
         have bounds, a policy of the broker forbids it.",
        "Change the settings of the topic; a dead letter holds the row until then.",
    ),
    row(
        "ROW_TOO_LARGE",
        Some("OutputDataConversionError.RecordExceededSizeLimit"),
        "The record is larger than the topic takes; of rows that share a record, alone as well.",
        "Raise `max.message.bytes` of the topic, or make the row smaller in the query.",
    ),
    row(
        "ROW_WIDTH",
        Some("OutputDataConversionError.RequiredColumnMissing"),
        "The row has more or fewer values than there are columns.",
        "Give a value, or a null, for each column of the declared schema.",
    ),
    row(
        "TYPE_MISMATCH",
        Some("OutputDataConversionError.TypeConversionError"),
        "The value is of a kind that the column does not take, such as text for a number.",
        "Send the kind that the declared schema names, or declare the one that is sent.",
    ),
    row(
        "UNKNOWN_COLUMN",
        Some("OutputDataConversionError.ColumnNameInvalid"),
        "In JSON lines: a key is the name of no column.",
        "Leave it out, or declare the column.",
    ),
    row(
        "UNKNOWN_SYMBOL",
        Some("OutputDataConversionError.TypeConversionError"),
        "The given Avro schema has an `enum` here, and the text is none of its symbols.",
        "Add the symbol to the schema, or correct the value in the query.",
    ),
];
