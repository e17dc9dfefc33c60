//! What is around the service: its clock, its descriptors, the names of its brokers.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tests::{
    check::invariants::Promise,
    preload::Preload,
    proxy::{Proxy, addresses},
    stage::{BROKERS, Plan, Stage, Trial, enter},
};

use super::times;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// Brokers take no record whose time is more than an hour ahead: such rows wait, since nothing is
/// wrong with them that a right clock does not mend.
#[test]
fn f31_the_wall_clock_jumps() {
    let mut stage = enter();
    let clock = Preload::new();
    let plan = Plan { service: clock.service(), ..Plan::default() };
    let mut trial = Trial::start(&mut stage, "f31", &plan);
    for _ in 0..times(1, 10) {
        for ahead_s in [HOUR_S - 60, 0, -HOUR_S, 0, -400 * DAY_S, 0] {
            clock.set_clock(ahead_s);
            trial.goes_on(&format!("the clock is {ahead_s} s ahead"));
        }
        // Whoever waits for a time of the wall clock now waits for 400 days, and the next connection,
        // coordinator or leader is a matter of timers.
        clock.set_clock(-400 * DAY_S);
        trial.stage.cluster.stop(1);
        trial.stage.cluster.start_again(1);
        trial.goes_on("a broker was away after the step back");
        trial.wait_whole();
        clock.set_clock(400 * DAY_S);
        trial.stalls(Duration::from_secs(2));
        trial.wait_held("ROW_REFUSED");
        clock.set_clock(0);
        trial.goes_on("the clock is right");
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

/// Neither a connection nor a file can be opened.
#[test]
fn f30_the_service_has_no_descriptor_left() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f30", &Plan::default());
    let pid = Pid::from_raw(i32::try_from(trial.service().pid()).unwrap()).unwrap();
    for _ in 0..times(2, 10) {
        let none = Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) };
        let before = prlimit(Some(pid), Resource::Nofile, none).unwrap();
        trial.stage.ways.iter().for_each(Proxy::reset);
        trial.stalls(Duration::from_secs(3));
        prlimit(Some(pid), Resource::Nofile, before).unwrap();
        trial.goes_on("there are descriptors again");
    }
    assert_eq!(trial.streams_ended(), 0, "rows waited");
    trial.finish();
}

/// The brokers' names, and where they are.
fn names(stage: &Stage) -> Vec<(String, std::net::IpAddr)> {
    let name = |broker: &i32| format!("kafka-{broker}.test");
    BROKERS.iter().map(|broker| (name(broker), stage.way(*broker).address().ip())).collect()
}

#[test]
fn f32_names_of_brokers_lead_nowhere_and_then_elsewhere() {
    let mut stage = enter();
    let host = Preload::new();
    let set = |names: &[(String, std::net::IpAddr)]| {
        let names: Vec<_> = names.iter().map(|(name, ip)| (name.as_str(), *ip)).collect();
        host.set_names(&names);
    };
    let known = names(&stage);
    set(&known);
    let port = stage.way(1).address().port();
    let bootstrap: Vec<String> = known.iter().map(|(name, _)| format!("{name}:{port}")).collect();
    let plan =
        Plan { bootstrap: Some(bootstrap.join(",")), service: host.service(), ..Plan::default() };
    let mut trial = Trial::start(&mut stage, "f32", &plan);

    // Nobody is found while no connection is left, and a service starts meanwhile.
    set(&[]);
    trial.stage.ways.iter().for_each(Proxy::reset);
    trial.kill_service();
    trial.start_service();
    let topic = trial.topic(Promise::ExactlyOnce).to_owned();
    let told = trial.engine().wait_output(&topic, "tells that no name is known", |output| {
        output.trouble_code == "NAME_NOT_RESOLVED"
    });
    println!("f32: {}", told.trouble);
    set(&known);
    trial.goes_on("names are known again");

    // All brokers have other addresses, and no old one answers.
    for _ in 0..times(1, 5) {
        let old = addresses(&trial.stage.ways);
        trial.stage.readdress();
        set(&names(trial.stage));
        println!("f32: from {old} to {}", addresses(&trial.stage.ways));
        trial.goes_on("all brokers are elsewhere");
    }
    trial.finish();
}
