//! `errorPolicy: DeadLetter`: rows that can never be written are kept in a topic of their own, each
//! with its reason, and nothing counts as durable before they are.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod faults;
mod letters;
mod rows;

use proto::v1::Primitive;
use tests::{
    engine::{
        Engine, Stream,
        job::{job_of, output},
    },
    kafka::{shared_broker, unique_topic},
    reader,
    service::Service,
};

use self::letters::Letter;

/// Two topics, the second for letters, and the job that writes into them. The output's alias is the
/// topic, since it is part of what is stored of its writers, and the broker is not ours alone.
struct World {
    bootstrap: String,
    topic: String,
    letters: String,
    job: String,
}

impl World {
    /// Topics with these settings, and an output with these keys more.
    fn new(name: &str, settings: &[(&str, &str)], more: &str) -> Self {
        let world = Self::without_letters(name, settings, more);
        world.create_letters();
        world
    }

    /// The same before there is a topic for letters.
    fn without_letters(name: &str, settings: &[(&str, &str)], more: &str) -> Self {
        let broker = shared_broker();
        let (topic, letters) = (unique_topic(name), unique_topic("letters"));
        broker.admin().create_topic(&topic, 1, 1, settings);
        let bootstrap = broker.bootstrap();
        let comma = if more.is_empty() { "" } else { ", " };
        let more =
            format!("errorPolicy: DeadLetter, deadLetter: {{ topic: {letters} }}{comma}{more}");
        let job = job_of(&[output(&topic, &bootstrap, &topic, &more)]);
        Self { bootstrap, topic, letters, job }
    }

    fn create_letters(&self) {
        shared_broker().admin().create_topic(&self.letters, 3, 1, &[]);
    }

    fn start(&self) -> (Service, Engine) {
        let service = Service::start(&self.job);
        let engine = Engine::connect(&service);
        engine.wait_ready(&self.topic);
        (service, engine)
    }

    /// The letters, as readers of what is committed see them.
    fn letters(&self) -> Vec<Letter> {
        letters::read(&self.bootstrap, &self.letters, &self.topic, &self.topic)
    }

    /// The records of the topic itself.
    fn records(&self) -> Vec<String> {
        let records = reader::topic(&self.bootstrap, &self.topic).records();
        records.iter().map(|record| record.text().to_owned()).collect()
    }
}

/// A stream of rows with a number and a float.
fn open(engine: &Engine, output: &str) -> Stream {
    let mut stream = engine.open(output, "w");
    stream.declare(&[("n", Primitive::Int64), ("f", Primitive::Float64)]);
    stream
}

/// `count` lines from the number `first` on, of which those with a number that `every` divides are
/// bad.
fn lines(first: u64, count: u64, every: u64) -> String {
    let line = |n| match n % every {
        0 => format!("{{\"n\":\"bad {n}\"}}\n"),
        _ => format!("{{\"n\":{n}}}\n"),
    };
    (first..first + count).map(line).collect()
}
