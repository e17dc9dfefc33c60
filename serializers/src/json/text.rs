//! Strings: quoted, and escaped where RFC 8259 demands it.

use crate::{
    output::{Output, TooLarge},
    words::{below, clean_len, equal, every, word},
};

/// Flags the bytes that must be escaped: control characters, `"` and `\`.
#[inline(always)]
fn must_escape(word: u64) -> u64 {
    below(word, 0x20) | equal(word, b'"') | equal(word, b'\\')
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
        if must_escape(text | every(b' ') & behind) == 0 {
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
        let clean = clean_len(text, must_escape);
        out.check(clean)?;
        out.extend(&text[..clean]);
        let Some(&byte) = text.get(clean) else { break };
        escape(out, byte);
        text = &text[clean + 1..];
    }
    out.push(b'"');
    Ok(())
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
