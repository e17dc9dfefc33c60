//! What an object in DER is, and how an encrypted key is encrypted.

use x509_parser::{
    asn1_rs::{Any, Tag},
    prelude::FromDer as _,
    x509::AlgorithmIdentifier,
};

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

const SEQUENCE: u8 = 0x30;
const INDEFINITE: u8 = 0x80;

/// The object identifiers of PKCS#7, with their tag: 1.2.840.113549.1.7.
const PKCS7: [u8; 10] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];

/// Parameters of encryption are nested four deep.
const NESTED_MAX: usize = 6;

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

/// The parts of an encrypted PKCS#8 structure: how, and the bytes.
pub(super) fn encrypted_key(der: &[u8]) -> Option<(AlgorithmIdentifier<'_>, &[u8])> {
    let (_, outer) = Any::from_der(der).ok()?;
    outer.tag().assert_eq(Tag::Sequence).ok()?;
    let (rest, algorithm) = AlgorithmIdentifier::from_der(outer.data).ok()?;
    let (_, bytes) = Any::from_der(rest).ok()?;
    bytes.tag().assert_eq(Tag::OctetString).ok()?;
    Some((algorithm, bytes.data))
}

/// Whether no number in the parameters is larger. Rounds, and what scrypt asks for, are numbers in
/// every way to encrypt.
pub(super) fn numbers_within(algorithm: &AlgorithmIdentifier, max: u64) -> bool {
    fn within(any: &Any, max: u64, nested: usize) -> bool {
        if any.tag() == Tag::Integer {
            return any.as_u64().is_ok_and(|number| number <= max);
        }
        if !any.header.is_constructed() {
            return true;
        }
        let mut rest = any.data;
        while nested < NESTED_MAX && !rest.is_empty() {
            let Ok((after, inner)) = Any::from_der(rest) else { return false };
            if !within(&inner, max, nested + 1) {
                return false;
            }
            rest = after;
        }
        rest.is_empty()
    }
    algorithm.parameters.as_ref().is_none_or(|parameters| within(parameters, max, 0))
}
