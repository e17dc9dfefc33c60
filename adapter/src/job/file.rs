//! Reading a file that is text and not too large.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Why a file cannot be read.
pub(super) enum FileFault {
    Unreadable(io::Error),
    TooLarge,
    /// Not text from this line on.
    NotUtf8 {
        line: usize,
    },
}

/// Reads a file of at most so many bytes.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<String, FileFault> {
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that an endless device ends, too.
    File::open(path)
        .and_then(|opened| opened.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(FileFault::Unreadable)?;
    if bytes.len() > bytes_max {
        return Err(FileFault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        FileFault::NotUtf8 { line: 1 + valid.iter().filter(|byte| **byte == b'\n').count() }
    })
}

/// The same of a regular file alone: to open a pipe waits for whoever writes to it, perhaps for
/// ever, and to open a device may do something.
pub(super) fn read_regular(path: &Path, bytes_max: usize) -> Result<String, FileFault> {
    let metadata = fs::metadata(path).map_err(FileFault::Unreadable)?;
    if !metadata.is_file() {
        let error = io::Error::other("it is not a regular file");
        return Err(FileFault::Unreadable(error));
    }
    read(path, bytes_max)
}
