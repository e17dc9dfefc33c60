//! A certificate workshop: authorities, and certificates with every fault that a test asks for.
//!
//! Everything is made anew for each process, in memory; [`Pair`] then gives the same key and
//! certificates in each format that people keep them in (`formats.rs`).

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use openssl::pkey::{PKey, Private};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
    PKCS_RSA_SHA256, SerialNumber,
};

mod formats;
mod handshake;

pub use formats::{PairFiles, trust_store_jks, trust_store_pfx};
pub use handshake::{Shown, shown};

/// Clocks of a machine and of its virtual machines differ a little.
const BEFORE_NOW: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, 2048 bits.
    Rsa,
    /// Elliptic curve P-256.
    Ec,
    /// Ed25519.
    Ed25519,
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct Template {
    common_name: String,
    names: Vec<String>,
    usage: Option<ExtendedKeyUsagePurpose>,
    not_before: SystemTime,
    not_after: SystemTime,
    key: KeyKind,
}

/// Who signs certificates: a root, or an intermediate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificates between this one and the root, this one first; empty for a root.
    intermediates: Vec<String>,
}

/// A private key with its certificate and the certificates between that and the root.
#[derive(Clone, Debug)]
pub struct Pair {
    key: PKey<Private>,
    /// In PEM: the leaf first, the root left out.
    chain: Vec<String>,
}

/// The authority that the tests of a process trust.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("Test authority"))
}

/// An authority that nobody trusts.
pub fn other_authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("Other authority"))
}

impl Template {
    /// A server's certificate for DNS names and IP addresses, good for thirty days.
    pub fn server(names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self::new("broker", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate with this common name, good for thirty days.
    pub fn client(common_name: &str) -> Self {
        Self::new(common_name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn new(common_name: &str, names: Vec<String>, usage: ExtendedKeyUsagePurpose) -> Self {
        let now = SystemTime::now();
        Self {
            common_name: common_name.to_owned(),
            names,
            usage: Some(usage),
            not_before: now - BEFORE_NOW,
            not_after: now + 30 * DAY,
            key: KeyKind::Ec,
        }
    }

    /// With another common name.
    #[must_use]
    pub fn common_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.common_name);
        self
    }

    /// With a key of this kind instead of [`KeyKind::Ec`].
    #[must_use]
    pub fn key(mut self, kind: KeyKind) -> Self {
        self.key = kind;
        self
    }

    /// Good from one time to another.
    #[must_use]
    pub fn valid(mut self, not_before: SystemTime, not_after: SystemTime) -> Self {
        (self.not_before, self.not_after) = (not_before, not_after);
        self
    }

    /// Good until yesterday.
    #[must_use]
    pub fn expired(self) -> Self {
        let now = SystemTime::now();
        self.valid(now - 30 * DAY, now - DAY)
    }

    /// Good from tomorrow on.
    #[must_use]
    pub fn not_yet_valid(self) -> Self {
        let now = SystemTime::now();
        self.valid(now + DAY, now + 30 * DAY)
    }

    /// Says nothing of clients or servers: its extended key usage is code signing.
    #[must_use]
    pub fn for_another_use(mut self) -> Self {
        self.usage = Some(ExtendedKeyUsagePurpose::CodeSigning);
        self
    }

    /// Without extended key usages, which allows all of them.
    #[must_use]
    pub fn for_every_use(mut self) -> Self {
        self.usage = None;
        self
    }

    fn params(&self) -> CertificateParams {
        let names = CertificateParams::new(self.names.clone());
        let mut params = names.expect("a test names hosts in ASCII");
        params.distinguished_name = name(&self.common_name);
        (params.not_before, params.not_after) = (self.not_before.into(), self.not_after.into());
        params.serial_number = Some(next_serial());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = self.usage.iter().cloned().collect();
        params.use_authority_key_identifier_extension = true;
        params
    }
}

impl Authority {
    /// A root with this common name.
    pub fn new(common_name: &str) -> Self {
        let issuer =
            CertifiedIssuer::self_signed(authority_params(common_name), generate(KeyKind::Ec));
        Self { issuer: issuer.expect("an authority signs itself"), intermediates: Vec::new() }
    }

    /// An authority below this one; its chain goes along with what it signs.
    #[must_use]
    pub fn intermediate(&self, common_name: &str) -> Self {
        let params = authority_params(common_name);
        let issuer = CertifiedIssuer::signed_by(params, generate(KeyKind::Ec), &self.issuer)
            .expect("an authority signs another");
        let mut intermediates = vec![issuer.pem()];
        intermediates.extend_from_slice(&self.intermediates);
        Self { issuer, intermediates }
    }

    /// A new key and its certificate.
    pub fn issue(&self, template: &Template) -> Pair {
        let key = generate(template.key);
        let leaf = template.params().signed_by(&key, &self.issuer);
        let mut chain = vec![leaf.expect("an authority signs certificates").pem()];
        chain.extend_from_slice(&self.intermediates);
        let key = PKey::private_key_from_pkcs8(key.serialized_der());
        Pair { key: key.expect("the key was just made"), chain }
    }

    /// Its certificate in PEM: what those hold who trust it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

impl Pair {
    /// The certificates in PEM: the leaf first, the root left out.
    pub fn chain_pem(&self) -> String {
        self.chain.concat()
    }

    /// The certificate alone in PEM.
    pub fn leaf_pem(&self) -> &str {
        &self.chain[0]
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name);
    (params.not_before, params.not_after) = ((now - BEFORE_NOW).into(), (now + 365 * DAY).into());
    params.serial_number = Some(next_serial());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "kafka-output tests");
    name.push(DnType::CommonName, common_name);
    name
}

fn generate(kind: KeyKind) -> KeyPair {
    let algorithm = match kind {
        KeyKind::Rsa => &PKCS_RSA_SHA256,
        KeyKind::Ec => &PKCS_ECDSA_P256_SHA256,
        KeyKind::Ed25519 => &PKCS_ED25519,
    };
    KeyPair::generate_for(algorithm).expect("keys of these kinds can be made")
}

/// 1, 2, 3 …: a serial number tells two certificates of one authority apart.
fn next_serial() -> SerialNumber {
    static COUNTER: AtomicU32 = AtomicU32::new(1);
    u64::from(COUNTER.fetch_add(1, Ordering::Relaxed)).into()
}
