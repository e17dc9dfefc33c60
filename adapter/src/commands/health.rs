//! `health`: whether a running service lives, or is ready, for containers without a shell.
use serde_json::json;

use crate::{
    exit::Exit,
    operator::{Operator, OperatorError, ServiceArgs},
    output_format::OutputFormat,
};

/// What is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArgs {
    /// Ask whether writers should come, not only whether the process lives
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Asks, and says the answer.
pub async fn run(args: &HealthArgs, format: OutputFormat) -> Exit {
    let path = if args.ready { "/readyz" } else { "/livez" };
    let (said, exit) = match Operator::new(&args.service).text(path).await {
        Ok(said) => (said, Exit::Done),
        // It says for each output why.
        Err(OperatorError::Refused { said }) => (said, Exit::Refused),
        Err(error) => (error.to_string(), error.exit()),
    };
    let said = said.trim_end();
    match (format, exit) {
        (OutputFormat::Json, _) => {
            println!("{}", json!({ "healthy": exit == Exit::Done, "said": said }));
        }
        (OutputFormat::Text, Exit::Done) => println!("{said}"),
        (OutputFormat::Text, _) => eprintln!("{said}"),
    }
    exit
}
