//! What delivery needs beside the topic: progress, transactions, dead letters.

use serde_json::Value;
use tests::{
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{
        Broker, BrokerOptions, Listener, Mechanism, PASSWORD, Right, SecureBrokers, own_brokers,
        shared_secure, unique_topic,
    },
    kafka_proxy::{Act, Api, KafkaProxy, Rule},
    proxy::Proxy,
    reader,
    service::Service,
};

use super::{
    DONE, UNREACHABLE,
    job::{Job, login_of, sasl_plaintext},
};

/// What is looked at here; the rest is in [`super::ways`].
const STEPS: [&str; 4] = ["PROGRESS_TOPIC", "PROGRESS_PERMISSION", "TRANSACTIONS", "DEAD_LETTERS"];

/// What all transactional ids begin with.
const OURS: Right<'_> = Right::Transactions("kafka-output.");

/// Kafka's code of a request that the broker does not have.
const UNSUPPORTED_VERSION: i16 = 35;

const EXACTLY_ONCE: &str = "guarantee: exactlyOnce\n";

/// What is told of a step: its outcome, with the code of what is wrong, and a part of what is said.
type Told<'a> = (&'a str, &'a str, &'a str);

const MAY_USE_IT: Told<'_> = ("PROGRESS_PERMISSION", "passed", "granted");
const HAS_TRANSACTIONS: Told<'_> = ("TRANSACTIONS", "passed", "the brokers have them");

/// A job whose outputs have users of their own, and what is to be told of each.
struct Cases<'a> {
    job: Job<'a>,
    brokers: &'a SecureBrokers,
    expected: Vec<(&'a str, Vec<Told<'a>>)>,
}

impl<'a> Cases<'a> {
    fn new(brokers: &'a SecureBrokers) -> Self {
        Self { job: Job::new(brokers), brokers, expected: Vec::new() }
    }

    /// An output whose user may write its topic and has these rights.
    fn of_user(&mut self, alias: &'a str, rights: &[Right<'_>], keys: &str, told: &[Told<'a>]) {
        let user = unique_topic(alias);
        self.brokers.set_password(Mechanism::Plain, &user, PASSWORD);
        self.brokers.allow(&user, Right::Write(&self.job.topic));
        rights.iter().for_each(|right| self.brokers.allow(&user, *right));
        let login = sasl_plaintext(&login_of(&user, "PLAIN", "word"));
        self.job.at(alias, Listener::SaslPlaintext, &format!("{login}\n{keys}"));
        self.expected.push((alias, told.to_vec()));
    }

    /// An output whose user may do everything.
    fn of_all(&mut self, alias: &'a str, topic: &str, keys: &str, told: &[Told<'a>]) {
        self.job.output(alias, Listener::Plaintext, topic, keys);
        self.expected.push((alias, told.to_vec()));
    }

    fn check(&self, exit: Option<i32>) {
        let told = self.job.told(exit);
        assert_eq!(told.len(), self.expected.len());
        for ((alias, steps), (expected_alias, expected)) in told.iter().zip(&self.expected) {
            assert_eq!(alias, expected_alias);
            let found: Vec<_> = steps
                .iter()
                .filter(|step| STEPS.contains(&step["step"].as_str().unwrap()))
                .collect();
            assert_eq!(found.len(), expected.len(), "{alias}: {found:?}");
            for (step, expected) in found.into_iter().zip(expected) {
                is_told(alias, step, *expected);
            }
        }
    }
}

fn is_told(alias: &str, step: &Value, (name, told, says): Told<'_>) {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    let outcome = format!("{} {}", text("outcome"), text("code"));
    assert_eq!((text("step"), outcome.trim_end()), (name, told), "{alias}: {step}");
    let said = ["told", "why", "message", "remedy"].map(text).join(" ");
    assert!(said.contains(says), "{alias}: {step}");
    assert_eq!(!text("code").is_empty(), !text("remedy").is_empty(), "{alias}: {step}");
}

fn progress(topic: &str) -> String {
    format!("{EXACTLY_ONCE}progress: {{ topic: {topic} }}")
}

fn letters(topic: &str) -> String {
    format!("acks: One\nerrorPolicy: DeadLetter\ndeadLetter: {{ topic: {topic} }}")
}

/// A topic that keeps progress.
fn kept(brokers: &SecureBrokers) -> String {
    let topic = unique_topic("kept");
    brokers.admin().create_topic(&topic, 16, 1, &[("cleanup.policy", "compact")]);
    topic
}

#[test]
fn each_right_that_progress_and_transactions_need_is_told_by_name() {
    let brokers = shared_secure();
    let topic = kept(&brokers);
    let [read, write] = [Right::Read(&topic), Right::Write(&topic)];
    let [see, see_settings] = [Right::Describe(&topic), Right::DescribeConfigs(&topic)];
    let keys = progress(&topic);
    let denied = "failed PROGRESS_NOT_AUTHORIZED";
    let is_kept = ("PROGRESS_TOPIC", "passed", "16 partitions");
    let policy = ("PROGRESS_TOPIC", "warning PROGRESS_POLICY_UNKNOWN", "grant DESCRIBE_CONFIGS");
    let mut cases = Cases::new(&brokers);
    let all = [read, write, see_settings, OURS];
    cases.of_user("all", &all, &keys, &[is_kept, MAY_USE_IT, HAS_TRANSACTIONS]);
    let told = [policy, MAY_USE_IT, HAS_TRANSACTIONS];
    cases.of_user("settings-unseen", &[read, write, OURS], &keys, &told);
    let unseen = ("PROGRESS_TOPIC", denied, "Grant it READ, WRITE and DESCRIBE there");
    cases.of_user("unseen", &[OURS], &keys, &[unseen, HAS_TRANSACTIONS]);
    let lacks = |what| [is_kept, ("PROGRESS_PERMISSION", denied, what), HAS_TRANSACTIONS];
    let rights = [write, see_settings, OURS];
    cases.of_user("unread", &rights, &keys, &lacks("but not read it"));
    let rights = [read, see_settings, OURS];
    cases.of_user("unwritten", &rights, &keys, &lacks("but not write it"));
    let rights = [see, see_settings, OURS];
    cases.of_user("seen", &rights, &keys, &lacks("neither read nor write it"));
    let no_id = (
        "TRANSACTIONS",
        "failed TRANSACTIONAL_ID_NOT_AUTHORIZED",
        "Grant it WRITE on transactional ids with the prefix `kafka-output.`",
    );
    let rights = [read, write, see_settings];
    cases.of_user("no-id", &rights, &keys, &[is_kept, MAY_USE_IT, no_id]);
    cases.check(UNREACHABLE);
}

#[test]
fn a_progress_topic_is_judged_and_not_made() {
    let brokers = shared_secure();
    let [absent, forgetful, narrow] = ["absent", "forgetful", "narrow"].map(unique_topic);
    brokers.admin().create_topic(&forgetful, 16, 1, &[("cleanup.policy", "delete")]);
    brokers.admin().create_topic(&narrow, 3, 1, &[("cleanup.policy", "compact")]);
    let [see, make] = [Right::Describe(&absent), Right::Create(&absent)];
    let keys = progress(&absent);
    let unusable = |says| {
        let told = ("PROGRESS_TOPIC", "failed PROGRESS_TOPIC_UNUSABLE", says);
        [told, HAS_TRANSACTIONS]
    };
    let mut cases = Cases::new(&brokers);
    let to_be_made = [
        ("PROGRESS_TOPIC", "passed", "is missing, and the service may make it"),
        ("PROGRESS_PERMISSION", "notChecked", "the output's user needs READ and WRITE"),
        HAS_TRANSACTIONS,
    ];
    cases.of_user("to-be-made", &[see, make, OURS], &keys, &to_be_made);
    let denied = "failed PROGRESS_NOT_AUTHORIZED";
    let not_to_be_made = ("PROGRESS_TOPIC", denied, "where it is missing, CREATE as well");
    cases.of_user("not-to-be-made", &[see, OURS], &keys, &[not_to_be_made, HAS_TRANSACTIONS]);
    let (topic, missing) = (cases.job.topic.clone(), unique_topic("no-topic"));
    cases.of_all("forgetful", &topic, &progress(&forgetful), &unusable("Set it to `compact`"));
    cases.of_all("narrow", &topic, &progress(&narrow), &unusable("has 3 partitions, and 16 are"));
    // Whatever is wrong with the topic of rows.
    cases.of_all("no-topic", &missing, &keys, &to_be_made);
    cases.check(UNREACHABLE);
    assert!(brokers.admin().topic(&absent).is_none(), "it is made");
}

#[test]
fn the_topic_of_dead_letters_is_there_and_takes_them() {
    let brokers = shared_secure();
    let [good, denied, seen, short] = ["good", "denied", "seen", "short"].map(unique_topic);
    for topic in [&good, &denied, &seen] {
        brokers.admin().create_topic(topic, 1, 1, &[]);
    }
    brokers.admin().create_topic(&short, 1, 1, &[("max.message.bytes", "5000")]);
    let missing = unique_topic("missing");
    let mut cases = Cases::new(&brokers);
    let topic = cases.job.topic.clone();
    let told = |told, says| [("DEAD_LETTERS", told, says)];
    let forbidden = "failed TOPIC_NOT_AUTHORIZED";
    cases.of_all("good", &topic, &letters(&good), &told("passed", "1 partition"));
    let cut = told("warning SIZE_BEYOND_LIMIT", "letters of longer rows are cut");
    cases.of_all("short", &topic, &letters(&short), &cut);
    let not_there = told("failed TOPIC_NOT_FOUND", "Create the topic");
    cases.of_all("missing", &topic, &letters(&missing), &not_there);
    let right = [Right::Write(good.as_str())];
    cases.of_user("good-user", &right, &letters(&good), &told("passed", "1 partition"));
    let none = told(forbidden, "Topic authorization failed");
    cases.of_user("denied", &[], &letters(&denied), &none);
    let right = [Right::Describe(seen.as_str())];
    cases.of_user("seen", &right, &letters(&seen), &told(forbidden, "but not write it"));
    cases.check(UNREACHABLE);
}

/// Rows are written without it, so nothing fails.
#[test]
fn at_least_once_lacks_a_progress_topic_with_a_warning() {
    let brokers = shared_secure();
    let topic = kept(&brokers);
    let mut cases = Cases::new(&brokers);
    let keys = format!("progress: {{ topic: {topic} }}");
    let unseen = ("PROGRESS_TOPIC", "warning PROGRESS_NOT_AUTHORIZED", "after a restart");
    cases.of_user("unseen", &[], &keys, &[unseen]);
    let settings_seen = Right::DescribeConfigs(&topic);
    let unread = ("PROGRESS_PERMISSION", "warning PROGRESS_NOT_AUTHORIZED", "but not read it");
    let told = [("PROGRESS_TOPIC", "passed", "16 partitions"), unread];
    cases.of_user("unread", &[Right::Write(&topic), settings_seen], &keys, &told);
    cases.of_user("best-effort", &[], "acks: One", &[]);
    cases.check(DONE);
    let text = cases.job.check(&[], DONE);
    let said = format!(
        "  ! progress topic: rows are written without it, and after a restart writers go on where \
         their engines say\n      PROGRESS_NOT_AUTHORIZED: the output's user may not use the \
         progress topic `{topic}`: Broker: Topic authorization failed (TOPIC_AUTHORIZATION_FAILED)\n      → \
         Grant it READ, WRITE and DESCRIBE there; where it is missing, CREATE as well, or make it: \
         16 partitions, `cleanup.policy=compact`\n"
    );
    assert!(text.contains(&said), "{text}");
}

#[test]
fn brokers_that_refuse_the_timeout_or_have_no_transactions_are_told() {
    let _own = own_brokers();
    let way = Proxy::start();
    let options = BrokerOptions::default().set("transaction.max.timeout.ms", "20000");
    let broker = Broker::start_behind(&way, &options);
    let kafka = KafkaProxy::to(broker.proxied_address());
    way.lead_to(kafka.address());
    // As namespaces of Event Hubs Standard and brokers of other kinds answer.
    kafka.obey(&Rule::new(Api::InitProducerId, Act::Refuse(UNSUPPORTED_VERSION), u64::MAX));
    broker.admin().create_topic("t", 1, 1, &[]);
    let shared = shared_secure();
    let job = Job::new(&shared);
    let short = "guarantee: exactlyOnce, transactions: { timeout: 20s }";
    let outputs = [
        ("long", broker.bootstrap(), "guarantee: exactlyOnce"),
        ("short", broker.bootstrap(), short),
        ("without", way.address().to_string(), short),
    ];
    let yaml = job_of(&outputs.map(|(alias, servers, more)| output(alias, &servers, "t", more)));
    let told = job.told_of(&yaml, UNREACHABLE);
    let step = |alias: &str| {
        let (_, steps) = told.iter().find(|(found, _)| found == alias).unwrap();
        steps.iter().find(|step| step["step"] == "TRANSACTIONS").unwrap()
    };
    let refused = "failed TRANSACTION_TIMEOUT_REFUSED";
    is_told("long", step("long"), ("TRANSACTIONS", refused, "`transactions.timeout` of 30 s"));
    is_told("long", step("long"), ("TRANSACTIONS", refused, "`transaction.max.timeout.ms`"));
    is_told("short", step("short"), ("TRANSACTIONS", "passed", "a timeout of 20s"));
    let none = "failed TRANSACTIONS_UNSUPPORTED";
    is_told("without", step("without"), ("TRANSACTIONS", none, "Event Hubs Premium or Dedicated"));
}

#[test]
fn a_check_writes_nothing_and_disturbs_no_writer() {
    let brokers = shared_secure();
    let (progress, servers) = (kept(&brokers), brokers.bootstrap(Listener::Plaintext));
    let job = Job::new(&brokers);
    let keys = format!("guarantee: exactlyOnce, progress: {{ topic: {progress} }}");
    let yaml = job_of(&[output("out", &servers, &job.topic, &keys)]);
    let service = Service::start(&yaml);
    let engine = Engine::connect(&service);
    let mut stream = engine.open("out", "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();
    let stored = || {
        let count = |topic: &str| reader::topic(&servers, topic).records().len();
        (count(&job.topic), count(&progress))
    };
    let before = stored();
    assert_eq!(before.0, 10);
    let told = [job.told_of(&yaml, DONE), job.told_of(&yaml, DONE)];
    assert_eq!(stored(), before);
    // Whoever takes the writer's place has it opened anew, which is stored, too.
    stream.send(rows("w", 10..20, ""));
    stream.wait_durable();
    assert_eq!(stored(), (20, before.1 + 1));
    for outputs in &told {
        let steps = &outputs[0].1;
        let opened = steps.iter().find(|step| step["step"] == "TRANSACTIONS").unwrap();
        let id = &opened["facts"]["transactionalId"];
        assert_eq!(id, "kafka-output.tests.out.exactlyOnce./check", "{opened}");
    }
    // The id that was opened is nobody's.
    let listed = job.run(&["transactions", "job.yaml", "--json"], DONE);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let writers = listed["outputs"][0]["writers"].as_array().unwrap();
    assert_eq!(writers.len(), 1, "{listed}");
    assert_eq!(writers[0]["writer"], "w", "{listed}");
}
