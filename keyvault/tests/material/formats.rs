//! Every format × kind of key × kind of password: always the same comes of it.

use std::{iter, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keyvault::material::{KeyPair, Usage, key_pair};
use openssl::{
    hash::MessageDigest, nid::Nid, pkcs12::Pkcs12, pkey::Id, stack::Stack, symm::Cipher,
};
use proptest::prelude::*;

use crate::make::{ISSUING, Issued, KINDS, Kind, ROOT, client, found, key, leaf, now, secret};

/// Any text may stand between blocks, in any encoding.
const BETWEEN: &[u8] = b"Bag Attributes\n    friendlyName: Schl\xfcssel\nsubject=CN = x\n";

/// A file, and its password.
type File = (String, Vec<u8>, Option<&'static str>);

static LEAVES: LazyLock<Vec<Issued>> = LazyLock::new(|| {
    KINDS.map(|kind| leaf("writer").issue(key(kind), Some(&ISSUING))).into_iter().collect()
});

fn chain() -> String {
    ISSUING.pem() + &ROOT.pem()
}

/// What must come of every format.
fn expected(leaf: &Issued) -> KeyPair {
    let pair = client(leaf.key_pem() + &leaf.pem() + &chain(), None).unwrap();
    assert_eq!(pair.chain_pem, leaf.pem() + &ISSUING.pem());
    assert_eq!(pair.key_pem.expose_text().unwrap(), leaf.key_pem());
    assert_eq!(pair.leaf().sha256, leaf.sha256());
    assert_eq!(pair.leaf().subject, "CN=writer,O=Contoso");
    assert_eq!(pair.leaf().issuer, "CN=issuing,O=Contoso");
    assert_eq!(pair.leaf().serial, "01ab");
    assert_eq!(pair.leaf().names, ["localhost"]);
    assert_eq!((pair.incomplete, pair.notes.len()), (false, 0));
    pair
}

/// The key in PEM in all ways that are not PKCS#8 without encryption.
fn keys(leaf: &Issued) -> Vec<(String, Vec<u8>, Option<&'static str>)> {
    let (key, password) = (&leaf.key, "pass word".as_bytes());
    let mut keys = Vec::new();
    for (name, cipher) in [("aes", Cipher::aes_256_cbc()), ("3des", Cipher::des_ede3_cbc())] {
        let pem = key.private_key_to_pem_pkcs8_passphrase(cipher, password).unwrap();
        keys.push((format!("pkcs8 {name}"), pem, Some("pass word")));
        let old = match key.id() {
            Id::RSA => key.rsa().unwrap().private_key_to_pem_passphrase(cipher, password),
            Id::EC => key.ec_key().unwrap().private_key_to_pem_passphrase(cipher, password),
            _ => continue,
        };
        keys.push((format!("old {name}"), old.unwrap(), Some("pass word")));
    }
    match key.id() {
        Id::RSA => {
            keys.push(("pkcs1".to_owned(), key.rsa().unwrap().private_key_to_pem().unwrap(), None));
        }
        Id::EC => {
            // As `openssl ecparam -genkey` writes it; what is in the first block does not matter.
            let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n\
                              -----END EC PARAMETERS-----\n";
            let sec1 = key.ec_key().unwrap().private_key_to_pem().unwrap();
            keys.push(("sec1".to_owned(), [parameters.as_bytes(), &sec1].concat(), None));
        }
        _ => {}
    }
    keys
}

/// PEM, written in all ways that people and portals write it.
fn pem_files(leaf: &Issued) -> Vec<File> {
    let all = leaf.key_pem() + &leaf.pem() + &chain();
    let with = |name: &str, text: Vec<u8>| (format!("pem {name}"), text, None);
    let mut files = vec![
        with("key last", (chain() + &leaf.pem() + &leaf.key_pem()).into()),
        with("twice", (all.clone() + &all).into()),
        with("crlf", all.replace('\n', "\r\n").into()),
        with("cr", all.replace('\n', "\r").into()),
        with("bom", format!("\u{feff}{all}").into()),
        with("spaces", all.replace('\n', " ").into()),
        with("escaped", all.replace('\n', "\\n").into()),
        with("indented", all.replace('\n', "\n    ").into()),
        with("without end of line", all.trim_end().into()),
        with("base64", BASE64_STANDARD.encode(&all).into()),
        with(
            "old label",
            all.replace("N CERT", "N X509 CERT").replace("D CERT", "D X509 CERT").into(),
        ),
        with("text between", {
            let blocks = [leaf.key_pem(), leaf.pem(), ISSUING.pem(), ROOT.pem()];
            blocks.iter().flat_map(|block| [BETWEEN, block.as_bytes()].concat()).collect()
        }),
    ];
    for (name, key, password) in keys(leaf) {
        let text = [leaf.pem().as_bytes(), &key, chain().as_bytes()].concat();
        files.push((format!("pem {name}"), text, password));
    }
    files
}

fn pfx_files(leaf: &Issued) -> Vec<File> {
    let pfx = |cipher: Nid, digest: MessageDigest, password: &str| {
        let mut authorities = Stack::new().unwrap();
        authorities.push(ROOT.certificate.clone()).unwrap();
        authorities.push(ISSUING.certificate.clone()).unwrap();
        let mut builder = Pkcs12::builder();
        builder.name("writer").pkey(&leaf.key).cert(&leaf.certificate).ca(authorities);
        // The rounds cost time and change nothing else.
        builder.key_algorithm(cipher).cert_algorithm(cipher).key_iter(1).mac_iter(1);
        builder.mac_md(digest).build2(password).unwrap().to_der().unwrap()
    };
    let mut files = Vec::new();
    for (name, cipher) in [
        ("aes256", Nid::AES_256_CBC),
        ("aes128", Nid::AES_128_CBC),
        ("3des", Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC),
    ] {
        for digest in [MessageDigest::sha1(), MessageDigest::sha256(), MessageDigest::sha512()] {
            let long = "longer than a block of a digest, and not in one plane of Unicode: 🔑🔑🔑";
            for password in [None, Some(""), Some("secret"), Some("pässwörd 鍵"), Some(long)] {
                let der = pfx(cipher, digest, password.unwrap_or_default());
                let name = format!("pfx {name} {:?} {password:?}", digest.type_());
                files.push((name, der, password));
            }
        }
    }
    let (_, der, _) = files[0].clone();
    let text = BASE64_STANDARD.encode(&der);
    let lines = text.as_bytes().chunks(76).map(<[u8]>::to_vec).collect::<Vec<_>>();
    files.push(("pfx base64".to_owned(), text.trim_end_matches('=').into(), None));
    files.push(("pfx base64 lines".to_owned(), lines.join(&b"\r\n "[..]), None));
    files
}

#[test]
fn one_pair_comes_of_every_format() {
    let mut cells = 0;
    for leaf in LEAVES.iter() {
        let expected = expected(leaf);
        for (name, bytes, password) in iter::chain(pem_files(leaf), pfx_files(leaf)) {
            let pair = client(&bytes, password);
            assert_eq!(pair.as_ref(), Ok(&expected), "{name} {:?}", leaf.key.id());
            cells += 1;
        }
    }
    // Kinds of keys; ways of PEM (without old ones for Ed25519); PFX.
    assert_eq!(cells, 5 * 12 + (4 * 5 + 2) + 5 * (3 * 3 * 5 + 2));
}

/// A key that stands elsewhere, also in DER, and beside other certificates.
#[test]
fn a_key_may_stand_apart() {
    for leaf in LEAVES.iter() {
        let expected = expected(leaf);
        let pkcs8 = leaf.key.private_key_to_pkcs8().unwrap();
        let locked =
            leaf.key.private_key_to_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").unwrap();
        let mut files = keys(leaf);
        files.extend([
            ("der".to_owned(), pkcs8.clone(), None),
            ("der in base64".to_owned(), BASE64_STANDARD.encode(&pkcs8).into(), None),
            ("encrypted der".to_owned(), locked, Some("secret")),
            ("traditional der".to_owned(), leaf.key.private_key_to_der().unwrap(), None),
            ("with a certificate".to_owned(), (ROOT.pem() + &leaf.key_pem()).into(), None),
        ]);
        for (name, bytes, password) in files {
            let certificate = found("the certificate", leaf.pem() + &chain());
            let key = found("the key", bytes);
            let password = secret(password);
            let pair = key_pair(&certificate, Some(&key), password.as_ref(), Usage::Client, now());
            assert_eq!(pair.as_ref(), Ok(&expected), "{name} {:?}", leaf.key.id());
        }
        // One certificate in DER; who issued it is not there.
        let certificate = found("the certificate", leaf.certificate.to_der().unwrap());
        let key = found("the key", pkcs8);
        let pair = key_pair(&certificate, Some(&key), None, Usage::Client, now()).unwrap();
        assert_eq!(pair.chain_pem, leaf.pem());
    }
}

/// A password that is not needed does no harm: it may stay when a key is no longer encrypted.
#[test]
fn a_password_may_be_given_though_none_is_needed() {
    for leaf in LEAVES.iter() {
        assert_eq!(client(leaf.both() + &chain(), Some("x")), Ok(expected(leaf)));
    }
}

proptest! {
    #[test]
    fn the_order_of_blocks_does_not_matter(
        kind in 0..KINDS.len(),
        blocks in Just(["key", "leaf", "issuing", "root", "text", "stranger"]).prop_shuffle(),
    ) {
        static STRANGER: LazyLock<Issued> =
            LazyLock::new(|| leaf("stranger").issue(key(Kind::P256), Some(&ROOT)));
        let leaf = &LEAVES[kind];
        let text = blocks.map(|block| match block {
            "key" => leaf.key_pem(),
            "leaf" => leaf.pem(),
            "issuing" => ISSUING.pem(),
            "root" => ROOT.pem(),
            "text" => "-----BEGIN\n".to_owned(),
            _ => STRANGER.pem(),
        });
        prop_assert_eq!(client(text.concat(), None), Ok(expected(leaf)));
    }
}
