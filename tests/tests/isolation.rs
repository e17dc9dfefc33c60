//! One output's Kafka is dead, or refuses every row, and the other outputs, one of them exactly
//! once, run at half of what the machine can do: they keep their rate and their latency.
//!
//! The figures are printed (`--nocapture`); `KAFKA_OUTPUT_LONG=1` measures for longer, and takes a
//! shorter latency for noise.

use std::{thread, time::Duration};

use tests::{
    check,
    engine::{
        Engine,
        job::{job_within, output},
        load::{Heard, Load, Pace},
    },
    is_long,
    kafka::{Broker, BrokerOptions, own_brokers},
    proxy::{Door, Proxy},
    segments::Batch,
    service::Service,
    wait::{DEADLINE, wait_until},
};

/// At least once, and exactly once.
const GOOD: [&str; 2] = ["good", "exact"];
const DEAD: &str = "dead";
const PARTITIONS: i32 = 3;
const BATCH_ROWS: u64 = 500;
/// So many writers of the dead output fill what all outputs share of so much memory.
const DOOMED: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const MEMORY: &str = "32 MiB";

/// A latency below this is noise: on a busy machine, or on one that has nothing else to do.
fn noise() -> Duration {
    Duration::from_millis(if is_long() { 20 } else { 50 })
}

fn measured() -> Duration {
    Duration::from_secs(if is_long() { 20 } else { 3 })
}

/// What the loads hear in the time of a measurement: rows a second, median and 99th percentile.
fn measure(name: &str, loads: &[Load]) -> (f64, Duration) {
    loads.iter().for_each(|load| drop(load.heard()));
    thread::sleep(measured());
    let heard: Vec<Heard> = loads.iter().map(Load::heard).collect();
    let rate = heard.iter().map(Heard::rate).sum::<f64>();
    let worst = |percent| heard.iter().map(|heard| heard.percentile(percent)).max();
    let (p50, p99) = (worst(50).unwrap_or_default(), worst(99).unwrap_or_default());
    println!("{name}: {rate:.0} rows/s, p50 {p50:.2?}, p99 {p99:.2?}");
    (rate, p99)
}

#[test]
fn a_dead_output_takes_nothing_from_the_others() {
    let _own = own_brokers();
    let way = Proxy::start();
    let (live, dead) = (
        Broker::start(&BrokerOptions::default()),
        Broker::start_behind(&way, &BrokerOptions::default()),
    );
    let on = |broker: &Broker, bootstrap: &str, alias: &str, more: &str| {
        broker.admin().create_topic(alias, PARTITIONS, 1, &[]);
        output(alias, bootstrap, alias, more)
    };
    let outputs = [
        on(&live, &live.bootstrap(), GOOD[0], ""),
        on(&live, &live.bootstrap(), GOOD[1], "guarantee: exactlyOnce"),
        on(&dead, &way.address().to_string(), DEAD, "errorPolicy: Drop"),
    ];
    let service = Service::start(&job_within(MEMORY, &outputs));
    let engine = Engine::connect(&service);
    for alias in GOOD.into_iter().chain([DEAD]) {
        engine.wait_ready(alias);
    }

    // As much as the machine can do, senders and broker included.
    let full_speed = Pace { batch_rows: BATCH_ROWS, pause: Duration::ZERO };
    let loads = GOOD.map(|alias| Load::start(&engine, alias, "saturating", full_speed));
    let (saturated, _) = measure("saturated", &loads);
    let saturating = loads.map(Load::stop);
    let half = saturated / 2.0 / GOOD.len() as f64;
    let pause = Duration::from_secs_f64(BATCH_ROWS as f64 / half);
    let pace = Pace { batch_rows: BATCH_ROWS, pause };
    // All writers of the doomed output together send as much as one of the others.
    let doomed_pace = Pace { pause: pause * DOOMED.len() as u32, ..pace };

    let loads = GOOD.map(|alias| Load::start(&engine, alias, "steady", pace));
    let doomed = DOOMED.map(|writer| Load::start(&engine, DEAD, writer, doomed_pace));
    let doomed_sent = || doomed.iter().map(Load::rows_sent).sum::<u64>();
    // What was before is still on its way.
    measure("all three begin", &loads);
    let (rate, p99) = measure("all three at half of that", &loads);
    // A busy machine spoils one measurement and not three in a row.
    let others_are_well = |name: &str| {
        let good = (1..=3).any(|_| {
            let (rate_then, p99_then) = measure(&format!("the third {name}"), &loads);
            rate_then > 0.9 * rate && p99_then <= 2 * p99.max(noise())
        });
        assert!(good, "the third {name}: before it was {rate:.0} rows/s and {p99:?}");
    };
    for (name, door) in [("silent", Door::Silent), ("refused", Door::Shut)] {
        way.unplug();
        way.door(door);
        if door == Door::Shut {
            way.reset();
        }
        // Its writers have sent all that they may, which is when it holds most.
        wait_until("the writers of the dead output stand still", DEADLINE, || {
            let sent = doomed_sent();
            thread::sleep(2 * doomed_pace.pause + Duration::from_millis(500));
            doomed_sent() == sent
        });
        others_are_well(name);
        let stuck = engine.output(DEAD);
        assert!(stuck.records_in_flight > 0, "it holds rows: {stuck:?}");
        way.heal();
        way.reset();
        for load in &doomed {
            load.wait_progress(10 * BATCH_ROWS);
        }
    }
    // A compacted topic refuses rows without a key, and every row must be found to blame alone.
    dead.admin().set_topic_property(DEAD, "cleanup.policy", "compact");
    let rejected = || engine.output(DEAD).rows_rejected;
    wait_until("rows are refused", DEADLINE, || rejected() > 0);
    others_are_well("poisoned");
    let rejected_by_now = rejected();
    wait_until("more are refused", DEADLINE, || rejected() > rejected_by_now);
    dead.admin().set_topic_property(DEAD, "cleanup.policy", "delete");
    for load in &doomed {
        load.wait_progress(10 * BATCH_ROWS);
    }

    // Millions of rows: they are counted, and each producer's numbers are without gaps.
    let batches = |broker: &Broker, alias: &str| -> Vec<_> {
        (0..PARTITIONS).map(|p| broker.batches(alias, p)).collect()
    };
    let records = |batches: &[Vec<Batch>]| -> u64 {
        let rows = batches.iter().flatten().filter(|batch| !batch.control);
        rows.map(|batch| batch.records as u64).sum()
    };
    let sent: Vec<u64> = loads
        .into_iter()
        .zip(saturating)
        .map(|(load, before)| before.rows_durable + load.stop().rows_durable)
        .collect();
    assert_eq!(check::headers_of(&batches(&live, GOOD[0])), sent[0]);
    // Nothing was aborted.
    assert_eq!(records(&batches(&live, GOOD[1])), sent[1]);
    let answered = doomed.map(|load| load.stop().rows_durable).iter().sum::<u64>();
    assert_eq!(records(&batches(&dead, DEAD)) + rejected(), answered);
}
