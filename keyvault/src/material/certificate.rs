//! One certificate, and what it says.

use std::{
    cmp::Ordering,
    net::{Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::Id,
    x509::{X509, X509Ref, X509VerifyResult},
};
use x509_parser::{
    extensions::GeneralName, prelude::FromDer as _, time::ASN1Time, x509::X509Version,
};

use super::{
    CertificateInfo, Usage,
    fault::Fault,
    name::{harmless, hex, text},
};

/// Names are shown up to here: whoever made the certificate chose their length.
const NAME_CHARS_MAX: usize = 200;

/// What OpenSSL's security level 2, which is its default, asks of RSA keys. Level 2 asks for 112
/// bits of security (<https://docs.openssl.org/3.6/man3/SSL_CTX_set_security_level/>).
const RSA_BITS_MIN: u32 = 2048;

/// The same of elliptic curves.
const CURVE_BITS_MIN: u32 = 224;

/// A certificate, for OpenSSL and for people.
pub(super) struct Certificate {
    pub(super) x509: X509,
    pub(super) info: CertificateInfo,
    /// Whether it is an authority's.
    pub(super) authority: bool,
    /// Whether it is of X.509 version 1, which had no extensions.
    pub(super) version_1: bool,
    /// Whether its key may sign, as TLS needs it.
    pub(super) signs: bool,
    client: bool,
    server: bool,
}

impl Certificate {
    /// Reads one, and says how many bytes stand after it.
    pub(super) fn from_der(der: &[u8]) -> Result<(Self, usize), Fault> {
        let damaged = || Fault::unreadable("holds a damaged certificate");
        let (rest, parsed) =
            x509_parser::certificate::X509Certificate::from_der(der).map_err(|_| damaged())?;
        let x509 = X509::from_der(der).map_err(|_| damaged())?;
        let authority = parsed.basic_constraints().map_err(|_| damaged())?;
        let usage = parsed.key_usage().map_err(|_| damaged())?;
        let purposes = parsed.extended_key_usage().map_err(|_| damaged())?;
        let alternatives = parsed.subject_alternative_name().ok().flatten();
        let names = alternatives.map_or(&[][..], |names| &names.value.general_names);
        let info = CertificateInfo {
            subject: text(parsed.subject()),
            issuer: text(parsed.issuer()),
            serial: hex(parsed.raw_serial()),
            not_before: time(parsed.validity().not_before),
            not_after: time(parsed.validity().not_after),
            names: names.iter().filter_map(host).collect(),
            sha256: hex(&x509.digest(MessageDigest::sha256()).map_err(|_| damaged())?),
        };
        let certificate = Self {
            info,
            authority: authority.is_some_and(|constraints| constraints.value.ca),
            version_1: parsed.version() == X509Version::V1,
            signs: usage.is_none_or(|usage| usage.value.digital_signature()),
            client: purposes.as_ref().is_none_or(|p| p.value.any || p.value.client_auth),
            server: purposes.as_ref().is_none_or(|p| p.value.any || p.value.server_auth),
            x509,
        };
        Ok((certificate, rest.len()))
    }

    /// What messages call it.
    pub(super) fn title(&self) -> String {
        let info = &self.info;
        match (info.subject.as_str(), info.names.first()) {
            ("", Some(host)) => name(host),
            ("", None) => name(&format!("serial number {}", info.serial)),
            (subject, _) => name(subject),
        }
    }

    /// Whether its extended key usage, if it has any, lets it be used so.
    pub(super) fn is_for(&self, usage: Usage) -> bool {
        match usage {
            Usage::Client => self.client,
            Usage::Server => self.server,
        }
    }

    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        self.info.not_after < now
    }

    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        self.info.not_before <= now && now <= self.info.not_after
    }

    /// Whether it was signed by the key of this other one. Names, key identifiers and usages are
    /// compared first, which costs little.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        issuer.x509.issued(&self.x509) == X509VerifyResult::OK
            && self.signature_is_of(&issuer.x509).unwrap_or_default()
    }

    /// Whether it is its own issuer. Unlike an authority, such a leaf need not say that it signs
    /// certificates.
    pub(super) fn is_self_signed(&self) -> bool {
        let (subject, issuer) = (self.x509.subject_name(), self.x509.issuer_name());
        subject.try_cmp(issuer).is_ok_and(Ordering::is_eq)
            && self.signature_is_of(&self.x509).unwrap_or_default()
    }

    fn signature_is_of(&self, issuer: &X509Ref) -> Result<bool, ErrorStack> {
        self.x509.verify(&*issuer.public_key()?)
    }

    /// What OpenSSL finds too weak, with its verb.
    pub(super) fn weakness(&self) -> Option<String> {
        if let Ok(key) = self.x509.public_key() {
            let bits = key.bits();
            if key.id() == Id::RSA && bits < RSA_BITS_MIN {
                return Some(format!("has an RSA key of only {bits} bits"));
            }
            if key.id() == Id::EC && bits < CURVE_BITS_MIN {
                return Some(format!("has a key on a curve of only {bits} bits"));
            }
        }
        // Nobody relies on the signature of a certificate on itself.
        let algorithm = self.x509.signature_algorithm().object().nid();
        let digest = algorithm.signature_algorithms().map(|algorithms| algorithms.digest);
        match digest {
            Some(Nid::MD5) if !self.is_self_signed() => Some("is signed with MD5".to_owned()),
            Some(Nid::SHA1) if !self.is_self_signed() => Some("is signed with SHA-1".to_owned()),
            _ => None,
        }
    }
}

/// A name from a certificate as messages show it: in backticks, of a bounded length.
pub(super) fn name(text: &str) -> String {
    let text = text.replace('`', "'");
    match text.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// A DNS name or IP address among other kinds of names.
fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(harmless(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
}
