//! Kafka is away while a sender runs at full speed: it is slowed down and not failed, the service
//! keeps to its memory, and rows go on by themselves as soon as a leader is known.
//!
//! `KAFKA_OUTPUT_LONG=1` keeps Kafka away for two minutes instead of seconds.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job_within, output},
        load::{Load, Pace},
    },
    kafka::{Cluster, ClusterOptions, own_brokers},
    proxy::{self, Proxy},
    reader,
    service::Service,
    usage,
    wait::{DEADLINE, wait_until},
};

const PARTITIONS: i32 = 6;
const FULL_SPEED: Pace = Pace { batch_rows: 1_000, pause: Duration::ZERO };
const WRITERS: [&str; 3] = ["a", "b", "c"];
const MEMORY_BYTES: u64 = 64 << 20;
/// What the process needs beside the rows: code, threads, librdkafka, and what its allocator keeps.
const OVERHEAD_BYTES: u64 = 24 << 20;
/// Rows go on within 10 s; a busy machine takes three times as long.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

fn is_long() -> bool {
    env::var_os("KAFKA_OUTPUT_LONG").is_some()
}

struct Stage {
    cluster: Cluster,
    ways: [Proxy; 3],
    service: Service,
    engine: Engine,
}

/// A way to take all brokers away, and the way back.
type Fault = (&'static str, fn(&mut Stage), fn(&mut Stage));

const FAULTS: [Fault; 3] = [
    (
        "killed",
        |stage| (1..=3).for_each(|broker| stage.cluster.kill(broker)),
        |stage| {
            (1..=3).for_each(|broker| stage.cluster.start_again(broker));
            stage.cluster.wait_complete();
        },
    ),
    (
        "frozen",
        |stage| (1..=3).for_each(|broker| stage.cluster.freeze(broker)),
        |stage| (1..=3).for_each(|broker| stage.cluster.thaw(broker)),
    ),
    (
        "unplugged",
        |stage| stage.ways.iter().for_each(Proxy::unplug),
        |stage| stage.ways.iter().for_each(Proxy::heal),
    ),
];

/// Takes the cluster away and brings it back, while the loads go on.
fn suffer(stage: &mut Stage, loads: &[Load], (name, take, bring): Fault) {
    let pid = stage.service.pid();
    let durable = || loads.iter().map(Load::rows_durable).sum::<u64>();
    take(stage);
    let start = Instant::now();
    thread::sleep(Duration::from_secs(if is_long() { 120 } else { 4 }));
    let output = stage.engine.output(OUTPUT);
    // Nobody answers: how soon that is certain depends on how the brokers went.
    assert!(!is_long() || output.state() == OutputState::Unavailable, "{name}: {output:?}");
    let (memory, stood) = (usage::memory_bytes(pid), durable());
    bring(stage);
    // "The first metadata that names a leader", asked of the brokers themselves.
    for partition in 0..PARTITIONS {
        stage.cluster.admin().leader("away", partition);
    }
    let back = Instant::now();
    wait_until("every writer goes on", DEADLINE, || durable() > stood);
    let first = back.elapsed();
    for load in loads {
        load.wait_progress(10 * FULL_SPEED.batch_rows);
    }
    println!(
        "{name} for {:.1?}: {:?} {}, {} MiB; first acknowledgement {first:.1?} after a leader was \
         there, every writer on after {:.1?}",
        back - start,
        output.state(),
        output.trouble_code,
        memory >> 20,
        back.elapsed(),
    );
    assert!(first < RESUME_TIMEOUT, "{name}: {first:?}");
}

#[test]
fn while_kafka_is_away_senders_are_slowed_down_and_memory_is_kept() {
    let _own = own_brokers();
    let ways = [Proxy::start(), Proxy::start(), Proxy::start()];
    let mut cluster = Cluster::start_behind(&ways, &ClusterOptions::default());
    cluster.admin().create_topic("away", PARTITIONS, 3, &[]);
    let output = output(OUTPUT, &proxy::addresses(&ways), "away", "");
    let service = Service::start(&job_within(&format!("{} MiB", MEMORY_BYTES >> 20), &[output]));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let loads = WRITERS.map(|writer| Load::start(&engine, OUTPUT, writer, FULL_SPEED));
    for load in &loads {
        load.wait_progress(20 * FULL_SPEED.batch_rows);
    }
    let mut stage = Stage { cluster, ways, service, engine };
    for fault in FAULTS {
        suffer(&mut stage, &loads, fault);
        stage.engine.wait_ready(OUTPUT);
        stage.cluster.admin().wait_in_sync("away");
    }
    let peak = usage::peak_memory_bytes(stage.service.pid());
    println!("peak memory {} MiB, of which {} are for rows", peak >> 20, MEMORY_BYTES >> 20);
    assert!(peak <= MEMORY_BYTES + OVERHEAD_BYTES, "{peak} bytes");

    let sent = loads.map(Load::stop);
    for log in &sent {
        assert!(log.end.is_none() && log.unanswered.is_empty(), "no stream ends: {log:?}");
    }
    let records = reader::topic(&stage.cluster.bootstrap(), "away").records();
    check::exactly(&records, &sent);
    let stored = stage.cluster.stored("away", PARTITIONS);
    let headers: u64 = stored.iter().map(|batches| check::headers(batches)).sum();
    assert_eq!(headers, records.len() as u64);
}
