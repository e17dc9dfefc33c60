//! What a user may not see is told by the name of the right, and the rest is shown all the same.

use serde_json::Value;
use tests::{
    certs::authority,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{Listener, Mechanism, Right, SecureBrokers, SecureOptions, own_brokers},
    service::{Service, ServiceOptions},
};

use super::{DONE, LACKING, Operator, REFUSED, begin, held, writer};

const USER: &str = "operator";
const PASSWORD: &str = "a-canary-of-a-password";
const PROGRESS: &str = "kafka-output-progress";

fn job(brokers: &SecureBrokers, listener: Listener, mechanism: Mechanism) -> String {
    let protocol = match listener {
        Listener::SaslSsl => "SASL_SSL, truststore: { env: AUTHORITY }",
        _ => "SASL_PLAINTEXT",
    };
    let more = format!(
        "guarantee: exactlyOnce, securityProtocol: {protocol}, sasl: {{ mechanism: {}, username: \
         {USER}, password: {{ env: OPERATOR }} }}",
        mechanism.name()
    );
    job_of(&[output("out", &brokers.bootstrap(listener), "t", &more)])
}

fn operator(job: &str, password: &str) -> Operator {
    Operator::new(job).env("OPERATOR", password).env("AUTHORITY", &authority().pem())
}

fn not_told(output: &Value) -> String {
    let told = output["notTold"].as_array().unwrap().iter();
    told.map(|told| format!("{} {} {}\n", told["code"], told["message"], told["remedy"])).collect()
}

#[test]
fn rights_that_are_missing_are_named_and_the_rest_is_shown() {
    let _own = own_brokers();
    let brokers = SecureBrokers::start(&SecureOptions::default());
    brokers.set_passwords(USER, PASSWORD);
    brokers.create_topic("t", 1, USER);
    brokers.admin().create_topic(PROGRESS, 16, 1, &[("cleanup.policy", "compact")]);
    for right in
        [Right::Write(PROGRESS), Right::Read(PROGRESS), Right::Transactions("kafka-output.")]
    {
        brokers.allow(USER, right);
    }
    let over_tls = job(&brokers, Listener::SaslSsl, Mechanism::ScramSha512);
    let env = |options: ServiceOptions| {
        options.env("OPERATOR", PASSWORD).env("AUTHORITY", &authority().pem())
    };
    let service = Service::start_with(&over_tls, &env(ServiceOptions::default()));
    let engine = Engine::connect(&service);
    engine.wait_ready("out");
    let mut stream = engine.open("out", "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();

    every_login_is_let_in(&brokers);
    let operator = operator(&over_tls, PASSWORD);
    let theirs = begin(&brokers.bootstrap(Listener::Plaintext), "theirs", "t", 0);
    without_a_right(&brokers, &operator);
    drop(theirs);
}

fn every_login_is_let_in(brokers: &SecureBrokers) {
    for listener in [Listener::SaslSsl, Listener::SaslPlaintext] {
        for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
            let (told, code) = operator(&job(brokers, listener, mechanism), PASSWORD).output("out");
            assert_eq!((code, writer(&told, "w")["stored"]["sequence"].as_u64()), (DONE, Some(1)));
            assert_eq!(told["notTold"], Value::Array(Vec::new()), "{listener:?} {mechanism:?}");
        }
    }
    let wrong = job(brokers, Listener::SaslPlaintext, Mechanism::ScramSha256);
    let told = operator(&wrong, "another-canary").run(&[]);
    assert_eq!(told.code, LACKING);
    told.says(&["refuses user name or password", "check user name and password"]);
    assert!(!format!("{}{}", told.stdout, told.stderr).contains("canary"));
}

/// Somebody else's transaction holds readers back, and less and less of it may be seen.
fn without_a_right(brokers: &SecureBrokers, operator: &Operator) {
    let (told, code) = operator.output("out");
    assert_eq!((code, held(&told, "t")), (LACKING, vec![0]), "{told}");
    let lacking = not_told(&told);
    assert!(lacking.contains("READ on topic `t`"), "{lacking}");
    assert_eq!(writer(&told, "w")["verdict"], "IDLE", "the rest is shown");

    // Who may read the topic sees it, but not whose it is.
    brokers.allow(USER, Right::Read("t"));
    let (told, code) = operator.output("out");
    let other = &told["others"][0];
    assert_eq!((code, &other["verdict"]), (LACKING, &Value::from("NOT_TOLD")), "{told}");
    let words = other["explanation"].as_str().unwrap();
    assert!(words.contains("grant it DESCRIBE on transactional ids `*`"), "{words}");
    assert!(words.contains("DESCRIBE on topic `__transaction_state`"), "{words}");
    brokers.allow(USER, Right::Describe("__transaction_state"));
    let (told, _) = operator.output("out");
    let words = told["others"][0]["explanation"].as_str().unwrap();
    assert!(words.contains("transactional ids `*`"), "{words}");
    assert!(!words.contains("__transaction_state"), "{words}");
    brokers.disallow(USER, Right::Describe("__transaction_state"));
    let (told, _) = operator.output("out");
    let other = &told["others"][0];
    let start = other["startOffset"].to_string();
    let end = ["end", "--topic", "t", "--partition", "0", "--start-offset", &start];
    let refused = operator.run(&end);
    assert_eq!(refused.code, REFUSED);
    refused.says(&["TRANSACTION_OWNER_UNKNOWN"]);
    let refused = operator.run(&[&end[..], &["--force"]].concat());
    assert_eq!(refused.code, REFUSED);
    refused.says(&["CLUSTER_NOT_AUTHORIZED", "ALTER on the cluster"]);

    brokers.disallow(USER, Right::Transactions("kafka-output."));
    let (told, code) = operator.output("out");
    let lacking = not_told(&told);
    assert_eq!((code, &writer(&told, "w")["verdict"]), (LACKING, &Value::from("NOT_TOLD")));
    assert!(lacking.contains("transactional ids with the prefix `kafka-output.`"), "{lacking}");
    let refused = operator.run(&["end", "--writer", "w"]);
    assert_eq!(refused.code, REFUSED);
    refused.says(&["TRANSACTIONAL_ID_NOT_AUTHORIZED"]);

    brokers.disallow(USER, Right::Read(PROGRESS));
    let (told, code) = operator.output("out");
    let lacking = not_told(&told);
    assert_eq!((code, &told["writers"]), (LACKING, &Value::Array(Vec::new())), "{told}");
    assert!(lacking.contains("PROGRESS_NOT_AUTHORIZED") && lacking.contains("READ"), "{lacking}");
    assert!(!told.to_string().contains("canary"));
}
