//! No secret comes out. Unique values stand everywhere that a job may refer to; the service and
//! every command run with them, well and badly, with the most detailed logs; and of all that comes
//! out, not a byte of them is found.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod planted;

use std::{fs, process::Command, thread, time::Duration};

use tests::{
    azure::Azure,
    cache,
    certs::{Template, authority},
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{Listener, Right, USER, shared_secure, unique_topic},
    oidc, process,
    service::{Service, ServiceOptions, program},
    wait::DEADLINE,
};

use self::planted::Planted;

/// The most detailed logs that there are.
const LOGS: (&str, &str) = ("KAFKA_OUTPUT_LOG", "trace,librdkafka=trace");
/// A client of the issuer.
const CLIENT: &str = "canary-client";
/// A user with a secret of its own.
const CANARY_USER: &str = "canary-user";

/// Runs a command of the binary; returns all that it printed.
fn run(arguments: &[&str], variables: &[(String, String)]) -> String {
    let mut command: Command = process::command(program());
    command.args(arguments).env(LOGS.0, LOGS.1);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn no_secret_comes_out() {
    let brokers = shared_secure();
    let azure = Azure::start();
    let vault = azure.vault("canary");
    let dir = cache::run_dir("canary-");
    let topic = unique_topic("canary");
    let mut planted = Planted::default();

    let password = planted.text("password");
    brokers.create_topic(&topic, 1, CANARY_USER);
    brokers.set_passwords(CANARY_USER, &password);
    brokers.create_topic(&unique_topic("canary-other"), 1, USER);
    vault.set("password", &password);
    let pair = authority().issue(&Template::client(CANARY_USER));
    planted.key(&pair.key_pem());
    let store_password = planted.text("store");
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        format!("{{ file: {} }}", path.display())
    };
    let (store, opens) =
        (file("client.pfx", &pair.pfx(&store_password)), file("opens", store_password.as_bytes()));
    let pem = file("client.pem", (pair.chain_pem() + &pair.key_pem()).as_bytes());
    let encrypted = pair.chain_pem() + &pair.key_encrypted_pem(&store_password);
    let encrypted = file("encrypted.pem", encrypted.as_bytes());
    let client_secret = planted.text("client-secret");
    oidc::shared().set_client(CLIENT, &client_secret);
    brokers.allow(CLIENT, Right::Write(&topic));
    let client_secret = file("client-secret", client_secret.as_bytes());
    let wrong = file("wrong", planted.text("wrong").as_bytes());
    let not_a_key = file("not-a-key", planted.text("not-a-key").as_bytes());
    let broken = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        planted.text("brokenkey")
    );
    let broken = file("broken.pem", broken.as_bytes());
    vault.set("broken", &planted.text("vault-broken"));
    let trust = format!("truststore: {}", file("ca.pem", authority().pem().as_bytes()));
    let token = format!(
        "token: {{ endpoint: '{}', clientId: {CLIENT}, clientSecret: ",
        oidc::shared().token_endpoint()
    );
    let sasl = |mechanism: &str, password: &str| {
        format!(
            "securityProtocol: SASL_SSL, {trust}, sasl: {{ mechanism: {mechanism}, username: \
             {CANARY_USER}, password: {password} }}"
        )
    };
    let by_token = |secret: &str| {
        format!(
            "securityProtocol: SASL_SSL, {trust}, sasl: {{ mechanism: OAUTHBEARER, {token}{secret} }} }}"
        )
    };
    let by_certificate =
        |keys: &str| format!("securityProtocol: mTLS, {trust}, clientCertificate: {keys}");
    let good = [
        ("plain", Listener::SaslSsl, sasl("PLAIN", "{ env: CANARY_PASSWORD }")),
        ("scram", Listener::SaslSsl, sasl("SCRAM-SHA-512", "{ secret: password }")),
        ("token", Listener::SaslSsl, by_token(&client_secret)),
        ("certificate", Listener::Mtls, by_certificate(&pem)),
        ("store", Listener::Mtls, by_certificate(&format!("{store}, clientKeyPassword: {opens}"))),
        (
            "encrypted",
            Listener::Mtls,
            by_certificate(&format!("{encrypted}, clientKeyPassword: {opens}")),
        ),
    ];
    let bad = [
        ("wrong-plain", Listener::SaslSsl, sasl("PLAIN", &wrong)),
        ("wrong-scram", Listener::SaslSsl, sasl("SCRAM-SHA-256", &wrong)),
        ("wrong-client", Listener::SaslSsl, by_token(&wrong)),
        ("wrong-place", Listener::SaslSsl, sasl("PLAIN", "{ secret: absent }")),
        ("no-key", Listener::Mtls, by_certificate("{ secret: broken }")),
        ("plain-port", Listener::Plaintext, sasl("PLAIN", "{ secret: password }")),
    ];
    let line = |(alias, listener, keys): &(&str, Listener, String)| {
        output(alias, &brokers.bootstrap(*listener), &topic, keys)
    };
    let head = "identity: { type: systemAssigned }\nvault: https://canary.vault.azure.net\n\
                secretRefresh: 1s\n";
    let outputs: Vec<_> = good.iter().chain(&bad).map(line).collect();
    let job = head.to_owned() + &job_of(&outputs);
    let mut variables = azure.environment();
    variables.push(("CANARY_PASSWORD".to_owned(), password.clone()));

    let mut shown = Vec::new();
    shown.push(("serve", serve(&job, &variables, &good, &bad, &brokers, &azure)));
    // Each command, with the job that works in part, and with those that do not at all.
    let literal = planted.text("literal");
    let mistakes = [
        ("good.yaml", job),
        (
            "literal.yaml",
            job_of(&[output(
                "a",
                "k:9092",
                "t",
                &format!(
                    "securityProtocol: SASL_SSL, sasl: {{ mechanism: PLAIN, username: u, password: {literal} }}"
                ),
            )]),
        ),
        ("misspelled.yaml", job_of(&[output("a", "k:9092", "t", &format!("pasword: {literal}"))])),
        (
            "raw.yaml",
            job_of(&[output(
                "a",
                "k:9092",
                "t",
                &format!("librdkafka: {{ sasl.password: {literal}, ssl.key.pem: {literal} }}"),
            )]),
        ),
        (
            "clear.yaml",
            job_of(&[output(
                "a",
                "k:9092",
                "t",
                &format!(
                    "securityProtocol: SASL_SSL, sasl: {{ mechanism: PLAIN, username: u, password: \
             {{ clearTextForTests: {literal} }} }}"
                ),
            )]),
        ),
        ("not-a-key.yaml", job_of(&[output("a", "k:9092", "t", &by_certificate(&not_a_key))])),
        ("broken-key.yaml", job_of(&[output("a", "k:9092", "t", &by_certificate(&broken))])),
        (
            "wrong-store.yaml",
            job_of(&[output(
                "a",
                "k:9092",
                "t",
                &by_certificate(&format!("{store}, clientKeyPassword: {wrong}")),
            )]),
        ),
    ];
    for (name, text) in &mistakes {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        shown.push((name, run(&["check", "--offline", path], &variables)));
        shown.push((name, run(&["--output", "json", "check", "--offline", path], &variables)));
        shown.push((name, run(&["check", path], &variables)));
        shown.push((name, run(&["--output", "json", "check", path], &variables)));
        if *name != "good.yaml" {
            shown.push((name, run(&["serve", path], &variables)));
        }
    }
    for token in azure.given_tokens() {
        planted.add(token);
    }
    let bytes: usize = shown.iter().map(|(_, text)| text.len()).sum();
    println!("{} bytes of output, {} values looked for", bytes, planted.count());
    assert!(bytes > 100_000, "the logs are as detailed as can be: {bytes} bytes");
    for (name, text) in &shown {
        planted.assert_absent(name, text);
    }
    // The search finds what is there.
    let found =
        std::panic::catch_unwind(|| planted.assert_absent("a leak", &format!("x{password}x")));
    assert!(found.is_err());
}

/// Runs the service through good and bad times; returns its logs and all that it told.
fn serve(
    job: &str,
    variables: &[(String, String)],
    good: &[(&str, Listener, String)],
    bad: &[(&str, Listener, String)],
    brokers: &tests::kafka::SecureBrokers,
    azure: &Azure,
) -> String {
    let options = ServiceOptions::default().env(LOGS.0, LOGS.1);
    let options = variables.iter().fold(options, |options, (name, value)| options.env(name, value));
    let service = Service::start_with(job, &options);
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let engine = Engine::connect(&service);
    for (alias, ..) in good {
        engine.wait_ready(alias);
        let mut stream = engine.open(alias, "writer");
        stream.declare(&COLUMNS);
        stream.send(rows("writer", 0..10, ""));
        stream.wait_durable();
    }
    for (alias, ..) in bad {
        engine.wait_output(alias, "says what is wrong", |output| {
            !["", "CREDENTIALS_PENDING", "BROKER_UNREACHABLE"].contains(&&*output.trouble_code)
        });
    }
    // The vault goes, a password is changed at the brokers alone: what is told of that, too.
    azure.spoil("canary.vault.azure.net", tests::azure::Fault::TlsReset);
    brokers.set_passwords(CANARY_USER, "another-password");
    thread::sleep(Duration::from_secs(3));
    let told: Vec<_> =
        good.iter().chain(bad).map(|(alias, ..)| format!("{:?}", engine.output(alias))).collect();
    azure.mend();
    let ended = service.terminate(DEADLINE);
    ended.stdout + &ended.stderr + &told.join("\n")
}
