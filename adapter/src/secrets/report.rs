//! What may be told of credentials: where they come from, whose they are, how long they hold.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use keyvault::{Found, Reference, material::CertificateInfo};

use crate::{
    diagnose::{Finding, expires_soon},
    kafka::Cause,
};

/// Something that was read and is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// What for, as the job file calls it: `clientCertificate`, `sasl.password`.
    pub purpose: &'static str,
    /// Where it stands, in words.
    pub source: String,
    /// The version of the vault; nothing of what stands elsewhere.
    pub version: Option<String>,
    /// Whose it is, if it is a certificate.
    pub subject: Option<String>,
    /// Until when it holds, if that is known.
    pub expires: Option<SystemTime>,
    /// What somebody should know about it although it works.
    pub notes: Vec<String>,
    /// It should be renewed now: the code and the words of the warning.
    pub ends_soon: Option<(&'static str, String)>,
    /// Another content has another one; of use inside this process alone.
    pub(super) content: String,
}

/// What is known of the credentials of an output or of the listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is in place; empty before the first.
    pub in_use: Vec<InUse>,
    /// Since when it is.
    pub since: Option<SystemTime>,
    /// When it was last looked up with success.
    pub checked: Option<SystemTime>,
    /// Why newer ones are not in place.
    pub trouble: Option<Cause>,
    /// How often others were put in place.
    pub renewals: u64,
}

/// A report that its writer and its readers share.
#[derive(Clone, Default)]
pub struct Reporter(Arc<Mutex<Report>>);

impl Reporter {
    /// What is known now.
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    /// Other credentials are in place. Returns what of them is new.
    pub(super) fn renewed(&self, in_use: Vec<InUse>) -> Vec<InUse> {
        let mut report = self.lock();
        let now = SystemTime::now();
        let is_known = |new: &&InUse| {
            report.in_use.iter().any(|old| old.purpose == new.purpose && old.content == new.content)
        };
        let new = in_use.iter().filter(|new| !is_known(new)).cloned().collect();
        report.renewals += u64::from(report.since.is_some());
        (report.in_use, report.since, report.trouble) = (in_use, Some(now), None);
        report.checked = Some(now);
        new
    }

    /// They were looked up and are still the newest.
    pub(super) fn confirmed(&self, in_use: Vec<InUse>) {
        let mut report = self.lock();
        (report.in_use, report.trouble) = (in_use, None);
        report.checked = Some(SystemTime::now());
    }

    /// A newer token is in place beside what is there.
    pub(super) fn token_renewed(&self, token: InUse) {
        let mut report = self.lock();
        match report.in_use.iter_mut().find(|known| known.purpose == token.purpose) {
            Some(known) => *known = token,
            None => report.in_use.push(token),
        }
        report.renewals += 1;
        report.since = Some(SystemTime::now());
    }

    /// Newer ones could not be had or put in place. True if that is news: the same fault may be
    /// told in other words each time.
    pub(super) fn failed(&self, cause: Cause) -> bool {
        let mut report = self.lock();
        let news = report.trouble.as_ref().is_none_or(|known| known.code != cause.code);
        report.trouble = Some(cause);
        news
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().expect("nothing panics in it")
    }
}

impl InUse {
    /// A secret as it was found.
    pub(super) fn of(purpose: &'static str, reference: &Reference, found: &Found) -> Self {
        let version = matches!(reference, Reference::Vault(_)).then(|| found.version.clone());
        let source = found.place.clone();
        let (expires, content) = (found.expires, found.version.clone());
        let notes = Vec::new();
        Self { purpose, source, version, subject: None, expires, notes, ends_soon: None, content }
    }

    /// The same, made into a certificate.
    pub(super) fn certificate(self, certificate: &CertificateInfo, notes: &[String]) -> Self {
        let (subject, expires) = (Some(certificate.subject.clone()), Some(certificate.not_after));
        let (whose, code) = match self.purpose {
            "tls.certificate" => ("the certificate", "CERTIFICATE_EXPIRES_SOON"),
            "clientCertificate" => ("the client certificate", "CLIENT_CERTIFICATE_EXPIRES_SOON"),
            _ => ("the authority", "AUTHORITY_EXPIRES_SOON"),
        };
        let ends_soon = expires_soon(certificate, whose, code);
        let ends_soon =
            ends_soon.map(|Finding { code, text, remedy }| (code, format!("{text}: {remedy}")));
        Self { subject, expires, notes: notes.to_vec(), ends_soon, ..self }
    }
}

/// Whole days until then; negative once it is over.
pub fn days_left(end: SystemTime) -> i64 {
    const DAY_S: u64 = 86_400;
    match end.duration_since(SystemTime::now()) {
        Ok(left) => (left.as_secs() / DAY_S) as i64,
        Err(over) => -((over.duration().as_secs() / DAY_S) as i64) - 1,
    }
}
