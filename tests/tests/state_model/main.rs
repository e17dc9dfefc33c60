//! A random walk of a writer through opening, sending, acknowledgements, crashes, restarts, another
//! replica and being forgotten: the real service on real Kafka beside a [`model`] of what must be so.
//!
//! Each seed is a walk; it is printed, and `KAFKA_OUTPUT_SEED` repeats one. `KAFKA_OUTPUT_SEEDS` says
//! how many there are.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod model;
#[path = "../../../serializers/tests/common/source.rs"]
#[expect(dead_code, reason = "other tests draw integers and lengths as well")]
mod source;

use std::{collections::BTreeMap, env, time::Duration};

use proto::v1::Open;
use tests::{
    engine::{
        Answer, Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    is_long,
    kafka::{shared_broker, unique_topic},
    reader,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use self::{
    model::{Id, Model, Promise},
    source::Random,
};

/// Rows of a batch.
const ROWS: u64 = 3;
/// Numbers that the batches of a life have.
const LIFE: u64 = 1_000_000;
const REPLICAS: usize = 2;
/// A life that no writer has: rows of one that has lost its writer.
const NEVER: u64 = 999;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The engine opens the writer at a replica, and says what it knows, or does not.
    Open { replica: usize, knows: bool },
    /// It says that more is durable than was ever sent.
    OpenAhead { replica: usize },
    /// It sends some batches.
    Send { batches: u64 },
    /// It waits until all that it sent is durable.
    Wait,
    /// It hangs up, whatever is on its way.
    HangUp,
    /// A replica dies, and another one comes in its place.
    Kill { replica: usize },
    /// A replica is stopped in peace, and another one comes in its place.
    Stop { replica: usize },
    /// The writer is forgotten.
    Reset { replica: usize },
}

impl Step {
    fn draw(random: &mut Random) -> Self {
        let replica = random.below(REPLICAS);
        match random.below(20) {
            0..5 => Self::Open { replica, knows: random.below(2) == 0 },
            5 => Self::OpenAhead { replica },
            6..12 => Self::Send { batches: 1 + random.below(5) as u64 },
            12..14 => Self::Wait,
            14 => Self::HangUp,
            15..17 => Self::Kill { replica },
            17 => Self::Stop { replica },
            _ => Self::Reset { replica },
        }
    }
}

/// A process that serves the writer.
struct Replica {
    service: Service,
    engine: Engine,
    /// Another one has taken over with rows on their way here, of which this one knows no more.
    has_lost: bool,
}

struct Walk {
    promise: Promise,
    topic: String,
    job: String,
    replicas: Vec<Replica>,
    model: Model,
    /// The stream that is open, and where.
    live: Option<(usize, Stream)>,
    /// The replica that has served the writer last and lives since, or has stored all it knew.
    last: Last,
}

/// Who knows how far the writer has come, beside its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// Nobody for sure.
    Nobody,
    /// The process of this replica.
    Process(usize),
    /// Everybody who looks: it is stored.
    Stored,
}

impl Walk {
    fn start(promise: Promise) -> Self {
        let topic = unique_topic("walk");
        let broker = shared_broker();
        broker.admin().create_topic(&topic, 1, 1, &[]);
        let guarantee = match promise {
            Promise::AtLeastOnce => "guarantee: atLeastOnce",
            Promise::ExactlyOnce => "guarantee: exactlyOnce",
        };
        // Its alias is part of what is stored of its writers, and the broker is not ours alone.
        let job = job_of(&[output(&topic, &broker.bootstrap(), &topic, guarantee)]);
        let replicas = (0..REPLICAS).map(|_| Replica::start(&job, &topic)).collect();
        let (model, live, last) = (Model::new(promise), None, Last::Stored);
        Self { promise, topic, job, replicas, model, live, last }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Open { replica, knows } => self.open(replica, knows),
            Step::OpenAhead { replica } => self.open_ahead(replica),
            Step::Send { batches } => self.send(batches),
            Step::Wait => self.wait(),
            Step::HangUp => self.hang_up(),
            Step::Kill { replica } => self.restart(replica, false),
            Step::Stop { replica } => self.restart(replica, true),
            Step::Reset { replica } => self.reset(replica),
        }
    }

    fn open(&mut self, replica: usize, knows: bool) {
        // Without transactions nothing fences a stream at another replica: the engine ends it.
        let elsewhere = self.live.as_ref().is_some_and(|(at, _)| *at != replica);
        if self.promise == Promise::AtLeastOnce && elsewhere {
            self.hang_up();
        }
        let older = self.live.take();
        let acknowledged = knows.then_some(self.model.durable);
        let position = acknowledged.filter(|known| *known > 0);
        let open = Open {
            output: self.topic.clone(),
            writer_id: "w".to_owned(),
            acknowledged,
            acknowledged_position: position.map(|known| Model::position(self.model.id(known))),
            ..Open::default()
        };
        let mut stream = self.replicas[replica].engine.try_open(open).unwrap();
        if let Some((at, mut older)) = older {
            // What it was told before it ended holds. At another replica it may hear of it when it
            // sends; nothing of that is written.
            if at != replica {
                self.replicas[at].has_lost = true;
                older.send(rows("w", NEVER * LIFE..NEVER * LIFE + ROWS, ""));
            }
            let end = older.wait_end().expect_err("the writer is another stream's");
            assert_eq!(end.reason, "TAKEN_OVER", "{end:?}");
            self.model.hears(older.durable_through);
        }
        let remembers = self.last == Last::Stored || self.last == Last::Process(replica);
        self.model.opened(acknowledged, remembers, &stream.opened);
        stream.declare(&COLUMNS);
        self.live = Some((replica, stream));
        self.last = Last::Process(replica);
    }

    fn open_ahead(&mut self, replica: usize) {
        if self.promise == Promise::AtLeastOnce {
            return; // it takes the engine's word
        }
        self.hang_up();
        let open = Open {
            output: self.topic.clone(),
            writer_id: "w".to_owned(),
            acknowledged: Some(self.model.sent + 1),
            ..Open::default()
        };
        let refused = self.replicas[replica].engine.try_open(open).unwrap_err();
        assert_eq!((refused.reason.as_str(), refused.may_be_written), ("PROGRESS_LOST", false));
    }

    fn send(&mut self, batches: u64) {
        let Some((_, stream)) = &mut self.live else { return };
        for _ in 0..batches {
            let id = self.model.id(stream.sent + 1);
            let first = id.0 * LIFE + id.1 * ROWS;
            let sequence = stream.send_at(rows("w", first..first + ROWS, ""), Model::position(id));
            self.model.sends(sequence);
        }
        // Whatever is told by now, without waiting for more.
        while let Some(answer) = stream.next(Duration::ZERO) {
            assert!(matches!(answer, Answer::Ack(_) | Answer::Held(_)), "{answer:?}");
        }
        self.model.hears(stream.durable_through);
    }

    fn wait(&mut self) {
        let Some((_, stream)) = &mut self.live else { return };
        stream.wait_durable();
        self.model.hears(stream.durable_through);
    }

    fn hang_up(&mut self) {
        let Some((replica, stream)) = self.live.take() else { return };
        self.model.hears(stream.durable_through);
        drop(stream);
        let engine = &self.replicas[replica].engine;
        wait_until("the stream is over", DEADLINE, || !engine.writer(&self.topic, "w").live);
    }

    fn restart(&mut self, replica: usize, in_peace: bool) {
        let is_live = self.live.as_ref().is_some_and(|(at, _)| *at == replica);
        if is_live && in_peace {
            self.hang_up();
        } else if is_live {
            let (_, stream) = self.live.take().unwrap();
            self.model.hears(stream.durable_through);
        }
        let fresh = Replica::start(&self.job, &self.topic);
        let old = std::mem::replace(&mut self.replicas[replica], fresh);
        if in_peace {
            let ended = old.service.terminate(DEADLINE);
            // 5: rows have no answer, which are those of the writer that it has lost.
            let is_good = ended.code == Some(0) || old.has_lost && ended.code == Some(5);
            assert!(is_good, "{ended:?}");
        } else {
            old.service.kill();
        }
        if self.last == Last::Process(replica) {
            self.last = if in_peace { Last::Stored } else { Last::Nobody };
        }
    }

    fn reset(&mut self, replica: usize) {
        self.hang_up();
        if self.promise == Promise::AtLeastOnce {
            // Nothing fences another process that has served the writer, and stores that later.
            (0..REPLICAS).filter(|at| *at != replica).for_each(|at| self.restart(at, true));
        }
        self.replicas[replica].engine.reset_writer(&self.topic, "w").unwrap();
        self.model.forgets();
        self.last = Last::Stored;
    }

    /// Sends what is missing, and looks at the topic.
    fn end(mut self) {
        self.open(0, true);
        let missing = self.model.sent + 1 - self.model.durable;
        self.send(missing);
        self.wait();
        let records = reader::topic(&shared_broker().bootstrap(), &self.topic).records();
        let mut found = BTreeMap::<Id, Vec<u64>>::new();
        for record in &records {
            let row: serde_json::Value = serde_json::from_str(record.text()).unwrap();
            let number = row["n"].as_u64().unwrap();
            let id = (number / LIFE, number % LIFE / ROWS);
            found.entry(id).or_default().push(number % LIFE % ROWS);
        }
        let times = found.into_iter().map(|(id, rows)| {
            let each = [0, 1, 2].map(|row| rows.iter().filter(|of| **of == row).count() as u64);
            // Rows of a batch that was cut off by a crash are as good as none of it.
            let whole = each.into_iter().min().unwrap();
            let is_whole = each.iter().all(|times| *times == whole);
            assert!(is_whole || self.promise == Promise::AtLeastOnce, "{id:?} is there in part");
            (id, whole)
        });
        self.model.check(&times.collect());
    }
}

impl Replica {
    fn start(job: &str, topic: &str) -> Self {
        let service = Service::start(job);
        let engine = Engine::connect(&service);
        engine.wait_ready(topic);
        Self { service, engine, has_lost: false }
    }
}

fn walk(promise: Promise, first_seed: u64) {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (seeds, steps) = if is_long() { (40, 80) } else { (3, 40) };
    let seeds = match number("KAFKA_OUTPUT_SEED") {
        Some(seed) => seed..seed + 1,
        None => first_seed..first_seed + number("KAFKA_OUTPUT_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        println!("{promise:?}: KAFKA_OUTPUT_SEED={seed} repeats this walk");
        let mut random = Random(seed);
        let mut walk = Walk::start(promise);
        for at in 0..steps {
            let step = Step::draw(&mut random);
            println!("{at}: {step:?}, {} durable of {}", walk.model.durable, walk.model.sent);
            walk.take(step);
        }
        walk.end();
    }
}

#[test]
fn an_exactly_once_writer_is_where_the_model_is() {
    walk(Promise::ExactlyOnce, 1);
}

#[test]
fn an_at_least_once_writer_is_where_the_model_allows() {
    walk(Promise::AtLeastOnce, 1);
}
