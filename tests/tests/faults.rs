//! The way to Kafka is spoiled in every way a network knows, brokers are restarted one by one,
//! topics grow and are made anew, all under load. No stream ends, nothing acknowledged is missing,
//! nothing is there twice, each writer's rows stay in order.
//!
//! `KAFKA_OUTPUT_LONG=1` makes many random rounds instead of a few; `KAFKA_OUTPUT_SEED` repeats a
//! run.

use std::{
    env, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job},
        load::{Load, Pace, Sent},
    },
    kafka::{
        Broker, BrokerOptions, Cluster, ClusterOptions, own_brokers, shared_broker, unique_topic,
    },
    proxy::{self, Door, Proxy, Terms, Way},
    reader,
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

fn is_long() -> bool {
    env::var_os("KAFKA_OUTPUT_LONG").is_some()
}

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
    for log in &sent {
        assert!(log.end.is_none() && log.unanswered.is_empty(), "no stream ends: {log:?}");
    }
    sent
}

#[test]
fn a_spoiled_way_to_the_broker_slows_rows_down_and_harms_none() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("spoiled", PARTITIONS, 1, &[]);
    // On a narrow way what a broker is sent at once must pass within `socketTimeout`.
    let more = format!("socketTimeout: 2s, batching: {{ bytes: 32 KB }}, {SHORT_TURNS}");
    let service = Service::start(&job(&way.address().to_string(), "spoiled", &more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let loads = WRITERS.map(|writer| Load::start(&engine, OUTPUT, writer, STEADY));
    wait_progress(&loads, 1_000);

    let slow = Terms { delay: Duration::from_millis(500), ..Terms::default() };
    let sliced = Terms { slice_bytes: Some(1_000), ..Terms::default() };
    let narrow = Terms { bytes_per_s: Some(125_000), ..Terms::default() };
    let cut = Terms { cut_after_bytes: Some(200_000), ..Terms::default() };
    for (name, terms) in [("slow", slow), ("sliced", sliced), ("narrow", narrow), ("cut", cut)] {
        way.spoil_both(terms);
        longest_gap(&loads);
        let took = wait_progress(&loads, 2_000);
        println!("{name}: 2,000 rows in {took:.1?}, longest gap {:.1?}", longest_gap(&loads));
        way.heal();
        let took = wait_progress(&loads, 500);
        assert!(took < RESUME_TIMEOUT, "{name}: {took:?}");
    }

    for round in 1..=3 {
        // Requests arrive and are written, and their answers never come: they go again, and the
        // broker knows them.
        way.reset_on_next(Way::Back);
        let took = wait_progress(&loads, 500);
        println!("answer {round} cut off: 500 rows in {took:.1?}");
    }

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
    let headers: u64 = (0..PARTITIONS).map(|p| check::headers(&broker.batches("spoiled", p))).sum();
    assert_eq!(headers, records.len() as u64);
}

#[test]
fn a_topic_grows_and_is_made_anew_under_load() {
    let broker = shared_broker();
    let (admin, topic) = (broker.admin(), unique_topic("anew"));
    admin.create_topic(&topic, 2, 1, &[]);
    let service = Service::start(&job(&broker.bootstrap(), &topic, SHORT_TURNS));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let loads = WRITERS.map(|writer| Load::start(&engine, OUTPUT, writer, STEADY));
    wait_progress(&loads, 1_000);
    admin.add_partitions(&topic, 5);
    engine.wait_output(OUTPUT, "knows five partitions", |output| output.partitions == 5);
    let has_rows = |partition| !broker.batches(&topic, partition).is_empty();
    wait_until("new partitions get rows", DEADLINE, || (2..5).all(has_rows));

    admin.delete_topic(&topic);
    // A row that was sent by now may have gone with the topic; no later one has.
    let gone = loads.each_ref().map(Load::rows_sent);
    let told = engine
        .wait_output(OUTPUT, "misses its topic", |output| output.trouble_code == "TOPIC_NOT_FOUND");
    assert!(told.trouble.contains(&topic), "names the topic: {}", told.trouble);
    assert_eq!(told.state(), OutputState::Unavailable);
    admin.create_topic(&topic, 5, 1, &[]);
    let start = Instant::now();
    wait_progress(&loads, 1_000);
    println!("rows went on {:.1?} after the topic was there", start.elapsed());
    assert_eq!(engine.wait_ready(OUTPUT).partitions, 5);

    let sent = stop(loads);
    let records = reader::topic(&broker.bootstrap(), &topic).records();
    let left: Vec<Sent> =
        sent.into_iter().zip(gone).map(|(log, rows)| Sent { rows_gone: rows, ..log }).collect();
    check::exactly(&records, &left);
    for log in left {
        println!(
            "{}: {} of {} rows were in the old topic",
            log.writer, log.rows_gone, log.rows_sent
        );
    }
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
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).expect("a remainder is below its divisor")
    }
}

/// A cluster, a service and writers, each behind a proxy.
struct Stage {
    cluster: Cluster,
    to_brokers: [Proxy; 3],
    to_service: Proxy,
    service: Option<Service>,
    job: String,
}

impl Stage {
    fn set() -> Self {
        let to_brokers = [Proxy::start(), Proxy::start(), Proxy::start()];
        let mut cluster = Cluster::start_behind(&to_brokers, &ClusterOptions::default());
        cluster.admin().create_topic(TOPIC, PARTITIONS, 3, &[]);
        let job = job(&proxy::addresses(&to_brokers), TOPIC, SHORT_TURNS);
        let to_service = Proxy::start();
        let mut stage = Self { cluster, to_brokers, to_service, service: None, job };
        stage.start_service();
        stage
    }

    fn start_service(&mut self) {
        let service = Service::start(&self.job);
        self.to_service.lead_to(service.address().parse().expect("a host and a port"));
        self.service = Some(service);
    }

    /// Waits until all brokers are there and all replicas in sync.
    fn wait_whole(&mut self) {
        self.cluster.wait_complete();
        self.cluster.admin().wait_in_sync(TOPIC);
    }

    /// One mishap, from its beginning to its end, for some broker and so much time.
    fn suffer(&mut self, mishap: Mishap, broker: i32, time: Duration) {
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
                drop(self.service.take());
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
    mishaps(&mut stage, &loads);

    let sent = loads.map(Load::stop);
    let records = reader::topic(&stage.cluster.bootstrap(), TOPIC).records();
    let surplus = check::at_least_once(&records, &sent);
    println!("{} records, {surplus} of them again after a kill of the service", records.len());
    let stored = stage.cluster.stored(TOPIC, PARTITIONS);
    let headers: u64 = stored.iter().map(|batches| check::headers(batches)).sum();
    assert_eq!(headers, records.len() as u64);
}

/// A rolling restart.
fn restart_in_turn(stage: &mut Stage, loads: &[Load]) {
    for broker in 1..=3 {
        longest_gap(loads);
        stage.suffer(Mishap::Restart, broker, Duration::ZERO);
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

/// Some random ones, one after the other.
fn mishaps(stage: &mut Stage, loads: &[Load]) {
    let (rounds, longest_ms) = if is_long() { (60, 8_000) } else { (3, 1_500) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let given = env::var("KAFKA_OUTPUT_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed = given.unwrap_or(now.as_micros() as u64 | 1);
    println!("KAFKA_OUTPUT_SEED={seed} repeats these {rounds} mishaps");
    let mut random = Random(seed);
    for round in 1..=rounds {
        let mishap = MISHAPS[random.below(MISHAPS.len())];
        let broker = i32::try_from(1 + random.below(3)).expect("a small number");
        let time = Duration::from_millis(500 + random.below(longest_ms) as u64);
        longest_gap(loads);
        stage.suffer(mishap, broker, time);
        wait_progress(loads, 500);
        let gap = longest_gap(loads);
        println!("{round}: {mishap:?}, broker {broker}, {time:.1?}: longest gap {gap:.1?}");
        // Two brokers at once would be too many for what is promised.
        stage.wait_whole();
    }
}
