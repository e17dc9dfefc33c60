//! `support-bundle`: what a maintainer needs to find out what is wrong, in one file, without secrets.
//!
//! Everything comes from the admin port, which tells no secrets, and from [`machine`], which reads
//! limits and versions alone: no environment variables, no arguments, no files of the user.
//! [`bundle`] packs it.
mod bundle;
mod machine;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use self::bundle::Bundle;
use super::transactions::words::clean;
use crate::{
    exit::Exit,
    operator::{Operator, OperatorError, ServiceArgs},
    output_format::{OutputFormat, ResultArgs},
};

/// Between the two scrapes: what stands still is told from what moves.
const BETWEEN_SCRAPES: Duration = Duration::from_secs(5);

const MORE_HELP: &str = "\
Examples:
  Of a service on this machine:
    kafka-output support-bundle
  Look at what is inside before you send it:
    tar -xzOf kafka-output-support-*.tar.gz | less

What is inside, and what is not, stands in its README.txt. There are no secrets and no rows; there
are names of brokers, topics, writers, callers and vaults. The file is readable for you alone.

Exit codes: 0 all of it is in the file; 1 the file cannot be written; 4 nobody answers, so there is
no file, or the service has gone meanwhile, and the file has what came before; 6 the service refuses
a part, and the file has the others";

/// Gather what a maintainer needs to find out what is wrong, without secrets
///
/// Asks the admin port for five seconds, and writes a file. Changes nothing.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = MORE_HELP)]
pub struct SupportArgs {
    #[command(flatten)]
    service: ServiceArgs,
    /// The file to write, which must not be there yet [default: kafka-output-support-TIME.tar.gz]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    result: ResultArgs,
}

/// A part of the bundle that is not there, and why.
struct Missing {
    name: &'static str,
    error: OperatorError,
}

/// Writes a bundle. `outer` is the format that was asked for before the command's name.
pub async fn run(args: SupportArgs, outer: ResultArgs) -> Exit {
    let operator = Operator::new(&args.service);
    let now = SystemTime::now();
    // Whoever answers nothing here answers nothing at all.
    let first = match operator.text("/metrics").await {
        Ok(first) => first,
        Err(error) => {
            eprintln!("{error}");
            return error.exit();
        }
    };
    let mut bundle = Bundle::new(now);
    let missing = gather(&operator, first, &mut bundle).await;
    let to = args.to.unwrap_or_else(|| bundle::file_name(now).into());
    let files = bundle.names();
    let bytes = match bundle.write(&to) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{}: cannot be written: {error}; name another file by --to", to.display());
            return Exit::Failure;
        }
    };
    tell(&to, bytes, &files, &missing, args.result.or(outer));
    missing.first().map_or(Exit::Done, |missing| missing.error.exit())
}

/// Puts into the bundle what the service and the machine say; returns what they do not.
async fn gather(operator: &Operator, first: String, bundle: &mut Bundle) -> Vec<Missing> {
    let mut missing = Vec::new();
    bundle.add("metrics-1.txt", first);
    for (name, path) in [
        ("status.json", "/status"),
        ("config.yaml", "/config"),
        ("readyz.txt", "/readyz"),
        ("livez.txt", "/livez"),
    ] {
        take(operator.text(path).await, name, bundle, &mut missing);
    }
    tokio::time::sleep(BETWEEN_SCRAPES).await;
    take(operator.text("/metrics").await, "metrics-2.txt", bundle, &mut missing);
    take(operator.text("/status").await, "status-2.json", bundle, &mut missing);
    bundle.add("machine.txt", machine::describe());
    bundle.add("README.txt", bundle::readme(&told(&missing)));
    missing
}

/// Takes an answer into the bundle. That the service is not ready is an answer, too.
fn take(
    answer: Result<String, OperatorError>,
    name: &'static str,
    bundle: &mut Bundle,
    missing: &mut Vec<Missing>,
) {
    match answer {
        Ok(text) => bundle.add(name, text),
        Err(OperatorError::Refused { said }) if name == "readyz.txt" => bundle.add(name, said),
        Err(error) => missing.push(Missing { name, error }),
    }
}

fn told(missing: &[Missing]) -> String {
    missing.iter().map(|Missing { name, error }| format!("  {name}: {error}\n")).collect()
}

fn tell(to: &Path, bytes: usize, files: &[String], missing: &[Missing], format: OutputFormat) {
    let to = clean(&to.display().to_string());
    match format {
        OutputFormat::Json => {
            let missing: Vec<Value> = missing
                .iter()
                .map(|Missing { name, error }| json!({ "file": name, "error": error.to_string() }))
                .collect();
            println!(
                "{}",
                json!({ "bundle": to, "bytes": bytes, "files": files, "missing": missing })
            );
        }
        OutputFormat::Text => {
            println!("{to}: {bytes} bytes, with {}", files.join(", "));
            println!("There are no secrets in it; there are names of brokers, topics and writers.");
            if !missing.is_empty() {
                eprint!("Not in it:\n{}", told(missing));
            }
        }
    }
}
