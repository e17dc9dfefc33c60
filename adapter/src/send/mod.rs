//! `kafka-output send`: rows from files to a service, and on from where an earlier run ended.
//!
//! The files are looked through first (format, columns, types, content); then one thread reads
//! and a task sends, with two chunks between them. The writer is named after the content and each
//! batch carries the count of rows up to its end as its position, so the service itself knows
//! where to go on and nothing is kept here.
mod args;
mod ending;
mod file_args;
pub mod files; // for `preview` and `fuzz`
mod identity;
mod outcome;
mod parts;
mod report;
mod security_args;
mod sender;
#[cfg(test)]
mod tests;
pub mod types; // for `fuzz` alone

use std::{io, pin::Pin, time::Instant};

use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::args::duration;
pub use self::{args::SendArgs, file_args::FileArgs};
use self::{
    files::{FileError, Files},
    identity::Identity,
    outcome::{Ended, Outcome},
    report::Report,
    sender::Sender,
};
pub(crate) use self::{
    parts::{Origin, Part, ReadChunk, read_all},
    report::RowFault,
};
use crate::{exit::Exit, output_format::OutputFormat};

/// Completes when the person or the system wants an end.
type Interrupted = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the command. Must be called inside a tokio runtime with more than one thread, since it
/// reads files beside.
pub async fn run(args: SendArgs, format: OutputFormat) -> Exit {
    let mut report = Report::new(args.progress, format);
    let outcome = send(args, &mut report, interruption).await;
    report.end();
    outcome.print(format);
    outcome.ended.exit()
}

fn interruption() -> io::Result<Interrupted> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }))
}

/// `interruption` is called when the first row may go out. Until then Ctrl-C ends the process in
/// the system's own way, at once, however large the files are.
async fn send(
    args: SendArgs,
    report: &mut Report,
    interruption: impl FnOnce() -> io::Result<Interrupted>,
) -> Outcome {
    let start = Instant::now();
    let ended = |ended: Ended, error: String| Outcome {
        error: Some(error),
        ..Outcome::new(ended, &args.into)
    };
    // Told before the files are looked through, which may take long.
    let security = match args.security.read() {
        Ok(security) => security,
        Err(error) => return ended(Ended::BadInput, error.to_string()),
    };
    let looking = args.clone();
    let survey = tokio::task::spawn_blocking(move || look_through(&looking)).await;
    let (files, identity) = match survey {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return ended(Ended::BadInput, error),
        Err(_) => return ended(Ended::BadInput, BROKEN_FILE.to_owned()),
    };
    if files.rows_total == Some(0) {
        return Outcome { rows_total: Some(0), ..Outcome::new(Ended::NoRows, &args.into) };
    }
    let interrupted = match interruption() {
        Ok(interrupted) => interrupted,
        Err(error) => return ended(Ended::Failed, format!("signals cannot be watched: {error}")),
    };
    let mut outcome = Sender::new(args, files, identity, report, interrupted).run(security).await;
    outcome.took(start.elapsed());
    outcome
}

/// No reader is known to panic; should one do so, that is no end of its file.
pub(crate) const BROKEN_FILE: &str = "a file made its reader fail; it is probably broken";

fn look_through(args: &SendArgs) -> Result<(Files, Identity), String> {
    let text = |error: FileError| error.to_string();
    let files = args.input.survey()?;
    let identity = Identity::of(&files, &args.input.text_options()).map_err(text)?;
    Ok((files, identity))
}
