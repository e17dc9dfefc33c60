//! Wrong job files, wrong rows, wrong files: each is told by name and place, and nothing of it is
//! written by mistake.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use proto::v1::RejectedRow;
use rdkafka::{
    ClientConfig,
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use tests::{
    cache, check,
    engine::{
        Engine, Stream,
        job::{OUTPUT, job, job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::{shared_broker, unique_topic},
    reader,
    service::{Service, ServiceOptions, program},
    wait::{DEADLINE, wait_until},
};

const FAILURE: Option<i32> = Some(1);
const BAD_INPUT: Option<i32> = Some(3);
const UNREACHABLE: Option<i32> = Some(4);
const REFUSED: Option<i32> = Some(6);

/// A job file with ten faults of ten kinds.
const FAULTY: &str = "\
name: bad name!
shutdownTimeout: soon
listen:
  grpc:
    address: nowhere
outputs:
  - alias: out
    topic: no/such
    bootstrapServers: localhost
    compresion: { type: Zstd }
    acks: Most
    batching:
      rows: 0
  - alias: out
    topic: fine
    bootstrapServers: localhost:9092
    sasl:
      mechanism: PLAIN
";

/// Line, column, code and a part of the help for each of them, in the order of the file.
const FAULTS: [(u64, u64, &str, &str); 10] = [
    (1, 7, "INVALID_VALUE", "use only the letters"),
    (2, 18, "INVALID_VALUE", "`25s`"),
    (5, 14, "INVALID_VALUE", "127.0.0.1:7070"),
    (8, 12, "INVALID_VALUE", "use only the letters"),
    (9, 23, "INVALID_VALUE", "kafka-1:9092"),
    (10, 5, "UNKNOWN_KEY", "did you mean `compression`?"),
    (11, 11, "UNKNOWN_VALUE", "`All`, `One` and `Zero`"),
    (13, 13, "OUT_OF_RANGE", "1 to 1000000"),
    (14, 12, "DUPLICATE_ALIAS", "an alias of its own"),
    (17, 5, "CONFLICT", "securityProtocol: SASL_PLAINTEXT"),
];

fn run(args: &[&str]) -> Output {
    let output = Command::new(program()).args(args).env_remove("KAFKA_OUTPUT_LOG").output();
    output.expect("the built binary runs")
}

fn said(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("the binary prints UTF-8")
}

fn written(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).expect("a new directory can be written");
    path
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a test's directory is UTF-8")
}

#[test]
fn a_faulty_job_file_is_told_whole_with_places_and_remedies() {
    let dir = cache::run_dir("faulty-");
    let path = written(dir.path(), "job.yaml", FAULTY.as_bytes());
    let path = utf8(&path);

    let checked = run(&["check", "--offline", path]);
    assert_eq!(checked.status.code(), BAD_INPUT);
    let text = said(&checked.stderr);
    for (line, column, code, help) in FAULTS {
        let place = format!("{path}:{line}:{column}: error[{code}]: ");
        let told = text.split_once(&place).unwrap_or_else(|| panic!("{place} is not in\n{text}"));
        let help_line = told.1.lines().find(|line| line.contains("help: "));
        assert!(help_line.is_some_and(|line| line.contains(help)), "{place}{text}");
    }
    assert!(text.contains("10 faults"), "{text}");

    let checked = run(&["check", "--offline", path, "--output", "json"]);
    assert_eq!(checked.status.code(), BAD_INPUT);
    let json: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON is printed");
    let faults = json["faults"].as_array().expect("there is a list of faults");
    let found = faults.iter().map(|fault| {
        let number = |key: &str| fault[key].as_u64().expect("lines and columns are numbers");
        (number("line"), number("column"), fault["code"].as_str().expect("codes are text"))
    });
    let expected = FAULTS.map(|(line, column, code, _)| (line, column, code));
    assert_eq!(found.collect::<Vec<_>>(), expected);

    let served = run(&["serve", path]);
    assert_eq!(served.status.code(), BAD_INPUT);
    assert_eq!(said(&served.stderr), text, "`serve` says the same");
}

#[test]
fn a_taken_port_is_told_with_the_key_that_helps() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let job = job("127.0.0.1:1", "any", "").replace("127.0.0.1:0", &address);
    let ended = Service::try_start(&job, &ServiceOptions::default()).expect_err("it cannot listen");
    assert_eq!(ended.code, FAILURE);
    let expected = format!("cannot listen on {address}: Address already in use");
    assert!(ended.stderr.contains(&expected), "{ended:?}");
    assert!(ended.stderr.contains("`listen.grpc.address`"), "{ended:?}");
}

#[test]
fn a_missing_secret_is_told_by_name() {
    let secured = |password: &str| {
        let login = format!("mechanism: PLAIN, username: u, password: {password}");
        let more = format!("securityProtocol: SASL_PLAINTEXT, sasl: {{ {login} }}");
        job("127.0.0.1:1", "any", &more)
    };
    for (password, name) in [
        ("{ env: KAFKA_OUTPUT_NO_SUCH_SECRET }", "KAFKA_OUTPUT_NO_SUCH_SECRET"),
        ("{ file: /no/such/secret }", "/no/such/secret"),
    ] {
        let started = Service::try_start(&secured(password), &ServiceOptions::default());
        let ended = started.expect_err("a service does not start without its secret");
        assert_eq!(ended.code, BAD_INPUT, "{ended:?}");
        assert!(ended.stderr.contains("output `out`"), "{ended:?}");
        assert!(ended.stderr.contains(name), "{ended:?}");
    }
}

/// Two outputs for one topic: `stop` and `drop`, named after their error policies.
fn both_policies(bootstrap: &str, topic: &str) -> (Service, Engine) {
    let outputs = [("stop", "Stop"), ("drop", "Drop")]
        .map(|(alias, policy)| output(alias, bootstrap, topic, &format!("errorPolicy: {policy}")));
    let service = Service::start(&job_of(&outputs));
    let engine = Engine::connect(&service);
    for alias in ["stop", "drop"] {
        engine.wait_ready(alias);
    }
    (service, engine)
}

fn open(engine: &Engine, alias: &str) -> Stream {
    let mut stream = engine.open(alias, alias);
    stream.declare(&COLUMNS);
    stream
}

/// Ten rows of which row 4 has 3,000 bytes more than the others.
fn one_large(writer: &str) -> String {
    let [before, large, after] = [(0..4, 0), (4..5, 3_000), (5..10, 0)]
        .map(|(numbers, pad)| rows(writer, numbers, &"x".repeat(pad)));
    before + &large + &after
}

/// What was sent by a writer whose row 4 is not there, as two writers that are.
#[track_caller]
fn check_nine_rows(bootstrap: &str, topic: &str, writer: &str) {
    let records = reader::topic(bootstrap, topic).records();
    let mine = |record: &&reader::Record| record.text().contains(&format!(r#""w":"{writer}""#));
    let numbers: Vec<u64> = records
        .iter()
        .filter(mine)
        .map(|record| {
            let row: serde_json::Value = serde_json::from_str(record.text()).expect("it is JSON");
            row["n"].as_u64().expect("a row has a number")
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2, 3, 5, 6, 7, 8, 9]);
}

#[track_caller]
fn check_named(rejected: &[RejectedRow], code: &str) {
    let found: Vec<_> =
        rejected.iter().map(|row| (row.sequence, row.row, row.code.as_str())).collect();
    assert_eq!(found, [(1, 4, code)]);
}

#[test]
fn a_row_beyond_the_topics_limit_is_named_before_anything_is_written() {
    let broker = shared_broker();
    let topic = unique_topic("limited");
    broker.admin().create_topic(&topic, 1, 1, &[("max.message.bytes", "2000")]);
    let (_service, engine) = both_policies(&broker.bootstrap(), &topic);

    let mut stop = open(&engine, "stop");
    let record_bytes_max = stop.opened.limits.expect("limits are told").record_bytes_max;
    assert!((1_000..2_000).contains(&record_bytes_max), "below the topic's: {record_bytes_max}");
    stop.send(one_large("stop"));
    let refused = stop.wait_refused();
    assert_eq!((refused.sequence, refused.expected_sequence, refused.rows_total), (1, 1, 1));
    assert_eq!(refused.code, "BAD_ROWS");
    check_named(&refused.rows, "ROW_TOO_LARGE");
    let reason = &refused.rows[0].reason;
    let numbers: Vec<u64> =
        reason.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    // A row that is too large is not encoded to its end, so its size is a lower bound.
    let [size, limit] = numbers[..] else { panic!("size and limit should be in: {reason}") };
    let whole = one_large("stop").lines().nth(4).expect("there are ten").len() as u64;
    assert!((3_000..=whole).contains(&size) && limit == record_bytes_max, "{reason}");
    assert_eq!(engine.output("stop").records_delivered, 0);
    // The stream stays usable, and the number free.
    stop.send(rows("stop", 0..10, ""));
    stop.wait_durable();

    let mut drop = open(&engine, "drop");
    drop.send(one_large("drop"));
    drop.wait_durable();
    check_named(&drop.rejected, "ROW_TOO_LARGE");
    assert_eq!((drop.rejected_total, engine.output("drop").rows_rejected), (1, 1));
    check_nine_rows(&broker.bootstrap(), &topic, "drop");
}

/// Says of each record whether the broker has refused it for its size.
struct Sizes(std::sync::mpsc::Sender<bool>);

impl rdkafka::ClientContext for Sizes {}

impl ProducerContext for Sizes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        // Nobody waits for the verdict any more if the test has failed meanwhile.
        let _ = self.0.send(result.is_err());
    }
}

/// Sets the topic's limit and waits until the broker follows it, with records for a topic of its
/// own that gets the same limit first.
fn set_limit(broker: &tests::kafka::Broker, topic: &str, probe: &str, limit: usize) {
    let (verdicts, verdict) = std::sync::mpsc::channel();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("linger.ms", "0");
    let producer: BaseProducer<Sizes> =
        config.create_with_context(Sizes(verdicts)).expect("these settings are right");
    let refuses = |topic: &str| {
        let large = "x".repeat(3_000);
        let record = BaseRecord::<(), str>::to(topic).payload(&large);
        producer.send(record).map_err(|(error, _)| error).expect("the queue has room");
        producer.flush(DEADLINE).expect("the broker answers");
        verdict.recv_timeout(DEADLINE).expect("flushed records are reported")
    };
    for name in [topic, probe] {
        broker.admin().set_topic_property(name, "max.message.bytes", &limit.to_string());
    }
    // Settings act in their order, so what holds for the second holds for the first.
    wait_until("the broker follows the new limit", DEADLINE, || refuses(probe) == (limit < 3_000));
}

#[test]
fn a_limit_that_was_lowered_unseen_ends_the_same_way_after_the_brokers_verdict() {
    let broker = shared_broker();
    let (topic, probe) = (unique_topic("lowered"), unique_topic("probe"));
    for name in [&topic, &probe] {
        broker.admin().create_topic(name, 1, 1, &[]);
    }
    let (_service, engine) = both_policies(&broker.bootstrap(), &topic);
    let (mut stop, mut drop) = (open(&engine, "stop"), open(&engine, "drop"));
    set_limit(&broker, &topic, &probe, 2_000);

    drop.send(one_large("drop"));
    // Sound rows that are too large together are no reason to set one of them aside.
    drop.send(rows("more", 0..200, "and these are well"));
    drop.wait_durable();
    check_named(&drop.rejected, "ROW_TOO_LARGE");
    check_nine_rows(&broker.bootstrap(), &topic, "drop");

    stop.send(one_large("stop"));
    let held = stop.wait_held("ROW_TOO_LARGE");
    assert_eq!(held.sequence, 1);
    assert!(held.reason.contains("row 4 of its batch"), "names the row: {}", held.reason);
    assert!(held.reason.contains("max.message.bytes"), "says what helps: {}", held.reason);
    set_limit(&broker, &topic, &probe, 100_000);
    stop.wait_durable();
    assert_eq!(stop.rejected_total, 0);

    let records = reader::topic(&broker.bootstrap(), &topic).records();
    let of = |writer: &str| {
        let mine = format!(r#""w":"{writer}""#);
        records.iter().filter(|record| record.text().contains(&mine)).cloned().collect::<Vec<_>>()
    };
    check::exactly(&of("more"), &[Sent::whole("more", 200).filled("and these are well")]);
    check::exactly(&of("stop"), &[Sent::whole("stop", 10).filled_differently()]);
}

#[test]
fn records_that_the_topic_forbids_are_held_or_named() {
    let broker = shared_broker();
    let topic = unique_topic("compacted");
    broker.admin().create_topic(&topic, 1, 1, &[("cleanup.policy", "compact")]);
    let (_service, engine) = both_policies(&broker.bootstrap(), &topic);

    let mut drop = open(&engine, "drop");
    drop.send(rows("drop", 0..20, ""));
    drop.wait_durable();
    let named: Vec<u64> = drop.rejected.iter().map(|row| row.row).collect();
    assert_eq!((named, drop.rejected_total), ((0..20).collect(), 20));
    assert!(drop.rejected.iter().all(|row| row.code == "ROW_REFUSED"), "{:?}", drop.rejected);

    let mut stop = open(&engine, "stop");
    stop.send(rows("stop", 0..3, ""));
    let held = stop.wait_held("ROW_REFUSED");
    assert!(held.reason.contains("row 0 of its batch"), "names the row: {}", held.reason);
    assert!(held.reason.contains("a compacted topic wants keys"), "{}", held.reason);
    broker.admin().set_topic_property(&topic, "cleanup.policy", "delete");
    stop.wait_durable();
    let found = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&found, &[Sent::whole("stop", 3)]);
}

#[test]
fn send_tells_a_fault_by_its_exit_code_where_nobody_reads_the_words() {
    // Whatever is written there fails.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut send = Command::new(program());
    send.args(["send", "/nowhere/x.csv", "--into", OUTPUT]).stderr(full);
    assert_eq!(send.status().expect("the built binary runs").code(), BAD_INPUT);
}

#[test]
fn send_shows_no_password_of_an_address() {
    let output = run(&["send", "x.csv", "--into", OUTPUT, "--to", "http://me:hidden@localhost:1"]);
    let error = said(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("it names a user") && !error.contains("hidden"), "{error}");
}

#[test]
fn send_names_what_is_wrong_with_a_file_and_writes_nothing() {
    let broker = shared_broker();
    let topic = unique_topic("files");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let dir = cache::run_dir("files-");
    let file = |name: &str, content: &str| written(dir.path(), name, content.as_bytes());
    let url = service.url();
    let send = |path: &Path, more: &[&str]| {
        run(&[&["send", utf8(path), "--into", OUTPUT, "--to", &url], more].concat())
    };

    let wrong_type = "{\"a\":1}\n{\"a\":2}\n{\"a\":\"three\"}\n";
    let cases = [
        (dir.path().join("missing.csv"), &[][..], "missing.csv: there is no such file"),
        (dir.path().to_owned(), &[], "is a directory"),
        (file("empty.csv", ""), &[], "empty.csv: is empty"),
        (file("ragged.csv", "a,b\n1,2\n3\n"), &[], "ragged.csv:3: the row has 1 field"),
        (
            file("typed.jsonl", wrong_type),
            &["--types", "a=int64"],
            "typed.jsonl:3: column a: `three`",
        ),
        (file("broken.parquet", "junk, not columns"), &[], "broken.parquet: is not a Parquet file"),
        (file("rows.unknown", "hello"), &[], "rows.unknown: its name does not tell its format"),
    ];
    for (path, more, expected) in cases {
        let output = send(&path, more);
        let error = said(&output.stderr);
        assert_eq!(output.status.code(), BAD_INPUT, "{}: {error}", path.display());
        assert!(error.contains(expected), "`{expected}` should be in: {error}");
    }

    let fine = file("fine.csv", "a,b\n1,2\n");
    let output = run(&["send", utf8(&fine), "--into", "nowhere", "--to", &url]);
    assert_eq!(output.status.code(), REFUSED, "{output:?}");
    assert!(said(&output.stderr).contains("no output `nowhere`"), "{output:?}");

    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = format!("http://{}", nobody.expect("some port is free"));
    let start = std::time::Instant::now();
    let output = run(&["send", utf8(&fine), "--into", OUTPUT, "--to", &nobody, "--wait", "1s"]);
    assert_eq!(output.status.code(), UNREACHABLE, "{output:?}");
    assert!(said(&output.stderr).contains(&nobody), "names the address: {output:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "it waits for a second, not for ever");

    // Nothing of all that was written; the file that is fine can be.
    assert_eq!(engine.output(OUTPUT).records_delivered, 0);
    assert_eq!(send(&fine, &[]).status.code(), Some(0));
    assert_eq!(reader::topic(&broker.bootstrap(), &topic).counts()[&0].records, 1);
}
