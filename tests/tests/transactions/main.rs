//! `kafka-output transactions`: what an operator is told of writers and of what is open, and what
//! ending it does to readers of what is committed.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod foreign;
mod inputs;
mod logins;
mod rights;
mod writers;

use std::{fs, process::Command, time::Duration};

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    cache,
    kafka::{Broker, BrokerOptions},
    proxy::Proxy,
    service::program,
};

/// How a run of the command ended.
const DONE: i32 = 0;
const BAD_INPUT: i32 = 3;
const LACKING: i32 = 4;
const HANGING: i32 = 5;
const REFUSED: i32 = 6;

/// What an operator has: a job file, and variables with secrets.
struct Operator {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// What a run of the command has told.
struct Told {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Operator {
    fn new(job: &str) -> Self {
        let dir = cache::run_dir("operator-");
        fs::write(dir.path().join("job.yaml"), job).unwrap();
        Self { dir, env: Vec::new() }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `kafka-output transactions job.yaml ARGS`.
    fn run(&self, args: &[&str]) -> Told {
        self.command(&[&["transactions", "job.yaml"], args].concat())
    }

    fn command(&self, args: &[&str]) -> Told {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.dir.path()).env_remove("KAFKA_OUTPUT_LOG");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let told = Told {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        println!(
            "$ kafka-output {}\n{}{}[{}]",
            args.join(" "),
            told.stdout,
            told.stderr,
            told.code
        );
        told
    }

    /// What a script is told, and the exit code.
    fn json(&self, args: &[&str]) -> (Value, i32) {
        let told = self.run(&[args, &["--json"]].concat());
        (serde_json::from_str(&told.stdout).unwrap(), told.code)
    }

    /// What a script is told of an output.
    fn output(&self, alias: &str) -> (Value, i32) {
        let (told, code) = self.json(&["--output", alias]);
        assert_eq!(told["outputs"][0]["output"], alias, "{told}");
        (told["outputs"][0].clone(), code)
    }

    /// Does what the listing says is to be typed.
    fn obey(&self, told: &Value) -> Told {
        let command = told["command"].as_array().unwrap();
        let args: Vec<_> = command.iter().map(|arg| arg.as_str().unwrap()).collect();
        assert_eq!(args[0], "kafka-output");
        self.command(&args[1..])
    }
}

impl Told {
    #[track_caller]
    fn says(&self, texts: &[&str]) {
        for text in texts {
            let said = self.stdout.contains(text) || self.stderr.contains(text);
            assert!(said, "{text:?} is missing in {}{}", self.stdout, self.stderr);
        }
    }
}

/// A writer of an output.
fn writer<'a>(output: &'a Value, name: &str) -> &'a Value {
    let mut writers = output["writers"].as_array().unwrap().iter();
    writers.find(|writer| writer["writer"] == name).unwrap()
}

/// Partitions of a topic in which readers of what is committed wait.
fn held(output: &Value, topic: &str) -> Vec<i64> {
    let held = output["held"].as_array().unwrap().iter().filter(|held| held["topic"] == topic);
    held.map(|held| held["partition"].as_i64().unwrap()).collect()
}

/// A broker on which transactions can hang: it looks for those beyond their time once an hour, and
/// takes records of producers that no coordinator knows, as older brokers do.
fn forgetful(proxy: &Proxy) -> Broker {
    let options = BrokerOptions::default()
        .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", "3600000")
        .set("transaction.partition.verification.enable", "false");
    Broker::start_behind(proxy, &options)
}

/// A client of somebody else that has begun a transaction, and does not end it.
fn begin(bootstrap: &str, id: &str, topic: &str, partition: i32) -> BaseProducer {
    const PATIENCE: Duration = Duration::from_secs(30);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "600000")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let record = BaseRecord::<(), str>::to(topic).partition(partition).payload("theirs");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    producer
}
