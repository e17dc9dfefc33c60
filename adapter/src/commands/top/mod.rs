//! `top`: a running service at a glance, the worst output first.
//!
//! [`model`] reads `/status` and finds what changed, [`cells`] says it in words, [`screen`] draws
//! it, [`live`] listens to the service and to the keys.
mod cells;
mod live;
mod model;
mod screen;

use std::{io::IsTerminal as _, time::Duration};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use self::model::Status;
use crate::{
    exit::Exit,
    operator::{Operator, OperatorError, ServiceArgs},
    output_format::{OutputFormat, ResultArgs},
};

const MORE_HELP: &str = "\
Examples:
  A service on this machine:
    kafka-output top
  One in a cluster:
    kubectl port-forward pod/rows-0 7071 & kafka-output top
  For a script, once:
    kafka-output top --once --output json | jq '.outputs[] | select(.state != \"Ready\")'

Keys: up and down choose an output, enter shows its writers, its credentials and what to do about its
trouble, escape goes back, q quits.

Columns:
  STATE CODE         whether rows pass, and why rows wait: `kafka-output explain CODE`
  ROWS/S MB/S        rows of accepted batches, and their bytes as they came
  BATCH/S            batches that became durable
  IN FLIGHT          records that are accepted and not settled
  OLDEST             for how long the oldest batch waits for its acknowledgement
  HELD               the part of their time that writers waited for memory or for a leader
  NO LEADER          partitions that take no rows, of all
  ASIDE LETTERS      rows that errorPolicy has set aside; dead letters that Kafka has stored
Rates are of the time between two looks; where there is nothing to compare with stands `-`.

Where stdout is no terminal, one table is printed as text; with --output json an object for each
look, until it is ended, or with --once one alone. While a service is away, objects say so in `error`.

Exit codes: 0 ended by you, or printed; 4 nobody answers; 6 the service refuses";

/// See a running service and its outputs, the worst first, as they change
///
/// Asks the admin port. Goes on while the service is restarted.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct TopArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    interval: f64,
    /// Print it once, as text or JSON, after two looks
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    result: ResultArgs,
}

/// Shows it. `outer` is the format that was asked for before the command's name.
pub async fn run(args: TopArgs, outer: ResultArgs) -> Exit {
    let operator = Operator::new(&args.service);
    let every = Duration::from_secs_f64(args.interval);
    match args.result.or(outer) {
        OutputFormat::Json if !args.once => follow(&operator, every).await,
        OutputFormat::Text if !args.once && std::io::stdout().is_terminal() => {
            live::run(operator, every).await
        }
        format => once(&operator, every, format).await,
    }
}

/// Two looks, for what changes.
async fn once(operator: &Operator, every: Duration, format: OutputFormat) -> Exit {
    let looks = async {
        let first = look(operator).await?;
        tokio::time::sleep(every).await;
        Ok::<_, OperatorError>((first, look(operator).await?))
    };
    let (first, second) = match looks.await {
        Ok(looks) => looks,
        Err(error) => {
            eprintln!("{error}");
            return error.exit();
        }
    };
    let view = second.view(Some(&first));
    match format {
        OutputFormat::Json => println!("{}", json!(view)),
        OutputFormat::Text => print!("{}", cells::text(&view)),
    }
    Exit::Done
}

/// An object for each look, until nobody reads them any more.
async fn follow(operator: &Operator, every: Duration) -> Exit {
    use std::io::Write as _;
    let mut before = None;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let line = match look(operator).await {
            Ok(now) => {
                let line = json!(now.view(before.as_ref()));
                before = Some(now);
                line
            }
            Err(error) if before.is_none() => {
                eprintln!("{error}");
                return error.exit();
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        if writeln!(std::io::stdout(), "{line}").is_err() {
            return Exit::Done;
        }
    }
}

async fn look(operator: &Operator) -> Result<Status, OperatorError> {
    let answer = operator.read("/status").await?;
    Status::read(answer).map_err(|said| OperatorError::Refused { said })
}

fn seconds(typed: &str) -> Result<f64, String> {
    let seconds = typed.parse::<f64>().map_err(|error| error.to_string())?;
    match (0.1..=3600.0).contains(&seconds) {
        true => Ok(seconds),
        false => Err("write 0.1 to 3600".to_owned()),
    }
}
