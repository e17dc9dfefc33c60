//! Credentials are replaced while batches wait for the topic of their dead letters: the new ones
//! bring rows and letters there, once.

use tests::{
    engine::{
        Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, rows_with_bad},
    },
    kafka::{Listener, Right, SecureBrokers, SecureOptions, own_brokers},
    proxy::Proxy,
    reader,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::{
    place::Place,
    subject::{Kind, Subject},
};

/// One row of so many is bad.
const EVERY: u64 = 10;
const BATCH_ROWS: u64 = 50;

/// An output, and its writer.
struct Waiting {
    output: &'static str,
    letters: String,
    stream: Stream,
}

impl Waiting {
    /// Sends the next rows, without bad ones or with.
    fn send(&mut self, every: Option<u64>) {
        let first = self.stream.sent * BATCH_ROWS;
        self.stream.send(rows_with_bad("w", first..first + BATCH_ROWS, "", every));
    }
}

fn letters_of(output: &str) -> String {
    format!("{output}-letters")
}

#[test]
fn credentials_are_replaced_while_dead_letters_wait() {
    let _own = own_brokers();
    let kinds = [Kind::Scram, Kind::ClientCertificate];
    let ways = Subject::LISTENERS.map(|_| [Proxy::start()]);
    let options = Subject::LISTENERS.iter().zip(&ways);
    let options =
        options.fold(SecureOptions::default(), |o, (listener, way)| o.behind(*listener, way));
    let brokers = SecureBrokers::start(&options);
    let place = Place::new();
    Subject::prepare(&brokers);
    let mut subjects = kinds.map(|kind| Subject::start(kind, &brokers, &place, 1));
    let outputs = subjects.iter().flat_map(|subject| {
        let bootstrap = brokers.bootstrap(subject.listener());
        let [plain, exact] = subject.outputs();
        [(plain, "atLeastOnce"), (exact, "exactlyOnce")].map(|(alias, guarantee)| {
            let letters = letters_of(alias);
            // Nobody may write there yet.
            brokers.admin().create_topic(&letters, 1, 1, &[]);
            let keys = format!(
                "{}, guarantee: {guarantee}, errorPolicy: DeadLetter, deadLetter: {{ topic: \
                 {letters} }}",
                subject.keys(&place)
            );
            output(alias, &bootstrap, alias, &keys)
        })
    });
    let job = format!("secretRefresh: 1s\n{}", job_of(&outputs.collect::<Vec<_>>()));
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let mut waiting: Vec<_> = subjects
        .iter()
        .flat_map(Subject::outputs)
        .map(|output| {
            engine.wait_ready(output);
            let mut stream = engine.open(output, "w");
            stream.declare(&COLUMNS);
            let mut waiting = Waiting { output, letters: letters_of(output), stream };
            waiting.send(None);
            waiting.stream.wait_durable();
            waiting.send(Some(EVERY));
            waiting
        })
        .collect();
    for Waiting { letters, stream, .. } in &mut waiting {
        let held = stream.wait_held("TOPIC_NOT_AUTHORIZED");
        assert!(held.reason.contains(letters.as_str()), "{held:?}");
        assert_eq!(stream.durable_through, 1);
    }

    for subject in &mut subjects {
        subject.renew(1, &brokers, &engine, &place);
        subject.revoke(&brokers);
    }
    // Whoever is in must come in again.
    let all = || ways.iter().flatten();
    let before: Vec<_> = all().map(Proxy::connections_reset).collect();
    all().for_each(Proxy::reset);
    let used: Vec<_> = subjects.iter().map(Subject::listener).collect();
    wait_until("every connection is cut", DEADLINE, || {
        let of = all().zip(&before).zip(Subject::LISTENERS);
        of.into_iter().all(|((way, before), listener)| {
            !used.contains(&listener) || way.connections_reset() > *before
        })
    });
    for subject in &subjects {
        for output in subject.outputs() {
            brokers.allow(&subject.user(), Right::Write(&letters_of(output)));
        }
    }
    for waiting in &mut waiting {
        waiting.stream.wait_durable();
        waiting.send(Some(EVERY));
        waiting.stream.wait_durable();
        let named = waiting.stream.rejected_total;
        assert_eq!(named, 2 * BATCH_ROWS / EVERY, "{}", waiting.output);
        assert_eq!(engine.output(waiting.output).credentials_trouble, "");
    }
    let plain = brokers.bootstrap(Listener::Plaintext);
    for Waiting { output, letters, .. } in &waiting {
        let (records, letters) = (reader::topic(&plain, output), reader::topic(&plain, letters));
        let (records, letters) = (records.records(), letters.records());
        println!("{output}: {} rows, {} letters", records.len(), letters.len());
        let is_bad = |n: &u64| *n >= BATCH_ROWS && n % EVERY == EVERY - 1;
        assert_eq!(numbers(&letters), (0..3 * BATCH_ROWS).filter(is_bad).collect::<Vec<_>>());
        let good: Vec<_> = (0..3 * BATCH_ROWS).filter(|n| !is_bad(n)).collect();
        assert_eq!(numbers(&records), good, "{output}: each once, in order");
    }
}

/// The numbers of rows, in the order in which they stand there.
fn numbers(records: &[reader::Record]) -> Vec<u64> {
    let number = |record: &reader::Record| {
        let row: serde_json::Value = serde_json::from_str(record.text()).expect("a row is JSON");
        row["n"].as_u64().expect("rows have numbers")
    };
    records.iter().map(number).collect()
}
