//! The way to Kafka is spoiled in every way a network knows, brokers are restarted one by one,
//! topics grow and are made anew, all under load. No stream ends, nothing acknowledged is missing,
//! nothing is there twice, each writer's rows stay in order.
//!
//! `KAFKA_OUTPUT_LONG=1` makes sixty random mishaps instead of one of each kind, and longer ones;
//! `KAFKA_OUTPUT_SEED` repeats a run.

use std::{
    array, env,
    ops::Range,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    is_long,
    kafka::{
        Broker, BrokerOptions, Cluster, ClusterOptions, SharedBroker, own_brokers, shared_broker,
        unique_topic,
    },
    proxy::{self, Door, Proxy, Terms, Way},
    reader::{self, Record},
    service::Service,
    wait::{DEADLINE, wait_until},
};

/// The topic of the cluster.
const TOPIC: &str = "mishaps";
const PARTITIONS: i32 = 3;
const STEADY: Pace = Pace { batch_rows: 50, pause: Duration::from_millis(20) };
const WRITERS: [&str; 2] = ["a", "b"];
/// Every partition gets rows all the time.
const SHORT_TURNS: &str = "metadataRefresh: 1s, partitioning: { turn: { rows: 20 } }";
/// Rows go on within 10 s; a busy machine takes three times as long.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

/// Each load gets on by so many rows; how long the slowest took.
#[track_caller]
fn wait_progress(loads: &[Load], rows: u64) -> Duration {
    let took = loads.iter().map(|load| load.wait_progress(rows)).max();
    took.expect("there are loads")
}

/// The longest time without an acknowledgement, of all loads, since the last look.
fn longest_gap(loads: &[Load]) -> Duration {
    loads.iter().map(|load| load.heard().longest_gap).max().expect("there are loads")
}

/// Waits until no load has heard anything for so long.
#[track_caller]
fn wait_stalled(loads: &[Load], long: Duration) {
    let durable = || loads.iter().map(Load::rows_durable).sum::<u64>();
    let mut last = (durable(), Instant::now());
    wait_until("nothing is acknowledged", DEADLINE, || {
        if durable() != last.0 {
            last = (durable(), Instant::now());
        }
        last.1.elapsed() >= long
    });
}

/// Stops the loads; none of them has lost its stream.
fn stop<const N: usize>(loads: [Load; N]) -> [Sent; N] {
    let sent = loads.map(Load::stop);
    sent.iter().for_each(Sent::assert_unbroken);
    sent
}

/// No load has lost its stream so far.
#[track_caller]
fn assert_not_noticed(loads: &[Load]) {
    let ended: Vec<u64> = loads.iter().map(Load::streams_ended).collect();
    assert!(ended.iter().all(|ended| *ended == 0), "streams that ended: {ended:?}");
}

#[test]
fn a_spoiled_way_to_the_broker_slows_rows_down_and_harms_none() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("spoiled", PARTITIONS, 1, &[]);
    // On a narrow way what a broker is sent at once must pass within `socketTimeout`. The brokers
    // are asked for the topic so rarely that nearly all answers are those to rows.
    let more = "socketTimeout: 2s, batching: { bytes: 32 KB }, metadataRefresh: 1m, \
                partitioning: { turn: { rows: 20 } }";
    let service = Service::start(&job(&way.address().to_string(), "spoiled", more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let loads = WRITERS.map(|writer| Load::start(&engine, OUTPUT, writer, STEADY));
    wait_progress(&loads, 1_000);
    spoil(&way, &loads);
    cut_answers(&way, &loads);

    // One direction is silent for twice `socketTimeout`: requests do not arrive, or they do and
    // nothing comes back.
    for (name, silent) in [("there", Way::There), ("back", Way::Back)] {
        way.spoil(silent, Terms { silent: true, ..Terms::default() });
        wait_stalled(&loads, Duration::from_secs(4));
        way.heal();
        let took = wait_progress(&loads, 500);
        println!("silent on the way {name}, then 500 rows in {took:.1?}");
        assert!(took < RESUME_TIMEOUT);
    }

    way.door(Door::Shut);
    way.reset();
    wait_stalled(&loads, Duration::from_secs(1));
    way.heal();
    let took = wait_progress(&loads, 500);
    println!("refused, then 500 rows in {took:.1?}");
    assert!(took < RESUME_TIMEOUT);

    let sent = stop(loads);
    let records = reader::topic(&broker.bootstrap(), "spoiled").records();
    check::exactly(&records, &sent);
    let stored: Vec<_> = (0..PARTITIONS).map(|p| broker.batches("spoiled", p)).collect();
    assert_eq!(check::headers_of(&stored), records.len() as u64);
}

/// The way is slow, carries small pieces, is narrow, and is cut again and again; each is seen to
/// be so.
fn spoil(way: &Proxy, loads: &[Load]) {
    /// What 4,000 rows of 90 bytes take through a narrow way, and a third less.
    const NARROW_TIME: Duration = Duration::from_secs(2);
    let slow = Terms { delay: Duration::from_millis(500), ..Terms::default() };
    let sliced = Terms { slice_bytes: Some(1_000), ..Terms::default() };
    let narrow = Terms { bytes_per_s: Some(125_000), ..Terms::default() };
    let cut = Terms { cut_after_bytes: Some(200_000), ..Terms::default() };
    let seen = || (way.carried_bytes(Way::There), way.carried_pieces(Way::There));
    let bad = [
        ("slow", slow, 500),
        ("sliced", sliced, 2_000),
        ("narrow", narrow, 2_000),
        ("cut", cut, 2_000),
    ];
    for (name, terms, rows) in bad {
        let (resets, (bytes, pieces)) = (way.connections_reset(), seen());
        way.spoil_both(terms);
        longest_gap(loads);
        let took = wait_progress(loads, rows);
        let gap = longest_gap(loads);
        let (resets, now) = (way.connections_reset() - resets, seen());
        let piece_bytes = (now.0 - bytes) / (now.1 - pieces);
        println!(
            "{name}: {rows} rows in {took:.1?}, longest gap {gap:.1?}, {resets} connections reset, \
             {piece_bytes} bytes a piece"
        );
        assert!(gap >= terms.delay, "{name}: {gap:?}");
        assert!(terms.slice_bytes.is_none_or(|slice| piece_bytes <= slice as u64), "{name}");
        assert!(terms.bytes_per_s.is_none() || took >= NARROW_TIME, "{name}: {took:?}");
        assert_eq!(resets > 0, terms.cut_after_bytes.is_some(), "{name}: {resets} resets");
        way.heal();
        let took = wait_progress(loads, 500);
        assert!(took < RESUME_TIMEOUT, "{name}: {took:?}");
    }
}

/// Requests arrive and are written, and their answers never come: they go again, and the broker
/// knows them.
fn cut_answers(way: &Proxy, loads: &[Load]) {
    for round in 1..=3 {
        let resets = way.connections_reset();
        way.reset_on_next(Way::Back);
        wait_until("an answer is cut off", DEADLINE, || way.connections_reset() > resets);
        let took = wait_progress(loads, 500);
        println!("answer {round} cut off: 500 rows in {took:.1?}");
    }
}

#[test]
fn a_connection_that_was_forgotten_is_given_up_and_rows_take_a_new_one() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("forgotten", PARTITIONS, 1, &[]);
    let more = "socketTimeout: 2s, metadataRefresh: 1h, partitioning: { turn: { rows: 1 } }";
    let service = Service::start(&job(&way.address().to_string(), "forgotten", more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    let mut sent = 0;
    // A row alone and many together have connections of their own.
    for count in [1, 50] {
        let mut send = || {
            stream.send(rows("w", sent..sent + count, ""));
            sent += count;
            let start = Instant::now();
            stream.wait_durable();
            start.elapsed()
        };
        send();
        way.forget();
        let took = send();
        println!("forgotten: {count} rows were acknowledged after {took:.1?}");
        // Nobody but the time tells that a connection is forgotten.
        assert!(took >= Duration::from_secs(1), "{took:?}: this connection was not used");
        assert!(took < RESUME_TIMEOUT, "{took:?}");
    }
    let records = reader::topic(&broker.bootstrap(), "forgotten").records();
    check::exactly(&records, &[Sent::whole("w", sent)]);
    let stored: Vec<_> = (0..PARTITIONS).map(|p| broker.batches("forgotten", p)).collect();
    assert_eq!(check::headers_of(&stored), sent);
}

/// A topic of the shared broker under load.
struct Topic {
    broker: SharedBroker,
    name: String,
    _service: Service,
    engine: Engine,
    loads: [Load; 2],
}

impl Topic {
    fn start(name: &str, partitions: i32) -> Self {
        let (broker, name) = (shared_broker(), unique_topic(name));
        broker.admin().create_topic(&name, partitions, 1, &[]);
        let service = Service::start(&job(&broker.bootstrap(), &name, SHORT_TURNS));
        let engine = Engine::connect(&service);
        engine.wait_ready(OUTPUT);
        let loads = WRITERS.map(|writer| Load::start(&engine, OUTPUT, writer, STEADY));
        wait_progress(&loads, 1_000);
        Self { broker, name, _service: service, engine, loads }
    }

    /// Deletes it and makes it anew. Returns, for each load, how many rows were acknowledged
    /// before, and how many may have gone with the old topic.
    fn make_anew(&self, partitions: i32) -> [(u64, u64); 2] {
        /// What the loads send while the partitions go, one after the other: of each batch some
        /// rows may be stored in those that are still there.
        const CUT_BATCHES: u64 = 20;
        let (admin, engine, loads) = (self.broker.admin(), &self.engine, &self.loads);
        admin.delete_topic(&self.name);
        // A row that was sent by now may have gone with the topic; no later one has.
        let sent = loads.each_ref().map(Load::rows_sent);
        let told = engine.wait_output(OUTPUT, "misses its topic", |output| {
            output.trouble_code == "TOPIC_NOT_FOUND"
        });
        assert!(told.trouble.contains(&self.name), "names the topic: {}", told.trouble);
        assert_eq!(told.state(), OutputState::Unavailable);
        let durable = loads.each_ref().map(Load::rows_durable);
        admin.create_topic(&self.name, partitions, 1, &[]);
        let start = Instant::now();
        wait_progress(loads, 1_000);
        println!("rows went on {:.1?} after the topic was there", start.elapsed());
        let known = u32::try_from(partitions).expect("it is positive");
        assert_eq!(engine.wait_ready(OUTPUT).partitions, known);
        array::from_fn(|n| (durable[n], sent[n].min(durable[n] + CUT_BATCHES * STEADY.batch_rows)))
    }

    /// Stops the loads and reads the topic. `gone` is what [`Topic::make_anew`] says.
    fn stop(self, gone: [(u64, u64); 2]) -> (Vec<Record>, Vec<Sent>) {
        let sent = stop(self.loads);
        let records = reader::topic(&self.broker.bootstrap(), &self.name).records();
        let mut left = Vec::new();
        for (log, (known, gone)) in sent.into_iter().zip(gone) {
            let Sent { writer, rows_sent, .. } = &log;
            println!("{writer}: {known} to {gone} of {rows_sent} rows were in the old topic");
            left.push(Sent { rows_gone: gone, ..log });
        }
        // What was acknowledged before does not come again.
        let since = left.iter().zip(gone).map(|(log, (known, _))| log.rows_sent - known);
        assert!(records.len() as u64 <= since.sum(), "{} records", records.len());
        (records, left)
    }
}

#[test]
fn a_topic_grows_and_is_made_anew_under_load() {
    let topic = Topic::start("anew", 2);
    let (broker, engine) = (&topic.broker, &topic.engine);
    broker.admin().add_partitions(&topic.name, 5);
    engine.wait_output(OUTPUT, "knows five partitions", |output| output.partitions == 5);
    // The broker tells of a partition before it makes its directory.
    let has_rows = |partition| {
        broker.partition_dir(&topic.name, partition).exists()
            && !broker.batches(&topic.name, partition).is_empty()
    };
    wait_until("new partitions get rows", DEADLINE, || (2..5).all(has_rows));
    let gone = topic.make_anew(5);
    let (records, left) = topic.stop(gone);
    check::exactly(&records, &left);
}

#[test]
fn a_topic_that_is_made_anew_with_fewer_partitions_gets_all_rows() {
    let topic = Topic::start("smaller", 3);
    let gone = topic.make_anew(2);
    let (records, left) = topic.stop(gone);
    // Rows of the partition that is gone come behind others: their order may break.
    let found = check::examine(&records, &left);
    println!("{} rows out of order", found.disorder.len());
    assert!(found.faults.is_empty() && found.twice.is_empty(), "{found}");
}

/// What can happen to a cluster behind proxies and to the service between two looks.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Kill,
    Freeze,
    Restart,
    Unplug,
    Slow,
    CutAnswers,
    CutEngines,
    KillService,
}

const MISHAPS: [Mishap; 8] = [
    Mishap::Kill,
    Mishap::Freeze,
    Mishap::Restart,
    Mishap::Unplug,
    Mishap::Slow,
    Mishap::CutAnswers,
    Mishap::CutEngines,
    Mishap::KillService,
];

/// Numbers that look random and follow from a seed (xorshift).
struct Random(u64);

impl Random {
    /// Zero would stay zero for ever.
    fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("a remainder is below its divisor")
    }

    /// All mishaps, in some order.
    fn shuffled(&mut self) -> [Mishap; 8] {
        let mut mishaps = MISHAPS;
        for last in (1..mishaps.len()).rev() {
            mishaps.swap(last, self.below(last + 1));
        }
        mishaps
    }
}

/// A cluster, a service and writers, each behind a proxy.
struct Stage {
    cluster: Cluster,
    to_brokers: [Proxy; 3],
    to_service: Proxy,
    service: Option<Service>,
    /// For each load the rows that were on their way when a service died.
    deaths: [Vec<Range<u64>>; 2],
    job: String,
}

impl Stage {
    fn set() -> Self {
        let to_brokers = [Proxy::start(), Proxy::start(), Proxy::start()];
        let mut cluster = Cluster::start_behind(&to_brokers, &ClusterOptions::default());
        cluster.admin().create_topic(TOPIC, PARTITIONS, 3, &[]);
        let job = job(&proxy::addresses(&to_brokers), TOPIC, SHORT_TURNS);
        let to_service = Proxy::start();
        let deaths = Default::default();
        let mut stage = Self { cluster, to_brokers, to_service, service: None, deaths, job };
        stage.start_service();
        stage
    }

    fn start_service(&mut self) {
        let service = Service::start(&self.job);
        self.to_service.lead_to(service.address().parse().expect("a host and a port"));
        self.service = Some(service);
    }

    fn kill_service(&mut self, loads: &[Load]) {
        let durable: Vec<u64> = loads.iter().map(Load::rows_durable).collect();
        drop(self.service.take());
        for (load, (deaths, durable)) in loads.iter().zip(self.deaths.iter_mut().zip(durable)) {
            // What is sent from here on nobody has taken.
            deaths.push(durable..load.rows_sent());
        }
    }

    /// Waits until all brokers are there and all replicas in sync.
    fn wait_whole(&mut self) {
        self.cluster.wait_complete();
        self.cluster.admin().wait_in_sync(TOPIC);
    }

    /// One mishap, from its beginning to its end, for some broker and so much time.
    fn suffer(&mut self, mishap: Mishap, broker: i32, time: Duration, loads: &[Load]) {
        let way = &self.to_brokers[usize::try_from(broker - 1).expect("brokers are 1, 2 and 3")];
        match mishap {
            Mishap::Kill => {
                self.cluster.kill(broker);
                thread::sleep(time);
                self.cluster.start_again(broker);
            }
            Mishap::Freeze => {
                self.cluster.freeze(broker);
                thread::sleep(time);
                self.cluster.thaw(broker);
            }
            Mishap::Restart => {
                self.cluster.stop(broker);
                self.cluster.start_again(broker);
            }
            Mishap::Unplug => {
                way.unplug();
                thread::sleep(time);
                way.heal();
            }
            Mishap::Slow => {
                way.spoil_both(Terms { delay: Duration::from_millis(200), ..Terms::default() });
                thread::sleep(time);
                way.heal();
            }
            Mishap::CutAnswers => way.reset_on_next(Way::Back),
            Mishap::CutEngines => self.to_service.reset(),
            Mishap::KillService => {
                self.kill_service(loads);
                self.start_service();
            }
        }
    }
}

#[test]
fn restarts_and_moved_leaders_are_not_noticed_and_no_mishap_loses_a_row() {
    let _own = own_brokers();
    let mut stage = Stage::set();
    let address = stage.to_service.address().to_string();
    let loads = WRITERS.map(|writer| Load::start_lasting(&address, OUTPUT, writer, STEADY));
    wait_progress(&loads, 1_000);
    restart_in_turn(&mut stage, &loads);
    move_leaders(&mut stage, &loads);
    assert_not_noticed(&loads);
    mishaps(&mut stage, &loads);

    let deaths = stage.deaths.iter();
    let sent: Vec<Sent> =
        loads.into_iter().zip(deaths).map(|(load, rows)| load.stop().died_with(rows)).collect();
    let records = reader::topic(&stage.cluster.bootstrap(), TOPIC).records();
    let surplus = check::at_least_once(&records, &sent);
    println!("{} records, {surplus} of them again after a kill of the service", records.len());
    let stored = stage.cluster.stored(TOPIC, PARTITIONS);
    assert_eq!(check::headers_of(&stored), records.len() as u64);
}

/// A rolling restart.
fn restart_in_turn(stage: &mut Stage, loads: &[Load]) {
    for broker in 1..=3 {
        longest_gap(loads);
        stage.suffer(Mishap::Restart, broker, Duration::ZERO, loads);
        stage.wait_whole();
        wait_progress(loads, 1_000);
        let gap = longest_gap(loads);
        println!("broker {broker} restarted: longest gap {gap:.1?}");
        assert!(gap < RESUME_TIMEOUT);
    }
}

/// Leaders move back to where they belong, without any failure.
fn move_leaders(stage: &mut Stage, loads: &[Load]) {
    longest_gap(loads);
    let mut moved = 0;
    for partition in 0..PARTITIONS {
        let admin = stage.cluster.admin();
        let found = admin.partition(TOPIC, partition).expect("the topic is there");
        if found.leader != found.replicas[0] {
            stage.cluster.elect_preferred(TOPIC, partition);
            let leader = admin.leader_after(TOPIC, partition, found.leader);
            assert_eq!(leader, found.replicas[0]);
            moved += 1;
        }
    }
    assert!(moved > 0, "after the restarts some partition is led by another");
    wait_progress(loads, 1_000);
    let gap = longest_gap(loads);
    println!("{moved} leaders moved: longest gap {gap:.1?}");
    assert!(gap < RESUME_TIMEOUT);
}

/// All of them, in an order and with times that look random.
fn mishaps(stage: &mut Stage, loads: &[Load]) {
    let (rounds, least_ms, more_ms) = if is_long() { (60, 500, 8_000) } else { (8, 300, 500) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let given = env::var("KAFKA_OUTPUT_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed = given.unwrap_or(now.as_micros() as u64);
    println!("KAFKA_OUTPUT_SEED={seed} repeats these {rounds} mishaps");
    let mut random = Random::new(seed);
    let mut left = Vec::new();
    for round in 1..=rounds {
        if left.is_empty() {
            left.extend(random.shuffled());
        }
        let mishap = left.pop().expect("it was filled");
        let broker = i32::try_from(1 + random.below(3)).expect("a small number");
        let time = Duration::from_millis(least_ms + random.below(more_ms) as u64);
        longest_gap(loads);
        stage.suffer(mishap, broker, time, loads);
        wait_progress(loads, 500);
        let gap = longest_gap(loads);
        println!("{round}: {mishap:?}, broker {broker}, {time:.1?}: longest gap {gap:.1?}");
        // Two brokers at once would be too many for what is promised.
        stage.wait_whole();
    }
}
