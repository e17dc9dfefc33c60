//! Values of records as a person reads them: text as it is, all others as a dump.
use std::{fmt::Write as _, io};

use indicatif::HumanCount;

/// Bytes of a line of a dump.
const LINE_BYTES: usize = 16;

/// Bytes that a record has in common with the first one, from which on they are not repeated.
const REPEATED_BYTES_MIN: usize = 8 * LINE_BYTES;

/// Bytes of a record that are shown where long ones are cut: a schema of many columns, some rows.
const SHOWN_BYTES_MAX: usize = 256 * LINE_BYTES;

/// Prints values, one after the other.
pub struct Values {
    /// Whether long ones are cut.
    pub cuts: bool,
    /// Whether they are text.
    pub is_text: bool,
    /// The first one that was dumped, since later ones begin alike.
    first: Option<Vec<u8>>,
}

impl Values {
    /// None yet.
    pub fn new(is_text: bool) -> Self {
        Self { cuts: true, is_text, first: None }
    }

    /// Prints the next; returns how many of its bytes are left out.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn show(&mut self, out: &mut impl io::Write, value: &[u8]) -> io::Result<usize> {
        if self.is_text {
            let end = if self.cuts { text_end(value) } else { value.len() };
            let (shown, rest) = value.split_at(end);
            out.write_all(shown)?;
            if !shown.ends_with(b"\n") {
                writeln!(out)?;
            }
            return Ok(rest.len());
        }
        let skip = match &self.first {
            Some(first) => {
                let alike = first.iter().zip(value).take_while(|(one, other)| one == other);
                let skip = alike.count() / LINE_BYTES * LINE_BYTES;
                if skip >= REPEATED_BYTES_MIN { skip } else { 0 }
            }
            None => 0,
        };
        self.first.get_or_insert_with(|| value.to_vec());
        if skip > 0 {
            let skip = HumanCount(skip as u64);
            writeln!(out, "          the first {skip} bytes are those of record 1")?;
        }
        let bytes_max = if self.cuts { SHOWN_BYTES_MAX } else { usize::MAX };
        let end = value.len().min(skip.saturating_add(bytes_max));
        dump(out, &value[..end], skip)?;
        Ok(value.len() - end)
    }
}

/// Where a record that is text is cut, if it is long: behind a line, or else behind a character.
fn text_end(value: &[u8]) -> usize {
    if value.len() <= SHOWN_BYTES_MAX {
        return value.len();
    }
    let shown = &value[..SHOWN_BYTES_MAX];
    let line = shown.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    line.unwrap_or_else(|| {
        // A character's further bytes begin with the bits 10.
        let starts = |at: &usize| value[*at] & 0xc0 != 0x80;
        (1..=SHOWN_BYTES_MAX).rev().find(starts).unwrap_or(SHOWN_BYTES_MAX)
    })
}

/// Prints bytes from `from` on as `hexdump -C` does: where, in hexadecimal, as text.
fn dump(out: &mut impl io::Write, bytes: &[u8], from: usize) -> io::Result<()> {
    for (line, chunk) in (from..).step_by(LINE_BYTES).zip(bytes[from..].chunks(LINE_BYTES)) {
        let mut hex = String::with_capacity(3 * LINE_BYTES + 1);
        for (at, byte) in chunk.iter().enumerate() {
            let gap = if at == LINE_BYTES / 2 { "  " } else { " " };
            write!(hex, "{gap}{byte:02x}").expect("a string takes everything");
        }
        let text: String = chunk
            .iter()
            .map(|byte| if (b' '..=b'~').contains(byte) { *byte as char } else { '.' })
            .collect();
        writeln!(out, "{line:08x} {hex:<49}  |{text}|")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_tells_where_what_and_as_text() {
        let mut dumped = Vec::new();
        dump(&mut dumped, b"before this, it\0\x7fis skipped\xc3\n", 16).unwrap();
        let expected = "\
00000010  7f 69 73 20 73 6b 69 70  70 65 64 c3 0a           |.is skipped..|\n";
        assert_eq!(String::from_utf8(dumped).unwrap(), expected);
    }
}
