//! What a panic tells: its message may show whatever holds a secret, and never shows the secret.
use std::{collections::BTreeMap, fmt::Debug, time::SystemTime};

use keyvault::{Found, Reference, Secret, material::KeyPair};

use crate::{
    client::{OwnCertificate, Security, TokenFrom, WriterOptions},
    job::{self, PasswordMechanism},
    kafka::{
        self,
        credentials::{Credentials, Login, TlsMaterial, Token},
    },
    quiet,
};

fn canary() -> Secret {
    Secret::from("canary".to_owned())
}

/// The message of a panic about a thing, as `unwrap` makes it.
fn told(thing: impl Debug + std::panic::UnwindSafe) -> String {
    let fail = |result: Result<(), _>| result.expect("it went well");
    quiet::catch(|| fail(Err(thing))).expect_err("it did not")
}

fn pair() -> KeyPair {
    KeyPair {
        chain_pem: String::new(),
        key_pem: canary(),
        chain: Vec::new(),
        incomplete: false,
        notes: Vec::new(),
    }
}

fn credentials(login: Login) -> Credentials {
    let tls = TlsMaterial {
        trust: None,
        client: Some(pair()),
        any_certificate: false,
        any_host_name: false,
    };
    Credentials { tls: Some(tls), login: Some(login) }
}

#[test]
fn a_panic_shows_no_secret() {
    let password = credentials(Login::Password {
        mechanism: PasswordMechanism::Plain,
        username: canary(),
        password: canary(),
    });
    let token = credentials(Login::Token(Token {
        value: canary(),
        principal: "p".to_owned(),
        expires: SystemTime::UNIX_EPOCH,
        extensions: BTreeMap::from([("pool".to_owned(), "canary".to_owned())]),
    }));
    let server = "localhost:9092".parse().unwrap();
    let yaml = "name: j\noutputs:\n  - alias: a\n    topic: t\n    \
                bootstrapServers: localhost:1\n    securityProtocol: SASL_PLAINTEXT\n    sasl: { \
                mechanism: PLAIN, username: u, password: { clearTextForTests: canary } }\n";
    let found = Found {
        place: "the file x".to_owned(),
        secret: canary(),
        content_type: None,
        version: "1".to_owned(),
        not_before: None,
        expires: None,
    };
    let own = OwnCertificate { chain_pem: Vec::new(), key_pem: canary() };
    let options = WriterOptions {
        security: Security {
            certificate: Some(own),
            token: Some(TokenFrom::Env("TOKEN".to_owned())),
            ..Security::default()
        },
        ..WriterOptions::new("a", "w")
    };
    for told in [
        told(kafka::target(&server, &password)),
        told(password),
        told(token),
        told(job::parse("job.yaml", yaml).expect("the job file is right")),
        told(found),
        told(Reference::ClearTextForTests(canary())),
        told(options),
    ] {
        assert!(told.contains("it went well: "), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}
