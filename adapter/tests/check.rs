//! `check` as a person and a script see it: the built binary and a job file, with the embedded
//! broker or nobody behind it. Brokers with security are those of the package `tests`.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
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

/// Keys of an output that stores no progress: the embedded broker does not know what is asked of
/// that topic, and each such question is waited for.
const BEST_EFFORT: &str = "acks: One";

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

    /// Puts these lines before the outputs.
    fn head(&self, lines: &str) {
        let path = self.0.path().join("job.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, lines.to_owned() + &text).unwrap();
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    /// A tool of Azure that has tokens for these alone.
    fn az(&self, scopes: &str) {
        let token = r#"{"accessToken":"canary","expires_on":32503680000,"tokenType":"Bearer"}"#;
        let said = "ERROR: AADSTS500011: The resource principal was not found";
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n{scopes}) echo '{token}' ;;\n*) echo '{said}' >&2; \
             exit 1 ;;\nesac\n"
        );
        self.write("az", &script);
        fs::set_permissions(self.0.path().join("az"), Permissions::from_mode(0o755)).unwrap();
    }

    fn check(&self, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kafka-output"))
            .args(["check", "job.yaml"])
            .args(options)
            .current_dir(self.0.path())
            .env_remove("KAFKA_OUTPUT_LOG")
            .env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display()))
            // Nobody beyond this machine is asked.
            .env("HTTPS_PROXY", format!("http://{}", nobody()))
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
        let output = self.check(&["--output", "json"]);
        assert_eq!(output.status.code(), exit, "{output:?}");
        // Nothing is told twice: what the service would log stands in the report.
        assert_eq!(str::from_utf8(&output.stderr).unwrap(), "");
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

/// What a step of a section says.
fn step<'a>(told: &'a Value, section: usize, what: &str) -> &'a Value {
    let steps = told["sections"][section]["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["what"].as_str().unwrap().contains(what));
    found.unwrap_or_else(|| panic!("nothing is said of {what}: {steps:?}"))
}

/// A broker with the topic `rows` of two partitions, and one for progress.
fn broker() -> (MockKafka, String) {
    let broker = MockKafka::start(1).unwrap();
    broker.create_topic("rows", 2).unwrap();
    broker.create_topic("kafka-output-progress", 16).unwrap();
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
  – permission to write: not checked, the brokers do not tell in time (Kafka 2.3 and later can)
  – sizes: not checked, the brokers do not tell `max.message.bytes`, nor how many replicas must be in sync (that takes the right DESCRIBE_CONFIGS on the topic)
  ! progress topic: `kafka-output-progress`, 16 partitions
      PROGRESS_POLICY_UNKNOWN: nobody tells whether `kafka-output-progress` keeps what is stored in it
      → see that it has `cleanup.policy=compact`, or grant DESCRIBE_CONFIGS on it
  – permission to read and write progress: not checked, the brokers do not tell in time (Kafka 2.3 and later can)
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
            ("PROGRESS_TOPIC", "warning"),
            ("PROGRESS_PERMISSION", "notChecked"),
        ]
    );
    assert_eq!(output["steps"][0]["facts"], json!({ "addresses": ["127.0.0.1"] }));
    assert_eq!(output["steps"][3]["facts"], json!({ "partitions": 2, "replicas": 1 }));
}

#[test]
fn a_topic_that_is_missing_is_told_and_not_made() {
    let (_broker, servers) = broker();
    let job = Job::new(&[(&servers, "typo", BEST_EFFORT)]);
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
        (&format!("{dead},{servers}"), "rows", BEST_EFFORT),
        (&gone, "rows", BEST_EFFORT),
        (&servers, "rows", BEST_EFFORT),
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
    let text = Job::new(&[(first, "rows", BEST_EFFORT)]).text(DONE);
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
    let told =
        Job::new(&[(&servers, "rows", login), (&servers, "rows", BEST_EFFORT)]).json(BAD_INPUT);
    assert_eq!(told["passed"], false);
    assert_eq!(failed(&told, 0), ["SECRET SECRET_ENV_UNSET"]);
    // The output refers to that.
    assert_eq!(failed(&told, 1), ["CREDENTIALS SECRET_ENV_UNSET"]);
    let login = step(&told, 1, "sasl");
    let message = "it needs the environment variable `NO_SUCH_SECRET`, which cannot be had";
    assert_eq!(login["message"], message);
    assert_eq!(login["remedy"], "mend that first: see above");
    assert!(failed(&told, 2).is_empty());
}

#[test]
fn every_fault_of_credentials_is_told_at_once() {
    let mtls = "securityProtocol: SASL_SSL\n\
                truststore: { file: ca.pem }\n\
                clientCertificate: { file: own.pem }\n\
                sasl: { mechanism: PLAIN, username: u, password: { env: NO_SUCH_SECRET } }";
    let job = Job::new(&[(&nobody(), "rows", mtls)]);
    job.write("ca.pem", "no certificate");
    let own = rcgen::generate_simple_self_signed(["own".to_owned()]).unwrap();
    job.write("own.pem", &own.cert.pem());
    let server = "listen:\n  grpc:\n    address: 127.0.0.1:0\n    \
                  tls: { certificate: { file: own.pem }, clientCa: { file: ca.pem } }\n";
    job.head(server);
    let told = job.json(BAD_INPUT);
    assert_eq!(failed(&told, 0), ["SECRET SECRET_ENV_UNSET"]);
    assert_eq!(failed(&told, 1), ["CERTIFICATE KEY_MISSING", "TRUSTSTORE KEY_MATERIAL_UNREADABLE"]);
    assert_eq!(
        failed(&told, 2),
        [
            "CREDENTIALS KEY_MATERIAL_UNREADABLE",
            "CREDENTIALS KEY_MISSING",
            "CREDENTIALS SECRET_ENV_UNSET",
        ]
    );
}

const EVENT_HUBS: &str = "ns.servicebus.windows.net:9093";

#[test]
fn a_token_that_cannot_be_had_is_told_once_and_keeps_nothing_else_from_being_looked_at() {
    let (_broker, servers) = broker();
    let with = |sasl: &str| format!("securityProtocol: SASL_PLAINTEXT\nsasl: {{ {sasl} }}");
    let vault = with(
        "mechanism: PLAIN, username: u, password: { secret: word, vault: \
         'https://contoso.vault.azure.net' }",
    );
    let job = Job::new(&[
        (&servers, "rows", &vault),
        (&servers, "rows", &vault),
        (&servers, "rows", &with("mechanism: PLAIN, username: u, password: { file: word }")),
        (
            &servers,
            "rows",
            &with("mechanism: OAUTHBEARER, token: { scope: 'https://kafka.example/.default' }"),
        ),
    ]);
    job.write("word", "canary");
    job.head("identity: { type: azureCli }\n");
    job.az("*kafka.example*");
    let told = job.json(UNREACHABLE);
    let (code, token) = ("AZURE_CLI_FAILED", "the identity's token for https://vault.azure.net");
    assert_eq!(step(&told, 0, token)["code"], code);
    assert_eq!(step(&told, 0, "token for https://kafka.example")["outcome"], "passed");
    assert_eq!(step(&told, 0, "contoso.vault.azure.net")["outcome"], "notChecked");
    assert_eq!(step(&told, 0, "the file")["outcome"], "passed");
    for section in [1, 2] {
        let login = step(&told, section, "sasl");
        assert_eq!(login["code"], code);
        assert_eq!(login["message"], format!("it needs {token}, which cannot be had"));
    }
    // These need no token of the vault, so they get as far as the broker, which knows no logins.
    for section in [3, 4] {
        assert_eq!(failed(&told, section), ["LOGIN AUTHENTICATION_FAILED"]);
    }
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn the_connection_string_of_event_hubs_is_judged_and_not_told() {
    let plain =
        |password: &str| format!("sasl: {{ mechanism: PLAIN, password: {{ file: {password} }} }}");
    let job = Job::new(&[
        (EVENT_HUBS, "delays", &plain("malformed")),
        (EVENT_HUBS, "delays", &plain("other")),
    ]);
    job.write("malformed", "canary");
    job.write(
        "other",
        "Endpoint=sb://canary.servicebus.windows.net/;SharedAccessKeyName=canary;\
         SharedAccessKey=canary;EntityPath=canary",
    );
    let told = job.json(BAD_INPUT);
    assert_eq!(failed(&told, 1), ["CONNECTION_STRING CONNECTION_STRING_MALFORMED"]);
    let other = ["OTHER_NAMESPACE", "OTHER_TOPIC"]
        .map(|what| format!("CONNECTION_STRING CONNECTION_STRING_{what}"));
    assert_eq!(failed(&told, 2), other);
    let remedy = step(&told, 1, "sasl.password")["remedy"].as_str().unwrap();
    assert!(remedy.contains("Shared access policies"), "{remedy}");
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn certificates_that_cannot_be_used_are_told_before_anybody_is_asked() {
    let tls = "securityProtocol: SASL_SSL\n\
               truststore: { file: ca.pem }\n\
               sasl: { mechanism: PLAIN, username: u, password: { file: word } }";
    let gone = nobody();
    let job = Job::new(&[(&gone, "rows", tls)]);
    job.write("word", "canary\n");
    job.write("ca.pem", "no certificate");
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
    job.write("word", "canary");
    job.write("ca.pem", &ca);
    let told = job.json(UNREACHABLE);
    assert_eq!(failed(&told, 1), ["LISTENER PLAINTEXT_LISTENER"]);
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn what_callers_are_shown_and_judged_by_is_looked_at() {
    let (_broker, servers) = broker();
    let job = Job::new(&[(&servers, "rows", BEST_EFFORT)]);
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = pair.signing_key.serialize_pem() + &pair.cert.pem();
    job.write("server.pem", &pem);
    let keys = nobody();
    let listen = format!(
        "listen:\n  grpc:\n    address: 127.0.0.1:0\n    tls: {{ certificate: {{ file: server.pem }} \
         }}\n    tokens: {{ issuer: 'https://issuer.test', keysUrl: 'http://{keys}/keys', \
         audiences: rows, roles: [writer] }}\n"
    );
    job.head(&listen);
    let told = job.json(UNREACHABLE);
    assert_eq!(told["sections"][1]["about"], "listener");
    assert_eq!(failed(&told, 1), ["TOKEN_KEYS CONNECTION_REFUSED"]);
    let certificate = &told["sections"][1]["steps"][0];
    assert_eq!(certificate["facts"]["names"], json!(["localhost"]));
    assert!(failed(&told, 2).is_empty());
}

#[test]
fn a_check_is_either_offline_or_not() {
    let job = Job::new(&[(&nobody(), "rows", BEST_EFFORT)]);
    assert_eq!(job.check(&["--offline", "--connect"]).status.code(), WRONG_USAGE);
    assert_eq!(job.check(&["--connect"]).status.code(), UNREACHABLE);
    let offline = job.check(&["--offline"]);
    assert_eq!(offline.status.code(), DONE);
    let text = String::from_utf8(offline.stdout).unwrap();
    assert!(text.ends_with("are not checked; without --offline they are.\n"), "{text}");
}
