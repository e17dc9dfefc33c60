//! Whether a server's certificate is to be trusted, judged as librdkafka does: by OpenSSL.

use std::net::IpAddr;

use keyvault::material::CertificateInfo;
use openssl::{
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509PurposeId, X509StoreContext,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyParam,
    },
};

use super::{
    certificate::{ago, date, listed, quoted, title},
    report::Finding,
    target::{Target, Tls},
};

/// OpenSSL's default security level since 3.2: keys and signatures of 112 bits at least.
const SECURITY_LEVEL: i32 = 2;

/// OpenSSL's verdicts (`X509_V_ERR_…` in `x509_vfy.h`, stable since they are part of its ABI).
mod verdict {
    pub(super) const NO_ISSUER: i32 = 2;
    pub(super) const SIGNATURE_FAILURE: i32 = 7;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED: i32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: i32 = 19;
    pub(super) const NO_LOCAL_ISSUER: i32 = 20;
    pub(super) const NO_CHAIN: i32 = 21;
    pub(super) const INVALID_PURPOSE: i32 = 26;
    pub(super) const HOST_MISMATCH: i32 = 62;
    pub(super) const ADDRESS_MISMATCH: i32 = 64;
    pub(super) const SERVER_KEY_TOO_SMALL: i32 = 66;
    pub(super) const AUTHORITY_KEY_TOO_SMALL: i32 = 67;
    pub(super) const DIGEST_TOO_WEAK: i32 = 68;
}

/// Judges the certificates of one server.
pub(super) struct Judge {
    store: X509Store,
    /// `the truststore (2 authorities)`.
    trusted: String,
    /// What to do so that an authority is trusted, up to its name.
    trust: &'static str,
    host: String,
    place: String,
}

/// What OpenSSL found.
struct Refusal {
    verdict: i32,
    text: &'static str,
    /// The certificate that it found it at: 0 is the server's own.
    depth: u32,
    /// What that certificate says.
    at: CertificateInfo,
}

impl Judge {
    /// A judge that trusts what the target does.
    pub(super) fn new(target: &Target, tls: &Tls) -> Result<Self, ErrorStack> {
        let mut store = X509StoreBuilder::new()?;
        let (count, owner, trust) = match &tls.truststore {
            Some(given) => {
                let anchors = X509::stack_from_pem(given.pem.as_bytes())?;
                let count = anchors.len();
                anchors.into_iter().try_for_each(|anchor| store.add_cert(anchor))?;
                (count, "the truststore", "add to the truststore")
            }
            None => {
                let anchors = rustls_native_certs::load_native_certs().certs;
                let anchors = anchors.iter().filter_map(|der| X509::from_der(der).ok());
                let mut count = 0;
                for anchor in anchors {
                    store.add_cert(anchor)?;
                    count += 1;
                }
                (count, "the system's truststore", "give the output a `truststore` with")
            }
        };
        let mut asked = X509VerifyParam::new()?;
        asked.set_auth_level(SECURITY_LEVEL);
        asked.set_purpose(X509PurposeId::SSL_SERVER)?;
        if !tls.trust_any_host_name {
            match target.host.parse::<IpAddr>() {
                Ok(address) => asked.set_ip(address)?,
                Err(_) => asked.set_host(&target.host)?,
            }
        }
        store.set_param(&asked)?;
        let authorities = if count == 1 { "authority" } else { "authorities" };
        Ok(Self {
            store: store.build(),
            trusted: format!("{owner} ({count} {authorities})"),
            trust,
            host: target.host.clone(),
            place: target.place(),
        })
    }

    /// What is wrong with the chain that a server shows, its own certificate first.
    pub(super) fn judge(&self, chain: &[&[u8]], leaf: &CertificateInfo) -> Option<Finding> {
        match self.verify(chain) {
            Ok(None) => None,
            Ok(Some(refusal)) => Some(self.explain(&refusal, leaf)),
            Err(error) => Some(Finding::new(
                "SERVER_CERTIFICATE_REFUSED",
                format!("the certificate of {} cannot be read: {error}", self.place),
                "have the broker show another certificate",
            )),
        }
    }

    fn verify(&self, chain: &[&[u8]]) -> Result<Option<Refusal>, ErrorStack> {
        let mut rest = Stack::new()?;
        let leaf = X509::from_der(chain.first().copied().unwrap_or_default())?;
        for der in chain.iter().skip(1) {
            rest.push(X509::from_der(der)?)?;
        }
        X509StoreContext::new()?.init(&self.store, &leaf, &rest, |context| {
            if context.verify_cert()? {
                return Ok(None);
            }
            let error = context.error();
            let at = context.current_cert().unwrap_or(&leaf).to_der()?;
            Ok(Some(Refusal {
                verdict: error.as_raw(),
                text: error.error_string(),
                depth: context.error_depth(),
                at: CertificateInfo::from_der(&at).ok_or_else(ErrorStack::get)?,
            }))
        })
    }

    fn explain(&self, refusal: &Refusal, leaf: &CertificateInfo) -> Finding {
        let (place, at) = (&self.place, &refusal.at);
        let (shown, found) = (title(leaf), title(at));
        // `the certificate of kafka-1:9093, `CN=kafka-1`,` or that of an authority on its way.
        let which = match refusal.depth {
            0 => format!("the certificate of {place}, {shown},"),
            _ => format!("{found}, which the certificate of {place} leads to,"),
        };
        match refusal.verdict {
            verdict::NO_ISSUER
            | verdict::NO_LOCAL_ISSUER
            | verdict::NO_CHAIN
            | verdict::SELF_SIGNED
            | verdict::SELF_SIGNED_IN_CHAIN
            | verdict::SIGNATURE_FAILURE => self.unknown(refusal, &which),
            verdict::EXPIRED => {
                let (until, ago) = (date(at.not_after), ago(at.not_after));
                Finding::new(
                    "SERVER_CERTIFICATE_EXPIRED",
                    format!("{which} expired on {until}, {ago}"),
                    "renew it at the broker; if that date is still to come, set the clock of this \
                     machine",
                )
            }
            verdict::NOT_YET_VALID => Finding::new(
                "SERVER_CERTIFICATE_NOT_YET_VALID",
                format!("{which} is not valid before {}", date(at.not_before)),
                "set the clock of this machine if that date has passed, else wait for it",
            ),
            verdict::HOST_MISMATCH | verdict::ADDRESS_MISMATCH => {
                let names = match leaf.names.as_slice() {
                    [] => format!("{shown} alone"),
                    names => listed(names.iter().map(String::as_str)),
                };
                let host = quoted(&self.host);
                Finding::new(
                    "HOST_NAME_MISMATCH",
                    format!("the certificate of {place} is for {names}, not for {host}"),
                    "write one of its names in `bootstrapServers` (and in the broker's \
                     `advertised.listeners`), or give the broker a certificate with this name",
                )
            }
            verdict::INVALID_PURPOSE => Finding::new(
                "SERVER_CERTIFICATE_WRONG_USAGE",
                format!("{which} is not for servers: {}", refusal.text),
                "give the broker a certificate with the usage serverAuth",
            ),
            verdict::SERVER_KEY_TOO_SMALL
            | verdict::AUTHORITY_KEY_TOO_SMALL
            | verdict::DIGEST_TOO_WEAK => Finding::new(
                "SERVER_CERTIFICATE_WEAK",
                format!("{which} is too weak: {}", refusal.text),
                "have one issued with RSA of 2048 bits or P-256 at least, signed with SHA-256",
            ),
            _ => Finding::new(
                "SERVER_CERTIFICATE_REFUSED",
                format!("{which} is refused: {}", refusal.text),
                "have the broker show another certificate",
            ),
        }
    }

    /// The way to a trusted authority breaks off.
    fn unknown(&self, refusal: &Refusal, which: &str) -> Finding {
        let (trusted, trust) = (&self.trusted, self.trust);
        let (found, issuer) = (title(&refusal.at), quoted(&refusal.at.issuer));
        let (text, remedy) = match refusal.verdict {
            verdict::SELF_SIGNED => (
                format!("{which} is signed by itself, and is not in {trusted}"),
                format!("{trust} this certificate itself, if you know it to be the broker's"),
            ),
            verdict::SELF_SIGNED_IN_CHAIN => (
                format!("{which} is not in {trusted}"),
                format!("{trust} the certificate of {found}"),
            ),
            verdict::SIGNATURE_FAILURE => (
                format!(
                    "{which} names {issuer} as its issuer, but was signed with another key than \
                     that authority has in {trusted}"
                ),
                format!("{trust} the present certificate of {issuer}: it was made anew"),
            ),
            // It was found among the trusted ones itself, but its own issuer was not.
            verdict::NO_ISSUER => (
                format!(
                    "{which} is trusted only together with its issuer {issuer}, which is not in \
                     {trusted}"
                ),
                format!("{trust} the certificate of {issuer}, too"),
            ),
            _ => (
                format!("{which} is signed by {issuer}, which is not in {trusted}"),
                format!(
                    "{trust} the certificate of {issuer}, or have the broker show the whole way \
                     up to an authority that is trusted"
                ),
            ),
        };
        Finding::new("UNKNOWN_CA", text, remedy)
    }
}
