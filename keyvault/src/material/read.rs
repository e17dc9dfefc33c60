//! What an object holds, told by its content alone.

use super::{
    BYTES_MAX, CERTIFICATES_MAX, KEYS_MAX, base64,
    certificate::Certificate,
    der::{self, Kind},
    fault::Fault,
    jks,
    key::Key,
    pem, pfx,
};

/// Certificates and keys, in the order of the object. Certificates are there once each.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<Certificate>,
    pub(super) keys: Vec<Key>,
}

impl Contents {
    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty() && self.keys.is_empty()
    }

    pub(super) fn add_certificate(&mut self, der: &[u8]) -> Result<(), Fault> {
        if self.add_first_certificate(der)? > 0 {
            return Err(Fault::unreadable("holds a certificate with something behind it"));
        }
        Ok(())
    }

    /// Adds the certificate that the bytes begin with; says how many come after it.
    pub(super) fn add_first_certificate(&mut self, der: &[u8]) -> Result<usize, Fault> {
        let (certificate, rest) = Certificate::from_der(der)?;
        if self.certificates.iter().all(|known| known.info.sha256 != certificate.info.sha256) {
            self.certificates.push(certificate);
        }
        if self.certificates.len() > CERTIFICATES_MAX {
            return Err(Fault::too_many_certificates());
        }
        Ok(rest)
    }

    pub(super) fn add_key(&mut self, key: Key) -> Result<(), Fault> {
        self.keys.push(key);
        if self.keys.len() > KEYS_MAX {
            return Err(Fault::too_large(format!("holds more than {KEYS_MAX} private keys")));
        }
        Ok(())
    }
}

/// Things that people put in place of key material: how they begin, what they are, what to do.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (
        &[0xce, 0xce, 0xce, 0xce],
        "looks like a JCEKS key store, which is not read",
        "convert it: `keytool -importkeystore -srckeystore OLD -srcstoretype JCEKS -destkeystore \
         NEW -deststoretype PKCS12`",
    ),
    // Version 1 or 2 and the length of a salt.
    (&[0, 0, 0, 1, 0, 0, 0, 20], BKS, BKS_REMEDY),
    (&[0, 0, 0, 2, 0, 0, 0, 20], BKS, BKS_REMEDY),
    (
        b"PK\x03\x04",
        "looks like a ZIP archive, which is not read",
        "put the certificate there that is in it",
    ),
    (
        b"PuTTY-User-Key-File",
        "looks like a PuTTY key, which is not read",
        "export it with PuTTYgen as an OpenSSL key, and have a certificate issued for it",
    ),
];

const BKS: &str = "looks like a BKS key store, which is not read";
const BKS_REMEDY: &str = "convert it with Bouncy Castle's provider: `keytool -importkeystore \
    -srckeystore OLD -srcstoretype BKS -destkeystore NEW -deststoretype PKCS12`";

/// Reads an object; keys stay locked unless they must be opened to be read.
pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Contents, Fault> {
    if bytes.len() > BYTES_MAX {
        return Err(Fault::too_large(format!(
            "has {} bytes; at most {BYTES_MAX} are read",
            bytes.len()
        )));
    }
    if let Some(contents) = recognize(bytes, password)? {
        return Ok(contents);
    }
    // As a vault hands out what is not text. Whatever it is then, it is not base64 once more.
    if let Some(decoded) = base64::decode(bytes)
        && let Some(contents) = recognize(&decoded, password)?
    {
        return Ok(contents);
    }
    Err(Fault::unreadable(guess(bytes)))
}

/// `None` if it is nothing that is known.
fn recognize(bytes: &[u8], password: Option<&[u8]>) -> Result<Option<Contents>, Fault> {
    if bytes.windows(pem::BEGIN.len()).any(|window| window == pem::BEGIN) {
        return pem::read(bytes).map(Some);
    }
    if bytes.starts_with(&jks::MAGIC) {
        return jks::read(bytes, password).map(Some);
    }
    for (begin, what, remedy) in FOREIGN {
        if bytes.starts_with(begin) {
            return Err(Fault::unsupported(what, remedy));
        }
    }
    let mut contents = Contents::default();
    match der::kind(bytes) {
        Some(Kind::Pfx) => return pfx::read(bytes, password).map(Some),
        Some(Kind::Certificate) => contents.add_certificate(bytes)?,
        Some(Kind::Key) => contents.add_key(Key::Plain(bytes.to_vec().into()))?,
        Some(Kind::EncryptedKey) => contents.add_key(Key::Encrypted(bytes.to_vec()))?,
        Some(Kind::PfxInBer) => {
            return Err(Fault::unsupported(
                "holds a PFX in BER instead of DER, which is not read",
                "write it anew: `keytool -importkeystore -srckeystore OLD -srcstoretype PKCS12 \
                 -destkeystore NEW -deststoretype PKCS12`",
            ));
        }
        Some(Kind::Pkcs7) => {
            return Err(Fault::unsupported(
                "looks like PKCS#7, which is not read",
                "write its certificates in PEM: `openssl pkcs7 -inform DER -print_certs -in OLD \
                 -out NEW`",
            ));
        }
        None => return Ok(None),
    }
    Ok(Some(contents))
}

/// What it may be instead; says nothing of what stands there.
fn guess(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii();
    match text {
        [] => "is empty",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "looks like text in UTF-16; PEM is text in UTF-8",
        [b'{' | b'[', ..] => "looks like JSON, not like a certificate or a key",
        [b'<', ..] => "looks like XML or HTML, not like a certificate or a key",
        _ if str::from_utf8(bytes).is_ok() => {
            "is text, but neither PEM nor base64 of something that is known"
        }
        _ => "is nothing that is known as a certificate, a key or a key store",
    }
}
