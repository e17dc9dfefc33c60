//! PEM: blocks in any order, with any text between them.
//!
//! Also as it comes out of a portal's input line (line breaks became spaces) or of a variable (line
//! breaks are written `\n`). Blocks that nobody asked for, such as `EC PARAMETERS`, are passed
//! over.

use zeroize::Zeroizing;

use super::{base64, fault::Fault, key::Key, read::Contents};

/// How a block begins.
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";

const DASHES: &[u8] = b"-----";

/// The longest that is known has 25 bytes.
const LABEL_BYTES_MAX: usize = 64;

/// Blocks that are known but not read, and what to do. Other labels are not shown, since they may
/// be anything.
const FOREIGN: [(&str, &str); 7] = [
    ("OPENSSH PRIVATE KEY", "write it in PKCS#8: `ssh-keygen -p -m PKCS8 -f KEY`"),
    ("DSA PRIVATE KEY", "have a certificate issued for an RSA, ECDSA or Ed25519 key"),
    ("PKCS7", "write its certificates in PEM: `openssl pkcs7 -print_certs -in OLD -out NEW`"),
    ("CERTIFICATE REQUEST", "put the certificate there that the authority issued for it"),
    ("NEW CERTIFICATE REQUEST", "put the certificate there that the authority issued for it"),
    ("PUBLIC KEY", "put the certificate there that holds it"),
    ("X509 CRL", "put the certificate there that signed it"),
];

/// Reads all blocks; keys stay locked.
pub(super) fn read(text: &[u8]) -> Result<Contents, Fault> {
    let mut contents = Contents::default();
    let mut foreign = None;
    let mut rest = text;
    while let Some(begin) = find(rest, BEGIN) {
        let block = Block::first(&rest[begin..])?;
        match block.label {
            b"CERTIFICATE" | b"X509 CERTIFICATE" => contents.add_certificate(&block.bytes()?)?,
            // OpenSSL's own, with what it is trusted for behind the certificate.
            b"TRUSTED CERTIFICATE" => {
                contents.add_first_certificate(&block.bytes()?)?;
            }
            b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" => {
                contents.add_key(block.key()?)?;
            }
            b"ENCRYPTED PRIVATE KEY" => {
                contents.add_key(Key::Encrypted(block.bytes()?.to_vec()))?;
            }
            label => {
                let known = FOREIGN.iter().find(|(foreign, _)| foreign.as_bytes() == label);
                foreign = foreign.or(known);
            }
        }
        rest = block.rest;
    }
    if contents.is_empty() {
        return Err(match foreign {
            Some((label, remedy)) => Fault::unsupported(
                format!("holds a PEM block `{label}`, but no certificate and no key"),
                *remedy,
            ),
            None => Fault::unreadable("holds PEM, but no certificate and no key"),
        });
    }
    Ok(contents)
}

/// From `-----BEGIN` to `-----END`.
struct Block<'a> {
    label: &'a [u8],
    body: &'a [u8],
    /// What comes after it.
    rest: &'a [u8],
}

impl<'a> Block<'a> {
    /// The block that the text begins with.
    fn first(text: &'a [u8]) -> Result<Self, Fault> {
        let damaged =
            || Fault::unreadable("holds a damaged PEM block: its first line does not end");
        let after = &text[BEGIN.len()..];
        let head = &after[..after.len().min(LABEL_BYTES_MAX)];
        let length = find(head, DASHES).ok_or_else(damaged)?;
        let (label, body) = (&after[..length], &after[length + DASHES.len()..]);
        let marker = [b"-----END ", label, DASHES].concat();
        let end = find(body, &marker);
        let cut =
            || Fault::unreadable("holds a PEM block without its end: a part of it is missing");
        let end = end.filter(|end| find(&body[..*end], BEGIN).is_none()).ok_or_else(cut)?;
        Ok(Self { label, body: &body[..end], rest: &body[end + marker.len()..] })
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let damaged = || Fault::unreadable("holds a damaged PEM block: it is not base64");
        base64::decode(self.body).ok_or_else(damaged)
    }

    /// A private key that is not encrypted, or, by its headers, in OpenSSL's old way.
    fn key(&self) -> Result<Key, Fault> {
        if !self.body.contains(&b':') {
            return Ok(Key::Plain(self.bytes()?));
        }
        let mut pem = Zeroizing::new(Vec::with_capacity(2 * (self.body.len() + 100)));
        let mut line = |parts: [&[u8]; 3]| {
            parts.iter().for_each(|part| pem.extend_from_slice(part));
            pem.push(b'\n');
        };
        line([BEGIN, self.label, DASHES]);
        // Headers and base64 are a line apart; the body begins with the end of its first line.
        for text in self.body.trim_ascii().split(|byte| *byte == b'\n') {
            line([text.trim_ascii(), b"", b""]);
        }
        line([b"-----END ", self.label, DASHES]);
        Ok(Key::OldPem(pem))
    }
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}
