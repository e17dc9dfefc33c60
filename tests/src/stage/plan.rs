//! What a trial is made of: outputs, their writers, and how these send.

use std::time::Duration;

use crate::{check::invariants::Promise, engine::load::Pace, service::ServiceOptions};

/// An output of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPlan {
    /// What it promises.
    pub promise: Promise,
    /// How many writers it has.
    pub writers: usize,
    /// `errorPolicy: DeadLetter`, and one row of so many is bad.
    pub bad_every: Option<u64>,
}

impl OutputPlan {
    /// Without bad rows.
    pub fn new(promise: Promise, writers: usize) -> Self {
        Self { promise, writers, bad_every: None }
    }
}

/// What a trial is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The outputs.
    pub outputs: Vec<OutputPlan>,
    /// Further keys of all outputs.
    pub more: String,
    /// Further keys of those with `guarantee: exactlyOnce`.
    pub exact: String,
    /// Partitions of each topic.
    pub partitions: i32,
    /// How writers send.
    pub pace: Pace,
    /// `bootstrapServers`; without them those of the proxies.
    pub bootstrap: Option<String>,
    /// How the service is run.
    pub service: ServiceOptions,
}

impl Default for Plan {
    /// One output of each guarantee, with two writers.
    fn default() -> Self {
        Self {
            outputs: Promise::BOTH.map(|promise| OutputPlan::new(promise, 2)).into(),
            more: "socketTimeout: 2s, metadataRefresh: 1s, partitioning: { turn: { rows: 20 } }"
                .to_owned(),
            exact: String::new(),
            partitions: 3,
            pace: Pace { batch_rows: 50, pause: Duration::from_millis(20) },
            bootstrap: None,
            service: ServiceOptions::default(),
        }
    }
}

impl Plan {
    /// One output with this guarantee and so many writers.
    pub fn only(promise: Promise, writers: usize) -> Self {
        Self { outputs: vec![OutputPlan::new(promise, writers)], ..Self::default() }
    }

    /// With these keys of outputs of `guarantee: exactlyOnce`.
    #[must_use]
    pub fn exact(self, keys: &str) -> Self {
        Self { exact: keys.to_owned(), ..self }
    }
}
