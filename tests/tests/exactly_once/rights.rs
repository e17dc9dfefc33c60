//! What an output's user must be allowed to do, and what brokers must take, told by name where it
//! is otherwise.

use proto::v1::{Open, OutputState};
use tests::{
    check,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::{
        Broker, BrokerOptions, Listener, Mechanism, Right, SecureBrokers, SecureOptions,
        own_brokers,
    },
    reader,
    service::Service,
};

const USER: &str = "transactor";
const PROGRESS: &str = "kafka-output-progress";

#[test]
fn rights_that_are_missing_are_told_one_after_the_other() {
    let _own = own_brokers();
    let brokers = SecureBrokers::start(&SecureOptions::default());
    brokers.set_password(Mechanism::ScramSha256, USER, "password");
    brokers.create_topic("t", 2, USER);
    let keys = format!(
        "guarantee: exactlyOnce, securityProtocol: SASL_PLAINTEXT, sasl: {{ mechanism: \
         SCRAM-SHA-256, username: {USER}, password: {{ env: TRANSACTOR }} }}"
    );
    let job = job_of(&[output("out", &brokers.bootstrap(Listener::SaslPlaintext), "t", &keys)]);
    let options = tests::service::ServiceOptions::default().env("TRANSACTOR", "password");
    let service = Service::start_with(&job, &options);
    let engine = Engine::connect(&service);
    engine.wait_ready("out");
    let refused = |code: &str, says: &str| {
        let open = Open { output: "out".to_owned(), writer_id: "w".to_owned(), ..Open::default() };
        let failure = engine.try_open(open).unwrap_err();
        println!("{}: {}", failure.reason, failure.message);
        assert_eq!(failure.reason, code, "{failure:?}");
        assert!(failure.message.contains(says), "{failure:?}");
        assert!(failure.retry && !failure.may_be_written, "{failure:?}");
    };
    refused("PROGRESS_NOT_AUTHORIZED", PROGRESS);
    brokers.admin().create_topic(PROGRESS, 16, 1, &[("cleanup.policy", "compact")]);
    brokers.allow(USER, Right::Write(PROGRESS));
    brokers.allow(USER, Right::Read(PROGRESS));
    refused("TRANSACTIONAL_ID_NOT_AUTHORIZED", "`kafka-output.");
    brokers.allow(USER, Right::Transactions("kafka-output."));

    let mut stream = engine.open("out", "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..100, ""));
    stream.wait_durable();
    let plain = brokers.bootstrap(Listener::Plaintext);
    check::exactly(&reader::topic(&plain, "t").records(), &[Sent::whole("w", 100)]);

    // Withdrawn under a writer that is open, each is named by the output as well, for as long as it
    // is missing.
    let rights = [
        (Right::Write(PROGRESS), "PROGRESS_NOT_AUTHORIZED", PROGRESS),
        (Right::Transactions("kafka-output."), "TRANSACTIONAL_ID_NOT_AUTHORIZED", "`kafka-output."),
    ];
    let mut sent = 100;
    for (right, code, says) in rights {
        brokers.disallow(USER, right);
        stream.send(rows("w", sent..sent + 100, ""));
        sent += 100;
        let output = engine.wait_output("out", "says why its writer waits", |output| {
            output.state() == OutputState::Unavailable && output.trouble_code == code
        });
        println!("{}", output.trouble);
        assert!(output.trouble.starts_with("writers that wait: 1. "), "{output:?}");
        assert!(output.trouble.contains(says), "{output:?}");
        brokers.allow(USER, right);
        stream.wait_durable();
        let output = engine.wait_ready("out");
        assert_eq!((output.trouble_code.as_str(), output.trouble.as_str()), ("", ""));
    }
    check::exactly(&reader::topic(&plain, "t").records(), &[Sent::whole("w", sent)]);
}

/// The broker is asked for more than it allows; when it is started again with another bound, the
/// writer opens without anything done here.
#[test]
fn a_timeout_that_the_brokers_do_not_take_is_told_with_its_remedy() {
    const BOUND: &str = "transaction.max.timeout.ms";
    let _own = own_brokers();
    let mut broker = Broker::start(&BrokerOptions::default().set(BOUND, "20000"));
    broker.admin().create_topic("t", 1, 1, &[]);
    let more = "guarantee: exactlyOnce, transactions: { timeout: 21s }, socketTimeout: 5s";
    let job = job_of(&[output("out", &broker.bootstrap(), "t", more)]);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready("out");
    let open = Open { output: "out".to_owned(), writer_id: "w".to_owned(), ..Open::default() };
    let refused = engine.try_open(open).unwrap_err();
    println!("{}: {}", refused.reason, refused.message);
    assert_eq!(refused.reason, "TRANSACTION_TIMEOUT_REFUSED", "{refused:?}");
    for says in ["`transactions.timeout` of 21 s", "Lower it", "`transaction.max.timeout.ms`"] {
        assert!(refused.message.contains(says), "{refused:?}");
    }
    assert!(refused.retry && !refused.may_be_written, "{refused:?}");

    broker.stop();
    broker.set(BOUND, "21000");
    broker.start_again();
    engine.wait_ready("out");
    let mut stream = engine.open("out", "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..100, ""));
    stream.wait_durable();
    let records = reader::topic(&broker.bootstrap(), "t").records();
    check::exactly(&records, &[Sent::whole("w", 100)]);
}
