//! `check`: everything that is wrong with a job file, in one go; and everything else that can fail
//! before the first row.
//!
//! [`connect`] looks at it in the order in which it has to work: [`secrets`], then the port for
//! callers ([`listener`]) and each output ([`output`]), from its credentials ([`credentials`]) down
//! to its topic ([`topic`]) and what its delivery needs beside that ([`delivery`]). [`finding`] is
//! what is found, [`lacking`] what others refer to then, [`material`] what is told of certificates,
//! [`show`] how it is told.
mod connect;
mod credentials;
mod delivery;
mod finding;
mod lacking;
mod listener;
mod material;
mod output;
mod secrets;
pub(super) mod show;
mod topic;

use std::{io::IsTerminal as _, path::Path};

use serde_json::json;

pub use self::connect::run as connect;
use crate::{
    exit::Exit,
    job::{self, Faults, Job},
    output_format::OutputFormat,
};

/// Checks a file alone.
pub fn offline(path: &Path, format: OutputFormat) -> Exit {
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
            println!(
                "Nothing was connected to: secrets, brokers and topics are not checked; without \
                 --offline they are."
            );
        }
    }
    Exit::Done
}

/// Loads a job file, or says what is wrong with it.
pub fn load(path: &Path, format: OutputFormat) -> Option<Job> {
    load_with_version(path, format).map(|(job, _)| job)
}

/// The same, with the digest of the file's text.
pub fn load_with_version(path: &Path, format: OutputFormat) -> Option<(Job, String)> {
    job::load_with_version(path).map_err(|faults| print_faults(&faults, format)).ok()
}

/// Says what is wrong with a job file.
pub(in crate::commands) fn print_faults(faults: &Faults, format: OutputFormat) {
    match format {
        OutputFormat::Json => println!("{}", faults.to_json()),
        OutputFormat::Text => eprintln!("{}", faults.render(std::io::stderr().is_terminal())),
    }
}
