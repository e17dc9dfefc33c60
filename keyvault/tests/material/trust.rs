//! What is trusted, and what OpenSSL makes of it.

use openssl::{
    nid::Nid,
    stack::Stack,
    x509::{X509, X509StoreContext, store::X509StoreBuilder},
};

use crate::make::{
    ISSUING, Issued, Kind, LEAF, ROOT, Wanted, authority, key, leaf, rsa, shown, trusted,
};

/// Whether OpenSSL finds its way from the leaf to what is trusted.
fn openssl_trusts(store: &str, leaf: &Issued, chain: &[&Issued]) -> bool {
    let mut builder = X509StoreBuilder::new().unwrap();
    for certificate in X509::stack_from_pem(store.as_bytes()).unwrap() {
        builder.add_cert(certificate).unwrap();
    }
    let mut others = Stack::new().unwrap();
    for issued in chain {
        others.push(issued.certificate.clone()).unwrap();
    }
    let mut context = X509StoreContext::new().unwrap();
    let store = builder.build();
    let verify = |context: &mut openssl::x509::X509StoreContextRef| context.verify_cert();
    context.init(&store, &leaf.certificate, &others, verify).unwrap()
}

#[test]
fn authorities_are_kept_once_each_in_their_order() {
    let text = ISSUING.pem() + &ROOT.pem() + &ISSUING.pem();
    let store = trusted(&text, None).unwrap();
    assert_eq!(store.pem, ISSUING.pem() + &ROOT.pem());
    let digests = store.certificates.iter().map(|info| &info.sha256).collect::<Vec<_>>();
    assert_eq!(digests, [&ISSUING.sha256(), &ROOT.sha256()]);
    assert_eq!(store.notes, [""; 0]);
    assert!(openssl_trusts(&store.pem, &LEAF, &[]));
}

#[test]
fn expired_ones_are_left_out() {
    let old = Wanted { from: -400, until: -35, ..authority("old") }.issue(key(Kind::P256), None);
    let next = Wanted { from: 10, ..authority("next") }.issue(key(Kind::P256), None);
    let store = trusted(old.pem() + &ROOT.pem() + &next.pem(), None).unwrap();
    assert_eq!(store.pem, ROOT.pem() + &next.pem());
    assert_eq!(
        store.notes,
        [
            "`CN=old,O=Contoso` in the file ca expired at 2029-11-27T00:00:00Z and is left out",
            "`CN=next,O=Contoso` in the file ca is not valid before 2030-01-11T00:00:00Z",
        ]
    );
    let older = Wanted { from: -400, until: -90, ..authority("older") };
    let older = older.issue(key(Kind::P256), None);
    assert_eq!(
        shown(trusted(old.pem() + &older.pem(), None)),
        "CERTIFICATE_EXPIRED: the file ca holds only certificates that have expired; the last was \
         `CN=old,O=Contoso`, at 2029-11-27T00:00:00Z; put the certificates there that the \
         authority uses now"
    );
}

#[test]
fn a_private_key_is_noted_and_not_needed() {
    let store = trusted(ROOT.both(), None).unwrap();
    assert_eq!(store.pem, ROOT.pem());
    assert_eq!(
        store.notes,
        ["the file ca holds a private key, which nobody needs to trust a certificate"]
    );
    // Nor is its password.
    let locked = ROOT
        .key
        .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_128_cbc(), b"secret");
    let both = [ROOT.pem().into_bytes(), locked.unwrap()].concat();
    assert_eq!(trusted(both, None).unwrap().notes.len(), 1);
    assert_eq!(
        shown(trusted(ROOT.key_pem(), None)),
        "CERTIFICATE_MISSING: the file ca holds a private key, but no certificate to trust; put \
         the certificates of the authorities there, and no key"
    );
}

/// OpenSSL trusts a self-signed leaf that is trusted by itself, but nothing whose way to a
/// self-signed certificate is not there.
#[test]
fn what_openssl_does_not_trust_alone_is_noted() {
    let own = leaf("own").issue(key(Kind::P256), None);
    let store = trusted(own.pem(), None).unwrap();
    assert_eq!(store.notes, [""; 0]);
    assert!(openssl_trusts(&store.pem, &own, &[]));

    for (pinned, chain) in [(&*LEAF, &[][..]), (&*ISSUING, &[&*ISSUING])] {
        let store = trusted(pinned.pem(), None).unwrap();
        let [info] = &store.certificates[..] else { panic!("it is one") };
        assert_eq!(
            store.notes,
            [format!(
                "`{}` in the file ca is not self-signed, and its issuer `{}` is not there; OpenSSL \
                 trusts it only together with its issuer",
                info.subject, info.issuer
            )]
        );
        assert!(!openssl_trusts(&store.pem, &LEAF, chain), "{}", info.subject);
    }
}

#[test]
fn a_weak_authority_is_noted() {
    let weak = authority("weak").issue(rsa(1024), None);
    assert_eq!(weak.certificate.signature_algorithm().object().nid(), Nid::SHA256WITHRSAENCRYPTION);
    let store = trusted(weak.pem(), None).unwrap();
    assert_eq!(
        store.notes,
        ["`CN=weak,O=Contoso` in the file ca has an RSA key of only 1024 bits; OpenSSL trusts \
          nothing that it signs"]
    );
}

/// As a distribution brings them.
#[test]
fn as_many_authorities_as_a_system_has_are_read() {
    let key = key(Kind::P256);
    let text = (0..150).map(|_| authority("public").issue(key.clone(), None).pem());
    let one = trusted(text.collect::<String>(), None).unwrap();
    // ECDSA signatures differ each time.
    assert_eq!(one.certificates.len(), 150);
}
