//! One fault, under load, and what must hold afterwards.

use std::{
    collections::BTreeSet,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Stage,
    ending::progress_key,
    plan::{OutputPlan, Plan},
};
use crate::{
    check::invariants::{Finding, Invariant, Promise},
    engine::{
        Engine,
        job::{SHUTDOWN_TIMEOUT_S, job_of, output},
        load::{Load, Pace},
    },
    kafka::unique_topic,
    process::Signal,
    proxy::{Proxy, addresses},
    reader::{self, Following},
    service::{Ended, Service, ServiceOptions},
};

/// The longest a stop may take: the job's own time, and two seconds for a busy machine.
const STOP_MAX: Duration = Duration::from_secs(SHUTDOWN_TIMEOUT_S + 2);

/// Partitions of a topic of dead letters.
const LETTER_PARTITIONS: i32 = 2;

/// An output of a trial.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) promise: Promise,
    /// Its alias as well: what is stored of its writers is its own.
    pub(super) topic: String,
    pub(super) loads: Vec<Load>,
    /// For each load the rows that were on their way when a service died.
    pub(super) deaths: Vec<Vec<Range<u64>>>,
    pub(super) following: Option<Following>,
    /// The topic of its dead letters.
    pub(super) letters: Option<String>,
}

impl Part {
    /// Its topics; nobody writes yet.
    fn make(stage: &mut Stage, name: &str, of: &OutputPlan, plan: &Plan) -> Self {
        let topic = unique_topic(&format!("{name}-{}", of.promise.name()));
        let admin = stage.cluster.admin();
        admin.create_topic(&topic, plan.partitions, 3, &[]);
        let letters = of.bad_every.map(|_| format!("{topic}-letters"));
        if let Some(letters) = &letters {
            admin.create_topic(letters, LETTER_PARTITIONS, 3, &[]);
        }
        let (loads, deaths) = (Vec::new(), vec![Vec::new(); of.writers]);
        Self { promise: of.promise, topic, loads, deaths, following: None, letters }
    }

    /// Its topic, and that of its letters.
    pub(super) fn all_topics(&self) -> Vec<String> {
        [&self.topic].into_iter().chain(&self.letters).cloned().collect()
    }

    /// Lets its writers send. To open one takes a while, so all are opened at once.
    fn load(&mut self, address: &str, of: &OutputPlan, pace: Pace) {
        let start = |n: usize| {
            Load::start_lasting_with(address, &self.topic, &format!("w{n}"), pace, of.bad_every)
        };
        self.loads = thread::scope(|scope| {
            let opening: Vec<_> = (0..of.writers).map(|n| scope.spawn(move || start(n))).collect();
            let opened = opening.into_iter().map(|one| one.join().expect("the writer is opened"));
            opened.collect()
        });
    }
}

/// A service under load on the stage.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Where it takes place.
    pub stage: &'a mut Stage,
    pub(super) name: &'a str,
    /// Where the service stores how far writers are.
    pub(super) progress: String,
    pub(super) batch_rows: u64,
    job: String,
    options: ServiceOptions,
    to_service: Proxy,
    pub(super) service: Option<Service>,
    pub(super) parts: Vec<Part>,
    pub(super) may_end_with: BTreeSet<&'static str>,
    /// Outputs and partitions in which, the service says, rows may come behind later ones.
    pub(super) overtaken: BTreeSet<(String, i32)>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Trial<'a> {
    /// Makes topics, starts a service, and lets writers send and readers follow.
    ///
    /// # Panics
    /// When that does not work.
    pub fn start(stage: &'a mut Stage, name: &'a str, plan: &Plan) -> Self {
        let bootstrap = plan.bootstrap.clone().unwrap_or_else(|| addresses(&stage.ways));
        let progress = stage.next_progress();
        let (mut parts, mut outputs) = (Vec::new(), Vec::new());
        for of in &plan.outputs {
            let part = Part::make(stage, name, of, plan);
            let mut more = format!(
                "guarantee: {}, progress: {{ topic: {progress} }}, {}",
                of.promise.name(),
                plan.more
            );
            if of.promise == Promise::ExactlyOnce && !plan.exact.is_empty() {
                more += &format!(", {}", plan.exact);
            }
            if let Some(letters) = &part.letters {
                more += &format!(", errorPolicy: DeadLetter, deadLetter: {{ topic: {letters} }}");
            }
            outputs.push(output(&part.topic, &bootstrap, &part.topic, &more));
            parts.push(part);
        }
        let mut trial = Self {
            stage,
            name,
            progress,
            batch_rows: plan.pace.batch_rows,
            job: job_of(&outputs),
            options: plan.service.clone(),
            to_service: Proxy::start(),
            service: None,
            parts,
            may_end_with: BTreeSet::new(),
            overtaken: BTreeSet::new(),
            findings: Vec::new(),
        };
        trial.start_service();
        let address = trial.to_service.address().to_string();
        let bootstrap = trial.stage.cluster.bootstrap();
        for (part, of) in trial.parts.iter_mut().zip(&plan.outputs) {
            part.load(&address, of, plan.pace);
            let is_exact = part.promise == Promise::ExactlyOnce;
            part.following = is_exact.then(|| reader::topic(&bootstrap, &part.topic).follow());
        }
        trial.progress_of_all();
        trial
    }

    /// The topic of the first output with this promise.
    ///
    /// # Panics
    /// When there is none.
    pub fn topic(&self, promise: Promise) -> &str {
        let part = self.parts.iter().find(|part| part.promise == promise);
        &part.expect("the plan has such an output").topic
    }

    /// Where the service stores how far writers are.
    pub fn progress_topic(&self) -> &str {
        &self.progress
    }

    /// Under which name the service comes to brokers for the first output with this promise.
    pub fn client_id(&self, promise: Promise) -> String {
        format!("kafka-output-{}", self.topic(promise))
    }

    /// The topics of all outputs, which are their aliases as well.
    pub fn topics(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.topic.clone()).collect()
    }

    /// The `transactional.id` of the first writer with exactly once.
    pub fn transactional_id(&self) -> String {
        format!("kafka-output.{}", progress_key(self.topic(Promise::ExactlyOnce), "w0"))
    }

    /// The service.
    ///
    /// # Panics
    /// When there is none now.
    pub fn service(&mut self) -> &mut Service {
        self.service.as_mut().expect("the service runs")
    }

    /// An engine that comes past the proxy.
    pub fn engine(&mut self) -> Engine {
        Engine::connect(self.service())
    }

    /// The way to the service.
    pub fn to_service(&self) -> &Proxy {
        &self.to_service
    }

    /// Streams may end for these reasons; the empty one is a broken connection.
    pub fn may_end_with(&mut self, reasons: &[&'static str]) {
        self.may_end_with.extend(reasons);
    }

    /// Something that must hold does not.
    pub fn found(&mut self, finding: Option<Finding>) {
        self.findings.extend(finding);
    }

    /// Rows of all writers that are acknowledged.
    pub fn rows_durable(&self) -> u64 {
        self.loads().map(Load::rows_durable).sum()
    }

    /// Streams that have ended.
    pub fn streams_ended(&self) -> u64 {
        self.loads().map(Load::streams_ended).sum()
    }

    /// Streams that have ended of outputs with this promise.
    pub fn streams_ended_of(&self, promise: Promise) -> u64 {
        let parts = self.parts.iter().filter(|part| part.promise == promise);
        parts.flat_map(|part| &part.loads).map(Load::streams_ended).sum()
    }

    pub(super) fn loads(&self) -> impl Iterator<Item = &Load> {
        self.parts.iter().flat_map(|part| &part.loads)
    }

    /// Starts a service, to which the writers come.
    pub fn start_service(&mut self) {
        let service = Service::start_with(&self.job, &self.options);
        self.to_service.lead_to(service.address().parse().expect("a host and a port"));
        self.service = Some(service);
    }

    /// Ends the service with SIGKILL.
    pub fn kill_service(&mut self) {
        self.may_end_with(&[""]);
        let durable = self.durable();
        let log = self.service().stderr();
        self.hear(&log);
        drop(self.service.take());
        self.died(durable);
    }

    /// Ends the service with SIGTERM, which must be in time and end with one of these exit codes.
    /// With 0 nothing is unsettled: none of it may come again.
    pub fn stop_service(&mut self, what: &str, codes: &[i32]) -> Ended {
        let service = self.service.take().expect("the service runs");
        self.stop(service, what, codes)
    }

    /// Starts another service with the same job, to which writers come from now on, and ends the
    /// first one with SIGTERM: it tells its writers to go.
    pub fn replace_service(&mut self, what: &str) -> Ended {
        let old = self.service.take().expect("the service runs");
        self.start_service();
        self.stop(old, what, &[0])
    }

    fn stop(&mut self, mut service: Service, what: &str, codes: &[i32]) -> Ended {
        self.may_end_with(&["", "DRAINING", "DELIVERY_UNKNOWN"]);
        let durable = self.durable();
        let start = Instant::now();
        service.signal(Signal::TERM);
        let ended = service.wait(2 * STOP_MAX);
        let took = start.elapsed();
        self.hear(&ended.stderr);
        println!("{}: {what}: stopped after {took:.1?} with {:?}", self.name, ended.code);
        self.found(Finding::late(Invariant::Stops, what, took, STOP_MAX));
        if !ended.code.is_some_and(|code| codes.contains(&code)) {
            let text = format!("{what}: exit code {:?}, expected {codes:?}", ended.code);
            self.findings.push(Finding::new(Invariant::Stops, text));
        }
        if ended.code != Some(0) {
            self.died(durable);
        }
        ended
    }

    /// Freezes the service, and lets the writers come to another one with the same job. Returns the
    /// frozen one.
    pub fn move_from_frozen(&mut self) -> Service {
        self.may_end_with(&[""]);
        let durable = self.durable();
        self.service().signal(Signal::STOP);
        let old = self.service.take().expect("it was just frozen");
        self.hear(&old.stderr());
        self.start_service();
        self.to_service.reset();
        self.died(durable);
        old
    }

    pub(super) fn durable(&self) -> Vec<Vec<u64>> {
        let of = |part: &Part| part.loads.iter().map(Load::rows_durable).collect();
        self.parts.iter().map(of).collect()
    }

    /// Takes what a service has said of the order of rows.
    pub(super) fn hear(&mut self, log: &str) {
        let lines = log.lines().filter(|line| line.contains("ROWS_OVERTAKEN"));
        let said = lines.filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let partition = i32::try_from(line["partition"].as_i64()?).ok()?;
            Some((line["output"].as_str()?.to_owned(), partition))
        });
        self.overtaken.extend(said);
    }

    /// A service has died; what it had to answer was sent by now.
    fn died(&mut self, durable: Vec<Vec<u64>>) {
        for (part, durable) in self.parts.iter_mut().zip(durable) {
            for ((load, deaths), durable) in part.loads.iter().zip(&mut part.deaths).zip(durable) {
                // At the end of a stream the next is told how far the writer is.
                deaths.push(durable..load.rows_sent());
            }
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.stage.cluster.log_tail());
        }
    }
}
