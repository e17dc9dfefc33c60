//! The harness proves itself: brokers start, stop, come back and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tests::{
    cache,
    kafka::{Broker, BrokerOptions, Cluster, ClusterOptions, prepare, shared_broker, unique_topic},
    process::Signal,
    reader::{self, Count, Record},
    segments::Codec,
    service::{Service, ServiceOptions},
    tools,
    wait::{DEADLINE, wait_for, wait_until},
};

/// Names the file into which the child of a stray test writes what it has started.
const PIDS_FILE: &str = "HARNESS_PIDS_FILE";
/// Says how that child shall end.
const END_BY: &str = "HARNESS_END_BY";

fn producer(bootstrap: &str, settings: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("acks", "all").set("linger.ms", "50");
    config.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    config.create().unwrap()
}

/// Sends `values` to partition 0 and waits until all are acknowledged.
fn send(producer: &BaseProducer, topic: &str, values: &[&str]) {
    for value in values {
        producer.send(BaseRecord::<(), str>::to(topic).partition(0).payload(value)).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::text).collect()
}

#[test]
fn kafka_is_prepared_once_and_its_tools_run() {
    let kafka = prepare();
    let said = kafka.tool("org.apache.kafka.tools.FeatureCommand", &["version-mapping"]);
    assert!(said.contains("metadata.version="), "{said}");
    assert!(std::ptr::eq(kafka, prepare()));
}

#[test]
fn records_are_read_back_as_they_were_sent() {
    let broker = shared_broker();
    let topic = unique_topic("round-trip");
    broker.admin().create_topic(&topic, 2, 1, &[("max.message.bytes", "2000")]);
    let producer = producer(&broker.bootstrap(), &[]);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "kind", value: Some(b"\x00\xff".as_slice()) })
        .insert(Header::<&[u8]> { key: "kind", value: None });
    let full =
        BaseRecord::to(&topic).partition(1).key("k").payload("v").timestamp(1_700_000_000_123);
    producer.send(full.headers(headers)).unwrap();
    producer.send(BaseRecord::<str, str>::to(&topic).partition(1).key("gone")).unwrap();
    producer.flush(DEADLINE).unwrap();
    send(&producer, &topic, &["line\nbreak", ""]);

    let records = reader::topic(&broker.bootstrap(), &topic).records();
    let of = |partition| records.iter().filter(move |record| record.partition == partition);
    assert_eq!(of(0).map(Record::text).collect::<Vec<_>>(), ["line\nbreak", ""]);
    let keyed: Vec<&Record> = of(1).collect();
    let expected = Record {
        partition: 1,
        offset: 0,
        timestamp_ms: Some(1_700_000_000_123),
        key: Some(b"k".to_vec()),
        headers: vec![("kind".to_owned(), Some(vec![0, 255])), ("kind".to_owned(), None)],
        value: Some(b"v".to_vec()),
    };
    assert_eq!(keyed[0], &expected);
    assert_eq!((keyed[1].offset, &keyed[1].value), (1, &None));

    let counts = reader::topic(&broker.bootstrap(), &topic).counts();
    let count = |records, value_bytes| Count { records, value_bytes };
    assert_eq!(counts, BTreeMap::from([(0, count(2, 10)), (1, count(2, 1))]));

    let dir = cache::run_dir("values-");
    reader::topic(&broker.bootstrap(), &topic).values_to(dir.path());
    assert_eq!(fs::read_to_string(dir.path().join("0.values")).unwrap(), "line\nbreak\n\n");
}

#[test]
fn topics_grow_change_and_go() {
    let broker = shared_broker();
    let (admin, topic) = (broker.admin(), unique_topic("changing"));
    assert_eq!(admin.topic(&topic), None);
    admin.create_topic(&topic, 1, 1, &[]);
    admin.add_partitions(&topic, 3);
    assert_eq!(admin.topic(&topic).unwrap().partitions.len(), 3);
    assert_eq!(reader::topic(&broker.bootstrap(), &topic).records(), []);

    admin.set_topic_property(&topic, "max.message.bytes", "100");
    let producer = producer(&broker.bootstrap(), &[]);
    let long = "x".repeat(200);
    wait_until("the broker refuses long records", DEADLINE, || {
        send(&producer, &topic, &[&long]);
        let before = broker.batches(&topic, 0).len();
        send(&producer, &topic, &[&long]);
        broker.batches(&topic, 0).len() == before
    });
    admin.delete_topic(&topic);
    assert_eq!(admin.topic(&topic), None);
}

#[test]
fn stored_batches_tell_their_codec_and_their_transaction() {
    let broker = shared_broker();
    let topic = unique_topic("batches");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let value = "compressible ".repeat(20);
    let plain = producer(&broker.bootstrap(), &[("compression.type", "zstd")]);
    send(&plain, &topic, &[value.as_str(); 100]);
    let transactional = producer(&broker.bootstrap(), &[("transactional.id", &topic)]);
    transactional.init_transactions(DEADLINE).unwrap();
    for committed in [false, true] {
        transactional.begin_transaction().unwrap();
        send(&transactional, &topic, &["in a transaction"]);
        match committed {
            true => transactional.commit_transaction(DEADLINE).unwrap(),
            false => transactional.abort_transaction(DEADLINE).unwrap(),
        }
    }

    // A commit returns before its marker is written.
    let batches = wait_for("both markers are written", DEADLINE, || {
        let batches = broker.batches(&topic, 0);
        (batches.iter().filter(|batch| batch.control).count() == 2).then_some(batches)
    });
    let zstd: Vec<_> = batches.iter().filter(|batch| batch.codec == Codec::Zstd).collect();
    assert_eq!(zstd.iter().map(|batch| batch.records).sum::<i32>(), 100);
    assert!(zstd.iter().map(|batch| batch.size_bytes).sum::<usize>() < 100 * value.len() / 2);
    let kinds: Vec<_> = batches
        .iter()
        .filter(|batch| batch.transactional)
        .map(|batch| (batch.control, batch.records, batch.producer_id >= 0))
        .collect();
    assert_eq!(kinds, [(false, 1, true), (true, 1, true), (false, 1, true), (true, 1, true)]);

    let committed = reader::topic(&broker.bootstrap(), &topic);
    assert_eq!(committed.records().len(), 101);
    assert_eq!(committed.uncommitted().records().len(), 102);
}

#[test]
fn a_broker_with_users_lets_in_who_knows_the_password() {
    let options = BrokerOptions::default().user("writer", "writer-secret");
    let broker = Broker::start(&options.set("message.max.bytes", "100000"));
    broker.admin().create_topic("secured", 1, 1, &[]);
    let login = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "writer"),
    ];
    let with = |password| [login.as_slice(), &[("sasl.password", password)]].concat();
    send(&producer(&broker.sasl_bootstrap(), &with("writer-secret")), "secured", &["in"]);

    let mut reader = reader::topic(&broker.sasl_bootstrap(), "secured");
    for (key, value) in with("writer-secret") {
        reader = reader.set(key, value);
    }
    assert_eq!(texts(&reader.records()), ["in"]);

    let stranger = producer(&broker.sasl_bootstrap(), &with("guessed"));
    stranger.send(BaseRecord::<(), str>::to("secured").payload("out")).unwrap();
    wait_until("the broker logs the refused login", DEADLINE, || {
        stranger.poll(Duration::ZERO);
        broker.log_tail().contains("Failed authentication")
    });
    assert_eq!(reader.counts()[&0].records, 1);
}

#[test]
fn a_broker_comes_back_on_its_ports_with_its_data() {
    let mut broker = Broker::start(&BrokerOptions::default());
    let bootstrap = broker.bootstrap();
    broker.admin().create_topic("kept", 1, 1, &[]);
    let producer = producer(&bootstrap, &[]);
    send(&producer, "kept", &["first"]);

    broker.stop();
    assert_eq!(broker.pid(), None);
    broker.start_again();
    send(&producer, "kept", &["after SIGTERM"]);
    broker.kill();
    broker.start_again();
    send(&producer, "kept", &["after SIGKILL"]);

    broker.freeze();
    let queued = BaseRecord::<(), str>::to("kept").payload("while frozen");
    producer.send(queued).unwrap();
    let flushed = producer.flush(Duration::from_millis(500));
    assert!(flushed.is_err(), "a frozen broker acknowledges nothing");
    broker.thaw();
    producer.flush(DEADLINE).unwrap();

    assert_eq!(broker.bootstrap(), bootstrap);
    let records = reader::topic(&bootstrap, "kept").records();
    assert_eq!(texts(&records), ["first", "after SIGTERM", "after SIGKILL", "while frozen"]);
}

#[test]
fn a_cluster_survives_the_loss_of_a_leader() {
    let mut cluster = Cluster::start(&ClusterOptions::default());
    let admin = cluster.admin();
    admin.create_topic("replicated", 1, 3, &[]);
    let producer = producer(&cluster.bootstrap(), &[("enable.idempotence", "true")]);
    send(&producer, "replicated", &["before"]);

    let first = admin.leader("replicated", 0);
    cluster.kill(first);
    let second = cluster.admin().leader_after("replicated", 0, first);
    assert_ne!(second, first);
    send(&producer, "replicated", &["meanwhile"]);

    cluster.start_again(first);
    cluster.wait_complete();
    let admin = cluster.admin();
    admin.wait_in_sync("replicated");
    assert_eq!(admin.leader("replicated", 0), second, "a leader does not lead again by itself");
    cluster.elect_preferred("replicated", 0);
    assert_eq!(admin.leader_after("replicated", 0, second), first);
    send(&producer, "replicated", &["after"]);

    let records = reader::topic(&cluster.bootstrap(), "replicated").records();
    assert_eq!(texts(&records), ["before", "meanwhile", "after"]);
    assert_eq!(cluster.batches(first, "replicated", 0).len(), 3);
}

/// The child of the next tests: starts what a test may start, and then ends as it is told.
#[test]
#[ignore = "other tests run it as their child"]
fn child_that_starts_everything() {
    let broker = Broker::start(&BrokerOptions::default());
    let shared = shared_broker();
    let mut service = fake_service("exec sleep 1000");
    let pids = [broker.pid().unwrap(), shared.pid().unwrap(), service.pid()];
    let lines: Vec<String> = pids.iter().map(ToString::to_string).collect();
    fs::write(env::var(PIDS_FILE).unwrap(), lines.join("\n") + "\n").unwrap();
    match env::var(END_BY).unwrap().as_str() {
        "normal" => {}
        "panic" => panic!("as told"),
        "kill" => loop {
            service.signal(Signal::CONT);
            thread::sleep(Duration::from_secs(1));
        },
        other => panic!("cannot end by {other}"),
    }
}

/// Runs the child above, waits until it and all it started has ended; returns what it printed.
fn run_child_to_its_end(end_by: &str) -> String {
    let dir = cache::run_dir("strays-");
    let (pids_file, log) = (dir.path().join("pids"), dir.path().join("log"));
    let log_file = fs::File::create(&log).unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_starts_everything"])
        .env(PIDS_FILE, &pids_file)
        .env(END_BY, end_by)
        .stdout(log_file.try_clone().unwrap())
        .stderr(log_file)
        .spawn()
        .unwrap();
    wait_until("the child has started everything", DEADLINE, || {
        let written = fs::read_to_string(&pids_file).is_ok_and(|pids| pids.ends_with('\n'));
        let printed = || fs::read_to_string(&log).unwrap();
        assert!(written || child.try_wait().unwrap().is_none(), "{}", printed());
        written
    });
    let pids = fs::read_to_string(&pids_file).unwrap();
    if end_by == "kill" {
        assert!(pids.lines().all(runs), "everything runs before the child is killed");
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert_eq!(status.success(), end_by == "normal", "{}", fs::read_to_string(&log).unwrap());
    wait_until("nothing that the child started runs", DEADLINE, || !pids.lines().any(runs));
    fs::read_to_string(&log).unwrap()
}

/// Whether a process is there and is more than a zombie that nobody has reaped yet.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn nothing_is_left_after_a_normal_end() {
    run_child_to_its_end("normal");
}

#[test]
fn nothing_is_left_after_a_panic_and_every_log_is_shown() {
    let printed = run_child_to_its_end("panic");
    assert_eq!(printed.matches("--- log of node 1 ---").count(), 2, "{printed}");
    assert!(printed.contains("--- standard error of the service ---\nfake log"), "{printed}");
}

#[test]
fn nothing_is_left_after_sigkill() {
    run_child_to_its_end("kill");
}

/// A service that listens nowhere: says that it does, and then runs `then`.
fn fake_service(then: &str) -> Service {
    let listening = r#"{"event":"listening","address":"127.0.0.1:40123"}"#;
    let script = format!("echo fake log >&2; echo '{listening}'; {then}");
    Service::start_with("name: fake\n", &fake(&script))
}

/// Options that run a shell script in the place of the service.
fn fake(script: &str) -> ServiceOptions {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/service");
    ServiceOptions::default().program(program).env("FAKE", script)
}

#[test]
fn a_service_is_started_read_and_terminated() {
    let job = r#"[ "$1 $3 $4 $5" = "serve --output json --extra" ] && grep -q fake "$2" || exit 9"#;
    let script = format!(
        "{job}; echo \"$GREETING\" >&2
         echo '{{\"event\":\"listening\",\"address\":\"127.0.0.1:40123\"}}'
         trap 'echo stopped; exit 3' TERM; while :; do sleep 0.05; done"
    );
    let options = fake(&script).arg("--extra").env("GREETING", "hi");
    let service = Service::start_with("name: fake\n", &options);
    assert_eq!(service.address(), "127.0.0.1:40123");
    assert_eq!(service.url(), "http://127.0.0.1:40123");
    assert_eq!(service.stderr(), "hi\n");
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stdout.ends_with("stopped\n"), "{ended:?}");
}

#[test]
fn a_service_that_ends_instead_of_listening_is_returned() {
    let script = "echo 'job.yaml:3:5: unknown key' >&2; exit 2";
    let ended = Service::try_start("typo: 1\n", &fake(script)).unwrap_err();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), "job.yaml:3:5: unknown key\n"));
}

#[test]
fn a_service_that_ignores_sigterm_is_killed_in_the_end() {
    let service = fake_service("trap '' TERM; while :; do sleep 0.05; done");
    let pid = service.pid().to_string();
    let stubborn = thread::spawn(move || service.terminate(Duration::from_millis(300)));
    assert!(stubborn.join().is_err(), "the harness complains");
    wait_until("the service is gone", DEADLINE, || !runs(&pid));
}

#[test]
fn tools_are_there() {
    let said = |path: &Path, arg| {
        let output = Command::new(path).arg(arg).output().unwrap();
        [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap()).concat()
    };
    assert!(said(tools::python(), "--version").starts_with("Python 3."));
    assert!(said(tools::buf(), "--version").starts_with("1."));
    assert!(said(tools::grpcurl(), "-version").contains("1.9."));
}

#[test]
fn a_wait_ends_at_its_deadline_and_says_what_for() {
    let start = Instant::now();
    let waiting = || wait_until("pigs fly", Duration::from_millis(100), || false);
    let said = thread::spawn(waiting).join().unwrap_err();
    assert_eq!(said.downcast_ref::<String>().unwrap(), "waited 100ms: pigs fly");
    assert!(start.elapsed() >= Duration::from_millis(100));
}
