//! `check` as a person and a script see it: the built binary and a job file, with the embedded
//! broker or nobody behind it. Brokers with security are those of the package `tests`.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output},
};

use kafka_output::kafka::mock::MockKafka;
use serde_json::{Value, json};
use tempfile::TempDir;

const DONE: Option<i32> = Some(0);
const WRONG_USAGE: Option<i32> = Some(2);
const BAD_INPUT: Option<i32> = Some(3);
const UNREACHABLE: Option<i32> = Some(4);

/// What stands at the end of every check.
const END: &str = "\nNot checked: that brokers take a record: nothing was written, and nothing was \
                   made; how much they take: quotas and throttling show under load.\n";

/// A folder with a job file.
struct Job(TempDir);

impl Job {
    /// Of these outputs: servers, topic and more keys.
    fn new(outputs: &[(&str, &str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let outputs = outputs.iter().enumerate().map(|(number, (servers, topic, keys))| {
            let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
            format!(
                "  - alias: out{number}\n    bootstrapServers: {servers}\n    \
                 topic: {topic}\n{keys}"
            )
        });
        let outputs: String = outputs.collect();
        fs::write(folder.path().join("job.yaml"), format!("name: t\noutputs:\n{outputs}")).unwrap();
        Self(folder)
    }

    fn check(&self, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kafka-output"))
            .args(["check", "job.yaml"])
            .args(options)
            .current_dir(self.0.path())
            .env_remove("KAFKA_OUTPUT_LOG")
            .output()
            .unwrap()
    }

    fn text(&self, exit: Option<i32>) -> String {
        let output = self.check(&[]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(str::from_utf8(&output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), exit, "{text}");
        text
    }

    /// What a script reads.
    fn json(&self, exit: Option<i32>) -> Value {
        let output = self.check(&["--connect", "--output", "json"]);
        assert_eq!(output.status.code(), exit, "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The steps of a section that did not pass, as `step CODE`.
fn failed(told: &Value, section: usize) -> Vec<String> {
    let steps = told["sections"][section]["steps"].as_array().unwrap();
    let failed = steps.iter().filter(|step| step["outcome"] == "failed");
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    failed.map(|step| format!("{} {}", text(step, "step"), text(step, "code"))).collect()
}

/// A broker with the topic `rows` of two partitions.
fn broker() -> (MockKafka, String) {
    let broker = MockKafka::start(1).unwrap();
    broker.create_topic("rows", 2).unwrap();
    let servers = broker.bootstrap_servers();
    (broker, servers)
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_job_that_works_is_told_step_by_step() {
    let (_broker, servers) = broker();
    let expected = format!(
        "job.yaml is valid: job `t`

Identity and secrets
  ✓ secrets: the job file refers to none

Output `out0`, topic `rows` (None)
  ✓ {servers} name: 127.0.0.1
  ✓ {servers} TCP: {servers}
  ✓ {servers} listener: Kafka in plaintext
  ✓ topic: 2 partitions
  – permission to write: not checked, the brokers do not tell (Kafka 2.3 and later do)
  – sizes: not checked, the brokers do not tell `max.message.bytes`, nor how many replicas must be in sync (that takes the right DESCRIBE_CONFIGS on the topic)
{END}Everything else works.
"
    );
    assert_eq!(Job::new(&[(&servers, "rows", "")]).text(DONE), expected);
}

#[test]
fn a_script_reads_stable_codes() {
    let (_broker, servers) = broker();
    let told = Job::new(&[(&servers, "rows", "")]).json(DONE);
    assert_eq!((&told["valid"], &told["passed"]), (&json!(true), &json!(true)));
    assert_eq!(told["job"]["outputs"][0]["alias"], "out0");
    let output = &told["sections"][1];
    assert_eq!(output["about"], "output");
    assert_eq!((&output["alias"], &output["topic"]), (&json!("out0"), &json!("rows")));
    let steps = output["steps"].as_array().unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            ("NAME", "passed"),
            ("TCP", "passed"),
            ("LISTENER", "passed"),
            ("TOPIC", "passed"),
            ("WRITE_PERMISSION", "notChecked"),
            ("SIZES", "notChecked"),
        ]
    );
    assert_eq!(output["steps"][0]["facts"], json!({ "addresses": ["127.0.0.1"] }));
    assert_eq!(output["steps"][3]["facts"], json!({ "partitions": 2, "replicas": 1 }));
}

#[test]
fn a_topic_that_is_missing_is_told_and_not_made() {
    let (_broker, servers) = broker();
    let job = Job::new(&[(&servers, "typo", "")]);
    for _ in 0..2 {
        let text = job.text(UNREACHABLE);
        let said = "  ✗ topic\n      TOPIC_NOT_FOUND: topic `typo`: Broker: Unknown topic or \
                    partition (UNKNOWN_TOPIC_OR_PART)\n      → Create the topic, or correct \
                    `topic` in the job file; rows go on by themselves.\n";
        assert!(text.contains(said), "{text}");
        assert!(text.ends_with(&format!("{END}See ✗ above.\n")), "{text}");
    }
}

#[test]
fn every_output_and_every_server_is_told_whatever_the_others_do() {
    let (_broker, servers) = broker();
    let (dead, gone) = (nobody(), nobody());
    let text = Job::new(&[
        (&format!("{dead},{servers}"), "rows", ""),
        (&gone, "rows", ""),
        (&servers, "rows", ""),
    ])
    .text(UNREACHABLE);
    let closed = |server: &str| {
        format!(
            "      PORT_CLOSED: nobody listens at {server} ({server}): the connection was refused\n      \
             → check the port in `bootstrapServers`, and that the broker runs\n"
        )
    };
    let sections: Vec<_> = text.split("\n\n").collect();
    assert_eq!(sections.len(), 6, "{text}");
    let [first, second, third] = [sections[2], sections[3], sections[4]];
    let dead = format!("  ✗ broker {dead}\n{}  ✓ {servers} name: 127.0.0.1\n", closed(&dead));
    assert!(first.contains(&dead), "{first}");
    assert!(first.contains("  ✓ topic: 2 partitions\n"), "{first}");
    let told = format!(
        "Output `out1`, topic `rows` (None)\n  ✓ {gone} name: 127.0.0.1\n  ✗ {gone} TCP\n{}  \
         – {gone} listener: not checked, a step before it did not pass\n  \
         – topic: not checked, no broker lets the output in",
        closed(&gone)
    );
    assert_eq!(second, told);
    assert!(third.contains("  ✓ topic: 2 partitions\n"), "{third}");
}

#[test]
fn brokers_are_looked_at_where_they_want_to_be_reached() {
    let broker = MockKafka::start(2).unwrap();
    broker.create_topic("rows", 2).unwrap();
    let servers = broker.bootstrap_servers();
    let (first, second) = servers.split_once(',').unwrap();
    let text = Job::new(&[(first, "rows", "")]).text(DONE);
    assert!(text.contains(&format!("  ✓ advertised broker {second}: {second}\n")), "{text}");
    assert!(!text.contains(&format!("advertised broker {first}")), "{text}");
}

#[test]
fn secrets_are_read_first_and_their_faults_are_the_users() {
    let (_broker, servers) = broker();
    let login = "securityProtocol: SASL_PLAINTEXT\n\
                 sasl: { mechanism: PLAIN, username: u, password: { env: NO_SUCH_SECRET } }";
    let text = Job::new(&[(&servers, "rows", login)]).text(BAD_INPUT);
    let said = "Identity and secrets\n  ✗ the environment variable `NO_SUCH_SECRET`\n      \
                SECRET_ENV_UNSET: the environment variable `NO_SUCH_SECRET` is not set\n      \
                → set it for the process of the service\n";
    assert!(text.contains(said), "{text}");
    let told = Job::new(&[(&servers, "rows", login), (&servers, "rows", "")]).json(BAD_INPUT);
    assert_eq!(told["passed"], false);
    assert_eq!(failed(&told, 0), ["SECRET SECRET_ENV_UNSET"]);
    assert_eq!(failed(&told, 1), ["CREDENTIALS SECRET_ENV_UNSET"]);
    assert!(failed(&told, 2).is_empty());
}

#[test]
fn certificates_that_cannot_be_used_are_told_before_anybody_is_asked() {
    let tls = "securityProtocol: SASL_SSL\n\
               truststore: { file: ca.pem }\n\
               sasl: { mechanism: PLAIN, username: u, password: { file: word } }";
    let gone = nobody();
    let job = Job::new(&[(&gone, "rows", tls)]);
    fs::write(job.0.path().join("word"), "canary\n").unwrap();
    fs::write(job.0.path().join("ca.pem"), "no certificate").unwrap();
    let told = job.json(BAD_INPUT);
    assert_eq!(failed(&told, 0), [""; 0]);
    assert_eq!(failed(&told, 1), ["CREDENTIALS KEY_MATERIAL_UNREADABLE"]);
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn a_listener_of_another_kind_is_told_with_the_right_protocol() {
    let (_broker, servers) = broker();
    let ca = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap().cert.pem();
    let tls = "securityProtocol: SASL_SSL\n\
               truststore: { file: ca.pem }\n\
               sasl: { mechanism: PLAIN, username: u, password: { file: word } }";
    let job = Job::new(&[(&servers, "rows", tls)]);
    fs::write(job.0.path().join("word"), "canary").unwrap();
    fs::write(job.0.path().join("ca.pem"), ca).unwrap();
    let told = job.json(UNREACHABLE);
    assert_eq!(failed(&told, 1), ["LISTENER PLAINTEXT_LISTENER"]);
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn what_callers_are_shown_and_judged_by_is_looked_at() {
    let (_broker, servers) = broker();
    let job = Job::new(&[(&servers, "rows", "")]);
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = pair.signing_key.serialize_pem() + &pair.cert.pem();
    fs::write(job.0.path().join("server.pem"), pem).unwrap();
    let keys = nobody();
    let listen = format!(
        "listen:\n  grpc:\n    address: 127.0.0.1:0\n    tls: {{ certificate: {{ file: server.pem }} \
         }}\n    tokens: {{ issuer: 'https://issuer.test', keysUrl: 'http://{keys}/keys', \
         audiences: rows, roles: [writer] }}\n"
    );
    let path = job.0.path().join("job.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, listen + &text).unwrap();
    let told = job.json(UNREACHABLE);
    assert_eq!(told["sections"][1]["about"], "listener");
    assert_eq!(failed(&told, 1), ["TOKEN_KEYS CONNECTION_REFUSED"]);
    let certificate = &told["sections"][1]["steps"][0];
    assert_eq!(certificate["facts"]["names"], json!(["localhost"]));
    assert!(failed(&told, 2).is_empty());
}

#[test]
fn a_check_is_either_offline_or_not() {
    let job = Job::new(&[(&nobody(), "rows", "")]);
    assert_eq!(job.check(&["--offline", "--connect"]).status.code(), WRONG_USAGE);
    let offline = job.check(&["--offline"]);
    assert_eq!(offline.status.code(), DONE);
    let text = String::from_utf8(offline.stdout).unwrap();
    assert!(text.ends_with("are not checked; without --offline they are.\n"), "{text}");
}
