//! Runs the Azure CLI, and says why it gave no token.

use std::{
    ffi::OsStr,
    fmt, io,
    process::{Output, Stdio},
};

use async_trait::async_trait;
use azure_identity::Executor;
use tokio::process::Command;

use crate::{Error, said::reason, token::Progress};

/// What a shell says of a command that is not there.
const NOT_FOUND: i32 = 127;

/// Runs commands and keeps why one failed; what they print may be a token.
pub(super) struct Recorded(pub(super) Progress);

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorded")
    }
}

#[async_trait]
impl Executor for Recorded {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = Command::new(program);
        // Whoever gives up waiting leaves no process behind.
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await;
        self.0.set(output.as_ref().map_or_else(|error| Some(failed(&error.to_string())), of));
        output
    }
}

fn of(output: &Output) -> Option<Error> {
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_FOUND) {
        let message = "the Azure CLI (`az`) is not installed, or not on the PATH of the service";
        let remedy =
            "install it, or choose another identity: this one is for a developer's machine";
        return Some(Error::new("AZURE_CLI_MISSING", message, remedy).later(None));
    }
    if said.contains("az login") {
        let message = format!("nobody is logged in with the Azure CLI{}", reason(&said, &[]));
        return Some(Error::new("AZURE_CLI_LOGGED_OUT", message, "run `az login`").later(None));
    }
    Some(failed(&said))
}

fn failed(said: &str) -> Error {
    let message = format!("the Azure CLI gives no token{}", reason(said, &[]));
    Error::new("AZURE_CLI_FAILED", message, "try `az account get-access-token`").later(None)
}
