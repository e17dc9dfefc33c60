//! Text that is JSON already: checked, and put on one line.

use serde_json::value::RawValue;

use crate::{output::Output, records::RowErrorCode, rows::Fault};

/// Writes `json` as it is, without the white space between its tokens.
pub(super) fn write(out: &mut Output, json: &str) -> Result<(), Box<Fault>> {
    if let Err(error) = serde_json::from_str::<&RawValue>(json) {
        out.waste(json.len());
        // Position and kind of the fault; serde_json does not repeat the text.
        let reason = format!("the text is not JSON: {error}");
        return Err(Fault::new(RowErrorCode::InvalidJson, reason));
    }
    let before = out.position();
    let result = compact(out, json.as_bytes());
    out.waste(json.len().saturating_sub(out.position() - before));
    result
}

/// Copies all but the white space between tokens. Valid JSON needs none of it, and has no line
/// break within a string.
fn compact(out: &mut Output, json: &[u8]) -> Result<(), Box<Fault>> {
    let mut rest = json;
    while !rest.is_empty() {
        let len = if rest[0] == b'"' {
            string_len(rest)
        } else {
            let end = rest.iter().position(|&byte| is_space(byte) || byte == b'"');
            end.unwrap_or(rest.len())
        };
        out.check(len)?;
        out.extend(&rest[..len]);
        rest = &rest[len..];
        let spaces = rest.iter().position(|&byte| !is_space(byte)).unwrap_or(rest.len());
        rest = &rest[spaces..];
    }
    Ok(())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The length of the string, with its quotes, that `json` begins with.
fn string_len(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}
