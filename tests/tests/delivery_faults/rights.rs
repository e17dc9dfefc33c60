//! Rights are withdrawn under load and given back.

use std::collections::{BTreeMap, BTreeSet};

use proto::v1::Open;
use tests::{
    check::invariants::{Promise, Seen, assert_none},
    engine::{
        Engine,
        job::{job_of, output},
        load::{Load, Pace},
    },
    kafka::{Listener, PASSWORD, Right, SecureBrokers, shared_secure, unique_topic},
    reader,
    service::{Service, ServiceOptions},
    stage::{progress_key, stored_progress},
};

/// Each test has a user of its own.
const USER: &str = "rights";
const POOR: &str = "few-rights";
const PACE: Pace = Pace { batch_rows: 50, pause: std::time::Duration::from_millis(20) };
/// What the service's transactional ids begin with.
const IDS: &str = "kafka-output.";

fn job(brokers: &SecureBrokers, user: &str, outputs: &[(Promise, &str)], progress: &str) -> String {
    let bootstrap = brokers.bootstrap(Listener::SaslPlaintext);
    let outputs: Vec<String> = outputs
        .iter()
        .map(|(promise, topic)| {
            let login =
                format!("{{ mechanism: PLAIN, username: {user}, password: {{ env: PW }} }}");
            let more = format!(
                "guarantee: {}, securityProtocol: SASL_PLAINTEXT, sasl: {login}, \
                 progress: {{ topic: {progress} }}, metadataRefresh: 1s, \
                 partitioning: {{ turn: {{ rows: 20 }} }}",
                promise.name()
            );
            output(topic, &bootstrap, topic, &more)
        })
        .collect();
    job_of(&outputs)
}

/// What a writer of exactly once needs.
fn rights<'a>(topic: &'a str, progress: &'a str) -> [Right<'a>; 4] {
    [Right::Write(topic), Right::Write(progress), Right::Read(progress), Right::Transactions(IDS)]
}

fn make_progress_topic(brokers: &SecureBrokers) -> String {
    let name = unique_topic("rights-progress");
    brokers.admin().create_topic(&name, 16, 1, &[("cleanup.policy", "compact")]);
    name
}

#[test]
fn f17_rights_are_withdrawn_under_load_and_given_back() {
    let brokers = shared_secure();
    brokers.set_passwords(USER, PASSWORD);
    let progress = make_progress_topic(&brokers);
    let topics = Promise::BOTH.map(|promise| unique_topic(&format!("rights-{}", promise.name())));
    for topic in &topics {
        brokers.admin().create_topic(topic, 3, 1, &[]);
    }
    let [lazy, exact] = topics.each_ref().map(String::as_str);
    brokers.allow(USER, Right::Write(lazy));
    rights(exact, &progress).into_iter().for_each(|right| brokers.allow(USER, right));
    let outputs = [(Promise::AtLeastOnce, lazy), (Promise::ExactlyOnce, exact)];
    let options = ServiceOptions::default().env("PW", PASSWORD);
    let service = Service::start_with(&job(&brokers, USER, &outputs, &progress), &options);
    let engine = Engine::connect(&service);
    let loads = [lazy, exact].map(|topic| Load::start(&engine, topic, "w", PACE));
    for load in &loads {
        load.wait_progress(200);
    }

    let cases = [
        (0, lazy, Right::Write(lazy), "TOPIC_NOT_AUTHORIZED"),
        (1, exact, Right::Write(exact), "TOPIC_NOT_AUTHORIZED"),
        (1, exact, Right::Write(&progress), "PROGRESS_NOT_AUTHORIZED"),
        (1, exact, Right::Transactions(IDS), "TRANSACTIONAL_ID_NOT_AUTHORIZED"),
    ];
    for (at, output, right, told) in cases {
        brokers.disallow(USER, right);
        loads[at].wait_stall(std::time::Duration::from_secs(2));
        let now = engine
            .wait_output(output, &format!("tells {told}"), |output| output.trouble_code == told);
        println!("without {right:?}: {:?} {} {}", now.state(), now.trouble_code, now.trouble);
        // The other output has nothing to do with it.
        loads[1 - at].wait_progress(200);
        brokers.allow(USER, right);
        let took = loads[at].wait_progress(1);
        println!("with {right:?} again: rows go on after {took:.1?}");
        loads[at].wait_progress(200);
    }

    let bootstrap = brokers.bootstrap(Listener::Plaintext);
    let stored = stored_progress(&bootstrap, &progress);
    for ((promise, topic), load) in outputs.into_iter().zip(loads) {
        let sent = vec![load.stop()];
        let plain = reader::topic(&bootstrap, topic).uncommitted().records();
        let committed = reader::topic(&bootstrap, topic).records();
        let stored = stored_progress(&bootstrap, &progress).get(&progress_key(topic, "w")).copied();
        let progress = stored.map(|sequence| ("w".to_owned(), sequence)).into_iter().collect();
        let (letters, may_end_with) = (Vec::new(), BTreeSet::new());
        let (followed, overtaken) = (None, BTreeSet::new());
        let seen = Seen {
            promise,
            sent,
            plain,
            committed,
            letters,
            followed,
            progress,
            overtaken,
            may_end_with,
        };
        assert_none("f17", &seen.findings());
    }
    assert_ne!(stored, BTreeMap::new(), "progress is where the job says");
}

/// What is missing from the beginning is said when a writer is opened, by its name.
#[test]
fn f17_a_writer_without_rights_is_told_which_is_missing() {
    let brokers = shared_secure();
    let user = POOR;
    brokers.set_passwords(user, PASSWORD);
    let progress = make_progress_topic(&brokers);
    let topic = unique_topic("rights-missing");
    brokers.admin().create_topic(&topic, 1, 1, &[]);
    let all = [Right::Write(&topic), Right::Write(&progress), Right::Read(&progress)];
    all.into_iter().for_each(|right| brokers.allow(user, right));
    brokers.allow(user, Right::Transactions(IDS));
    let options = ServiceOptions::default().env("PW", PASSWORD);
    let outputs = [(Promise::ExactlyOnce, topic.as_str())];
    let cases = [
        (Right::Transactions(IDS), "TRANSACTIONAL_ID_NOT_AUTHORIZED"),
        (Right::Write(&progress), "PROGRESS_NOT_AUTHORIZED"),
        (Right::Read(&progress), "PROGRESS_NOT_AUTHORIZED"),
    ];
    for (right, reason) in cases {
        brokers.disallow(user, right);
        let service = Service::start_with(&job(&brokers, POOR, &outputs, &progress), &options);
        let engine = Engine::connect(&service);
        let open = Open { output: topic.clone(), writer_id: "w".to_owned(), ..Open::default() };
        let refused = engine.try_open(open).unwrap_err();
        assert_eq!(
            (refused.reason.as_str(), refused.may_be_written),
            (reason, false),
            "{refused:?}"
        );
        brokers.allow(user, right);
        let mut stream = engine.open(&topic, "w");
        assert_eq!(stream.opened.resume_after, 0);
        stream.declare(&tests::engine::load::COLUMNS);
        drop(stream);
    }
}
