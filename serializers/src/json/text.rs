//! Strings: quoted, and escaped where RFC 8259 demands it.

use crate::output::{Output, TooLarge};

/// `byte` in every byte of a word.
const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Whether one of the eight bytes must be escaped: a control character, `"` or `\`.
///
/// A byte's high bit survives `(word - n) & !word` if the byte is below `n` (or a byte under it
/// is and borrowed, which does not change whether there is one); `^` turns equal into zero.
#[inline(always)]
fn must_escape(word: u64) -> bool {
    let quote = word ^ every(b'"');
    let backslash = word ^ every(b'\\');
    let below = word.wrapping_sub(every(0x20)) & !word;
    let equal =
        quote.wrapping_sub(every(1)) & !quote | backslash.wrapping_sub(every(1)) & !backslash;
    (below | equal) & every(0x80) != 0
}

#[inline(always)]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// Writes the `len` bytes of `data` from `start` on as a string, if they are fewer than eight and
/// need no escape; returns its length, or 0.
///
/// Most strings of a table are like that. They are read as one word from the column's data,
/// whatever may stand behind them, and written as one, with the closing quote set in.
#[inline(always)]
pub(super) fn write_short(room: &mut [u8; 9], data: &[u8], start: usize, len: usize) -> usize {
    if len < 8
        && let Some(bytes) = data.get(start..).and_then(<[u8]>::first_chunk)
    {
        let behind = u64::MAX << (8 * len);
        let text = word(bytes) & !behind;
        if !must_escape(text | every(b' ') & behind) {
            room[0] = b'"';
            room[1..].copy_from_slice(&(text | every(b'"') & behind).to_le_bytes());
            return len + 2;
        }
    }
    0
}

/// Writes `text`, which is UTF-8, as a string.
pub(super) fn write(out: &mut Output, mut text: &[u8]) -> Result<(), TooLarge> {
    out.push(b'"');
    loop {
        let clean = clean_len(text);
        out.check(clean)?;
        out.extend(&text[..clean]);
        let Some(&byte) = text.get(clean) else { break };
        escape(out, byte);
        text = &text[clean + 1..];
    }
    out.push(b'"');
    Ok(())
}

/// How many bytes there are before the first that must be escaped.
fn clean_len(text: &[u8]) -> usize {
    let mut at = 0;
    // Four words at a time, which compilers turn into vectors.
    while let Some(block) = text[at..].first_chunk::<32>() {
        let (words, _) = block.as_chunks::<8>();
        if words.iter().fold(false, |found, bytes| found | must_escape(word(bytes))) {
            break;
        }
        at += 32;
    }
    while let Some(bytes) = text[at..].first_chunk() {
        if must_escape(word(bytes)) {
            break;
        }
        at += 8;
    }
    let rest = &text[at..];
    // A rest shorter than a word is part of the last word, whose beginning is known to be clean.
    if rest.len() < 8 && text.last_chunk().is_some_and(|bytes| !must_escape(word(bytes))) {
        return text.len();
    }
    let clean = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    at + clean.unwrap_or(rest.len())
}

fn escape(out: &mut Output, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return out.put(&[b'\\', b'u', b'0', b'0', high, low], 6);
        }
    };
    out.put(&[b'\\', short], 2);
}
