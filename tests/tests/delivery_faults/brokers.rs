//! Brokers die, freeze, hand over, and lose their followers.

use std::time::Duration;

use tests::{
    check::invariants::Promise,
    stage::{BROKERS, Plan, Trial, enter},
    wait::{DEADLINE, wait_until},
};

use super::{time, times};

#[test]
fn f1_brokers_are_killed_one_after_the_other() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f1", &Plan::default());
    for _ in 0..times(1, 5) {
        trial.each_broker("killed broker", |trial, broker| {
            trial.stage.cluster.kill(broker);
            // The others lead on while it is away.
            trial.goes_on(&format!("without broker {broker}"));
            trial.stage.cluster.start_again(broker);
        });
    }
    assert_eq!(trial.streams_ended(), 0, "nobody has noticed");
    trial.finish();
}

#[test]
fn f2_a_leader_freezes_for_longer_than_a_request_may_take() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f2", &Plan::default());
    let topic = trial.topic(Promise::ExactlyOnce).to_owned();
    for partition in 0..i32::try_from(times(1, 3)).unwrap() {
        let leader = trial.stage.cluster.admin().leader(&topic, partition);
        trial.stage.cluster.freeze(leader);
        trial.pause(time(6_000, 45));
        trial.stage.cluster.thaw(leader);
        trial.goes_on("a leader was frozen");
        trial.wait_whole();
    }
    assert_eq!(trial.streams_ended(), 0, "nobody has noticed");
    trial.finish();
}

#[test]
fn f3_leaders_move_without_any_failure() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f3", &Plan::default());
    trial.each_broker("restarted broker", |trial, broker| {
        trial.stage.cluster.stop(broker);
        trial.stage.cluster.start_again(broker);
    });
    let id = trial.transactional_id();
    let admin = trial.stage.cluster.admin();
    let mut moved = 0;
    let own = Promise::BOTH.map(|promise| trial.topic(promise).to_owned());
    for topic in [own[0].as_str(), own[1].as_str(), "__transaction_state"] {
        for partition in 0..3 {
            let found = admin.partition(topic, partition).unwrap();
            if found.leader != found.replicas[0] {
                trial.stage.cluster.elect_preferred(topic, partition);
                admin.leader_after(topic, partition, found.leader);
                moved += 1;
            }
        }
    }
    println!("f3: {moved} leaders moved; {id} is at {}", admin.transaction_coordinator(&id));
    assert!(moved > 0, "after the restarts some partition is led by another");
    trial.goes_on("leaders have moved");
    assert_eq!(trial.streams_ended(), 0, "nobody has noticed");
    trial.finish();
}

#[test]
fn f4_with_too_few_replicas_in_sync_nothing_is_acknowledged() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f4", &Plan::default());
    // Two of three are away: whoever leads has nobody who follows.
    for broker in [2, 3] {
        trial.stage.cluster.freeze(broker);
    }
    trial.stalls(time(4_000, 40));
    for broker in [2, 3] {
        trial.stage.cluster.thaw(broker);
    }
    trial.goes_on("followers are back");
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

#[test]
fn f10_the_coordinator_of_transactions_dies_while_it_commits() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f10", &Plan::only(Promise::ExactlyOnce, 2));
    let id = trial.transactional_id();
    for round in 0..times(3, 20) {
        let coordinator = trial.stage.cluster.admin().transaction_coordinator(&id);
        // At another moment of a transaction each time: one takes some milliseconds.
        trial.pause(Duration::from_millis(round * 3));
        trial.stage.cluster.kill(coordinator);
        trial.goes_on(&format!("without coordinator {coordinator}"));
        trial.stage.cluster.start_again(coordinator);
        trial.wait_whole();
    }
    trial.finish();
}

/// A file of a broker can grow no further, as on a full disk: it gives up its only directory, and
/// with it ends.
#[test]
fn f24_the_disk_of_a_broker_is_full() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f24", &Plan::default());
    for broker in 1..=i32::try_from(times(1, 3)).unwrap() {
        trial.stage.cluster.fill_disk(broker);
        wait_until(&format!("broker {broker} ends"), DEADLINE, || {
            !trial.stage.cluster.is_running(broker)
        });
        trial.goes_on(&format!("broker {broker} has no disk"));
        trial.stage.cluster.start_again(broker);
        trial.goes_on(&format!("broker {broker} has a disk again"));
        trial.wait_whole();
    }
    assert_eq!(trial.streams_ended(), 0, "nobody has noticed");
    trial.finish();
}

#[test]
fn f15_all_brokers_are_away_at_once() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f15", &Plan::default());
    BROKERS.iter().for_each(|broker| trial.stage.cluster.kill(*broker));
    trial.stalls(time(2_000, 50));
    trial.stage.cluster.mend();
    trial.goes_on("all brokers are back");
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}
