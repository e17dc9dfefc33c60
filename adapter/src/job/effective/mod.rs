//! The effective job: every key with its value, defaults included, and where each value comes from.
//!
//! The values are those of [`Job::to_json`]; [`origin`] finds for each of them the line of the file,
//! or what decided instead of one; [`yaml`] writes both as a job file.

mod origin;
mod yaml;

use std::path::{Path, absolute};

use keyvault::REDACTED;
use serde_json::{Map, Value, json};

use self::origin::Origins;
use super::{Faults, Job, folder_of, read, text_of};

/// What is said of a value that is not the job's own.
const MASKED: &str = "masked, as it may be a secret";

/// A job file with every default filled in.
#[derive(Debug)]
pub struct Effective {
    job: Value,
    origins: Origins,
}

/// A step on the way to a value: the key of a map, or the place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// Reads a job file, and remembers where its values stand. Files that it names by relative paths are
/// named by absolute ones: what is printed means the same wherever it is kept.
///
/// # Errors
/// With all faults of the file.
pub fn load_effective(path: &Path) -> Result<Effective, Faults> {
    let text = text_of(path)?;
    // Without a working directory a path stays as it is.
    let whole = absolute(path).unwrap_or_else(|_| path.to_owned());
    let job = read(&path.display().to_string(), folder_of(&whole), &text)?;
    Ok(Effective { job: job.to_json(), origins: Origins::of(&text) })
}

impl Effective {
    /// As a job file, with the origin of each value at the end of its line if asked for.
    pub fn to_yaml(&self, with_sources: bool) -> String {
        yaml::print(&self.job, &|path, value| {
            let source = with_sources.then(|| self.origins.of_value(path, &self.job).to_string());
            let notes: Vec<_> = source.into_iter().chain(masked(value)).collect();
            (!notes.is_empty()).then(|| notes.join("; "))
        })
    }

    /// As a job file in JSON; with the origins, that is below `job`, and they are below `sources`.
    pub fn to_json(&self, with_sources: bool) -> Value {
        if !with_sources {
            return self.job.clone();
        }
        let mut sources = Map::new();
        each(&self.job, &mut Vec::new(), &mut |path, _| {
            sources.insert(text(path), self.origins.of_value(path, &self.job).to_json());
        });
        json!({ "job": self.job, "sources": sources })
    }
}

impl Job {
    /// The effective job as a job file, without secrets.
    pub fn to_yaml(&self) -> String {
        yaml::print(&self.to_json(), &|_, value| masked(value))
    }
}

fn masked(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    text.contains(REDACTED).then(|| MASKED.to_owned())
}

/// Calls `visit` with everything that has no parts, in the order of the keys.
fn each<'a>(
    value: &'a Value,
    path: &mut Vec<Step<'a>>,
    visit: &mut impl FnMut(&[Step<'a>], &'a Value),
) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                path.push(Step::Key(key));
                each(value, path, visit);
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                path.push(Step::Item(index));
                each(value, path, visit);
                path.pop();
            }
        }
        value => visit(path, value),
    }
}

/// A path as faults show it, such as `outputs[0].batching.linger`.
fn text(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |text, step| match step {
        Step::Key(key) => super::tree::join(&text, key),
        Step::Item(index) => format!("{text}[{index}]"),
    })
}
