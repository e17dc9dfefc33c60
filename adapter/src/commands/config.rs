//! `config`: the job as the service takes it, every default filled in, and where each value comes
//! from.
use std::path::PathBuf;

use super::check;
use crate::{
    exit::Exit,
    job,
    output_format::{OutputFormat, ResultArgs},
};

const MORE_HELP: &str = "\
Examples:
  What holds for a job, and who said so:
    kafka-output config print job.yaml --sources
  What would a changed job file change?
    diff <(kafka-output config print old.yaml) <(kafka-output config print new.yaml)
  What does a running service have? Ask its admin port:
    curl http://127.0.0.1:7071/config

What is printed is a job file again, in YAML, or with --output json in JSON; `check --offline` takes
it. References to secrets are printed, secrets are not: clearTextForTests is masked, and so is what
may be a secret elsewhere, as in a user name or a setting of librdkafka. A line with **** says so.

Where a value comes from (--sources):
  line 12                  it is written there
  line 5, in `defaults`    it is written there for all outputs
  of the profile EventHubs Event Hubs demands it
  follows from `acks`      what that key says decides
  default                  nothing is written

Exit codes: 0 printed; 3 the job file is at fault";

/// Look at the job as the service takes it
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Print every key with its value, defaults included, as a job file, without secrets
    #[command(after_help = MORE_HELP)]
    Print {
        /// The job file (YAML)
        job: PathBuf,
        /// Say where each value comes from, at the end of its line; in JSON below `sources`, and the
        /// job is below `job` then
        #[arg(long)]
        sources: bool,
        #[command(flatten)]
        result: ResultArgs,
    },
}

/// Prints it. `outer` is the format that was asked for before the command's name.
pub fn run(args: &ConfigArgs, outer: ResultArgs) -> Exit {
    let Action::Print { job, sources, result } = &args.action;
    let format = result.or(outer);
    let effective = match job::load_effective(job) {
        Ok(effective) => effective,
        Err(faults) => {
            check::print_faults(&faults, format);
            return Exit::BadInput;
        }
    };
    match format {
        OutputFormat::Json => println!("{}", effective.to_json(*sources)),
        OutputFormat::Text => print!("{}", effective.to_yaml(*sources)),
    }
    Exit::Done
}
