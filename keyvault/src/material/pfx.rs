//! PKCS#12 (PFX, RFC 7292).
//!
//! A MAC vouches for a row of safes. A safe, which may be encrypted, holds bags: certificates, and
//! keys, which may be encrypted once more. What is in an encrypted safe is seen by nobody before it
//! is decrypted, and so no look from outside tells what the whole costs; this reader asks its
//! [`Effort`] before each derivation.

use x509_parser::der_parser::{Oid, oid};
use zeroize::Zeroizing;

use super::{
    CERTIFICATES_MAX, KEYS_MAX,
    der::{Algorithm, Reader, encrypted_key},
    effort::Effort,
    fault::Fault,
    key::Key,
    pbe::{self, Mac, Password, unsupported},
    read::Contents,
};

const DATA: Oid = oid!(1.2.840.113549.1.7.1);
const ENCRYPTED_DATA: Oid = oid!(1.2.840.113549.1.7.6);
const KEY: Oid = oid!(1.2.840.113549.1.12.10.1.1);
const ENCRYPTED_KEY: Oid = oid!(1.2.840.113549.1.12.10.1.2);
const CERTIFICATE: Oid = oid!(1.2.840.113549.1.12.10.1.3);
const X509: Oid = oid!(1.2.840.113549.1.9.22.1);

/// Most programs write two; some write one for each certificate.
const SAFES_MAX: usize = 320;

/// Bags of a file. Those that are neither a key nor a certificate are passed over, but count.
const BAGS_MAX: usize = 400;
const _: () = assert!(SAFES_MAX > CERTIFICATES_MAX && BAGS_MAX > CERTIFICATES_MAX + KEYS_MAX);

/// Reads a PFX. Without a password it is tried with the empty one, as Key Vault hands them out, and
/// with none, between which some programs make a difference.
pub(super) fn read(pfx: &[u8], password: Option<&[u8]>) -> Result<Contents, Fault> {
    let (pfx, mut effort) = (Pfx::of(pfx)?, Effort::default());
    if let Some(password) = password.and_then(Password::of)
        && let Some(contents) = pfx.open(&password, &mut effort)?
    {
        return Ok(contents);
    }
    let without = match pfx.open(&Password::empty(), &mut effort)? {
        Some(contents) => Some(contents),
        None => pfx.open(&Password::none(), &mut effort)?,
    };
    match (without, password) {
        (Some(contents), None) => Ok(contents),
        (Some(_), Some(_)) => Err(Fault::password_not_needed()),
        (None, None) => Err(Fault::password_missing()),
        (None, Some(_)) => Err(Fault::password_wrong()),
    }
}

struct Pfx<'a> {
    mac: Option<Mac<'a>>,
    /// What the MAC is over.
    content: &'a [u8],
    safes: Vec<Safe<'a>>,
}

enum Safe<'a> {
    Open(&'a [u8]),
    Encrypted(Algorithm<'a>, &'a [u8]),
}

impl<'a> Pfx<'a> {
    fn of(der: &'a [u8]) -> Result<Self, Fault> {
        let parts = || {
            let mut parts = Reader(der).sequence()?;
            let (version, mut safe) = (parts.number()?, parts.sequence()?);
            Some((version, safe.object()?, safe.first()?, parts))
        };
        let (version, kind, mut content, mut rest) = parts().ok_or_else(damaged)?;
        // The other kind is signed, with a key of its own.
        if version != 3 || kind != DATA {
            return Err(unsupported());
        }
        let content = content.octets().ok_or_else(damaged)?;
        let mut list = Reader(content).sequence().ok_or_else(damaged)?;
        let mut safes = Vec::new();
        while !list.is_empty() {
            if safes.len() == SAFES_MAX {
                return Err(Fault::too_large(format!(
                    "holds a PFX of more than {SAFES_MAX} parts"
                )));
            }
            safes.push(Safe::next(&mut list)?);
        }
        let mac = match rest.is_empty() {
            true => None,
            false => Some(rest.sequence().and_then(Mac::of).ok_or_else(damaged)?),
        };
        Ok(Self { mac, content, safes })
    }

    /// What is in it; `None` if the password does not fit.
    fn open(&self, password: &Password, effort: &mut Effort) -> Result<Option<Contents>, Fault> {
        if let Some(mac) = &self.mac
            && !pbe::verifies(mac, self.content, password, effort)?
        {
            return Ok(None);
        }
        let (mut contents, mut count) = (Contents::default(), 0);
        for safe in &self.safes {
            let opened;
            let bags = match safe {
                Safe::Open(bags) => *bags,
                Safe::Encrypted(algorithm, bytes) => {
                    opened = pbe::open(algorithm, bytes, password, effort)?;
                    let Some(bags) = &opened else { return Ok(None) };
                    bags
                }
            };
            let mut bags = Reader(bags).sequence().ok_or_else(damaged)?;
            while !bags.is_empty() {
                count += 1;
                if count > BAGS_MAX {
                    let what = format!("holds a PFX of more than {BAGS_MAX} keys and certificates");
                    return Err(Fault::too_large(what));
                }
                if !add_bag(&mut contents, &mut bags, password, effort)? {
                    return Ok(None);
                }
            }
        }
        if contents.is_empty() {
            return Err(Fault::unreadable("holds a PFX without a certificate and without a key"));
        }
        Ok(Some(contents))
    }
}

impl<'a> Safe<'a> {
    fn next(list: &mut Reader<'a>) -> Result<Self, Fault> {
        let mut parts = || {
            let mut safe = list.sequence()?;
            Some((safe.object()?, safe.first()?))
        };
        let (kind, mut content) = parts().ok_or_else(damaged)?;
        if kind == DATA {
            return content.octets().map(Self::Open).ok_or_else(damaged);
        }
        if kind != ENCRYPTED_DATA {
            return Err(unsupported());
        }
        let mut parts = || {
            let mut parts = content.sequence()?;
            // The version; and what it is without the encryption.
            let (_, mut info) = (parts.number()?, parts.sequence()?);
            let _ = info.object()?;
            Some(Self::Encrypted(info.algorithm()?, info.first_octets()?))
        };
        parts().ok_or_else(damaged)
    }
}

/// Adds what is in the next bag; `false` if the password does not fit.
fn add_bag(
    contents: &mut Contents,
    bags: &mut Reader,
    password: &Password,
    effort: &mut Effort,
) -> Result<bool, Fault> {
    let mut parts = || {
        let mut bag = bags.sequence()?;
        Some((bag.object()?, bag.first()?))
    };
    let (kind, mut value) = parts().ok_or_else(damaged)?;
    if kind == KEY {
        contents.add_key(Key::Plain(Zeroizing::new(value.0.to_vec())))?;
    } else if kind == ENCRYPTED_KEY {
        let (algorithm, bytes) = encrypted_key(value.0).ok_or_else(damaged)?;
        match pbe::open(&algorithm, bytes, password, effort)? {
            Some(key) => contents.add_key(Key::Plain(key))?,
            None => return Ok(false),
        }
    } else if kind == CERTIFICATE {
        let mut parts = || {
            let mut parts = value.sequence()?;
            Some((parts.object()?, parts.first()?.octets()?))
        };
        let (kind, certificate) = parts().ok_or_else(damaged)?;
        if kind != X509 {
            return Err(unsupported());
        }
        contents.add_certificate(certificate)?;
    }
    Ok(true)
}

fn damaged() -> Fault {
    Fault::unreadable("holds a PFX that is damaged or protected in a way that is not known")
}
