//! Where faults are tried: three-node clusters behind proxies, which the tests of a process share,
//! and on each one [`Trial`] after the other.
//!
//! A trial is a service with outputs of both guarantees, writers that send all the while, readers
//! that follow, and a fault. At its end everything that must hold is looked at
//! ([`crate::check::invariants`]).

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::Instant,
};

use crate::{
    kafka::{Cluster, ClusterOptions, unique_topic},
    kafka_proxy::KafkaProxy,
    proxy::Proxy,
};

mod ending;
mod going;
mod plan;
mod trial;

pub use ending::{Sum, progress_key, stored_progress};
pub use plan::{OutputPlan, Plan};
pub use trial::Trial;

/// Broker node ids.
pub const BROKERS: [i32; 3] = [1, 2, 3];

/// Stages of a process, set when they are entered first. A trial waits most of its time, and leaves
/// more than half of two cores to another.
static STAGES: [Mutex<Option<Stage>>; 2] = [const { Mutex::new(None) }; 2];

/// Trials that share a progress topic: it is read as a whole at the end of each.
const PROGRESS_TRIALS: usize = 10;

/// A cluster, and before each broker two proxies: one that knows bytes, and behind it one that knows
/// Kafka's requests.
#[derive(Debug)]
pub struct Stage {
    /// The brokers.
    pub cluster: Cluster,
    /// The ways of bytes to brokers 1, 2 and 3.
    pub ways: [Proxy; 3],
    /// The proxies behind them.
    pub kafka: [KafkaProxy; 3],
    progress: String,
    trials: usize,
}

/// A stage while a test has it; says at the end for how long.
#[derive(Debug)]
pub struct Entered {
    stage: MutexGuard<'static, Option<Stage>>,
    since: Instant,
}

/// A stage that is free, for one test at a time; whatever the test before has left is mended.
///
/// # Panics
/// When the brokers do not start.
pub fn enter() -> Entered {
    let free = STAGES.iter().find_map(|stage| match stage.try_lock() {
        Ok(free) => Some(free),
        Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    let wait = || STAGES[0].lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = free.unwrap_or_else(wait);
    stage.get_or_insert_with(Stage::set).mend();
    Entered { stage, since: Instant::now() }
}

impl Deref for Entered {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.stage.as_ref().expect("it was set when it was entered")
    }
}

impl DerefMut for Entered {
    fn deref_mut(&mut self) -> &mut Stage {
        self.stage.as_mut().expect("it was set when it was entered")
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        println!("{}: {took:.1?}", thread::current().name().unwrap_or("a test"));
    }
}

impl Stage {
    fn set() -> Self {
        let ways = [Proxy::start(), Proxy::start(), Proxy::start()];
        let options = ClusterOptions::default()
            // A broker ends a transaction within half a second of its timeout; by default 10 s.
            .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500")
            // A quota acts at once; by default 11 s worth of it may pass first.
            .set("quota.window.num", "2");
        let cluster = Cluster::start_behind(&ways, &options);
        let kafka = BROKERS.map(|broker| KafkaProxy::to(cluster.proxied_address(broker)));
        for (way, kafka) in ways.iter().zip(&kafka) {
            way.lead_to(kafka.address());
        }
        Self { cluster, ways, kafka, progress: String::new(), trials: 0 }
    }

    /// The progress topic of the next trial; the service makes it.
    fn next_progress(&mut self) -> String {
        if self.trials.is_multiple_of(PROGRESS_TRIALS) {
            self.progress = unique_topic("progress");
        }
        self.trials += 1;
        self.progress.clone()
    }

    /// As at the beginning: all brokers run, nothing is spoiled.
    pub fn mend(&mut self) {
        self.ways.iter().for_each(Proxy::heal);
        self.kafka.iter().for_each(KafkaProxy::heal);
        self.cluster.mend();
    }

    /// Ends all brokers and starts them again under other addresses; the old ones are nobody's.
    ///
    /// # Panics
    /// When they do not start.
    pub fn readdress(&mut self) {
        BROKERS.iter().for_each(|broker| self.cluster.kill(*broker));
        self.ways = [Proxy::start(), Proxy::start(), Proxy::start()];
        for (way, kafka) in self.ways.iter().zip(&self.kafka) {
            way.lead_to(kafka.address());
        }
        for broker in BROKERS {
            self.cluster.advertise(broker, self.ways[nth(broker)].address());
        }
        self.cluster.mend();
    }

    /// The way to a broker.
    pub fn way(&self, broker: i32) -> &Proxy {
        &self.ways[nth(broker)]
    }
}

/// The place of a broker among the brokers.
fn nth(broker: i32) -> usize {
    let place = BROKERS.iter().position(|known| *known == broker);
    place.expect("the brokers are 1, 2 and 3")
}
