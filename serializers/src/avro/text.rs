//! The text of a schema, before it is known to be one.

use serde::Deserialize;
use serde_json::Value;

/// How deep brackets and braces are nested, outside of strings.
pub(super) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (c, in_string) in scan(json) {
        match c {
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Reads JSON without the reader's own limit, of which 32 nested records are too deep.
pub(super) fn read(json: &str) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.disable_recursion_limit();
    let value = Value::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// `json` without the white space between its tokens. Every container brings its schema.
pub(super) fn minify(json: &str) -> String {
    let is_space = |c| matches!(c, ' ' | '\t' | '\n' | '\r');
    let kept = scan(json).filter(|&(c, in_string)| in_string || !is_space(c));
    kept.map(|(c, _)| c).collect()
}

/// The characters of `json`, and whether each is within a string.
fn scan(json: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    json.chars().map(move |c| {
        let inside = in_string;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
        (c, inside)
    })
}
