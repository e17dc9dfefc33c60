//! `bench` on real Kafka: its figures, and that it leaves nothing behind and the output's own topic
//! alone.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{
    cache,
    engine::job::{OUTPUT, job},
    kafka::{Admin, shared_broker, unique_topic},
    process::{self, Process, Signal},
    reader,
    service::program,
    wait::{DEADLINE, wait_until},
};

/// A job of one output whose topic is there.
struct Stage {
    dir: TempDir,
    admin: Admin,
    topic: String,
}

impl Stage {
    fn new(name: &str, more: &str) -> Self {
        let (admin, topic) = (shared_broker().admin(), unique_topic(name));
        admin.create_topic(&topic, 3, 1, &[]);
        let dir = cache::run_dir("bench-");
        fs::write(dir.path().join("job.yaml"), job(&admin.bootstrap(), &topic, more)).unwrap();
        Self { dir, admin, topic }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = process::command(program());
        command.arg("bench").arg(self.dir.path().join("job.yaml")).arg(OUTPUT).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// How many records a topic has.
    fn records(&self, topic: &str) -> u64 {
        let counts = reader::topic(&self.admin.bootstrap(), topic).counts();
        counts.values().map(|count| count.records).sum()
    }

    fn wait_gone(&self, topic: &str) {
        for topic in [topic.to_owned(), format!("{topic}-progress")] {
            wait_until(&format!("{topic} is gone"), DEADLINE, || {
                self.admin.topic(&topic).is_none()
            });
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bench_has_sane_figures_and_leaves_nothing_behind() {
    let stage = Stage::new("bench", "compression: { type: Lz4 }, packing: { rows: 3 }");
    let run = stage.run(&["--seconds", "2", "--yes", "--output", "json"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let topic = report["topic"].as_str().unwrap();
    assert!(topic.starts_with(&format!("{}-bench-", stage.topic)), "{topic}");
    assert_eq!((&report["partitions"], &report["guarantee"]), (&3.into(), &"atLeastOnce".into()));
    for side in ["floor", "service"] {
        let of = |key: &str| report[side][key].as_f64().unwrap();
        assert!(of("rows") > 1_000.0 && of("bytes") > 100.0 * of("rows"), "{report:#}");
        // One round of two seconds, and what is on its way then.
        assert!((1.9..20.0).contains(&of("seconds")), "{report:#}");
        let rate = of("rows") / of("seconds");
        assert!((of("rowsPerSecond") / rate - 1.0).abs() < 0.001, "{report:#}");
        assert!(of("cpuSecondsPerMillionRows") > 0.01, "{report:#}");
        let wait = |share: &str| report[side]["acknowledgeMs"][share].as_f64().unwrap();
        assert!(0.0 < wait("p50") && wait("p50") <= wait("p99"), "{report:#}");
    }
    let ratio = report["ratio"]["rowsPerSecond"].as_f64().unwrap();
    assert!((0.02..50.0).contains(&ratio), "{report:#}");
    let by = report["bound"]["by"].as_str().unwrap();
    assert!(["cpu", "brokers", "network", "quota"].contains(&by), "{report:#}");
    assert!(report["brokers"]["roundTripMs"].as_f64() > Some(0.0), "{report:#}");
    stage.wait_gone(topic);
    assert_eq!(stage.records(&stage.topic), 0, "the output's own topic is as it was");
}

#[test]
fn a_topic_that_is_named_gets_the_rows_of_a_file_and_stays() {
    let stage = Stage::new("bench-named", "");
    let other = unique_topic("bench-other");
    stage.admin.create_topic(&other, 1, 1, &[]);
    let file = stage.dir.path().join("rows.jsonl");
    let row = |n: u32| format!("{{\"a\":{n},\"b\":\"{}\"}}\n", "x".repeat(1_000));
    fs::write(&file, (0..100).map(row).collect::<String>()).unwrap();
    let args = ["--seconds", "1", "--megabytes", "1", "--streams", "1", "--topic", &other, "--yes"];
    let run = stage.run(&[&args[..], &["--rows-file", file.to_str().unwrap()]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("\nfloor ") && text.contains("\nservice "), "{text}");
    assert!(text.contains("The service carries ") && text.contains("bounds the floor: "), "{text}");
    let counts = reader::topic(&stage.admin.bootstrap(), &other).counts();
    let records: u64 = counts.values().map(|count| count.records).sum();
    let bytes: u64 = counts.values().map(|count| count.value_bytes).sum();
    assert!(records > 10, "{counts:?}");
    // Each writes so many bytes at most, and as many before those that count.
    assert!(bytes < 5_000_000, "{counts:?}");
    assert_eq!(stage.records(&stage.topic), 0);
}

#[test]
fn a_signal_ends_a_bench_and_what_it_has_made() {
    let stage = Stage::new("bench-signal", "guarantee: exactlyOnce");
    let mut command = stage.command(&["--seconds", "600", "--yes"]);
    let log = stage.dir.path().join("log");
    command.stderr(fs::File::create(&log).unwrap()).stdout(Stdio::null());
    let mut process = Process::spawn(command);
    let topic = || {
        let said = BufReader::new(fs::File::open(&log).unwrap()).lines().map_while(Result::ok);
        let mut lines = said.filter_map(|line| Some(line.split('`').nth(1)?.to_owned()));
        lines.next()
    };
    wait_until("it writes", DEADLINE, || topic().is_some_and(|topic| stage.records(&topic) > 0));
    process.signal(Signal::INT);
    let ended = process.wait(DEADLINE).expect("it ends");
    assert_eq!(ended.code(), Some(5), "{}", fs::read_to_string(&log).unwrap());
    stage.wait_gone(&topic().unwrap());
    assert_eq!(stage.records(&stage.topic), 0);
}

#[test]
fn what_was_not_asked_for_is_not_written() {
    let stage = Stage::new("bench-refused", "");
    let refused = |args: &[&str], word: &str| {
        let run = stage.run(args);
        let said = said(&run);
        assert!(run.status.code() == Some(3) && said.contains(word), "{args:?}: {said}");
    };
    refused(&[], "say --yes");
    refused(&["--yes", "--topic", &stage.topic], "--into-the-topic");
    refused(&["--yes", "--rows-file", "/does-not-exist.csv"], "/does-not-exist.csv");
    assert_eq!(stage.records(&stage.topic), 0);
    let away = stage.run(&["--yes", "--topic", "there-is-none"]);
    assert!(away.status.code() == Some(4) && said(&away).contains("TOPIC_NOT_FOUND"), "{away:?}");
}
