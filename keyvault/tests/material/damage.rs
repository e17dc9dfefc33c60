//! Damaged files: they never panic, cost little memory, and nothing of them is shown.

use std::env;

use keyvault::{
    Error, Secret,
    material::{Usage, key_pair, trust_store},
};

use crate::{
    make::{LEAF, fixture, found, now},
    memory::measure,
};

const MUTANTS: usize = 5_000;

/// With `KAFKA_OUTPUT_LONG` set so many times as many.
const LONG: usize = 10;

/// Files here have up to 5 KiB; what is made of them takes little more. (What OpenSSL allocates in
/// C is not counted.)
const ALLOCATED_MAX: usize = 64 * 1024;

/// All that may be said of damaged files: `…` stands for the name of a certificate, 0 for every
/// digit.
const SAID: &[&str] = &[
    "it cannot be opened with the password that is given for it",
    "it cannot be opened with the password that is given for it, but without one",
    "it opens with the password that is given for it, but its private key does not",
    "it is protected by a password, and none is given for it",
    "it holds a PEM block without its end: a part of it is missing",
    "it holds a damaged PEM block: it is not base00",
    "it holds a damaged PEM block: its first line does not end",
    "it holds PEM, but no certificate and no key",
    "it holds a PFX in BER instead of DER, which is not read",
    "it holds a PFX that is damaged or protected in a way that is not known",
    "it holds a PFX that is protected in a way that is not read",
    "it holds a PFX without a certificate and without a key",
    "it holds a certificate with something behind it",
    "it holds a damaged JKS key store",
    "it holds a damaged certificate",
    "it holds a damaged private key",
    "it holds a damaged private key: its certificate does not verify what it signs",
    "it holds a private key of a kind that is not used here",
    "it holds a private key that is encrypted in a way that is not read",
    "it holds a private key, but no certificate",
    "it holds a private key, but no certificate to trust",
    "it holds only certificates that have expired; the last was …, at 0000-00-00T00:00:00Z",
    "it holds the certificate …, but no private key",
    "it is empty",
    "it is encrypted with more than 0000000 rounds",
    "it is nothing that is known as a certificate, a key or a key store",
    "it is text, but neither PEM nor base00 of something that is known",
    "it looks like JSON, not like a certificate or a key",
    "it looks like PKCS#0, which is not read",
    "it looks like XML or HTML, not like a certificate or a key",
    "it looks like text in UTF-00; PEM is text in UTF-0",
    "the certificate … in it expired at 0000-00-00T00:00:00Z",
    "the certificate … in it has an RSA key of only 0000 bits",
    "the certificate … in it is not for a client: its extended key usage does not name clientAuth",
    "the certificate … in it is not for a client: its key usage does not name digitalSignature",
    "the certificate … in it is not valid before 0000-00-00T00:00:00Z",
    "the certificate … in it is signed with MD0",
    "the certificate … in it is signed with SHA-0",
    "the private key in it does not belong to the certificate … beside it",
];

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// One to three changes: a byte is another, some are gone, or they are there twice.
fn mutate(file: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff, b'-'];
    let mut bytes = file.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 if at < bytes.len() => bytes[at] = TELLING[random.below(TELLING.len())],
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    bytes
}

/// Files whose damage differs in no run; each is a key pair, unless it is to be trusted.
const PEM_AND_DER: [(&str, bool); 6] = [
    ("ec.pem", true),
    ("ec-encrypted.pem", true),
    ("ec-old.pem", true),
    ("ec-key.der", true),
    ("root.pem", false),
    ("root.der", false),
];
const STORES: [(&str, bool); 9] = [
    ("modern.pfx", true),
    ("legacy.pfx", true),
    ("ec-3des.pfx", true),
    ("no-mac.pfx", true),
    ("open.pfx", true),
    ("java-key.p12", true),
    ("java-trust.p12", false),
    ("java-key.jks", true),
    ("java-trust.jks", false),
];

/// The words of an error without names and numbers.
fn words(error: &Error) -> String {
    let digits = error.message.replace(|c: char| c.is_ascii_digit(), "0");
    let mut parts = digits.split('`');
    let mut words = parts.next().unwrap().to_owned();
    while let Some(name) = parts.next() {
        assert!(name.chars().count() <= 201 && !name.chars().any(char::is_control), "{error}");
        words += "…";
        words += parts.next().unwrap_or_else(|| panic!("{error}"));
    }
    words
}

fn check(files: &[(&str, bool)]) {
    let password = Secret::new(*b"secret");
    let long = env::var_os("KAFKA_OUTPUT_LONG").is_some();
    let mutants = if long { LONG * MUTANTS } else { MUTANTS };
    for (name, pair) in files.iter().copied() {
        let file = fixture(name);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut refused = 0;
        for index in 0..mutants {
            let found = found("it", mutate(&file, &mut random));
            // A password opens more, so it is left out seldom.
            let password = (index % 10 > 0).then_some(&password);
            let (error, peak) = measure(|| {
                if pair {
                    key_pair(&found, None, password, Usage::Client, now()).err()
                } else {
                    trust_store(&found, password, now()).err()
                }
            });
            assert!(peak <= ALLOCATED_MAX, "{name} {index}: {peak} bytes");
            if let Some(error) = error {
                assert!(SAID.contains(&words(&error).as_str()), "{name} {index}: {error:?}");
                refused += 1;
            }
        }
        assert!(refused > mutants / 2, "{name}: only {refused} mutants are refused");
    }
}

#[test]
fn damaged_pem_and_der_do_no_harm() {
    check(&PEM_AND_DER);
}

#[test]
fn damaged_stores_do_no_harm() {
    check(&STORES);
}

/// Lengths that a file claims but does not have, and structures that are nested without end.
#[test]
fn claims_are_not_believed() {
    let sequence = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, length[0], length[1]], content].concat()
    };
    let mut nested = vec![0x02, 0x01, 0x01];
    while nested.len() < 60_000 {
        nested = sequence(&nested);
    }
    let algorithm = sequence(&[&[0x06, 0x03, 0x2a, 0x03, 0x04], &nested[..]].concat());
    let encrypted = sequence(&[&algorithm[..], &[0x04, 0x01, 0x00]].concat());
    let pfx = sequence(&[&[0x02, 0x01, 0x03], &nested[..]].concat());
    let jks =
        |parts: &[&[u8]]| [&[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], &parts.concat()[..]].concat();
    let key = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    let two_gib = [0x7f, 0xff, 0xff, 0xff];
    for (bytes, what) in [
        (nested, "it is nothing that is known as a certificate, a key or a key store"),
        (pfx, "it holds a PFX that is damaged or protected in a way that is not known"),
        (encrypted, "it holds a private key that is encrypted in a way that is not read"),
        // 4 Gi entries; a key of 2 GiB; and one with as many certificates.
        (jks(&[&[0xff; 4]]), "it holds a damaged JKS key store"),
        (jks(&[&key, &[0; 8], &two_gib]), "it holds a damaged JKS key store"),
        (jks(&[&key, &[0; 12], &two_gib]), "it holds a damaged JKS key store"),
    ] {
        let certificate = found("the certificate", LEAF.pem());
        let key = found("it", &bytes);
        let password = Secret::new(*b"secret");
        let (result, peak) =
            measure(|| key_pair(&certificate, Some(&key), Some(&password), Usage::Client, now()));
        assert_eq!(words(&result.unwrap_err()), what);
        assert!(peak <= 4 * bytes.len() + ALLOCATED_MAX, "{peak} bytes");
    }
}
