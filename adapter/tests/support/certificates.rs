//! Authorities and certificates, as the service and its callers get them.
use std::time::{Duration, SystemTime};

use keyvault::{
    Secret,
    material::{CertificateInfo, KeyPair, TrustStore},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, date_time_ymd,
};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, rcgen::KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate with its key.
pub struct Certified {
    /// The certificate.
    pub pem: String,
    /// Its key.
    pub key_pem: String,
}

/// What a certificate is to say.
pub struct Leaf {
    /// The common name, and the organization.
    pub name: (&'static str, Option<&'static str>),
    /// DNS names, addresses, URIs.
    pub alternative: Vec<SanType>,
    /// Further attributes of the name, by their numbers.
    pub attributes: Vec<(&'static [u64], &'static str)>,
    /// Years between which it holds.
    pub years: (i32, i32),
    /// Or so long from now on.
    pub holds: Option<Duration>,
    /// Whether it is a server's.
    pub server: bool,
}

impl Leaf {
    /// A certificate for this machine.
    pub fn server() -> Self {
        let alternative = vec![
            SanType::DnsName("localhost".try_into().unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
        ];
        Self { name: ("service", None), alternative, server: true, ..Self::client("") }
    }

    /// A caller's certificate.
    pub fn client(name: &'static str) -> Self {
        Self {
            name: (name, None),
            alternative: Vec::new(),
            attributes: Vec::new(),
            years: (2020, 2080),
            holds: None,
            server: false,
        }
    }
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Signs a certificate.
    pub fn sign(&self, leaf: Leaf) -> Certified {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(leaf.name.0, leaf.name.1);
        for (number, value) in leaf.attributes {
            params.distinguished_name.push(DnType::CustomDnType(number.to_vec()), value);
        }
        params.subject_alt_names = leaf.alternative;
        params.not_before = date_time_ymd(leaf.years.0, 1, 1);
        params.not_after = date_time_ymd(leaf.years.1, 1, 1);
        if let Some(holds) = leaf.holds {
            params.not_after = (SystemTime::now() + holds).into();
        }
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        let purpose = if leaf.server { ExtendedKeyUsagePurpose::ServerAuth } else { client };
        params.extended_key_usages = vec![purpose];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certified { pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// As the service trusts it.
    pub fn trust(&self) -> TrustStore {
        TrustStore {
            pem: self.pem.clone(),
            certificates: vec![info("an authority")],
            notes: Vec::new(),
        }
    }
}

impl Certified {
    /// As the service shows it.
    pub fn key_pair(&self) -> KeyPair {
        KeyPair {
            chain_pem: self.pem.clone(),
            key_pem: Secret::from(self.key_pem.clone()),
            chain: vec![info("CN=service")],
            incomplete: false,
            notes: Vec::new(),
        }
    }
}

fn named(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    organization.inspect(|organization| name.push(DnType::OrganizationName, *organization));
    name.push(DnType::CommonName, common);
    name
}

fn info(subject: &str) -> CertificateInfo {
    CertificateInfo {
        subject: subject.to_owned(),
        issuer: String::new(),
        serial: String::new(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH,
        names: Vec::new(),
        sha256: String::new(),
    }
}
