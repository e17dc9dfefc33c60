//! Which certificates go with a leaf, and in which order.

use keyvault::material::KeyPair;

use crate::make::{ISSUING, Issued, Kind, LEAF, ROOT, Wanted, authority, client, key, leaf, shown};

fn pair(certificates: &[&Issued]) -> KeyPair {
    let others = certificates.iter().map(|issued| issued.pem()).collect::<String>();
    client(LEAF.both() + &others, None).unwrap()
}

fn digests(pair: &KeyPair) -> Vec<String> {
    pair.chain.iter().map(|info| info.sha256.clone()).collect()
}

#[test]
fn the_root_and_strangers_are_left_out() {
    let stranger = leaf("stranger").issue(key(Kind::P256), None);
    let pair = pair(&[&ROOT, &stranger, &ISSUING]);
    assert_eq!(digests(&pair), [LEAF.sha256(), ISSUING.sha256()]);
    assert_eq!((pair.incomplete, pair.notes.len()), (false, 0));
    assert_eq!(pair.chain_pem, LEAF.pem() + &ISSUING.pem());
}

#[test]
fn a_leaf_alone_is_a_chain() {
    let alone = pair(&[]);
    assert_eq!(digests(&alone), [LEAF.sha256()]);
    assert!(!alone.incomplete, "whether its issuer is known to the peer, nothing tells");
    let own = leaf("own").issue(key(Kind::P256), None);
    let pair = client(own.both(), None).unwrap();
    assert_eq!(digests(&pair), [own.sha256()]);
    assert_eq!((pair.incomplete, pair.notes.len()), (false, 0));
}

#[test]
fn a_missing_link_is_noted() {
    let pair = pair(&[&ROOT]);
    assert_eq!(digests(&pair), [LEAF.sha256()]);
    assert!(pair.incomplete);
    assert_eq!(
        pair.notes,
        ["the chain in the file x ends at `CN=writer,O=Contoso`: its issuer \
          `CN=issuing,O=Contoso` is not there or not valid now, so a peer that does not know that \
          one refuses it"]
    );
}

/// The same name and the same key, but it has expired.
#[test]
fn an_expired_issuer_is_as_good_as_none() {
    let old = Wanted { from: -400, until: -35, ..authority("issuing") };
    let old = old.issue(ISSUING.key.clone(), Some(&ROOT));
    assert!(pair(&[&old, &ROOT]).incomplete);
    let both = pair(&[&old, &ISSUING, &ROOT]);
    assert_eq!(digests(&both), [LEAF.sha256(), ISSUING.sha256()]);
    assert!(!both.incomplete);
}

/// Only a signature proves who issued a certificate.
#[test]
fn a_namesake_is_no_issuer() {
    let namesake = authority("issuing").issue(key(Kind::P256), Some(&ROOT));
    let pair = pair(&[&namesake, &ISSUING, &ROOT]);
    assert_eq!(digests(&pair), [LEAF.sha256(), ISSUING.sha256()]);
}

/// An authority that two others vouch for: the way that ends at a root is taken.
#[test]
fn of_two_ways_up_the_one_with_a_root_is_taken() {
    let other_root = authority("other root").issue(key(Kind::P256), None);
    let cross = authority("root").issue(ROOT.key.clone(), Some(&other_root));
    let pair = pair(&[&cross, &ISSUING, &ROOT]);
    assert_eq!(digests(&pair), [LEAF.sha256(), ISSUING.sha256()]);
    let pair = self::pair(&[&cross, &ISSUING]);
    assert_eq!(digests(&pair), [LEAF.sha256(), ISSUING.sha256(), cross.sha256()]);
    assert!(!pair.incomplete);
}

/// Two authorities that issue each other.
#[test]
fn a_circle_ends() {
    let (first, second) = (key(Kind::P256), key(Kind::P256));
    let a = authority("a").issue(first.clone(), None);
    let b = authority("b").issue(second.clone(), Some(&a));
    let a = authority("a").issue(first, Some(&b));
    let leaf = leaf("leaf").issue(key(Kind::P256), Some(&b));
    let pair = client(leaf.both() + &a.pem() + &b.pem(), None).unwrap();
    assert_eq!(digests(&pair), [leaf.sha256(), b.sha256(), a.sha256()]);
}

#[test]
fn a_chain_is_not_endless() {
    let mut text = String::new();
    let mut last = ROOT.clone();
    for _ in 0..12 {
        last = authority("link").issue(key(Kind::P256), Some(&last));
        text += &last.pem();
    }
    let leaf = leaf("leaf").issue(key(Kind::P256), Some(&last));
    let pair = client(leaf.both() + &text, None).unwrap();
    assert_eq!(pair.chain.len(), 10);
}

/// A certificate was renewed, and the old one still stands beside it.
#[test]
fn of_two_certificates_of_a_key_the_valid_one_is_taken() {
    let renew = |from, until| {
        Wanted { from, until, ..leaf("writer") }.issue(LEAF.key.clone(), Some(&ISSUING))
    };
    let (old, new, next) = (renew(-90, -1), renew(-10, 80), renew(10, 100));
    for order in [[&old, &new, &next], [&next, &old, &new]] {
        let text = order.map(Issued::pem).concat() + &old.key_pem() + &ISSUING.pem();
        assert_eq!(digests(&client(text, None).unwrap()), [new.sha256(), ISSUING.sha256()]);
    }
    // None is valid: the one that was last says why.
    let text = old.both() + &renew(-200, -91).pem();
    assert_eq!(
        shown(client(text, None)),
        "CERTIFICATE_EXPIRED: the certificate `CN=writer,O=Contoso` in the file x expired at \
         2029-12-31T00:00:00Z; renew it, and put the new one there"
    );
}

#[test]
fn the_certificate_of_an_authority_is_taken_with_a_note() {
    let own = Wanted { authority: true, ..leaf("own") }.issue(key(Kind::P256), None);
    let pair = client(own.both(), None).unwrap();
    assert_eq!(
        pair.notes,
        ["`CN=own,O=Contoso` in the file x is the certificate of an authority (CA:TRUE); some \
          peers, such as those that use rustls, refuse it of anybody else"]
    );
}
