//! Authorities and certificates for the listeners and clients of the tests.

use std::sync::Arc;

use keyvault::{
    Secret,
    material::{CertificateInfo, KeyPair as ClientPair, TrustStore},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key and those above it, for rustls and for the target.
#[derive(Clone)]
pub struct Leaf {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: Arc<PrivateKeyDer<'static>>,
}

/// When a certificate holds, in years.
#[derive(Clone, Copy)]
pub struct Years(pub i32, pub i32);

pub const NOW: Years = Years(2020, 4000);
pub const PAST: Years = Years(2020, 2021);
pub const FUTURE: Years = Years(3000, 4000);

fn params(common_name: &str, names: &[&str], Years(from, to): Years) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

impl Authority {
    /// One that nobody is above.
    pub fn new(common_name: &str) -> Self {
        Self::valid(common_name, NOW)
    }

    pub fn valid(common_name: &str, years: Years) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(Self::params(common_name, years), key).unwrap())
    }

    /// One below this one.
    pub fn below(&self, common_name: &str) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), Self::params(common_name, NOW));
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    fn params(common_name: &str, years: Years) -> CertificateParams {
        let mut params = params(common_name, &[], years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    /// A certificate of this authority.
    pub fn leaf(&self, common_name: &str, names: &[&str], years: Years) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let certificate = params(common_name, names, years).signed_by(&key, &self.0).unwrap();
        Leaf { chain: vec![certificate.der().clone()], key: Arc::new(key.into()) }
    }

    /// The usual certificate of a listener of the tests.
    pub fn server(&self) -> Leaf {
        self.leaf("broker", &["localhost", "127.0.0.1"], NOW)
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }
}

impl Leaf {
    /// One that signs itself, with the common name alone.
    pub fn self_signed(common_name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(common_name, &[], NOW).self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], key: Arc::new(key.into()) }
    }

    /// The same, showing the way up.
    pub fn with(mut self, above: &Authority) -> Self {
        self.chain.push(above.der());
        self
    }

    /// As the target takes it.
    pub fn client(&self) -> ClientPair {
        ClientPair {
            chain_pem: self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect(),
            key_pem: Secret::from(pem("PRIVATE KEY", self.key.secret_der())),
            chain: self.chain.iter().map(|der| CertificateInfo::from_der(der).unwrap()).collect(),
            incomplete: false,
            notes: Vec::new(),
        }
    }
}

/// A truststore of these certificates.
pub fn trust(anchors: &[CertificateDer<'static>]) -> TrustStore {
    TrustStore {
        pem: anchors.iter().map(|der| pem("CERTIFICATE", der)).collect(),
        certificates: anchors.iter().map(|der| CertificateInfo::from_der(der).unwrap()).collect(),
        notes: Vec::new(),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
