//! What an operator hears: what was changed, or why nothing was.
use serde::Serialize;

use crate::{grpc::Served, kafka::Cause};

/// What a new job file has changed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The generation of the configuration that is in use now.
    pub generation: u64,
    /// Outputs that are new.
    pub added: Vec<String>,
    /// Outputs that have ended and begun again.
    pub changed: Vec<String>,
    /// Outputs that have ended.
    pub removed: Vec<String>,
    /// Outputs that were not touched.
    pub same: Vec<String>,
    /// Records of what has ended that are without an answer: they may be written or not.
    pub unsettled_records: u64,
}

/// How an output is set now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    /// The output.
    pub output: String,
    /// `Open`, `Paused` or `Drained`.
    pub setting: &'static str,
    /// Whether it was not so before.
    pub changed: bool,
    /// Streams and calls that write into it.
    pub streams: usize,
    /// Records that are accepted and not settled.
    pub records_in_flight: u64,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such output.
    #[error("there is no output `{alias}`{}", or_near(.near))]
    NoOutput {
        /// As it was asked for.
        alias: String,
        /// Aliases like it.
        near: Vec<String>,
    },
    /// It is being changed.
    #[error("output `{0}` is being changed by a new job file; ask again in a moment")]
    Changes(String),
    /// The job file, or what it names, is not right.
    #[error("RELOAD_REFUSED: nothing is changed.\n{0}")]
    Faults(String),
    /// What differs cannot change while the service runs.
    #[error(
        "RELOAD_NEEDS_RESTART: nothing is changed: {} can only be changed by a restart of the \
         service", keys(.0)
    )]
    NeedsRestart(Vec<&'static str>),
    /// The job came from nowhere.
    #[error("this service was started without a job file")]
    NoFile,
    /// The service ends.
    #[error("the service ends")]
    Stopping,
}

fn or_near(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; near it: {}", near.join(", ")),
    }
}

fn keys(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

impl Refused {
    /// As it is logged and shown.
    pub(super) fn cause(&self) -> Cause {
        let code = match self {
            Self::NeedsRestart(_) => "RELOAD_NEEDS_RESTART",
            _ => "RELOAD_REFUSED",
        };
        Cause::new(code, self.to_string())
    }
}

impl Set {
    /// How an output is set, and what is inside.
    pub(super) fn of(served: &Served, changed: bool) -> Self {
        Self {
            output: served.output.alias.clone(),
            setting: served.output.valve.setting().name(),
            changed,
            streams: *served.inside.borrow(),
            records_in_flight: served.output.kafka.counts().in_flight,
        }
    }
}

impl Applied {
    /// Logs it.
    pub(super) fn tell(&self) {
        let Self { generation, added, changed, removed, same, unsettled_records } = self;
        let names = |of: &[String]| of.join(",");
        if added.len() + changed.len() + removed.len() == 0 {
            return tracing::info!(generation, "the job file is loaded again; no output differs");
        }
        tracing::info!(
            generation,
            added = names(added),
            changed = names(changed),
            removed = names(removed),
            same = same.len(),
            "the job file is applied"
        );
        if *unsettled_records > 0 {
            let code = "DELIVERY_UNKNOWN";
            tracing::error!(
                unsettled_records,
                code,
                "outputs have ended with records that may or may not be written; their writers \
                 were told"
            );
        }
    }
}
