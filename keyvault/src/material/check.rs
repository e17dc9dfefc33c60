//! Whether certificates can be used now, for their purpose, with the libraries that use them.

use std::time::SystemTime;

use super::{Usage, certificate::Certificate, chain::Chain, fault, read::Contents};
use crate::Error;

/// Checks a leaf and its chain; returns notes.
pub(super) fn chain(
    chain: &Chain,
    place: &str,
    usage: Usage,
    now: SystemTime,
) -> Result<Vec<String>, Error> {
    let leaf = &chain.certificates[0];
    if leaf.is_expired(now) {
        return Err(fault::expired(place, leaf));
    }
    if !leaf.is_valid(now) {
        return Err(fault::not_yet_valid(place, leaf));
    }
    if !leaf.is_for(usage) {
        let purpose = match usage {
            Usage::Client => "extended key usage does not name clientAuth",
            Usage::Server => "extended key usage does not name serverAuth",
        };
        return Err(fault::wrong_usage(place, leaf, usage, purpose));
    }
    if !leaf.signs {
        let lacks = "key usage does not name digitalSignature";
        return Err(fault::wrong_usage(place, leaf, usage, lacks));
    }
    for certificate in &chain.certificates {
        if let Some(weakness) = certificate.weakness() {
            return Err(fault::too_weak(place, certificate, &weakness));
        }
    }
    let mut notes = Vec::new();
    if leaf.version_1 {
        // rustls serves with none.
        if usage == Usage::Server {
            return Err(fault::version_too_old(place, leaf));
        }
        notes.push(fault::note_version(place, leaf));
    }
    if leaf.authority {
        notes.push(fault::note_authority_as_leaf(place, leaf));
    }
    if usage == Usage::Server && leaf.info.names.is_empty() {
        notes.push(fault::note_no_host(place, leaf));
    }
    if chain.incomplete {
        let last = &chain.certificates[chain.certificates.len() - 1];
        notes.push(fault::note_incomplete(place, last));
    }
    Ok(notes)
}

/// Those that can be trusted now, and notes.
pub(super) fn authorities(
    contents: Contents,
    place: &str,
    now: SystemTime,
) -> Result<(Vec<Certificate>, Vec<String>), Error> {
    let mut notes = Vec::new();
    if !contents.keys.is_empty() {
        notes.push(fault::note_private_key(place));
    }
    let (expired, kept) = contents
        .certificates
        .into_iter()
        .partition::<Vec<_>, _>(|certificate| certificate.is_expired(now));
    if kept.is_empty() {
        return Err(fault::all_expired(place, &expired));
    }
    notes.extend(expired.iter().map(|expired| fault::note_expired(place, expired)));
    for certificate in &kept {
        if !certificate.is_valid(now) {
            notes.push(fault::note_not_yet_valid(place, certificate));
        }
        let anchored = || kept.iter().any(|issuer| certificate.is_issued_by(issuer));
        if !certificate.is_self_signed() && !anchored() {
            notes.push(fault::note_no_anchor(place, certificate));
        }
        if let Some(weakness) = certificate.weakness() {
            notes.push(fault::note_weak(place, certificate, &weakness));
        }
    }
    Ok((kept, notes))
}
