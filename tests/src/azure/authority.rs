//! A certificate authority for one run, and the certificates that the stand-in shows.

use std::{collections::HashMap, sync::Arc};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;

use super::faults;

const NAMES: [&str; 4] =
    ["*.vault.azure.net", "login.microsoftonline.com", "localhost", "127.0.0.1"];

/// An authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate and its key.
pub(super) struct Leaf {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Authority of the Azure stand-in");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// How TLS is spoken with each kind of certificate; `good` is the right one.
    pub(super) fn configs(&self, good: &Leaf) -> HashMap<faults::Certificate, Arc<ServerConfig>> {
        [
            (faults::Certificate::Good, good.config()),
            (faults::Certificate::OfAnotherHost, self.leaf(&["other.example"], false).config()),
            (faults::Certificate::Expired, self.leaf(&NAMES, true).config()),
            (faults::Certificate::Untrusted, Self::new().leaf(&NAMES, false).config()),
        ]
        .into()
    }

    /// A certificate for all of Azure's names.
    pub(super) fn good_leaf(&self) -> Leaf {
        self.leaf(&NAMES, false)
    }

    fn leaf(&self, names: &[&str], expired: bool) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("legal names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf { certificate, key }
    }
}

impl Leaf {
    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key);
        Arc::new(config.expect("the key is the certificate's"))
    }
}
