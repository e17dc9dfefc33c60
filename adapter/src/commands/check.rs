//! `check`: everything that is wrong with a job file, in one go.
use std::{io::IsTerminal as _, path::Path};

use serde_json::json;

use crate::{
    exit::Exit,
    job::{self, Faults, Job},
    output_format::OutputFormat,
};

/// Checks a file.
pub fn run(path: &Path, format: OutputFormat) -> Exit {
    let Some(job) = load(path, format) else { return Exit::BadInput };
    match format {
        OutputFormat::Json => println!("{}", json!({ "valid": true, "job": job.to_json() })),
        OutputFormat::Text => {
            println!(
                "{} is valid: job `{}`, listening on {}",
                path.display(),
                job.name,
                job.grpc.address
            );
            for output in &job.outputs {
                println!("  output `{}` writes topic `{}`", output.alias, output.topic);
            }
            println!("Nothing was connected to: topics and brokers are not checked.");
        }
    }
    Exit::Done
}

/// Loads a job file, or says what is wrong with it.
pub fn load(path: &Path, format: OutputFormat) -> Option<Job> {
    job::load(path).map_err(|faults| print_faults(&faults, format)).ok()
}

fn print_faults(faults: &Faults, format: OutputFormat) {
    match format {
        OutputFormat::Json => println!("{}", faults.to_json()),
        OutputFormat::Text => eprintln!("{}", faults.render(std::io::stderr().is_terminal())),
    }
}
