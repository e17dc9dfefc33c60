//! Exit codes: documented in the README, stable, the same for every command.

/// How a command ended, as its exit code. clap itself ends with 2 on a usage error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done: everything settled, everything valid, everything equal.
    Done = 0,
    /// An unexpected failure, told on stderr.
    Failure = 1,
    /// The input is at fault: the job file, a secret on this machine, or a file of rows.
    BadInput = 3,
    /// The service cannot be reached; of `check`: something that the service needs cannot be
    /// reached or refuses, such as a broker or a vault.
    Unreachable = 4,
    /// Stopped half-way: rows without an answer may or may not be written; of `transactions`: a
    /// transaction hangs, and its rows are neither committed nor taken back; of `bench`: a signal
    /// ended it.
    Unsettled = 5,
    /// The service refused the call or its rows; what is refused is not written. Of `transactions`:
    /// what was asked for was not done.
    Refused = 6,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
