//! Makes keys, certificates and files of them.

use std::{
    fs,
    path::Path,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use keyvault::{
    Error, Found, Secret,
    material::{KeyPair, TrustStore, Usage, key_pair, trust_store},
};
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Builder, X509NameBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

/// 2030-01-01T00:00:00Z. What is made here holds years before and long after, so that handshakes,
/// which take the clock of the machine, find it valid as well.
pub const NOW: i64 = 1_893_456_000;
const DAY: i64 = 24 * 60 * 60;

pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

pub const KINDS: [Kind; 5] = [Kind::Rsa, Kind::P256, Kind::P384, Kind::P521, Kind::Ed25519];

pub fn key(kind: Kind) -> PKey<Private> {
    let curve = |nid| {
        let group = EcGroup::from_curve_name(nid).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    match kind {
        Kind::Rsa => rsa(2048),
        Kind::P256 => curve(Nid::X9_62_PRIME256V1),
        Kind::P384 => curve(Nid::SECP384R1),
        Kind::P521 => curve(Nid::SECP521R1),
        Kind::Ed25519 => PKey::generate_ed25519().unwrap(),
    }
}

pub fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// A certificate to be made.
pub struct Wanted {
    /// The common name in `CN=…,O=Contoso`; nothing if this is empty.
    pub subject: &'static str,
    /// Days from [`NOW`].
    pub from: i64,
    pub until: i64,
    pub authority: bool,
    pub version_1: bool,
    pub digest: MessageDigest,
    pub key_usage: Option<KeyUsage>,
    pub purposes: &'static [&'static str],
    pub names: &'static [&'static str],
}

#[derive(Clone)]
pub struct Issued {
    pub key: PKey<Private>,
    pub certificate: X509,
}

/// A leaf for both ends of TLS.
pub fn leaf(subject: &'static str) -> Wanted {
    Wanted {
        subject,
        from: -3650,
        until: 36_500,
        authority: false,
        version_1: false,
        digest: MessageDigest::sha256(),
        key_usage: Some(usage(KeyUsage::digital_signature)),
        purposes: &["clientAuth", "serverAuth"],
        names: &["localhost"],
    }
}

pub fn authority(subject: &'static str) -> Wanted {
    let key_usage = Some(usage(KeyUsage::key_cert_sign));
    Wanted { authority: true, key_usage, purposes: &[], names: &[], ..leaf(subject) }
}

pub fn usage(set: fn(&mut KeyUsage) -> &mut KeyUsage) -> KeyUsage {
    let mut usage = KeyUsage::new();
    set(&mut usage);
    usage
}

impl Wanted {
    /// Self-signed without an issuer.
    pub fn issue(self, key: PKey<Private>, issuer: Option<&Issued>) -> Issued {
        let mut name = X509NameBuilder::new().unwrap();
        if !self.subject.is_empty() {
            name.append_entry_by_text("O", "Contoso").unwrap();
            name.append_entry_by_text("CN", self.subject).unwrap();
        }
        let name = name.build();
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(if self.version_1 { 0 } else { 2 }).unwrap();
        builder.set_subject_name(&name).unwrap();
        let issuer_name = issuer.map_or(&*name, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer_name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let time = |days: i64| Asn1Time::from_unix(NOW + days * DAY).unwrap();
        builder.set_not_before(&time(self.from)).unwrap();
        builder.set_not_after(&time(self.until)).unwrap();
        let serial = Asn1Integer::from_bn(&BigNum::from_u32(0x01ab).unwrap()).unwrap();
        builder.set_serial_number(&serial).unwrap();
        if !self.version_1 {
            self.extend(&mut builder, issuer);
        }
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        let none = signer.id() == Id::ED25519;
        let digest = if none { MessageDigest::null() } else { self.digest };
        builder.sign(signer, digest).unwrap();
        Issued { key, certificate: builder.build() }
    }

    fn extend(&self, builder: &mut X509Builder, issuer: Option<&Issued>) {
        let mut constraints = BasicConstraints::new();
        if self.authority {
            constraints.ca();
        }
        builder.append_extension(constraints.critical().build().unwrap()).unwrap();
        if let Some(usage) = &self.key_usage {
            builder.append_extension(usage.build().unwrap()).unwrap();
        }
        if !self.purposes.is_empty() {
            let mut purposes = ExtendedKeyUsage::new();
            for purpose in self.purposes {
                purposes.other(purpose);
            }
            builder.append_extension(purposes.build().unwrap()).unwrap();
        }
        if !self.names.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for name in self.names {
                if name.parse::<std::net::IpAddr>().is_ok() {
                    names.ip(name)
                } else {
                    names.dns(name)
                };
            }
            let issuer = issuer.map(|issuer| &*issuer.certificate);
            let names = names.build(&builder.x509v3_context(issuer, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
    }
}

impl Issued {
    pub fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// The key, then the certificate.
    pub fn both(&self) -> String {
        self.key_pem() + &self.pem()
    }

    pub fn sha256(&self) -> String {
        let digest = self.certificate.digest(MessageDigest::sha256()).unwrap();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub static ROOT: LazyLock<Issued> =
    LazyLock::new(|| authority("root").issue(key(Kind::P256), None));

/// An authority below [`ROOT`].
pub static ISSUING: LazyLock<Issued> =
    LazyLock::new(|| authority("issuing").issue(key(Kind::P256), Some(&ROOT)));

/// A leaf of [`ISSUING`].
pub static LEAF: LazyLock<Issued> =
    LazyLock::new(|| leaf("writer").issue(key(Kind::P256), Some(&ISSUING)));

/// The one RSA leaf of [`ISSUING`], since such keys take long to make.
pub static RSA_LEAF: LazyLock<Issued> =
    LazyLock::new(|| leaf("writer").issue(key(Kind::Rsa), Some(&ISSUING)));

pub fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn found(place: &str, bytes: impl AsRef<[u8]>) -> Found {
    Found {
        place: place.to_owned(),
        secret: Secret::new(bytes.as_ref()),
        content_type: None,
        version: "1".to_owned(),
        not_before: None,
        expires: None,
    }
}

pub fn secret(password: Option<&str>) -> Option<Secret> {
    password.map(|password| Secret::from(password.to_owned()))
}

/// Reads a certificate with its key for a client, from `the file x`.
pub fn client(bytes: impl AsRef<[u8]>, password: Option<&str>) -> Result<KeyPair, Error> {
    let found = found("the file x", bytes);
    key_pair(&found, None, secret(password).as_ref(), Usage::Client, now())
}

/// Reads what to trust, from `the file ca`.
pub fn trusted(bytes: impl AsRef<[u8]>, password: Option<&str>) -> Result<TrustStore, Error> {
    trust_store(&found("the file ca", bytes), secret(password).as_ref(), now())
}

/// All of an error that people see.
pub fn shown<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    format!("{}: {error}", error.code)
}
