//! Text that is JSON already: checked, and put on one line.
//!
//! A record is read as a whole, so that one value which readers refuse costs all its rows.

use std::str;

use serde_json::value::RawValue;

use crate::{output::Output, records::RowErrorCode, rows::Fault, scalar::Written};

/// How deep arrays and objects may be nested. Readers recurse, and many stop beyond some depth;
/// no more is taken from JSON lines either. The
/// levels of the record around the value come on top.
const DEPTH_MAX: usize = 128;

/// Writes `json` as it is, without the white space between its tokens.
pub(super) fn write(out: &mut Output, json: &str) -> Written {
    if let Err(error) = serde_json::from_str::<&RawValue>(json) {
        out.waste(json.len());
        // Position and kind of the fault; serde_json does not repeat the text.
        return Err(invalid(format!("the text is not JSON: {error}")));
    }
    let before = out.position();
    let result = compact(out, json.as_bytes());
    out.waste(json.len().saturating_sub(out.position() - before));
    result
}

/// Copies all but the white space between tokens. Valid JSON needs none of it, and has no line
/// break within a string.
fn compact(out: &mut Output, json: &[u8]) -> Written {
    let (mut rest, mut depth) = (json, 0);
    while !rest.is_empty() {
        let len = if rest[0] == b'"' {
            string_len(rest)?
        } else {
            let end = rest.iter().position(|&byte| is_space(byte) || byte == b'"');
            let len = end.unwrap_or(rest.len());
            depth = depth_behind(&rest[..len], depth)?;
            len
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

/// How many arrays and objects are open behind `json`, which has no strings, if `depth` are before.
fn depth_behind(json: &[u8], mut depth: usize) -> Result<usize, Box<Fault>> {
    for byte in json {
        match byte {
            b'[' | b'{' if depth == DEPTH_MAX => {
                return Err(invalid(format!("the JSON nests deeper than {DEPTH_MAX} levels")));
            }
            b'[' | b'{' => depth += 1,
            // Brackets of valid JSON match.
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    Ok(depth)
}

/// The length of the string, with its quotes, that `json` begins with.
fn string_len(json: &[u8]) -> Result<usize, Box<Fault>> {
    let mut at = 1;
    while let Some(&byte) = json.get(at) {
        at += match byte {
            b'"' => return Ok(at + 1),
            b'\\' => escape_len(&json[at..])?,
            _ => 1,
        };
    }
    Ok(json.len())
}

/// The length of the escape that `json` begins with; a surrogate pair counts as one.
///
/// The grammar of JSON allows half a pair, but no text holds it.
fn escape_len(json: &[u8]) -> Result<usize, Box<Fault>> {
    match (unit(json), json.get(6..).and_then(unit)) {
        (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => Ok(12),
        (Some(0xd800..0xe000), _) => Err(invalid(
            "a string in the JSON has an escape that is half of a surrogate pair, which stands \
             for no character",
        )),
        (Some(_), _) => Ok(6),
        (None, _) => Ok(2),
    }
}

/// The unit of UTF-16 that `json` begins with, as `\u` and four digits.
fn unit(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cold]
fn invalid(reason: impl Into<String>) -> Box<Fault> {
    Fault::new(RowErrorCode::InvalidJson, reason)
}
