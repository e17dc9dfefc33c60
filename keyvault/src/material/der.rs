//! What an object in DER is, and a reader of its parts.

use x509_parser::{asn1_rs::Any, der_parser::Oid, prelude::FromDer as _};

/// What an object is, told by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Certificate,
    /// PKCS#12.
    Pfx,
    /// PKCS#12 in BER, with lengths that are not said beforehand.
    PfxInBer,
    /// A private key: PKCS#8, PKCS#1 or SEC1.
    Key,
    /// A private key in PKCS#8, encrypted.
    EncryptedKey,
    /// PKCS#7: certificates, but never a key.
    Pkcs7,
}

/// Identifiers: the class, whether there are parts in it, and the number.
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The first part that is told by its number, in its own wrapping or without it.
const FIRST: u8 = 0xa0;
const FIRST_IMPLICIT: u8 = 0x80;

const INDEFINITE: u8 = 0x80;

/// The object identifiers of PKCS#7, with their tag: 1.2.840.113549.1.7.
const PKCS7: [u8; 10] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];

/// What the bytes are, if they begin like something of ours.
pub(super) fn kind(der: &[u8]) -> Option<Kind> {
    let outer = content(der)?;
    match outer {
        // The version of PKCS#12; no key has it.
        [0x02, 0x01, 0x03, ..] if der[1] == INDEFINITE => Some(Kind::PfxInBer),
        [0x02, 0x01, 0x03, ..] => Some(Kind::Pfx),
        [0x02, ..] => Some(Kind::Key),
        _ if outer.starts_with(&PKCS7) => Some(Kind::Pkcs7),
        _ => match content(outer)? {
            // An algorithm.
            [0x06, ..] => Some(Kind::EncryptedKey),
            // A version, or, without one, a serial number.
            [0xa0 | 0x02, ..] => Some(Kind::Certificate),
            _ => None,
        },
    }
}

/// What is in a sequence, and what comes after it.
fn content(der: &[u8]) -> Option<&[u8]> {
    match der {
        [SEQUENCE, 1..=INDEFINITE, rest @ ..] => Some(rest),
        // The length in 1 to 4 bytes.
        [SEQUENCE, length @ 0x81..=0x84, rest @ ..] => rest.get(usize::from(length & 0x7f)..),
        _ => None,
    }
}

/// What is left to be read. Every part is `None` if it is not the next one.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// How something is encrypted, hashed or derived.
#[derive(Clone)]
pub(super) struct Algorithm<'a> {
    pub(super) name: Oid<'a>,
    pub(super) parameters: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.part(SEQUENCE).map(Self)
    }

    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        self.part(OCTETS)
    }

    pub(super) fn object(&mut self) -> Option<Oid<'a>> {
        self.part(OBJECT).map(|bytes| Oid::new(bytes.into()))
    }

    /// What is in the part number 0, which has its own wrapping.
    pub(super) fn first(&mut self) -> Option<Self> {
        self.part(FIRST).map(Self)
    }

    /// The octets in the part number 0, which has no other wrapping.
    pub(super) fn first_octets(&mut self) -> Option<&'a [u8]> {
        self.part(FIRST_IMPLICIT)
    }

    /// A number that is not negative.
    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.part(INTEGER)?;
        let is_positive = bytes.first().is_some_and(|first| *first < 0x80);
        let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        (is_positive && bytes.len() <= 8)
            .then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(super) fn algorithm(&mut self) -> Option<Algorithm<'a>> {
        let mut parts = self.sequence()?;
        Some(Algorithm { name: parts.object()?, parameters: parts })
    }

    fn part(&mut self, identifier: u8) -> Option<&'a [u8]> {
        if self.0.first() != Some(&identifier) {
            return None;
        }
        let (rest, part) = Any::from_der(self.0).ok()?;
        self.0 = rest;
        Some(part.data)
    }
}

/// The parts of an encrypted PKCS#8 structure: how, and the bytes.
pub(super) fn encrypted_key(der: &[u8]) -> Option<(Algorithm<'_>, &[u8])> {
    let mut parts = Reader(der).sequence()?;
    Some((parts.algorithm()?, parts.octets()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_eight_bytes() {
        for (der, number) in [
            (&[2, 1, 0][..], Some(0)),
            (&[2, 1, 0x7f], Some(127)),
            (&[2, 2, 0, 0x80], Some(128)),
            (&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[2, 1, 0x80], None),
            (&[2, 0], None),
            (&[2, 2, 1], None),
            (&[4, 1, 1], None),
        ] {
            assert_eq!(Reader(der).number(), number, "{der:x?}");
        }
    }

    #[test]
    fn parts_come_in_their_order() {
        let der = [0x30, 0x0a, 0x30, 0x05, 0x06, 0x01, 0x2a, 0x05, 0x00, 0x04, 0x01, 0x07];
        let (algorithm, bytes) = encrypted_key(&der).unwrap();
        assert_eq!((algorithm.name.as_bytes(), algorithm.parameters.0), (&[0x2a][..], &[5, 0][..]));
        assert_eq!(bytes, [7]);
        assert!(encrypted_key(&der[..11]).is_none());
        let mut reader = Reader(&der);
        assert!(reader.octets().is_none() && reader.first().is_none());
        assert!(reader.sequence().is_some() && reader.is_empty());
    }
}
