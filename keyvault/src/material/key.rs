//! Private keys: opened, proven to be their certificate's, and written as PKCS#8.

use openssl::{
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, PKeyRef, Private, Public},
    rsa::RsaRef,
    sign::{Signer, Verifier},
};
use x509_parser::der_parser::oid;
use zeroize::Zeroizing;

use super::{der, effort::Effort, fault::Fault, jks, pbe};
use crate::Secret;

/// What rustls (by aws-lc) signs with at most.
const RSA_BITS_MAX: u32 = 8192;

/// A private key as it was found.
pub(super) enum Key {
    /// DER of PKCS#8, PKCS#1 or SEC1.
    Plain(Zeroizing<Vec<u8>>),
    /// DER of PKCS#8, encrypted.
    Encrypted(Vec<u8>),
    /// PEM with OpenSSL's own headers for encryption, from before PKCS#8.
    OldPem(Zeroizing<Vec<u8>>),
    /// DER of PKCS#8, encrypted by Sun's algorithm.
    Jks(Vec<u8>),
}

impl Key {
    /// Takes what it costs to open it. What it says of that is read here, and not left to OpenSSL.
    pub(super) fn charge(&self, effort: &mut Effort) -> Result<(), Fault> {
        let Self::Encrypted(der) = self else { return Ok(()) };
        let (algorithm, _) = der::encrypted_key(der).ok_or_else(damaged)?;
        effort.spend(pbe::rounds(&algorithm).ok_or_else(unsupported)?)
    }

    /// The key itself.
    pub(super) fn open(&self, password: Option<&[u8]>) -> Result<PKey<Private>, Fault> {
        let password = || password.ok_or_else(Fault::password_missing);
        match self {
            Self::Plain(der) => plain(der),
            Self::Encrypted(der) => {
                let password = password()?;
                PKey::private_key_from_pkcs8_callback(der, |buffer| fill(buffer, password))
                    .map_err(|errors| locked(&errors))
            }
            Self::OldPem(pem) => {
                let password = password()?;
                PKey::private_key_from_pem_callback(pem, |buffer| fill(buffer, password))
                    .map_err(|errors| locked(&errors))
            }
            Self::Jks(der) => {
                let (algorithm, bytes) = der::encrypted_key(der).ok_or_else(damaged)?;
                if algorithm.name != oid!(1.3.6.1.4.1.42.2.17.1.1) {
                    return Err(unsupported());
                }
                plain(&jks::unlock(bytes, password()?)?)
            }
        }
    }
}

fn plain(der: &[u8]) -> Result<PKey<Private>, Fault> {
    PKey::private_key_from_der(der).map_err(|_| damaged())
}

/// Gives OpenSSL the password; one that is longer than its buffer (1 KiB) fits no key.
fn fill(buffer: &mut [u8], password: &[u8]) -> Result<usize, ErrorStack> {
    let place = buffer.get_mut(..password.len()).ok_or_else(ErrorStack::get)?;
    place.copy_from_slice(password);
    Ok(password.len())
}

/// Why OpenSSL did not decrypt a key: it does not know how (the last reason is scrypt's, beyond
/// 32 MiB), or the password is wrong. A wrong one may by chance decrypt to something that its
/// decoders call unsupported, but those are another library.
fn locked(errors: &ErrorStack) -> Fault {
    let unknown = errors.errors().iter().any(|error| {
        let reasons = ["unsupported", "unknown pbe algorithm", "memory limit exceeded"];
        error.library() == Some("digital envelope routines")
            && error.reason().is_some_and(|reason| reasons.contains(&reason))
    });
    if unknown { unsupported() } else { Fault::password_wrong() }
}

fn damaged() -> Fault {
    Fault::unreadable("holds a damaged private key")
}

fn unsupported() -> Fault {
    Fault::unsupported(
        "holds a private key that is encrypted in a way that is not read",
        "encrypt it anew, with `openssl pkcs8 -topk8 -provider legacy -provider default`",
    )
}

/// Whether the key, of a usable kind, signs what its certificate verifies. Equal public parts do
/// not say so: the private part may be damaged.
pub(super) fn signs_for(key: &PKeyRef<Private>, public: &PKeyRef<Public>) -> bool {
    let message = b"proof of possession";
    let proof = || -> Result<bool, ErrorStack> {
        let digest = MessageDigest::sha256();
        let (mut signer, mut verifier) = if key.id() == Id::ED25519 {
            (Signer::new_without_digest(key)?, Verifier::new_without_digest(public)?)
        } else {
            (Signer::new(digest, key)?, Verifier::new(digest, public)?)
        };
        verifier.verify_oneshot(&signer.sign_oneshot_to_vec(message)?, message)
    };
    proof().unwrap_or_default()
}

/// The key in PEM, PKCS#8, if it is of a kind that both OpenSSL and rustls take.
pub(super) fn normalized(key: &PKeyRef<Private>) -> Result<Secret, Fault> {
    let pem = match key.id() {
        Id::RSA if key.bits() <= RSA_BITS_MAX && key.rsa().is_ok_and(|rsa| primes_fit(&rsa)) => {
            key.private_key_to_pem_pkcs8().ok()
        }
        Id::EC => on_named_curve(key).and_then(|key| key.private_key_to_pem_pkcs8().ok()),
        Id::ED25519 => key.private_key_to_pem_pkcs8().ok(),
        _ => None,
    };
    pem.map(Secret::new).ok_or_else(|| {
        Fault::unsupported(
            "holds a private key of a kind that is not used here",
            "use RSA (2048 to 8192 bits), ECDSA (P-256, P-384 or P-521) or Ed25519",
        )
    })
}

/// The same key with its curve by name, if it is one of the three. Some programs write all numbers
/// of the curve instead, which rustls does not read.
fn on_named_curve(key: &PKeyRef<Private>) -> Option<PKey<Private>> {
    let key = key.ec_key().ok()?;
    let curve = key.group().curve_name()?;
    if ![Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1].contains(&curve) {
        return None;
    }
    let group = EcGroup::from_curve_name(curve).ok()?;
    let named = EcKey::from_private_components(&group, key.private_key(), key.public_key());
    PKey::from_ec_key(named.ok()?).ok()
}

/// A damaged key may claim primes that take hours to calculate with.
fn primes_fit(rsa: &RsaRef<Private>) -> bool {
    let bits = rsa.n().num_bits();
    [rsa.p(), rsa.q()].into_iter().flatten().all(|prime| prime.num_bits() <= bits)
}
