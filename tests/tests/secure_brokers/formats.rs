//! Every format that the workshop writes is one that others read: OpenSSL in librdkafka, and Java.

use tests::{
    cache,
    certs::{KeyKind, Template, authority, trust_store_jks},
    kafka::{Listener, USER, prepare, shared_secure},
};

use super::{client, refused, write};

const PASSWORD: &str = "not-a-secret";

fn chained(kind: KeyKind) -> tests::certs::Pair {
    authority().intermediate("Branch").issue(&Template::client(USER).key(kind))
}

#[test]
fn librdkafka_reads_every_key() {
    let brokers = shared_secure();
    let mtls = || client(&brokers, Listener::Mtls);
    for kind in [KeyKind::Rsa, KeyKind::Ec, KeyKind::Ed25519] {
        let pair = chained(kind);
        let with = |key: &str| {
            mtls().set("ssl.certificate.pem", &pair.chain_pem()).set("ssl.key.pem", key)
        };
        with(&pair.key_pem()).connect().unwrap();
        let encrypted = with(&pair.key_encrypted_pem(PASSWORD));
        encrypted.clone().set("ssl.key.password", PASSWORD).connect().unwrap();
        refused(encrypted.set("ssl.key.password", "wrong").connect(), "ssl.key.pem failed");
        match kind {
            KeyKind::Rsa => {
                with(&pair.key_pkcs1_pem()).connect().unwrap();
                let encrypted = with(&pair.key_pkcs1_encrypted_pem(PASSWORD));
                encrypted.set("ssl.key.password", PASSWORD).connect().unwrap();
            }
            KeyKind::Ec => with(&pair.key_sec1_pem()).connect().unwrap(),
            KeyKind::Ed25519 => {}
        }
    }
}

#[test]
fn librdkafka_reads_pkcs12_old_and_new() {
    let (brokers, dir) = (shared_secure(), cache::run_dir("pkcs12-"));
    for kind in [KeyKind::Rsa, KeyKind::Ec, KeyKind::Ed25519] {
        let pair = chained(kind);
        for (name, bytes) in [("new", pair.pfx(PASSWORD)), ("old", pair.pfx_legacy(PASSWORD))] {
            let file = write(&dir, "store.pfx", &bytes);
            let store = client(&brokers, Listener::Mtls).set("ssl.keystore.location", &file);
            // RC2 is off unless it is asked for.
            let store = store.set("ssl.providers", "default,legacy");
            let connected = store.set("ssl.keystore.password", PASSWORD).connect();
            assert_eq!(connected, Ok(()), "{kind:?}, {name}");
        }
    }
}

#[test]
fn java_reads_its_own_stores() {
    let (brokers, dir) = (shared_secure(), cache::run_dir("jks-"));
    let keys = write(&dir, "keys.jks", &chained(KeyKind::Rsa).jks(PASSWORD));
    let trusted = write(&dir, "trusted.jks", &trust_store_jks(&[authority()], PASSWORD));
    let settings = format!(
        "security.protocol=SSL\n\
         ssl.keystore.type=JKS\nssl.keystore.location={keys}\nssl.keystore.password={PASSWORD}\n\
         ssl.truststore.type=JKS\nssl.truststore.location={trusted}\n\
         ssl.truststore.password={PASSWORD}\n"
    );
    let settings = write(&dir, "client.properties", settings.as_bytes());
    let bootstrap = brokers.bootstrap(Listener::Mtls);
    let args = ["--bootstrap-server", &bootstrap, "--command-config", &settings];
    let said = prepare().tool("org.apache.kafka.tools.BrokerApiVersionsCommand", &args);
    assert!(said.contains("Produce(0)"), "{said}");
}
