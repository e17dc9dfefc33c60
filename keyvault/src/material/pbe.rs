//! Encryption by a password: what it costs to undo it, and for PKCS#12 the undoing.
//!
//! Two families are in use. PBES2 (RFC 8018, 6.2) names a derivation and a cipher. The older one
//! names both at once, and derives in PKCS#12's own way (RFC 7292, appendix B), as MACs still do.
//! OpenSSL hashes and decrypts; RC2, which it has in its legacy provider alone, is a crate.

use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use openssl::{
    error::ErrorStack,
    hash::{Hasher, MessageDigest},
    memcmp,
    nid::Nid,
    pkcs5::pbkdf2_hmac,
    pkey::PKey,
    sign::Signer,
    symm::{Cipher, decrypt},
};
use rc2::Rc2;
use x509_parser::der_parser::{Oid, oid};
use zeroize::Zeroizing;

use super::{
    der::{Algorithm, Reader},
    effort::Effort,
    fault::Fault,
    jks::utf16,
};

const PBES2: Oid = oid!(1.2.840.113549.1.5.13);
const PBKDF2: Oid = oid!(1.2.840.113549.1.5.12);
const SCRYPT: Oid = oid!(1.3.6.1.4.1.11591.4.11);
const SHA1_3DES: Oid = oid!(1.2.840.113549.1.12.1.3);
const SHA1_RC2_40: Oid = oid!(1.2.840.113549.1.12.1.6);

/// What a derivation is for: PKCS#12 gets other bytes for each.
#[derive(Clone, Copy)]
enum For {
    Key = 1,
    Start = 2,
    Mac = 3,
}

/// A password in the forms that it is used in.
pub(super) struct Password<'a> {
    text: &'a [u8],
    /// UTF-16 with a zero behind it.
    wide: Zeroizing<Vec<u8>>,
}

impl<'a> Password<'a> {
    /// `None` if it is no text, which a password of PKCS#12 must be.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let mut wide = utf16(text)?;
        wide.extend([0, 0]);
        Some(Self { text, wide })
    }

    pub(super) fn empty() -> Self {
        Self { text: &[], wide: vec![0, 0].into() }
    }

    /// No password, which is not the empty one: the zero is missing.
    pub(super) fn none() -> Self {
        Self { text: &[], wide: Zeroizing::default() }
    }
}

/// How keys come of a password.
enum Derivation<'a> {
    /// Of the older family.
    Own {
        salt: &'a [u8],
        rounds: u64,
    },
    Pbkdf2 {
        salt: &'a [u8],
        rounds: u64,
        digest: Option<MessageDigest>,
    },
    Scrypt {
        n: u64,
        r: u64,
        p: u64,
    },
}

impl<'a> Derivation<'a> {
    /// The derivation and, of PBES2, the cipher; `None` if it is another one, or damaged.
    fn of(algorithm: &Algorithm<'a>) -> Option<(Self, Option<Algorithm<'a>>)> {
        let (derivation, cipher) = Self::read(algorithm)?;
        (derivation.rounds() > 0).then_some((derivation, cipher))
    }

    fn read(algorithm: &Algorithm<'a>) -> Option<(Self, Option<Algorithm<'a>>)> {
        let mut parts = algorithm.parameters;
        let mut parts = parts.sequence()?;
        if algorithm.name != PBES2 {
            let (salt, rounds) = (parts.octets()?, parts.number()?);
            return Some((Self::Own { salt, rounds }, None));
        }
        let (mut derivation, cipher) = (parts.algorithm()?, parts.algorithm()?);
        let mut parts = derivation.parameters.sequence()?;
        let salt = parts.octets()?;
        let derivation = if derivation.name == PBKDF2 {
            let rounds = parts.number()?;
            // The length of the key, which the cipher says as well.
            let _ = parts.number();
            let digest = match parts.algorithm() {
                Some(algorithm) => hmac(&algorithm.name),
                None => Some(MessageDigest::sha1()),
            };
            Self::Pbkdf2 { salt, rounds, digest }
        } else if derivation.name == SCRYPT {
            Self::Scrypt { n: parts.number()?, r: parts.number()?, p: parts.number()? }
        } else {
            return None;
        };
        Some((derivation, Some(cipher)))
    }

    /// A round of scrypt with its N × r × p costs about as much as one of the others.
    fn rounds(&self) -> u64 {
        match self {
            Self::Own { rounds, .. } | Self::Pbkdf2 { rounds, .. } => *rounds,
            Self::Scrypt { n, r, p } => n.saturating_mul(*r).saturating_mul(*p),
        }
    }
}

/// The rounds that it takes to decrypt; `None` if it is encrypted in a way that is not known.
pub(super) fn rounds(algorithm: &Algorithm) -> Option<u64> {
    Derivation::of(algorithm).map(|(derivation, _)| derivation.rounds())
}

/// Decrypts a part of a PFX; `None` if the password does not fit.
pub(super) fn open(
    algorithm: &Algorithm,
    bytes: &[u8],
    password: &Password,
    effort: &mut Effort,
) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let (derivation, cipher) = Derivation::of(algorithm).ok_or_else(unsupported)?;
    effort.spend(derivation.rounds())?;
    let opened = match (derivation, cipher) {
        (Derivation::Pbkdf2 { salt, rounds, digest: Some(digest) }, Some(mut cipher)) => {
            let start = cipher.parameters.octets().ok_or_else(unsupported)?;
            // OpenSSL's wrapper wants a start of the right length.
            let cipher = aes(&cipher.name).filter(|aes| aes.iv_len() == Some(start.len()));
            let cipher = cipher.ok_or_else(unsupported)?;
            let mut key = Zeroizing::new(vec![0; cipher.key_len()]);
            pbkdf2_hmac(password.text, salt, rounds as usize, digest, &mut key)
                .map_err(|_| unsupported())?;
            undo(cipher, &key, start, bytes)
        }
        (Derivation::Own { salt, rounds }, None) => {
            let derive = |what, length| {
                derived(MessageDigest::sha1(), what, &password.wide, salt, rounds, length)
            };
            let start = derive(For::Start, 8).map_err(|_| unsupported())?;
            if algorithm.name == SHA1_3DES {
                let key = derive(For::Key, 24).map_err(|_| unsupported())?;
                undo(Cipher::des_ede3_cbc(), &key, &start, bytes)
            } else if algorithm.name == SHA1_RC2_40 {
                let key = derive(For::Key, 5).map_err(|_| unsupported())?;
                undo_rc2(&key, &start, bytes)
            } else {
                return Err(unsupported());
            }
        }
        _ => return Err(unsupported()),
    };
    // All that is encrypted there is a sequence. Without a MAC a wrong password may show only here.
    Ok(opened.filter(|opened| Reader(opened).sequence().is_some()))
}

/// Whether a MAC over the bytes is that of the password.
pub(super) fn verifies(
    mac: &Mac,
    bytes: &[u8],
    password: &Password,
    effort: &mut Effort,
) -> Result<bool, Fault> {
    let digest = digest(&mac.digest).ok_or_else(unsupported)?;
    effort.spend(mac.rounds)?;
    let made = || -> Result<_, ErrorStack> {
        let (salt, length) = (mac.salt, digest.size());
        let key = derived(digest, For::Mac, &password.wide, salt, mac.rounds, length)?;
        Signer::new(digest, &*PKey::hmac(&key)?)?.sign_oneshot_to_vec(bytes)
    };
    let made = made().map_err(|_| unsupported())?;
    Ok(made.len() == mac.value.len() && memcmp::eq(&made, mac.value))
}

/// What a PFX is vouched for with.
pub(super) struct Mac<'a> {
    digest: Oid<'a>,
    value: &'a [u8],
    salt: &'a [u8],
    rounds: u64,
}

impl<'a> Mac<'a> {
    pub(super) fn of(mut parts: Reader<'a>) -> Option<Self> {
        let mut info = parts.sequence()?;
        let (digest, value) = (info.algorithm()?.name, info.octets()?);
        let salt = parts.octets()?;
        let rounds = if parts.is_empty() { 1 } else { parts.number()? };
        Some(Self { digest, value, salt, rounds })
    }
}

fn undo(cipher: Cipher, key: &[u8], start: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    decrypt(cipher, key, Some(start), bytes).ok().map(Zeroizing::new)
}

fn undo_rc2(key: &[u8], start: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let cipher = cbc::Decryptor::<Rc2>::new_from_slices(key, start).ok()?;
    let length = cipher.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// PKCS#12's own derivation (RFC 7292, appendix B.2), with its letters.
fn derived(
    digest: MessageDigest,
    what: For,
    password: &[u8],
    salt: &[u8],
    rounds: u64,
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let (u, v) = (digest.size(), digest.block_size());
    let blocks = |bytes: &[u8]| bytes.len().next_multiple_of(v);
    // Reserved whole: what grows leaves copies behind.
    let mut i = Zeroizing::new(Vec::with_capacity(blocks(salt) + blocks(password)));
    for bytes in [salt, password] {
        i.extend(bytes.iter().cycle().take(blocks(bytes)));
    }
    let mut key = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(u)));
    let mut hasher = Hasher::new(digest)?;
    loop {
        hasher.update(&vec![what as u8; v])?;
        hasher.update(&i)?;
        let mut a = hasher.finish()?;
        for _ in 1..rounds {
            hasher.update(&a)?;
            a = hasher.finish()?;
        }
        key.extend_from_slice(&a);
        if key.len() >= length {
            key.truncate(length);
            return Ok(key);
        }
        // Each block is a number, to which that of `a`, repeated, and 1 are added.
        for block in i.chunks_mut(v) {
            let mut sum = 1_u16;
            for (at, byte) in block.iter_mut().enumerate().rev() {
                sum += u16::from(*byte) + u16::from(a[at % u]);
                [_, *byte] = sum.to_be_bytes();
                sum >>= 8;
            }
        }
    }
}

fn aes(name: &Oid) -> Option<Cipher> {
    let ciphers = [
        (oid!(2.16.840.1.101.3.4.1.2), Cipher::aes_128_cbc as fn() -> _),
        (oid!(2.16.840.1.101.3.4.1.22), Cipher::aes_192_cbc),
        (oid!(2.16.840.1.101.3.4.1.42), Cipher::aes_256_cbc),
    ];
    ciphers.iter().find(|(known, _)| known == name).map(|(_, cipher)| cipher())
}

fn digest(name: &Oid) -> Option<MessageDigest> {
    let digests = [
        (oid!(1.3.14.3.2.26), Nid::SHA1),
        (oid!(2.16.840.1.101.3.4.2.4), Nid::SHA224),
        (oid!(2.16.840.1.101.3.4.2.1), Nid::SHA256),
        (oid!(2.16.840.1.101.3.4.2.2), Nid::SHA384),
        (oid!(2.16.840.1.101.3.4.2.3), Nid::SHA512),
    ];
    digest_among(&digests, name)
}

/// The digest of an HMAC.
fn hmac(name: &Oid) -> Option<MessageDigest> {
    let digests = [
        (oid!(1.2.840.113549.2.7), Nid::SHA1),
        (oid!(1.2.840.113549.2.8), Nid::SHA224),
        (oid!(1.2.840.113549.2.9), Nid::SHA256),
        (oid!(1.2.840.113549.2.10), Nid::SHA384),
        (oid!(1.2.840.113549.2.11), Nid::SHA512),
    ];
    digest_among(&digests, name)
}

fn digest_among(digests: &[(Oid, Nid)], name: &Oid) -> Option<MessageDigest> {
    let (_, digest) = digests.iter().find(|(known, _)| known == name)?;
    MessageDigest::from_nid(*digest)
}

/// A PFX that is not read for how it is protected.
pub(super) fn unsupported() -> Fault {
    Fault::unsupported(
        "holds a PFX that is protected in a way that is not read",
        "write it anew with AES-256 and SHA-256, as `openssl pkcs12 -export` does by default",
    )
}
