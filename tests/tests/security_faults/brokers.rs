//! Faults at the brokers: certificates, passwords, tokens, listeners, rights.

use std::{fs, path::Path, time::Instant};

use tests::{
    cache,
    certs::{Pair, Template, authority, other_authority},
    engine::{
        Engine,
        job::{job_within, output},
    },
    kafka::{Listener, PASSWORD, Right, USER, shared_secure, unique_topic},
    oidc,
    service::Service,
};

use super::{Case, GOOD, end_good, start_good, wait_told};

/// A user who may log in and write nothing.
const POOR: &str = "poor-user";
/// A client of the issuer.
const CLIENT: &str = "faulty-client";

/// Writes a file; returns the reference of a job file to it.
fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    format!("{{ file: {} }}", path.display())
}

fn pem(pair: &Pair) -> String {
    pair.chain_pem() + &pair.key_pem()
}

#[test]
fn faults_of_brokers_are_told_apart_and_disturb_nobody() {
    let brokers = shared_secure();
    let dir = cache::run_dir("faults-");
    let dir = dir.path();
    let (topic, forbidden) = (unique_topic("faults"), unique_topic("forbidden"));
    brokers.create_topic(&topic, 1, USER);
    brokers.create_topic(&forbidden, 1, USER);
    for user in [POOR, CLIENT] {
        brokers.set_passwords(user, PASSWORD);
    }
    oidc::shared().set_client(CLIENT, "client-secret");

    let trust = format!("truststore: {}", file(dir, "ca.pem", authority().pem()));
    let good = file(dir, "good", PASSWORD);
    let login = |mechanism: &str, user: &str, password: &str| {
        format!("sasl: {{ mechanism: {mechanism}, username: {user}, password: {password} }}")
    };
    let tls = |sasl: String| format!("securityProtocol: SASL_SSL, {trust}, {sasl}");
    let plain = |sasl: String| format!("securityProtocol: SASL_PLAINTEXT, {sasl}");
    let certificate = |name: &str, pair: &Pair| {
        let shown = file(dir, name, pem(pair));
        format!("securityProtocol: mTLS, {trust}, clientCertificate: {shown}")
    };
    let client = authority().issue(&Template::client(USER));
    let ours = certificate("ours.pem", &client);
    let stranger = certificate("stranger.pem", &other_authority().issue(&Template::client(USER)));
    let wrong = |name: &str| file(dir, name, "wrong-password");
    let bad_secret = file(dir, "bad-secret", "not-the-secret");
    let refused_client = format!(
        "sasl: {{ mechanism: OAUTHBEARER, token: {{ endpoint: '{}', clientId: {CLIENT}, \
         clientSecret: {bad_secret} }} }}",
        oidc::shared().token_endpoint()
    );

    let cases = [
        Case::new(
            "plain-password",
            Listener::SaslSsl,
            tls(login("PLAIN", USER, &wrong("w1"))),
            "PASSWORD_WRONG",
            &["user name"],
        ),
        Case::new(
            "scram-password",
            Listener::SaslPlaintext,
            plain(login("SCRAM-SHA-256", USER, &wrong("w2"))),
            "AUTHENTICATION_FAILED",
            &["password"],
        ),
        Case::new(
            "unknown-ca",
            Listener::TlsUntrusted,
            ours.clone(),
            "UNKNOWN_CA",
            &["Other authority"],
        ),
        Case::new(
            "host-name",
            Listener::TlsOtherHost,
            ours.clone(),
            "HOST_NAME_MISMATCH",
            &["elsewhere.example"],
        ),
        Case::new(
            "server-expired",
            Listener::TlsExpired,
            ours.clone(),
            "SERVER_CERTIFICATE_EXPIRED",
            &[],
        ),
        Case::new(
            "old-tls",
            Listener::TlsOld,
            ours.clone(),
            "TLS_VERSION_TOO_OLD",
            &["neither TLS 1.2 nor TLS 1.3"],
        ),
        Case::new(
            "stranger",
            Listener::Mtls,
            stranger,
            "CLIENT_CERTIFICATE_REFUSED",
            &["not even sent"],
        ),
        Case::new(
            "no-certificate",
            Listener::SaslMtls,
            tls(login("PLAIN", USER, &good)),
            "CLIENT_CERTIFICATE_MISSING",
            &["clientCertificate"],
        ),
        Case::new(
            "plain-to-tls",
            Listener::SaslSsl,
            plain(login("PLAIN", USER, &good)),
            "TLS_LISTENER",
            &["SASL_SSL"],
        ),
        Case::new("none-to-tls", Listener::Tls, "securityProtocol: None", "TLS_LISTENER", &[]),
        Case::new(
            "tls-to-plain",
            Listener::SaslPlaintext,
            tls(login("PLAIN", USER, &good)),
            "PLAINTEXT_LISTENER",
            &["SASL_PLAINTEXT"],
        ),
        Case::new(
            "mechanism",
            Listener::ScramOnly,
            plain(login("PLAIN", USER, &good)),
            "SASL_MECHANISM_OFF",
            &["SCRAM-SHA-256"],
        ),
        Case::new(
            "denied",
            Listener::SaslSsl,
            tls(login("SCRAM-SHA-512", POOR, &good)),
            "TOPIC_NOT_AUTHORIZED",
            &["WRITE"],
        ),
        Case::new("client-secret", Listener::SaslSsl, tls(refused_client), "CLIENT_REFUSED", &[]),
    ];
    let mut outputs = vec![output(
        GOOD,
        &brokers.bootstrap(Listener::SaslSsl),
        &topic,
        &tls(login("SCRAM-SHA-256", USER, &good)),
    )];
    outputs.extend(
        cases.iter().map(|case| {
            output(case.name, &brokers.bootstrap(case.listener), &forbidden, &case.keys)
        }),
    );
    let job = format!("secretRefresh: 1s\n{}", job_within("128 MiB", &outputs));
    let since = Instant::now();
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let load = start_good(&engine);
    wait_told(&engine, &cases, since);

    // Mended, they come by themselves: a password in its file, a right, a certificate.
    fs::write(dir.join("w1"), PASSWORD).unwrap();
    fs::write(dir.join("w2"), PASSWORD).unwrap();
    fs::write(dir.join("stranger.pem"), pem(&client)).unwrap();
    fs::write(dir.join("bad-secret"), "client-secret").unwrap();
    for user in [POOR, CLIENT] {
        brokers.allow(user, Right::Write(&forbidden));
    }
    for mended in ["plain-password", "scram-password", "stranger", "denied", "client-secret"] {
        engine.wait_ready(mended);
    }
    end_good(load, &brokers, &topic);
}

/// What was wrong from the beginning is told before anything starts; a certificate that has expired
/// since was right once (suite `renewal`).
#[test]
fn a_key_of_another_certificate_is_refused_before_anything_starts() {
    let dir = cache::run_dir("faults-");
    let dir = dir.path();
    let [one, other] = [(); 2].map(|()| authority().issue(&Template::client(USER)));
    let keys = format!(
        "securityProtocol: mTLS, truststore: {}, clientCertificate: {}, clientKey: {}",
        file(dir, "ca.pem", authority().pem()),
        file(dir, "one.pem", one.chain_pem()),
        file(dir, "other.key", other.key_pem())
    );
    let job = job_within("128 MiB", &[output("out", "localhost:9092", "t", &keys)]);
    let ended = Service::try_start(&job, &Default::default()).expect_err("it must not start");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for text in ["output `out`", "one.pem", "other.key"] {
        assert!(ended.stderr.contains(text), "no {text}: {}", ended.stderr);
    }
}
