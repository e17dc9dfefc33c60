//! Replicas of one job on the brokers of a stage, behind a balancer of connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use tests::{
    balancer::Balancer,
    check::invariants::{Promise, Seen, assert_none},
    engine::{
        job::{SHUTDOWN_TIMEOUT_S, job_of, output, with_admin},
        load::{Load, Pace, Sent},
    },
    kafka::unique_topic,
    reader::{self, Following},
    service::Service,
    stage::{Entered, progress_key, stored_progress},
    wait::{DEADLINE, wait_until},
};

/// Writers of an output.
pub const WRITERS: usize = 10;

/// Partitions of a topic.
const PARTITIONS: i32 = 6;

/// A writer that stands still longer has been forgotten, however busy the machine is: a replica that
/// ends says so at once, and another one has the writer when it has read how far it was.
const STILL_MAX: Duration = Duration::from_secs(30);

/// Exit code of a replica that has settled all it had.
const DONE: i32 = 0;

/// Enough rows to have some on their way whenever a stream ends, and few enough to read all of them.
const PACE: Pace = Pace { batch_rows: 20, pause: Duration::from_millis(50) };

/// The replicas, and what is before and behind them.
pub struct Fleet {
    stage: Entered,
    progress: String,
    /// The topics, which are also the aliases.
    topics: BTreeMap<Promise, String>,
    job: String,
    pub balancer: Balancer,
    pub replicas: Vec<Service>,
}

/// The writers of a fleet, and those who read what they write.
pub struct Writers {
    loads: Vec<(Promise, Load)>,
    following: Following,
}

impl Fleet {
    /// So many replicas, all ready. `grpc` are more keys of the listener.
    pub fn start(name: &str, replicas: usize, grpc: &str) -> Self {
        let mut stage = tests::stage::enter();
        let bootstrap = stage.cluster.bootstrap();
        let progress = unique_topic(&format!("{name}-progress"));
        let admin = stage.cluster.admin();
        let of = |promise: Promise| {
            let topic = unique_topic(&format!("{name}-{}", promise.name()));
            admin.create_topic(&topic, PARTITIONS, 3, &[]);
            (promise, topic)
        };
        let topics = BTreeMap::from(Promise::BOTH.map(of));
        drop(admin);
        let outputs = topics.iter().map(|(promise, topic)| {
            let guarantee = promise.name();
            let more = format!(
                "guarantee: {guarantee}, progress: {{ topic: {progress} }}, partitioning: {{ turn: \
                 {{ rows: 20 }} }}"
            );
            output(topic, &bootstrap, topic, &more)
        });
        let job = with_admin(&job_of(&outputs.collect::<Vec<_>>()));
        let replace = |job: String, from: &str, to: &str| {
            assert_eq!(job.matches(from).count(), 1, "{from} in {job}");
            job.replace(from, to)
        };
        let listen = format!("address: '127.0.0.1:0'{grpc} }}, admin");
        let job = replace(job, "address: '127.0.0.1:0' }, admin", &listen);
        // What a replica does not settle in time would be there twice: here it has time enough.
        let timeout = format!("shutdownTimeout: {SHUTDOWN_TIMEOUT_S}s");
        let job = replace(job, &timeout, &format!("shutdownTimeout: {}s", STILL_MAX.as_secs()));
        let (balancer, all) = (Balancer::start(), Vec::new());
        let mut fleet = Self { stage, progress, topics, job, balancer, replicas: all };
        (0..replicas).for_each(|_| fleet.grow());
        fleet
    }

    /// The topic of an output, which is also its alias.
    pub fn topic(&self, promise: Promise) -> &str {
        &self.topics[&promise]
    }

    /// Where the brokers are.
    pub fn bootstrap(&self) -> String {
        self.stage.cluster.bootstrap()
    }

    /// One replica more.
    pub fn grow(&mut self) {
        let replica = Service::start(&self.job);
        self.balancer.add(&replica);
        self.replicas.push(replica);
    }

    /// Ends the oldest replica with SIGTERM, as Kubernetes does. That it is not ready any more the
    /// balancer finds out by itself.
    pub fn shrink(&mut self) {
        let replica = self.replicas.remove(0);
        let (address, start) = (replica.address().to_owned(), Instant::now());
        let ended = replica.terminate(2 * STILL_MAX);
        println!("a replica has ended after {:.1?}", start.elapsed());
        self.balancer.remove(&address);
        assert_eq!(ended.code, Some(DONE), "all is settled: {}", ended.stderr);
    }

    /// How many writers have a stream at each replica.
    pub fn writers_of_each(&self) -> Vec<usize> {
        let of = |replica: &Service| {
            let scrape = replica.admin().metrics();
            let of = |topic: &String| {
                scrape.value(&format!("kafka_output_writers{{output=\"{topic}\"}}"))
            };
            self.topics.values().map(|topic| of(topic).expect("it is an output") as usize).sum()
        };
        self.replicas.iter().map(of).collect()
    }

    /// Waits until all these writers are at replicas, and each replica has so many of them at least.
    pub fn wait_spread(&self, name: &str, writers: usize, each: usize) {
        let mut shown = Vec::new();
        wait_until("each replica has its part", DEADLINE, || {
            let now = self.writers_of_each();
            if now != shown {
                println!("{name}: writers at {now:?}");
                shown.clone_from(&now);
            }
            now.iter().sum::<usize>() == writers && now.iter().all(|writers| *writers >= each)
        });
    }

    /// Opens the writers of both outputs, all through the balancer.
    pub fn write(&self) -> Writers {
        let address = self.balancer.address().to_string();
        let loads = thread::scope(|scope| {
            let start = |promise: Promise, n: usize| {
                let (address, topic) = (&address, self.topic(promise));
                let start = move || Load::start_lasting(address, topic, &format!("w{n}"), PACE);
                (promise, scope.spawn(start))
            };
            let all = Promise::BOTH.into_iter().flat_map(|of| (0..WRITERS).map(move |n| (of, n)));
            let opening: Vec<_> = all.map(|(promise, n)| start(promise, n)).collect();
            let opened = opening.into_iter();
            opened.map(|(of, one)| (of, one.join().expect("the writer is opened"))).collect()
        });
        let following = reader::topic(&self.bootstrap(), self.topic(Promise::ExactlyOnce)).follow();
        Writers { loads, following }
    }

    /// Stops the writers, and looks at everything that must hold: no row lost, none there twice, each
    /// writer's in their order, by readers that are not ours.
    pub fn check(&self, name: &str, writers: Writers) {
        let stood_still = writers.loads.iter().map(|(_, load)| load.heard().longest_gap);
        let stood_still = stood_still.max().expect("there are writers");
        println!("{name}: a writer stood still for {stood_still:.1?} at most");
        assert!(stood_still < STILL_MAX, "a writer stood still for {stood_still:.1?}");
        let Writers { loads, following } = writers;
        loads.iter().for_each(|(_, load)| load.send_no_more());
        let mut sent: BTreeMap<Promise, Vec<Sent>> = BTreeMap::new();
        for (promise, load) in loads {
            // That streams have ended excuses nothing: all that was read had settled before.
            sent.entry(promise).or_default().push(load.stop().died_with(&[]));
        }
        let mut followed = Some(following.stop());
        let bootstrap = self.bootstrap();
        let stored = stored_progress(&bootstrap, &self.progress);
        for (promise, sent) in sent {
            let topic = self.topic(promise);
            let is_exact = promise == Promise::ExactlyOnce;
            let plain = reader::topic(&bootstrap, topic).uncommitted().records();
            let seen = Seen {
                promise,
                sent,
                committed: match is_exact {
                    true => reader::topic(&bootstrap, topic).records(),
                    false => plain.clone(),
                },
                plain,
                letters: Vec::new(),
                followed: followed.take_if(|_| is_exact),
                progress: BTreeMap::new(),
                overtaken: BTreeSet::new(),
                may_end_with: BTreeSet::from(["DRAINING"]),
            };
            let seen =
                seen.with_progress(|writer| stored.get(&progress_key(topic, writer)).copied());
            let findings = seen.findings();
            println!(
                "{name}: {}: {} rows of {} writers, {} aborted, {} again, {} streams ended",
                promise.name(),
                seen.committed.len(),
                seen.sent.len(),
                seen.aborted(),
                seen.surplus(),
                seen.sent.iter().map(|log| log.ends.len()).sum::<usize>()
            );
            assert_none(name, &findings);
        }
    }
}

impl Writers {
    /// Waits until every writer has moved since it stood where `before` says, and goes on.
    pub fn each_moves(&self, before: &[u64]) {
        for ((_, load), before) in self.loads.iter().zip(before) {
            wait_until("a stream ends", DEADLINE, || load.streams_ended() > *before);
        }
        self.each_goes_on();
    }

    /// Waits until every writer goes on.
    pub fn each_goes_on(&self) {
        for (_, load) in &self.loads {
            load.wait_progress(1);
        }
    }

    /// How many streams of each writer have ended.
    pub fn moves(&self) -> Vec<u64> {
        self.loads.iter().map(|(_, load)| load.streams_ended()).collect()
    }
}
