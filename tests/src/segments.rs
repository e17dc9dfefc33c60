//! Batch headers as a broker has stored them: what no consumer shows.
//!
//! Acknowledged records are in the segment files at once, so the files of a running broker may
//! be read; a transaction's marker comes a moment after its commit has returned. Layout of a
//! header: 61 bytes, big-endian, of Kafka's record batch version 2.

use std::{fs, path::Path};

const HEADER_BYTES: usize = 61;

/// How a batch is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// The header of one stored batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// How many records it holds; 1 for a transaction's marker.
    pub records: i32,
    /// Its size in the file.
    pub size_bytes: usize,
    /// How it is compressed.
    pub codec: Codec,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    /// Whether it is a transaction's marker instead of records.
    pub control: bool,
    /// The producer's id; -1 without idempotence.
    pub producer_id: i64,
    /// The producer's epoch; -1 without idempotence.
    pub producer_epoch: i16,
    /// Sequence number of the first record; -1 without idempotence.
    pub base_sequence: i32,
    /// Timestamp of the first record, in milliseconds.
    pub first_timestamp_ms: i64,
    /// The largest timestamp, in milliseconds.
    pub max_timestamp_ms: i64,
}

/// All batches of a partition, oldest first, markers included. `dir` is the partition's own.
///
/// # Panics
/// When the directory cannot be read or holds something else than batches.
pub fn batches(dir: &Path) -> Vec<Batch> {
    let entries =
        fs::read_dir(dir).unwrap_or_else(|e| panic!("cannot read {}: {e}", dir.display()));
    let mut segments: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort(); // names are offsets of equal width
    let read = |path: &_| fs::read(path).expect("a segment that was just listed can be read");
    segments.iter().flat_map(|path| parse(&read(path))).collect()
}

/// The batches of one segment; the last one is left out while it is being written.
fn parse(mut bytes: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    while bytes.len() >= HEADER_BYTES {
        let size_bytes = 12 + usize::try_from(i32_at(bytes, 8)).expect("a length is not negative");
        if bytes.len() < size_bytes {
            break;
        }
        batches.push(header(bytes, size_bytes));
        bytes = &bytes[size_bytes..];
    }
    batches
}

fn header(bytes: &[u8], size_bytes: usize) -> Batch {
    assert_eq!(bytes[16], 2, "a record batch has version 2");
    let attributes = i16_at(bytes, 21);
    Batch {
        base_offset: i64_at(bytes, 0),
        last_offset: i64_at(bytes, 0) + i64::from(i32_at(bytes, 23)),
        first_timestamp_ms: i64_at(bytes, 27),
        max_timestamp_ms: i64_at(bytes, 35),
        producer_id: i64_at(bytes, 43),
        producer_epoch: i16_at(bytes, 51),
        base_sequence: i32_at(bytes, 53),
        records: i32_at(bytes, 57),
        size_bytes,
        codec: codec(attributes & 0x07),
        transactional: attributes & 0x10 != 0,
        control: attributes & 0x20 != 0,
    }
}

fn codec(id: i16) -> Codec {
    match id {
        0 => Codec::None,
        1 => Codec::Gzip,
        2 => Codec::Snappy,
        3 => Codec::Lz4,
        4 => Codec::Zstd,
        other => panic!("Kafka has no codec {other}"),
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(field(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(field(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(field(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(base_offset: i64, records: i32, attributes: i16, body_bytes: usize) -> Vec<u8> {
        let length = i32::try_from(HEADER_BYTES - 12 + body_bytes).unwrap();
        let mut bytes = Vec::new();
        bytes.extend(base_offset.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 2, 0, 0, 0, 0]);
        bytes.extend(attributes.to_be_bytes());
        bytes.extend((records - 1).to_be_bytes());
        bytes.extend(1_000_i64.to_be_bytes());
        bytes.extend(2_000_i64.to_be_bytes());
        bytes.extend(7_i64.to_be_bytes());
        bytes.extend(3_i16.to_be_bytes());
        bytes.extend(40_i32.to_be_bytes());
        bytes.extend(records.to_be_bytes());
        bytes.resize(bytes.len() + body_bytes, 0xff);
        bytes
    }

    #[test]
    fn headers_are_read_one_after_the_other_and_a_torn_one_is_left_out() {
        let mut segment = stored(10, 5, 0x14, 100);
        segment.extend(stored(15, 1, 0x30, 9));
        segment.extend(&stored(16, 2, 0, 50)[..80]);
        let found = parse(&segment);
        assert_eq!(found.len(), 2);
        let expected = Batch {
            base_offset: 10,
            last_offset: 14,
            records: 5,
            size_bytes: 161,
            codec: Codec::Zstd,
            transactional: true,
            control: false,
            producer_id: 7,
            producer_epoch: 3,
            base_sequence: 40,
            first_timestamp_ms: 1_000,
            max_timestamp_ms: 2_000,
        };
        assert_eq!(found[0], expected);
        assert!(found[1].control && found[1].transactional && found[1].codec == Codec::None);
    }
}
