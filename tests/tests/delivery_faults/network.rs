//! Ways to the brokers are cut, silent, slow and narrow.

use std::time::Duration;

use tests::{
    check::invariants::Promise,
    proxy::{Door, Proxy, Terms, Way},
    stage::{BROKERS, Plan, Trial, enter},
    wait::{DEADLINE, wait_until},
};

use super::{time, times};

#[test]
fn f5_the_service_is_cut_off_from_one_broker_and_from_all() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f5", &Plan::default());
    for broker in [vec![1], vec![2, 3], BROKERS.to_vec()] {
        broker.iter().for_each(|broker| trial.stage.way(*broker).unplug());
        trial.pause(time(4_000, 40));
        broker.iter().for_each(|broker| trial.stage.way(*broker).heal());
        trial.goes_on(&format!("brokers {broker:?} can be reached"));
    }
    trial.stage.ways.iter().for_each(|way| {
        way.door(Door::Shut);
        way.reset();
    });
    trial.stalls(time(1_000, 20));
    trial.stage.ways.iter().for_each(Proxy::heal);
    trial.goes_on("brokers listen again");
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

#[test]
fn f6_requests_arrive_and_no_answer_comes_back() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f6", &Plan::default());
    for way in [Way::Back, Way::There] {
        let silent = Terms { silent: true, ..Terms::default() };
        trial.stage.ways.iter().for_each(|to| to.spoil(way, silent));
        // Longer than `socketTimeout`: requests are given up and go again.
        trial.stalls(time(4_000, 40));
        trial.stage.ways.iter().for_each(Proxy::heal);
        trial.goes_on(&format!("{way:?} was silent"));
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

#[test]
fn f7_connections_are_reset_when_answers_return() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f7", &Plan::default());
    for _ in 0..times(5, 50) {
        let resets = || trial.stage.ways.iter().map(Proxy::connections_reset).sum::<u64>();
        let before = resets();
        trial.stage.ways.iter().for_each(|way| way.reset_on_next(Way::Back));
        wait_until("answers are cut off", DEADLINE, || resets() >= before + 3);
        trial.progress(100);
    }
    trial.goes_on("answers were cut off");
    assert_eq!(trial.streams_ended(), 0, "requests went again");
    trial.finish();
}

#[test]
fn f8_a_slow_sliced_and_narrow_way() {
    let mut stage = enter();
    let plan = Plan {
        // What one broker is sent at once passes a narrow way within `socketTimeout`.
        more: "socketTimeout: 10s, metadataRefresh: 1m, batching: { bytes: 32 KB }, \
               partitioning: { turn: { rows: 20 } }"
            .to_owned(),
        ..Plan::default()
    };
    let mut trial = Trial::start(&mut stage, "f8", &plan);
    let ways = [
        ("slow", Terms { delay: Duration::from_millis(500), ..Terms::default() }),
        ("sliced", Terms { slice_bytes: Some(1_000), ..Terms::default() }),
        ("narrow", Terms { bytes_per_s: Some(125_000), ..Terms::default() }),
    ];
    for (name, terms) in ways {
        trial.stage.ways.iter().for_each(|way| way.spoil_both(terms));
        // It gets on, if slowly.
        trial.progress(times(200, 5_000));
        trial.stage.ways.iter().for_each(Proxy::heal);
        trial.goes_on(name);
    }
    assert_eq!(trial.streams_ended(), 0, "rows were slow");
    trial.finish();
}

#[test]
fn f9_connections_are_forgotten_on_the_way() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f9", &Plan::default());
    for _ in 0..times(1, 10) {
        trial.stage.ways.iter().for_each(Proxy::forget);
        trial.goes_on("connections were forgotten");
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

/// One output has its own connections, so what becomes of them is its own affair.
#[test]
fn one_output_that_is_cut_off_holds_up_no_other() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "hole", &Plan::default());
    for promise in Promise::BOTH {
        let client = format!("kafka-output-{}", trial.topic(promise));
        let hole = tests::kafka_proxy::Rule::black_hole(&client);
        trial.stage.kafka.iter().for_each(|way| way.obey(&hole));
        wait_until("requests vanish", DEADLINE, || hole.met() > 0);
        let other = Promise::BOTH.into_iter().find(|other| *other != promise).unwrap();
        trial.progress_of(other, 500);
        hole.end();
        trial.stage.ways.iter().for_each(Proxy::reset);
        trial.goes_on(&format!("{} can be reached", promise.name()));
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}
