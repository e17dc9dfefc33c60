//! Single requests of Kafka's protocol are refused, lost and late.

use std::time::Duration;

use proto::v1::{Open, OutputState};
use serde_json::Value;
use tests::{
    check::{self, invariants::Promise},
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::unique_topic,
    kafka_proxy::{Act, Api, Rule},
    proxy, reader,
    service::Service,
    stage::{Plan, Trial, enter},
    wait::{DEADLINE, wait_until},
};

use super::{time, times};

/// Kafka's numbers of errors.
mod code {
    pub const NOT_LEADER: i16 = 6;
    pub const REQUEST_TIMED_OUT: i16 = 7;
    pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    pub const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    pub const NOT_COORDINATOR: i16 = 16;
    pub const UNSUPPORTED_VERSION: i16 = 35;
    pub const OUT_OF_ORDER: i16 = 45;
    pub const INVALID_PRODUCER_EPOCH: i16 = 47;
    pub const INVALID_TXN_STATE: i16 = 48;
    pub const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
    pub const CONCURRENT_TRANSACTIONS: i16 = 51;
    pub const KAFKA_STORAGE_ERROR: i16 = 56;
    pub const UNKNOWN_PRODUCER_ID: i16 = 59;
    pub const INVALID_RECORD: i16 = 87;
    pub const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
    pub const PRODUCER_FENCED: i16 = 90;
    pub const TRANSACTION_ABORTABLE: i16 = 120;
}

/// Lets the next requests of a kind meet a fault, and waits until they have.
fn meet(trial: &mut Trial<'_>, api: Api, act: Act, count: u64) {
    let rule = Rule::new(api, act, count);
    trial.stage.kafka.iter().for_each(|way| way.obey(&rule));
    let what = format!("{count} requests {api:?} meet {act:?}");
    wait_until(&what, DEADLINE, || rule.met() >= count);
    trial.goes_on(&what);
    trial.stage.kafka.iter().for_each(tests::kafka_proxy::KafkaProxy::heal);
}

#[test]
fn f7_answers_to_records_are_lost() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f7-produce", &Plan::default());
    for _ in 0..times(3, 30) {
        meet(&mut trial, Api::Produce, Act::Cut, 2);
    }
    assert_eq!(trial.streams_ended(), 0, "requests went again");
    trial.finish();
}

/// The commit gap: the broker has committed, and nobody hears of it.
#[test]
fn f10_answers_to_commits_are_lost() {
    let mut stage = enter();
    let plan = Plan::only(Promise::ExactlyOnce, 2);
    let mut trial = Trial::start(&mut stage, "f10-gap", &plan);
    for _ in 0..times(5, 50) {
        meet(&mut trial, Api::EndTxn, Act::Cut, 1);
    }
    for code in [code::REQUEST_TIMED_OUT, code::NOT_COORDINATOR] {
        meet(&mut trial, Api::EndTxn, Act::Deny(code), 1);
    }
    trial.finish();
}

/// The coordinator dies when it has committed, and its answer is lost with it.
#[test]
fn f10_the_coordinator_dies_between_a_commit_and_its_answer() {
    let mut stage = enter();
    let plan = Plan::only(Promise::ExactlyOnce, 1);
    let mut trial = Trial::start(&mut stage, "f10-dies", &plan);
    let id = trial.transactional_id();
    for _ in 0..times(2, 15) {
        let coordinator = trial.stage.cluster.admin().transaction_coordinator(&id);
        let held = Rule::new(Api::EndTxn, Act::Delay(Duration::from_secs(5)), 1);
        trial.stage.kafka.iter().for_each(|way| way.obey(&held));
        wait_until("a commit has no answer", DEADLINE, || held.met() > 0);
        trial.stage.cluster.kill(coordinator);
        trial.goes_on(&format!("without coordinator {coordinator}"));
        trial.stage.cluster.start_again(coordinator);
        trial.wait_whole();
    }
    trial.finish();
}

#[test]
fn f11_the_answer_to_a_commit_comes_when_the_transaction_is_over() {
    let mut stage = enter();
    let plan = Plan::only(Promise::ExactlyOnce, 2).exact("transactions: { timeout: 3s }");
    let mut trial = Trial::start(&mut stage, "f11", &plan);
    for delay in [Duration::from_millis(1_500), time(6_000, 30)] {
        for _ in 0..times(1, 5) {
            meet(&mut trial, Api::EndTxn, Act::Delay(delay), 1);
        }
    }
    trial.finish();
}

#[test]
fn f25_records_that_are_refused_for_now_go_again() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f25", &Plan::default());
    for code in [code::NOT_LEADER, code::KAFKA_STORAGE_ERROR] {
        // Several, so that each output meets some.
        meet(&mut trial, Api::Produce, Act::Refuse(code), 4);
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

/// A Kafka batch is refused, and none of its records when they come again: nobody is to blame, and
/// rows go on.
#[test]
fn f25_a_verdict_that_no_record_confirms_blames_nobody() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f25-verdict", &Plan::default());
    for _ in 0..times(2, 20) {
        meet(&mut trial, Api::Produce, Act::Refuse(code::INVALID_RECORD), 2);
    }
    assert_eq!(trial.streams_ended(), 0, "no row was wrong");
    trial.finish();
}

/// The broker does not know the producer as the producer knows itself. Whether it has what was sent
/// is open then, so at least once a stream may end as unknown, and its engine sends again. Exactly
/// once what is stored tells.
#[test]
fn f25_errors_that_end_a_producer_are_recovered_from() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f25-ends", &Plan::default());
    trial.may_end_with(&["DELIVERY_UNKNOWN"]);
    let errors = [
        code::UNKNOWN_PRODUCER_ID,
        code::OUT_OF_ORDER,
        code::INVALID_PRODUCER_EPOCH,
        code::INVALID_PRODUCER_ID_MAPPING,
    ];
    for code in errors {
        meet(&mut trial, Api::Produce, Act::Refuse(code), 4);
    }
    assert_eq!(trial.streams_ended_of(Promise::ExactlyOnce), 0, "what is stored tells");
    trial.finish();
}

/// Of one transaction's records in a partition some are stored and the others refused. What was
/// refused stands nowhere: that later rows stand before it does not mean that brokers lost some.
#[test]
fn f25_a_transaction_that_is_refused_in_part_goes_again_whole() {
    let mut stage = enter();
    let topic = unique_topic("f25-part");
    stage.cluster.admin().create_topic(&topic, 1, 3, &[]);
    let job =
        job_of(&[output(&topic, &proxy::addresses(&stage.ways), &topic, "guarantee: exactlyOnce")]);
    let service = Service::start(&job);
    let mut stream = Engine::connect(&service).open(&topic, "w");
    stream.declare(&COLUMNS);
    // Two make a request as large as it may be, so that a transaction of eight takes four.
    let pad = "x".repeat(400_000);
    for round in 0..times(2, 20) {
        let refused = Rule::new(Api::Produce, Act::Refuse(code::INVALID_PRODUCER_EPOCH), 1);
        let refused = refused.about(&topic).after(3);
        stage.kafka.iter().for_each(|way| way.obey(&refused));
        stream.send(rows("w", round * 8..round * 8 + 8, &pad));
        stream.wait_durable();
        assert_eq!(refused.met(), 1, "the last request is refused");
        stage.kafka.iter().for_each(tests::kafka_proxy::KafkaProxy::heal);
    }
    let bootstrap = stage.cluster.bootstrap();
    let stored = reader::topic(&bootstrap, &topic).records();
    let number = |record: &reader::Record| {
        serde_json::from_slice::<Value>(record.value.as_ref().unwrap()).unwrap()["n"].as_u64()
    };
    let numbers: Vec<u64> = stored.iter().filter_map(number).collect();
    assert_eq!(numbers, Vec::from_iter(0..times(2, 20) * 8));
}

/// Each record with headers is handed over by a call of its own: many at once, refused, cut off and
/// refused for good, they go again as they were.
#[test]
fn f25_records_with_headers_go_again_in_their_order() {
    const CONTEXT: &str = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2222222222222222-01";
    const ROWS: u64 = 3_000;
    let mut stage = enter();
    let faults = [
        (Act::Refuse(code::NOT_LEADER), Promise::BOTH.as_slice()),
        (Act::Cut, &Promise::BOTH),
        // At least once the stream may end as unknown.
        (Act::Refuse(code::INVALID_PRODUCER_EPOCH), &[Promise::ExactlyOnce]),
    ];
    for promise in Promise::BOTH {
        let topic = unique_topic("f25-headers");
        stage.cluster.admin().create_topic(&topic, 1, 3, &[]);
        let more = format!("guarantee: {}, traceHeaders: true", promise.name());
        let ways = proxy::addresses(&stage.ways);
        let service = Service::start(&job_of(&[output(&topic, &ways, &topic, &more)]));
        let mut stream = Engine::connect(&service).open(&topic, "w");
        stream.declare(&COLUMNS);
        let mut sent = 0;
        for (act, of) in &faults {
            if !of.contains(&promise) {
                continue;
            }
            let rule = Rule::new(Api::Produce, *act, 1).about(&topic).after(1);
            stage.kafka.iter().for_each(|way| way.obey(&rule));
            stream.send_traced(rows("w", sent..sent + ROWS, ""), CONTEXT);
            sent += ROWS;
            stream.wait_durable();
            assert_eq!(rule.met(), 1, "{act:?}: several requests were sent");
            stage.kafka.iter().for_each(tests::kafka_proxy::KafkaProxy::heal);
        }
        let stored = reader::topic(&stage.cluster.bootstrap(), &topic).records();
        check::exactly(&stored, &[Sent::whole("w", sent)]);
        let context = [("traceparent".to_owned(), Some(CONTEXT.as_bytes().to_vec()))];
        assert!(stored.iter().all(|record| record.headers == context));
        assert!(stored.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    }
}

#[test]
fn f25_errors_of_transactions_are_recovered_from() {
    let mut stage = enter();
    let plan = Plan::only(Promise::ExactlyOnce, 2);
    let mut trial = Trial::start(&mut stage, "f25-txn", &plan);
    let joining = [
        code::INVALID_PRODUCER_ID_MAPPING,
        code::CONCURRENT_TRANSACTIONS,
        code::COORDINATOR_LOAD_IN_PROGRESS,
        code::NOT_COORDINATOR,
        code::INVALID_PRODUCER_EPOCH,
        code::PRODUCER_FENCED,
        code::INVALID_TXN_STATE,
        code::TRANSACTION_ABORTABLE,
    ];
    for code in joining {
        meet(&mut trial, Api::AddPartitionsToTxn, Act::Refuse(code), 1);
    }
    let ending = [
        code::COORDINATOR_NOT_AVAILABLE,
        code::NOT_COORDINATOR,
        code::INVALID_PRODUCER_ID_MAPPING,
        code::UNKNOWN_PRODUCER_ID,
        code::INVALID_PRODUCER_EPOCH,
        code::PRODUCER_FENCED,
        code::INVALID_TXN_STATE,
    ];
    for code in ending {
        meet(&mut trial, Api::EndTxn, Act::Refuse(code), 1);
        // The broker has committed, and says that it has not.
        meet(&mut trial, Api::EndTxn, Act::Deny(code), 1);
    }
    trial.finish();
}

#[test]
fn f25_a_new_producer_is_refused_for_a_while() {
    let mut stage = enter();
    let plan = Plan::only(Promise::ExactlyOnce, 2);
    let mut trial = Trial::start(&mut stage, "f25-init", &plan);
    for code in [
        code::CONCURRENT_TRANSACTIONS,
        code::COORDINATOR_LOAD_IN_PROGRESS,
        code::NOT_COORDINATOR,
        code::PRODUCER_FENCED,
    ] {
        let rule = Rule::new(Api::InitProducerId, Act::Refuse(code), 2);
        trial.stage.kafka.iter().for_each(|way| way.obey(&rule));
        trial.kill_service();
        trial.start_service();
        wait_until(&format!("a new producer meets {code}"), DEADLINE, || rule.met() >= 2);
        trial.goes_on(&format!("new producers met {code}"));
    }
    for code in [code::COORDINATOR_NOT_AVAILABLE, code::COORDINATOR_LOAD_IN_PROGRESS] {
        let rule = Rule::new(Api::FindCoordinator, Act::Refuse(code), 2);
        trial.stage.kafka.iter().for_each(|way| way.obey(&rule));
        trial.kill_service();
        trial.start_service();
        wait_until(&format!("a new producer meets {code}"), DEADLINE, || rule.met() >= 2);
        trial.goes_on(&format!("looking for the coordinator met {code}"));
    }
    trial.finish();
}

/// As brokers and namespaces answer that have no transactions.
#[test]
fn brokers_without_transactions_are_told_when_a_writer_opens() {
    let mut stage = enter();
    let topic = unique_topic("untransactional");
    stage.cluster.admin().create_topic(&topic, 1, 3, &[]);
    let bootstrap = proxy::addresses(&stage.ways);
    let job = job_of(&[output(&topic, &bootstrap, &topic, "guarantee: exactlyOnce")]);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready(&topic);
    let rule = Rule::new(Api::InitProducerId, Act::Refuse(code::UNSUPPORTED_VERSION), u64::MAX);
    stage.kafka.iter().for_each(|way| way.obey(&rule));
    let open = Open { output: topic.clone(), writer_id: "w".to_owned(), ..Open::default() };
    let refused = engine.try_open(open).unwrap_err();
    println!("{}: {}", refused.reason, refused.message);
    assert_eq!(refused.reason, "TRANSACTIONS_UNSUPPORTED", "{refused:?}");
    assert!(refused.message.contains("Event Hubs Premium"), "{refused:?}");
    assert!(!refused.may_be_written, "{refused:?}");
    stage.kafka.iter().for_each(tests::kafka_proxy::KafkaProxy::heal);
    engine.open(&topic, "w");
}

/// Brokers take the transactions' timeout no more while a writer is open: its rows wait, the output
/// says why, and they go on when the brokers take it again.
#[test]
fn f25_a_timeout_that_brokers_take_no_more_is_told_while_rows_wait() {
    let mut stage = enter();
    let topic = unique_topic("timeout");
    stage.cluster.admin().create_topic(&topic, 1, 3, &[]);
    let bootstrap = proxy::addresses(&stage.ways);
    let job = job_of(&[output(&topic, &bootstrap, &topic, "guarantee: exactlyOnce")]);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let mut stream = engine.open(&topic, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();

    let refused = Act::Refuse(code::INVALID_TRANSACTION_TIMEOUT);
    let refused = Rule::new(Api::InitProducerId, refused, u64::MAX);
    let fenced = Rule::new(Api::EndTxn, Act::Refuse(code::INVALID_PRODUCER_EPOCH), 1);
    for rule in [&refused, &fenced] {
        stage.kafka.iter().for_each(|way| way.obey(rule));
    }
    stream.send(rows("w", 10..20, ""));
    let held = stream.wait_held("TRANSACTION_TIMEOUT_REFUSED");
    assert!(held.reason.contains("`transaction.max.timeout.ms`"), "{held:?}");
    let told = engine.wait_output(&topic, "says why its writer waits", |output| {
        output.trouble_code == "TRANSACTION_TIMEOUT_REFUSED"
    });
    assert_eq!(told.state(), OutputState::Unavailable, "{told:?}");
    assert!(told.trouble.contains("`transactions.timeout` of 30 s"), "{told:?}");
    stage.kafka.iter().for_each(tests::kafka_proxy::KafkaProxy::heal);
    stream.wait_durable();
    engine.wait_ready(&topic);
    let records = reader::topic(&stage.cluster.bootstrap(), &topic).records();
    check::exactly(&records, &[Sent::whole("w", 20)]);
}
