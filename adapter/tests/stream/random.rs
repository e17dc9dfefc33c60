//! Whatever engines do and Kafka answers: a random walk beside a model of the contract.
//!
//! The [`model`] is the contract as a state machine: it foresees every answer and every batch that
//! Kafka is given. The [`walk`] does each step to the service and to the model and compares them.
//! Beside the model, with eyes of its own, it holds what matters most: what was acknowledged is in
//! Kafka as it was sent, nothing of it is written again, credit only grows, and in the end all
//! room and credit is given back and every writer can go on.
//!
//! A case that fails shrinks to a list of [`Step`]s that reads like a story.
#[path = "random/batch.rs"]
mod batch;
#[path = "random/line.rs"]
mod line;
#[path = "random/model.rs"]
mod model;
#[path = "random/walk.rs"]
mod walk;

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use tokio::time::sleep;

use self::{
    batch::{Batch, Carrier, Row},
    model::{Aside, Fate, Said, Stall},
    walk::{FAR, OUTPUTS, WRITERS, Walk},
};
use crate::support::{NAP, in_time};

/// What happens next. Where a step makes no sense it is passed over.
#[derive(Clone, Debug)]
enum Step {
    /// The engine opens a stream and takes over from its own if that is live, perhaps right behind
    /// some batches on it. It may know more to be durable than it was told.
    Open { writer: usize, epoch: Epoch, ahead: Option<u64>, behind: Vec<Sketch> },
    /// It sends batches, one right behind the other.
    Send { writer: usize, batches: Vec<Sketch> },
    /// It hangs up, perhaps right behind some batches.
    HangUp { writer: usize, behind: Vec<Sketch> },
    /// It sends no more.
    HalfClose { writer: usize },
    /// It sends one batch in one call.
    Call { writer: Option<usize>, epoch: Epoch, batch: Sketch },
    /// It hangs up one of its calls.
    HangUpCall { which: usize },
    /// Kafka settles one of the batches that it has, not always the oldest.
    Settle { output: usize, which: usize, fate: Fate },
    /// An output takes nothing more.
    Stall { output: usize, how: Stall },
    /// It goes on.
    GoOn { output: usize },
    /// The engine asks for a writer.
    Ask { writer: usize },
    /// It lets a writer be forgotten.
    Reset { writer: usize },
}

/// The engine's count of restarts.
#[derive(Clone, Copy, Debug)]
enum Epoch {
    Unset,
    Same,
    Higher,
    Lower,
}

/// A batch to be made.
#[derive(Clone)]
struct Sketch {
    number: Number,
    carrier: Carrier,
    rows: Vec<Row>,
    twist: Twist,
}

/// The number of a batch.
#[derive(Clone, Copy, Debug)]
enum Number {
    Next,
    /// As often before the next, with the rows that it had.
    Again(u64),
    /// The same with other rows.
    Reuse(u64),
    /// As far behind the next.
    Gap(u64),
    Zero,
}

/// What is special about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twist {
    Nothing,
    NoPosition,
    LongPosition,
    UnknownSchema,
    Impatient,
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, carrier, rows, twist } = self;
        write!(f, "{number:?} {rows:?} by {carrier:?}")?;
        if *twist == Twist::Nothing { Ok(()) } else { write!(f, " with {twist:?}") }
    }
}

/// How long a step may take on a machine that has other things to do; it takes a millisecond.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for the end of a walk, which is some steps more; the service gives up before.
const END_TIMEOUT: Duration = Duration::from_secs(40);

/// A process that did not run for so long was stopped.
const STANDSTILL: Duration = Duration::from_secs(5);

/// How often everything happened that can happen.
#[derive(Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    fn heard(&mut self, said: &Said) {
        if matches!(said, Said::Refused { sequence: FAR, .. }) {
            return;
        }
        if let Said::Ack { aside, .. } | Said::Done { aside, .. } = said {
            let by_kafka = |(sequence, row, code): &Aside| {
                let before = aside.iter().any(|(of, bad, _)| of == sequence && bad < row);
                code == "ROW_REFUSED" && before
            };
            if aside.iter().any(by_kafka) {
                self.add("heard: a row set aside by Kafka behind another");
            }
        }
        if let Said::Opened { resume_after, maybe, aside, .. } = said {
            if maybe.is_some_and(|maybe| maybe > *resume_after) {
                self.add("heard: Opened with batches that may be written");
            }
            if maybe.is_none() && *resume_after > 0 {
                self.add("heard: Opened of a writer that is not remembered");
            }
            if !aside.is_empty() {
                self.add("heard: Opened with rows set aside");
            }
        }
        let aside = |aside: &[_]| if aside.is_empty() { "" } else { " with rows set aside" };
        match said {
            Said::Waiting => self.add("heard: Waiting"),
            Said::Opened { resume_after: 0, .. } => self.add("heard: Opened at the start"),
            Said::Opened { position: Some(_), .. } => self.add("heard: Opened with a position"),
            Said::Opened { .. } => self.add("heard: Opened without a position"),
            Said::Ack { aside: rows, .. } => self.add(&format!("heard: Ack{}", aside(rows))),
            Said::Refused { code, .. } => self.add(&format!("refused: {code}")),
            Said::Draining => self.add("heard: Draining"),
            Said::Done { already: true, .. } => self.add("heard: Done, and was before"),
            Said::Done { aside: rows, .. } => self.add(&format!("heard: Done{}", aside(rows))),
            Said::End(None) => self.add("heard: a good end"),
            Said::End(Some(reason)) => self.add(&format!("ended: {reason}")),
        }
    }
}

/// What only a long walk reaches for sure; tests of their own show it.
const RARE_EVENTS: &[&str] = &["heard: Opened with rows set aside"];

/// Cases of a long walk.
const LONG_CASES: u32 = 20_000;

/// What a run of a thousand cases is sure to reach.
const EVENTS: &[&str] = &[
    "step: Open",
    "step: Send",
    "step: HangUp",
    "step: HalfClose",
    "step: Call",
    "step: HangUpCall",
    "step: Settle Durable",
    "step: Settle Rejected",
    "step: Settle Unknown",
    "step: Settle Lost",
    "step: Stall Memory",
    "step: Stall NoLeader",
    "step: GoOn",
    "step: Ask",
    "step: Reset",
    "step: Drain",
    "race: none",
    "race: some",
    "heard: Waiting",
    "heard: Opened at the start",
    "heard: Opened with a position",
    "heard: Opened without a position",
    "heard: Opened with batches that may be written",
    "heard: Opened of a writer that is not remembered",
    "heard: Ack",
    "heard: Ack with rows set aside",
    "heard: Draining",
    "heard: Done",
    "heard: Done with rows set aside",
    "heard: Done, and was before",
    "heard: a good end",
    "heard: a row set aside by Kafka behind another",
    "refused: SEQUENCE_GAP",
    "refused: BAD_ROWS",
    "refused: BAD_CARRIER",
    "refused: UNKNOWN_SCHEMA",
    "refused: NO_ROWS_CARRIER",
    "refused: POSITION_TOO_LONG",
    "refused: BATCH_TIMEOUT",
    "refused: WRITER_BUSY for ResetWriter",
    "ended: TAKEN_OVER",
    "ended: STALE_EPOCH",
    "ended: SEQUENCE_REUSED",
    "ended: TOO_MANY_WRITERS",
    "ended: CREDIT_EXCEEDED",
    "ended: BATCH_TIMEOUT",
    "ended: DELIVERY_UNKNOWN",
    "ended: DRAINING",
    "ended: WRITER_BUSY",
    "ended: INVALID_BATCH",
    "ended: SEQUENCE_GAP",
    "ended: BAD_ROWS",
    "ended: BAD_CARRIER",
    "ended: POSITION_TOO_LONG",
];

fn sketch() -> impl Strategy<Value = Sketch> {
    let number = prop_oneof![
        30 => Just(Number::Next),
        4 => (0..4_u64).prop_map(Number::Again),
        1 => (0..4_u64).prop_map(Number::Reuse),
        2 => (1..4_u64).prop_map(Number::Gap),
        1 => Just(Number::Zero),
    ];
    let carrier = prop_oneof![
        10 => select(&[Carrier::Json, Carrier::Typed, Carrier::Arrow]),
        1 => select(&[Carrier::Garbage, Carrier::Missing]),
    ];
    let row = prop_oneof![
        8 => Just(Row::Good),
        1 => select(&[Row::Unreadable, Row::NotFinite]),
    ];
    let twist = prop_oneof![
        12 => Just(Twist::Nothing),
        2 => Just(Twist::NoPosition),
        1 => select(&[Twist::LongPosition, Twist::UnknownSchema]),
        1 => Just(Twist::Impatient),
    ];
    (number, carrier, vec(row, 0..4), twist).prop_map(|(number, carrier, rows, twist)| Sketch {
        number,
        carrier,
        rows,
        twist,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let writer = || 0..WRITERS.len();
    let output = || 0..OUTPUTS.len();
    let epoch = || {
        prop_oneof![
            6 => Just(Epoch::Same),
            2 => select(&[Epoch::Higher, Epoch::Unset]),
            1 => Just(Epoch::Lower),
        ]
    };
    let behind = || prop_oneof![2 => Just(Vec::new()), 1 => vec(sketch(), 1..4)];
    let fate = prop_oneof![
        12 => Just(Fate::Durable),
        5 => vec(any::<bool>(), 1..4).prop_map(Fate::Rejected),
        1 => Just(Fate::Unknown),
        1 => Just(Fate::Lost),
    ];
    prop_oneof![
        5 => (writer(), epoch(), option::weighted(0.2, 0..3_u64), behind())
            .prop_map(|(writer, epoch, ahead, behind)| Step::Open { writer, epoch, ahead, behind }),
        10 => (writer(), vec(sketch(), 1..4))
            .prop_map(|(writer, batches)| Step::Send { writer, batches }),
        1 => (writer(), behind()).prop_map(|(writer, behind)| Step::HangUp { writer, behind }),
        1 => writer().prop_map(|writer| Step::HalfClose { writer }),
        4 => (option::weighted(0.8, writer()), epoch(), sketch())
            .prop_map(|(writer, epoch, batch)| Step::Call { writer, epoch, batch }),
        1 => (0..3_usize).prop_map(|which| Step::HangUpCall { which }),
        12 => (output(), 0..4_usize, fate)
            .prop_map(|(output, which, fate)| Step::Settle { output, which, fate }),
        2 => (output(), select(&[Stall::Memory, Stall::NoLeader]))
            .prop_map(|(output, how)| Step::Stall { output, how }),
        2 => output().prop_map(|output| Step::GoOn { output }),
        1 => writer().prop_map(|writer| Step::Ask { writer }),
        1 => writer().prop_map(|writer| Step::Reset { writer }),
    ]
}

impl Walk {
    async fn take(&mut self, step: Step) {
        let (what, done) = match step {
            Step::Open { writer, epoch, ahead, behind } => {
                let acknowledged = ahead.map(|ahead| self.told(writer) + ahead);
                let (epoch, behind) = (self.epoch(writer, epoch), self.patient(writer, &behind));
                self.open(writer, epoch, acknowledged, behind).await;
                ("Open".to_owned(), true)
            }
            Step::Send { writer, batches } => {
                let batches = self.batches_of(writer, &batches);
                ("Send".to_owned(), self.batches(writer, batches).await)
            }
            Step::HangUp { writer, behind } => {
                let behind = self.patient(writer, &behind);
                ("HangUp".to_owned(), self.leave(writer, behind).await)
            }
            Step::HalfClose { writer } => ("HalfClose".to_owned(), self.half_close(writer).await),
            Step::Call { writer, epoch, batch } => {
                if let Some(writer) = writer {
                    let epoch = self.epoch(writer, epoch);
                    let batch = self.patient(writer, &[batch]).remove(0);
                    self.call(writer, epoch, batch).await;
                } else {
                    let rows = self.rows(batch.carrier, &batch.rows);
                    self.nameless_call(Batch { rows, ..Batch::default() }).await;
                }
                ("Call".to_owned(), true)
            }
            Step::HangUpCall { which } => ("HangUpCall".to_owned(), self.hang_up(which).await),
            Step::Settle { output, which, fate } => {
                // Under `Stop` a row that Kafka refuses is held, and settled as nothing else.
                let rejects = matches!(fate, Fate::Rejected(_));
                let fate = if rejects && output == 0 { Fate::Durable } else { fate };
                let name = format!("{fate:?}");
                let name = name.split('(').next().unwrap_or_default();
                (format!("Settle {name}"), self.settle(output, which, &fate).await)
            }
            Step::Stall { output, how } => {
                (format!("Stall {how:?}"), self.stall(output, how).await)
            }
            Step::GoOn { output } => ("GoOn".to_owned(), self.unstall(output).await),
            Step::Ask { writer } => {
                self.ask(writer).await;
                ("Ask".to_owned(), true)
            }
            Step::Reset { writer } => {
                self.reset(writer).await;
                ("Reset".to_owned(), true)
            }
        };
        if done {
            self.counts.add(&format!("step: {what}"));
        }
    }

    fn epoch(&self, writer: usize, epoch: Epoch) -> Option<u64> {
        let highest = self.model.writers[writer].epoch;
        match epoch {
            Epoch::Unset => None,
            Epoch::Same => Some(highest),
            Epoch::Higher => Some(highest + 1),
            Epoch::Lower => Some(highest.saturating_sub(1)),
        }
    }

    /// The batches of a writer that are sent one behind the other.
    fn batches_of(&mut self, writer: usize, sketches: &[Sketch]) -> Vec<Batch> {
        let mut next = self.model.next(writer);
        let mut batches = Vec::new();
        for (at, Sketch { number, carrier, rows, twist }) in sketches.iter().enumerate() {
            let fresh = self.rows(*carrier, rows);
            let (sequence, rows) = match number {
                Number::Next => (next, fresh),
                Number::Again(back) => {
                    let sequence = (next - 1).saturating_sub(*back).max(1);
                    (sequence, self.rows_again(writer, sequence))
                }
                Number::Reuse(back) => ((next - 1).saturating_sub(*back).max(1), fresh),
                Number::Gap(ahead) => (next + ahead, fresh),
                Number::Zero => (0, fresh),
            };
            let position = match twist {
                Twist::NoPosition => None,
                Twist::LongPosition => Some(vec![b'p'; 1025].into()),
                _ => Some(format!("{sequence} {}", rows.salt).into()),
            };
            let declared = *twist != Twist::UnknownSchema;
            // What is sent behind it may be read before its time is seen to be over.
            let impatient = *twist == Twist::Impatient && at + 1 == sketches.len();
            let batch = Batch { sequence, rows, position, declared, impatient, late: false };
            if sequence == next {
                next += 1;
                self.sends(writer, &batch);
            }
            batches.push(batch);
        }
        batches
    }

    /// The same, whose time is never over.
    fn patient(&mut self, writer: usize, sketches: &[Sketch]) -> Vec<Batch> {
        let batches = self.batches_of(writer, sketches).into_iter();
        batches.map(|batch| Batch { impatient: false, ..batch }).collect()
    }
}

/// Some seconds' worth; minutes' with `scripts/test --long`, which sets `PROPTEST_CASES`.
fn cases() -> u32 {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => 2000,
    }
}

/// Where a case takes place.
#[derive(Clone, Copy, Debug)]
struct Setting {
    streams_max: usize,
    /// Batches are read before they are sent, as where they wait for others; here each is full, so
    /// that what Kafka is given can be foreseen.
    packs: bool,
    drain: bool,
}

fn setting() -> impl Strategy<Value = Setting> {
    let all = (select(&[2_usize, 8]), any::<bool>(), any::<bool>());
    all.prop_map(|(streams_max, packs, drain)| Setting { streams_max, packs, drain })
}

/// Walks through one case.
fn walk(steps: &[Step], setting: Setting) -> Counts {
    let Setting { streams_max, packs, drain } = setting;
    let (began, naps) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let awake = naps.clone();
    let walk = async move {
        tokio::spawn(async move {
            loop {
                sleep(NAP).await;
                awake.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut walk = Walk::start(streams_max, packs).await;
        for step in steps {
            let done = in_time(STEP_TIMEOUT, walk.take(step.clone())).await;
            assert!(done.is_some(), "{step:?} waits in vain for {}", walk.waits);
        }
        let end = async {
            if drain {
                walk.counts.add("step: Drain");
                walk.drain().await;
            } else {
                walk.quiesce().await;
            }
        };
        let done = in_time(END_TIMEOUT, end).await;
        assert!(done.is_some(), "the end waits in vain for {}", walk.waits);
        std::mem::take(&mut walk.counts)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match catch_unwind(AssertUnwindSafe(|| runtime.block_on(walk))) {
        Ok(counts) => counts,
        // The clocks of the service went on while the process was stopped: it proves nothing.
        Err(_) if began.elapsed() > NAP * naps.load(Ordering::Relaxed) + STANDSTILL => {
            eprintln!("the process was stopped: this case is walked again");
            self::walk(steps, setting)
        }
        Err(failed) => resume_unwind(failed),
    }
}

#[test]
fn whatever_happens_the_service_does_as_the_contract_says() {
    let cases = cases();
    let config =
        Config { cases, failure_persistence: None, max_shrink_time: 300_000, ..Config::default() };
    let all = Mutex::new(Counts::default());
    let steps = (vec(step(), 1..40), setting());
    let result = TestRunner::new(config).run(&steps, |(steps, setting)| {
        let counts = walk(&steps, setting);
        let mut all = all.lock().unwrap();
        counts.0.into_iter().for_each(|(what, count)| *all.0.entry(what).or_default() += count);
        Ok(())
    });
    if let Err(failed) = result {
        panic!("{failed}");
    }
    let all = all.into_inner().unwrap().0;
    println!("{all:#?}");
    let rare = RARE_EVENTS.iter().filter(|_| cases >= LONG_CASES);
    let events = EVENTS.iter().chain(rare);
    let missed: Vec<_> = events.filter(|event| !all.contains_key(**event)).collect();
    assert!(cases < 1000 || missed.is_empty(), "the walk never reached {missed:?}");
}
