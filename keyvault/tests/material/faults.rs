//! Every fault has its own code, its own words and a remedy.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keyvault::{
    Found,
    material::{BYTES_MAX, CERTIFICATES_MAX, Usage, key_pair},
};
use openssl::{
    dsa::Dsa,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslContext, SslMethod},
    x509::extension::KeyUsage,
};

use crate::make::{
    ISSUING, Issued, Kind, LEAF, ROOT, RSA_LEAF, Wanted, authority, client, found, key, leaf, now,
    rsa, shown, usage,
};

/// The whole error of a client's certificate in `the file x`.
fn refused(bytes: impl AsRef<[u8]>) -> String {
    shown(client(bytes, None))
}

/// The same for what a server shows.
fn refused_for_server(bytes: impl AsRef<[u8]>) -> String {
    shown(key_pair(&found("the file x", bytes), None, None, Usage::Server, now()))
}

fn refused_apart(certificate: &Found, key: &Found) -> String {
    shown(key_pair(certificate, Some(key), None, Usage::Client, now()))
}

fn unreadable(what: &str) -> String {
    format!(
        "KEY_MATERIAL_UNREADABLE: the file x {what}; put the certificate or key there in PEM, PFX \
         (PKCS#12), JKS or DER"
    )
}

#[test]
fn what_is_too_large() {
    let remedy = "leave only there what is needed";
    assert_eq!(
        refused(vec![b'\n'; BYTES_MAX + 1]),
        format!(
            "KEY_MATERIAL_TOO_LARGE: the file x has 262145 bytes; at most 262144 are read; {remedy}"
        )
    );
    let mut text = LEAF.both();
    let one_key = key(Kind::P256);
    for _ in 0..CERTIFICATES_MAX {
        text += &leaf("other").issue(one_key.clone(), None).pem();
    }
    assert_eq!(
        refused(&text),
        format!("KEY_MATERIAL_TOO_LARGE: the file x holds more than 300 certificates; {remedy}")
    );
    assert_eq!(
        refused(LEAF.pem() + &LEAF.key_pem().repeat(11)),
        format!("KEY_MATERIAL_TOO_LARGE: the file x holds more than 10 private keys; {remedy}")
    );
}

#[test]
fn what_is_no_key_material() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let text = "is text, but neither PEM nor base64 of something that is known";
    let unknown = "is nothing that is known as a certificate, a key or a key store";
    let json = "looks like JSON, not like a certificate or a key";
    for (bytes, what) in [
        (b"".to_vec(), "is empty"),
        (b" \n".to_vec(), "is empty"),
        (b"canary".to_vec(), text),
        (b"Y2FuYXJ5Y2FuYXJ5".to_vec(), text),
        (LEAF.pem().replace("-----", "").into(), text),
        (b"{\"canary\": 1}".to_vec(), json),
        (b"<canary/>".to_vec(), "looks like XML or HTML, not like a certificate or a key"),
        (
            [vec![0xff, 0xfe], utf16(&LEAF.both())].concat(),
            "looks like text in UTF-16; PEM is text in UTF-8",
        ),
        (b"\x7fELF\x02\x01\x01\xff".to_vec(), unknown),
        (vec![0x30, 0x82, 0x01], unknown),
    ] {
        assert_eq!(refused(bytes), unreadable(what));
    }
}

#[test]
fn what_is_damaged() {
    let pem = LEAF.pem();
    let der = LEAF.certificate.to_der().unwrap();
    let cut = "holds a PEM block without its end: a part of it is missing";
    let certificate = "holds a damaged certificate";
    let key = "holds a damaged private key";
    let block = |label: &str, body: &[u8]| {
        let body = BASE64_STANDARD.encode(body);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
    };
    for (bytes, what) in [
        (pem.as_bytes()[..200].to_vec(), cut),
        ([&pem.as_bytes()[..200], LEAF.both().as_bytes()].concat(), cut),
        (pem.replacen("M", "*", 1).into(), "holds a damaged PEM block: it is not base64"),
        (
            b"-----BEGIN CERTIFICATE\ncanary".to_vec(),
            "holds a damaged PEM block: its first line does not end",
        ),
        (block("CERTIFICATE", b"canary"), certificate),
        (block("CERTIFICATE", &der[..200]), certificate),
        (der[..200].to_vec(), certificate),
        ([&der[..], &der].concat(), "holds a certificate with something behind it"),
        ([pem.as_bytes(), &block("PRIVATE KEY", b"canary")].concat(), key),
        ([pem.as_bytes(), &block("ENCRYPTED PRIVATE KEY", b"canary")].concat(), key),
        (b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01".to_vec(), "holds a damaged JKS key store"),
        (
            b"\x30\x06\x02\x01\x03\x30\x01\x01".to_vec(),
            "holds a PFX that is damaged or protected in a way that is not known",
        ),
        (block("X509 CRLS", b"canary"), "holds PEM, but no certificate and no key"),
    ] {
        assert_eq!(refused(bytes), unreadable(what));
    }
}

/// Its public part is that of the certificate, but its private part is another's.
#[test]
fn a_key_whose_private_part_is_wrong() {
    let other = key(Kind::P256).ec_key().unwrap().private_key().to_owned().unwrap();
    let own = LEAF.key.ec_key().unwrap();
    let mixed = EcKey::from_private_components(own.group(), &other, own.public_key()).unwrap();
    let mixed = PKey::from_ec_key(mixed).unwrap().private_key_to_pem_pkcs8().unwrap();
    assert_eq!(
        refused([LEAF.pem().into_bytes(), mixed].concat()),
        unreadable("holds a damaged private key: its certificate does not verify what it signs")
    );
}

#[test]
fn keys_that_are_not_used() {
    let label = |label: &str, remedy: &str| {
        let text = format!("-----BEGIN {label}-----\ncanary\n-----END {label}-----\n");
        assert_eq!(
            refused(text),
            format!(
                "KEY_MATERIAL_UNSUPPORTED: the file x holds a PEM block `{label}`, but no \
                 certificate and no key; {remedy}"
            )
        );
    };
    label("OPENSSH PRIVATE KEY", "write it in PKCS#8: `ssh-keygen -p -m PKCS8 -f KEY`");
    label("CERTIFICATE REQUEST", "put the certificate there that the authority issued for it");
    label("PUBLIC KEY", "put the certificate there that holds it");
    let group = EcGroup::from_curve_name(Nid::SECP256K1).unwrap();
    for key in [
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(),
        PKey::from_dsa(Dsa::generate(2048).unwrap()).unwrap(),
        PKey::generate_ed448().unwrap(),
    ] {
        assert_eq!(
            refused(leaf("writer").issue(key, Some(&ISSUING)).both()),
            "KEY_MATERIAL_UNSUPPORTED: the file x holds a private key of a kind that is not used \
             here; use RSA (2048 to 8192 bits), ECDSA (P-256, P-384 or P-521) or Ed25519"
        );
    }
}

#[test]
fn a_key_without_certificate_and_a_certificate_without_key() {
    assert_eq!(
        refused(LEAF.key_pem()),
        "CERTIFICATE_MISSING: the file x holds a private key, but no certificate; put the \
         certificate of the key there, and what leads from it to its authority"
    );
    assert_eq!(
        refused(LEAF.pem()),
        "KEY_MISSING: the file x holds the certificate `CN=writer,O=Contoso`, but no private key; \
         put the private key there, or say where it stands"
    );
    let certificate = found("the file tls.crt", LEAF.pem());
    assert_eq!(
        refused_apart(&certificate, &found("the file tls.key", LEAF.pem())),
        "KEY_MISSING: the file tls.key holds no private key; put the private key there, or say \
         where it stands"
    );
}

#[test]
fn a_key_of_another_certificate() {
    let remedy = "put the key there that the certificate was requested with";
    assert_eq!(
        refused(ISSUING.key_pem() + &LEAF.pem()),
        format!(
            "KEY_MISMATCH: the private key in the file x does not belong to the certificate \
             `CN=writer,O=Contoso` beside it; {remedy}"
        )
    );
    // Of another kind, too.
    for key in [&*ROOT, &*RSA_LEAF] {
        let certificate = found("the file tls.crt", LEAF.pem());
        assert_eq!(
            refused_apart(&certificate, &found("the file tls.key", key.key_pem())),
            format!(
                "KEY_MISMATCH: the private key in the file tls.key does not belong to the \
                 certificate `CN=writer,O=Contoso` in the file tls.crt; {remedy}"
            )
        );
    }
    // Of several keys, the one whose certificate is there is meant.
    assert!(client(ISSUING.key_pem() + &LEAF.both(), None).is_ok());
}

#[test]
fn dates() {
    let dated = |from, until| {
        Wanted { from, until, ..leaf("writer") }.issue(LEAF.key.clone(), Some(&ISSUING)).both()
    };
    assert_eq!(
        refused(dated(-30, -1)),
        "CERTIFICATE_EXPIRED: the certificate `CN=writer,O=Contoso` in the file x expired at \
         2029-12-31T00:00:00Z; renew it, and put the new one there"
    );
    assert_eq!(
        refused(dated(1, 30)),
        "CERTIFICATE_NOT_YET_VALID: the certificate `CN=writer,O=Contoso` in the file x is not \
         valid before 2030-01-02T00:00:00Z; wait until then, or set the clock of this machine if \
         it is wrong"
    );
    // Both ends belong to the time, and it may be very long.
    let eternal = (9999 - 2030) * 365;
    for (from, until) in [(0, 30), (-30, 0), (-21_920, eternal)] {
        assert!(client(dated(from, until), None).is_ok(), "{from} {until}");
    }
}

#[test]
fn what_it_is_for() {
    let issue = |wanted: Wanted| wanted.issue(LEAF.key.clone(), Some(&ISSUING)).both();
    let for_purposes =
        |purposes: &'static [&'static str]| issue(Wanted { purposes, ..leaf("writer") });
    assert_eq!(
        refused(for_purposes(&["serverAuth"])),
        "CERTIFICATE_WRONG_USAGE: the certificate `CN=writer,O=Contoso` in the file x is not for \
         a client: its extended key usage does not name clientAuth; have one issued with clientAuth \
         and digitalSignature"
    );
    assert_eq!(
        refused_for_server(for_purposes(&["clientAuth", "codeSigning"])),
        "CERTIFICATE_WRONG_USAGE: the certificate `CN=writer,O=Contoso` in the file x is not for \
         a server: its extended key usage does not name serverAuth; have one issued with serverAuth \
         and digitalSignature"
    );
    let no_signatures = Some(usage(KeyUsage::key_encipherment));
    assert_eq!(
        refused(issue(Wanted { key_usage: no_signatures, ..leaf("writer") })),
        "CERTIFICATE_WRONG_USAGE: the certificate `CN=writer,O=Contoso` in the file x is not for \
         a client: its key usage does not name digitalSignature; have one issued with clientAuth and \
         digitalSignature"
    );
    for (key_usage, purposes) in [
        (None, &[][..]),
        (None, &["anyExtendedKeyUsage"]),
        (Some(usage(KeyUsage::digital_signature)), &["clientAuth"]),
    ] {
        let text = issue(Wanted { key_usage, purposes, ..leaf("writer") });
        assert!(client(text, None).is_ok(), "{purposes:?}");
    }
}

/// rustls, which serves, does not read version 1; OpenSSL as a client does.
#[test]
fn version_1() {
    let old = Wanted { version_1: true, ..leaf("writer") }.issue(LEAF.key.clone(), Some(&ISSUING));
    assert_eq!(
        refused_for_server(old.both()),
        "KEY_MATERIAL_UNSUPPORTED: the certificate `CN=writer,O=Contoso` in the file x is of \
         X.509 version 1, which a server cannot show; have one issued of version 3, with the names \
         of the server"
    );
    assert_eq!(
        client(old.both(), None).unwrap().notes,
        ["`CN=writer,O=Contoso` in the file x is of X.509 version 1; some peers, such as those \
          that use rustls, refuse it"]
    );
}

#[test]
fn a_server_without_a_name_is_noted() {
    let nameless = Wanted { names: &[], ..leaf("writer") };
    let nameless = found("the file x", nameless.issue(LEAF.key.clone(), Some(&ISSUING)).both());
    let pair = |usage| key_pair(&nameless, None, None, usage, now()).unwrap();
    assert_eq!(
        pair(Usage::Server).notes,
        [
            "`CN=writer,O=Contoso` in the file x names no host (subject alternative name); most peers \
          refuse it of a server"
        ]
    );
    assert_eq!(pair(Usage::Client).notes, [""; 0]);
}

/// OpenSSL itself refuses them.
fn check_openssl_refuses(issued: &Issued) {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    assert!(context.set_certificate(&issued.certificate).is_err());
}

#[test]
fn weak_keys_and_signatures() {
    let remedy = "have one issued with RSA of 2048 bits or P-256 at least, signed with SHA-256";
    let weak = leaf("writer").issue(rsa(1024), Some(&ISSUING));
    check_openssl_refuses(&weak);
    assert_eq!(
        refused(weak.both()),
        format!(
            "KEY_TOO_WEAK: the certificate `CN=writer,O=Contoso` in the file x has an RSA key of \
             only 1024 bits; {remedy}"
        )
    );
    for (digest, name) in [(MessageDigest::sha1(), "SHA-1"), (MessageDigest::md5(), "MD5")] {
        // Whatever kind of key signed.
        let rsa_authority = authority("rsa").issue(RSA_LEAF.key.clone(), None);
        let weak = Wanted { digest, ..leaf("writer") };
        let weak = weak.issue(LEAF.key.clone(), Some(&rsa_authority));
        check_openssl_refuses(&weak);
        assert_eq!(
            refused(weak.both()),
            format!(
                "KEY_TOO_WEAK: the certificate `CN=writer,O=Contoso` in the file x is signed with \
                 {name}; {remedy}"
            )
        );
    }
    // Of an issuer, too.
    let middle = authority("middle").issue(rsa(1024), Some(&ROOT));
    let leaf = leaf("writer").issue(LEAF.key.clone(), Some(&middle));
    assert_eq!(
        refused(leaf.both() + &middle.pem()),
        format!(
            "KEY_TOO_WEAK: the certificate `CN=middle,O=Contoso` in the file x has an RSA key of \
             only 1024 bits; {remedy}"
        )
    );
}

/// What a certificate says of itself is bounded, and nothing in it ends a line.
#[test]
fn names_of_certificates_are_harmless() {
    let titled = |subject, names| {
        let wanted = Wanted { names, until: -1, ..leaf(subject) };
        let text = refused(wanted.issue(key(Kind::P256), None).both());
        let title = text.split('`').nth(1).unwrap();
        title.to_owned()
    };
    assert_eq!(titled("a\nb\u{1b}[31m", &[]), r"CN=a\0ab\1b[31m,O=Contoso");
    assert_eq!(titled("a`b", &[]), "CN=a'b,O=Contoso");
    let long = "long-".repeat(50) + ".example.org";
    let names = Vec::leak(vec![&*String::leak(long.clone())]);
    assert_eq!(titled("", names), format!("{}…", &long[..200]));
    assert_eq!(titled("", &["2001:db8::1"]), "2001:db8::1");
    assert_eq!(titled("", &["192.0.2.1", "x.example.org"]), "192.0.2.1");
    assert_eq!(titled("", &[]), "serial number 01ab");
}
