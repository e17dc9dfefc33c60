//! Faults of a job file.
use super::{Entry, Place, Retry, RowsWritten};

/// Nothing of the job has started.
const fn fault(code: &'static str, cause: &'static str, remedy: &'static str) -> Entry {
    let (rows_written, retry) = (RowsWritten::NotApplicable, Retry::AfterChange);
    Entry::new(code, &[Place::JobFile], rows_written, retry, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    fault(
        "CLEAR_TEXT_NOT_ALLOWED",
        "A secret in clear text (`clearTextForTests`) stands in a job that reaches beyond this \
         machine.",
        "Put it into a vault, a file or a variable, and write `{ secret: NAME }`, `{ file: PATH }` \
         or `{ env: NAME }`.",
    ),
    fault(
        "CONFLICT",
        "Two keys contradict each other, or one has no effect because of another.",
        "Keep the one that is meant; the fault names both, and what would be right.",
    ),
    fault(
        "DUPLICATE_ALIAS",
        "Two outputs have the same alias.",
        "Give each output an alias of its own.",
    ),
    fault("DUPLICATE_KEY", "A key is given twice in one place.", "Take one of the two out."),
    fault("DUPLICATE_VALUE", "A list says the same twice.", "Take one of the two out."),
    fault(
        "FILE_EMPTY",
        "The job file is empty.",
        "Begin with `name:` and `outputs:`, or copy `examples/job.yaml`.",
    ),
    fault(
        "FILE_NOT_UTF8",
        "The job file is not UTF-8 text, from the named line on.",
        "Save the file as UTF-8.",
    ),
    fault(
        "FILE_TOO_LARGE",
        "The job file is larger than 1 MiB.",
        "Say under `defaults` what outputs have in common, or split the job into several.",
    ),
    fault(
        "FILE_UNREADABLE",
        "The job file cannot be read.",
        "Check the path, and whether this user may read the file.",
    ),
    fault(
        "INVALID_VALUE",
        "A value is of the right type and still none that the key can have, such as an address \
         without a port.",
        "Write what the fault says would be right.",
    ),
    fault(
        "MISSING_KEY",
        "A key is missing that this place, or another key, needs.",
        "Add it; the fault gives an example.",
    ),
    fault(
        "NOT_SERVED_YET",
        "A key or value is known, and this version of the service has nothing behind it.",
        "Take it out: what has no effect is refused rather than ignored.",
    ),
    fault(
        "OUT_OF_RANGE",
        "A number, size, time or count of items is beyond what the key may have.",
        "Write one within the range that the fault names.",
    ),
    fault(
        "PLAINTEXT_NOT_ALLOWED",
        "The gRPC listener can be reached by other machines, without encryption.",
        "Add `tls`, or listen on 127.0.0.1 or [::1]; on a closed network, without tokens, \
         `allowPlaintext: true` permits it.",
    ),
    fault(
        "SCHEMA_FILE_NOT_UTF8",
        "The file that `schemaFile` names is not UTF-8 text.",
        "Name the file of an Avro schema (`.avsc`), saved as UTF-8.",
    ),
    fault(
        "SCHEMA_FILE_TOO_LARGE",
        "The file that `schemaFile` names is larger than 1 MiB.",
        "Name the file of an Avro schema (`.avsc`).",
    ),
    fault(
        "SCHEMA_FILE_UNREADABLE",
        "The file that `schemaFile` names cannot be read.",
        "Check the path, which begins at the folder of the job file, and whether this user may \
         read the file.",
    ),
    fault(
        "SECRET_IN_CLEAR",
        "A secret stands in the job file itself.",
        "Put it into a vault, a file or a variable, and write `{ secret: NAME }`, `{ file: PATH }` \
         or `{ env: NAME }`. Replace the secret if others have seen the file.",
    ),
    fault(
        "SETTING_NOT_ALLOWED",
        "A setting of librdkafka may not be given under `librdkafka`, since the service needs it \
         or has a key of its own for it.",
        "Use the key that the fault names, or take the setting out.",
    ),
    fault(
        "UNKNOWN_KEY",
        "A key is none that this place has.",
        "Correct its spelling; the fault names what is near, or all keys of this place.",
    ),
    fault(
        "UNKNOWN_VALUE",
        "A value is none of those that the key can have.",
        "Write one of those that the fault lists.",
    ),
    fault(
        "WRONG_TYPE",
        "A value is of another type than the key has, such as text for a number.",
        "Write it as the fault shows.",
    ),
    fault(
        "YAML_SYNTAX",
        "The file is no YAML, from the named place on.",
        "Correct the place: indentation, quotes and colons are the usual faults.",
    ),
    fault(
        "YAML_TOO_COMPLEX",
        "The file unfolds into more values, aliases or levels than a job can need.",
        "Write it without nested aliases, or split the job into several.",
    ),
];
