//! The service is killed, frozen, stopped, and doubled.

use std::time::{Duration, Instant};

use tests::{
    check::invariants::Promise,
    engine::{Engine, load::Pace},
    process::Signal,
    stage::{BROKERS, Plan, Trial, enter},
    wait::DEADLINE,
};

use super::{time, times};

/// `exit` codes of the service.
const DONE: i32 = 0;
const UNSETTLED: i32 = 5;

#[test]
fn f12_a_service_freezes_for_longer_than_its_transactions_may_take() {
    let mut stage = enter();
    // So many that a transaction is open nearly always.
    let pace = Pace { batch_rows: 50, pause: Duration::from_millis(1) };
    let plan = Plan { pace, ..Plan::default() }.exact("transactions: { timeout: 5s }");
    let mut trial = Trial::start(&mut stage, "f12", &plan);
    for round in 0..times(2, 8) {
        // At another moment of a transaction each time.
        trial.pause(Duration::from_millis(round * 7));
        trial.service().signal(Signal::STOP);
        // The brokers look every half second.
        trial.pause(time(7_000, 20));
        trial.service().signal(Signal::CONT);
        trial.goes_on("the service was frozen");
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

#[test]
fn f13_a_frozen_service_wakes_when_another_has_its_writers() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f13", &Plan::only(Promise::ExactlyOnce, 3));
    for round in 0..times(4, 30) {
        trial.pause(Duration::from_millis(round * 11 % 40));
        let mut old = trial.move_from_frozen();
        trial.goes_on("another service has the writers");
        // It wakes with transactions open, and batches in its hands.
        old.signal(Signal::CONT);
        let engine = Engine::connect(&old);
        engine.wait_output(trial.topic(Promise::ExactlyOnce), "gives up its batches", |output| {
            output.records_in_flight == 0
        });
        trial.goes_on("the old one is awake");
        let start = Instant::now();
        old.terminate(DEADLINE);
        println!("f13: the old one stopped after {:.1?}", start.elapsed());
    }
    trial.finish();
}

/// More than the service reads back at first: each takes a record and a marker, of 500 offsets.
const TRANSACTIONS: u64 = 270;

/// The zombie sleeps so long that the claim of who has the writers now is far behind the end of the
/// progress topic.
#[test]
fn f13_a_frozen_service_wakes_after_many_transactions_of_another() {
    let mut stage = enter();
    let plan = Plan {
        // Many small transactions, one nearly always open: it freezes with batches in its hands.
        pace: Pace { batch_rows: 10, pause: Duration::from_millis(2) },
        ..Plan::only(Promise::ExactlyOnce, 1)
    };
    let plan = plan.exact("transactions: { interval: 0ms }");
    let mut trial = Trial::start(&mut stage, "f13-late", &plan);
    for _ in 0..times(1, 10) {
        let mut old = trial.move_from_frozen();
        trial.goes_on("another service has the writers");
        trial.progress_by_transactions(TRANSACTIONS);
        old.signal(Signal::CONT);
        let engine = Engine::connect(&old);
        engine.wait_output(trial.topic(Promise::ExactlyOnce), "gives up its batches", |output| {
            output.records_in_flight == 0
        });
        trial.goes_on("the old one is awake");
    }
    trial.finish();
}

#[test]
fn f14_the_service_is_killed_again_and_again() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f14", &Plan::default());
    for kill in 0..times(10, 100) {
        // Not always at the same place between an answer and the next.
        trial.pause(Duration::from_millis(kill * 7 % 40));
        trial.kill_service();
        trial.start_service();
        trial.goes_on("killed and started again");
    }
    trial.finish();
}

/// Replicas that come and go, one after the other, as in a rolling update.
#[test]
fn f35_replicas_are_replaced_one_after_the_other() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f35", &Plan::default());
    for replica in 1..=times(3, 30) {
        trial.replace_service(&format!("replica {replica} goes"));
        trial.goes_on(&format!("replica {} has the writers", replica + 1));
    }
    trial.finish();
}

#[test]
fn f34_a_stop_ends_in_time_whatever_the_brokers_do() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f34", &Plan::default());
    trial.stop_service("brokers are well", &[DONE]);
    trial.start_service();
    trial.goes_on("stopped and started again");

    for frozen in [&BROKERS[..1], &BROKERS[..]] {
        frozen.iter().for_each(|broker| trial.stage.cluster.freeze(*broker));
        trial.stalls(Duration::from_secs(1));
        // The others may have taken everything over in time.
        let codes = if frozen.len() == 1 { vec![DONE, UNSETTLED] } else { vec![UNSETTLED] };
        trial.stop_service(&format!("brokers {frozen:?} are frozen"), &codes);
        frozen.iter().for_each(|broker| trial.stage.cluster.thaw(*broker));
        trial.start_service();
        trial.goes_on("brokers and service are back");
        trial.wait_whole();
    }

    BROKERS.iter().for_each(|broker| trial.stage.cluster.kill(*broker));
    trial.stalls(Duration::from_secs(1));
    trial.stop_service("no broker is there", &[UNSETTLED]);
    trial.stage.cluster.mend();
    trial.start_service();
    trial.goes_on("brokers and service are there again");
    trial.finish();
}
