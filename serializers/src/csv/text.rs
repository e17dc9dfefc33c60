//! Texts as CSV: as they are, or in quotes.

use crate::{
    output::{Output, TooLarge},
    scalar::Strings,
    words::{below, clean_len, equal, every, word},
};

/// The first byte of a byte order mark in UTF-8.
const MARK: &[u8; 3] = b"\xef\xbb\xbf";

/// When to quote a text, and when to guard it.
#[derive(Debug)]
pub(super) struct CsvStrings {
    pub(super) delimiter: u8,
    pub(super) formula_guard: bool,
}

impl Strings for CsvStrings {
    const QUOTED: bool = false;

    fn guards_formulas(&self) -> bool {
        self.formula_guard
    }

    /// As JSON's: most texts are one word, read and written as such. Spaces are left to
    /// [`write`](CsvStrings::write), since it depends on their place whether they need quotes.
    #[inline(always)]
    fn short(&self, room: &mut [u8; 9], data: &[u8], start: usize, len: usize) -> usize {
        if len < 8
            && let Some(bytes) = data.get(start..).and_then(<[u8]>::first_chunk)
        {
            let behind = u64::MAX << (8 * len);
            let text = word(bytes) & !behind;
            let looked_at = text | every(b'0') & behind;
            let special =
                below(looked_at, b'!') | equal(looked_at, b'"') | equal(looked_at, self.delimiter);
            // Also if it is empty: then the first byte is none of these, and the length is 0.
            if special == 0 && !self.first_is_special(text as u8) {
                room[..8].copy_from_slice(&text.to_le_bytes());
                return len;
            }
        }
        0
    }
}

impl CsvStrings {
    /// Whether a text that begins with `byte` may need more than being looked through. The signs
    /// of full width begin as a byte order mark does.
    #[inline(always)]
    fn first_is_special(&self, byte: u8) -> bool {
        byte == MARK[0] || self.formula_guard && begins_formula(byte)
    }

    /// Flags the bytes that RFC 4180 wants in quotes.
    #[inline(always)]
    fn must_quote(&self, word: u64) -> u64 {
        equal(word, self.delimiter) | equal(word, b'"') | equal(word, b'\r') | equal(word, b'\n')
    }

    /// Writes a text of any length.
    pub(super) fn write(&self, out: &mut Output, text: &[u8]) -> Result<(), TooLarge> {
        let clean = clean_len(text, |word| self.must_quote(word));
        let quoted = clean < text.len() || has_edges(text);
        let guarded = self.formula_guard && is_formula(text);
        if quoted {
            out.push(b'"');
        }
        if guarded {
            out.push(b'\'');
        }
        // What is clean is not looked through again.
        out.check(clean)?;
        out.extend(&text[..clean]);
        if quoted {
            write_within_quotes(out, &text[clean..])?;
            out.push(b'"');
        }
        Ok(())
    }
}

/// Whether readers may lose what a text begins or ends with, or the whole text.
fn has_edges(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return true };
    matches!(first, b' ' | b'\t') || matches!(last, b' ' | b'\t') || text.starts_with(MARK)
}

/// Whether a spreadsheet may take `text` for a formula, by what OWASP lists: its page *CSV
/// Injection*, and its Application Security Verification Standard, which adds NUL.
fn is_formula(text: &[u8]) -> bool {
    match text {
        [first, ..] if begins_formula(*first) => true,
        // The signs in full width: U+FF1D, U+FF0B, U+FF0D, U+FF20.
        [0xef, 0xbc, 0x9d | 0x8b | 0x8d | 0xa0, ..] => true,
        _ => false,
    }
}

/// As [`is_formula`], of texts that begin with `byte`, which is ASCII.
#[inline(always)]
fn begins_formula(byte: u8) -> bool {
    matches!(byte, b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | 0)
}

/// Writes what stands between two quotes: every quote twice.
fn write_within_quotes(out: &mut Output, mut text: &[u8]) -> Result<(), TooLarge> {
    loop {
        let clean = clean_len(text, |word| equal(word, b'"'));
        out.check(clean)?;
        out.extend(&text[..clean]);
        if clean == text.len() {
            return Ok(());
        }
        out.put(b"\"\"", 2);
        text = &text[clean + 1..];
    }
}

/// Puts what was written from `start` on between quotes, and doubles the quotes in it.
pub(super) fn quote_written(out: &mut Output, start: usize) -> Result<(), TooLarge> {
    let quotes = out.written(start).iter().filter(|&&byte| byte == b'"').count();
    let more = quotes + 2;
    out.check(more)?;
    let bytes = out.written_and_room(start, more);
    // From the end on, so that nothing is overwritten before it was moved.
    let (mut to, mut from) = (bytes.len() - 1, bytes.len() - more);
    bytes[to] = b'"';
    while from > 0 {
        from -= 1;
        to -= 1;
        bytes[to] = bytes[from];
        if bytes[from] == b'"' {
            to -= 1;
            bytes[to] = b'"';
        }
    }
    bytes[0] = b'"';
    out.advance(more);
    Ok(())
}
