//! Rows arrive as the output's settings say, in Kafka batches that are worth their overhead, and
//! the service does not burn a core for it.

use std::{
    thread,
    time::{Duration, Instant},
};

use proto::v1::{Guarantee, Row, Value, value::Kind};
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job, job_of, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::{Broker, BrokerOptions, shared_broker, unique_topic},
    proxy::{Proxy, Terms},
    reader,
    segments::{Batch, Codec},
    service::Service,
    usage::cpu_time,
    wait::{DEADLINE, wait_until},
};

/// What fills rows that are to be compressed.
const FILLING: &str = "some text to be compressed";

/// Outputs with these settings, each with a topic of its own with one partition; sends `count`
/// rows to each and returns, after they have arrived, what the broker has stored.
fn deliver(settings: &[&str], count: u64) -> Vec<(Guarantee, Vec<Batch>)> {
    let broker = shared_broker();
    let topics: Vec<String> = settings.iter().map(|_| unique_topic("delivered")).collect();
    let outputs: Vec<String> = settings
        .iter()
        .zip(&topics)
        .map(|(more, topic)| {
            broker.admin().create_topic(topic, 1, 1, &[]);
            output(topic, &broker.bootstrap(), topic, more)
        })
        .collect();
    let service = Service::start(&job_of(&outputs));
    let engine = Engine::connect(&service);
    let deliver = |topic: &String| {
        engine.wait_ready(topic);
        let mut stream = engine.open(topic, "w");
        stream.declare(&COLUMNS);
        stream.send(rows("w", 0..count, FILLING));
        stream.wait_durable();
        let stored = || broker.batches(topic, 0);
        // With `acks: Zero` an acknowledgement comes before the row has arrived.
        wait_until("the rows have arrived", DEADLINE, || {
            stored().iter().map(|batch| batch.records).sum::<i32>() as u64 >= count
        });
        check::exactly(
            &reader::topic(&broker.bootstrap(), topic).records(),
            &[Sent::whole("w", count).filled(FILLING)],
        );
        (stream.opened.guarantee(), stored())
    };
    topics.iter().map(deliver).collect()
}

#[test]
fn acknowledgements_promise_what_acks_say() {
    let settings = ["", "acks: All, idempotence: false", "acks: One", "acks: Zero"];
    let delivered = deliver(&settings, 1_000);
    let found: Vec<_> = delivered
        .iter()
        .map(|(guarantee, batches)| {
            (*guarantee, batches.iter().all(|batch| batch.producer_id >= 0))
        })
        .collect();
    let expected = [
        (Guarantee::AtLeastOnce, true),
        (Guarantee::AtLeastOnce, false),
        (Guarantee::BestEffort, false),
        (Guarantee::BestEffort, false),
    ];
    assert_eq!(found, expected, "guarantee, idempotent");
}

#[test]
fn batches_are_compressed_as_the_output_says_with_and_without_linger() {
    let codecs = [
        ("None", Codec::None),
        ("Snappy", Codec::Snappy),
        ("Lz4, level: 0", Codec::Lz4),
        ("Lz4, level: 12", Codec::Lz4),
        ("Gzip, level: 1", Codec::Gzip),
        ("Gzip, level: 9", Codec::Gzip),
        ("Zstd, level: 1", Codec::Zstd),
        ("Zstd, level: 12", Codec::Zstd),
    ];
    for linger in ["5ms", "0ms"] {
        let settings = codecs.map(|(kind, _)| {
            format!("compression: {{ type: {kind} }}, batching: {{ linger: {linger} }}")
        });
        let delivered = deliver(&settings.each_ref().map(String::as_str), 2_000);
        let bytes: Vec<usize> = delivered
            .iter()
            .map(|(_, batches)| batches.iter().map(|batch| batch.size_bytes).sum())
            .collect();
        for ((kind, codec), (_, batches)) in codecs.iter().zip(&delivered) {
            // A batch of a few rows may be smaller without compression, and is left so.
            let mut large = batches.iter().filter(|batch| batch.records >= 100);
            assert!(large.all(|batch| batch.codec == *codec), "{kind}: {batches:?}");
        }
        println!("linger {linger}: bytes {bytes:?}");
        assert!(bytes[1..].iter().all(|size| *size < bytes[0] / 2), "compressed: {bytes:?}");
        // A higher level tries harder. Without linger batches differ, and their sizes with them.
        if linger != "0ms" {
            let harder = bytes[2..].chunks(2).all(|pair| pair[1] < pair[0]);
            assert!(harder, "levels: {bytes:?}");
        }
    }
}

#[test]
fn many_small_batches_make_few_large_kafka_batches() {
    const PARTITIONS: i32 = 3;
    let broker = shared_broker();
    let topic = unique_topic("saturated");
    broker.admin().create_topic(&topic, PARTITIONS, 1, &[]);
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let pace = Pace { batch_rows: 10, pause: Duration::ZERO };
    let writers = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let loads = writers.map(|writer| Load::start(&engine, OUTPUT, writer, pace));
    thread::sleep(Duration::from_secs(2));
    let sent = loads.map(Load::stop);

    let batches: Vec<Batch> = (0..PARTITIONS).flat_map(|p| broker.batches(&topic, p)).collect();
    let records: u64 = batches.iter().map(|batch| batch.records as u64).sum();
    let average = records / batches.len() as u64;
    println!("{records} rows in {} Kafka batches, {average} rows each", batches.len());
    assert_eq!(records, sent.iter().map(|sent| sent.rows_durable).sum::<u64>());
    assert!(average >= 500, "{average} rows in a Kafka batch");
}

#[test]
fn a_row_that_comes_alone_is_acknowledged_quickly() {
    let broker = shared_broker();
    let topic = unique_topic("alone");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    // A linger that would be seen, were it waited for: it is for rows that find others queued.
    let linger = "batching: { linger: 2s }";
    let service = Service::start(&job(&broker.bootstrap(), &topic, linger));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            let start = Instant::now();
            let kinds = [Kind::Text("w".to_owned()), Kind::Int64(n), Kind::Text(String::new())];
            let values = kinds.map(|kind| Value { kind: Some(kind) });
            stream.send_typed(vec![Row { values: values.into() }]);
            stream.wait_durable();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("one row, one acknowledgement: median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(500), "nothing is queued, so nothing is waited for");
    let records = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&records, &[Sent::whole("w", 200)]);
}

#[test]
fn an_idle_service_uses_next_to_no_cpu() {
    const IDLE: Duration = Duration::from_secs(3);
    let broker = shared_broker();
    let topic = unique_topic("idle");
    broker.admin().create_topic(&topic, 3, 1, &[]);
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "quiet");
    stream.declare(&COLUMNS);
    stream.send(rows("quiet", 0..100, ""));
    stream.wait_durable();

    let before = cpu_time(service.pid());
    thread::sleep(IDLE);
    let used = cpu_time(service.pid()) - before;
    println!("{used:?} of CPU in {IDLE:?} of idling");
    assert!(used < IDLE / 20, "{used:?}");
}

#[test]
fn waiting_for_a_slow_broker_costs_no_cpu() {
    const DELAY: Duration = Duration::from_millis(10);
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    // Without linger nothing else keeps a ready batch from waiting behind one that is away.
    let outputs = ["5ms", "0ms"].map(|linger| {
        broker.admin().create_topic(linger, 3, 1, &[]);
        let more = format!("batching: {{ linger: {linger} }}, metadataRefresh: 1m");
        output(linger, &way.address().to_string(), linger, &more)
    });
    let service = Service::start(&job_of(&outputs));
    let engine = Engine::connect(&service);
    for linger in ["5ms", "0ms"] {
        engine.wait_ready(linger);
        // Enough rows for librdkafka to start sending while they are still being handed over.
        let pace = Pace { batch_rows: 300, pause: Duration::from_millis(20) };
        let loads = ["a", "b"].map(|writer| Load::start(&engine, linger, writer, pace));
        let cpu_per_row = |delay: Duration| {
            way.spoil_both(Terms { delay, ..Terms::default() });
            thread::sleep(Duration::from_millis(500));
            let rows = || loads.iter().map(Load::rows_durable).sum::<u64>();
            let (rows_before, before) = (rows(), cpu_time(service.pid()));
            thread::sleep(Duration::from_secs(3));
            let (rows, used) = (rows() - rows_before, cpu_time(service.pid()) - before);
            println!("linger {linger}, {delay:?} each way: {used:?} of CPU for {rows} rows");
            assert!(rows > 1_000, "rows go on, {rows}");
            used.as_secs_f64() / rows as f64
        };
        let (quick, slow) = (cpu_per_row(Duration::ZERO), cpu_per_row(DELAY));
        println!("CPU for a row: {:.2} µs, with delay {:.2} µs", quick * 1e6, slow * 1e6);
        assert!(slow <= 3.0 * quick, "{slow} s a row with delay, {quick} s without");
        way.heal();
        for sent in loads.map(Load::stop) {
            assert_eq!(sent.rows_durable, sent.rows_sent);
        }
    }
}
