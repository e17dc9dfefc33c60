//! The command line: what can be said, and where it goes.
use std::{path::PathBuf, time::Duration};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::{
    commands::{
        self,
        bench::BenchArgs,
        config::ConfigArgs,
        demo::DemoArgs,
        explain::ExplainArgs,
        health::HealthArgs,
        preview::PreviewArgs,
        shell::{CompletionsArgs, ManArgs},
        steer::{Order, OutputArgs},
        support::SupportArgs,
        tap::TapArgs,
        top::TopArgs,
        transactions::TransactionsArgs,
    },
    exit::Exit,
    logs,
    operator::ServiceArgs,
    output_format::{OutputFormat, ResultArgs},
    send::{self, SendArgs},
};

/// Receives query result rows over gRPC and writes them to Kafka.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    result: ResultArgs,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Start with `kafka-output demo`: it needs no set-up.

Exit codes: 0 done; 1 unexpected failure; 2 wrong usage; 3 the input is at fault (job file, secret,
file of rows); 4 the service cannot be reached, or (`check`, `transactions`) what it needs; 5 stopped
half-way: rows without an answer may or may not be written, or (`transactions`) one hangs; 6 refused:
those rows are not written.

Logs go to stderr, as text on a terminal and as JSON otherwise, or as KAFKA_OUTPUT_LOG_FORMAT says
(text, json). KAFKA_OUTPUT_LOG sets the level: KAFKA_OUTPUT_LOG=debug, or info,librdkafka=debug for
librdkafka's own lines.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service described by a job file
    ///
    /// Brokers need not be there: the service starts, says that it is not ready, and goes on by
    /// itself. SIGTERM and SIGINT stop it within the job's `shutdownTimeout`: writers are told,
    /// what they sent settles. A second signal stops it at once. SIGHUP loads the job file again, as
    /// a change of the file does; see `reload`.
    Serve {
        /// The job file (YAML); `kafka-output schema` describes it
        job: PathBuf,
        /// Load the job file again at SIGHUP and `reload` alone, not when it changes
        #[arg(long)]
        no_watch: bool,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Say what is wrong with a job file, all of it in one go, and what else would fail
    ///
    /// Looks at secrets, brokers and topics as the service would, and writes nothing. Ends within
    /// 30 seconds, or 90 while the machine's identity endpoint is being updated.
    Check {
        /// The job file (YAML)
        job: PathBuf,
        /// Check the file alone, without connecting to anything
        #[arg(long, conflicts_with = "connect")]
        offline: bool,
        /// Check everything that can fail before the first row; the default
        #[arg(long)]
        connect: bool,
        #[command(flatten)]
        result: ResultArgs,
    },
    Config(ConfigArgs),
    /// Print the JSON Schema of the job file, for editors
    #[command(after_help = "In an editor with the YAML language server:\n  \
        kafka-output schema > job.schema.json\n  \
        # and as the first line of the job file:\n  \
        # yaml-language-server: $schema=job.schema.json")]
    Schema(ResultArgs),
    /// Print the exact records that rows from files would become, without a broker
    Preview(Box<PreviewArgs>),
    Transactions(Box<TransactionsArgs>),
    Top(TopArgs),
    /// Send rows from files to a service; goes on where it stopped
    Send {
        #[command(flatten)]
        args: Box<SendArgs>,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Have a running service load its job file again
    ///
    /// The file is checked whole first; one that is not right changes nothing. Outputs that are the
    /// same are not touched; the streams of those that differ end, and writers come back to what
    /// stands in their place.
    Reload {
        #[command(flatten)]
        service: ServiceArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Let no more rows of an output into Kafka; its streams stay and wait
    Pause {
        #[command(flatten)]
        args: OutputArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Let rows of a paused or drained output pass again
    Resume {
        #[command(flatten)]
        args: OutputArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// End the streams of an output as a stop does, and let none begin
    Drain {
        #[command(flatten)]
        args: OutputArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Say whether a running service lives, or is ready
    Health {
        #[command(flatten)]
        args: HealthArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Measure what an output can carry from here, beside a bare producer, on its own cluster
    Bench {
        #[command(flatten)]
        args: Box<BenchArgs>,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Show a sample of the records that a running service writes to an output
    Tap {
        #[command(flatten)]
        args: TapArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    /// Say what a code means, whether rows may be written, and what to do
    Explain {
        #[command(flatten)]
        args: ExplainArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
    SupportBundle(SupportArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// See the whole way work, with an embedded broker and real rows, without set-up
    Demo {
        #[command(flatten)]
        args: DemoArgs,
        #[command(flatten)]
        result: ResultArgs,
    },
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Exit {
        logs::init(matches!(self.command, Command::Serve { .. }));
        let exit = self.execute();
        logs::end();
        exit
    }

    fn execute(self) -> Exit {
        let format = |result: ResultArgs| result.or(self.result);
        match self.command {
            Command::Serve { job, no_watch, result } => {
                block_on(commands::serve::run(&job, !no_watch, format(result)))
            }
            Command::Check { job, offline: true, connect: _, result } => {
                commands::check::offline(&job, format(result))
            }
            Command::Check { job, offline: false, connect: _, result } => {
                block_on(commands::check::connect(&job, format(result)))
            }
            Command::Config(args) => commands::config::run(&args, self.result),
            // It is JSON anyway.
            Command::Schema(_) => commands::schema::run(),
            Command::Preview(args) => {
                if self.result.output == Some(OutputFormat::Json) {
                    let text = "`preview` prints records as text, or with --raw their bytes alone";
                    Self::command().error(ErrorKind::ArgumentConflict, text).exit();
                }
                block_on(commands::preview::run(*args))
            }
            Command::Transactions(args) => {
                let format = self.result.output.unwrap_or_default();
                block_on(commands::transactions::run(*args, format))
            }
            Command::Top(args) => block_on(commands::top::run(args, self.result)),
            Command::Send { args, result } => block_on(send::run(*args, format(result))),
            Command::Reload { service, result } => {
                block_on(commands::steer::reload(&service, format(result)))
            }
            Command::Pause { args, result } => {
                block_on(commands::steer::set(&args, Order::Pause, format(result)))
            }
            Command::Resume { args, result } => {
                block_on(commands::steer::set(&args, Order::Resume, format(result)))
            }
            Command::Drain { args, result } => {
                block_on(commands::steer::set(&args, Order::Drain, format(result)))
            }
            Command::Health { args, result } => {
                block_on(commands::health::run(&args, format(result)))
            }
            Command::Bench { args, result } => {
                block_on(commands::bench::run(*args, format(result)))
            }
            Command::Tap { args, result } => block_on(commands::tap::run(args, format(result))),
            Command::Explain { args, result } => commands::explain::run(&args, format(result)),
            Command::SupportBundle(args) => block_on(commands::support::run(args, self.result)),
            Command::Completions(args) => commands::shell::completions(&args, Self::command()),
            Command::Man(args) => commands::shell::man(&args, Self::command()),
            Command::Demo { args, result } => block_on(commands::demo::run(args, format(result))),
        }
    }
}

/// Runs a command that waits. Threads that still wait for a peer when it is done do not keep the
/// process.
fn block_on(command: impl Future<Output = Exit>) -> Exit {
    // The job file is looked at every two seconds by one of the threads for what may block, in turn: if
    // they lived longer than that, a burst of them would stay for good.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(command);
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            eprintln!("cannot start threads: {error}");
            Exit::Failure
        }
    }
}
