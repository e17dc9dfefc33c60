//! Looking for bytes in text, eight at a time.
//!
//! A question about a word is answered with flags: the high bits of the bytes that were asked
//! for. Carries can set flags above the lowest one, which itself is always right: enough to say
//! whether there is such a byte, and which is the first.

/// `byte` in every byte of a word.
pub(crate) const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[inline(always)]
pub(crate) fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// Flags the bytes that are `byte`; `^` turns them into zero, from which 1 borrows the high bit.
#[inline(always)]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ every(byte);
    zero.wrapping_sub(every(1)) & !zero & every(0x80)
}

/// Flags the bytes below `bound`, which is 128 at most.
#[inline(always)]
pub(crate) fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(every(bound)) & !word & every(0x80)
}

/// How many bytes of `text` stand before the first that `flags` flags; all of them if there is
/// none.
#[inline(always)]
pub(crate) fn clean_len(text: &[u8], flags: impl Fn(u64) -> u64) -> usize {
    let mut at = 0;
    // Four words at a time, which compilers turn into vectors.
    while let Some(block) = text[at..].first_chunk::<32>() {
        let (words, _) = block.as_chunks::<8>();
        if words.iter().fold(0, |found, bytes| found | flags(word(bytes))) != 0 {
            break;
        }
        at += 32;
    }
    while let Some(bytes) = text[at..].first_chunk() {
        let found = flags(word(bytes));
        if found != 0 {
            return at + first(found);
        }
        at += 8;
    }
    let rest = &text[at..];
    // A rest shorter than a word is part of the last word, whose beginning is known to be clean.
    match text.last_chunk() {
        Some(_) if rest.is_empty() => text.len(),
        Some(bytes) => text.len() - 8 + first(flags(word(bytes))),
        None => {
            let found = rest.iter().position(|&byte| flags(every(byte)) != 0);
            found.unwrap_or(rest.len())
        }
    }
}

/// The first byte that is flagged, or 8.
#[inline(always)]
fn first(flags: u64) -> usize {
    flags.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_found_wherever_it_stands() {
        let flags = |word| equal(word, b',') | below(word, b' ');
        for len in 0..100 {
            for at in 0..=len {
                // Neighbours of what is looked for: 0xac is a comma with a high bit.
                let mut text: Vec<u8> = (0..len).map(|n| [b'+', b'-', 0xac, b' '][n % 4]).collect();
                assert_eq!(clean_len(&text, flags), len);
                for byte in [b',', 0, 0x1f] {
                    text[at..].fill(byte);
                    assert_eq!(clean_len(&text, flags), at, "{text:?}");
                }
            }
        }
    }
}
