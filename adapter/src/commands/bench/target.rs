//! Where a benchmark writes: a topic that is made for it, one that was named, or the output's own.
use std::io::{self, IsTerminal as _, Write as _};

use super::{BenchArgs, Stop};
use crate::{
    job::{ErrorPolicy, Guarantee, Output, TopicName},
    kafka::{Cause, Credentials, check, scratch},
};

/// Kafka's limit of 249 characters, with room for what is added.
const BASE_CHARS_MAX: usize = 200;

/// The topics of a benchmark.
#[derive(Clone, Debug)]
pub(super) struct Target {
    topic: TopicName,
    /// It is made, and deleted at the end.
    is_made: bool,
    /// For the progress of writers; always of its own.
    progress: TopicName,
}

impl Target {
    /// Decides where to write.
    pub(super) fn plan(args: &BenchArgs, output: &Output) -> Result<Self, Stop> {
        let own = output.topic.as_str();
        let base: String = own.chars().take(BASE_CHARS_MAX).collect();
        let scratch = format!("{base}-bench-{:08x}", fastrand::u32(..));
        let topic = match &args.topic {
            _ if args.into_the_topic => own,
            Some(named) if named == own => {
                return Err(Stop::input(format!(
                    "`{own}` is the output's own topic, whose readers would find what is written: \
                     name another one, or say --into-the-topic"
                )));
            }
            Some(named) => named,
            None => &scratch,
        };
        let name = |text: &str| {
            text.parse().map_err(|error| Stop::input(format!("the topic `{text}` {error}")))
        };
        let progress = name(&format!("{scratch}-progress"))?;
        let is_made = topic == scratch;
        Ok(Self { topic: name(topic)?, is_made, progress })
    }

    /// Where records go.
    pub(super) fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// Asks whether that may be.
    pub(super) fn ask(&self, args: &BenchArgs, output: &Output) -> Result<(), Stop> {
        if args.yes {
            return Ok(());
        }
        let (topic, megabytes) = (self.topic.as_str(), 2 * args.megabytes);
        let server = &output.bootstrap_servers[0];
        let what = if self.is_made {
            format!("the new topic `{topic}`, which is deleted at the end")
        } else {
            format!("the topic `{topic}`, where they stay")
        };
        let question = format!("write up to {megabytes} MB of records to {server}, into {what}");
        if !io::stdin().is_terminal() {
            return Err(Stop::input(format!("bench would {question}; say --yes to have it so")));
        }
        eprint!("Really {question}? [y/N] ");
        io::stderr().flush().ok();
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(Stop::failed)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Stop::input("nothing is written")),
        }
    }

    /// The output as it writes there.
    pub(super) fn output(&self, output: &Output) -> Output {
        let error_policy = match output.error_policy {
            // Letters about rows that nobody has sent help nobody.
            ErrorPolicy::DeadLetter | ErrorPolicy::Drop => ErrorPolicy::Drop,
            ErrorPolicy::Stop => ErrorPolicy::Stop,
        };
        Output {
            topic: self.topic.clone(),
            progress_topic: self.progress.clone(),
            error_policy,
            dead_letters: None,
            writers: None,
            ..output.clone()
        }
    }

    /// Makes the topic, like the output's own, or sees that it is there.
    pub(super) fn make(&self, output: &Output, credentials: &Credentials) -> Result<(), Cause> {
        let there = if self.is_made { output.clone() } else { self.output(output) };
        let like = check::look(&there, credentials)?;
        match self.is_made {
            true => scratch::make(&self.output(output), credentials, &like),
            false => Ok(()),
        }
    }

    /// Deletes what was made.
    pub(super) fn delete(&self, output: &Output, credentials: &Credentials) -> Result<(), Cause> {
        let mut made = Vec::new();
        if self.is_made {
            made.push(self.topic.to_string());
        }
        if output.guarantee != Guarantee::BestEffort {
            made.push(self.progress.to_string());
        }
        scratch::delete(output, credentials, &made)
    }
}
