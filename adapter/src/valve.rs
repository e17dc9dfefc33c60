//! Whether rows pass through an output, as its operator wants, whatever Kafka can do.
//!
//! *Open* is the rule. *Paused*, its streams stay, and rows wait before Kafka as in an outage.
//! *Drained*, its streams end as at a stop of the service and none begins until it is opened again;
//! where it was paused before, rows that waited stay out.
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
        /// It was paused: rows that are not handed over yet never will be.
        holds: bool,
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

/// A new job file has the output ended: nobody else sets it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes;

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
    ///
    /// # Errors
    /// If the output ends.
    pub fn pause(&self) -> Result<bool, Changes> {
        let paused = Setting::Paused { since: SystemTime::now() };
        self.change(|now| if let Setting::Paused { .. } = now { now } else { paused })
    }

    /// Rows pass from now on. True if they did not.
    ///
    /// # Errors
    /// If the output ends.
    pub fn open(&self) -> Result<bool, Changes> {
        self.change(|_| Setting::Open)
    }

    /// Streams end within this time, and none begins until it is opened. True if that is new.
    ///
    /// # Errors
    /// If the output ends.
    pub fn drain(&self, within: Duration) -> Result<bool, Changes> {
        self.change(|now| match now {
            Setting::Drained { .. } => now,
            Setting::Open | Setting::Paused { .. } => now.drained(within, Drainer::Operator),
        })
    }

    fn change(&self, to: impl FnOnce(Setting) -> Setting) -> Result<bool, Changes> {
        let mut ends = false;
        let changed = self.0.send_if_modified(|now| {
            ends = matches!(now, Setting::Drained { by: Drainer::Reload, .. });
            let next = if ends { *now } else { to(*now) };
            std::mem::replace(now, next) != next
        });
        if ends { Err(Changes) } else { Ok(changed) }
    }

    /// The output ends: streams within this time. Returns how it was set.
    pub fn end(&self, within: Duration) -> Setting {
        let mut was = Setting::Open;
        self.0.send_modify(|now| {
            was = *now;
            *now = now.drained(within, Drainer::Reload);
        });
        was
    }

    /// Sets one that begins as another was.
    pub fn begin_as(&self, setting: Setting) {
        self.0.send_replace(setting);
    }

    /// Told when the streams end.
    pub fn watch(&self) -> watch::Receiver<Setting> {
        self.0.subscribe()
    }

    /// Waits until rows pass.
    pub async fn passes(&self) {
        if self.0.borrow().holds() {
            // The sender is here.
            let _ = self.0.subscribe().wait_for(|now| !now.holds()).await;
        }
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

    /// Whether rows that are not handed over stay out of Kafka.
    pub fn holds(self) -> bool {
        match self {
            Self::Open => false,
            Self::Paused { .. } => true,
            Self::Drained { holds, .. } => holds,
        }
    }

    /// When its streams end, if they do.
    pub fn ends(self) -> Option<Instant> {
        match self {
            Self::Drained { deadline, .. } => Some(deadline),
            Self::Open | Self::Paused { .. } => None,
        }
    }

    /// The same output, drained.
    fn drained(self, within: Duration, by: Drainer) -> Self {
        let (since, deadline) = (SystemTime::now(), Instant::now() + within);
        Self::Drained { since, deadline, by, holds: self.holds() }
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
                    "output `{alias}` ends, as a new job file has it otherwise or no more; open \
                     again in a moment"
                );
                Some(Cause::new("OUTPUT_CHANGES", text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_paused_holds_its_rows_when_it_is_drained() {
        let valve = Valve::default();
        assert_eq!(valve.pause(), Ok(true));
        assert_eq!((valve.pause(), valve.drain(SOON)), (Ok(false), Ok(true)));
        assert!(valve.setting().holds() && valve.setting().ends().is_some());
        assert_eq!(valve.open(), Ok(true));
        assert_eq!(valve.drain(SOON), Ok(true));
        assert!(!valve.setting().holds());
    }

    #[test]
    fn nobody_opens_an_output_that_ends() {
        let valve = Valve::default();
        valve.pause().unwrap();
        let before = valve.end(SOON);
        assert_eq!((valve.open(), valve.pause()), (Err(Changes), Err(Changes)));
        assert_eq!(valve.drain(SOON), Err(Changes));
        assert!(valve.setting().holds());
        let next = Valve::default();
        next.begin_as(before);
        assert_eq!(next.setting().name(), "Paused");
    }
}
