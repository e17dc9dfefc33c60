//! Kafka is away while a sender runs at full speed: it is slowed down and not failed, the service
//! keeps to its memory, and rows go on by themselves as soon as a leader is known. At least once and
//! exactly once beside each other.
//!
//! Kafka is away for seconds, and once for two minutes; `KAFKA_OUTPUT_LONG=1` makes minutes of the
//! seconds, and ten of the two.

use std::{
    thread,
    time::{Duration, Instant},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job, job_within, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    is_long,
    kafka::{Cluster, ClusterOptions, own_brokers},
    proxy::{self, Proxy},
    reader,
    service::Service,
    usage,
    wait::{DEADLINE, wait_until},
};

const PARTITIONS: i32 = 6;
const FULL_SPEED: Pace = Pace { batch_rows: 1_000, pause: Duration::ZERO };
/// The output of exactly once, and its topic.
const EXACT: &str = "exact";
const WRITERS: [(&str, &str); 5] =
    [(OUTPUT, "a"), (OUTPUT, "b"), (OUTPUT, "c"), (EXACT, "d"), (EXACT, "e")];
const MEMORY_BYTES: u64 = 64 << 20;
/// What the process needs beside the rows: code, threads, librdkafka, and what its allocator keeps.
const OVERHEAD_BYTES: u64 = 24 << 20;
/// Nothing has moved for so long: what is still on its way arrives sooner.
const STILL: Duration = Duration::from_secs(2);
/// Longer than a broker's session: no partition has a leader then. And in the long form.
const OUTAGE: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(120)];
/// Longer than everything that has an end by time: sessions, transactions, tries to commit.
const LONG_OUTAGE: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(600)];
/// At least once rows go on within 10 s, exactly once within 20; a busy machine takes three times
/// as long.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);
const RESUME_TIMEOUT_EXACT: Duration = Duration::from_secs(60);
/// How much more the process may hold at the end of an outage than when its senders had sent all
/// that they may; a little more than a tenth, for threads that connect again and again.
const GROWTH_BYTES_MAX: u64 = 8 << 20;

struct Stage {
    cluster: Cluster,
    ways: [Proxy; 3],
    service: Service,
    engine: Engine,
}

/// A way to take all brokers away, and the way back.
type Fault = (&'static str, [Duration; 2], fn(&mut Stage), fn(&mut Stage));

const FAULTS: [Fault; 3] = [
    (
        "killed",
        OUTAGE,
        |stage| (1..=3).for_each(|broker| stage.cluster.kill(broker)),
        |stage| {
            (1..=3).for_each(|broker| stage.cluster.start_again(broker));
            stage.cluster.wait_complete();
        },
    ),
    (
        "frozen",
        LONG_OUTAGE,
        |stage| (1..=3).for_each(|broker| stage.cluster.freeze(broker)),
        |stage| (1..=3).for_each(|broker| stage.cluster.thaw(broker)),
    ),
    (
        "unplugged",
        OUTAGE,
        |stage| stage.ways.iter().for_each(Proxy::unplug),
        |stage| stage.ways.iter().for_each(Proxy::heal),
    ),
];

/// Waits until the senders have sent all that they may: nothing moves any more.
#[track_caller]
fn wait_full(loads: &[Load]) {
    let moved = || loads.iter().map(|load| load.rows_durable() + load.rows_sent()).sum::<u64>();
    let mut last = (moved(), Instant::now());
    wait_until("the senders have sent all that they may", DEADLINE, || {
        if moved() != last.0 {
            last = (moved(), Instant::now());
        }
        last.1.elapsed() >= STILL
    });
}

/// Takes the cluster away and brings it back, while the loads go on.
fn suffer(stage: &mut Stage, loads: &[Load], (name, times, take, bring): Fault) {
    let pid = stage.service.pid();
    let durable = || loads.iter().map(Load::rows_durable).collect::<Vec<u64>>();
    take(stage);
    let start = Instant::now();
    wait_full(loads);
    let stood = durable();
    let full = usage::memory_bytes(pid);
    let outage = times[usize::from(is_long())];
    thread::sleep(outage.saturating_sub(start.elapsed()));
    let output = stage.engine.output(OUTPUT);
    // Nobody answers: how soon that is certain depends on how the brokers went.
    let is_certain = outage > Duration::from_secs(60);
    for alias in [OUTPUT, EXACT] {
        let output = stage.engine.output(alias);
        assert!(!is_certain || output.state() == OutputState::Unavailable, "{name}: {output:?}");
    }
    let memory = usage::memory_bytes(pid);
    let most = full + (full / 10).max(GROWTH_BYTES_MAX);
    assert!(memory <= most, "{name}: {full} bytes have become {memory}");
    assert_eq!(durable(), stood, "{name}: acknowledged while nobody was there to store it");
    bring(stage);
    // "The first metadata that names a leader", asked of the brokers themselves.
    for partition in 0..PARTITIONS {
        stage.cluster.admin().leader("away", partition);
        stage.cluster.admin().leader(EXACT, partition);
    }
    let back = Instant::now();
    let exact = WRITERS.iter().filter(|(output, _)| *output == EXACT).count();
    let mut first = [None; 2];
    wait_until("every writer goes on", 2 * DEADLINE, || {
        let goes_on: Vec<_> = durable().iter().zip(&stood).map(|(now, then)| now > then).collect();
        let of = goes_on.split_at(goes_on.len() - exact);
        for (first, all) in first.iter_mut().zip([of.0, of.1]) {
            if all.iter().all(|goes_on| *goes_on) {
                first.get_or_insert(back.elapsed());
            }
        }
        first.iter().all(Option::is_some)
    });
    let first = first.map(Option::unwrap_or_default);
    for load in loads {
        load.wait_progress(10 * FULL_SPEED.batch_rows);
    }
    println!(
        "{name} for {:.1?}: {:?} {}, {} MiB and then {}; every writer has an acknowledgement \
         {:.1?} (exactly once: {:.1?}) after a leader was there, and goes on after {:.1?}",
        back - start,
        output.state(),
        output.trouble_code,
        full >> 20,
        memory >> 20,
        first[0],
        first[1],
        back.elapsed(),
    );
    assert!(first[0] < RESUME_TIMEOUT && first[1] < RESUME_TIMEOUT_EXACT, "{name}: {first:?}");
}

#[test]
fn while_kafka_is_away_senders_are_slowed_down_and_told_why_and_memory_is_kept() {
    let _own = own_brokers();
    let ways = [Proxy::start(), Proxy::start(), Proxy::start()];
    let mut cluster = Cluster::start_behind(&ways, &ClusterOptions::default());
    let bootstrap = proxy::addresses(&ways);
    let outputs = [(OUTPUT, "away", "atLeastOnce"), (EXACT, EXACT, "exactlyOnce")];
    let outputs = outputs.map(|(alias, topic, guarantee)| {
        cluster.admin().create_topic(topic, PARTITIONS, 3, &[]);
        output(alias, &bootstrap, topic, &format!("guarantee: {guarantee}"))
    });
    let service = Service::start(&job_within(&format!("{} MiB", MEMORY_BYTES >> 20), &outputs));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    engine.wait_ready(EXACT);
    let loads = WRITERS.map(|(output, writer)| Load::start(&engine, output, writer, FULL_SPEED));
    for load in &loads {
        load.wait_progress(20 * FULL_SPEED.batch_rows);
    }
    let mut stage = Stage { cluster, ways, service, engine };
    for fault in FAULTS {
        suffer(&mut stage, &loads, fault);
        for (alias, topic) in [(OUTPUT, "away"), (EXACT, EXACT)] {
            stage.engine.wait_ready(alias);
            stage.cluster.admin().wait_in_sync(topic);
        }
    }
    let peak = usage::peak_memory_bytes(stage.service.pid());
    println!("peak memory {} MiB, of which {} are for rows", peak >> 20, MEMORY_BYTES >> 20);
    assert!(peak <= MEMORY_BYTES + OVERHEAD_BYTES, "{peak} bytes");

    let sent = loads.map(Load::stop);
    sent.iter().for_each(Sent::assert_unbroken);
    let (sent, exact) = sent.split_at(WRITERS.iter().filter(|(to, _)| *to == OUTPUT).count());
    let records = reader::topic(&stage.cluster.bootstrap(), EXACT).records();
    check::exactly(&records, exact);
    let records = reader::topic(&stage.cluster.bootstrap(), "away").records();
    check::exactly(&records, sent);
    let stored = stage.cluster.stored("away", PARTITIONS);
    assert_eq!(check::headers_of(&stored), records.len() as u64);
    too_few_replicas(&mut stage.cluster);
}

/// Rows wait, visibly, while too few replicas are in sync; librdkafka sends them again and again
/// and tells nobody.
fn too_few_replicas(cluster: &mut Cluster) {
    cluster.admin().create_topic("scarce", 1, 3, &[("min.insync.replicas", "2")]);
    let service = Service::start(&job(&cluster.bootstrap(), "scarce", ""));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();

    let leader = cluster.admin().leader("scarce", 0);
    let followers = [1, 2, 3].into_iter().filter(|broker| *broker != leader);
    followers.clone().for_each(|broker| cluster.freeze(broker));
    let start = Instant::now();
    // Before they have left the replicas in sync the leader waits for them, and after that it
    // refuses.
    stream.send(rows("w", 10..20, ""));
    let held = stream.wait_held("NOT_ENOUGH_REPLICAS");
    println!("told after {:.1?}: {}", start.elapsed(), held.reason);
    assert!(held.sequence == 2 && held.reason.contains("min.insync.replicas"), "{held:?}");
    let output = engine.output(OUTPUT);
    let trouble = (output.state(), output.trouble_code.as_str());
    assert_eq!(trouble, (OutputState::Unavailable, "NOT_ENOUGH_REPLICAS"));
    stream.send(rows("w", 20..30, ""));
    assert_eq!(stream.durable_through, 1, "nothing is acknowledged");

    followers.for_each(|broker| cluster.thaw(broker));
    let start = Instant::now();
    stream.wait_durable();
    println!("the first acknowledgement came {:.1?} after the replicas", start.elapsed());
    assert!(start.elapsed() < RESUME_TIMEOUT);
    engine.wait_ready(OUTPUT);
    let found = reader::topic(&cluster.bootstrap(), "scarce").records();
    check::exactly(&found, &[Sent::whole("w", 30)]);
    assert_eq!(check::headers_of(&cluster.stored("scarce", 1)), 30, "nothing is there twice");
}
