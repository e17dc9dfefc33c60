//! Every kind of security, and each fault of it.

use tests::{
    certs::{Template, authority, other_authority},
    kafka::{Listener, Right, SecureBrokers, USER, shared_secure, unique_topic},
    oidc::{self, Issuer},
};

use super::{
    BAD_INPUT, DONE, UNREACHABLE,
    job::{CLIENT, Job, login, mtls, sasl_plaintext, sasl_ssl, token},
};

#[test]
fn every_way_into_the_brokers_that_works_is_told_as_working() {
    let brokers = shared_secure();
    let mut job = Job::new(&brokers);
    job.at("plaintext", Listener::Plaintext, "");
    job.at("mtls", Listener::Mtls, &mtls());
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let login = login(mechanism, "word");
        job.at(&format!("plain-{mechanism}"), Listener::SaslPlaintext, &sasl_plaintext(&login));
        job.at(&format!("tls-{mechanism}"), Listener::SaslSsl, &sasl_ssl(&login));
    }
    let both = format!("securityProtocol: SASL_SSL\n{CLIENT}\n{}", login("PLAIN", "word"));
    job.at("both", Listener::SaslMtls, &both);
    job.at("token", Listener::SaslSsl, &sasl_ssl(&token(oidc::shared())));
    job.at("chain", Listener::TlsIntermediate, &mtls());
    for (alias, steps) in job.told(DONE) {
        let of = |name: &str| {
            let step = steps.iter().find(|step| step["step"] == name);
            step.unwrap_or_else(|| panic!("{alias} has no {name}: {steps:?}"))
        };
        for name in ["NAME", "TCP", "LISTENER", "TOPIC", "WRITE_PERMISSION"] {
            assert_eq!(of(name)["outcome"], "passed", "{alias}: {}", of(name));
        }
        assert_eq!(of("TOPIC")["facts"]["partitions"], 2, "{alias}");
        // Who has no login may do everything at these brokers; a writer may not see settings.
        if alias == "plaintext" || alias == "chain" {
            assert_eq!(of("SIZES")["facts"]["maxMessageBytes"], 1_048_588, "{alias}");
            assert_eq!(of("REPLICAS")["facts"]["minInsyncReplicas"], 1, "{alias}");
        } else {
            assert_eq!(of("SIZES")["outcome"], "notChecked", "{alias}");
        }
        if !alias.starts_with("plain") {
            assert_eq!(of("TLS")["facts"]["version"], "TLS 1.3", "{alias}");
        }
        if alias.contains('-') || alias == "both" || alias == "token" {
            assert_eq!(of("LOGIN")["outcome"], "passed", "{alias}");
        }
    }
}

/// An output that fails: where, with which code, and a part of what is said of it.
type Fault = (&'static str, &'static str, &'static str, &'static str);

const FAULTS: [Fault; 22] = [
    ("wrong-password", "LOGIN", "PASSWORD_WRONG", "refuses user name or password"),
    ("wrong-scram", "LOGIN", "AUTHENTICATION_FAILED", "invalid credentials with SASL mechanism"),
    ("wrong-token", "LOGIN", "TOKEN_REFUSED", "for `kafka`, valid until"),
    ("unknown-ca", "TLS", "UNKNOWN_CA", "is signed by `CN=Other authority,O=kafka-output tests`"),
    ("wrong-host", "TLS", "HOST_NAME_MISMATCH", "is for `elsewhere.example`, not for `127."),
    ("expired-server", "TLS", "SERVER_CERTIFICATE_EXPIRED", "expired on"),
    ("old-tls", "TLS", "TLS_VERSION_TOO_OLD", "neither TLS 1.2 nor TLS 1.3"),
    ("expired-client", "CREDENTIALS", "CERTIFICATE_EXPIRED", "expired-client.pem"),
    ("untrusted-client", "CLIENT_CERTIFICATE", "CLIENT_CERTIFICATE_REFUSED", "is not even sent"),
    ("missing-client", "CLIENT_CERTIFICATE", "CLIENT_CERTIFICATE_MISSING", "the output has none"),
    ("plain-at-tls", "LISTENER", "TLS_LISTENER", "speaks TLS, and `securityProtocol: None`"),
    ("plain-at-sasl-ssl", "LISTENER", "TLS_LISTENER", "`securityProtocol: None`"),
    ("sasl-plain-at-sasl-ssl", "LISTENER", "TLS_LISTENER", "`securityProtocol: SASL_PLAINTEXT`"),
    ("tls-at-plain", "LISTENER", "PLAINTEXT_LISTENER", "speaks plaintext"),
    ("sasl-ssl-at-sasl-plain", "LISTENER", "PLAINTEXT_LISTENER", "speaks plaintext"),
    ("no-login-at-sasl", "LISTENER", "LISTENER_WANTS_LOGIN", "PLAIN"),
    ("mtls-at-sasl-ssl", "LISTENER", "LISTENER_WANTS_LOGIN", "PLAIN"),
    ("login-at-plain", "SASL_MECHANISM", "LISTENER_WITHOUT_LOGIN", "takes no logins"),
    ("mechanism-off", "SASL_MECHANISM", "SASL_MECHANISM_OFF", "PLAIN, but `SCRAM-SHA-256`"),
    ("denied", "TOPIC", "TOPIC_NOT_AUTHORIZED", "Broker: Topic authorization failed"),
    ("describe-only", "WRITE_PERMISSION", "TOPIC_NOT_AUTHORIZED", "may see the topic"),
    ("missing-topic", "TOPIC", "TOPIC_NOT_FOUND", "Unknown topic or partition"),
];

/// What the right `securityProtocol` of a listener is, as the remedy says.
const REMEDIES: [(&str, &str); 6] = [
    ("plain-at-tls", "`securityProtocol: mTLS`"),
    ("plain-at-sasl-ssl", "`securityProtocol: SASL_SSL`"),
    ("sasl-plain-at-sasl-ssl", "`securityProtocol: SASL_SSL`"),
    ("tls-at-plain", "`securityProtocol: None`"),
    ("sasl-ssl-at-sasl-plain", "`securityProtocol: SASL_PLAINTEXT`"),
    ("unknown-ca", "certificate of `CN=Other authority,O=kafka-output tests`"),
];

#[test]
fn each_fault_has_its_own_clear_message() {
    let brokers = shared_secure();
    let mut job = Job::new(&brokers);
    logins(&mut job);
    certificates(&mut job);
    protocols(&mut job);
    topics(&mut job, &brokers);
    // A client certificate that has expired is for the user to mend, and that comes first.
    let told = job.told(BAD_INPUT);
    assert_eq!(told.len(), FAULTS.len());
    for (alias, steps) in &told {
        let expected = FAULTS.iter().find(|(name, ..)| name == alias).unwrap();
        let failed: Vec<_> = steps.iter().filter(|step| step["outcome"] == "failed").collect();
        let [failed] = failed.as_slice() else { panic!("{alias}: {failed:?}") };
        let found = (failed["step"].as_str(), failed["code"].as_str());
        assert_eq!(found, (Some(expected.1), Some(expected.2)), "{alias}: {failed}");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains(expected.3), "{alias}: {message}");
        let remedy = failed["remedy"].as_str().unwrap();
        assert!(!remedy.is_empty(), "{alias}: {message}");
        for (_, part) in REMEDIES.iter().filter(|(name, _)| name == alias) {
            assert!(remedy.contains(part), "{alias}: {remedy}");
        }
    }
}

fn logins(job: &mut Job<'_>) {
    let wrong = login("PLAIN", "wrong");
    job.at("wrong-password", Listener::SaslSsl, &sasl_ssl(&wrong));
    let wrong = login("SCRAM-SHA-512", "wrong");
    job.at("wrong-scram", Listener::SaslPlaintext, &sasl_plaintext(&wrong));
    // Kept to the end of the process: it answers while the check runs.
    let stranger: &Issuer = Box::leak(Box::new(Issuer::start()));
    job.at("wrong-token", Listener::SaslSsl, &sasl_ssl(&token(stranger)));
    let off = login("PLAIN", "word");
    job.at("mechanism-off", Listener::ScramOnly, &sasl_plaintext(&off));
}

fn certificates(job: &mut Job<'_>) {
    job.at("unknown-ca", Listener::TlsUntrusted, &mtls());
    job.at("wrong-host", Listener::TlsOtherHost, &mtls());
    job.at("expired-server", Listener::TlsExpired, &mtls());
    job.at("old-tls", Listener::TlsOld, &mtls());
    let template = || Template::client(USER);
    for (name, pair) in [
        ("expired-client", authority().issue(&template().expired())),
        ("untrusted-client", other_authority().issue(&template())),
    ] {
        job.pair(name, &pair);
        job.at(name, Listener::Mtls, &mtls().replace("client.pem", &format!("{name}.pem")));
    }
    let login = login("PLAIN", "word");
    job.at("missing-client", Listener::SaslMtls, &sasl_ssl(&login));
}

fn protocols(job: &mut Job<'_>) {
    let login = login("PLAIN", "word");
    job.at("plain-at-tls", Listener::Tls, "");
    job.at("plain-at-sasl-ssl", Listener::SaslSsl, "");
    job.at("sasl-plain-at-sasl-ssl", Listener::SaslSsl, &sasl_plaintext(&login));
    job.at("tls-at-plain", Listener::Plaintext, &mtls());
    job.at("sasl-ssl-at-sasl-plain", Listener::SaslPlaintext, &sasl_ssl(&login));
    job.at("no-login-at-sasl", Listener::SaslPlaintext, "");
    job.at("mtls-at-sasl-ssl", Listener::SaslSsl, &mtls());
    job.at("login-at-plain", Listener::Plaintext, &sasl_plaintext(&login));
}

fn topics(job: &mut Job<'_>, brokers: &SecureBrokers) {
    let login = sasl_plaintext(&login("PLAIN", "word"));
    let topics = ["denied", "seen"].map(unique_topic);
    for topic in &topics {
        brokers.admin().create_topic(topic, 1, 1, &[]);
    }
    let [denied, seen] = &topics;
    brokers.allow(USER, Right::Describe(seen));
    job.output("denied", Listener::SaslPlaintext, denied, &login);
    job.output("describe-only", Listener::SaslPlaintext, seen, &login);
    job.output("missing-topic", Listener::Plaintext, &unique_topic("missing"), "");
}

#[test]
fn a_person_reads_what_fails_and_what_to_do() {
    let brokers = shared_secure();
    let mut job = Job::new(&brokers);
    job.at("delays", Listener::SaslMtls, &sasl_ssl(&login("PLAIN", "word")));
    let place = brokers.bootstrap(Listener::SaslMtls);
    let text = job.check(&[], UNREACHABLE);
    let (_, output) = text.split_once("\nOutput `delays`").unwrap();
    let lines: Vec<&str> = output.lines().skip(1).collect();
    let host = place.rsplit_once(':').unwrap().0;
    let expected = [
        format!("  ✓ {place} name: {host}"),
        format!("  ✓ {place} TCP: {place}"),
        format!("  ✓ {place} listener: TLS"),
        format!("  ✗ {place} client certificate"),
        format!(
            "      CLIENT_CERTIFICATE_MISSING: {place} asks for a client certificate, and the \
             output has none"
        ),
    ];
    for line in &expected {
        assert!(lines.contains(&line.as_str()), "{line}\n{text}");
    }
    assert!(output.contains("      → give it a `clientCertificate` that is signed by one of"));
    assert!(output.contains(&format!("  – {place} login: not checked, a step before it did")));
    assert!(output.contains("  – topic: not checked, no broker lets the output in\n"));
}
