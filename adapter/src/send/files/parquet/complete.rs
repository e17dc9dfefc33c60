//! A file that ends with an error for who reads on.
//!
//! Nothing of a good one asks for more than there is, but the crate's reader skips billions of
//! fields of a broken one at its end, each of them empty there.
use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use bytes::Bytes;
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

/// The file.
pub struct Complete(pub File);

/// What is read of it from some place on.
pub struct Part(BufReader<File>);

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Length for Complete {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Complete {
    type T = Part;

    fn get_read(&self, start: u64) -> Result<Part, ParquetError> {
        self.0.get_read(start).map(Part)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.get_bytes(start, length)
    }
}
