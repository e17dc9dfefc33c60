//! What a seed makes: outputs, writers, and faults one after the other.

use std::time::Duration;

use tests::{
    check::invariants::Promise,
    engine::load::Pace,
    kafka_proxy::{Act, Api},
    proxy::Way,
    stage::{BROKERS, OutputPlan, Plan},
};

use super::source::Random;

/// Rows a second of a whole run, at most: with more of them, reading them would take longer than
/// the faults.
const ROWS_PER_S: u64 = 4_000;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a start some time later.
    KillBroker,
    /// SIGSTOP for some time.
    FreezeBroker,
    /// SIGTERM and a start.
    RestartBroker,
    /// SIGSTOP of all for some time.
    FreezeAllBrokers,
    /// A broker cannot be reached for some time.
    Unplug,
    /// No broker can be reached for some time.
    UnplugAll,
    /// Nothing goes one way for some time.
    Silence(Way),
    /// Everything takes long.
    Slow,
    /// Connections are reset when the next answers return.
    CutAnswers,
    /// Connections are forgotten on the way.
    Forget,
    /// Requests of one kind meet something.
    Requests(Api, Act),
    /// All requests of one kind are refused for some time, as without a right.
    Deny(Api, i16),
    /// Topics get a partition more.
    Grow,
    /// Brokers slow everybody down for some time.
    Quota,
    /// Engines lose their connections.
    CutEngines,
    /// Engines hear nothing for some time.
    SilenceEngines,
    /// SIGKILL of the service, and a start.
    KillService,
    /// SIGKILL of the service while a broker is away.
    KillServiceAndBroker,
    /// SIGTERM of the service, and a start.
    StopService,
    /// Another service gets the writers, and SIGTERM ends the first.
    ReplaceService,
    /// SIGSTOP of the service for some time.
    FreezeService,
    /// The service freezes, another one gets the writers, and the first wakes. Not with outputs of
    /// at least once: what it then writes comes late, behind what came after.
    MoveWriters,
}

impl Fault {
    /// One of each.
    pub const ALL: [Self; 22] = [
        Self::KillBroker,
        Self::FreezeBroker,
        Self::RestartBroker,
        Self::FreezeAllBrokers,
        Self::Unplug,
        Self::UnplugAll,
        Self::Silence(Way::Back),
        Self::Slow,
        Self::CutAnswers,
        Self::Forget,
        Self::Requests(Api::EndTxn, Act::Cut),
        Self::Deny(Api::Produce, 0),
        Self::Grow,
        Self::Quota,
        Self::CutEngines,
        Self::SilenceEngines,
        Self::KillService,
        Self::KillServiceAndBroker,
        Self::StopService,
        Self::ReplaceService,
        Self::FreezeService,
        Self::MoveWriters,
    ];

    /// What it is, without what it strikes.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillBroker => "a broker was killed",
            Self::FreezeBroker => "a broker was frozen",
            Self::RestartBroker => "a broker was restarted",
            Self::FreezeAllBrokers => "all brokers were frozen",
            Self::Unplug => "a broker could not be reached",
            Self::UnplugAll => "no broker could be reached",
            Self::Silence(_) => "one way was silent",
            Self::Slow => "the ways were slow",
            Self::CutAnswers => "answers were cut off",
            Self::Forget => "connections were forgotten",
            Self::Requests(..) => "requests were spoiled",
            Self::Deny(..) => "rights were missing",
            Self::Grow => "topics have grown",
            Self::Quota => "brokers slowed everybody down",
            Self::CutEngines => "engines lost their connections",
            Self::SilenceEngines => "engines heard nothing",
            Self::KillService => "the service was killed",
            Self::KillServiceAndBroker => "the service was killed while a broker was away",
            Self::StopService => "the service was stopped",
            Self::ReplaceService => "the service was replaced",
            Self::FreezeService => "the service was frozen",
            Self::MoveWriters => "another service got the writers",
        }
    }

    /// Whether a broker has to start, which takes some seconds each time.
    fn is_long(self) -> bool {
        matches!(self, Self::KillBroker | Self::RestartBroker | Self::KillServiceAndBroker)
    }
}

/// A fault, where, when, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub before: Duration,
    pub fault: Fault,
    pub broker: i32,
    pub time: Duration,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub seed: u64,
    pub outputs: Vec<OutputPlan>,
    pub partitions: i32,
    pub pace: Pace,
    pub interval: Duration,
    pub steps: Vec<Step>,
}

impl Schedule {
    /// What a seed makes, with so many faults at most.
    pub fn of(seed: u64, steps_max: usize) -> Self {
        let mut random = Random(seed);
        let outputs = outputs(&mut random);
        let movable = outputs.iter().all(|output| output.promise == Promise::ExactlyOnce);
        let partitions = 1 + random.below(5) as i32;
        let pace = pace(&mut random, &outputs);
        let interval = Duration::from_millis([0, 20, 100][random.below(3)]);
        let count = 1 + random.below(steps_max);
        let steps = (0..count).map(|_| step(&mut random, movable)).collect();
        Self { seed, outputs, partitions, pace, interval, steps }
    }

    /// The same for the stage.
    pub fn plan(&self) -> Plan {
        let interval = self.interval.as_millis();
        Plan {
            outputs: self.outputs.clone(),
            partitions: self.partitions,
            pace: self.pace,
            ..Plan::default()
        }
        .exact(&format!("transactions: {{ timeout: 5s, interval: {interval}ms }}"))
    }

    /// Rows a second that it makes, at most.
    pub fn rows_per_s(&self) -> u64 {
        let writers: usize = self.outputs.iter().map(|output| output.writers).sum();
        let pause_us = self.pace.pause.as_micros() as u64;
        self.pace.batch_rows * writers as u64 * 1_000_000 / pause_us
    }
}

/// One or two outputs with one to four writers each, some of them with bad rows.
fn outputs(random: &mut Random) -> Vec<OutputPlan> {
    let promises: &[Promise] = match random.below(4) {
        0 => &[Promise::AtLeastOnce],
        1 => &[Promise::ExactlyOnce],
        2 => &[Promise::ExactlyOnce, Promise::AtLeastOnce],
        _ => &[Promise::ExactlyOnce, Promise::ExactlyOnce],
    };
    let output = |promise: &Promise| OutputPlan {
        promise: *promise,
        writers: 1 + random.below(4),
        bad_every: [None, None, Some(7), Some(100)][random.below(4)],
    };
    promises.iter().map(output).collect()
}

/// Batches of some size, often or seldom, but never too much together.
fn pace(random: &mut Random, outputs: &[OutputPlan]) -> Pace {
    let batch_rows = [1, 5, 20, 100][random.below(4)];
    let drawn = Duration::from_millis([2, 5, 20][random.below(3)]);
    let writers: usize = outputs.iter().map(|output| output.writers).sum();
    let slowest = Duration::from_micros(batch_rows * writers as u64 * 1_000_000 / ROWS_PER_S);
    Pace { batch_rows, pause: drawn.max(slowest) }
}

fn step(random: &mut Random, movable: bool) -> Step {
    let before = Duration::from_millis(random.below(50) as u64);
    let mut fault = Fault::ALL[random.below(Fault::ALL.len())];
    if fault.is_long() && random.below(2) == 0 {
        // About half as often as the others.
        fault = Fault::ALL[random.below(Fault::ALL.len())];
    }
    if fault == Fault::MoveWriters && !movable {
        fault = Fault::KillService;
    }
    match &mut fault {
        Fault::Silence(way) => *way = [Way::There, Way::Back][random.below(2)],
        Fault::Requests(api, act) => (*api, *act) = request(random),
        Fault::Deny(api, code) => (*api, *code) = right(random),
        _ => {}
    }
    let broker = BROKERS[random.below(BROKERS.len())];
    // Also longer than `socketTimeout` and `transactions.timeout`, if more seldom.
    let time_ms = if random.below(16) == 0 { 6_000 } else { 100 + random.below(900) };
    Step { before, fault, broker, time: Duration::from_millis(time_ms as u64) }
}

/// A kind of request, and what it meets.
fn request(random: &mut Random) -> (Api, Act) {
    const TIMED_OUT: i16 = 7;
    const NOT_COORDINATOR: i16 = 16;
    const NOT_LEADER: i16 = 6;
    const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
    const CONCURRENT_TRANSACTIONS: i16 = 51;
    const STORAGE: i16 = 56;
    const UNKNOWN_PRODUCER_ID: i16 = 59;
    let delay = Act::Delay(Duration::from_millis(200 + random.below(2_000) as u64));
    let all = [
        (Api::Produce, Act::Cut),
        (Api::Produce, delay),
        (Api::Produce, Act::Refuse(NOT_LEADER)),
        (Api::Produce, Act::Deny(TIMED_OUT)),
        (Api::Produce, Act::Refuse(STORAGE)),
        (Api::Produce, Act::Refuse(UNKNOWN_PRODUCER_ID)),
        (Api::EndTxn, Act::Cut),
        (Api::EndTxn, delay),
        (Api::EndTxn, Act::Deny(NOT_COORDINATOR)),
        (Api::EndTxn, Act::Refuse(INVALID_PRODUCER_ID_MAPPING)),
        (Api::AddPartitionsToTxn, Act::Cut),
        (Api::AddPartitionsToTxn, Act::Deny(NOT_COORDINATOR)),
        (Api::AddPartitionsToTxn, Act::Refuse(CONCURRENT_TRANSACTIONS)),
        (Api::AddPartitionsToTxn, Act::Refuse(INVALID_PRODUCER_ID_MAPPING)),
    ];
    all[random.below(all.len())]
}

/// A kind of request, and what is answered to who may not do that.
fn right(random: &mut Random) -> (Api, i16) {
    const TOPIC: i16 = 29;
    const TRANSACTIONAL_ID: i16 = 53;
    let all = [
        (Api::Produce, TOPIC),
        (Api::AddPartitionsToTxn, TOPIC),
        (Api::AddPartitionsToTxn, TRANSACTIONAL_ID),
        (Api::EndTxn, TRANSACTIONAL_ID),
    ];
    all[random.below(all.len())]
}
