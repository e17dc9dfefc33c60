//! Random runs: writers, outputs, guarantees and faults are drawn from a seed, and whatever happens
//! every invariant holds ([`tests::check::invariants`]).
//!
//! The seed is printed, and the same seed makes the same schedule. `KAFKA_OUTPUT_SEED` repeats one
//! run, `KAFKA_OUTPUT_SEEDS` says how many there are (20 by default) or from which to which (`21-80`),
//! `KAFKA_OUTPUT_LONG=1` makes each of them longer.

#[path = "../../../serializers/tests/common/source.rs"]
#[expect(dead_code, reason = "other tests draw integers and lengths as well")]
mod source;

mod schedule;

use std::{
    env,
    ops::RangeInclusive,
    panic,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use tests::{
    engine::Engine,
    is_long,
    kafka_proxy::{Act, KafkaProxy, Rule},
    process::Signal,
    proxy::{Proxy, Terms, Way},
    stage::{BROKERS, Sum, Trial, enter},
    wait::DEADLINE,
};

use self::schedule::{Fault, Schedule, Step};

/// Runs of one state of the code are the same runs.
const SEEDS: RangeInclusive<u64> = 1..=20;
const RUNS_AT_ONCE: usize = 2;
const STEPS_MAX: usize = 3;
const STEPS_MAX_LONG: usize = 12;

/// `FIRST-LAST`, or how many from 1 on.
fn seeds() -> RangeInclusive<u64> {
    let number = |text: &str| -> u64 { text.parse().expect("a seed is a number") };
    if let Ok(one) = env::var("KAFKA_OUTPUT_SEED") {
        return number(&one)..=number(&one);
    }
    match env::var("KAFKA_OUTPUT_SEEDS") {
        Ok(text) => match text.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => 1..=number(&text),
        },
        Err(_) => SEEDS,
    }
}

#[test]
fn whatever_happens_in_whatever_order_every_invariant_holds() {
    let begin = Instant::now();
    let (total, left) = (Mutex::new(Total::default()), Mutex::new(seeds()));
    // A seed on each stage at once; each of them has its own brokers, service and proxies.
    thread::scope(|scope| {
        for nth in 0..RUNS_AT_ONCE {
            let (total, left) = (&total, &left);
            let next = || left.lock().expect("nothing panics in it").next();
            let runs = move || {
                while let Some(seed) = next() {
                    let ended = run_of(seed);
                    total.lock().expect("nothing panics in it").add(seed, ended);
                }
            };
            thread::Builder::new().name(format!("run {nth}")).spawn_scoped(scope, runs).unwrap();
        }
    });
    let Total { count, faults, sum, failed } = total.into_inner().expect("nothing panics in it");
    println!(
        "{count} seeds, {faults} faults, {} rows, {} again, {} streams ended, {} seeds failed, {:.0?}",
        sum.rows,
        sum.again,
        sum.streams_ended,
        failed.len(),
        begin.elapsed()
    );
    assert_eq!(failed, [0; 0], "seeds that failed, of {count}");
}

/// What came of all seeds.
#[derive(Default)]
struct Total {
    count: u64,
    faults: usize,
    sum: Sum,
    failed: Vec<u64>,
}

impl Total {
    fn add(&mut self, seed: u64, (faults, ended): (usize, Option<Sum>)) {
        self.count += 1;
        self.faults += faults;
        match ended {
            Some(of_seed) => {
                self.sum.rows += of_seed.rows;
                self.sum.again += of_seed.again;
                self.sum.streams_ended += of_seed.streams_ended;
            }
            None => self.failed.push(seed),
        }
    }
}

/// Runs a seed: how many faults there were, and what came of it, or nothing if it failed. One that
/// fails does not hide those after it.
fn run_of(seed: u64) -> (usize, Option<Sum>) {
    let schedule = Schedule::of(seed, if is_long() { STEPS_MAX_LONG } else { STEPS_MAX });
    println!("KAFKA_OUTPUT_SEED={seed} repeats: {schedule:?}");
    let ended = panic::catch_unwind(|| run(&schedule)).ok();
    if ended.is_none() {
        println!("seed {seed} failed");
    }
    (schedule.steps.len(), ended)
}

#[test]
fn the_same_seed_makes_the_same_schedule() {
    for seed in [1, 2, u64::MAX] {
        assert_eq!(Schedule::of(seed, 50), Schedule::of(seed, 50));
    }
    assert_ne!(Schedule::of(1, 50), Schedule::of(2, 50));
}

#[test]
fn every_fault_and_every_kind_of_output_is_drawn_and_the_load_is_bounded() {
    let drawn: Vec<Schedule> = (1..=200).map(|seed| Schedule::of(seed, STEPS_MAX)).collect();
    let steps = || drawn.iter().flat_map(|schedule| &schedule.steps);
    for fault in Fault::ALL {
        let name = fault.name();
        assert!(steps().any(|step| step.fault.name() == name), "{fault:?} is never drawn");
    }
    for outputs in 1..=2 {
        assert!(drawn.iter().any(|schedule| schedule.outputs.len() == outputs));
    }
    let outputs = || drawn.iter().flat_map(|schedule| &schedule.outputs);
    for writers in 1..=4 {
        assert!(outputs().any(|output| output.writers == writers));
    }
    assert!(outputs().any(|output| output.bad_every.is_some()));
    for schedule in &drawn {
        assert!((1..=STEPS_MAX).contains(&schedule.steps.len()));
        assert!(schedule.rows_per_s() <= 4_000, "{schedule:?}");
        assert!(schedule.steps.iter().all(|step| step.time <= Duration::from_secs(6)));
    }
}

fn run(schedule: &Schedule) -> Sum {
    let mut stage = enter();
    let name = format!("seed{}", schedule.seed);
    let mut trial = Trial::start(&mut stage, &name, &schedule.plan());
    for step in &schedule.steps {
        trial.pause(step.before);
        suffer(&mut trial, step);
        trial.goes_on(step.fault.name());
        // Two brokers at once would be too many for what is promised.
        trial.wait_whole();
    }
    trial.finish()
}

/// One fault, from its beginning to its end.
fn suffer(trial: &mut Trial<'_>, step: &Step) {
    let Step { fault, broker, time, .. } = *step;
    match fault {
        Fault::KillBroker => {
            trial.stage.cluster.kill(broker);
            trial.pause(time);
            trial.stage.cluster.start_again(broker);
        }
        Fault::FreezeBroker => {
            trial.stage.cluster.freeze(broker);
            trial.pause(time);
            trial.stage.cluster.thaw(broker);
        }
        Fault::RestartBroker => {
            trial.stage.cluster.stop(broker);
            trial.stage.cluster.start_again(broker);
        }
        Fault::FreezeAllBrokers => {
            BROKERS.iter().for_each(|broker| trial.stage.cluster.freeze(*broker));
            trial.pause(time);
            BROKERS.iter().for_each(|broker| trial.stage.cluster.thaw(*broker));
        }
        Fault::Unplug => {
            trial.stage.way(broker).unplug();
            trial.pause(time);
            trial.stage.way(broker).heal();
        }
        Fault::UnplugAll => {
            trial.stage.ways.iter().for_each(Proxy::unplug);
            trial.pause(time);
            trial.stage.ways.iter().for_each(Proxy::heal);
        }
        Fault::Silence(way) => {
            let silent = Terms { silent: true, ..Terms::default() };
            trial.stage.ways.iter().for_each(|to| to.spoil(way, silent));
            trial.pause(time);
            trial.stage.ways.iter().for_each(Proxy::heal);
        }
        Fault::Slow => {
            let terms = Terms { delay: time / 10, ..Terms::default() };
            trial.stage.ways.iter().for_each(|to| to.spoil_both(terms));
            trial.pause(time);
            trial.stage.ways.iter().for_each(Proxy::heal);
        }
        Fault::CutAnswers => {
            trial.stage.ways.iter().for_each(|way| way.reset_on_next(Way::Back));
        }
        Fault::Forget => trial.stage.ways.iter().for_each(Proxy::forget),
        Fault::Requests(api, act) => spoil(trial, &Rule::new(api, act, 2), time),
        Fault::Deny(api, code) => {
            spoil(trial, &Rule::new(api, Act::Refuse(code), u64::MAX), time);
        }
        Fault::Grow => {
            let admin = trial.stage.cluster.admin();
            for topic in trial.topics() {
                let now = admin.topic(&topic).map_or(0, |found| found.partitions.len());
                admin.add_partitions(&topic, now as i32 + 1);
            }
        }
        Fault::Quota => {
            trial.stage.cluster.admin().set_quota(Some(20_000));
            trial.pause(time);
            trial.stage.cluster.admin().set_quota(None);
        }
        Fault::CutEngines => {
            trial.may_end_with(&[""]);
            trial.to_service().reset();
        }
        Fault::SilenceEngines => {
            trial.to_service().spoil(Way::Back, Terms { silent: true, ..Terms::default() });
            trial.pause(time);
            trial.to_service().heal();
        }
        Fault::KillService => {
            trial.kill_service();
            trial.start_service();
        }
        Fault::KillServiceAndBroker => {
            trial.stage.cluster.kill(broker);
            trial.kill_service();
            trial.start_service();
            trial.pause(time);
            trial.stage.cluster.start_again(broker);
        }
        Fault::StopService => {
            trial.stop_service("all is well", &[0]);
            trial.start_service();
        }
        Fault::ReplaceService => drop(trial.replace_service("all is well")),
        Fault::FreezeService => {
            trial.service().signal(Signal::STOP);
            trial.pause(time);
            trial.service().signal(Signal::CONT);
        }
        Fault::MoveWriters => {
            let mut old = trial.move_from_frozen();
            trial.goes_on("another service has the writers");
            old.signal(Signal::CONT);
            let engine = Engine::connect(&old);
            for topic in trial.topics() {
                engine.wait_output(&topic, "gives up its batches", |output| {
                    output.records_in_flight == 0
                });
            }
            old.terminate(DEADLINE);
        }
    }
}

/// Lets requests meet a rule for some time.
fn spoil(trial: &Trial<'_>, rule: &Rule, time: Duration) {
    trial.stage.kafka.iter().for_each(|way| way.obey(rule));
    trial.pause(time);
    trial.stage.kafka.iter().for_each(KafkaProxy::heal);
}
