//! One key and its certificates in each format that people keep them in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use openssl::{
    hash::MessageDigest, nid::Nid, pkcs12::Pkcs12, provider::Provider, stack::Stack, symm::Cipher,
    x509::X509,
};

use super::{Authority, Pair};
use crate::{cache, java};

const MADE: &str = "OpenSSL writes a key that it has read";

/// A pair as files.
#[derive(Clone, Debug)]
pub struct PairFiles {
    /// The certificates in PEM.
    pub certificate: PathBuf,
    /// The key in PEM, PKCS#8.
    pub key: PathBuf,
    /// The key and the certificates in one file, as Kafka's brokers want them.
    pub both: PathBuf,
}

impl Pair {
    /// The key in PEM, PKCS#8 (`BEGIN PRIVATE KEY`).
    pub fn key_pem(&self) -> String {
        text(self.key.private_key_to_pem_pkcs8().expect(MADE))
    }

    /// The key in PEM, PKCS#8, encrypted (`BEGIN ENCRYPTED PRIVATE KEY`).
    pub fn key_encrypted_pem(&self, password: &str) -> String {
        let cipher = Cipher::aes_256_cbc();
        text(self.key.private_key_to_pem_pkcs8_passphrase(cipher, password.as_bytes()).expect(MADE))
    }

    /// The key in PEM, PKCS#1 (`BEGIN RSA PRIVATE KEY`).
    ///
    /// # Panics
    /// When it is no RSA key.
    pub fn key_pkcs1_pem(&self) -> String {
        let key = self.key.rsa().expect("PKCS#1 is for RSA keys");
        text(key.private_key_to_pem().expect(MADE))
    }

    /// The key in PEM, PKCS#1, encrypted as OpenSSL did before there was PKCS#8
    /// (`Proc-Type: 4,ENCRYPTED`).
    ///
    /// # Panics
    /// When it is no RSA key.
    pub fn key_pkcs1_encrypted_pem(&self, password: &str) -> String {
        let key = self.key.rsa().expect("PKCS#1 is for RSA keys");
        let (cipher, password) = (Cipher::aes_128_cbc(), password.as_bytes());
        text(key.private_key_to_pem_passphrase(cipher, password).expect(MADE))
    }

    /// The key in PEM, SEC1 (`BEGIN EC PRIVATE KEY`).
    ///
    /// # Panics
    /// When it is no key of an elliptic curve.
    pub fn key_sec1_pem(&self) -> String {
        let key = self.key.ec_key().expect("SEC1 is for keys of elliptic curves");
        text(key.private_key_to_pem().expect(MADE))
    }

    /// PKCS#12 as OpenSSL 3 writes it: PBES2, AES-256, SHA-256. The password may be empty.
    pub fn pfx(&self, password: &str) -> Vec<u8> {
        self.pkcs12(password, None)
    }

    /// PKCS#12 as Windows and OpenSSL 1 wrote it: triple DES and RC2 with 40 bits, SHA-1.
    pub fn pfx_legacy(&self, password: &str) -> Vec<u8> {
        // RC2 is in the provider that is loaded here and given back at once.
        let _legacy = Provider::try_load(None, "legacy", true).expect("OpenSSL has old ciphers");
        let key = Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC;
        self.pkcs12(password, Some((key, Nid::PBE_WITHSHA1AND40BITRC2_CBC)))
    }

    fn pkcs12(&self, password: &str, ciphers: Option<(Nid, Nid)>) -> Vec<u8> {
        let read = |pem: &String| X509::from_pem(pem.as_bytes()).expect("it was just made");
        let mut more = Stack::new().expect(MADE);
        for certificate in &self.chain[1..] {
            more.push(read(certificate)).expect(MADE);
        }
        let mut builder = Pkcs12::builder();
        builder.name("writer").pkey(&self.key).cert(&read(&self.chain[0])).ca(more);
        if let Some((key, certificate)) = ciphers {
            builder.key_algorithm(key).cert_algorithm(certificate).mac_md(MessageDigest::sha1());
        }
        builder.build2(password).and_then(|made| made.to_der()).expect(MADE)
    }

    /// A Java key store (`JKS`) made by Java's `keytool`; the password has six characters or more.
    pub fn jks(&self, password: &str) -> Vec<u8> {
        let dir = cache::run_dir("keytool-");
        let (from, to) = (dir.path().join("from.p12"), dir.path().join("to.jks"));
        write(&from, &self.pfx(password));
        let mut command = keytool("-importkeystore");
        command.arg("-srckeystore").arg(&from).args(["-srcstoretype", "PKCS12"]);
        command.arg("-destkeystore").arg(&to).args(["-deststoretype", "JKS"]);
        command.args(["-srcstorepass", password, "-deststorepass", password]);
        run(command);
        fs::read(to).expect("keytool has written a key store")
    }

    /// Writes `NAME.crt`, `NAME.key` and `NAME.pem` into a folder.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write_to(&self, dir: &Path, name: &str) -> PairFiles {
        let path = |ending: &str| dir.join(format!("{name}.{ending}"));
        let files = PairFiles { certificate: path("crt"), key: path("key"), both: path("pem") };
        write(&files.certificate, self.chain_pem().as_bytes());
        write(&files.key, self.key_pem().as_bytes());
        write(&files.both, (self.key_pem() + &self.chain_pem()).as_bytes());
        files
    }
}

/// A Java trust store (`JKS`) made by `keytool`; the password has six characters or more.
pub fn trust_store_jks(authorities: &[&Authority], password: &str) -> Vec<u8> {
    let dir = cache::run_dir("keytool-");
    let (from, to) = (dir.path().join("from.pem"), dir.path().join("to.jks"));
    for (nth, authority) in authorities.iter().enumerate() {
        write(&from, authority.pem().as_bytes());
        let mut command = keytool("-importcert");
        command.args(["-noprompt", "-storetype", "JKS", "-storepass", password]);
        command.args(["-alias", &format!("authority-{nth}")]);
        command.arg("-file").arg(&from).arg("-keystore").arg(&to);
        run(command);
    }
    fs::read(to).expect("keytool has written a trust store")
}

/// Certificates of authorities in PKCS#12, as `openssl pkcs12 -export -nokeys` writes them. The
/// password may be empty.
pub fn trust_store_pfx(authorities: &[&Authority], password: &str) -> Vec<u8> {
    let mut certificates = Stack::new().expect(MADE);
    for authority in authorities {
        let certificate = X509::from_pem(authority.pem().as_bytes()).expect("it was just made");
        certificates.push(certificate).expect(MADE);
    }
    let made = Pkcs12::builder().ca(certificates).build2(password);
    made.and_then(|made| made.to_der()).expect(MADE)
}

fn keytool(what: &str) -> Command {
    let mut command = Command::new(java::tool("keytool"));
    command.arg(what).stdin(Stdio::null());
    command
}

fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&said));
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn text(pem: Vec<u8>) -> String {
    String::from_utf8(pem).expect("PEM is ASCII")
}
