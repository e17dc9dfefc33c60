//! A whole real table goes through the real command into a real cluster, and comes out unchanged.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tests::{
    flights::{self, Sending, compare},
    kafka::{Cluster, ClusterOptions, shared_broker, unique_topic},
    process::Signal,
    reader,
    segments::{self, Batch, Codec},
    service::Service,
    wait::{DEADLINE, wait_until},
};

const PARTITIONS: i32 = 12;
/// The default of `partitioning.turn.rows`: no partition is ahead of another by more.
const TURN_ROWS: u64 = 1_000;
const CODECS: [(&str, Codec); 5] = [
    ("None", Codec::None),
    ("Gzip", Codec::Gzip),
    ("Snappy", Codec::Snappy),
    ("Lz4", Codec::Lz4),
    ("Zstd", Codec::Zstd),
];
/// Exit code of `send` when it was stopped half-way.
const STOPPED: i32 = 5;

fn job(bootstrap: &str, outputs: &[(&str, &str)]) -> String {
    let head = format!(
        "name: flights\n\
         listen: {{ grpc: {{ address: '127.0.0.1:0' }} }}\n\
         defaults: {{ bootstrapServers: '{bootstrap}' }}\n\
         outputs:\n"
    );
    let output = |(topic, codec): &(&str, &str)| {
        format!("  - {{ alias: {codec}, topic: {topic}, compression: {{ type: {codec} }} }}\n")
    };
    head + &outputs.iter().map(output).collect::<String>()
}

/// No partition is ahead of another by more than a turn.
fn assert_even(partitions: &BTreeMap<i32, u64>) {
    assert_eq!(partitions.len(), usize::try_from(PARTITIONS).unwrap(), "{partitions:?}");
    let (least, most) = (partitions.values().min().unwrap(), partitions.values().max().unwrap());
    assert!(most - least <= TURN_ROWS, "{partitions:?}");
}

#[test]
fn all_flights_arrive_once_and_unchanged_with_every_compression() {
    let start = Instant::now();
    flights::csv();
    let mut cluster = Cluster::start(&ClusterOptions::default());
    let topics = CODECS.map(|(name, _)| format!("flights-{}", name.to_lowercase()));
    for topic in &topics {
        cluster.admin().create_topic(topic, PARTITIONS, 3, &[]);
    }
    let topics = topics.each_ref().map(String::as_str);
    let outputs: Vec<(&str, &str)> =
        topics.into_iter().zip(CODECS).map(|(topic, (name, _))| (topic, name)).collect();
    let service = Service::start(&job(&cluster.bootstrap(), &outputs));
    println!("cluster and service: {:.1} s", start.elapsed().as_secs_f64());

    let first = CODECS.map(|(name, _)| Sending::start(service.address(), name, &[]).succeed());
    for sent in &first {
        assert_eq!((sent.ended.as_str(), sent.rows_before), ("done", 0), "{sent:?}");
        assert_eq!((sent.rows_total, sent.rows_durable), (Some(flights::ROWS), flights::ROWS));
        assert_eq!(sent.rejected_total, 0);
    }
    // The same command once more: everything is there, and stays as it is.
    let again = CODECS.map(|(name, _)| Sending::start(service.address(), name, &[]).succeed());
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((again.ended.as_str(), again.rows_before), ("already_there", flights::ROWS));
        assert_eq!(again.durable_through, first.durable_through);
    }

    let compared = compare(&cluster.bootstrap(), &topics, flights::ROWS);
    for (((_, codec), sent), found) in CODECS.into_iter().zip(first).zip(compared) {
        assert_even(&found.partitions);
        let stored = cluster.stored(&found.topic, PARTITIONS);
        let batches: Vec<Batch> = stored.into_iter().flatten().collect();
        assert!(batches.iter().all(|batch| batch.codec == codec && !batch.control));
        let records: u64 = batches.iter().map(|batch| u64::try_from(batch.records).unwrap()).sum();
        assert_eq!(records, found.rows);
        let bytes: usize = batches.iter().map(|batch| batch.size_bytes).sum();
        let count = batches.len();
        println!(
            "{:15} {records} rows sent in {:.1} s, compared in {:.1} s; {count} Kafka batches, \
             {:.0} records and {} bytes each; rows per partition {:?}",
            found.topic,
            sent.seconds,
            found.seconds,
            records as f64 / count as f64,
            bytes / count,
            found.partitions.values().collect::<Vec<_>>()
        );
    }
    println!("all: {:.1} s", start.elapsed().as_secs_f64());
}

/// Records that the broker has stored. It tells of a partition before it makes its directory.
fn count(dirs: &[PathBuf]) -> u64 {
    let there = dirs.iter().filter(|dir| dir.exists());
    let batches = there.flat_map(|dir| segments::batches(dir));
    batches.map(|batch| u64::try_from(batch.records).unwrap()).sum()
}

#[test]
fn a_sending_that_is_stopped_or_killed_goes_on_without_loss_and_without_doubles() {
    const ROWS: u64 = 60_000;
    const FREEZE: Duration = Duration::from_secs(5);
    let limits = ["--limit", "60000", "--rate", "20000"];
    let broker = shared_broker();
    let topic = unique_topic("stopped");
    broker.admin().create_topic(&topic, PARTITIONS, 1, &[]);
    let service = Service::start(&job(&broker.bootstrap(), &[(&topic, "Lz4")]));
    let dirs: Vec<PathBuf> =
        (0..PARTITIONS).map(|partition| broker.partition_dir(&topic, partition)).collect();

    let mut first = Sending::start(service.address(), "Lz4", &limits);
    wait_until("a sixth is stored", DEADLINE, || count(&dirs) > ROWS / 6);
    first.signal(Signal::TERM);
    let (code, stopped) = first.end();
    let stopped = stopped.unwrap();
    assert_eq!((code, stopped.ended.as_str()), (Some(STOPPED), "unsettled"), "{stopped:?}");
    assert!(stopped.rows_durable > 0 && stopped.rows_durable < ROWS, "{stopped:?}");
    assert!(count(&dirs) >= stopped.rows_durable, "what was acknowledged is stored");

    let mut second = Sending::start(service.address(), "Lz4", &limits);
    let seen = count(&dirs);
    wait_until("it goes on", DEADLINE, || count(&dirs) > seen + ROWS / 6);
    second.signal(Signal::KILL);
    let (code, none) = second.end();
    assert!(code.is_none() && none.is_none(), "killed in the middle: {code:?} {none:?}");

    let mut third = Sending::start(service.address(), "Lz4", &limits);
    let seen = count(&dirs);
    wait_until("it goes on", DEADLINE, || count(&dirs) > seen + ROWS / 12);
    // Not ended, but it does nothing: neither it nor the service takes that for the end.
    third.signal(Signal::STOP);
    thread::sleep(FREEZE);
    assert!(count(&dirs) < ROWS, "it was frozen in the middle");
    third.signal(Signal::CONT);
    let third = third.succeed();
    assert_eq!(third.reconnects, 0, "{third:?}");
    assert_eq!((third.ended.as_str(), third.rows_durable), ("done", ROWS), "{third:?}");
    assert!(third.rows_before > stopped.rows_durable, "{third:?} {stopped:?}");
    let fourth = Sending::start(service.address(), "Lz4", &limits).succeed();
    assert_eq!((fourth.ended.as_str(), fourth.rows_before), ("already_there", ROWS));

    let compared = compare(&broker.bootstrap(), &[&topic], ROWS);
    assert_even(&compared[0].partitions);
    let counts = reader::topic(&broker.bootstrap(), &topic).uncommitted().counts();
    assert_eq!(counts.values().map(|count| count.records).sum::<u64>(), ROWS);
    let (before, stopped) = (third.rows_before, stopped.rows_durable);
    println!("{ROWS} rows: stopped after {stopped}, killed after {before}, each there once");
}

#[test]
fn the_table_is_fetched_whole() {
    let path: &Path = flights::csv();
    let lines = fs::read_to_string(path).unwrap().lines().count() as u64;
    assert_eq!(lines, flights::ROWS + 1);
}
