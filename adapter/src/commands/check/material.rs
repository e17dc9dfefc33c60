//! Certificates that are shown or trusted: whose they are, and how long they hold.

use keyvault::material::{KeyPair, TrustStore};

use super::finding::Line;
use crate::diagnose::{Facts, Finding, Outcome, certificate_facts, expires_soon};

/// A certificate of our own, by the code of the warning that it ends soon.
pub(super) fn own(
    step: &'static str,
    title: &'static str,
    pair: &KeyPair,
    soon: &'static str,
) -> Vec<Line> {
    let leaf = pair.leaf();
    let outcome = warned(certificate_facts(leaf), expires_soon(leaf, "the certificate", soon));
    [Line::new(step, title, outcome)].into_iter().chain(notes(title, &pair.notes)).collect()
}

/// The authorities of a truststore; the one that ends first is named.
pub(super) fn authorities(title: &'static str, trust: &TrustStore) -> Vec<Line> {
    let count = trust.certificates.len();
    let first = trust.certificates.iter().min_by_key(|certificate| certificate.not_after);
    let line = match first {
        None => Line::passed("TRUSTSTORE", title, Facts::new("empty")),
        Some(first) => {
            let facts = certificate_facts(first);
            let text = match count {
                1 => format!("one authority, {}", facts.text),
                _ => format!("{count} authorities, the first to expire is {}", facts.text),
            };
            let soon = expires_soon(first, "the authority", "AUTHORITY_EXPIRES_SOON");
            let facts = Facts { text, ..facts }.with("authorities", count);
            Line::new("TRUSTSTORE", title, warned(facts, soon))
        }
    };
    [line].into_iter().chain(notes(title, &trust.notes)).collect()
}

/// Facts, with a warning if there is one.
pub(super) fn warned(facts: Facts, warning: Option<Finding>) -> Outcome {
    match warning {
        None => Outcome::Passed(facts),
        Some(finding) => Outcome::Warned(facts, finding),
    }
}

/// What is no fault of a material, but may surprise.
fn notes(title: &'static str, notes: &[String]) -> impl Iterator<Item = Line> {
    notes.iter().map(move |note| {
        let finding = Finding::new("MATERIAL_NOTE", note.as_str(), "");
        Line::new("MATERIAL", title, Outcome::Warned(Facts::new("please note"), finding))
    })
}
