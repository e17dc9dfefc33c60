//! The way from a certificate up to its authority.

use std::time::SystemTime;

use super::certificate::Certificate;

/// The longest chain; no TLS library follows a longer one.
const LENGTH_MAX: usize = 10;

/// A certificate and its issuers.
pub(super) struct Chain {
    /// The leaf first, each followed by its issuer; without the self-signed root.
    pub(super) certificates: Vec<Certificate>,
    /// Whether an issuer is known to be missing between the last one and its authority.
    pub(super) incomplete: bool,
}

/// Builds the chain of the leaf from the other certificates, of which those that are not valid now
/// or do not belong to it are left out.
///
/// The root at the end is left out, too: TLS lets it be (RFC 8446, 4.4.2), a peer that trusts it
/// has it, and one that does not learns nothing from it. A leaf that is its own root stays.
///
/// Where the chain ends below a root, nothing tells in general whether the peer knows what comes
/// next. It counts as incomplete if further authorities are there that do not link to it.
pub(super) fn build(leaf: Certificate, mut others: Vec<Certificate>, now: SystemTime) -> Chain {
    let mut certificates = vec![leaf];
    let mut rooted = certificates[0].is_self_signed();
    while !rooted && certificates.len() < LENGTH_MAX {
        let last = &certificates[certificates.len() - 1];
        let issuers = (0..others.len())
            .filter(|index| others[*index].is_valid(now) && last.is_issued_by(&others[*index]));
        // An authority may have several certificates: roots end the way, then what holds longest.
        let Some(best) = issuers
            .max_by_key(|index| (others[*index].is_self_signed(), others[*index].info.not_after))
        else {
            break;
        };
        let issuer = others.swap_remove(best);
        rooted = issuer.is_self_signed();
        if !rooted {
            certificates.push(issuer);
        }
    }
    // The same authority with another issuer is another way up, not a missing link.
    let stranger = |other: &Certificate| {
        other.authority && certificates.iter().all(|own| own.info.subject != other.info.subject)
    };
    let incomplete = !rooted && others.iter().any(stranger);
    Chain { certificates, incomplete }
}
