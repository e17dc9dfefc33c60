//! How a sending ends: which of the exit codes, and in which words.
use indicatif::HumanCount;

use super::{
    BROKEN_FILE, SendArgs,
    files::FileError,
    outcome::{Ended, Outcome},
    sender::Sender,
};
use crate::client::{Error, Progress, TlsFault};

/// Why sending ended before everything was durable.
pub enum Stop {
    /// By the person or the system.
    Interrupted,
    /// A file is at fault.
    File(FileError),
    /// A reader panicked.
    Broken,
    /// The writer belongs to something else: what, and what to do.
    Foreign(String),
    /// There is nothing left to send.
    AlreadyThere,
    /// The service or the way to it.
    Client(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl Sender<'_> {
    /// The result of a run.
    pub fn outcome(self, result: Result<(), Stop>, progress: &Progress) -> Outcome {
        let unsettled = progress.unsettled.batches > 0;
        let (ended, error) = match result {
            Ok(()) => (Ended::Done, None),
            Err(Stop::AlreadyThere) => (Ended::AlreadyThere, None),
            Err(Stop::Interrupted) => {
                let rest = match (self.batches, progress.unsettled.batches) {
                    (0, _) => "nothing was sent".to_owned(),
                    (_, 0) => "everything sent is acknowledged".to_owned(),
                    (_, open) => {
                        format!("batches not acknowledged: {open}; they may or may not be written")
                    }
                };
                (Ended::Unsettled, Some(format!("stopped; {rest}")))
            }
            Err(Stop::File(error)) => (Ended::BadInput, Some(error.to_string())),
            Err(Stop::Broken) => (Ended::BadInput, Some(BROKEN_FILE.to_owned())),
            Err(Stop::Foreign(what)) => {
                let writer = &self.writer_id;
                (Ended::BadInput, Some(format!("the writer `{writer}` {what}")))
            }
            Err(Stop::Client(error)) => {
                (ended_by(&error, unsettled), Some(error_text(&error, &self.args)))
            }
        };
        let Self {
            args, writer_id: writer, rows_total, rows_before, rows_durable, batches, ..
        } = self;
        Outcome {
            ended,
            output: args.into,
            writer,
            rows_total,
            rows_before,
            rows_durable,
            batches,
            durable_through: progress.durable_through,
            rejected_total: progress.rejected_total,
            rejected: std::mem::take(&mut self.report.rejected),
            refused: self.refused,
            reconnects: progress.reconnects,
            repeated_rows: progress.repeated.rows,
            rows_unknown: progress.unsettled.rows,
            seconds: 0.0,
            rows_per_s: 0.0,
            error,
        }
    }
}

fn ended_by(error: &Error, unsettled: bool) -> Ended {
    match error {
        Error::Refused(_) => Ended::Refused,
        _ if unsettled && error.may_be_written() => Ended::Unsettled,
        Error::Unreachable { .. } | Error::Tls { .. } => Ended::Unreachable,
        Error::Service(service) if service.retry => Ended::Unreachable,
        Error::Service(_) => Ended::Refused,
        Error::Endpoint { .. } | Error::Credentials(_) | Error::Token(_) | Error::Encode(_) => {
            Ended::BadInput
        }
        Error::BatchTooLarge { .. }
        | Error::TooManyRows { .. }
        | Error::PositionTooLong { .. }
        | Error::TooManySchemas { .. }
        | Error::ProgressLost { .. }
        | Error::ForeignProgress { .. }
        | Error::Protocol(_)
        | Error::Closed => Ended::Failed,
    }
}

fn error_text(error: &Error, args: &SendArgs) -> String {
    match error {
        Error::Unreachable { .. } => format!(
            "{error}\ncheck that the service runs there (kafka-output serve), that --to is its \
             address, and that nothing between blocks the port; --wait 5m tries longer"
        ),
        Error::Tls { fault, .. } => match hint(fault) {
            Some(hint) => format!("{error}\n{hint}"),
            None => error.to_string(),
        },
        Error::Service(service) if service.reason == "TOKEN_MISSING" => {
            format!("{error}\nshow one with --token-file or --token-env")
        }
        Error::Refused(refused) => {
            let nothing = "nothing of this batch is written, and nothing behind it";
            let (rows, total) = match refused.rows_total {
                0 => return format!("{error}; {nothing}"),
                1 => ("row", HumanCount(1)),
                total => ("rows", HumanCount(total)),
            };
            format!(
                "batch {} is refused ({}): {total} {rows} cannot be written, and the output's \
                 errorPolicy is Stop; {nothing}; mend the {rows}, or choose Drop",
                refused.sequence, refused.code
            )
        }
        Error::ForeignProgress { .. } => format!(
            "{error}\nrun the same command again when the other one has ended: it goes on behind \
             what is there then"
        ),
        Error::Service(service) if service.reason == "TAKEN_OVER" => format!(
            "{error}\nanother `send` of the same rows into {} has started; it goes on",
            args.into
        ),
        _ => error.to_string(),
    }
}

/// What to do about TLS that cannot be agreed on.
fn hint(fault: &TlsFault) -> Option<&'static str> {
    Some(match fault {
        TlsFault::UnknownAuthority => "name the authority that signed it: --ca FILE",
        TlsFault::WrongName(_) => "use a host name of the certificate in --to",
        TlsFault::Expired | TlsFault::NotYetValid => "let it be replaced where the service runs",
        TlsFault::CertificateWanted => "show one: --certificate FILE --key FILE",
        TlsFault::CertificateRefused(_) => "show another: --certificate FILE --key FILE",
        TlsFault::Plaintext | TlsFault::TlsWanted | TlsFault::Other(_) => return None,
    })
}
