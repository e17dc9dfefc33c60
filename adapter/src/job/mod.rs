//! The job file: YAML in, a checked [`Job`] or every fault out.
//!
//! The way of a file: `tree` reads YAML and keeps the place of everything; `walk` follows the
//! JSON Schema that the types in `raw` make, and finds what is unknown, missing or of the wrong
//! type; `convert`, `listen`, `output`, `serialization` and `security` read what is left into
//! `model` and find what is out of range or contradicts itself. All of them report to one
//! `collect::Collector`, so that a reader learns of all faults at once. `secrecy` says what may
//! never be shown. `effective` prints the model as a job file again.

mod collect;
mod convert;
mod effective;
mod fault;
mod file;
mod foreign;
mod listen;
mod merge;
mod model;
mod names;
mod output;
mod places;
mod raw;
mod raw_values;
mod schema;
mod secrecy;
mod security;
mod serialization;
mod settings;
mod source;
mod syntax;
mod text;
mod topics;
mod tree;
mod unserved;
mod walk;
mod words;

use std::path::Path;

use self::{collect::Collector, file::FileFault, source::Source, tree::Tree};
pub use self::{
    effective::{Effective, load_effective},
    fault::{Fault, Faults},
    model::{
        Acks, AdminListen, Batching, Compression, ErrorPolicy, GrpcListen, Guarantee, Job, Output,
        RoundRobin, Transactions,
    },
    names::{HostPort, OutputAlias, TopicName},
    schema::json_schema,
    security::*,
    serialization::{Packing, Serialization},
    text::InvalidText,
    words::near_names,
};

/// The most bytes in a job file.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads a job file and the Avro schemas that it names. Secrets that it refers to are not read.
pub fn load(path: &Path) -> Result<Job, Faults> {
    load_with_version(path).map(|(job, _)| job)
}

/// The same, and a digest of the file's text, by which one version of it is told from another.
pub fn load_with_version(path: &Path) -> Result<(Job, String), Faults> {
    let text = text_of(path)?;
    let job = read(&path.display().to_string(), folder_of(path), &text)?;
    Ok((job, digest(&text)))
}

/// The text of a job file.
fn text_of(path: &Path) -> Result<String, Faults> {
    let file = path.display().to_string();
    match file::read(path, FILE_BYTES_MAX) {
        Ok(text) => Ok(text),
        Err(FileFault::Unreadable(error)) => {
            let message = format!("the job file cannot be read: {error}");
            let help = "check the path, and whether this user may read the file";
            Err(Faults::of_file(&file, "FILE_UNREADABLE", message, help))
        }
        Err(FileFault::TooLarge) => Err(too_large(&file)),
        Err(FileFault::NotUtf8 { line }) => {
            let message = format!("the job file is not UTF-8 text, from line {line} on");
            Err(Faults::of_file(&file, "FILE_NOT_UTF8", message, "save the file as UTF-8"))
        }
    }
}

/// The digest of a file's text as it is now; `None` if it cannot be read.
pub fn version_of(path: &Path) -> Option<String> {
    file::read(path, FILE_BYTES_MAX).ok().map(|text| digest(&text))
}

fn digest(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// Reads the text of a job file; `file_name` is what the faults call it, and where it would stand.
pub fn parse(file_name: &str, text: &str) -> Result<Job, Faults> {
    read(file_name, folder_of(Path::new(file_name)), text)
}

/// The folder in which the files stand that a job file names by relative paths.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn read(file_name: &str, folder: &Path, text: &str) -> Result<Job, Faults> {
    if text.len() > FILE_BYTES_MAX {
        return Err(too_large(file_name));
    }
    // A byte order mark is no part of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut faults = Collector::default();
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(error) => {
            syntax::report(&error, &mut faults);
            return Err(faults.finish(file_name, &Source::unread(text)));
        }
    };
    if matches!(root.value, Tree::Null) {
        let help = "begin with `name:` and `outputs:`, or copy examples/job.yaml";
        let message = "the job file is empty".to_owned();
        return Err(Faults::of_file(file_name, "FILE_EMPTY", message, help));
    }
    let written = walk::walk(&root, &mut faults);
    let job = written.and_then(|written| convert::job(&root, folder, written, &mut faults));
    match job {
        Some(job) if faults.is_empty() => Ok(job),
        _ => {
            let source = Source::read(text, &root, &faults);
            Err(faults.finish(file_name, &source))
        }
    }
}

fn too_large(file: &str) -> Faults {
    let message = "the job file is larger than 1 MiB".to_owned();
    let help = "say under `defaults` what outputs have in common, or split the job into several";
    Faults::of_file(file, "FILE_TOO_LARGE", message, help)
}

#[cfg(test)]
mod tests;
