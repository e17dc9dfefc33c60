//! Changes to a service while rows flow: a new job file, and outputs paused, drained and resumed.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use proto::v1::Open;
use rustix::process::Signal;
use serde_json::Value;
use tests::{
    admin::Admin,
    check,
    engine::{
        Engine,
        job::{OUTPUT, job_of, output, with_admin},
        load::{COLUMNS, Load, Pace, rows},
    },
    kafka::{shared_broker, unique_topic},
    reader,
    segments::{Codec, batches},
    service::{Service, ServiceOptions, program},
    wait::{DEADLINE, wait_until},
};

use super::{send, well};

const PACE: Pace = Pace { batch_rows: 20, pause: Duration::from_millis(5) };

/// An output with a topic of its own.
struct Out {
    alias: &'static str,
    topic: String,
}

impl Out {
    fn new(alias: &'static str) -> Self {
        let topic = unique_topic(&format!("steer-{alias}"));
        shared_broker().admin().create_topic(&topic, 2, 1, &[]);
        Self { alias, topic }
    }

    fn with(&self, more: &str) -> String {
        output(self.alias, &shared_broker().bootstrap(), &self.topic, more)
    }

    fn read(&self) -> Vec<reader::Record> {
        reader::topic(&shared_broker().bootstrap(), &self.topic).records()
    }
}

/// A service that looks at its file only when it is told to.
fn start(outputs: &[String]) -> Service {
    let options = ServiceOptions::default().arg("--no-watch");
    Service::start_with(&with_admin(&job_of(outputs)), &options)
}

fn rewrite(service: &Service, job: &str) {
    // As an editor does it, or a volume of Kubernetes: the file is another one.
    let (file, new) = (service.dir().join("job.yaml"), service.dir().join("new.yaml"));
    fs::write(&new, job).unwrap();
    fs::rename(new, file).unwrap();
}

/// Runs a command of an operator. Returns its exit code, and what it printed.
fn operate(service: &Service, args: &[&str]) -> (i32, String, String) {
    let admin = service.admin();
    let mut command = Command::new(program());
    command.args(args).args(["--admin", admin.address()]).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (code, out, err) =
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr));
    println!("$ kafka-output {}\n{out}{err}[{code}]", args.join(" "));
    (code, out, err)
}

fn open_of(alias: &str) -> Open {
    Open { output: alias.to_owned(), writer_id: "w".to_owned(), ..Open::default() }
}

fn configuration(admin: &Admin) -> Value {
    admin.status()["configuration"].clone()
}

#[test]
fn a_new_job_file_touches_the_outputs_that_differ_and_no_other() {
    let [same, once, least, gone, new] = ["same", "once", "least", "gone", "new"].map(Out::new);
    let exactly = "guarantee: exactlyOnce";
    let outputs = [same.with(""), once.with(exactly), least.with(""), gone.with("")];
    let mut service = start(&outputs);
    let engine = Engine::connect(&service);
    for out in [&same, &once, &least, &gone] {
        engine.wait_ready(out.alias);
    }
    let lasting = |out: &Out| Load::start_lasting(service.address(), out.alias, "w", PACE);
    let untouched = Load::start(&engine, same.alias, "w", PACE);
    let (of_once, of_least) = (lasting(&once), lasting(&least));
    let of_gone = Load::start(&engine, gone.alias, "w", PACE);
    for load in [&untouched, &of_once, &of_least, &of_gone] {
        load.wait_progress(1_000);
    }
    let admin = service.admin();
    assert_eq!(configuration(&admin)["generation"], 1);
    let before = configuration(&admin)["version"].as_str().unwrap().to_owned();

    let changed = "guarantee: exactlyOnce, compression: { type: Lz4 }";
    let packed = "compression: { type: Gzip }";
    let outputs = [new.with(""), same.with(""), once.with(changed), least.with(packed)];
    rewrite(&service, &with_admin(&job_of(&outputs)));
    service.signal(Signal::HUP);
    wait_until("the file is applied", DEADLINE, || configuration(&admin)["generation"] == 2);
    assert_ne!(configuration(&admin)["version"], *before);
    let status = admin.status();
    let listed = status["outputs"].as_array().unwrap().iter();
    let listed: Vec<_> = listed.map(|output| output["alias"].as_str().unwrap()).collect();
    assert_eq!(listed, ["new", "same", "once", "least"], "as the file has them");

    // What is new takes rows, what is gone does not.
    engine.wait_ready(new.alias);
    let mut stream = engine.open(new.alias, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();
    let sent = of_gone.join();
    check::exactly(&gone.read(), &[sent]);
    let refused = engine.try_open(open_of(gone.alias)).unwrap_err();
    assert_eq!(refused.reason, "OUTPUT_NOT_FOUND", "{refused:?}");

    for load in [&untouched, &of_once, &of_least] {
        load.wait_progress(1_000);
    }
    assert_eq!(untouched.streams_ended(), 0, "it was not touched");
    assert_eq!((of_once.streams_ended(), of_least.streams_ended()), (1, 1));
    for (out, load) in [(&same, untouched), (&once, of_once), (&least, of_least)] {
        // At least once, too, nothing is doubled: what was accepted is settled, and the writers of
        // what has ended go on.
        let sent = load.stop();
        check::exactly(&out.read(), &[sent]);
    }
    let scrape = admin.metrics();
    assert_eq!(scrape.value("kafka_output_configuration_generation"), Some(2.0), "{}", scrape.0);
    assert_eq!(scrape.value("kafka_output_reloads_total{result=\"applied\"}"), Some(1.0));
    for (out, codec) in [(&once, Codec::Lz4), (&least, Codec::Gzip)] {
        let dirs = (0..2).map(|partition| shared_broker().partition_dir(&out.topic, partition));
        let batches: Vec<_> = dirs.flat_map(|dir| batches(&dir)).collect();
        assert!(batches.iter().any(|batch| batch.codec == codec), "{}: {codec:?}", out.alias);
    }
    // Memory is shared out again, and given back.
    assert_eq!(admin.status()["memoryUsedBytes"], 0);
    assert_eq!(service.terminate(DEADLINE).code, Some(0));
}

/// It is read again when it changes; a fault of it is told wherever an operator looks.
#[test]
fn a_job_file_that_is_not_right_changes_nothing() {
    let out = Out::new("out");
    let right = with_admin(&job_of(&[out.with("")]));
    let service = Service::start(&right);
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let load = Load::start(&engine, OUTPUT, "w", PACE);
    let admin = service.admin();
    let trouble = || configuration(&admin)["trouble"]["code"].as_str().map(str::to_owned);

    // The file is looked at by itself.
    rewrite(&service, &right.replace("memory", "memroy"));
    wait_until("the fault is told", DEADLINE, || trouble().as_deref() == Some("RELOAD_REFUSED"));
    let text = configuration(&admin)["trouble"]["text"].to_string();
    assert!(text.contains("memroy") && text.contains("`memory`"), "{text}");
    let series = "kafka_output_reload_trouble{code=\"RELOAD_REFUSED\"}";
    assert_eq!(admin.metrics().value(series), Some(1.0));
    assert!(service.stderr().contains(r#""code":"RELOAD_REFUSED""#), "{}", service.stderr());
    let (code, _, told) = operate(&service, &["reload"]);
    assert!(code == 6 && told.contains("memroy"), "{code}: {told}");

    // So is a secret that is not there, and the output that would need it is not begun.
    let secret = "securityProtocol: SASL_PLAINTEXT, \
        sasl: { mechanism: PLAIN, username: u, password: { env: KAFKA_OUTPUT_TEST_NONE } }";
    let other = output("other", "127.0.0.1:9", "t", secret);
    rewrite(&service, &with_admin(&job_of(&[out.with("acks: One"), other])));
    let (code, _, told) = operate(&service, &["reload"]);
    assert!(code == 6 && told.contains("KAFKA_OUTPUT_TEST_NONE"), "{code}: {told}");

    // What cannot change while it runs is named.
    rewrite(&service, &right.replace("memory: 128 MiB", "memory: 64 MiB"));
    let (code, _, told) = operate(&service, &["reload"]);
    assert!(code == 6 && told.contains("RELOAD_NEEDS_RESTART"), "{code}: {told}");
    assert!(told.contains("`memory` can only be changed by a restart"), "{told}");
    load.wait_progress(1_000);
    assert_eq!(load.streams_ended(), 0, "nothing was touched");
    assert_eq!(configuration(&admin)["generation"], 1);

    rewrite(&service, &format!("# As before, in other words.\n{right}"));
    wait_until("nothing is wrong any more", DEADLINE, || trouble().is_none());
    assert_eq!((configuration(&admin)["generation"].clone(), load.streams_ended()), (1.into(), 0));
    let sent = load.stop();
    check::exactly(&out.read(), &[sent]);
}

#[test]
fn a_paused_output_keeps_its_streams_and_passes_nothing() {
    let (topic, service, engine) = well("paused", "");
    let load = Load::start(&engine, OUTPUT, "w", PACE);
    load.wait_progress(100);
    let (code, told, _) = operate(&service, &["pause", OUTPUT]);
    assert!(code == 0 && told.contains("is paused: 1 streams stay"), "{code}: {told}");
    wait_until("what was on its way is settled", DEADLINE, || {
        let now = service.admin().output(OUTPUT);
        now["recordsInFlight"] == 0 && load.held().as_deref() == Some("OUTPUT_PAUSED")
    });
    let durable = load.rows_durable();
    let now = service.admin().output(OUTPUT);
    assert_eq!(
        (&now["setting"], &now["trouble"]["code"]),
        (&"Paused".into(), &"OUTPUT_PAUSED".into())
    );
    let stored = reader::topic(&shared_broker().bootstrap(), &topic).records().len() as u64;
    assert_eq!((stored, load.rows_durable()), (durable, durable), "nothing passes");
    assert_eq!(operate(&service, &["resume", OUTPUT]).0, 0);
    load.wait_progress(1_000);
    assert_eq!(load.streams_ended(), 0);
    let sent = load.stop();
    check::exactly(&reader::topic(&shared_broker().bootstrap(), &topic).records(), &[sent]);
}

#[test]
fn a_drained_output_has_no_streams_until_it_is_resumed() {
    let (topic, service, engine) = well("drained", "");
    let load = Load::start(&engine, OUTPUT, "w", PACE);
    load.wait_progress(100);
    let (code, told, _) = operate(&service, &["drain", OUTPUT, "--output", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["streams"], &told["recordsInFlight"]), (0, &0.into(), &0.into()));
    let sent = load.join();
    check::exactly(&reader::topic(&shared_broker().bootstrap(), &topic).records(), &[sent]);
    let refused = engine.try_open(open_of(OUTPUT)).unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.may_be_written), ("OUTPUT_DRAINED", false));
    assert!(refused.retry && refused.message.contains("kafka-output resume out"), "{refused:?}");
    wait_until("its health says so", DEADLINE, || !engine.serving("output/out"));
    let (code, _, told) = operate(&service, &["health", "--ready"]);
    assert!(code == 6 && told.contains("out: Ready OUTPUT_DRAINED"), "no other is there: {told}");
    assert_eq!(operate(&service, &["health"]).0, 0, "it lives");
    assert_eq!(operate(&service, &["resume", OUTPUT]).0, 0);
    send(&engine, "v", 1);
    assert_eq!(operate(&service, &["health", "--ready"]).0, 0);
}

#[test]
fn changes_are_for_commands_of_this_machine() {
    let (_, service, _) = well("who", "");
    let admin = service.admin();
    let (code, _, told) = operate(&service, &["pause", "oout"]);
    assert!(code == 6 && told.contains("there is no output `oout`; near it: out"), "{told}");
    let path = "/outputs/out/pause";
    for (name, value) in [("Origin", "http://evil.test"), ("Origin", "null")] {
        let answer = admin.post_with(path, &[("Host", admin.address()), (name, value)]);
        assert_eq!(answer.code, 403, "{answer:?}");
    }
    let answer = admin.post_with(path, &[("Host", "evil.test")]);
    assert_eq!(answer.code, 403, "{answer:?}");
    // To look is no order.
    assert_eq!(admin.get(path).code, 405);
    assert_eq!(admin.output(OUTPUT)["setting"], "Open");
    let nobody = Command::new(program()).args(["reload", "--admin", "127.0.0.1:9"]).output();
    let nobody = nobody.unwrap();
    let told = String::from_utf8(nobody.stderr).unwrap();
    assert!(nobody.status.code() == Some(4) && told.contains("listen.admin.address"), "{told}");
}
