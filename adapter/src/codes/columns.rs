//! Why a format cannot write columns, in the words of the crate `serializers`.
use super::{Entry, Place, Retry, RowsWritten};

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "AVRO_SCHEMA_INVALID",
        &[Place::JobFile, Place::Library],
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "An Avro schema, of a job file that of `schemaFile`, is not valid.",
        "Correct the schema at the place that the message names.",
    ),
    Entry::new(
        "AVRO_SCHEMA_MISMATCH",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "The columns do not fit the given Avro schema; all differences are named.",
        "Change the columns in the query, or the schema in `schemaFile`.",
    ),
    Entry::new(
        "BATCH_TOO_LARGE",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "The records that the rows become are larger than the encoder may make at once.",
        "Split the batch.",
    ),
    Entry::new(
        "MAP_KEY_UNSUPPORTED",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "The keys of a map are of a type that the format has no keys of.",
        "Cast the keys to text in the query, or write the map as a list of structs.",
    ),
    Entry::new(
        "NAME_DUPLICATE",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "Two columns, or two fields of a struct, would have the same name in the record.",
        "Give one of them another name in the query.",
    ),
    Entry::new(
        "NO_COLUMNS",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "The rows have no columns, and a line of CSV needs at least one.",
        "Select a column, or write another format.",
    ),
    Entry::new(
        "SCHEMA_MISMATCH",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "A batch has other columns than its encoder was made for; the service tells this as \
         `BAD_CARRIER`.",
        "Make an encoder for the columns of the batch.",
    ),
    Entry::new(
        "TOO_DEEP",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "A column is nested more deeply than any format writes.",
        "Flatten the column in the query.",
    ),
    Entry::new(
        "TYPE_UNSUPPORTED",
        &[Place::Library],
        RowsWritten::No,
        Retry::Never,
        "A column has an Arrow type that the format cannot write.",
        "Cast the column in the query; docs/formats lists the types of each format.",
    ),
];
