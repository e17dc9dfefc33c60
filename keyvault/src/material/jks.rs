//! Java key stores (JKS), as `keytool -storetype JKS` writes them.
//!
//! Everything is big-endian: a magic number, the version, the count of entries; per entry its
//! kind, its alias and its time, then a key with its chain, or a certificate; at the end a digest
//! over the password and all before it. A key is an encrypted PKCS#8 structure with an algorithm
//! of Sun's own.
//!
//! A length in the file is compared with what is left of it before anything is made of it.

use openssl::sha::Sha1;
use zeroize::Zeroizing;

use super::{fault::Fault, key::Key, read::Contents};

/// How a JKS begins.
pub(super) const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

const KEY: u32 = 1;
const TRUSTED_CERTIFICATE: u32 = 2;

const DIGEST_BYTES: usize = 20;

/// Mixed into the digest of a store.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Reads a store. Its keys stay locked. Without a password its digest is not checked, as Java does
/// with trust stores: what is in the certificates is public, and the place is trusted to hold them.
pub(super) fn read(store: &[u8], password: Option<&[u8]>) -> Result<Contents, Fault> {
    let mut reader = Reader(store);
    reader.take(MAGIC.len())?;
    let version = reader.u32()?;
    if !matches!(version, 1 | 2) {
        return Err(damaged());
    }
    let mut contents = Contents::default();
    for _ in 0..reader.u32()? {
        let kind = reader.u32()?;
        let alias = usize::from(reader.u16()?);
        reader.take(alias)?;
        // When the entry was made.
        reader.take(8)?;
        match kind {
            KEY => {
                let key = reader.block()?;
                contents.add_key(Key::Jks(key.to_vec()))?;
                for _ in 0..reader.u32()? {
                    contents.add_certificate(reader.certificate(version)?)?;
                }
            }
            TRUSTED_CERTIFICATE => contents.add_certificate(reader.certificate(version)?)?,
            _ => return Err(damaged()),
        }
    }
    let digest = reader.take(DIGEST_BYTES)?;
    if !reader.0.is_empty() {
        return Err(damaged());
    }
    if let Some(password) = password {
        let mut sum = Sha1::new();
        sum.update(&characters(password)?);
        sum.update(WHITENER);
        sum.update(&store[..store.len() - DIGEST_BYTES]);
        if sum.finish() != digest {
            return Err(Fault::password_wrong());
        }
    }
    Ok(contents)
}

/// Opens a key that Sun's algorithm has locked: its PKCS#8, not encrypted.
///
/// The bytes are a salt, the key combined with a stream of digests, and a digest of the key.
pub(super) fn unlock(locked: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let password = characters(password)?;
    let mut reader = Reader(locked);
    let salt = reader.take(DIGEST_BYTES)?;
    let body = reader.0.len().checked_sub(DIGEST_BYTES).ok_or_else(damaged)?;
    let mut key = Zeroizing::new(reader.take(body)?.to_vec());
    let mut stream = Zeroizing::new([0; DIGEST_BYTES]);
    stream.copy_from_slice(salt);
    for block in key.chunks_mut(DIGEST_BYTES) {
        *stream = digest(&password, &*stream);
        block.iter_mut().zip(stream.iter()).for_each(|(byte, mask)| *byte ^= mask);
    }
    // The store itself was opened with this password.
    if digest(&password, &key) != reader.0 {
        return Err(Fault::key_password_differs());
    }
    Ok(key)
}

fn digest(password: &[u8], bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut sum = Sha1::new();
    sum.update(password);
    sum.update(bytes);
    sum.finish()
}

/// The password as Java's characters.
fn characters(password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    utf16(password).ok_or_else(Fault::password_wrong)
}

/// Text in UTF-16, with room for one more character; `None` if it is not UTF-8.
pub(super) fn utf16(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = str::from_utf8(text).ok()?;
    // Reserved whole: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * text.len() + 2));
    text.encode_utf16().for_each(|unit| bytes.extend(unit.to_be_bytes()));
    Some(bytes)
}

fn damaged() -> Fault {
    Fault::unreadable("holds a damaged JKS key store")
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes behind their length.
    fn block(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn certificate(&mut self, version: u32) -> Result<&'a [u8], Fault> {
        if version == 2 {
            let length = usize::from(self.u16()?);
            if !matches!(self.take(length)?, b"X.509" | b"X509") {
                return Err(damaged());
            }
        }
        self.block()
    }
}
