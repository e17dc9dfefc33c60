//! Texts that are not YAML, or not the plain YAML of a job file.

use serde_saphyr::Error;

use super::{
    collect::Collector,
    tree::{ALIASES_MAX, DEPTH_MAX, Mark, NODES_MAX},
};

const SYNTAX: &str = "YAML_SYNTAX";

/// Reports why a text could not be read. The parser's own words are used only where they are
/// fixed sentences, since others may repeat what the file says.
pub(super) fn report(error: &Error, faults: &mut Collector) {
    let top = Mark { line: 1, column: 1, ..Mark::default() };
    let mark = error.location().map_or(top, Mark::from);
    let (code, message, help) = explain(error);
    faults.add(code, Mark { len: 0, ..mark }, "", message, help);
}

fn explain(error: &Error) -> (&'static str, String, String) {
    let plain = |message: &str, help: &str| (SYNTAX, message.to_owned(), help.to_owned());
    match error {
        Error::ExternalMessage { msg, .. } => {
            let (message, help) = explain_parser(msg);
            (SYNTAX, message, help.to_owned())
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            "YAML_TOO_COMPLEX",
            format!(
                "the file unfolds into more than {NODES_MAX} values, {ALIASES_MAX} aliases or \
                 {DEPTH_MAX} levels"
            ),
            "say under `defaults` what outputs have in common, instead of using aliases".to_owned(),
        ),
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => explain(error),
        Error::UnknownAnchor { .. } => plain(
            "the alias names an anchor that is not above it",
            "put quotes around a text that begins with `*`",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            plain("the alias stands inside its own anchor", "take the alias out")
        }
        Error::MultipleDocuments { .. } => plain(
            "a second YAML document begins here",
            "a job file is one document: take out the line `---`, or split the file",
        ),
        Error::UnsupportedTag { .. } => plain(
            "the value has a YAML tag, which job files do not use",
            "take out the word that begins with `!`, or put quotes around the value",
        ),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            plain("`<<` is not followed by a map", "name an anchor of a map, such as `<<: *common`")
        }
        Error::NullIntoString { .. } | Error::Unexpected { .. } => plain(
            "a key is not plain text",
            "write keys as words; text with `{` or `[` at its beginning needs quotes",
        ),
        _ => plain("this is not the YAML of a job file", GENERAL_HELP),
    }
}

const GENERAL_HELP: &str = "check indentation, quotes and brackets here and just above";

/// Says in our words what the parser says in its own; its messages are fixed sentences.
fn explain_parser(parser: &str) -> (String, &'static str) {
    const KNOWN: [(&str, &str, &str); 11] = [
        (
            "mapping values are not allowed",
            "a `:` stands where no key can begin",
            "check the indentation of this line and the one above; a text with `: ` in it needs \
             quotes",
        ),
        (
            "simple key expected ':'",
            "this line is neither a key with a `:` nor part of the value above",
            "write `key: value`; check the indentation",
        ),
        (
            "unknown escape character",
            "a text in double quotes holds a `\\` that YAML does not know",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        (
            "trailing content",
            "something follows the end of a text in quotes",
            "put all of the text inside the quotes",
        ),
        ("quoted scalar", "a text in quotes does not end", "close the quotes"),
        (
            "unexpected character",
            "a value begins with a character that YAML keeps for itself",
            "put quotes around the value",
        ),
        ("illegal placement of ':'", "a `:` stands where none can be", "close the bracket above"),
        (
            "'-' indicator",
            "this line is neither an item of the list above nor a key that goes on",
            "indent it like the keys of the item above, or begin it with `- `",
        ),
        ("tab", "a tab stands where YAML wants spaces", "indent with spaces, here and below"),
        (
            "bracket",
            "a bracket is not closed, or closes nothing",
            "check that each `[` and `{` has its `]` and `}`",
        ),
        (
            "flow",
            "a list or map in brackets does not end as it should",
            "check that `[` and `{` are closed, and that commas stand between items",
        ),
    ];
    match KNOWN.iter().find(|(words, ..)| parser.contains(words)) {
        Some((_, message, help)) => ((*message).to_owned(), help),
        None => (format!("this is not YAML: {parser}"), GENERAL_HELP),
    }
}
