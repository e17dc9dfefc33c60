//! Files that would take hours to open, or a GiB: refused before anything is derived.

use openssl::{
    hash::MessageDigest,
    pkcs5::pbkdf2_hmac,
    pkey::PKey,
    sign::Signer,
    symm::{Cipher, encrypt},
};

use crate::make::{LEAF, client, fixture, found, shown, trusted};

const PASSWORD: &str = "secret";
const SALT: &[u8] = b"saltsalt";

/// A part in DER; each number of an object identifier is below 128 or in bytes already.
fn part(identifier: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let length = match length {
        0..0x80 => vec![length as u8],
        0x80..0x1_0000 => vec![0x82, (length >> 8) as u8, length as u8],
        _ => vec![0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8],
    };
    [&[identifier], &length[..], content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    part(0x30, &parts.concat())
}

fn octets(content: &[u8]) -> Vec<u8> {
    part(0x04, content)
}

fn number(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    // One zero more where it would be negative.
    let bytes = [&[0], &bytes[zeros..]].concat();
    part(0x02, if bytes[1] < 0x80 { &bytes[1..] } else { &bytes })
}

fn first(content: &[u8]) -> Vec<u8> {
    part(0xa0, content)
}

const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const ENCRYPTED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
const PBES2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SCRYPT: &[u8] = b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b";
const AES_128_CBC: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x02";
const SHA1: &[u8] = b"\x06\x05\x2b\x0e\x03\x02\x1a";
const SHA1_3DES: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
const ENCRYPTED_KEY: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
/// Bags of this kind are passed over.
const REVOKED: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x04";

/// PBES2 with this derivation.
fn pbes2(derivation: &[u8], parameters: &[Vec<u8>]) -> Vec<u8> {
    let derivation = sequence(&[derivation.to_vec(), sequence(parameters)]);
    let cipher = sequence(&[AES_128_CBC.to_vec(), octets(&[0; 16])]);
    sequence(&[PBES2.to_vec(), sequence(&[derivation, cipher])])
}

fn pbkdf2(rounds: u64) -> Vec<u8> {
    pbes2(PBKDF2, &[octets(SALT), number(rounds)])
}

fn scrypt(n: u64, r: u64, p: u64) -> Vec<u8> {
    pbes2(SCRYPT, &[octets(SALT), number(n), number(r), number(p)])
}

fn own(rounds: u64) -> Vec<u8> {
    sequence(&[SHA1_3DES.to_vec(), sequence(&[octets(SALT), number(rounds)])])
}

/// Really encrypted, as [`pbkdf2`] says.
fn encrypted(plain: &[u8], rounds: u64) -> Vec<u8> {
    let mut key = [0; 16];
    let rounds = usize::try_from(rounds).unwrap();
    pbkdf2_hmac(PASSWORD.as_bytes(), SALT, rounds, MessageDigest::sha1(), &mut key).unwrap();
    encrypt(Cipher::aes_128_cbc(), &key, Some(&[0; 16]), plain).unwrap()
}

fn open_safe(bags: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[DATA.to_vec(), first(&octets(&sequence(bags)))])
}

fn encrypted_safe(algorithm: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    let info = sequence(&[DATA.to_vec(), algorithm, part(0x80, bytes)]);
    sequence(&[ENCRYPTED_DATA.to_vec(), first(&sequence(&[number(0), info]))])
}

/// A safe that opens with one round.
fn hiding_safe(bags: &[Vec<u8>]) -> Vec<u8> {
    encrypted_safe(pbkdf2(1), &encrypted(&sequence(bags), 1))
}

fn key_bag(algorithm: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    let key = sequence(&[algorithm, octets(bytes)]);
    sequence(&[ENCRYPTED_KEY.to_vec(), first(&key)])
}

fn pfx(safes: &[Vec<u8>], mac: &[Vec<u8>]) -> Vec<u8> {
    let content = sequence(&[DATA.to_vec(), first(&octets(&sequence(safes)))]);
    sequence(&[vec![number(3), content], mac.to_vec()].concat())
}

fn mac(rounds: u64) -> Vec<u8> {
    let info = sequence(&[sequence(&[SHA1.to_vec()]), octets(&[0; 20])]);
    sequence(&[info, octets(SALT), number(rounds)])
}

const REMEDY: &str = "encrypt it anew with fewer, by `-iter 100000` of `openssl pkcs8 -topk8` or \
                      `openssl pkcs12 -export`";

fn too_many_rounds() -> String {
    let what = "the file x is encrypted with more than 1000000 rounds";
    format!("KEY_MATERIAL_UNSUPPORTED: {what}; {REMEDY}")
}

fn too_many_in_all() -> String {
    let what = "the file x takes more than 5000000 rounds to decrypt, in all";
    format!("KEY_MATERIAL_UNSUPPORTED: {what}; {REMEDY}")
}

fn refused(file: &[u8], password: Option<&str>) -> String {
    shown(client(file, password))
}

/// The builder above makes what is read, so that what is refused below is refused for its rounds.
#[test]
fn a_key_may_hide_in_an_encrypted_part() {
    let certificate = LEAF.certificate.to_der().unwrap();
    let x509 = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
    let kind = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
    let certificate = sequence(&[x509.to_vec(), first(&octets(&certificate))]);
    let certificate = sequence(&[kind.to_vec(), first(&certificate)]);
    let key = LEAF.key.private_key_to_pkcs8().unwrap();
    let key = key_bag(pbkdf2(300), &encrypted(&key, 300));
    let content = [hiding_safe(&[certificate, key])];
    let pair = client(pfx(&content, &[]), Some(PASSWORD)).unwrap();
    assert_eq!((pair.chain_pem, pair.key_pem), {
        let expected = client(LEAF.both(), None).unwrap();
        (expected.chain_pem, expected.key_pem)
    });
    assert!(refused(&pfx(&content, &[]), Some("other")).starts_with("PASSWORD_WRONG: "));
    assert!(refused(&pfx(&content, &[]), None).starts_with("PASSWORD_MISSING: "));
}

#[test]
fn one_derivation_has_a_bound_wherever_it_hides() {
    for rounds in [1_000_001, u64::from(u32::MAX), u64::MAX >> 1] {
        let key = key_bag(pbkdf2(rounds), &[0; 32]);
        for file in [
            pfx(&[open_safe(&[])], &[mac(rounds)]),
            pfx(&[encrypted_safe(pbkdf2(rounds), &[0; 32])], &[]),
            pfx(&[encrypted_safe(own(rounds), &[0; 32])], &[]),
            pfx(&[open_safe(std::slice::from_ref(&key))], &[]),
            pfx(&[open_safe(&[key_bag(own(rounds), &[0; 32])])], &[]),
            pfx(&[hiding_safe(&[key])], &[]),
        ] {
            assert_eq!(refused(&file, Some(PASSWORD)), too_many_rounds());
        }
        // The ways without a password have the same bound.
        for password in [None, Some("")] {
            let file = pfx(&[open_safe(&[])], &[mac(rounds)]);
            assert_eq!(refused(&file, password), too_many_rounds());
        }
    }
}

#[test]
fn all_derivations_together_have_a_bound() {
    // Each key in it is encrypted with as many rounds as one may have.
    let key = LEAF.key.private_key_to_pkcs8().unwrap();
    let key = key_bag(pbkdf2(1_000_000), &encrypted(&key, 1_000_000));
    let file = pfx(&[hiding_safe(&vec![key; 1000])], &[]);
    assert_eq!(refused(&file, Some(PASSWORD)), too_many_in_all());

    // In PEM and DER nothing hides: all is summed up before the first is opened.
    let block = |algorithm| {
        let text = openssl::base64::encode_block(&sequence(&[algorithm, octets(&[0; 32])]));
        format!(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n"
        )
    };
    let keys = LEAF.pem() + &block(pbkdf2(1_000_000)).repeat(6);
    assert_eq!(refused(keys.as_bytes(), Some(PASSWORD)), too_many_in_all());
    for algorithm in [pbkdf2(1_000_001), own(1_000_001), scrypt(1 << 20, 1, 2)] {
        let key = LEAF.pem() + &block(algorithm);
        assert_eq!(refused(key.as_bytes(), Some(PASSWORD)), too_many_rounds());
    }
}

/// OpenSSL bounds what scrypt takes in memory, and not how long it takes.
#[test]
fn scrypt_has_a_bound_on_its_work() {
    for (n, r, p) in
        [(1 << 17, 1, 1 << 17), (2, 1, 1 << 20), (1 << 14, 8, 9), (u64::MAX >> 1, 8, 8)]
    {
        let key = sequence(&[scrypt(n, r, p), octets(&[0; 32])]);
        let certificate = found("the certificate", LEAF.pem());
        let pair = keyvault::material::key_pair(
            &certificate,
            Some(&found("the file x", key)),
            Some(&keyvault::Secret::new(*b"secret")),
            keyvault::material::Usage::Client,
            crate::make::now(),
        );
        assert_eq!(shown(pair), too_many_rounds(), "{n} {r} {p}");
    }
    // No program is known to use it in a PFX.
    let unsupported = "KEY_MATERIAL_UNSUPPORTED: the file x holds a PFX that is protected in a way \
                       that is not read; write it anew with AES-256 and SHA-256, as `openssl \
                       pkcs12 -export` does by default";
    let key = key_bag(scrypt(2, 1, 1), &[0; 32]);
    for file in
        [pfx(&[encrypted_safe(scrypt(2, 1, 1), &[0; 32])], &[]), pfx(&[hiding_safe(&[key])], &[])]
    {
        assert_eq!(refused(&file, Some(PASSWORD)), unsupported);
    }
}

#[test]
fn parts_have_a_bound() {
    let remedy = "leave only there what is needed";
    assert_eq!(
        refused(&pfx(&vec![open_safe(&[]); 321], &[]), Some(PASSWORD)),
        format!("KEY_MATERIAL_TOO_LARGE: the file x holds a PFX of more than 320 parts; {remedy}")
    );
    let other = sequence(&[REVOKED.to_vec(), first(&octets(&[]))]);
    let bags = |count: usize| vec![other.clone(); count];
    let file = pfx(&[open_safe(&bags(200)), hiding_safe(&bags(201))], &[]);
    assert_eq!(
        refused(&file, Some(PASSWORD)),
        format!(
            "KEY_MATERIAL_TOO_LARGE: the file x holds a PFX of more than 400 keys and \
             certificates; {remedy}"
        )
    );
}

/// What a MAC says of itself is checked, too, and a MAC of another length is none.
#[test]
fn a_mac_vouches_for_the_whole() {
    let content = sequence(&[open_safe(&[])]);
    let key = PKey::hmac(&[0; 20]).unwrap();
    let value = Signer::new(MessageDigest::sha1(), &key).unwrap().sign_oneshot_to_vec(&content);
    for value in [&value.unwrap()[..], &[]] {
        let info = sequence(&[sequence(&[SHA1.to_vec()]), octets(value)]);
        let mac = sequence(&[info, octets(SALT), number(1)]);
        let file = pfx(&[open_safe(&[])], &[mac]);
        assert!(refused(&file, Some(PASSWORD)).starts_with("PASSWORD_WRONG: "));
    }
    // A byte of a certificate is another.
    let mut file = fixture("java-trust.p12");
    let at = file.len() / 2;
    file[at] ^= 1;
    assert!(shown(trusted(file, Some(PASSWORD))).starts_with("PASSWORD_WRONG: "));
}
