//! `preview`: the records that a file's rows would be, without a broker.
//!
//! Files are read and cut as `send` does it, and go through the same [`Output`] as a service's
//! batches; only its Kafka is another, the [`Topic`]. So what is shown is what is written.
mod batches;
mod show;
mod topic;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

pub(super) use self::topic::Topic;
use self::{batches::Batches, show::Show};
use super::check;
use crate::{
    client::encode_schema,
    exit::Exit,
    job::{self, Job},
    kafka::{Delivery, headers::Headers, record_bytes_max},
    output::{BATCH_ROWS_MAX, Output, Plan},
    output_format::OutputFormat,
    partition::{Rotor, Turn},
    rows::schema_from_ipc,
    send::{
        BROKEN_FILE, FileArgs, Origin, Part, ReadChunk,
        files::{ChunkSize, Files},
        read_all,
    },
    steering,
};

/// Records that are shown if nobody says how many.
const SHOWN_RECORDS: u64 = 10;

/// Chunks between reading and encoding.
const CHUNKS: usize = 2;

const MORE_HELP: &str = "\
Examples:
  The first records of a file, and what is wrong with its rows:
    kafka-output preview job.yaml --output delays flights.csv
  The bytes of the first record, for a reader of the format:
    kafka-output preview job.yaml --output delays flights.csv --raw --records 1 > flight.avro

What is shown:
  The files are read and cut into batches as `send` does it, and the batches become records by the
  code of the service. Neither a broker nor a secret is needed. What only they could tell is
  assumed: the number of partitions (--partitions), all of them with a leader and none with rows
  of others, and the largest record that the topic takes (--max-message-bytes). No time passes: a
  partition's turn ends with its rows alone, and with `packing.time` batches share records as if
  all came within that time and the writer's credit let them wait.
  Whether compression pleases the topic, rights suffice and the topic is there, the brokers alone
  know.

Bad rows:
  All of them are counted and the first are named on standard error, with file and line. Under
  `errorPolicy: Stop` a batch with bad rows is refused and nothing behind it is written, so nothing
  of that is shown, and the exit code is 3. Under `Drop` and `DeadLetter` the other rows are shown.

--raw:
  The values of the records one behind the other, every byte of them and nothing between: a record
  of one row has no line end. JSON objects can be told apart all the same; of CSV and Avro take one
  record: --records 1.

Exit codes:
  0 all rows can be written, or their output sets aside those that cannot
  3 the job file, a file of rows or a row is at fault";

/// Prints the records that a file's rows would be, without a broker.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct PreviewArgs {
    /// The job file (YAML).
    job: PathBuf,

    /// The output that gets the rows: its alias in the job file. May be left out if there is only
    /// one.
    #[arg(long = "output", visible_alias = "into", value_name = "ALIAS")]
    alias: Option<String>,

    #[command(flatten)]
    input: FileArgs,

    /// Partitions that the topic is taken to have.
    #[arg(long, value_name = "COUNT", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    partitions: u32,

    /// The topic's `max.message.bytes`. Default: Kafka's own.
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_588,
          value_parser = clap::value_parser!(u64).range(1..=100 << 20))]
    max_message_bytes: u64,

    /// Records to show. Default: 10, with --raw all.
    #[arg(long, value_name = "COUNT", conflicts_with = "all")]
    records: Option<u64>,

    /// Show all records, each of them whole.
    #[arg(long)]
    all: bool,

    /// Print the values alone, byte for byte.
    #[arg(long)]
    raw: bool,
}

/// Why a preview ends early.
enum Stop {
    /// What is said or given is at fault.
    Input(String),
    /// Standard output takes no more.
    Printing(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Printing(error)
    }
}

/// Runs the command. Must be called inside a tokio runtime with more than one thread.
pub async fn run(args: PreviewArgs) -> Exit {
    let Some(job) = check::load(&args.job, OutputFormat::Text) else { return Exit::BadInput };
    match preview(&args, &job).await {
        Ok(exit) => exit,
        Err(Stop::Input(error)) => {
            show::say(&format!("error: {error}\n"));
            Exit::BadInput
        }
        // Whoever closes the pipe has seen enough.
        Err(Stop::Printing(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(Stop::Printing(error)) => {
            show::say(&format!("error: the records cannot be printed: {error}\n"));
            Exit::Failure
        }
    }
}

async fn preview(args: &PreviewArgs, job: &Job) -> Result<Exit, Stop> {
    let chosen = choose(args, job)?;
    let input = args.input.clone();
    let files = spawn_blocking(move || input.survey()).await;
    let files = files.unwrap_or_else(|_| Err(BROKEN_FILE.to_owned())).map_err(Stop::Input)?;
    let files = Arc::new(files);
    let of_headers = if chosen.trace_headers { Headers::TRACE_BYTES_MAX } else { 0 };
    let record_bytes_max = record_bytes_max(args.max_message_bytes).saturating_sub(of_headers);
    let record_bytes_max = record_bytes_max.max(1) as usize;
    let topic = Arc::new(Topic::new(args.partitions, record_bytes_max));
    let output = output(job, chosen, topic.clone());
    let plan = plan(&files, &output)?;
    let mut show = Show::new(args.raw, shown_records(args), files.clone());
    if args.all {
        show.cut_nothing();
    }
    show.start(&output, &plan, args.partitions)?;
    let mut batches = Batches::new(&output, &plan, &topic, &mut show);
    batches.message_bytes_max = u64::from(job.batch_bytes_max);
    let rows = args.input.batch_rows.get().min(BATCH_ROWS_MAX) as usize;
    let bytes = u64::from(job.batch_bytes_max).clamp(1, ChunkSize::BYTES_MAX as u64) as usize;
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    let (reads, limit) = (files.clone(), args.input.limit);
    let reading = spawn_blocking(move || {
        if let Err(error) = read_all(&reads, 0, limit, ChunkSize { rows, bytes }, &chunks) {
            // Nobody takes it if nobody reads on.
            chunks.blocking_send(Err(error)).ok();
        }
    });
    let fed = feed(&mut batches, receiver, reading).await;
    // What came before the fault would be written.
    let broken = match fed {
        Err(Stop::Input(error)) => Some(error),
        fed => fed.map(|()| None)?,
    };
    batches.end().await?;
    show.end(&output, broken.as_deref())
}

/// Brings all that is read to the output.
async fn feed(
    batches: &mut Batches<'_>,
    mut chunks: mpsc::Receiver<ReadChunk>,
    reading: JoinHandle<()>,
) -> Result<(), Stop> {
    let mut rows_through = 0;
    while let Some(chunk) = chunks.recv().await {
        let (file, first_row, chunk) = chunk.map_err(|error| Stop::Input(error.to_string()))?;
        rows_through += chunk.batch.num_rows() as u64;
        let origin = Origin { sequence: 0, file, first_row, lines: chunk.lines, rows_through };
        batches.add(Part { batch: chunk.batch, origin }).await?;
    }
    // The channel also ends when the reader panics; that is no end of the file.
    reading.await.map_err(|_| Stop::Input(BROKEN_FILE.to_owned()))
}

/// The output that is meant.
fn choose<'a>(args: &PreviewArgs, job: &'a Job) -> Result<&'a job::Output, Stop> {
    let aliases = || {
        let aliases = job.outputs.iter().map(|output| format!("`{}`", output.alias));
        aliases.collect::<Vec<_>>().join(", ")
    };
    let file = args.job.display();
    match (&args.alias, &job.outputs[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Stop::Input(format!(
            "{file} has several outputs; say which with --output: {}",
            aliases()
        ))),
        (Some(alias), outputs) => {
            let found = outputs.iter().find(|output| output.alias.as_str() == alias);
            found.ok_or_else(|| {
                let hint = match alias.as_str() {
                    "text" | "json" => "; `--output` of `preview` names an output of the job",
                    _ => "",
                };
                let aliases = aliases();
                Stop::Input(format!(
                    "{file} has no output `{alias}`; those there are: {aliases}{hint}"
                ))
            })
        }
    }
}

/// An output as the service makes it, but that no time passes.
fn output(job: &Job, chosen: &job::Output, kafka: Arc<dyn Delivery>) -> Output {
    let mut output = steering::output_of(job, chosen, kafka);
    let turn = Turn { rows: chosen.partitioning.turn_rows, time: Duration::MAX };
    output.rotor = Arc::new(Rotor::new(turn));
    output
}

/// Plans the columns of the files. They go the way of the wire, as they do to a service.
fn plan(files: &Files, output: &Output) -> Result<Plan, Stop> {
    let schema = encode_schema(&files.schema).map_err(|error| Stop::Input(error.to_string()))?;
    let schema = schema_from_ipc(&schema).map_err(|error| Stop::Input(error.to_string()))?;
    Plan::compile(schema, &output.format).map_err(|fault| {
        let alias = &output.alias;
        Stop::Input(format!("output `{alias}` cannot take these columns: {fault}"))
    })
}

fn shown_records(args: &PreviewArgs) -> u64 {
    match args.records {
        Some(records) => records,
        None if args.all || args.raw => u64::MAX,
        None => SHOWN_RECORDS,
    }
}
