//! `check` at real brokers with every kind of security: what works is told as working,
//! and each fault by its own code, with what it is about.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    cache,
    certs::{Pair, Template, authority, other_authority},
    kafka::{Listener, PASSWORD, Right, SecureBrokers, USER, shared_secure, unique_topic},
    oidc::{self, Issuer},
    service::program,
};

const DONE: Option<i32> = Some(0);
const BAD_INPUT: Option<i32> = Some(3);
const UNREACHABLE: Option<i32> = Some(4);
/// Each fault is told within this time, all of them together.
const WITHIN: Duration = Duration::from_secs(30);

/// A job of many outputs, which are checked at once.
struct Job<'a> {
    dir: tempfile::TempDir,
    brokers: &'a SecureBrokers,
    /// A topic that [`USER`] may write.
    topic: String,
    outputs: String,
}

impl<'a> Job<'a> {
    fn new(brokers: &'a SecureBrokers) -> Self {
        let dir = cache::run_dir("check-");
        let topic = unique_topic("checked");
        brokers.create_topic(&topic, 2, USER);
        let job = Self { dir, brokers, topic, outputs: String::new() };
        job.file("ca.pem", &authority().pem());
        job.file("word", PASSWORD);
        job.file("wrong", "wrong-canary");
        let pair = authority().issue(&Template::client(USER));
        job.pair("client", &pair);
        job
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn pair(&self, name: &str, pair: &Pair) {
        self.file(&format!("{name}.pem"), &(pair.key_pem() + &pair.chain_pem()));
    }

    /// Adds an output.
    fn output(&mut self, alias: &str, listener: Listener, topic: &str, keys: &str) {
        let keys: String = keys.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let servers = self.brokers.bootstrap(listener);
        self.outputs += &format!(
            "  - alias: {alias}\n    bootstrapServers: {servers}\n    topic: {topic}\n{keys}"
        );
    }

    /// The same to the topic of the job.
    fn at(&mut self, alias: &str, listener: Listener, keys: &str) {
        let topic = self.topic.clone();
        self.output(alias, listener, &topic, keys);
    }

    fn check(&self, options: &[&str], exit: Option<i32>) -> String {
        let path = self.dir.path().join("job.yaml");
        fs::write(&path, format!("name: checked\noutputs:\n{}", self.outputs)).unwrap();
        let start = Instant::now();
        let output = Command::new(program())
            .args(["check", "job.yaml"])
            .args(options)
            .current_dir(self.dir.path())
            .env_remove("KAFKA_OUTPUT_LOG")
            .output()
            .unwrap();
        let (text, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        let text = String::from_utf8(text).unwrap();
        println!("{}\n{text}", start.elapsed().as_secs_f32());
        assert_eq!((output.status.code(), errors.as_str()), (exit, ""), "{text}");
        assert!(start.elapsed() < WITHIN, "{text}");
        for secret in [PASSWORD, "canary"] {
            assert!(!text.contains(secret), "{text}");
        }
        text
    }

    /// Each output with its steps.
    fn told(&self, exit: Option<i32>) -> Vec<(String, Vec<Value>)> {
        let told = self.check(&["--output", "json"], exit);
        let told: Value = serde_json::from_str(&told).unwrap();
        let sections = told["sections"].as_array().unwrap();
        let outputs = sections.iter().filter(|section| section["about"] == "output");
        outputs
            .map(|section| {
                let alias = section["alias"].as_str().unwrap().to_owned();
                (alias, section["steps"].as_array().unwrap().clone())
            })
            .collect()
    }
}

fn login(mechanism: &str, password: &str) -> String {
    format!(
        "sasl: {{ mechanism: {mechanism}, username: {USER}, password: {{ file: {password} }} }}"
    )
}

fn token(issuer: &Issuer) -> String {
    issuer.set_client(USER, "client-secret");
    format!(
        "sasl: {{ mechanism: OAUTHBEARER, token: {{ endpoint: '{}', clientId: {USER}, \
         clientSecret: {{ clearTextForTests: client-secret }} }} }}",
        issuer.token_endpoint()
    )
}

const TLS: &str = "truststore: { file: ca.pem }";
const CLIENT: &str = "truststore: { file: ca.pem }\nclientCertificate: { file: client.pem }";

fn sasl_ssl(login: &str) -> String {
    format!("securityProtocol: SASL_SSL\n{TLS}\n{login}")
}

fn sasl_plaintext(login: &str) -> String {
    format!("securityProtocol: SASL_PLAINTEXT\n{login}")
}

fn mtls() -> String {
    format!("securityProtocol: mTLS\n{CLIENT}")
}

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
