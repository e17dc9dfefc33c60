//! What stands around the rows of a record.

use snap::raw::max_compress_len;

use super::{default::append_text, options::AvroCodec, schema::rabin, varint};
use crate::{output::Output, rows::Frame};

/// The same bytes before every row.
pub(super) struct Prefix<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Frame for Prefix<N> {
    #[inline]
    fn open(&mut self, out: &mut Output) {
        out.put(&self.0, N);
    }

    fn separate(&mut self, _: &mut Output) {
        unreachable!("packing is asserted to be of one row");
    }
}

/// The bytes that separate the blocks of a container, and end each.
const SYNC_BYTES: usize = 16;

/// The beginning of every container of a schema: all before its block.
#[derive(Debug)]
pub(super) struct Header {
    bytes: Vec<u8>,
}

impl Header {
    pub(super) fn new(schema: &str, codec: AvroCodec) -> Self {
        let mut bytes = b"Obj\x01".to_vec();
        varint::append(&mut bytes, 2);
        for (key, value) in [("avro.schema", schema), ("avro.codec", codec.name())] {
            append_text(&mut bytes, key.as_bytes());
            append_text(&mut bytes, value.as_bytes());
        }
        bytes.push(0);
        // Derived from all that is before it, so that equal rows are equal records. Backwards the
        // fingerprint says something else, so that these are 128 bits.
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        let sync = [rabin(&bytes), rabin(&backwards)];
        bytes.extend(sync.iter().flat_map(|half| half.to_le_bytes()));
        Self { bytes }
    }

    fn sync(&self) -> &[u8; SYNC_BYTES] {
        self.bytes.last_chunk().expect("a header ends with the sync marker")
    }
}

/// An object container file with one block.
pub(super) struct Container<'a> {
    header: &'a Header,
    compressor: Compressor,
    /// Where the block begins in the record under way.
    block: usize,
    /// The compressed block.
    compressed: Vec<u8>,
}

impl<'a> Container<'a> {
    pub(super) fn new(header: &'a Header, codec: AvroCodec) -> Self {
        Self { header, compressor: Compressor::new(codec), block: 0, compressed: Vec::new() }
    }
}

impl Frame for Container<'_> {
    fn end_bytes(&self) -> usize {
        2 * varint::BYTES_MAX + SYNC_BYTES
    }

    fn grown_bytes(&self, record_bytes_max: usize) -> usize {
        self.compressor.added_bytes(record_bytes_max)
    }

    #[inline]
    fn open(&mut self, out: &mut Output) {
        out.extend(&self.header.bytes);
        self.block = out.position();
    }

    #[inline]
    fn separate(&mut self, _: &mut Output) {}

    fn close(&mut self, out: &mut Output, rows: u32) {
        let plain = matches!(self.compressor, Compressor::Null);
        if !plain {
            self.compressor.compress(out.written(self.block), &mut self.compressed);
            let written = out.take_back(self.block);
            out.save(written.saturating_sub(self.compressed.len()));
        }
        let block = if plain { out.written(self.block) } else { &self.compressed };
        let mut sizes = [0; 2 * varint::BYTES_MAX];
        let room = sizes.first_chunk_mut().expect("there is room for two");
        let len = varint::write(room, rows.into());
        let room = sizes[len..].first_chunk_mut().expect("there is room for two");
        let len = len + varint::write(room, block.len() as i64);
        out.insert(self.block, &sizes[..len]);
        if !plain {
            out.extend(&self.compressed);
        }
        out.put(self.header.sync(), SYNC_BYTES);
    }
}

/// Compresses block after block with the memory of the first.
enum Compressor {
    Null,
    Deflate(flate2::Compress),
    Snappy(Box<snap::raw::Encoder>),
    Zstandard(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    fn new(codec: AvroCodec) -> Self {
        match codec {
            AvroCodec::Null => Self::Null,
            AvroCodec::Deflate => {
                Self::Deflate(flate2::Compress::new(flate2::Compression::new(6), false))
            }
            AvroCodec::Snappy => Self::Snappy(Box::new(snap::raw::Encoder::new())),
            AvroCodec::Zstandard => Self::Zstandard(
                zstd::bulk::Compressor::new(3).expect("level 3 exists and memory is at hand"),
            ),
        }
    }

    /// How many bytes a block of `len` may become longer at most.
    fn added_bytes(&self, len: usize) -> usize {
        match self {
            Self::Null => 0,
            // zlib's own bound is less: 5 bytes for every stored block of 16 KB and some more.
            Self::Deflate(_) => len / 256 + 64,
            Self::Snappy(_) => max_compress_len(len).saturating_sub(len) + 4,
            Self::Zstandard(_) => zstd::zstd_safe::compress_bound(len) - len,
        }
    }

    /// Compresses `block` into `to`, which is cleared.
    fn compress(&mut self, block: &[u8], to: &mut Vec<u8>) {
        to.clear();
        let room = block.len() + self.added_bytes(block.len());
        match self {
            Self::Null => to.extend(block),
            Self::Deflate(deflate) => {
                deflate.reset();
                to.reserve(room);
                let status = deflate.compress_vec(block, to, flate2::FlushCompress::Finish);
                assert!(
                    matches!(status, Ok(flate2::Status::StreamEnd)),
                    "the room is larger than any result"
                );
            }
            Self::Snappy(snappy) => {
                to.resize(room, 0);
                let len = snappy.compress(block, to).expect("a block is smaller than 4 GB");
                to.truncate(len);
                to.extend(crc32fast::hash(block).to_be_bytes());
            }
            Self::Zstandard(zstd) => {
                to.reserve(room);
                zstd.compress_to_buffer(block, to).expect("the room is larger than any result");
            }
        }
    }
}
