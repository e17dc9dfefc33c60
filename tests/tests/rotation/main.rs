//! Credentials are replaced while rows flow: a client certificate, the authority behind the
//! brokers' certificates, a SCRAM password, a PLAIN user, and the key behind access tokens, each in
//! two outputs of its own, at least and exactly once, all at the same time. In every round the new one is put where the job file
//! says, the old one is revoked at the brokers, and every connection is cut, so that only the new
//! one lets anybody in. No row is lost, doubled or out of order.
//!
//! Five rounds; `KAFKA_OUTPUT_LONG=1` makes twenty.

use std::{
    thread,
    time::{Duration, Instant},
};

use proto::v1::Guarantee;
use tests::{
    check,
    engine::{
        Engine,
        job::{job_within, output},
        load::{Load, Pace},
    },
    is_long,
    kafka::{Listener, SecureBrokers, SecureOptions, own_brokers},
    proxy::Proxy,
    reader,
    service::Service,
    usage,
    wait::{DEADLINE, wait_until},
};

use self::{place::Place, subject::Subject};

mod letters;
mod place;
mod subject;

const PARTITIONS: i32 = 3;
const BATCH_ROWS: u64 = 200;
/// What each output at least once is asked for; a writer that pauses after each batch makes 10,000
/// of it, and all of them 50,000 rows a second.
const ROWS_A_SECOND: f64 = 11_000.0;
/// And each of exactly once.
const ROWS_A_SECOND_EXACT: f64 = 1_000.0;
/// No pause is longer, with threefold slack for a machine that does other things as well.
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Exactly once another producer fences the one before, and reads back how far the writer has come.
const PAUSE_MAX_EXACT: Duration = Duration::from_secs(9);
/// Between looks at what the service holds.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Threads that read files, and wait for more; a producer that stays would be more than these.
const IDLE_THREADS: u64 = 6;
/// What the allocator keeps of a second producer, and of its peak.
const MEMORY_SLACK_BYTES: u64 = 48 << 20;

fn rounds() -> usize {
    if is_long() { 20 } else { 5 }
}

/// What a process holds.
#[derive(Debug)]
struct Held {
    threads: u64,
    files: usize,
    memory: u64,
}

impl Held {
    fn now(service: &Service) -> Self {
        let pid = service.pid();
        Self {
            threads: usage::threads(pid),
            files: usage::files(pid),
            memory: usage::memory_bytes(pid),
        }
    }
}

#[test]
fn credentials_are_replaced_under_load_and_nothing_is_lost() {
    let _own = own_brokers();
    let ways = Subject::LISTENERS.map(|_| [Proxy::start()]);
    let options = Subject::LISTENERS.iter().zip(&ways);
    let options = options
        .fold(SecureOptions::default(), |options, (listener, way)| options.behind(*listener, way));
    let brokers = SecureBrokers::start(&options);
    let place = Place::new();
    Subject::prepare(&brokers);
    let mut subjects = Subject::ALL.map(|kind| Subject::start(kind, &brokers, &place, PARTITIONS));

    let outputs: Vec<_> = subjects
        .iter()
        .flat_map(|subject| {
            let bootstrap = brokers.bootstrap(subject.listener());
            let keys = subject.keys(&place);
            let [plain, exact] = subject.outputs();
            [
                output(plain, &bootstrap, plain, &keys),
                output(exact, &bootstrap, exact, &format!("{keys}, guarantee: exactlyOnce")),
            ]
        })
        .collect();
    let names: Vec<&str> = subjects.iter().flat_map(Subject::outputs).collect();
    let job = format!("secretRefresh: 1s\n{}", job_within("128 MiB", &outputs));
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    for name in &names {
        engine.wait_ready(name);
    }
    let pace = |rows_a_second| {
        let pause = Duration::from_secs_f64(BATCH_ROWS as f64 / rows_a_second);
        Pace { batch_rows: BATCH_ROWS, pause }
    };
    let paces = [ROWS_A_SECOND, ROWS_A_SECOND_EXACT].map(pace);
    let loads: Vec<_> = names
        .iter()
        .zip(paces.into_iter().cycle())
        .map(|(name, pace)| Load::start(&engine, name, name, pace))
        .collect();
    let progress = || {
        for load in &loads {
            load.wait_progress(2 * BATCH_ROWS);
        }
    };
    progress();
    let before = Held::now(&service);
    loads.iter().for_each(|load| drop(load.heard()));

    for round in 1..=rounds() {
        // All at once: each waits for its own facts.
        thread::scope(|scope| {
            for subject in &mut subjects {
                let (brokers, engine, place) = (&brokers, &engine, &place);
                scope.spawn(move || subject.renew(round, brokers, engine, place));
            }
        });
        for subject in &mut subjects {
            subject.revoke(&brokers);
        }
        // Whoever is in must come in again.
        let reset = |way: &Proxy| way.connections_reset();
        let before: Vec<_> = ways.iter().flatten().map(reset).collect();
        ways.iter().flatten().for_each(Proxy::reset);
        wait_until("every connection is cut", DEADLINE, || {
            ways.iter().flatten().map(reset).zip(&before).all(|(now, before)| now > *before)
        });
        progress();
    }

    let mut sent = Vec::new();
    for (name, load) in names.iter().zip(loads) {
        let heard = load.heard();
        let state = engine.output(name);
        println!(
            "{name}: {} renewals, {:.0} rows/s, longest pause {:.0?}",
            state.credentials_renewed,
            heard.rate(),
            heard.longest_gap
        );
        let is_exact = state.guarantee() == Guarantee::ExactlyOnce;
        let most = if is_exact { PAUSE_MAX_EXACT } else { PAUSE_MAX };
        assert!(heard.longest_gap < most, "{name}: {:?}", heard.longest_gap);
        assert_eq!(state.credentials_trouble, "", "{name}");
        assert!(state.credentials_renewed >= rounds() as u64, "{name}");
        sent.push(load.stop());
    }
    for (name, sent) in names.iter().zip(sent) {
        let plain = brokers.bootstrap(Listener::Plaintext);
        check::exactly(&reader::topic(&plain, name).records(), &[sent]);
    }
    // Each producer that was replaced is gone, with its threads and connections.
    let is_back = |now: &Held| {
        now.threads <= before.threads + IDLE_THREADS
            && now.files <= before.files
            && now.memory < before.memory + MEMORY_SLACK_BYTES
    };
    let end = Instant::now() + DEADLINE;
    let mut after = Held::now(&service);
    while !is_back(&after) {
        assert!(Instant::now() < end, "not given back: {after:?}, before {before:?}");
        thread::sleep(LOOK_EVERY);
        after = Held::now(&service);
    }
    println!("held before {before:?}, after {after:?}");
}
