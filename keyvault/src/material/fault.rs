//! What is wrong with key material, in words: the codes, the sentences and the remedies.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{
    CERTIFICATES_MAX, Usage,
    certificate::{Certificate, name},
};
use crate::Error;

/// What is wrong with an object, before its place is named.
#[derive(Debug)]
pub(super) struct Fault {
    code: &'static str,
    /// Continues a sentence that begins with the place.
    what: String,
    remedy: String,
}

impl Fault {
    fn new(code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, what: what.into(), remedy: remedy.into() }
    }

    /// The error of the object at this place.
    pub(super) fn at(self, place: &str) -> Error {
        Error::new(self.code, format!("{place} {}", self.what), self.remedy)
    }

    /// The bytes are not what they claim to be, or nothing that is known.
    pub(super) fn unreadable(what: impl Into<String>) -> Self {
        let remedy = "put the certificate or key there in PEM, PFX (PKCS#12), JKS or DER";
        Self::new("KEY_MATERIAL_UNREADABLE", what, remedy)
    }

    /// It is known, but not read.
    pub(super) fn unsupported(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new("KEY_MATERIAL_UNSUPPORTED", what, remedy)
    }

    pub(super) fn too_large(what: impl Into<String>) -> Self {
        let remedy = "leave only there what is needed";
        Self::new("KEY_MATERIAL_TOO_LARGE", what, remedy)
    }

    pub(super) fn too_many_certificates() -> Self {
        Self::too_large(format!("holds more than {CERTIFICATES_MAX} certificates"))
    }

    pub(super) fn password_missing() -> Self {
        let what = "is protected by a password, and none is given for it";
        Self::new("PASSWORD_MISSING", what, "give its password")
    }

    pub(super) fn password_wrong() -> Self {
        let what = "cannot be opened with the password that is given for it";
        Self::new("PASSWORD_WRONG", what, "give the password that it was made with")
    }

    pub(super) fn password_not_needed() -> Self {
        let what = "cannot be opened with the password that is given for it, but without one";
        Self::new("PASSWORD_WRONG", what, "leave the password out")
    }

    /// Java key stores may hold a key under another password than their own.
    pub(super) fn key_password_differs() -> Self {
        let what = "opens with the password that is given for it, but its private key does not";
        let remedy = "give the key the password of its store, with `keytool -keypasswd`";
        Self::new("PASSWORD_WRONG", what, remedy)
    }
}

pub(super) fn certificate_missing(place: &str) -> Error {
    let what = "holds a private key, but no certificate";
    let remedy = "put the certificate of the key there, and what leads from it to its authority";
    Fault::new("CERTIFICATE_MISSING", what, remedy).at(place)
}

/// Of a trust store.
pub(super) fn authority_missing(place: &str) -> Error {
    let what = "holds a private key, but no certificate to trust";
    let remedy = "put the certificates of the authorities there, and no key";
    Fault::new("CERTIFICATE_MISSING", what, remedy).at(place)
}

/// `certificate` is what stands in the place of the key.
pub(super) fn key_missing(place: &str, certificate: Option<&Certificate>) -> Error {
    let what = match certificate {
        Some(certificate) => {
            format!("holds the certificate {}, but no private key", certificate.title())
        }
        None => "holds no private key".to_owned(),
    };
    let remedy = "put the private key there, or say where it stands";
    Fault::new("KEY_MISSING", what, remedy).at(place)
}

/// `keys` and `certificates` are places; they are the same if one object holds both.
pub(super) fn key_mismatch(keys: &str, certificates: &str, certificate: &Certificate) -> Error {
    let title = certificate.title();
    let message = if keys == certificates {
        format!("the private key in {keys} does not belong to the certificate {title} beside it")
    } else {
        format!(
            "the private key in {keys} does not belong to the certificate {title} in {certificates}"
        )
    };
    let remedy = "put the key there that the certificate was requested with";
    Error::new("KEY_MISMATCH", message, remedy)
}

pub(super) fn key_ambiguous(place: &str, count: usize) -> Error {
    let what = format!("holds {count} private keys that could be meant");
    let remedy = "keep one there (of a Java key store: one alias, with `keytool -delete`)";
    Fault::new("KEY_AMBIGUOUS", what, remedy).at(place)
}

/// The parts fit, but what the key signs is wrong.
pub(super) fn key_damaged(place: &str) -> Error {
    let what = "holds a damaged private key: its certificate does not verify what it signs";
    Fault::unreadable(what).at(place)
}

pub(super) fn expired(place: &str, certificate: &Certificate) -> Error {
    let until = time(certificate.info.not_after);
    let message = format!("the certificate {} in {place} expired at {until}", certificate.title());
    Error::new("CERTIFICATE_EXPIRED", message, "renew it, and put the new one there")
}

/// Of a trust store.
pub(super) fn all_expired(place: &str, certificates: &[Certificate]) -> Error {
    let last = certificates.iter().max_by_key(|certificate| certificate.info.not_after);
    let last = last
        .map(|last| format!("; the last was {}, at {}", last.title(), time(last.info.not_after)));
    let what = format!("holds only certificates that have expired{}", last.unwrap_or_default());
    let remedy = "put the certificates there that the authority uses now";
    Fault::new("CERTIFICATE_EXPIRED", what, remedy).at(place)
}

pub(super) fn not_yet_valid(place: &str, certificate: &Certificate) -> Error {
    let from = time(certificate.info.not_before);
    let message =
        format!("the certificate {} in {place} is not valid before {from}", certificate.title());
    let remedy = "wait until then, or set the clock of this machine if it is wrong";
    Error::new("CERTIFICATE_NOT_YET_VALID", message, remedy)
}

/// `lacks` is what its extensions should say.
pub(super) fn wrong_usage(
    place: &str,
    certificate: &Certificate,
    usage: Usage,
    lacks: &str,
) -> Error {
    let user = match usage {
        Usage::Client => "a client",
        Usage::Server => "a server",
    };
    let title = certificate.title();
    let message = format!("the certificate {title} in {place} is not for {user}: its {lacks}");
    let remedy = match usage {
        Usage::Client => "have one issued with clientAuth and digitalSignature",
        Usage::Server => "have one issued with serverAuth and digitalSignature",
    };
    Error::new("CERTIFICATE_WRONG_USAGE", message, remedy)
}

/// rustls does not serve with such certificates, nor do many peers take them.
pub(super) fn version_too_old(place: &str, certificate: &Certificate) -> Error {
    let title = certificate.title();
    let message = format!(
        "the certificate {title} in {place} is of X.509 version 1, which a server cannot show"
    );
    let remedy = "have one issued of version 3, with the names of the server";
    Error::new("KEY_MATERIAL_UNSUPPORTED", message, remedy)
}

/// `weakness` is what is weak, with its verb.
pub(super) fn too_weak(place: &str, certificate: &Certificate, weakness: &str) -> Error {
    let message = format!("the certificate {} in {place} {weakness}", certificate.title());
    let remedy = "have one issued with RSA of 2048 bits or P-256 at least, signed with SHA-256";
    Error::new("KEY_TOO_WEAK", message, remedy)
}

/// A note: peers may not find the way to their authority.
pub(super) fn note_incomplete(place: &str, last: &Certificate) -> String {
    let issuer = name(&last.info.issuer);
    format!(
        "the chain in {place} ends at {}: its issuer {issuer} is not there or not valid now, so \
         a peer that does not know that one refuses it",
        last.title()
    )
}

pub(super) fn note_authority_as_leaf(place: &str, leaf: &Certificate) -> String {
    format!(
        "{} in {place} is the certificate of an authority (CA:TRUE); some peers, such as those \
         that use rustls, refuse it of anybody else",
        leaf.title()
    )
}

pub(super) fn note_version(place: &str, leaf: &Certificate) -> String {
    format!(
        "{} in {place} is of X.509 version 1; some peers, such as those that use rustls, refuse \
         it",
        leaf.title()
    )
}

pub(super) fn note_no_host(place: &str, leaf: &Certificate) -> String {
    format!(
        "{} in {place} names no host (subject alternative name); most peers refuse it of a server",
        leaf.title()
    )
}

pub(super) fn note_private_key(place: &str) -> String {
    format!("{place} holds a private key, which nobody needs to trust a certificate")
}

pub(super) fn note_expired(place: &str, expired: &Certificate) -> String {
    let until = time(expired.info.not_after);
    format!("{} in {place} expired at {until} and is left out", expired.title())
}

pub(super) fn note_not_yet_valid(place: &str, certificate: &Certificate) -> String {
    let from = time(certificate.info.not_before);
    format!("{} in {place} is not valid before {from}", certificate.title())
}

/// OpenSSL wants the way up to a self-signed certificate (unless X509_V_FLAG_PARTIAL_CHAIN is set).
pub(super) fn note_no_anchor(place: &str, certificate: &Certificate) -> String {
    format!(
        "{} in {place} is not self-signed, and its issuer {} is not there; OpenSSL trusts it only \
         together with its issuer",
        certificate.title(),
        name(&certificate.info.issuer)
    )
}

pub(super) fn note_weak(place: &str, certificate: &Certificate, weakness: &str) -> String {
    format!("{} in {place} {weakness}; OpenSSL trusts nothing that it signs", certificate.title())
}

/// As in `2030-01-31T00:00:00Z`. Certificates may hold longer than a timestamp can say.
fn time(time: SystemTime) -> Timestamp {
    let last = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(last)
}
