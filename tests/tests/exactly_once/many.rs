//! Many writers of one output: each has a producer of its own, up to a declared number, and what it
//! holds is given back.

use proto::v1::Open;
use tests::{
    check,
    engine::{
        Engine,
        load::{COLUMNS, Sent, rows},
    },
    kafka::unique_topic,
    service::Service,
    usage,
    wait::{DEADLINE, wait_until},
};

use super::{committed, job_into};

const WRITERS: usize = 40;
const ROWS: u64 = 100;

/// What a writer holds at most, as `docs/delivery` says: its thread and librdkafka's, connections,
/// and memory.
const THREADS: u64 = 6;
const FILES: usize = 12;
const MEMORY_BYTES: u64 = 2 << 20;

#[test]
fn each_writer_holds_what_is_declared_and_gives_it_back() {
    let topic = unique_topic("many");
    let job = job_into(&topic, &format!("transactions: {{ maxWriters: {WRITERS} }}"));
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready(&topic);
    let pid = service.pid();
    let held = || (usage::threads(pid), usage::files(pid), usage::memory_bytes(pid));
    let before = held();

    let names: Vec<String> = (0..WRITERS).map(|writer| format!("w{writer}")).collect();
    let mut streams: Vec<_> = names.iter().map(|name| engine.open(&topic, name)).collect();
    for (stream, name) in streams.iter_mut().zip(&names) {
        stream.declare(&COLUMNS);
        stream.send(rows(name, 0..ROWS, ""));
    }
    streams.iter_mut().for_each(|stream| stream.wait_durable());
    let with = held();
    println!("before {before:?}, with {WRITERS} writers {with:?}");
    let writers = WRITERS as u64;
    // The engine's streams share a connection; some threads come with the first calls.
    assert!(with.0 <= before.0 + writers * THREADS + 8, "{} threads", with.0);
    assert!(with.1 <= before.1 + WRITERS * FILES + 8, "{} files", with.1);
    assert!(with.2 <= before.2 + writers * MEMORY_BYTES, "{} bytes", with.2);

    let open =
        Open { output: topic.clone(), writer_id: "one too many".to_owned(), ..Open::default() };
    let refused = engine.try_open(open).unwrap_err();
    println!("{}: {}", refused.reason, refused.message);
    assert_eq!((refused.reason.as_str(), refused.retry), ("TOO_MANY_WRITERS", true), "{refused:?}");
    assert!(refused.message.contains("transactions.maxWriters"), "{refused:?}");
    assert!(refused.message.contains(&WRITERS.to_string()), "{refused:?}");

    drop(streams);
    wait_until("threads and connections are given back", DEADLINE, || {
        let now = held();
        now.0 <= before.0 + 8 && now.1 <= before.1 + 8
    });
    println!("given back: {:?}", held());
    let mut stream = engine.open(&topic, "there is room again");
    stream.declare(&COLUMNS);
    stream.send(rows("there is room again", 0..ROWS, ""));
    stream.wait_durable();
    let mut sent: Vec<Sent> = names.iter().map(|name| Sent::whole(name, ROWS)).collect();
    sent.push(Sent::whole("there is room again", ROWS));
    check::exactly(&committed(&topic), &sent);
}
