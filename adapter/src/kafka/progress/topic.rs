//! The progress topic: made if it is missing and may be made, and looked at before it is trusted.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        cause::{Cause, is_connection, is_denied, is_missing_topic},
        client::{Client, Fault, NewTopic, Partitions, Side, TopicLimits, name as code_name},
    },
    PARTITIONS,
};

/// How long a request to the brokers may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Replicas of a topic that is made here, where there are as many brokers.
const REPLICAS: i32 = 3;

/// Why there is no progress topic.
#[derive(Clone, Debug)]
pub enum TopicFault {
    /// Somebody must act.
    Unusable(Cause),
    /// It may pass by itself.
    Later(Fault),
}

/// Nobody tells whether the topic keeps what is stored in it: the code, and what to do.
pub const POLICY_UNKNOWN: (&str, &str) = (
    "PROGRESS_POLICY_UNKNOWN",
    "see that it has `cleanup.policy=compact`, or grant DESCRIBE_CONFIGS on it",
);

/// What is there, looked at without making anything.
pub enum Inspected {
    /// A topic that can keep progress, as far as brokers tell.
    There(Partitions, TopicLimits),
    /// None.
    Missing,
}

/// Makes sure that a topic is there, and can keep what is stored in it.
///
/// # Errors
/// Why not.
pub fn ensure(client: &Arc<Client>, side: &Side, name: &str) -> Result<(), TopicFault> {
    let partitions = match side.partitions(ANSWER_MAX) {
        Err(fault) if is_missing_topic(fault.code) => {
            create(client, name)?;
            side.partitions(ANSWER_MAX)
        }
        found => found,
    };
    let partitions = partitions.map_err(|fault| judge(name, fault))?;
    let limits = suitable(client, name, &partitions, ANSWER_MAX)?;
    if limits.cleanup_policy.is_none() {
        let (code, advice) = POLICY_UNKNOWN;
        tracing::warn!(
            topic = name,
            code,
            "nobody tells whether the progress topic keeps what is stored in it: {advice}"
        );
    }
    Ok(())
}

/// Looks at a topic as [`ensure`] does, and makes none. The brokers may take so long for an
/// answer.
///
/// # Errors
/// Why it cannot be used.
pub fn inspect(
    client: &Client,
    side: &Side,
    name: &str,
    answer_max: Duration,
) -> Result<Inspected, TopicFault> {
    match side.partitions(answer_max) {
        Err(fault) if is_missing_topic(fault.code) => Ok(Inspected::Missing),
        found => {
            let partitions = found.map_err(|fault| judge(name, fault))?;
            let limits = suitable(client, name, &partitions, answer_max)?;
            Ok(Inspected::There(partitions, limits))
        }
    }
}

/// Whether [`ensure`] could make the topic.
///
/// # Errors
/// Why not.
pub fn may_make(client: &Client, name: &str, answer_max: Duration) -> Result<(), TopicFault> {
    let made = Made::at(client, answer_max);
    let asked = client.may_create_topic(&made.topic(name), answer_max);
    asked.map_err(|fault| judge(name, fault))
}

/// Whether a topic can keep what is stored in it; what its settings demand.
fn suitable(
    client: &Client,
    name: &str,
    partitions: &Partitions,
    answer_max: Duration,
) -> Result<TopicLimits, TopicFault> {
    if (partitions.len() as i32) < PARTITIONS {
        let text = format!(
            "the progress topic `{name}` has {} partitions, and {PARTITIONS} are used. Add some, or \
             name another topic in `progress.topic`",
            partitions.len()
        );
        return Err(unusable(text));
    }
    let limits = client.limits(name, answer_max);
    match &limits.cleanup_policy {
        Some(policy) if policy.trim() != "compact" => Err(unusable(format!(
            "the progress topic `{name}` has `cleanup.policy={policy}`: what is stored in it would \
             expire. Set it to `compact`"
        ))),
        _ => Ok(limits),
    }
}

fn create(client: &Client, name: &str) -> Result<(), TopicFault> {
    let made = Made::at(client, ANSWER_MAX);
    let created = client.create_topic(&made.topic(name), ANSWER_MAX);
    if created.map_err(|fault| judge(name, fault))? {
        let (topic, partitions, replicas) = (name, PARTITIONS, made.replicas);
        tracing::info!(topic, partitions, replicas, "the progress topic is made");
    }
    Ok(())
}

/// What a topic is that is made here.
struct Made {
    replicas: i32,
    settings: [(&'static str, String); 6],
}

impl Made {
    /// At brokers as many as there are.
    fn at(client: &Client, answer_max: Duration) -> Self {
        let replicas = client.broker_count(answer_max).clamp(1, REPLICAS);
        let in_sync = if replicas == REPLICAS { 2 } else { 1 };
        let settings = [
            ("cleanup.policy", "compact".to_owned()),
            ("min.insync.replicas", in_sync.to_string()),
            // Small segments, so that little is read when a writer is opened.
            ("segment.bytes", (16 << 20).to_string()),
            ("segment.ms", "3600000".to_owned()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
            ("delete.retention.ms", "3600000".to_owned()),
        ];
        Self { replicas, settings }
    }

    fn topic<'a>(&'a self, name: &'a str) -> NewTopic<'a> {
        NewTopic { name, partitions: PARTITIONS, replicas: self.replicas, settings: &self.settings }
    }
}

/// What a fault of the progress topic means.
pub fn judge(name: &str, fault: Fault) -> TopicFault {
    if is_denied(fault.code) {
        let text = format!(
            "the output's user may not use the progress topic `{name}`: {}. Grant it READ, WRITE and \
             DESCRIBE there; where it is missing, CREATE as well, or make it: {PARTITIONS} \
             partitions, `cleanup.policy=compact`",
            said(&fault)
        );
        return TopicFault::Unusable(Cause::new("PROGRESS_NOT_AUTHORIZED", text));
    }
    if is_connection(fault.code) || is_missing_topic(fault.code) {
        return TopicFault::Later(fault);
    }
    unusable(format!(
        "the progress topic `{name}` cannot be made: {}. Make it: {PARTITIONS} partitions, \
         `cleanup.policy=compact`",
        said(&fault)
    ))
}

/// What a broker said, with the name of its code, which some texts end with.
fn said(fault: &Fault) -> String {
    let (text, code) = (fault.text.trim_end_matches('.'), format!("({})", code_name(fault.code)));
    if text.ends_with(&code) { text.to_owned() } else { format!("{text} {code}") }
}

fn unusable(text: String) -> TopicFault {
    TopicFault::Unusable(Cause::new("PROGRESS_TOPIC_UNUSABLE", text))
}
