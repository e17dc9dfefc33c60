//! Certificates, keys and key stores: what is taken is taken again as it is written, and what is
//! refused says nothing of the content.

use std::time::{Duration, SystemTime};

use keyvault::{
    Error, Found, Secret,
    material::{KeyPair, TrustStore, Usage, key_pair, trust_store},
};

use crate::memory::within;

/// In the byte of options before the file. Without any, the file is a client's certificate with its
/// key, and no password is given.
pub const TRUST: u8 = 1;
/// The password of all seeds is given.
pub const PASSWORD: u8 = 2;
/// The file is a server's.
const SERVER: u8 = 4;
/// The file is the key of a certificate that stands elsewhere.
pub const KEY: u8 = 8;

/// A certificate; the key beside it is not looked at where another is given.
const CERTIFICATE: &[u8] = include_bytes!("../../keyvault/tests/fixtures/ec.pem");

/// Larger files only cost time; the limit of the service has tests of its own.
const FILE_BYTES_MAX: usize = 16 * 1024;

/// A DNS name of no bytes takes two in a certificate, and a hundred or two where it is read.
const BYTES_PER_BYTE_MAX: usize = 256;

/// The longest word of a message that names no certificate is a time.
const WORD_CHARS_MAX: usize = 22;

/// 2030-01-01, when the seeds are valid.
const NOW: Duration = Duration::from_secs(1_893_456_000);

/// A byte of options, a file.
pub fn material(data: &[u8]) {
    let Some((options, file)) = data.split_first() else { return };
    if file.len() > FILE_BYTES_MAX {
        return;
    }
    let password = (options & PASSWORD > 0).then(|| Secret::new(*b"secret"));
    let usage = if options & SERVER > 0 { Usage::Server } else { Usage::Client };
    let bytes_max = 64 * 1024 + BYTES_PER_BYTE_MAX * file.len();
    let (file, certificate) = (found(file), found(CERTIFICATE));
    if options & TRUST > 0 {
        match within(bytes_max, || trust_store(&file, password.as_ref(), now())) {
            Ok(store) => check_trust_store(&store),
            Err(error) => check_error(&error),
        }
        return;
    }
    let (certificate, key) =
        if options & KEY > 0 { (&certificate, Some(&file)) } else { (&file, None) };
    match within(bytes_max, || key_pair(certificate, key, password.as_ref(), usage, now())) {
        Ok(pair) => check_key_pair(&pair, usage),
        Err(error) => check_error(&error),
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn found(bytes: &[u8]) -> Found {
    Found {
        place: "it".to_owned(),
        secret: Secret::new(bytes),
        content_type: None,
        version: String::new(),
        not_before: None,
        expires: None,
    }
}

/// The chain and the key, read again, are the same; what was left out is no longer missed.
#[expect(clippy::disallowed_methods, reason = "the key is read again")]
fn check_key_pair(pair: &KeyPair, usage: Usage) {
    assert!(!format!("{pair:?}").contains("PRIVATE KEY"));
    let (chain, key) = (found(pair.chain_pem.as_bytes()), found(pair.key_pem.expose()));
    let again = key_pair(&chain, Some(&key), None, usage, now());
    let again = again.unwrap_or_else(|error| panic!("{error}: {pair:?}"));
    assert_eq!((&again.chain_pem, &again.key_pem), (&pair.chain_pem, &pair.key_pem));
    assert_eq!(again.chain, pair.chain);
    assert!(!again.incomplete && again.notes.len() <= pair.notes.len(), "{again:?} of {pair:?}");
}

fn check_trust_store(store: &TrustStore) {
    let again = trust_store(&found(store.pem.as_bytes()), None, now());
    let again = again.unwrap_or_else(|error| panic!("{error}: {store:?}"));
    assert_eq!((&again.pem, &again.certificates), (&store.pem, &store.certificates));
    assert!(again.notes.len() <= store.notes.len(), "{again:?} of {store:?}");
}

/// Every second part between backticks is a certificate's own name, or a command.
fn check_error(error: &Error) {
    assert!(!error.code.is_empty() && !error.remedy.is_empty(), "{error:?}");
    assert!(!error.message.chars().any(char::is_control), "{error:?}");
    let said = error.message.split('`').step_by(2).flat_map(str::split_whitespace);
    for word in said {
        assert!(word.chars().count() <= WORD_CHARS_MAX, "{word}: {error:?}");
    }
}
