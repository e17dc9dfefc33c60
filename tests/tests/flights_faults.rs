//! A whole real table goes through the real command while brokers die, brokers freeze, and the
//! service itself is killed. The command ends well, nothing is missing, and what is there twice
//! is what the command has said.
//!
//! `KAFKA_OUTPUT_LONG=1` freezes for 45 s instead of 8.

use std::{
    thread,
    time::{Duration, Instant},
};

use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job},
        watch::Watch,
    },
    flights::{self, Compared, Sending, compare_with},
    is_long,
    kafka::{Cluster, ClusterOptions},
    proxy::{Door, Proxy, Terms, Way},
    service::Service,
};

const PARTITIONS: i32 = 12;
const WRITER: &str = "flights";
/// Rows of a batch: small, so that progress is seen in small steps.
const BATCH_ROWS: u64 = 100;
/// A turn for each partition: whoever has come so far has written to all of them.
const ONE_ROUND: u64 = 1_000 * 12 / BATCH_ROWS;
/// Rows go on within 10 s without a leader; a busy machine takes three times as long.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than a broker's session, after which others lead.
const FREEZE: Duration = Duration::from_secs(8);
const LONG_FREEZE: Duration = Duration::from_secs(45);

/// Makes the topic, and a job with the default settings, as far as a test can have them.
fn job_into(cluster: &mut Cluster, topic: &str) -> String {
    cluster.admin().create_topic(topic, PARTITIONS, 3, &[]);
    job(&cluster.bootstrap(), topic, "")
}

/// Compares every value of the topic with the file and looks at every batch header. At most
/// `surplus` records may be there in addition, each row `deaths` times.
fn compare_all(cluster: &mut Cluster, topic: &str, surplus: u64, deaths: u64) -> Compared {
    let bootstrap = cluster.bootstrap();
    let found = compare_with(&bootstrap, &[topic], flights::ROWS, surplus, deaths).remove(0);
    let stored = cluster.stored(topic, PARTITIONS);
    assert_eq!(check::headers_of(&stored), found.rows);
    found
}

#[test]
fn the_flights_survive_leaders_that_die_and_freeze_and_the_death_of_the_service() {
    flights::csv();
    let mut cluster = Cluster::start(&ClusterOptions::default());
    leaders_die_and_freeze(&mut cluster);
    the_service_is_killed(&mut cluster);
}

/// The sender sees nothing of it: all flights arrive once.
fn leaders_die_and_freeze(cluster: &mut Cluster) {
    let service = Service::start(&job_into(cluster, "flights"));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    // Slow enough for rows to be left when the last fault has gone.
    let rate = if is_long() { "5000" } else { "20000" };
    let batch_rows = BATCH_ROWS.to_string();
    let more = ["--writer", WRITER, "--batch-rows", &batch_rows, "--rate", rate];
    let mut sending = Sending::start(service.address(), OUTPUT, &more);
    let watch = Watch::start(&engine, OUTPUT, WRITER);
    watch.wait_progress(ONE_ROUND);
    let calm = watch.longest_gap();

    let killed = cluster.admin().leader("flights", 0);
    cluster.kill(killed);
    let went_on = watch.wait_progress(ONE_ROUND);
    cluster.start_again(killed);
    cluster.wait_complete();
    cluster.admin().wait_in_sync("flights");
    let after_kill = watch.longest_gap();
    println!("without faults the longest gap is {calm:.1?}");
    println!("leader killed: a round in {went_on:.1?}, longest gap {after_kill:.1?}");

    let frozen = cluster.admin().leader("flights", 0);
    let start = Instant::now();
    cluster.freeze(frozen);
    // While it is frozen: whoever waits for it does not come so far.
    let went_on = watch.wait_progress(ONE_ROUND);
    let freeze = if is_long() { LONG_FREEZE } else { FREEZE };
    thread::sleep(freeze.saturating_sub(start.elapsed()));
    cluster.thaw(frozen);
    let (froze, after_freeze) = (start.elapsed(), watch.longest_gap());
    println!(
        "leader frozen for {froze:.1?}: a round in {went_on:.1?}, longest gap {after_freeze:.1?}"
    );
    assert!(!sending.has_ended(), "the faults came in time");
    watch.wait_progress(ONE_ROUND);
    cluster.admin().wait_in_sync("flights");
    assert!(after_kill < RESUME_TIMEOUT && after_freeze < RESUME_TIMEOUT);

    let sent = sending.succeed();
    assert_eq!((sent.ended.as_str(), sent.rows_durable), ("done", flights::ROWS), "{sent:?}");
    assert_eq!((sent.reconnects, sent.repeated_rows), (0, 0), "the sender saw nothing: {sent:?}");
    compare_all(cluster, "flights", 0, 0);
}

/// `send` goes on by itself, from what it knows to be durable, and says what may be there twice.
fn the_service_is_killed(cluster: &mut Cluster) {
    const DEATHS: u64 = 2;
    let job = job_into(cluster, "killed");
    let mut service = Service::start(&job);
    // One address for both lives of the service.
    let address = |service: &Service| service.address().parse().expect("a host and a port");
    let way = Proxy::to(address(&service));
    // Answers come late: when the service dies, much of what is stored has none.
    way.spoil(Way::Back, Terms { delay: Duration::from_millis(200), ..Terms::default() });
    let batch_rows = BATCH_ROWS.to_string();
    let more = ["--writer", WRITER, "--batch-rows", &batch_rows, "--rate", "40000"];
    let sending = Sending::start(&way.address().to_string(), OUTPUT, &more);
    let mut answered = Vec::new();
    for _ in 1..=DEATHS {
        let watch = Watch::start(&Engine::connect(&service), OUTPUT, WRITER);
        watch.wait_progress(ONE_ROUND);
        // More than a second before the end: these answers do arrive.
        answered.push(watch.durable_through());
        watch.wait_progress(4 * ONE_ROUND);
        drop(watch);
        way.door(Door::Shut);
        way.reset(); // and the answers on their way are lost
        service.kill();
        service = Service::start(&job);
        way.lead_to(address(&service));
        way.door(Door::Open);
    }

    let sent = sending.succeed();
    assert_eq!((sent.ended.as_str(), sent.rows_durable), ("done", flights::ROWS), "{sent:?}");
    assert!(sent.reconnects >= DEATHS, "{sent:?}");
    let said = sent.repeated_rows;
    let Compared { surplus, twice, .. } = compare_all(cluster, "killed", said, DEATHS);
    println!("{surplus} rows are there twice, `send` said at most {said}: lines {twice:?}");
    assert!(surplus > 1_000, "answers were late, so some stored rows had none: {surplus}");
    let (first, answered) = (twice.expect("some are there twice").0, answered[0] * BATCH_ROWS);
    assert!(first >= answered, "line {first} is there twice, {answered} rows were acknowledged");
    // What goes again was on its way, which is little beside what was acknowledged by then.
    assert!(said < flights::ROWS / 5, "{said}");
}
