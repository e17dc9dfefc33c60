//! Topics that are made for a while, as `bench` does, and deleted at its end.
use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    cause::Cause,
    check::{Topic, client},
    client::{Fault, NewTopic, Partition},
    credentials::Credentials,
    settings::Settings,
};
use crate::job::Output;

/// How long brokers may take to make a topic, or to delete one.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// And until all of its partitions have leaders.
const LEADERS_MAX: Duration = Duration::from_secs(15);

/// Records of a topic that could not be deleted expire after this.
const RETENTION_MS: u32 = 3_600_000;

/// Makes the topic of an output as another one is.
///
/// # Errors
/// Why it is not there now.
pub fn make(output: &Output, credentials: &Credentials, like: &Topic) -> Result<(), Cause> {
    let topic = output.topic.as_str();
    let (client, _poller) = client(&Settings::of(output), credentials)?;
    let mut settings = vec![("retention.ms", RETENTION_MS.to_string())];
    settings.extend(like.message_bytes_max.map(|bytes| ("max.message.bytes", bytes.to_string())));
    settings.extend(like.in_sync_min.map(|count| ("min.insync.replicas", count.to_string())));
    let new = NewTopic {
        name: topic,
        partitions: like.partitions as i32,
        replicas: like.replicas as i32,
        settings: &settings,
    };
    client.create_topic(&new, ANSWER_MAX).map(drop).map_err(|fault| cause(&fault, "made", topic))
}

/// The partitions of an output's topic, when all of them have a leader.
///
/// # Errors
/// Why that is not known.
pub fn partitions(output: &Output, credentials: &Credentials) -> Result<Vec<Partition>, Cause> {
    let topic = output.topic.as_str();
    let (client, _poller) = client(&Settings::of(output), credentials)?;
    let begin = Instant::now();
    loop {
        let found = client.partitions(ANSWER_MAX);
        match found {
            Ok(found) if !found.is_empty() && found.iter().all(|one| one.has_leader) => {
                return Ok(found);
            }
            found if begin.elapsed() > LEADERS_MAX => {
                let some = found.map_err(|fault| Cause::of_fault(&fault, topic))?;
                let led = some.iter().any(|partition| partition.has_leader);
                let text = format!("no partition of `{topic}` has a leader");
                return if led { Ok(some) } else { Err(Cause::new("NO_LEADER", text)) };
            }
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Deletes topics by their names. All are tried.
///
/// # Errors
/// Why the first of those that may be there still was not deleted.
pub fn delete(output: &Output, credentials: &Credentials, names: &[String]) -> Result<(), Cause> {
    let (client, _poller) = client(&Settings::of(output), credentials)?;
    let delete = |name: &String| {
        client.delete_topic(name, ANSWER_MAX).map_err(|fault| cause(&fault, "deleted", name))
    };
    names.iter().map(delete).fold(Ok(()), Result::and)
}

fn cause(fault: &Fault, what: &str, topic: &str) -> Cause {
    let Cause { code, .. } = Cause::of_fault(fault, topic);
    Cause::new(code, format!("the topic `{topic}` cannot be {what}: {}", fault.text))
}
