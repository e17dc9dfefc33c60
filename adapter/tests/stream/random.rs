//! Whatever an engine does and Kafka answers: a random walk beside a small model of the contract.
//!
//! Each step waits for the fact that shows it done, so the model always knows what the service
//! knows. Held at every step: what is submitted is the next number and nothing else; an
//! acknowledgement never goes back and never passes what is durable from the first batch on; a
//! stream opens behind everything that was acknowledged, and behind nothing that is unknown.
use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*, test_runner::Config};
use proto::v1::{Open, write_response::Message as Out};
use tonic::{Code, Status};

use crate::support::{
    Bench,
    engine::{Engine, Stream, check, open},
    rows::{bad_batch, batch, json, record},
};

/// What an engine or Kafka does next. Where a step makes no sense it is passed over.
#[derive(Clone, Debug)]
enum Step {
    /// The engine sends the next batch.
    Send,
    /// It sends one again, counted back from the last.
    SendAgain(u64),
    /// It leaves a gap.
    SendGap(u64),
    /// It sends a batch with a bad row.
    SendBad,
    /// It gives a number of this stream to other rows.
    Reuse(u64),
    /// Kafka settles one of the batches that it has: stored, or unknown.
    Settle(usize, bool),
    /// The engine hangs up.
    Vanish,
    /// It opens a stream, and takes over from its own if that is live. It may know more batches to
    /// be durable than it was told of. Kafka settles all that it has before the stream opens.
    Open { ahead: Option<u64>, stored: Vec<bool> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Send),
        2 => (0..6_u64).prop_map(Step::SendAgain),
        1 => (1..5_u64).prop_map(Step::SendGap),
        1 => Just(Step::SendBad),
        1 => (0..6_u64).prop_map(Step::Reuse),
        6 => (0..4_usize, prop::bool::weighted(0.9)).prop_map(|(which, stored)| {
            Step::Settle(which, stored)
        }),
        1 => Just(Step::Vanish),
        2 => (prop::option::weighted(0.3, 0..3_u64), vec(prop::bool::weighted(0.8), 4))
            .prop_map(|(ahead, stored)| Step::Open { ahead, stored }),
    ]
}

/// A batch that Kafka was given and that is not part of the durable prefix.
struct Flown {
    sequence: u64,
    flight: usize,
    stored: Option<bool>,
}

/// The model, and the service beside it.
struct Walk {
    bench: Bench,
    engine: Engine,
    stream: Option<Stream>,
    /// Durable from the first batch on; the last of them that has a position.
    durable: u64,
    position: Option<u64>,
    /// The last number of which the engine was told that it is durable.
    told: u64,
    /// Where the stream began.
    began: u64,
    flown: VecDeque<Flown>,
    /// The first of `flown` is unknown: the prefix grows no more.
    stuck: bool,
    submitted: usize,
}

impl Walk {
    async fn new() -> Self {
        let bench = Bench::start().await;
        let engine = bench.engine().await;
        Self {
            bench,
            engine,
            stream: None,
            durable: 0,
            position: None,
            told: 0,
            began: 0,
            flown: VecDeque::new(),
            stuck: false,
            submitted: 0,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Open { ahead, stored } => self.open(ahead, &stored).await,
            Step::Settle(which, stored) => self.settle(which, stored).await,
            Step::Vanish => self.stream = None,
            Step::Send => self.send().await,
            Step::SendAgain(back) => self.send_again(back).await,
            Step::SendGap(ahead) => self.refused(batch(self.next() + ahead), "SEQUENCE_GAP").await,
            Step::SendBad => self.refused(bad_batch(self.next()), "BAD_ROWS").await,
            Step::Reuse(back) => self.reuse(back).await,
        }
        assert_eq!(self.bench.kafka().count(), self.submitted, "only new batches are submitted");
    }

    /// The number that comes next on this stream.
    fn next(&self) -> u64 {
        self.flown.back().map_or(self.durable, |last| last.sequence) + 1
    }

    async fn send(&mut self) {
        let sequence = self.next();
        let Some(stream) = &self.stream else { return };
        let mut batch = batch(sequence);
        batch.position = Some(sequence.to_be_bytes().to_vec().into());
        stream.batch(batch).await;
        let flight = self.submitted;
        self.submitted += 1;
        self.bench.kafka().submitted(self.submitted).await;
        assert_eq!(self.bench.kafka().records(flight), [record(sequence)]);
        self.flown.push_back(Flown { sequence, flight, stored: None });
    }

    async fn send_again(&mut self, back: u64) {
        let Some(sequence) = (self.next() - 1).checked_sub(back).filter(|known| *known > 0) else {
            return;
        };
        let told_again = sequence <= self.durable;
        let Some(stream) = &mut self.stream else { return };
        stream.batch(batch(sequence)).await;
        stream.batch(batch(1 << 60)).await; // its refusal says that the other was looked at
        let (acks, refused) = self.read_to_refusal().await;
        assert_eq!(refused.code, "SEQUENCE_GAP");
        assert_eq!(refused.expected_sequence, self.next());
        assert_eq!(acks > 0, told_again, "a batch is acknowledged again when it is durable");
    }

    async fn refused(&mut self, batch: proto::v1::Batch, code: &str) {
        let expected = self.next();
        let Some(stream) = &self.stream else { return };
        let sequence = batch.sequence;
        stream.batch(batch).await;
        let (acks, refused) = self.read_to_refusal().await;
        assert_eq!((refused.sequence, refused.code.as_str()), (sequence, code));
        assert_eq!((refused.expected_sequence, acks), (expected, 0));
    }

    async fn reuse(&mut self, back: u64) {
        let Some(sequence) = (self.next() - 1).checked_sub(back) else { return };
        if sequence <= self.began {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        stream.batch(json(sequence, "{\"n\":-1}\n")).await;
        let status = self.read_to_end().await;
        check(&status, Code::FailedPrecondition, "SEQUENCE_REUSED", "no", "yes");
    }

    async fn settle(&mut self, which: usize, stored: bool) {
        let flying: Vec<_> = self.flown.iter_mut().filter(|flown| flown.stored.is_none()).collect();
        if flying.is_empty() {
            return;
        }
        let which = which % flying.len();
        let flown = flying.into_iter().nth(which).unwrap();
        flown.stored = Some(stored);
        settle_flight(&self.bench, flown.flight, stored);
        let before = self.durable;
        self.advance();
        if self.stuck && self.stream.is_some() {
            let status = self.read_to_end().await;
            check(&status, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
        } else if self.durable > before && self.stream.is_some() {
            while self.told < self.durable {
                let answer = self.stream.as_mut().unwrap().answer().await;
                self.hear_ack(&answer);
            }
        }
    }

    /// Moves what is durable from the first batch on.
    fn advance(&mut self) {
        while let (false, Some(first)) = (self.stuck, self.flown.front()) {
            match first.stored {
                None => return,
                Some(false) => self.stuck = true,
                Some(true) => {
                    self.durable = first.sequence;
                    self.position = Some(first.sequence);
                    self.flown.pop_front();
                }
            }
        }
    }

    async fn open(&mut self, ahead: Option<u64>, stored: &[bool]) {
        let acknowledged = ahead.map(|ahead| self.told + ahead);
        let older = self.stream.take();
        let mut newer = self.engine.send_open(Open { acknowledged, ..open("w") }).await;
        if self.flown.iter().any(|flown| flown.stored.is_none()) {
            newer.waiting().await;
        }
        if let Some(older) = older {
            self.stream = Some(older);
            let status = self.read_to_end().await;
            check(&status, Code::Aborted, "TAKEN_OVER", "no", "yes");
        }
        let flying = self.flown.iter_mut().filter(|flown| flown.stored.is_none());
        for (flown, stored) in flying.zip(stored.iter().cycle()) {
            flown.stored = Some(*stored);
            settle_flight(&self.bench, flown.flight, *stored);
        }
        self.advance();
        if let Some(acknowledged) = acknowledged.filter(|known| *known > self.durable) {
            (self.durable, self.position) = (acknowledged, None);
        }
        let opened = newer.opened().await;
        assert_eq!(opened.resume_after, self.durable);
        assert!(opened.resume_after >= self.told, "what was acknowledged stays so");
        let position = self.position.map(|sequence| sequence.to_be_bytes().to_vec());
        assert_eq!(opened.position, position);
        newer.schema(crate::support::rows::numbers()).await;
        self.stream = Some(newer);
        (self.told, self.began, self.stuck) = (self.durable, self.durable, false);
        self.flown.clear();
    }

    fn hear_ack(&mut self, answer: &Out) {
        let Out::Ack(ack) = answer else { panic!("instead of an Ack: {answer:?}") };
        assert!(ack.durable_through >= self.told, "an Ack goes back");
        assert!(ack.durable_through <= self.durable, "an Ack passes what is durable");
        self.told = ack.durable_through;
    }

    /// Reads a refusal, and counts the acknowledgements before it.
    async fn read_to_refusal(&mut self) -> (usize, proto::v1::Refused) {
        let mut acks = 0;
        loop {
            match self.stream.as_mut().expect("a stream").answer().await {
                Out::Refused(refused) => return (acks, refused),
                Out::Held(_) => {}
                answer => {
                    self.hear_ack(&answer);
                    acks += 1;
                }
            }
        }
    }

    /// Reads to the bad end of the stream.
    async fn read_to_end(&mut self) -> Status {
        let (answers, end) = self.stream.take().expect("a stream").rest().await;
        for answer in answers {
            self.hear_ack(&answer);
        }
        end.expect_err("the stream fails")
    }
}

fn settle_flight(bench: &Bench, flight: usize, stored: bool) {
    if stored {
        bench.kafka().durable(flight);
    } else {
        bench.kafka().unknown(flight);
    }
}

/// A second's worth, or minutes' with `scripts/test --long`.
fn cases() -> u32 {
    if std::env::var_os("KAFKA_OUTPUT_LONG").is_some() { 100_000 } else { 1000 }
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut walk = Walk::new().await;
            walk.take(Step::Open { ahead: None, stored: vec![true] }).await;
            for step in steps {
                walk.take(step).await;
            }
            // In the end everything can be told, and one more batch goes through.
            walk.take(Step::Open { ahead: None, stored: vec![true] }).await;
            walk.take(Step::Send).await;
            walk.take(Step::Settle(0, true)).await;
            assert_eq!(walk.told, walk.durable);
        });
    }
}
