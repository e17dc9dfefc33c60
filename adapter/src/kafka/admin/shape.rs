//! The shapes of answers, by which one is measured before it is decoded.
//!
//! The crate `kafka-protocol` makes room for as many elements as a list says it has, before it reads
//! the first: twenty bytes can ask for hundreds of gigabytes, and a process that asks for them is
//! ended. So an answer is walked first, and only one whose lists are as long as they say is decoded.

use kafka_protocol::messages::{
    ApiVersionsResponse, DescribeProducersResponse, DescribeTransactionsResponse,
    FindCoordinatorResponse, InitProducerIdResponse, ListOffsetsResponse, ListTransactionsResponse,
    MetadataResponse, WriteTxnMarkersResponse,
};

/// A field of a message, or of an element of a list.
#[derive(Clone, Copy)]
pub(super) enum Field {
    /// So many bytes.
    Bytes(usize),
    /// A text.
    Text,
    /// A list of elements with these fields, each with tags behind if the version is flexible.
    List(&'static [Field]),
    /// A list of lone fields.
    Each(&'static Field),
    /// There from this version on.
    Since(i16, &'static Field),
}

use Field::{Bytes, Each, List, Since, Text};

/// An answer whose shape is known.
pub(super) trait Shaped {
    /// The newest version whose shape is known.
    const NEWEST: i16;
    /// The first version with compact lengths, and with tags behind each structure.
    const FLEXIBLE: i16;
    /// Its fields.
    const FIELDS: &'static [Field];
}

macro_rules! shapes {
    ($($answer:ty: to $newest:literal, flexible from $flexible:expr, $fields:expr;)*) => {$(
        impl Shaped for $answer {
            const NEWEST: i16 = $newest;
            const FLEXIBLE: i16 = $flexible;
            const FIELDS: &'static [Field] = $fields;
        }
    )*};
}

/// A 32-bit number.
const NUMBER: Field = Bytes(4);

/// Of versions that are all older.
const NEVER: i16 = i16::MAX;

shapes! {
    ApiVersionsResponse: to 0, flexible from NEVER, &[Bytes(2), List(&[Bytes(6)])];
    MetadataResponse: to 8, flexible from NEVER, &[
        Since(3, &Bytes(4)),
        List(&[Bytes(4), Text, Bytes(4), Since(1, &Text)]),
        Since(2, &Text),
        Since(1, &Bytes(4)),
        List(&[
            Bytes(2),
            Text,
            Since(1, &Bytes(1)),
            List(&[
                Bytes(10),
                Since(7, &Bytes(4)),
                Each(&NUMBER),
                Each(&NUMBER),
                Since(5, &Each(&NUMBER)),
            ]),
            Since(8, &Bytes(4)),
        ]),
        Since(8, &Bytes(4)),
    ];
    FindCoordinatorResponse: to 2, flexible from NEVER, &[
        Since(1, &Bytes(4)), Bytes(2), Since(1, &Text), Bytes(4), Text, Bytes(4),
    ];
    ListTransactionsResponse: to 0, flexible from 0, &[
        Bytes(6), Each(&Text), List(&[Text, Bytes(8), Text]),
    ];
    DescribeTransactionsResponse: to 0, flexible from 0, &[
        Bytes(4), List(&[Bytes(2), Text, Text, Bytes(22), List(&[Text, Each(&NUMBER)])]),
    ];
    DescribeProducersResponse: to 0, flexible from 0, &[
        Bytes(4), List(&[Text, List(&[Bytes(6), Text, List(&[Bytes(36)])])]),
    ];
    ListOffsetsResponse: to 5, flexible from NEVER, &[
        Since(2, &Bytes(4)), List(&[Text, List(&[Bytes(22), Since(4, &Bytes(4))])]),
    ];
    InitProducerIdResponse: to 4, flexible from 2, &[Bytes(16)];
    WriteTxnMarkersResponse: to 1, flexible from 1, &[
        List(&[Bytes(8), List(&[Text, List(&[Bytes(6)])])]),
    ];
}

/// Whether an answer, behind its header, is one of this version from its first byte to its last.
pub(super) fn is_whole<A: Shaped>(answer: &[u8], version: i16) -> bool {
    let mut walk = Walk { rest: answer, version, is_flexible: version >= A::FLEXIBLE };
    version <= A::NEWEST && walk.structure(A::FIELDS).is_some() && walk.rest.is_empty()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &'static [Field]) -> Option<()> {
        for field in fields {
            self.field(field)?;
        }
        if self.is_flexible { self.tags() } else { Some(()) }
    }

    fn field(&mut self, field: &'static Field) -> Option<()> {
        match *field {
            Bytes(count) => self.skip(count),
            Text => {
                let bytes = self.length(2)?;
                self.skip(bytes)
            }
            // Every element has a byte at least, so that this ends with the answer.
            Each(field) => (0..self.length(4)?).try_for_each(|_| self.field(field)),
            List(fields) => (0..self.length(4)?).try_for_each(|_| self.structure(fields)),
            Since(first, field) if self.version >= first => self.field(field),
            Since(..) => Some(()),
        }
    }

    /// A length of so many bytes, or compact; none at all is zero.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        if self.is_flexible {
            return Some(usize::try_from(self.varint()?).ok()?.saturating_sub(1));
        }
        let length = match bytes {
            2 => i32::from(i16::from_be_bytes(*self.rest.first_chunk()?)),
            _ => i32::from_be_bytes(*self.rest.first_chunk()?),
        };
        self.skip(bytes)?;
        usize::try_from(length.max(0)).ok()
    }

    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let bytes = usize::try_from(self.varint()?).ok()?;
            self.skip(bytes)?;
        }
        Some(())
    }

    /// Seven bits in each byte, those that count least first.
    fn varint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let [byte] = *self.rest.first_chunk()?;
            self.skip(1)?;
            // The fifth has room for four bits; what becomes of others is each reader's own.
            if shift == 28 && byte > 0x0f {
                return None;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_as_long_as_they_say() {
        let two = [0, 0, 0, 0, 0, 2, 0, 18, 0, 0, 0, 4, 0, 3, 0, 0, 0, 13];
        let is_whole = |bytes: &[u8], version| is_whole::<ApiVersionsResponse>(bytes, version);
        assert!(is_whole(&two, 0));
        assert!(!is_whole(&two, 1), "a version of another shape");
        assert!(!is_whole(&[&two[..], &[0]].concat(), 0), "more than it says");
        assert!(!is_whole(&two[..17], 0), "less than it says");
        let mut many = two;
        many[2..6].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(!is_whole(&many, 0), "far less than it says");
        let none = [0, 0, 0xff, 0xff, 0xff, 0xff];
        assert!(is_whole(&none, 0), "no list, which the crate may refuse");
    }

    #[test]
    fn compact_lengths_are_read_as_they_are_written() {
        let of = |bytes: &[u8]| {
            let mut walk = Walk { rest: bytes, version: 0, is_flexible: true };
            walk.varint().map(|value| (value, walk.rest.len()))
        };
        assert_eq!(of(&[0x00]), Some((0, 0)));
        assert_eq!(of(&[0xac, 0x02, 7]), Some((300, 1)));
        assert_eq!(of(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX, 0)));
        assert_eq!(of(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(of(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
        assert_eq!(of(&[0x80]), None);
    }
}
