//! Rows are dealt out evenly, to every partition that can take them.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job, job_of, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::{Cluster, ClusterOptions, shared_broker, unique_topic},
    reader::{self, Count},
    segments::Batch,
    service::Service,
    wait::{DEADLINE, wait_until},
};

/// Records of each partition, those without any among them.
fn records(counts: &BTreeMap<i32, Count>, partitions: i32) -> Vec<u64> {
    (0..partitions).map(|p| counts.get(&p).map_or(0, |count| count.records)).collect()
}

/// How far the fullest is ahead of the emptiest.
fn spread(records: &[u64]) -> u64 {
    let (least, most) = (records.iter().min(), records.iter().max());
    most.expect("a topic has partitions") - least.expect("a topic has partitions")
}

#[test]
fn no_partition_is_ahead_of_another_by_more_than_a_turn() {
    const PARTITIONS: i32 = 4;
    /// Batches of all sizes against the turn, from many times smaller to many times larger.
    const BATCHES: [u64; 8] = [1, 7, 137, 1_000, 3, 64, 2_501, 11];
    let broker = shared_broker();
    let turns = [1, 10, 1_000].map(|turn| (turn, format!("turn-{turn}"), unique_topic("even")));
    let outputs = turns.each_ref().map(|(turn, alias, topic)| {
        broker.admin().create_topic(topic, PARTITIONS, 1, &[]);
        let more = format!("partitioning: {{ turn: {{ rows: {turn}, time: 1h }} }}");
        output(alias, &broker.bootstrap(), topic, &more)
    });
    let service = Service::start(&job_of(&outputs));
    let engine = Engine::connect(&service);
    // All writers at once, so that turns are cut across by the batches of others.
    let writers: Vec<_> = turns
        .iter()
        .flat_map(|(_, alias, _)| ["a", "b", "c"].map(|writer| (alias.clone(), writer)))
        .map(|(alias, writer)| {
            let engine = engine.clone();
            thread::spawn(move || {
                let mut stream = engine.open(&alias, writer);
                stream.declare(&COLUMNS);
                let mut first = 0;
                for count in BATCHES.repeat(3) {
                    stream.send(rows(writer, first..first + count, ""));
                    first += count;
                }
                stream.wait_durable();
                first
            })
        })
        .collect();
    let rows = writers.into_iter().map(|writer| writer.join().expect("a writer has not failed"));
    let rows: Vec<u64> = rows.collect();
    for (turn, _, topic) in turns {
        let found = reader::topic(&broker.bootstrap(), &topic).records();
        check::exactly(&found, &["a", "b", "c"].map(|writer| Sent::whole(writer, rows[0])));
        let of = |p| found.iter().filter(|record| record.partition == p).count() as u64;
        let counts: Vec<u64> = (0..PARTITIONS).map(of).collect();
        assert!(spread(&counts) <= turn, "turns of {turn} rows: {counts:?}");
    }
}

#[test]
fn partitions_that_are_added_get_their_rows_at_the_next_refresh() {
    /// Twenty refreshes fit in; the default of five minutes does not.
    const KNOWN_TIMEOUT: Duration = Duration::from_secs(10);
    let broker = shared_broker();
    let topic = unique_topic("growing");
    broker.admin().create_topic(&topic, 2, 1, &[]);
    let more = "metadataRefresh: 500ms, partitioning: { turn: { rows: 10 } }";
    let service = Service::start(&job(&broker.bootstrap(), &topic, more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..1_000, ""));
    stream.wait_durable();

    broker.admin().add_partitions(&topic, 5);
    let start = Instant::now();
    engine.wait_output(OUTPUT, "knows five partitions", |output| output.partitions == 5);
    let took = start.elapsed();
    println!("new partitions are known after {took:?}");
    assert!(took < KNOWN_TIMEOUT, "known after {took:?} with a refresh every 500 ms");
    stream.send(rows("w", 1_000..2_000, ""));
    stream.wait_durable();

    let found = reader::topic(&broker.bootstrap(), &topic);
    check::exactly(&found.records(), &[Sent::whole("w", 2_000)]);
    // From here on all five get the same; the older two keep what they had.
    let counts = records(&found.counts(), 5);
    let since: Vec<u64> =
        counts.iter().zip([500, 500, 0, 0, 0]).map(|(all, old)| all - old).collect();
    assert!(spread(&since) <= 10, "{counts:?}");
}

#[test]
fn partitions_that_are_added_while_rows_come_one_by_one_get_theirs_from_both_producers() {
    const FIRST: i32 = 2;
    const LAST: i32 = 6;
    let broker = shared_broker();
    let topic = unique_topic("growing-slowly");
    broker.admin().create_topic(&topic, FIRST, 1, &[]);
    let more = "metadataRefresh: 500ms, partitioning: { turn: { rows: 1 } }";
    let service = Service::start(&job(&broker.bootstrap(), &topic, more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    let mut sent = 0;
    let mut send = |count: u64| {
        stream.send(rows("w", sent..sent + count, ""));
        stream.wait_durable();
        sent += count;
        sent
    };
    let stored = |total: i32| -> Vec<u64> {
        (0..total).map(|p| check::headers(&broker.batches(&topic, p))).collect()
    };
    let mut rows_sent = 0;
    for total in FIRST + 1..=LAST {
        let adding = thread::spawn({
            let (admin, topic) = (broker.admin(), topic.clone());
            move || admin.add_partitions(&topic, total)
        });
        let known = u32::try_from(total).expect("it is positive");
        let (start, mut alone) = (Instant::now(), 0);
        while !adding.is_finished() || engine.output(OUTPUT).partitions != known {
            send(1);
            alone += 1;
            assert!(start.elapsed() < DEADLINE, "{total} partitions are not known");
        }
        adding.join().expect("Kafka adds partitions");
        println!("{total} partitions, {alone} rows meanwhile, one by one");
        // From here on each row goes to the next partition, through whichever producer.
        let mut before = stored(total);
        for (batches, count) in [(10 * total, 1), (1, 100 * total)] {
            for _ in 0..batches {
                rows_sent = send(u64::try_from(count).expect("it is positive"));
            }
            let now = stored(total);
            let got: Vec<u64> = now.iter().zip(&before).map(|(now, then)| now - then).collect();
            assert!(spread(&got) <= 1, "{batches} batches of {count}: {got:?}");
            before = now;
        }
    }

    let of = |fact: fn(&Batch) -> bool, p| -> BTreeSet<i64> {
        let batches = broker.batches(&topic, p).into_iter().filter(fact);
        batches.map(|batch| batch.producer_id).collect()
    };
    let (all, many) = (of(|_| true, 0), of(|batch| batch.records > 1, 0));
    assert_eq!((all.len(), many.len()), (2, 1), "single rows go by a producer of their own");
    for partition in 1..LAST {
        assert_eq!(of(|_| true, partition), all, "partition {partition}");
        assert_eq!(of(|batch| batch.records > 1, partition), many, "partition {partition}");
    }
    let log = service.stderr();
    assert!(!log.contains("_UNKNOWN_PARTITION"), "a producer did not know a partition: {log}");
    let found = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&found, &[Sent::whole("w", rows_sent)]);
}

#[test]
fn a_partition_without_leader_is_passed_over_and_caught_up_on() {
    const PARTITIONS: i32 = 3;
    const TURN: u64 = 10;
    let mut cluster = Cluster::start(&ClusterOptions::default());
    cluster.admin().create_topic("single", PARTITIONS, 1, &[("min.insync.replicas", "1")]);
    let more = "metadataRefresh: 500ms, partitioning: { turn: { rows: 10 } }";
    let service = Service::start(&job(&cluster.bootstrap(), "single", more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "before");
    stream.declare(&COLUMNS);
    stream.send(rows("before", 0..300, ""));
    stream.wait_durable();

    let lost = cluster.admin().leader("single", 1);
    cluster.kill(lost);
    let away = engine
        .wait_output(OUTPUT, "misses a leader", |output| output.partitions_without_leader > 0);
    assert!(away.partitions_without_leader < away.partitions, "{away:?}");
    // What was dealt out is known without the brokers: the others get all of this.
    let pace = Pace { batch_rows: 50, pause: Duration::from_millis(10) };
    let load = Load::start(&engine, OUTPUT, "meanwhile", pace);
    load.wait_progress(1_000);

    cluster.start_again(lost);
    engine.wait_output(OUTPUT, "has all leaders", |output| output.partitions_without_leader == 0);
    let bootstrap = cluster.bootstrap();
    let of_all = || records(&reader::topic(&bootstrap, "single").counts(), PARTITIONS);
    let behind = of_all();
    // Every row now goes to the partition that has the fewest.
    wait_until("the partition is caught up on", DEADLINE, || spread(&of_all()) < spread(&behind));
    load.wait_progress(spread(&behind) * 2);
    let meanwhile = load.stop();
    println!("when the leader was back {behind:?}, in the end {:?}", of_all());
    assert!(spread(&behind) > 300, "the partition was passed over: {behind:?}");
    assert!(spread(&of_all()) <= TURN, "{:?}", of_all());
    let found = reader::topic(&bootstrap, "single").records();
    check::exactly(&found, &[Sent::whole("before", 300), meanwhile]);
}
