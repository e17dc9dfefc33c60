//! What all series share: the broker, the rows, a service or a floor for one run.
use std::{
    env,
    path::Path,
    process::{self, Command, Stdio},
    slice,
    time::{Duration, Instant},
};

use tests::{
    cache,
    engine::{
        Engine,
        job::{job_within, output},
    },
    kafka::{Admin, Broker, BrokerOptions, unique_topic},
    service::Service,
    usage::{children_cpu_time, cpu_time, peak_mib},
};
use tokio::runtime::Runtime;

use super::{
    floor::{Done, Order},
    measure::Noise,
    work::Work,
};

/// A directory in memory: the broker's disk is not the subject.
const MEMORY_DIR: &str = "/dev/shm";

/// Partitions of a topic unless a case is about them.
pub const PARTITIONS: i32 = 12;

/// The budget of the service.
pub const MEMORY: &str = "64 MiB";

/// What every run needs.
pub struct Bench {
    pub broker: Broker,
    pub admin: Admin,
    pub work: Work,
    pub runtime: Runtime,
    pub rounds: usize,
    pub passes: u64,
    /// Texts of which a case's name must hold one, if there are any.
    only: Vec<String>,
}

/// A topic for one run; gone with it.
pub struct Topic<'a> {
    bench: &'a Bench,
    pub name: String,
    pub partitions: i32,
}

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub rows: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub broker_cpu_seconds: f64,
    pub records_per_batch: f64,
    pub peak_mib: f64,
    pub others_percent: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Run {
    /// CPU seconds for a million rows.
    pub fn cost(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.rows as f64
    }
}

impl Bench {
    /// Starts the broker and reads the rows.
    pub fn prepare(rounds: usize, passes: u64, only: Vec<String>) -> Self {
        let memory = Path::new(MEMORY_DIR);
        if memory.is_dir() {
            cache::keep_runs_in(memory);
        } else {
            println!("no {MEMORY_DIR}: the broker writes to the disk, which may be the limit");
        }
        let options = BrokerOptions::default()
            .set("num.io.threads", "4")
            .set("socket.send.buffer.bytes", "1048576")
            .set("socket.receive.buffer.bytes", "1048576")
            .set("message.max.bytes", "10485760")
            .set("log.segment.delete.delay.ms", "100");
        let broker = Broker::start(&options);
        let admin = broker.admin();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be started");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("{cores} cores, {rounds} rounds, {passes} passes of the flights in each run");
        Self { broker, admin, work: Work::load(), runtime, rounds, passes, only }
    }

    /// Whether a case is to be run.
    pub fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| case.contains(text))
    }

    /// A new topic.
    pub fn topic(&self, partitions: i32) -> Topic<'_> {
        let name = unique_topic("bench");
        self.admin.create_topic(&name, partitions, 1, &[]);
        Topic { bench: self, name, partitions }
    }

    /// Starts a service with an output for each topic, all ready.
    pub fn service(&self, topics: &[Topic], memory: &str, more: &str) -> Service {
        let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
        self.service_at(&self.broker.bootstrap(), &names, memory, more)
    }

    /// The same for topics of any broker.
    pub fn service_at(
        &self,
        bootstrap: &str,
        topics: &[&str],
        memory: &str,
        more: &str,
    ) -> Service {
        let outputs: Vec<String> =
            topics.iter().map(|topic| output(topic, bootstrap, topic, more)).collect();
        self.service_of(&job_within(memory, &outputs), topics)
    }

    /// The same of a job whose outputs are called as their topics.
    pub fn service_of(&self, job: &str, topics: &[&str]) -> Service {
        let service = Service::start(job);
        let engine = Engine::connect(&service);
        for topic in topics {
            engine.wait_ready(topic);
        }
        service
    }

    /// Runs `send` and accounts for the service meanwhile.
    pub fn measure(&self, service: &Service, send: impl FnOnce() -> Run) -> Run {
        self.measure_all(slice::from_ref(service), send)
    }

    /// The same for several services: their CPU together, and the memory of the largest.
    pub fn measure_all(&self, services: &[Service], send: impl FnOnce() -> Run) -> Run {
        let broker = self.broker.pid().expect("the broker runs");
        let of_services = || services.iter().map(|one| cpu_time(one.pid())).sum::<Duration>();
        let own = || of_services() + cpu_time(broker) + cpu_time(process::id());
        let noise = Noise::watch(own());
        let (cpu_before, broker_before, start) = (of_services(), cpu_time(broker), Instant::now());
        let run = send();
        Run {
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: (of_services() - cpu_before).as_secs_f64(),
            broker_cpu_seconds: (cpu_time(broker) - broker_before).as_secs_f64(),
            peak_mib: services.iter().map(|one| peak_mib(one.pid())).fold(0.0, f64::max),
            others_percent: noise.percent(own()),
            ..run
        }
    }

    /// Runs a floor in a process of its own.
    pub fn floor(&self, order: &Order) -> Run {
        let broker = self.broker.pid().expect("the broker runs");
        // The floor's own share is known when it has ended.
        let own = || cpu_time(broker) + cpu_time(process::id()) + children_cpu_time();
        let (noise, broker_before) = (Noise::watch(own()), cpu_time(broker));
        let output = Command::new(env::current_exe().expect("the benchmark is a file"))
            .args(["--floor", &serde_json::to_string(order).expect("an order is plain data")])
            .stderr(Stdio::inherit())
            .output()
            .expect("the benchmark runs itself");
        let text = String::from_utf8_lossy(&output.stdout);
        let done: Done = serde_json::from_str(text.trim()).expect("the floor says what it took");
        let others = noise.percent(own());
        Run {
            rows: done.rows,
            seconds: done.seconds,
            cpu_seconds: done.cpu_seconds,
            broker_cpu_seconds: (cpu_time(broker) - broker_before).as_secs_f64(),
            peak_mib: done.peak_mib,
            p50_ms: done.p50_ms,
            p99_ms: done.p99_ms,
            others_percent: others,
            records_per_batch: 0.0,
        }
    }
}

impl Topic<'_> {
    /// Records and Kafka batches that the broker has stored, without markers of transactions.
    pub fn stored(&self) -> (u64, u64) {
        let of = |partition| {
            let batches = self.bench.broker.batches(&self.name, partition);
            let of_rows: Vec<_> = batches.iter().filter(|batch| !batch.control).collect();
            let records: u64 = of_rows.iter().map(|batch| batch.records as u64).sum();
            (records, of_rows.len() as u64)
        };
        (0..self.partitions).map(of).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    }

    /// Checks that exactly so many records are there; records in a Kafka batch on average.
    pub fn check(&self, rows: u64) -> f64 {
        let (records, batches) = self.stored();
        assert_eq!(records, rows, "the broker has stored what was sent");
        records as f64 / batches as f64
    }
}

impl Drop for Topic<'_> {
    fn drop(&mut self) {
        self.bench.admin.delete_topic(&self.name);
    }
}
