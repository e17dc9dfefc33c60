//! The command line of `send`.
use std::{ffi::OsStr, num::NonZeroU32, time::Duration};

use clap::{Arg, Command, builder::TypedValueParser, error::ErrorKind};

use super::{file_args::FileArgs, security_args::SecurityArgs};
use crate::client::check_endpoint;

const EXAMPLES: &str = "\
Examples:
  Send a CSV file whose missing values are written NA:
    kafka-output send flights.csv --into delays --null-text NA,''
  Say what a column is, instead of letting it be guessed:
    kafka-output send flights.csv --into delays --types 'year=int64,time_hour=timestamp[us,UTC]'
  Send at the speed of life, and stop after a while (Ctrl-C); the same command goes on:
    kafka-output send trips.parquet --into trips --rate 500
  Send a file once more, although it is there already:
    kafka-output send flights.csv --into delays --writer again-1
  Send over TLS, and show who you are:
    kafka-output send flights.csv --into delays --to https://rows.example:7070 \
      --ca ca.pem --certificate engine.pem --key engine.key

Going on:
  The service knows how many of the rows are durable, also after it was started again (at least once:
  up to the last second or so). The same command goes on after them: after Ctrl-C, after a crash of
  the sender, after an outage of Kafka. It knows the rows by the content of the files, not by their
  names, so a file that was sent whole is not sent twice. --writer gives the sending a name of its own
  instead.
  When the service is started again while rows are sent, the command goes on by itself behind the
  last acknowledgement. What was on its way goes again; the result says how many rows may
  therefore be there twice (repeated_rows).

Types of text files:
  CSV and JSON Lines files are read whole before the first row is sent, to find types that hold for
  every row. A file that changes meanwhile is a fault.
  In CSV a column is int64, float64, bool, date, timestamp[..] or timestamp[..,UTC] if all its
  values are, in their usual spelling, and no digit is lost; else it is utf8. Numbers with leading
  zeros are text. In JSON, columns of mixed types are kept as JSON; dates are text unless --types
  says otherwise.

Exit codes:
  0 everything is durable   3 a file is at fault     4 the service cannot be reached
  5 stopped half-way        6 the service refused the rows";

/// Sends rows from files to a running service, and goes on where an earlier run ended.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SendArgs {
    #[command(flatten)]
    pub(super) input: FileArgs,

    /// The address of the service; with TLS it begins with https.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070",
          value_parser = Address)]
    pub to: String,

    /// The output that gets the rows: its alias in the job file.
    #[arg(long, value_name = "ALIAS")]
    pub into: String,

    /// A name for this sending, by which it goes on. Default: derived from the content of the
    /// files. A new name sends everything again.
    #[arg(long, value_name = "ID")]
    pub writer: Option<String>,

    /// Send at most so many rows a second. Default: as fast as the service takes them.
    #[arg(long, value_name = "ROWS_PER_S")]
    pub rate: Option<NonZeroU32>,

    /// How long to try to reach the service, at the start and after a lost connection: 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub wait: Duration,

    /// Whether to draw a progress bar: on a terminal, or never.
    #[arg(long, default_value = "auto")]
    pub progress: ProgressMode,

    #[command(flatten)]
    pub(super) security: SecurityArgs,
}

/// Whether a progress bar is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// If standard error is a terminal.
    Auto,
    /// Not at all.
    Never,
}

/// Reads an address. A fault is told in our words, since clap's repeat what was given, and that may
/// hold a password.
#[derive(Clone)]
struct Address;

impl TypedValueParser for Address {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let address = value.to_string_lossy().into_owned();
        match check_endpoint(&address) {
            Ok(()) => Ok(address),
            Err(error) => {
                let text = format!("--to: {error}\n");
                Err(clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command))
            }
        }
    }
}

/// Reads a time as it is typed.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| format!("`{text}` is not a time; write 500ms, 30s, 5m or 1h30m"))
}
