//! Whatever a broker answers, reading it ends with an answer or with none.

use bytes::BufMut as _;
use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::shape::Field, *};

/// The number of the request.
const NUMBER: i32 = 7;

/// Writes an answer of a shape, with something in each of its lists and texts.
struct Writer {
    bytes: BytesMut,
    version: i16,
    is_flexible: bool,
}

impl Writer {
    /// An answer as it comes: with its header, in a version.
    fn answer<A: Shaped + HeaderVersion>(version: i16) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        bytes.put_i32(NUMBER);
        let mut writer = Self { bytes, version, is_flexible: version >= A::FLEXIBLE };
        if A::header_version(version) > 0 {
            writer.tags();
        }
        writer.structure(A::FIELDS);
        writer.bytes.to_vec()
    }

    fn structure(&mut self, fields: &[Field]) {
        fields.iter().for_each(|field| self.field(field));
        if self.is_flexible {
            self.tags();
        }
    }

    fn field(&mut self, field: &Field) {
        match *field {
            Field::Bytes(count) => self.bytes.put_bytes(1, count),
            Field::Text => {
                let text = b"a text of more than 127 bytes".repeat(5);
                self.length(2, text.len());
                self.bytes.put_slice(&text);
            }
            Field::Each(field) => {
                self.length(4, 3);
                (0..3).for_each(|_| self.field(field));
            }
            Field::List(fields) => {
                self.length(4, 2);
                (0..2).for_each(|_| self.structure(fields));
            }
            Field::Since(first, field) if self.version >= first => self.field(field),
            Field::Since(..) => {}
        }
    }

    fn length(&mut self, bytes: usize, length: usize) {
        match bytes {
            _ if self.is_flexible => self.varint(length + 1),
            2 => self.bytes.put_i16(length as i16),
            _ => self.bytes.put_i32(length as i32),
        }
    }

    /// Two tags that nobody knows.
    fn tags(&mut self) {
        self.varint(2);
        for tag in [1000, 1001] {
            self.varint(tag);
            self.varint(5);
            self.bytes.put_slice(b"value");
        }
    }

    fn varint(&mut self, value: usize) {
        match value {
            0..0x80 => self.bytes.put_u8(value as u8),
            _ => self.bytes.put_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        }
    }
}

/// The versions of an answer that are asked for.
fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    R::VERSIONS.min..=<R::Answer as Shaped>::NEWEST
}

/// What holds of every message.
fn holds_of<R: Request>() {
    assert!(!versions::<R>().is_empty());
    for version in versions::<R>() {
        let of = |bytes: &[u8]| read::<R>(Bytes::copy_from_slice(bytes), version, NUMBER);
        let whole = Writer::answer::<R::Answer>(version);
        // The crate reads to the end what has this shape, so it is the shape that the crate has.
        assert!(of(&whole).is_some(), "{:?} {version}", R::KEY);
        assert!(read::<R>(whole.clone().into(), version, NUMBER + 1).is_none(), "another's");
        assert!((0..whole.len()).all(|count| of(&whole[..count]).is_none()), "cut");
        let mut runner = TestRunner::new(ProptestConfig { cases: 1000, ..Default::default() });
        let any_bytes = prop::collection::vec(any::<u8>(), 0..60);
        // Runs of large bytes are large lengths, which random ones seldom are.
        let edges = prop::sample::select(vec![0x00, 0x01, 0x7f, 0x80, 0xff]);
        let damage = prop::collection::vec((any::<prop::sample::Index>(), edges, 1..5_usize), 1..4);
        let holds = |(random, damage): (Vec<u8>, Vec<(prop::sample::Index, u8, usize)>)| {
            of(&[&NUMBER.to_be_bytes()[..], &random].concat());
            let mut damaged = whole.clone();
            for (place, byte, count) in damage {
                let start = place.index(damaged.len());
                let end = damaged.len().min(start + count);
                damaged[start..end].fill(byte);
            }
            of(&damaged);
            Ok(())
        };
        runner.run(&(any_bytes, damage), holds).unwrap();
    }
}

#[test]
fn whatever_a_broker_answers_is_an_answer_or_none() {
    holds_of::<ApiVersionsRequest>();
    holds_of::<MetadataRequest>();
    holds_of::<FindCoordinatorRequest>();
    holds_of::<ListTransactionsRequest>();
    holds_of::<DescribeTransactionsRequest>();
    holds_of::<DescribeProducersRequest>();
    holds_of::<ListOffsetsRequest>();
    holds_of::<InitProducerIdRequest>();
    holds_of::<WriteTxnMarkersRequest>();
}

/// Room for what these lists say would be hundreds of gigabytes, and end the process.
#[test]
fn a_list_that_says_it_is_longer_than_the_answer_is_not_made_room_for() {
    let number = NUMBER.to_be_bytes();
    let most = i32::MAX.to_be_bytes();
    let ids = [&number[..], &[0], &[0; 6], &[1], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 3]].concat();
    assert_eq!(ids.len(), 20);
    assert!(read::<ListTransactionsRequest>(ids.into(), 0, NUMBER).is_none());
    let brokers = [&number[..], &[0; 4], &most, &[0; 8]].concat();
    assert!(read::<MetadataRequest>(brokers.into(), 8, NUMBER).is_none());
    let apis = [&number[..], &[0; 2], &most, &[0; 10]].concat();
    assert!(read::<ApiVersionsRequest>(apis.into(), 0, NUMBER).is_none());
}
