//! Certificates, keys and trust stores, ready for TLS.
//!
//! [`key_pair`] and [`trust_store`] take what stands in a file, a variable or a vault, in any of
//! these formats, which they tell by the content alone:
//! - PEM: blocks in any order, keys in PKCS#8, PKCS#1 or SEC1, encrypted or not;
//! - PFX (PKCS#12), binary or in base64, old and new encryption, as Key Vault, OpenSSL, Windows and
//!   Java write it;
//! - JKS, Java's own key stores;
//! - DER of one certificate or one key, binary or in base64.
//!
//! They check it and make PEM of it that both OpenSSL and rustls take. Their errors are not to be
//! retried as such: a caller who read a vault, where somebody may mend the object, says
//! [`Error::later`]. Deriving keys from a password may take some seconds, and no file makes them
//! take longer: call them where that hurts nobody.

mod base64;
mod certificate;
mod certified;
mod chain;
mod check;
mod der;
mod effort;
mod fault;
mod jks;
mod key;
mod name;
mod pbe;
mod pem;
mod pfx;
mod read;

use std::time::SystemTime;

use openssl::pkey::{PKey, Private};

pub use self::name::{distinguished_name, escape_name_value, name_parts};
use self::{
    certificate::Certificate,
    effort::Effort,
    fault::Fault,
    key::Key,
    read::{Contents, read},
};
use super::{Error, Found, Secret};

/// The most bytes of an object; Key Vault has 25 KiB at most, the authorities of a Linux
/// distribution take 220 KiB.
pub const BYTES_MAX: usize = 256 * 1024;

/// The most certificates of an object; a Linux distribution has about 150 authorities.
pub const CERTIFICATES_MAX: usize = 300;

/// The most keys of an object: each may cost a key derivation before it is known which is meant.
const KEYS_MAX: usize = 10;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A client shows it to a server.
    Client,
    /// A server shows it to its clients.
    Server,
}

/// A certificate with its chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Certificates in PEM: the leaf first, each followed by its issuer. Without the self-signed
    /// root, which a peer has or does not trust, unless the leaf is its own root.
    pub chain_pem: String,
    /// The key in PEM, PKCS#8, not encrypted.
    pub key_pem: Secret,
    /// What the certificates say, in the same order; never empty.
    pub chain: Vec<CertificateInfo>,
    /// Whether certificates of authorities are there that do not link to the chain, so that one
    /// between is missing or not valid now. A peer may know that one.
    pub incomplete: bool,
    /// What is no fault, but may surprise; for the log.
    pub notes: Vec<String>,
}

/// The authorities to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStore {
    /// Certificates in PEM.
    pub pem: String,
    /// What they say, in the same order; never empty.
    pub certificates: Vec<CertificateInfo>,
    /// What is no fault, but may surprise; for the log.
    pub notes: Vec<String>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Whose it is, such as `CN=writer,O=Contoso`, by [`distinguished_name`].
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number in hex.
    pub serial: String,
    /// From when on it holds.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// The DNS names and IP addresses that it is for.
    pub names: Vec<String>,
    /// SHA-256 of its DER in hex.
    pub sha256: String,
}

impl CertificateInfo {
    /// Reads a certificate in DER; `None` if it is none.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        Certificate::from_der(der).ok().map(|(certificate, _)| certificate.info)
    }
}

impl KeyPair {
    /// The certificate that the key belongs to.
    pub fn leaf(&self) -> &CertificateInfo {
        &self.chain[0]
    }
}

/// Makes a certificate with its chain and its key ready for TLS.
///
/// The key is in `key`, or beside the certificate if that is `None`; certificates in `key` and keys
/// in `certificate` are then not looked at. The password is that of the key, of a PFX or of a key
/// store, wherever one is needed; a PFX may have the empty one, which need not be given.
///
/// A CA's own certificate (CA:TRUE) is taken with a note, since self-signed ones are made like that
/// by default and most peers take them.
///
/// # Errors
/// Each code has its own fault: `KEY_MATERIAL_TOO_LARGE`, `KEY_MATERIAL_UNREADABLE`,
/// `KEY_MATERIAL_UNSUPPORTED`, `PASSWORD_MISSING`, `PASSWORD_WRONG`, `CERTIFICATE_MISSING`,
/// `KEY_MISSING`, `KEY_MISMATCH`, `KEY_AMBIGUOUS`, `CERTIFICATE_EXPIRED`,
/// `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_WRONG_USAGE`, `KEY_TOO_WEAK`.
pub fn key_pair(
    certificate: &Found,
    key: Option<&Found>,
    password: Option<&Secret>,
    usage: Usage,
    now: SystemTime,
) -> Result<KeyPair, Error> {
    let place = &certificate.place;
    let key_place = key.map_or(place, |key| &key.place);
    let password = password.map(bytes);
    let Contents { certificates, keys } = contents(certificate, password)?;
    if certificates.is_empty() {
        return Err(fault::certificate_missing(place));
    }
    let keys = match key {
        Some(key) => contents(key, password)?.keys,
        None => keys,
    };
    if keys.is_empty() {
        let beside = key.is_none().then(|| &certificates[0]);
        return Err(fault::key_missing(key_place, beside));
    }
    let keys = open(&keys, password).map_err(|fault| fault.at(key_place))?;
    let (key, leaf, others) = choose(keys, certificates, place, key_place, now)?;
    let key_pem = key::normalized(&key).map_err(|fault| fault.at(key_place))?;
    if !leaf.x509.public_key().is_ok_and(|public| key::signs_for(&key, &public)) {
        return Err(fault::key_damaged(key_place));
    }
    let chain = chain::build(leaf, others, now);
    let notes = check::chain(&chain, place, usage, now)?;
    let (chain_pem, infos) = written(&chain.certificates).map_err(|fault| fault.at(place))?;
    Ok(KeyPair { chain_pem, key_pem, chain: infos, incomplete: chain.incomplete, notes })
}

/// Makes certificates to trust ready for TLS.
///
/// Expired ones are left out with a note. A JKS without a password is read without checking its
/// digest, as Java does.
///
/// # Errors
/// As [`key_pair`], of these: `KEY_MATERIAL_TOO_LARGE`, `KEY_MATERIAL_UNREADABLE`,
/// `KEY_MATERIAL_UNSUPPORTED`, `PASSWORD_MISSING`, `PASSWORD_WRONG`, `CERTIFICATE_MISSING`,
/// `CERTIFICATE_EXPIRED`.
pub fn trust_store(
    found: &Found,
    password: Option<&Secret>,
    now: SystemTime,
) -> Result<TrustStore, Error> {
    let contents = contents(found, password.map(bytes))?;
    if contents.certificates.is_empty() {
        return Err(fault::authority_missing(&found.place));
    }
    let (certificates, notes) = check::authorities(contents, &found.place, now)?;
    let (pem, certificates) = written(&certificates).map_err(|fault| fault.at(&found.place))?;
    Ok(TrustStore { pem, certificates, notes })
}

#[expect(clippy::disallowed_methods, reason = "key material is read, and its password is used")]
fn bytes(secret: &Secret) -> &[u8] {
    secret.expose()
}

fn contents(found: &Found, password: Option<&[u8]>) -> Result<Contents, Error> {
    read(bytes(&found.secret), password).map_err(|fault| fault.at(&found.place))
}

/// Opens all keys; a key that is there twice counts once.
fn open(keys: &[Key], password: Option<&[u8]>) -> Result<Vec<PKey<Private>>, Fault> {
    let mut effort = Effort::default();
    keys.iter().try_for_each(|key| key.charge(&mut effort))?;
    let mut opened = Vec::<PKey<Private>>::new();
    for key in keys {
        let key = key.open(password)?;
        if !opened.iter().any(|known| known.public_eq(&key)) {
            opened.push(key);
        }
    }
    Ok(opened)
}

/// The key whose certificate is there, that certificate, and the others.
fn choose(
    mut keys: Vec<PKey<Private>>,
    mut certificates: Vec<Certificate>,
    place: &str,
    key_place: &str,
    now: SystemTime,
) -> Result<(PKey<Private>, Certificate, Vec<Certificate>), Error> {
    let belongs = |key: &PKey<Private>, certificate: &Certificate| {
        certificate.x509.public_key().is_ok_and(|public| public.public_eq(key))
    };
    keys.retain(|key| certificates.iter().any(|certificate| belongs(key, certificate)));
    let key = match keys.len() {
        0 => return Err(fault::key_mismatch(key_place, place, &certificates[0])),
        1 => keys.swap_remove(0),
        count => return Err(fault::key_ambiguous(key_place, count)),
    };
    // A renewed certificate may stand beside the old one of the same key. Of equals the first.
    let own = (0..certificates.len()).filter(|index| belongs(&key, &certificates[*index]));
    let best = own.rev().max_by_key(|index| {
        let certificate = &certificates[*index];
        (certificate.is_valid(now), !certificate.authority, certificate.info.not_after)
    });
    let leaf = certificates.remove(best.expect("a key without a certificate is not retained"));
    Ok((key, leaf, certificates))
}

/// The certificates in PEM, and what they say.
fn written(certificates: &[Certificate]) -> Result<(String, Vec<CertificateInfo>), Fault> {
    let mut pem = String::new();
    for certificate in certificates {
        let block = certificate.x509.to_pem().ok().and_then(|block| String::from_utf8(block).ok());
        pem += &block.ok_or_else(|| Fault::unreadable("holds a damaged certificate"))?;
    }
    Ok((pem, certificates.iter().map(|certificate| certificate.info.clone()).collect()))
}
