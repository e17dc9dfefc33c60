//! Whether rows pass through an output, as its operator wants, whatever Kafka can do.
//!
//! *Open* is the rule. *Paused*, its streams stay, and rows wait before Kafka as in an outage.
//! *Drained*, its streams end as at a stop of the service and none begins until it is opened again.
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::Instant};

use crate::kafka::Cause;

/// How an output is set. Copies of it are the same.
#[derive(Clone, Debug)]
pub struct Valve(Arc<watch::Sender<Setting>>);

/// A setting of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Rows pass.
    Open,
    /// Rows wait.
    Paused {
        /// Since when.
        since: SystemTime,
    },
    /// There are no streams.
    Drained {
        /// Since when.
        since: SystemTime,
        /// Streams that are there end by then.
        deadline: Instant,
        /// By whom.
        by: Drainer,
    },
}

/// Who has the streams of an output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drainer {
    /// Somebody who will open it again.
    Operator,
    /// The job file has it otherwise now, or no more.
    Reload,
}

impl Default for Valve {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Setting::Open)))
    }
}

impl Valve {
    /// The setting.
    pub fn setting(&self) -> Setting {
        *self.0.borrow()
    }

    /// Rows wait from now on. A pause that is there goes on; true if it is new.
    pub fn pause(&self) -> bool {
        let paused = Setting::Paused { since: SystemTime::now() };
        self.0.send_if_modified(|now| match now {
            Setting::Paused { .. } => false,
            Setting::Open | Setting::Drained { .. } => {
                *now = paused;
                true
            }
        })
    }

    /// Rows pass from now on. True if they did not.
    pub fn open(&self) -> bool {
        self.0.send_if_modified(|now| std::mem::replace(now, Setting::Open) != Setting::Open)
    }

    /// Sets it.
    pub fn set(&self, setting: Setting) {
        self.0.send_replace(setting);
    }

    /// Streams end within this time, and none begins.
    pub fn drain(&self, within: Duration, by: Drainer) {
        let deadline = Instant::now() + within;
        self.set(Setting::Drained { since: SystemTime::now(), deadline, by });
    }

    /// Told when the streams end.
    pub fn watch(&self) -> watch::Receiver<Setting> {
        self.0.subscribe()
    }

    /// Waits until rows pass, or the streams that hold them end: what is accepted is settled then.
    /// False if there was nothing to wait for.
    pub async fn passes(&self) -> bool {
        if !matches!(*self.0.borrow(), Setting::Paused { .. }) {
            return false;
        }
        let is_over = |now: &Setting| !matches!(now, Setting::Paused { .. });
        // The sender is here.
        let _ = self.0.subscribe().wait_for(is_over).await;
        true
    }
}

impl Setting {
    /// For people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Paused { .. } => "Paused",
            Self::Drained { .. } => "Drained",
        }
    }

    /// When its streams end, if they do.
    pub fn ends(self) -> Option<Instant> {
        match self {
            Self::Drained { deadline, .. } => Some(deadline),
            Self::Open | Self::Paused { .. } => None,
        }
    }

    /// Why rows do not pass; `None` if they do.
    pub fn cause(self, alias: &str) -> Option<Cause> {
        let since = |time| jiff::Timestamp::try_from(time).unwrap_or_default();
        match self {
            Self::Open => None,
            Self::Paused { since: time } => {
                let since = since(time);
                let text = format!(
                    "output `{alias}` was paused by its operator at {since:.0}; rows wait, and go \
                     on with `kafka-output resume {alias}`"
                );
                Some(Cause::new("OUTPUT_PAUSED", text))
            }
            Self::Drained { since: time, by: Drainer::Operator, .. } => {
                let since = since(time);
                let text = format!(
                    "output `{alias}` was drained by its operator at {since:.0}; it takes streams \
                     again after `kafka-output resume {alias}`"
                );
                Some(Cause::new("OUTPUT_DRAINED", text))
            }
            Self::Drained { by: Drainer::Reload, .. } => {
                let text = format!(
                    "output `{alias}` is being changed by a new job file; open again in a moment"
                );
                Some(Cause::new("OUTPUT_CHANGES", text))
            }
        }
    }
}
