//! `tap`: a sample of what a running service writes to an output right now.
use std::{
    io::{self, Write as _},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indicatif::HumanCount;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::values::Values;
use crate::{
    exit::Exit,
    operator::{Flow, Operator, OperatorError, ServiceArgs},
    output_format::OutputFormat,
    send::duration,
    tap::EVERY_MIN,
};

const MORE_HELP: &str = "\
Examples:
  Some records a second of the output `delays`, with the rows that they are made of:
    kafka-output tap delays
  The next three records of one writer, for a script:
    kafka-output tap delays --writer query-7/0 --rows 3 --output json

What is shown:
  Records at the moment at which they are handed over to be sent. They are on their way: Kafka has
  not acknowledged them yet, and may refuse one. Rows that are refused or set aside before that are
  not shown. `one of 23,456` says how many records have passed since the record before. What comes
  faster than it is read is left out and counted; rows never wait for it. A record is shown up to
  64 KiB, of the rows of a packed record the first ten.
  The service shows rows to its own machine alone, to four readers at once, and not at all if the
  job file has `listen.admin.tap: false`.

--raw:
  The values of the records one behind the other, as far as they are shown, and nothing between.

Exit codes:
  0 so many records as asked for were shown
  4 the service cannot be reached, or has ended
  6 the service refuses: there is no such output, or it shows rows to nobody";

/// Which output, and how much of it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct TapArgs {
    /// The output: its alias in the job file
    #[arg(value_name = "OUTPUT")]
    alias: String,

    #[command(flatten)]
    service: ServiceArgs,

    /// End after so many records. Default: go on
    #[arg(long, visible_alias = "records", value_name = "COUNT",
          value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,

    /// Time between two records, on average, 20ms at least; what is left of a second may come at
    /// once, so that of few records all are shown
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = every)]
    every: Duration,

    /// Only what this writer sends
    #[arg(long, value_name = "ID")]
    writer: Option<String>,

    /// Print the values alone, byte for byte
    #[arg(long)]
    raw: bool,
}

/// The first line of an answer.
#[derive(Deserialize)]
struct Tapped {
    output: String,
    topic: String,
    format: String,
}

/// A sign of life, which every line is.
#[derive(Deserialize)]
struct Life {
    /// Records since the last sample; a sample has `of` in its place.
    passed: Option<u64>,
    dropped: u64,
}

/// A sample.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sample {
    writer: String,
    partition: i32,
    time: String,
    of: u64,
    bytes: usize,
    value: String,
    rows_total: u64,
    rows: Vec<Row>,
    avro_schema: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    sequence: u64,
    row: u64,
    columns: Option<Box<RawValue>>,
    beginning: Option<String>,
}

/// Why a tap ends early.
enum Stop {
    Service(OperatorError),
    /// The service has ended the answer.
    Ended,
    /// What it says is not what this program knows.
    Strange(String),
    Printing(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Printing(error)
    }
}

impl From<OperatorError> for Stop {
    fn from(error: OperatorError) -> Self {
        Self::Service(error)
    }
}

impl From<serde_json::Error> for Stop {
    fn from(error: serde_json::Error) -> Self {
        Self::Strange(error.to_string())
    }
}

/// Prints samples.
struct Show {
    raw: bool,
    values: Values,
    records: u64,
    /// It was said that nothing passes.
    is_quiet: bool,
}

/// Runs the command.
pub async fn run(args: TapArgs, format: OutputFormat) -> Exit {
    match tap(&args, format).await {
        Ok(()) => Exit::Done,
        // Whoever closes the pipe has seen enough.
        Err(Stop::Printing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(stop) => {
            let (said, exit) = match stop {
                Stop::Service(error) => (error.to_string(), error.exit()),
                Stop::Ended => {
                    let said = "the service has ended the tap: it stops, or this reader has taken \
                        nothing for a minute";
                    (said.to_owned(), Exit::Unreachable)
                }
                Stop::Strange(fault) => {
                    let said = format!("the service is of another version: {fault}");
                    (said, Exit::Failure)
                }
                Stop::Printing(error) => {
                    (format!("the records cannot be printed: {error}"), Exit::Failure)
                }
            };
            say(&format!("error: {said}"));
            exit
        }
    }
}

async fn tap(args: &TapArgs, format: OutputFormat) -> Result<(), Stop> {
    let operator = Operator::new(&args.service);
    let mut flow = operator.follow(&path(args)).await?;
    let tapped: Tapped = serde_json::from_slice(&next(&mut flow).await?)?;
    let is_text = tapped.format != "Avro";
    let values = Values::new(is_text);
    let mut show = Show { raw: args.raw, values, records: 0, is_quiet: false };
    if format == OutputFormat::Text && !args.raw {
        let Tapped { output, topic, .. } = &tapped;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "Records of output `{output}` on their way to topic `{topic}`; Kafka has not \
             acknowledged them yet."
        )?;
        out.flush()?;
    }
    while args.rows.is_none_or(|rows| show.records < rows) {
        let line = next(&mut flow).await?;
        let life: Life = serde_json::from_slice(&line)?;
        match (life.passed, format) {
            (Some(passed), _) => show.life(passed, &tapped.output),
            (None, OutputFormat::Json) => show.line(&line)?,
            (None, OutputFormat::Text) => show.sample(&serde_json::from_slice(&line)?)?,
        }
        // In JSON every sample says it.
        if life.dropped > 0 && life.passed.is_none() && format == OutputFormat::Text {
            let dropped = HumanCount(life.dropped);
            say(&format!("{dropped} samples are left out: they came faster than they were read"));
        }
    }
    Ok(())
}

async fn next(flow: &mut Flow) -> Result<bytes::Bytes, Stop> {
    flow.line().await?.ok_or(Stop::Ended)
}

/// What the service is asked for.
fn path(args: &TapArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("everyMs", &args.every.as_millis().to_string());
    if let Some(writer) = &args.writer {
        query.append_pair("writer", writer);
    }
    // Whatever was typed is one segment of the path.
    let alias: String = form_urlencoded::byte_serialize(args.alias.as_bytes()).collect();
    format!("/outputs/{}/tap?{}", alias.replace('+', "%20"), query.finish())
}

impl Show {
    /// Nothing but a sign of life: says once if nothing passes.
    fn life(&mut self, passed: u64, output: &str) {
        if passed == 0 && !self.is_quiet {
            self.is_quiet = true;
            say(&format!("nothing is written to `{output}` at the moment; waiting"));
        }
    }

    /// A sample for a script.
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.records += 1;
        let mut out = io::stdout().lock();
        out.write_all(line)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn sample(&mut self, sample: &Sample) -> Result<(), Stop> {
        let value = STANDARD.decode(&sample.value);
        let value = value.map_err(|error| Stop::Strange(error.to_string()))?;
        (self.records, self.is_quiet) = (self.records + 1, false);
        let mut out = io::stdout().lock();
        if self.raw {
            out.write_all(&value)?;
        } else {
            self.text(&mut out, sample, &value)?;
        }
        Ok(out.flush()?)
    }

    fn text(&mut self, out: &mut impl io::Write, sample: &Sample, value: &[u8]) -> io::Result<()> {
        if let Some(schema) = &sample.avro_schema {
            writeln!(out, "\nAvro schema of what follows:\n{schema}")?;
        }
        let [number, of] = [self.records, sample.of].map(HumanCount);
        let (bytes, rows) = (HumanCount(sample.bytes as u64), HumanCount(sample.rows_total));
        let rows = if sample.rows_total == 1 { String::new() } else { format!(" of {rows} rows") };
        let Sample { partition, writer, time, .. } = sample;
        writeln!(
            out,
            "\nrecord {number}, one of {of}: partition {partition}, {bytes} bytes{rows}, writer \
             {writer}, {time}"
        )?;
        let left_out = self.values.show(out, value)? + (sample.bytes - value.len());
        if left_out > 0 {
            writeln!(out, "          {} more bytes", HumanCount(left_out as u64))?;
        }
        for Row { sequence, row, columns, beginning } in &sample.rows {
            let columns = columns.as_deref().map(RawValue::get);
            let (text, cut) = match (columns, beginning) {
                (Some(columns), _) => (columns, ""),
                (None, beginning) => (beginning.as_deref().unwrap_or_default(), "…"),
            };
            writeln!(out, "  row {row} of batch {sequence}: {text}{cut}")?;
        }
        match sample.rows_total.saturating_sub(sample.rows.len() as u64) {
            0 => Ok(()),
            more => writeln!(out, "  … and {} more rows", HumanCount(more)),
        }
    }
}

/// Whoever closes standard error does not want to know.
fn say(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

fn every(text: &str) -> Result<Duration, String> {
    let every = duration(text)?;
    match every >= EVERY_MIN {
        true => Ok(every),
        false => Err(format!("{} ms is the shortest", EVERY_MIN.as_millis())),
    }
}
