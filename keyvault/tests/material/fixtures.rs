//! Files of other programs: the command line of OpenSSL, Java.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keyvault::{
    Error,
    material::{KeyPair, Usage, key_pair},
};

use crate::make::{client, fixture, found, now, secret, shown, trusted};

/// What all of them hold.
fn expected() -> KeyPair {
    let pair = client(fixture("bags.pem"), None).unwrap();
    let subjects = pair.chain.iter().map(|info| info.subject.as_str()).collect::<Vec<_>>();
    assert_eq!(subjects, ["CN=fixture,O=Contoso", "CN=Fixture Issuing"]);
    assert_eq!(pair.leaf().names, ["fixture.example.org", "192.0.2.1"]);
    assert_eq!((pair.incomplete, pair.notes.len()), (false, 0));
    pair
}

#[test]
fn stores_of_other_programs_are_read() {
    let expected = expected();
    for (file, password) in [
        ("modern.pfx", Some("secret")),
        ("legacy.pfx", Some("secret")),
        ("legacy-empty.pfx", None),
        ("legacy-empty.pfx", Some("")),
        ("no-mac.pfx", Some("secret")),
        ("open-certificates.pfx", Some("secret")),
        ("open.pfx", Some("secret")),
        ("none.pfx", None),
        ("java-key.p12", Some("secret")),
        ("java-key.jks", Some("secret")),
    ] {
        assert_eq!(client(fixture(file), password).as_ref(), Ok(&expected), "{file}");
    }
}

fn with_key(file: &str, password: Option<&str>) -> Result<KeyPair, Error> {
    with_key_bytes(fixture(file), password)
}

fn with_key_bytes(key: Vec<u8>, password: Option<&str>) -> Result<KeyPair, Error> {
    let certificate = found("the certificate", fixture("bags.pem"));
    let key = found("the key", key);
    key_pair(&certificate, Some(&key), secret(password).as_ref(), Usage::Client, now())
}

#[test]
fn keys_of_the_command_line_are_read() {
    for file in ["old.key", "scrypt.key"] {
        assert_eq!(with_key(file, Some("secret")), Ok(expected()), "{file}");
        assert_eq!(
            shown(with_key(file, Some("other"))),
            "PASSWORD_WRONG: the key cannot be opened with the password that is given for it; give \
             the password that it was made with",
            "{file}"
        );
        assert_eq!(
            shown(with_key(file, None)),
            "PASSWORD_MISSING: the key is protected by a password, and none is given for it; give \
             its password",
            "{file}"
        );
    }
}

/// As some programs write curves.
#[test]
fn a_curve_may_be_told_by_its_numbers() {
    let named = client(fixture("ec.pem"), None).unwrap();
    let certificate = found("the certificate", fixture("ec.pem"));
    let key = found("the key", fixture("ec-numbers.key"));
    assert!(fixture("ec-numbers.key").len() > 2 * named.key_pem.len());
    assert_eq!(key_pair(&certificate, Some(&key), None, Usage::Client, now()), Ok(named));
}

#[test]
fn what_openssl_does_not_decrypt_any_more_is_told_from_a_wrong_password() {
    let unsupported = "KEY_MATERIAL_UNSUPPORTED: the key holds a private key that is encrypted in a way that is \
         not read; encrypt it anew, with `openssl pkcs8 -topk8 -provider legacy -provider default`";
    for file in ["old-des.key", "md5-des.key"] {
        assert_eq!(shown(with_key(file, Some("secret"))), unsupported, "{file}");
    }
    // scrypt in 64 MiB instead of 16: N = 16384, r = 32, p = 1.
    let pem = String::from_utf8(fixture("scrypt.key")).unwrap();
    let text = pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let mut scrypt = BASE64_STANDARD.decode(text).unwrap();
    let numbers = [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1];
    let at = scrypt.windows(numbers.len()).position(|window| window == numbers).unwrap();
    scrypt[at + 6] = 32;
    assert_eq!(shown(with_key_bytes(scrypt, Some("secret"))), unsupported);
    assert_eq!(
        shown(with_key("rounds.key", Some("secret"))),
        "KEY_MATERIAL_UNSUPPORTED: the key is encrypted with more than 1000000 rounds; encrypt it \
         anew with fewer, by `-iter 100000` of `openssl pkcs8 -topk8` or `openssl pkcs12 -export`"
    );
    assert_eq!(
        shown(client(fixture("rc4.pfx"), Some("secret"))),
        "KEY_MATERIAL_UNSUPPORTED: the file x holds a PFX that is protected in a way that is not \
         read; write it anew with AES-256 and SHA-256, as `openssl pkcs12 -export` does by default"
    );
}

#[test]
fn a_wrong_password_and_none_are_told_apart() {
    for file in
        ["modern.pfx", "legacy.pfx", "no-mac.pfx", "open.pfx", "java-key.p12", "java-key.jks"]
    {
        for password in ["other", "", "seCret"] {
            assert_eq!(
                shown(client(fixture(file), Some(password))),
                "PASSWORD_WRONG: the file x cannot be opened with the password that is given for \
                 it; give the password that it was made with",
                "{file} {password}"
            );
        }
        assert_eq!(
            shown(client(fixture(file), None)),
            "PASSWORD_MISSING: the file x is protected by a password, and none is given for it; \
             give its password",
            "{file}"
        );
    }
    for file in ["legacy-empty.pfx", "none.pfx"] {
        assert_eq!(
            shown(client(fixture(file), Some("secret"))),
            "PASSWORD_WRONG: the file x cannot be opened with the password that is given for it, \
             but without one; leave the password out",
            "{file}"
        );
    }
    assert_eq!(
        shown(client(fixture("java-own-password.jks"), Some("secret"))),
        "PASSWORD_WRONG: the file x opens with the password that is given for it, but its private \
         key does not; give the key the password of its store, with `keytool -keypasswd`"
    );
}

#[test]
fn of_several_keys_none_is_guessed() {
    assert_eq!(
        shown(client(fixture("java-two.jks"), Some("secret"))),
        "KEY_AMBIGUOUS: the file x holds 2 private keys that could be meant; keep one there (of a \
         Java key store: one alias, with `keytool -delete`)"
    );
}

#[test]
fn other_formats_come_with_a_way_to_convert_them() {
    let bks = [0, 0, 0, 2, 0, 0, 0, 20, 1, 2, 3, 4];
    let ber = [0x30, 0x80, 2, 1, 3, 0x30, 0x80];
    for (bytes, message) in [
        (
            fixture("java-key.jceks"),
            "looks like a JCEKS key store, which is not read; convert it: `keytool \
             -importkeystore -srckeystore OLD -srcstoretype JCEKS -destkeystore NEW -deststoretype \
             PKCS12`",
        ),
        (
            bks.to_vec(),
            "looks like a BKS key store, which is not read; convert it with Bouncy Castle's \
             provider: `keytool -importkeystore -srckeystore OLD -srcstoretype BKS -destkeystore \
             NEW -deststoretype PKCS12`",
        ),
        (
            ber.to_vec(),
            "holds a PFX in BER instead of DER, which is not read; write it anew: `keytool \
             -importkeystore -srckeystore OLD -srcstoretype PKCS12 -destkeystore NEW \
             -deststoretype PKCS12`",
        ),
        (
            fixture("chain.p7b"),
            "looks like PKCS#7, which is not read; write its certificates in PEM: `openssl pkcs7 \
             -inform DER -print_certs -in OLD -out NEW`",
        ),
        (
            fixture("chain.p7b.pem"),
            "holds a PEM block `PKCS7`, but no certificate and no key; write its certificates in \
             PEM: `openssl pkcs7 -print_certs -in OLD -out NEW`",
        ),
        (
            b"PK\x03\x04\x14\0".to_vec(),
            "looks like a ZIP archive, which is not read; put the certificate there that is in it",
        ),
        (
            b"PuTTY-User-Key-File-3: ssh-rsa\n".to_vec(),
            "looks like a PuTTY key, which is not read; export it with PuTTYgen as an OpenSSL key, \
             and have a certificate issued for it",
        ),
    ] {
        let expected = format!("KEY_MATERIAL_UNSUPPORTED: the file x {message}");
        assert_eq!(shown(client(bytes, Some("secret"))), expected);
    }
}

#[test]
fn trust_stores_of_other_programs_are_read() {
    let both = ["CN=Fixture Root", "CN=Fixture Issuing"];
    for (file, password, subjects) in [
        ("java-trust.p12", Some("secret"), &both[..]),
        ("java-trust.jks", Some("secret"), &both),
        // Its digest is not checked then.
        ("java-trust.jks", None, &both),
        ("root.der", None, &both[..1]),
        ("root.pem", None, &both[..1]),
        ("trusted.pem", None, &both[..1]),
    ] {
        let store = trusted(fixture(file), password).unwrap();
        let mut found = store.certificates.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>();
        found.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!((found.as_slice(), store.notes.len()), (subjects, 0), "{file}");
    }
    assert_eq!(
        shown(trusted(fixture("java-trust.p12"), None)),
        "PASSWORD_MISSING: the file ca is protected by a password, and none is given for it; give \
         its password"
    );
    assert_eq!(
        shown(trusted(fixture("java-trust.jks"), Some("other"))),
        "PASSWORD_WRONG: the file ca cannot be opened with the password that is given for it; give \
         the password that it was made with"
    );
}

/// Version 1 does not name the type of each certificate.
#[test]
fn the_first_version_of_jks_is_read() {
    let mut store = fixture("java-trust.jks");
    let expected = trusted(&store, None).unwrap();
    store[7] = 1;
    let kind = b"\0\x05X.509";
    while let Some(at) = store.windows(kind.len()).position(|window| window == kind) {
        store.drain(at..at + kind.len());
    }
    assert_eq!(trusted(&store, None), Ok(expected));
}
