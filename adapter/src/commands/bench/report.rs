//! The figures of a benchmark, and what bounds them.
use std::{
    fmt::Write as _,
    fs,
    net::{TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::{BenchArgs, rows::Work, streams::THREADS};
use crate::{
    job::Output,
    kafka::bare::{Brokers, Passed},
    observe::process::cpu_seconds,
};

/// The share of all cores from which on they are what bounds.
const BUSY: f64 = 0.85;

/// Brokers bound, and not the way, if answers take so much longer than a connection.
const SLOW_FACTOR: u32 = 3;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// What passed in all rounds of one of both.
#[derive(Default)]
pub(super) struct Figures {
    rows: u64,
    bytes: u64,
    seconds: f64,
    cpu_seconds: f64,
    waits: Vec<Duration>,
}

/// What the process and the machine have used by now.
pub(super) struct Usage {
    /// CPU time of the process without the engine's threads.
    cpu: f64,
    /// Of the machine: ticks in all, and those in which nothing was done.
    ticks: (f64, f64),
}

/// What was found.
pub(super) struct Report {
    head: String,
    floor: Figures,
    service: Figures,
    /// What bounds the floor: a word, and a sentence.
    bound: (&'static str, String),
    brokers: Brokers,
    connect: Option<Duration>,
    busy: f64,
    aside: u64,
    about: Value,
}

impl Figures {
    /// Another round, which took so much CPU time.
    pub(super) fn add(&mut self, passed: Passed, cpu_seconds: f64) {
        self.rows += passed.rows;
        self.bytes += passed.bytes;
        self.seconds += passed.time.as_secs_f64();
        self.cpu_seconds += cpu_seconds;
        self.waits.extend(passed.waits);
    }

    fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.seconds
    }

    fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }

    fn cpu_of_a_million(&self) -> f64 {
        self.cpu_seconds / self.rows as f64 * 1e6
    }

    /// The time within which such a share of batches was acknowledged; they are sorted.
    fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.waits.get(at).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    }

    fn line(&self, name: &str) -> String {
        format!(
            "{name:<9} {:>12} {:>9.1} {:>19.3} {:>10.1} {:>10.1}\n",
            HumanCount(self.rows_per_second() as u64).to_string(),
            self.megabytes_per_second(),
            self.cpu_of_a_million(),
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
        )
    }

    fn json(&self) -> Value {
        json!({
            "rows": self.rows,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "rowsPerSecond": self.rows_per_second(),
            "megabytesPerSecond": self.megabytes_per_second(),
            "cpuSecondsPerMillionRows": self.cpu_of_a_million(),
            "acknowledgeMs": { "p50": self.quantile_ms(0.5), "p99": self.quantile_ms(0.99) },
        })
    }
}

impl Usage {
    pub(super) fn now() -> Self {
        let cpu = cpu_seconds("/proc/self/stat").unwrap_or(0.0) - engine_seconds();
        Self { cpu, ticks: ticks().unwrap_or_default() }
    }

    /// CPU time since then, without the engine's threads.
    pub(super) fn cpu_since(&self) -> f64 {
        Self::now().cpu - self.cpu
    }

    /// The share of all cores that was busy since then, with whatever.
    pub(super) fn busy_since(&self) -> f64 {
        let ((all, idle), (all_before, idle_before)) = (Self::now().ticks, self.ticks);
        1.0 - (idle - idle_before) / (all - all_before).max(1.0)
    }
}

/// CPU time of the threads that play the engine.
fn engine_seconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let is_engine = |folder: &std::path::PathBuf| {
        fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.trim_end() == THREADS)
    };
    let folders = threads.map(|thread| thread.path()).filter(is_engine);
    folders.filter_map(|folder| cpu_seconds(folder.join("stat"))).sum()
}

/// What all cores did since the machine started: all ticks, and the idle ones.
fn ticks() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields = stat.lines().next()?.split_whitespace().skip(1).take(8);
    let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    Some((fields.iter().sum(), fields.get(3)? + fields.get(4)?))
}

impl Report {
    /// Of both, floor and service; nothing if one of them has written nothing.
    #[expect(clippy::too_many_arguments, reason = "all that was measured comes together here")]
    pub(super) fn new(
        args: &BenchArgs,
        output: &Output,
        work: &Work,
        partitions: usize,
        (mut floor, mut service): (Figures, Figures),
        brokers: Brokers,
        busy: f64,
        aside: u64,
    ) -> Option<Self> {
        if floor.rows == 0 || service.rows == 0 {
            return None;
        }
        floor.waits.sort();
        service.waits.sort();
        let server = &output.bootstrap_servers[0];
        let connect = connect(&format!("{}:{}", server.host(), server.port()));
        let (alias, topic, streams) = (&output.alias, &output.topic, args.streams);
        let (guarantee, source) = (output.guarantee.name(), &work.source);
        let record_bytes = work.record_bytes();
        let head = format!(
            "Output `{alias}` into topic `{topic}` ({partitions} partitions), {guarantee}, \
             {streams} streams; rows of {source}, {record_bytes:.0} bytes a record"
        );
        let about = json!({
            "output": alias.as_str(),
            "topic": topic.as_str(),
            "partitions": partitions,
            "guarantee": guarantee,
            "streams": streams,
            "rowsOf": source,
            "recordBytes": record_bytes,
        });
        let bound = bound(brokers, connect, busy);
        Some(Self { head, floor, service, bound, brokers, connect, busy, aside, about })
    }

    fn ratios(&self) -> (f64, f64) {
        let (floor, service) = (&self.floor, &self.service);
        (
            service.rows_per_second() / floor.rows_per_second(),
            service.cpu_of_a_million() / floor.cpu_of_a_million(),
        )
    }

    /// For a person.
    pub(super) fn text(&self) -> String {
        let (rate, cpu) = self.ratios();
        let mut text = format!("{}\n\n", self.head);
        text += "               rows/s      MB/s  CPU s/million rows  ack p50 ms ack p99 ms\n";
        text += &self.floor.line("floor");
        text += &self.service.line("service");
        let (_, bound) = &self.bound;
        write!(
            text,
            "\nThe service carries {rate:.2} of the floor's rows, at {cpu:.2} times its CPU time \
             a row.\nWhat bounds the floor: {bound}."
        )
        .expect("a string takes everything");
        if self.aside > 0 {
            let aside = HumanCount(self.aside);
            write!(text, "\n{aside} rows cannot be written and were left out.")
                .expect("a string takes everything");
        }
        text
    }

    /// For a script.
    pub(super) fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let ((rate, cpu), (bound, why)) = (self.ratios(), &self.bound);
        let mut all = self.about.clone();
        all["floor"] = self.floor.json();
        all["service"] = self.service.json();
        all["ratio"] = json!({ "rowsPerSecond": rate, "cpu": cpu });
        all["bound"] = json!({ "by": bound, "why": why });
        all["brokers"] = json!({
            "roundTripMs": ms(self.brokers.round_trip),
            "queueMs": ms(self.brokers.queue),
            "throttleMs": ms(self.brokers.throttle),
            "connectMs": self.connect.map(ms),
        });
        all["coresBusy"] = self.busy.into();
        all["rowsAside"] = self.aside.into();
        all
    }
}

/// The fastest of some connections: the way there and back, without a broker's work.
fn connect(server: &str) -> Option<Duration> {
    let address = server.to_socket_addrs().ok()?.next()?;
    let connect = |_| {
        let begin = Instant::now();
        TcpStream::connect_timeout(&address, CONNECT_MAX).ok().map(|_| begin.elapsed())
    };
    (0..3).filter_map(connect).min()
}

/// What bounds the floor, and with it the service.
fn bound(brokers: Brokers, connect: Option<Duration>, busy: f64) -> (&'static str, String) {
    let Brokers { round_trip, queue, throttle } = brokers;
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let percent = busy * 100.0;
    let answers = match connect {
        Some(way) => {
            format!("a request is answered in {}, a connection in {}", ms(round_trip), ms(way))
        }
        None => format!("a request is answered in {}", ms(round_trip)),
    };
    let queue = format!("requests wait {} to be sent", ms(queue));
    if !throttle.is_zero() {
        let throttle = ms(throttle);
        ("quota", format!("a quota of the brokers, which put off requests by {throttle}"))
    } else if busy >= BUSY {
        let all = format!("the CPU of this machine: {percent:.0} % of all cores are busy");
        ("cpu", format!("{all} ({answers})"))
    } else if connect.is_some_and(|way| round_trip < way * SLOW_FACTOR) {
        let all = format!("the network: {answers}, and {queue}");
        ("network", format!("{all} ({percent:.0} % of all cores are busy)"))
    } else {
        let all = format!("the brokers: {answers}, and {queue}");
        ("brokers", format!("{all} ({percent:.0} % of all cores are busy)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bounds_is_named_by_what_was_measured() {
        let ms = Duration::from_millis;
        let of = |round_trip, throttle, way, busy| {
            let (round_trip, throttle) = (ms(round_trip), ms(throttle));
            bound(Brokers { round_trip, queue: ms(1), throttle }, way, busy).0
        };
        assert_eq!(of(5, 20, Some(ms(1)), 0.99), "quota");
        assert_eq!(of(5, 0, Some(ms(1)), 0.9), "cpu");
        assert_eq!(of(50, 0, Some(ms(40)), 0.2), "network");
        assert_eq!(of(50, 0, Some(ms(1)), 0.2), "brokers");
        assert_eq!(of(50, 0, None, 0.2), "brokers");
    }

    #[test]
    fn times_and_ticks_of_this_machine_can_be_read() {
        let begin = Usage::now();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(50) {}
        assert!(begin.cpu_since() > 0.0, "this has worked");
        assert!((0.0..=1.0).contains(&begin.busy_since()), "{}", begin.busy_since());
        let mut figures = Figures::default();
        let waits = (0..=100).map(Duration::from_millis).collect();
        let time = Duration::from_secs(2);
        figures.add(Passed { rows: 1_000, bytes: 4_000_000, time, waits }, 0.5);
        assert_eq!((figures.rows_per_second(), figures.megabytes_per_second()), (500.0, 2.0));
        assert_eq!((figures.quantile_ms(0.5), figures.quantile_ms(0.99)), (50.0, 99.0));
        assert_eq!(figures.cpu_of_a_million(), 500.0);
    }
}
