//! What a sending is called, and the resume point that the service keeps for it.
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::files::{FileError, Files, TextOptions};

const READ_BYTES: usize = 1024 * 1024;

/// The rows of a sending, known by their content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 128 bits in hex.
    pub content: String,
}

/// Where a sending goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// After so many rows.
    After(u64),
    /// The position is not one of these rows.
    Foreign,
}

impl Identity {
    /// Reads all files: their bytes in order, and the options that change what rows they give.
    /// Their names do not count, so a file may move.
    pub fn of(files: &Files, options: &TextOptions) -> Result<Self, FileError> {
        let mut hasher = Xxh3::new();
        hasher.update(format!("{:?}", files.formats()).as_bytes());
        hasher.update(format!("{options:?}").as_bytes());
        for path in files.paths() {
            hash_file(path, &mut hasher)
                .map_err(|error| FileError::new(path, format!("cannot be read: {error}")))?;
        }
        Ok(Self { content: format!("{:032x}", hasher.digest128()) })
    }

    /// The default writer id.
    pub fn writer_id(&self) -> String {
        format!("send-{}", self.content)
    }

    /// The resume point after so many rows. It is text, for a person who asks the service.
    pub fn position(&self, rows: u64) -> Bytes {
        format!("rows={rows} content={}", self.content).into()
    }

    /// How many rows a position counts.
    pub fn rows_of(&self, position: &[u8]) -> Resume {
        let text = std::str::from_utf8(position).ok();
        let rows = text.and_then(|text| {
            let (rows, content) = text.strip_prefix("rows=")?.split_once(" content=")?;
            (content == self.content).then_some(rows)?.parse().ok()
        });
        rows.map_or(Resume::Foreign, Resume::After)
    }
}

/// The length, too: else rows could move from the end of one file to the start of the next.
fn hash_file(path: &Path, hasher: &mut Xxh3) -> io::Result<()> {
    let mut file = File::open(path)?;
    hasher.update(&file.metadata()?.len().to_le_bytes());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_and_a_foreign_one_does_not() {
        let identity = Identity { content: "ab".repeat(16) };
        assert_eq!(identity.rows_of(&identity.position(120_000)), Resume::After(120_000));
        let other = Identity { content: "cd".repeat(16) };
        assert_eq!(other.rows_of(&identity.position(120_000)), Resume::Foreign);
        for wrong in [&b""[..], b"rows=x content=", b"\xFF", b"120000"] {
            assert_eq!(identity.rows_of(wrong), Resume::Foreign);
        }
    }
}
