//! `bench`: what an output can carry from here, beside what a bare producer can, on its own
//! cluster.
//!
//! Both take turns in short rounds, so that what happens to the machine or the brokers meanwhile
//! happens to both. What is written goes into a topic of its own, which is deleted at the end.
mod report;
mod rows;
mod streams;
mod target;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keyvault::Store;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use self::{
    report::{Figures, Report, Usage},
    rows::Work,
    streams::Streams,
    target::Target,
};
use super::check;
use crate::{
    exit::Exit,
    job::{self, Job},
    kafka::{Cause, Credentials, bare::Bare, scratch},
    output_format::OutputFormat,
    secrets::{Issuers, resolve},
    serve::Service,
};

/// The longest round.
const ROUND_MAX: Duration = Duration::from_secs(2);

/// Before those that count: connections, memory that is not there yet.
const WARM_UP: Duration = Duration::from_millis(300);

const MORE_HELP: &str = "\
Example:
  What the output `delays` can carry from this machine:
    kafka-output bench job.yaml delays

What is measured:
  A bare librdkafka producer that sends the encoded records from memory (the floor), and the whole
  service over gRPC in this process, with the output's own security, compression, format,
  partitioning and guarantee. They take turns in rounds of at most 2 s. The floor has no
  transactions. CPU is that of this process; of the service without the threads that play the
  engine. Acknowledgements are timed at full speed, so most of their time is waiting in line.

What is written, and where:
  Without --topic a topic is made like the output's own and deleted at the end, also after Ctrl-C,
  and so is one for the progress of its writers. Rights to make and delete topics are needed. Rows
  that cannot be written are left out and counted; no dead letters are written.

Exit codes:
  0 measured
  3 the job file, the rows, or what was asked for is at fault
  4 a broker or a vault cannot be reached, or refuses
  5 stopped by a signal; topics that were made are deleted";

/// Which output, and how.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct BenchArgs {
    /// The job file (YAML)
    job: PathBuf,

    /// The output: its alias in the job file
    #[arg(value_name = "OUTPUT")]
    alias: String,

    /// How long the service sends, and the floor as well
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Most megabytes of records that each of both writes
    #[arg(long, default_value_t = 4_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    megabytes: u64,

    /// Streams that send at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    streams: u32,

    /// Rows to send, again and again: CSV, JSON Lines, Arrow IPC or Parquet, of which the first
    /// 64 MiB are taken. Default: a sample of flights
    #[arg(long, value_name = "FILE")]
    rows_file: Option<PathBuf>,

    /// A topic that is there to write into; it stays. Default: one that is made and deleted
    #[arg(long, value_name = "TOPIC", conflicts_with = "into_the_topic")]
    topic: Option<String>,

    /// Write into the output's own topic, where its readers will find it
    #[arg(long)]
    into_the_topic: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Why there are no figures.
pub(super) struct Stop {
    said: String,
    exit: Exit,
}

impl Stop {
    fn input(said: impl Into<String>) -> Self {
        Self { said: said.into(), exit: Exit::BadInput }
    }

    #[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
    fn failed(said: impl ToString) -> Self {
        Self { said: said.to_string(), exit: Exit::Failure }
    }
}

impl From<Cause> for Stop {
    fn from(Cause { code, text }: Cause) -> Self {
        Self { said: format!("{code}: {text}"), exit: Exit::Unreachable }
    }
}

/// Runs the command. Must be called inside a tokio runtime with more than one thread.
pub async fn run(args: BenchArgs, format: OutputFormat) -> Exit {
    let Some(job) = check::load(&args.job, OutputFormat::Text) else { return Exit::BadInput };
    let said = match bench(&args, job).await {
        Ok(report) => match format {
            OutputFormat::Text => report.text(),
            OutputFormat::Json => report.json().to_string(),
        },
        Err(Stop { said, exit }) => {
            eprintln!("error: {said}");
            return exit;
        }
    };
    println!("{said}");
    Exit::Done
}

async fn bench(args: &BenchArgs, job: Job) -> Result<Report, Stop> {
    let chosen = choose(args, &job)?;
    let work = Work::load(args.rows_file.as_deref(), &job, &chosen).await?;
    let store = Store::new(job.identity.clone()).map_err(Stop::failed)?;
    let resolved = resolve(&store, &chosen.security, &mut Issuers::default()).await;
    let (credentials, _) =
        resolved.map_err(|error| Stop { said: error.to_string(), exit: Exit::Unreachable })?;
    let target = Target::plan(args, &chosen)?;
    target.ask(args, &chosen)?;
    let stop = watch_signals()?;
    let (asked, shown, planned) = (chosen.clone(), credentials.clone(), target.clone());
    let made = spawn_blocking(move || planned.make(&asked, &shown)).await;
    let measured = match made.map_err(Stop::failed)? {
        Ok(()) => {
            let (topic, seconds) = (target.topic(), 2 * args.seconds);
            eprintln!("writing into the topic `{topic}` for {seconds} s; Ctrl-C stops");
            measure(args, job, &target.output(&chosen), &credentials, work, &stop).await
        }
        Err(cause) => Err(cause.into()),
    };
    let (asked, shown, planned) = (chosen, credentials, target);
    let deleted = spawn_blocking(move || planned.delete(&asked, &shown)).await;
    // What is left behind is told whatever else went wrong.
    if let Err(cause) = deleted.map_err(Stop::failed)? {
        eprintln!("error: {}: {}; delete it by hand", cause.code, cause.text);
        return Err(measured.err().unwrap_or_else(|| Stop::failed("a topic is left behind")));
    }
    if stop.load(Ordering::Relaxed) {
        let said = "stopped; topics that were made are deleted".to_owned();
        return Err(Stop { said, exit: Exit::Unsettled });
    }
    measured
}

/// The output that is meant.
fn choose(args: &BenchArgs, job: &Job) -> Result<job::Output, Stop> {
    let found = job.outputs.iter().find(|output| output.alias.as_str() == args.alias);
    found.cloned().ok_or_else(|| {
        let aliases: Vec<_> =
            job.outputs.iter().map(|output| format!("`{}`", output.alias)).collect();
        let (file, alias) = (args.job.display(), &args.alias);
        let aliases = aliases.join(", ");
        Stop::input(format!("{file} has no output `{alias}`; those there are: {aliases}"))
    })
}

/// Set when somebody wants to stop.
fn watch_signals() -> Result<Arc<AtomicBool>, Stop> {
    let stop = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signal = signal(kind).map_err(Stop::failed)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            stop.store(true, Ordering::Relaxed);
        });
    }
    Ok(stop)
}

/// All rounds.
async fn measure(
    args: &BenchArgs,
    mut job: Job,
    output: &job::Output,
    credentials: &Credentials,
    work: Work,
    stop: &Arc<AtomicBool>,
) -> Result<Report, Stop> {
    let (asked, shown) = (output.clone(), credentials.clone());
    let partitions = spawn_blocking(move || scratch::partitions(&asked, &shown)).await;
    let partitions = Arc::new(partitions.map_err(Stop::failed)??);
    job.outputs = vec![output.clone()];
    job.admin = None;
    // Its batches are nobody's.
    job.traces = None;
    job.grpc = job::GrpcListen {
        address: ([127, 0, 0, 1], 0).into(),
        tls: None,
        tokens: None,
        reflection: false,
        connection_age: None,
        ..job.grpc
    };
    let service = Service::start(&job).await.map_err(Stop::failed)?;
    let bare = Bare::new(output, credentials, work.loads.clone()).map_err(Stop::failed)?;
    let bare = Arc::new(bare);
    let mut streams = Streams::open(&service, output, args.streams, &work).await?;
    let turn = output.partitioning.turn_rows;
    let floor = async |time, bytes| {
        let (bare, partitions, stop) = (bare.clone(), partitions.clone(), stop.clone());
        let passed = spawn_blocking(move || bare.round(&partitions, turn, (time, bytes), &stop));
        passed.await.map_err(Stop::failed)?.map_err(Stop::failed)
    };
    let bytes_max = args.megabytes * 1_000_000;
    floor(WARM_UP, bytes_max).await?;
    streams.round((WARM_UP, bytes_max), stop).await?;

    let time = Duration::from_secs(args.seconds);
    let rounds = time.as_millis().div_ceil(ROUND_MAX.as_millis()) as u32;
    let (each, bytes) = (time / rounds, bytes_max / u64::from(rounds));
    let (mut of_floor, mut of_service) = (Figures::default(), Figures::default());
    let usage = Usage::now();
    for _ in 0..rounds {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let before = Usage::now();
        of_floor.add(floor(each, bytes).await?, before.cpu_since());
        let before = Usage::now();
        of_service.add(streams.round((each, bytes), stop).await?, before.cpu_since());
    }
    let busy = usage.busy_since();
    let aside = streams.close().await;
    let brokers = bare.brokers();
    // In a thread that may wait: it joins librdkafka's.
    spawn_blocking(move || drop(bare)).await.map_err(Stop::failed)?;
    service.stop(job.shutdown_timeout).await;
    Report::new(args, output, &work, partitions.len(), (of_floor, of_service), brokers, busy, aside)
        .ok_or_else(|| Stop::failed("nothing was written"))
}
