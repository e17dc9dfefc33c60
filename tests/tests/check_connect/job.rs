//! Job files for `check`, and what it says of them.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    cache,
    certs::{Pair, Template, authority},
    kafka::{Listener, PASSWORD, SecureBrokers, USER, unique_topic},
    oidc::Issuer,
    service::program,
};

/// Each fault is told within this time, all of them together.
const WITHIN: Duration = Duration::from_secs(30);

/// A job of many outputs, which are checked at once.
pub(super) struct Job<'a> {
    dir: tempfile::TempDir,
    brokers: &'a SecureBrokers,
    /// A topic that [`USER`] may write.
    pub(super) topic: String,
    outputs: String,
}

impl<'a> Job<'a> {
    pub(super) fn new(brokers: &'a SecureBrokers) -> Self {
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

    pub(super) fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub(super) fn pair(&self, name: &str, pair: &Pair) {
        self.file(&format!("{name}.pem"), &(pair.key_pem() + &pair.chain_pem()));
    }

    /// Adds an output.
    pub(super) fn output(&mut self, alias: &str, listener: Listener, topic: &str, keys: &str) {
        let keys: String = keys.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let servers = self.brokers.bootstrap(listener);
        self.outputs += &format!(
            "  - alias: {alias}\n    bootstrapServers: {servers}\n    topic: {topic}\n{keys}"
        );
    }

    /// The same to the topic of the job.
    pub(super) fn at(&mut self, alias: &str, listener: Listener, keys: &str) {
        let topic = self.topic.clone();
        self.output(alias, listener, &topic, keys);
    }

    /// What a check of the outputs prints.
    pub(super) fn check(&self, options: &[&str], exit: Option<i32>) -> String {
        self.check_of(&format!("name: checked\noutputs:\n{}", self.outputs), options, exit)
    }

    fn check_of(&self, yaml: &str, options: &[&str], exit: Option<i32>) -> String {
        self.file("job.yaml", yaml);
        let start = Instant::now();
        let text = self.run(&[&["check", "job.yaml"], options].concat(), exit);
        assert!(start.elapsed() < WITHIN, "{text}");
        for secret in [PASSWORD, "canary"] {
            assert!(!text.contains(secret), "{text}");
        }
        text
    }

    /// What a command prints that ends so and has nothing to complain of.
    pub(super) fn run(&self, args: &[&str], exit: Option<i32>) -> String {
        let start = Instant::now();
        let output = Command::new(program())
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("KAFKA_OUTPUT_LOG")
            .output()
            .unwrap();
        let (text, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
        let text = String::from_utf8(text).unwrap();
        println!("{}\n{text}", start.elapsed().as_secs_f32());
        assert_eq!((output.status.code(), errors.as_str()), (exit, ""), "{text}");
        text
    }

    /// Each output with its steps.
    pub(super) fn told(&self, exit: Option<i32>) -> Vec<(String, Vec<Value>)> {
        of_outputs(&self.check(&["--output", "json"], exit))
    }

    /// The same of a job file of the test's own.
    pub(super) fn told_of(&self, yaml: &str, exit: Option<i32>) -> Vec<(String, Vec<Value>)> {
        of_outputs(&self.check_of(yaml, &["--output", "json"], exit))
    }
}

fn of_outputs(told: &str) -> Vec<(String, Vec<Value>)> {
    let told: Value = serde_json::from_str(told).unwrap();
    let sections = told["sections"].as_array().unwrap();
    let outputs = sections.iter().filter(|section| section["about"] == "output");
    outputs
        .map(|section| {
            let alias = section["alias"].as_str().unwrap().to_owned();
            (alias, section["steps"].as_array().unwrap().clone())
        })
        .collect()
}

/// Shows the password of [`USER`].
pub(super) fn login(mechanism: &str, password: &str) -> String {
    login_of(USER, mechanism, password)
}

/// Shows a user's password, which is in a file.
pub(super) fn login_of(user: &str, mechanism: &str, password: &str) -> String {
    format!(
        "sasl: {{ mechanism: {mechanism}, username: {user}, password: {{ file: {password} }} }}"
    )
}

pub(super) fn token(issuer: &Issuer) -> String {
    issuer.set_client(USER, "client-secret");
    format!(
        "sasl: {{ mechanism: OAUTHBEARER, token: {{ endpoint: '{}', clientId: {USER}, \
         clientSecret: {{ clearTextForTests: client-secret }} }} }}",
        issuer.token_endpoint()
    )
}

const TLS: &str = "truststore: { file: ca.pem }";
pub(super) const CLIENT: &str =
    "truststore: { file: ca.pem }\nclientCertificate: { file: client.pem }";

pub(super) fn sasl_ssl(login: &str) -> String {
    format!("securityProtocol: SASL_SSL\n{TLS}\n{login}")
}

pub(super) fn sasl_plaintext(login: &str) -> String {
    format!("securityProtocol: SASL_PLAINTEXT\n{login}")
}

pub(super) fn mtls() -> String {
    format!("securityProtocol: mTLS\n{CLIENT}")
}
