//! `schema`: the JSON Schema of the job file.
use crate::{exit::Exit, job};

/// Prints the schema.
pub fn run() -> Exit {
    println!("{:#}", job::json_schema());
    Exit::Done
}
