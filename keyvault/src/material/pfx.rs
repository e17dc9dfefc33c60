//! PKCS#12 (PFX).
//!
//! `p12-keystore` reads what OpenSSL without its legacy provider does not (RC2), and bounds the
//! rounds of a key derivation, and so what a file can cost. Its own copies of keys are not wiped.

use openssl::{error::ErrorStack, pkcs12::Pkcs12, x509::X509Ref};
use p12_keystore::{Pkcs12Archive, error::Error as Refused};
use zeroize::Zeroizing;

use super::{fault::Fault, key::Key, read::Contents};

/// The object identifier of scrypt with its tag: 1.3.6.1.4.1.11591.4.11.
const SCRYPT: [u8; 11] = [0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];

/// Reads a PFX. Without a password it is tried with the empty one, as Key Vault hands them out.
pub(super) fn read(pfx: &[u8], password: Option<&[u8]>) -> Result<Contents, Fault> {
    // It could ask for a GiB; no program is known to use it in a PFX.
    if pfx.windows(SCRYPT.len()).any(|window| window == SCRYPT) {
        return Err(unsupported());
    }
    if let Some(password) = password
        && let Ok(password) = str::from_utf8(password)
        && let Some(contents) = open(pfx, password)?
    {
        return Ok(contents);
    }
    let without = match open(pfx, "")? {
        Some(contents) => Some(contents),
        None => open_with_none(pfx)?,
    };
    match (without, password) {
        (Some(contents), None) => Ok(contents),
        (Some(_), Some(_)) => Err(Fault::password_not_needed()),
        (None, None) => Err(Fault::password_missing()),
        (None, Some(_)) => Err(Fault::password_wrong()),
    }
}

/// What is in it; `None` if the password does not fit.
fn open(pfx: &[u8], password: &str) -> Result<Option<Contents>, Fault> {
    let archive = match Pkcs12Archive::from_pkcs12(pfx, password) {
        Ok(archive) => archive,
        // Without a MAC a wrong password shows only in what it decrypts.
        Err(Refused::MacError(_) | Refused::UnpadError | Refused::Pkcs5Error(_)) => {
            return Ok(None);
        }
        Err(
            Refused::InvalidVersion
            | Refused::InvalidParameters
            | Refused::UnsupportedCertificateType
            | Refused::UnsupportedContentType
            | Refused::UnsupportedEncryptionScheme
            | Refused::UnsupportedMacAlgorithm,
        ) => return Err(unsupported()),
        Err(_) => return Err(damaged()),
    };
    let mut contents = Contents::default();
    for bag in &archive.keys {
        contents.add_key(Key::Plain(Zeroizing::new(bag.key.as_der().to_vec())))?;
    }
    for bag in &archive.certs {
        contents.add_certificate(bag.cert.as_der())?;
    }
    if contents.is_empty() {
        return Err(Fault::unreadable("holds a PFX without a certificate and without a key"));
    }
    Ok(Some(contents))
}

/// Some programs make a difference between an empty password and none (RFC 7292, appendix B.1: a
/// terminating zero is part of a password). OpenSSL tries both.
fn open_with_none(pfx: &[u8]) -> Result<Option<Contents>, Fault> {
    let parse = || -> Result<_, ErrorStack> {
        let parsed = Pkcs12::from_der(pfx)?.parse2("")?;
        let key = parsed.pkey.map(|key| key.private_key_to_pkcs8()).transpose()?;
        let others = parsed.ca.iter().flatten().map(X509Ref::to_der);
        let own = parsed.cert.iter().map(|own| own.to_der());
        Ok((key, own.chain(others).collect::<Result<Vec<_>, _>>()?))
    };
    let Ok((key, certificates)) = parse() else { return Ok(None) };
    let mut contents = Contents::default();
    if let Some(key) = key {
        contents.add_key(Key::Plain(Zeroizing::new(key)))?;
    }
    for certificate in certificates {
        contents.add_certificate(&certificate)?;
    }
    Ok(Some(contents))
}

fn unsupported() -> Fault {
    Fault::unsupported(
        "holds a PFX that is protected in a way that is not read",
        "write it anew with AES-256 and SHA-256, as `openssl pkcs12 -export` does by default",
    )
}

fn damaged() -> Fault {
    Fault::unreadable("holds a PFX that is damaged or protected in a way that is not known")
}
