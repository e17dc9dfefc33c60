//! Engines whose way is slow, breaks or goes silent, that vanish, hang or flood: each gets what it
//! is promised and no more, the others notice nothing, and nothing of it stays behind.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proto::v1::Open;
use tests::{
    check,
    engine::{
        Answer, Engine, Stream,
        job::{OUTPUT, job, job_within, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::{Admin, own_brokers, shared_broker, unique_topic},
    proxy::{Proxy, Terms, Way},
    reader,
    service::Service,
    stage::stored_progress,
    usage,
    wait::{DEADLINE, wait_until},
};
use tonic::Code;

const PARTITIONS: i32 = 3;
const STEADY: Pace = Pace { batch_rows: 50, pause: Duration::from_millis(10) };
/// Where progress is stored without a word in the job file.
const PROGRESS: &str = "kafka-output-progress";
/// A steady writer hears something far more often; a busy machine makes it wait.
const UNHARMED: Duration = Duration::from_secs(3);

fn new_topic(admin: &Admin, name: &str) -> String {
    let topic = unique_topic(name);
    admin.create_topic(&topic, PARTITIONS, 1, &[]);
    topic
}

fn way_to(service: &Service) -> Proxy {
    Proxy::to(service.address().parse().expect("a host and a port"))
}

fn open_through(way: &Proxy, writer: &str) -> Stream {
    let engine = Engine::connect_to(&way.address().to_string()).expect("the way is open");
    let mut stream = engine.open(OUTPUT, writer);
    stream.declare(&COLUMNS);
    stream
}

#[test]
fn a_bad_way_to_the_service_costs_time_and_no_row_and_nobody_else_anything() {
    let _own = own_brokers();
    let broker = shared_broker();
    let topic = new_topic(&broker.admin(), "bad-way");
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let way = way_to(&service);
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let far = Load::start_lasting(&way.address().to_string(), OUTPUT, "far", STEADY);
    let near = Load::start(&engine, OUTPUT, "near", STEADY);
    far.wait_progress(1_000);
    near.heard();

    let slow = Terms { delay: Duration::from_millis(250), ..Terms::default() };
    let sliced = Terms { slice_bytes: Some(1_000), ..Terms::default() };
    let narrow = Terms { bytes_per_s: Some(125_000), ..Terms::default() };
    let cut = Terms { cut_after_bytes: Some(100_000), ..Terms::default() };
    for (name, terms) in [("slow", slow), ("sliced", sliced), ("narrow", narrow), ("cut", cut)] {
        way.spoil_both(terms);
        far.heard();
        let took = far.wait_progress(3_000);
        let gap = far.heard().longest_gap;
        println!("{name}: 3,000 rows in {took:.1?}, longest gap {gap:.1?}");
        way.heal();
    }
    // Answers are late and lost with the connection: what is stored goes again, and is known.
    way.spoil(Way::Back, Terms { delay: Duration::from_millis(100), ..Terms::default() });
    for _ in 0..10 {
        far.wait_progress(200);
        way.reset();
    }
    way.heal();
    far.wait_progress(1_000);
    let near_gap = near.heard().longest_gap;
    println!("the other writer's longest gap: {near_gap:.1?}");
    assert!(near_gap < UNHARMED, "{near_gap:?}");

    let sent = [far.stop(), near.stop()];
    let unanswered: u64 = sent[0].unanswered.iter().map(|rows| rows.end - rows.start).sum();
    println!("{} streams, {unanswered} rows without an answer", sent[0].unanswered.len() + 1);
    assert!(sent[0].unanswered.len() > 10 && unanswered > 0, "streams ended with rows in flight");
    sent[1].assert_unbroken();
    check::exactly(&reader::topic(&broker.bootstrap(), &topic).records(), &sent);
}

#[test]
fn a_stream_whose_engine_fell_silent_gives_way_to_the_next_one() {
    let broker = shared_broker();
    let topic = new_topic(&broker.admin(), "half-open");
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let (way, direct) = (way_to(&service), Engine::connect(&service));
    direct.wait_ready(OUTPUT);
    let mut half_open = open_through(&way, "w");
    // The service hears the batches; its answers, and all later words, go nowhere.
    way.spoil(Way::Back, Terms { silent: true, ..Terms::default() });
    for batch in 0..20 {
        half_open.send(rows("w", batch * 100..(batch + 1) * 100, ""));
    }
    direct.wait_output(OUTPUT, "has the rows", |output| {
        output.records_in_flight + output.records_delivered == 2_000
    });
    way.unplug();
    assert_eq!(direct.output(OUTPUT).writers_live, 1, "nobody has told the service");

    let start = Instant::now();
    let mut next = direct.open(OUTPUT, "w");
    println!("the next stream was open after {:.1?}", start.elapsed());
    assert_eq!(next.opened.resume_after, 20, "everything that was taken is settled first");
    next.declare(&COLUMNS);
    next.send(rows("w", 2_000..2_100, ""));
    next.wait_durable();
    let sent = [Sent::whole("w", 2_100)];
    check::exactly(&reader::topic(&broker.bootstrap(), &topic).records(), &sent);
    way.heal();
    let end = half_open.wait_end().expect_err("the older stream hears its end when it can");
    assert_eq!((end.code, end.reason.as_str()), (Code::Aborted, "TAKEN_OVER"), "{end:?}");
}

#[test]
fn an_engine_that_stalls_in_the_middle_of_a_message_harms_nobody() {
    const ROWS: u64 = 5_000;
    let broker = shared_broker();
    let topic = new_topic(&broker.admin(), "stalled");
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let (way, direct) = (way_to(&service), Engine::connect(&service));
    direct.wait_ready(OUTPUT);
    let near = Load::start(&direct, OUTPUT, "near", STEADY);
    near.wait_progress(500);
    near.heard();
    let mut stalled = open_through(&way, "w");
    stalled.send(rows("w", 0..100, ""));
    stalled.wait_durable();
    let carried = way.carried_bytes(Way::There);
    // At this rate half a megabyte takes eight minutes.
    way.spoil(Way::There, Terms { bytes_per_s: Some(1_000), ..Terms::default() });
    let filler = "x".repeat(80);
    let lines = rows("w", 100..100 + ROWS, &filler);
    let bytes = lines.len() as u64;
    stalled.send(lines);
    wait_until("the message has begun", DEADLINE, || {
        way.carried_bytes(Way::There) > carried + 1_000
    });
    near.wait_progress(5_000);
    let (carried, known) = (way.carried_bytes(Way::There) - carried, direct.writer(OUTPUT, "w"));
    assert!(carried < bytes / 2, "{carried} of {bytes} bytes: it is not stalled");
    assert_eq!(known.durable_through, 1, "a part of a batch is no batch");

    // Another engine takes over and sends the batch again.
    let mut next = direct.open(OUTPUT, "w");
    assert_eq!(next.opened.resume_after, 1);
    next.declare(&COLUMNS);
    next.send(rows("w", 100..200, ""));
    next.wait_durable();
    way.heal();
    let end = stalled.wait_end().expect_err("the older stream is over");
    assert_eq!((end.code, end.reason.as_str()), (Code::Aborted, "TAKEN_OVER"), "{end:?}");
    let gap = near.heard().longest_gap;
    println!("{carried} of {bytes} bytes; the other writer's longest gap {gap:.1?}");
    assert!(gap < UNHARMED, "{gap:?}");
    let sent = [near.stop(), Sent { batch_rows: 100, ..Sent::whole("w", 200) }];
    sent[0].assert_unbroken();
    check::exactly(&reader::topic(&broker.bootstrap(), &topic).records(), &sent);
}

#[test]
fn engines_that_flood_or_hang_are_bounded_and_harm_nobody() {
    const MEMORY_BYTES: u64 = 64 << 20;
    const OVERHEAD_BYTES: u64 = 24 << 20;
    const FLOODS: usize = 8;
    const BATCH_ROWS: u64 = 100;
    let _own = own_brokers();
    let broker = shared_broker();
    let (topic, late) = (new_topic(&broker.admin(), "good"), unique_topic("late"));
    // While its topic is missing nothing is acknowledged, so all that comes in adds up.
    let more = "metadataRefresh: 500ms";
    let outputs = [
        output("good", &broker.bootstrap(), &topic, ""),
        output(OUTPUT, &broker.bootstrap(), &late, more),
    ];
    let service = Service::start(&job_within("64 MiB", &outputs));
    let engine = Engine::connect(&service);
    engine.wait_ready("good");
    let good = Load::start(&engine, "good", "good", STEADY);
    good.wait_progress(1_000);

    // These read nothing: their answers fill what lies between, and stay where they are.
    let way = way_to(&service);
    let mut hung: Vec<Stream> =
        (0..FLOODS).map(|n| open_through(&way, &format!("hung-{n}"))).collect();
    way.spoil(Way::Back, Terms { silent: true, ..Terms::default() });
    let wide = "x".repeat(1_000);
    let send_next = |stream: &mut Stream, writer: &str| {
        let first = stream.sent * BATCH_ROWS;
        stream.send(rows(writer, first..first + BATCH_ROWS, &wide))
    };
    let batch_bytes = rows("hung-0", 100_000..100_000 + BATCH_ROWS, &wide).len() as u64;
    let mut rows_sent = BTreeMap::new();
    for (n, stream) in hung.iter_mut().enumerate() {
        let writer = format!("hung-{n}");
        while stream.may_send(batch_bytes) {
            send_next(stream, &writer);
        }
        rows_sent.insert(writer, stream.sent * BATCH_ROWS);
    }
    // These know no credit.
    good.heard();
    for n in 0..FLOODS {
        let writer = format!("flood-{n}");
        let mut stream = engine.open(OUTPUT, &writer);
        stream.declare(&COLUMNS);
        for _ in 0..500 {
            send_next(&mut stream, &writer);
        }
        rows_sent.insert(writer, stream.sent * BATCH_ROWS);
        let end = stream.wait_end().expect_err("a flood ends the stream");
        let reason = (end.code, end.reason.as_str(), end.retry);
        assert_eq!(reason, (Code::ResourceExhausted, "CREDIT_EXCEEDED", false), "{end:?}");
    }
    good.wait_progress(1_000);
    let (gap, peak) = (good.heard().longest_gap, usage::peak_memory_bytes(service.pid()));
    println!("the good writer's longest gap {gap:.1?}, peak memory {} MiB", peak >> 20);
    assert!(gap < UNHARMED, "{gap:?}");
    assert!(peak <= MEMORY_BYTES + OVERHEAD_BYTES, "{peak} bytes");

    // What was taken is written when it can be, and the same engines go on by the rules.
    broker.admin().create_topic(&late, PARTITIONS, 1, &[]);
    // At least the first batch of each that hangs; of the floods nothing had got so far.
    let taken = FLOODS as u64 * BATCH_ROWS;
    engine.wait_output(OUTPUT, "writes what was taken", |output| output.records_delivered >= taken);
    way.reset();
    way.heal();
    drop(hung);
    engine.wait_output(OUTPUT, "has settled what was taken", |output| {
        output.writers_live == 0 && output.records_in_flight == 0
    });
    for writer in ["hung-0", "flood-0"] {
        let mut stream = open_through(&way, writer);
        send_next(&mut stream, writer);
        stream.wait_durable();
    }
    let log = |(writer, rows_sent): (String, u64)| {
        let rows_durable = engine.writer(OUTPUT, &writer).durable_through * BATCH_ROWS;
        let rows_sent = rows_sent.max(rows_durable);
        Sent {
            rows_sent,
            batch_rows: BATCH_ROWS,
            ..Sent::whole(&writer, rows_durable).filled(&wide)
        }
    };
    let sent: Vec<Sent> = rows_sent.into_iter().map(log).collect();
    let records = reader::topic(&broker.bootstrap(), &late).records();
    println!("{} rows of those that hung or flooded were taken", records.len());
    assert!(records.len() as u64 >= taken + 2 * BATCH_ROWS, "there is something to compare");
    check::exactly(&records, &sent);
    let sent = [good.stop()];
    sent[0].assert_unbroken();
    check::exactly(&reader::topic(&broker.bootstrap(), &topic).records(), &sent);
}

#[test]
fn engines_that_come_and_vanish_leave_nothing_behind() {
    const WAVES: u64 = 4;
    const ENGINES: u64 = 50;
    let _own = own_brokers();
    let broker = shared_broker();
    let topic = new_topic(&broker.admin(), "vanishing");
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let (way, direct, pid) = (way_to(&service), Engine::connect(&service), service.pid());
    direct.wait_ready(OUTPUT);
    let vanish = |wave: u64| {
        let streams = (0..ENGINES).map(|n| {
            let writer = format!("{wave}-{n}");
            let mut stream = open_through(&way, &writer);
            for batch in 0..10 {
                stream.send(rows(&writer, batch * 100..(batch + 1) * 100, ""));
            }
            stream
        });
        let streams: Vec<Stream> = streams.collect();
        assert_eq!(way.connections() as u64, ENGINES);
        way.reset();
        drop(streams);
        direct.wait_output(OUTPUT, "has no streams", |output| {
            output.writers_live == 0 && output.records_in_flight == 0
        });
    };
    // The first wave makes what stays: buffers of the allocator, connections to the broker, also that
    // over which progress is stored, some time after the rows.
    vanish(0);
    wait_until("the progress of the first wave is stored", DEADLINE, || {
        let stored = stored_progress(&broker.bootstrap(), PROGRESS);
        stored.contains_key(&format!("tests.{OUTPUT}.atLeastOnce.0-0"))
    });
    let calm = || (usage::files(pid), usage::threads(pid));
    let (before, memory) = (calm(), usage::memory_bytes(pid));
    for wave in 1..=WAVES {
        vanish(wave);
    }
    wait_until(&format!("files and threads are {before:?}, as before"), DEADLINE, || {
        let (now, (files, threads)) = (calm(), before);
        now.0 <= files && now.1 <= threads
    });
    let memory_after = usage::memory_bytes(pid);
    println!(
        "{} engines came and vanished: files and threads {:?}, before {before:?}; memory {} MiB, \
         before {} MiB",
        WAVES * ENGINES,
        calm(),
        memory_after >> 20,
        memory >> 20
    );
    assert!(memory_after < memory + (16 << 20), "{memory} bytes before, {memory_after} after");

    // What each had sent and the service had read is settled; the next stream knows.
    let open = Open { output: OUTPUT.into(), writer_id: "1-1".into(), ..Open::default() };
    let mut next = direct.try_open(open).expect("nobody holds the name");
    let known = next.opened.resume_after;
    next.declare(&COLUMNS);
    next.sent = known;
    for batch in known..10 {
        next.send(rows("1-1", batch * 100..(batch + 1) * 100, ""));
    }
    next.wait_durable();
    assert_eq!(next.next(Duration::ZERO), None::<Answer>);
    let log = |writer: String| {
        let rows_durable = direct.writer(OUTPUT, &writer).durable_through * 100;
        Sent { rows_sent: 1_000, batch_rows: 100, ..Sent::whole(&writer, rows_durable) }
    };
    let writers = (0..=WAVES).flat_map(|wave| (0..ENGINES).map(move |n| format!("{wave}-{n}")));
    let sent: Vec<Sent> = writers.map(log).collect();
    let records = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&records, &sent);
    let durable: u64 = sent.iter().map(|log| log.rows_durable).sum();
    assert_eq!(durable, records.len() as u64, "what is stored is known to be");
}
