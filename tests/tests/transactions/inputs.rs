//! What is asked wrongly, or of brokers that are not there.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    engine::job::{job_of, output},
    kafka::{shared_broker, unique_topic},
};

use super::{BAD_INPUT, DONE, LACKING, Operator};

const USAGE: i32 = 2;

/// Within this an operator is told that brokers cannot be reached.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn what_is_asked_wrongly_is_told() {
    let broker = shared_broker();
    let topic = unique_topic("asked");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let lossy = output("lossy", &broker.bootstrap(), &topic, "guarantee: bestEffort, acks: One");
    let exact = output(&topic, &broker.bootstrap(), &topic, "guarantee: exactlyOnce");
    let operator = Operator::new(&job_of(&[exact, lossy]));
    let wrong = |args: &[&str], code: i32, says: &str| {
        let told = operator.run(args);
        assert_eq!(told.code, code, "{args:?}");
        told.says(&[says]);
    };
    wrong(&[], DONE, "keeps no progress and has no transactions");
    wrong(&["--output", "none"], BAD_INPUT, "OUTPUT_NOT_FOUND");
    wrong(&["--writer", "none"], BAD_INPUT, "WRITER_NOT_FOUND");
    wrong(&["end"], BAD_INPUT, "TRANSACTION_NOT_NAMED");
    wrong(&["end", "--writer", "none"], BAD_INPUT, "WRITER_NOT_FOUND");
    wrong(&["end", "--writer", "w", "--output", "lossy"], BAD_INPUT, "NO_TRANSACTIONS");
    wrong(&["end", "--topic", &topic], USAGE, "--partition");
    let elsewhere = ["end", "--topic", "x", "--partition", "0", "--start-offset", "0"];
    wrong(&elsewhere, BAD_INPUT, "TOPIC_NOT_FOUND");
    let told = operator.command(&["--output", "json", "transactions", "job.yaml"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["job"], &told["hanging"]), (&"tests".into(), &0.into()));
}

/// Nobody listens, or whoever listens says nothing: librdkafka would go on looking for minutes.
#[test]
fn brokers_that_are_not_there_are_told_soon_with_their_cause() {
    // The system takes connections for these, and nobody ever reads from them.
    let silent: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let silent: Vec<_> = silent.iter().map(|of| of.local_addr().unwrap().to_string()).collect();
    let cases = [("127.0.0.1:1", "nobody listens at 127.0.0.1:1"), (&silent.join(","), &silent[0])];
    let told = |servers: &str, args: &[&str], cause: &str| {
        let job = job_of(&[output("out", servers, "t", "guarantee: exactlyOnce")]);
        let operator = Operator::new(&job);
        let start = Instant::now();
        let told = operator.run(args);
        assert!(start.elapsed() < SOON, "{servers} {args:?}: {:?}", start.elapsed());
        assert_eq!(told.code, LACKING);
        told.says(&[cause]);
        if args.is_empty() {
            told.says(&["Nothing hangs, as far as it was told."]);
        }
    };
    thread::scope(|scope| {
        for (servers, cause) in cases {
            for args in [&[][..], &["end", "--writer", "w"]] {
                scope.spawn(move || told(servers, args, cause));
            }
        }
    });
}

#[test]
fn a_secret_that_this_machine_lacks_is_a_fault_of_the_job() {
    let sasl = "securityProtocol: SASL_PLAINTEXT, sasl: { mechanism: PLAIN, username: u, password: \
                { env: A_VARIABLE_THAT_NOBODY_SETS } }";
    let more = format!("guarantee: exactlyOnce, {sasl}");
    let operator = Operator::new(&job_of(&[output("out", "127.0.0.1:1", "t", &more)]));
    for args in [&[][..], &["end", "--writer", "w"]] {
        let told = operator.run(args);
        assert_eq!(told.code, BAD_INPUT, "{args:?}");
        told.says(&["A_VARIABLE_THAT_NOBODY_SETS"]);
    }
}
