//! Why something cannot be had, for the person who must act.

use std::{fmt, time::Duration};

/// Why a secret, a token or key material cannot be had. Names the object, the fault and what to do;
/// never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Stable, in capitals.
    pub code: &'static str,
    /// What happened, to which object.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Whether trying again may help.
    pub retry: Retry,
}

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before somebody changes something on this machine: a variable, a file, the job file.
    Never,
    /// Somebody may change it elsewhere (a right, a secret), or it passes by itself. The time is
    /// what the other side asked for, if it did.
    Later(Option<Duration>),
}

impl Error {
    /// An error that only a change on this machine mends.
    pub fn new(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, message: message.into(), remedy: remedy.into(), retry: Retry::Never }
    }

    /// The same error, to be tried again.
    #[must_use]
    pub fn later(mut self, after: Option<Duration>) -> Self {
        self.retry = Retry::Later(after);
        self
    }

    /// Whatever reads this place has panicked, or cannot run: a fault of this crate, or of what is
    /// below it.
    pub(crate) fn failed(place: &str) -> Self {
        let remedy = "report this as a bug, with the log";
        Self::new("SECRET_READ_FAILED", format!("reading {place} failed"), remedy).later(None)
    }

    /// What the other side asked for, if it did.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.retry {
            Retry::Never => None,
            Retry::Later(after) => after,
        }
    }

    /// The same error told again: of the time that was asked for this much is left.
    pub(crate) fn with_time_left(mut self, left: Duration) -> Self {
        if self.retry_after().is_some() {
            self.retry = Retry::Later(Some(left));
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for Error {}
