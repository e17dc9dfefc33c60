//! The topic of an output: whether it is there, may be written, and takes what will be sent.

use indicatif::{BinaryBytes, HumanCount};

use super::finding::{Line, of_cause};
use crate::{
    diagnose::{Facts, Finding, Outcome},
    job::{Output, Packing, Profile},
    kafka::check::{Rights, Topic},
};

/// What the brokers have told of it.
pub(super) fn lines(output: &Output, topic: &Topic) -> Vec<Line> {
    let permission = permission(output.topic.as_str(), output.profile, topic);
    let permission = Line::new("WRITE_PERMISSION", "permission to write", permission);
    let mut lines = vec![partitions(topic), permission, sizes(output, topic)];
    lines.extend(replicas(topic));
    lines
}

/// How many partitions and replicas it has, and whether somebody leads them.
pub(super) fn partitions(topic: &Topic) -> Line {
    let Topic { partitions, leaderless, replicas, .. } = topic;
    let each = match replicas {
        0 | 1 => String::new(),
        _ => format!(", {replicas} replicas each"),
    };
    let counted = match partitions {
        1 => "1 partition".to_owned(),
        _ => format!("{} partitions", HumanCount(*partitions as u64)),
    };
    let facts = Facts::new(format!("{counted}{each}"))
        .with("partitions", *partitions)
        .with("replicas", *replicas);
    let outcome = match leaderless {
        0 => Outcome::Passed(facts),
        _ if leaderless == partitions => Outcome::Failed(Finding::new(
            "NO_LEADER",
            "no partition of the topic has a leader, so none takes rows",
            "bring brokers back",
        )),
        _ => Outcome::Warned(
            facts,
            Finding::new(
                "NO_LEADER",
                format!("{leaderless} of them have no leader and are passed over"),
                "bring brokers back",
            ),
        ),
    };
    Line::new("TOPIC", "topic", outcome)
}

/// Whether the output's user may write it.
pub(super) fn permission(name: &str, profile: Profile, topic: &Topic) -> Outcome {
    match topic.rights {
        Some(Rights { write: true, .. }) => Outcome::Passed(Facts::new("granted")),
        Some(Rights { write: false, .. }) => Outcome::Failed(Finding::new(
            "TOPIC_NOT_AUTHORIZED",
            format!("the output's user may see the topic `{name}`, but not write it"),
            "grant it WRITE on the topic",
        )),
        None => Outcome::NotChecked(untold(
            profile,
            "the identity needs the role Azure Event Hubs Data Sender, or the key the right Send",
        )),
    }
}

/// Why rights are not known; of Event Hubs with the roles that are needed.
pub(super) fn untold(profile: Profile, roles: &str) -> String {
    match profile {
        Profile::EventHubs => format!("Event Hubs does not tell; {roles}"),
        Profile::Kafka => "the brokers do not tell in time (Kafka 2.3 and later can)".to_owned(),
    }
}

fn sizes(output: &Output, topic: &Topic) -> Line {
    const TITLE: &str = "sizes";
    let (Some(limit), Some(record)) = (topic.message_bytes_max, topic.record_bytes_max) else {
        let why = match output.profile {
            Profile::Kafka => {
                "the brokers do not tell `max.message.bytes`, nor how many replicas must be in \
                 sync (that takes the right DESCRIBE_CONFIGS on the topic)"
            }
            Profile::EventHubs => {
                "Event Hubs does not tell; it takes 1 MB at most, 256 KB in the Basic tier"
            }
        };
        return Line::new("SIZES", TITLE, Outcome::NotChecked(why.to_owned()));
    };
    let text = format!("records of up to {} bytes", HumanCount(record));
    let facts = Facts::new(text).with("maxMessageBytes", limit).with("maxRecordBytes", record);
    let packing = output.packing.unwrap_or(Packing::NONE).limits;
    // Both end where the topic's limit is, so rows pass; but not as the job file says.
    let packed = (packing.rows_max > 1).then_some(("packing.bytes", packing.bytes_max as u64));
    let batched = Some(("batching.bytes", u64::from(output.batching.bytes)));
    let beyond: Vec<_> =
        [batched, packed].into_iter().flatten().filter(|(_, bytes)| *bytes > limit).collect();
    let outcome = match beyond.first() {
        None => Outcome::Passed(facts),
        Some((setting, bytes)) => Outcome::Warned(
            facts,
            Finding::new(
                "SIZE_BEYOND_LIMIT",
                format!(
                    "`{setting}` is {}, but the topic takes {} at once, so that is the limit",
                    BinaryBytes(*bytes),
                    BinaryBytes(limit)
                ),
                format!("raise `max.message.bytes` of the topic, or lower `{setting}`"),
            ),
        ),
    };
    Line::new("SIZES", TITLE, outcome)
}

fn replicas(topic: &Topic) -> Option<Line> {
    const TITLE: &str = "replicas in sync";
    if let Some(cause) = &topic.scarce {
        return Some(Line::new("REPLICAS", TITLE, Outcome::Failed(of_cause(cause))));
    }
    let (in_sync_min, replicas) = (topic.in_sync_min?, topic.replicas);
    let facts = Facts::new(format!("{in_sync_min} of {replicas} must be, and are"))
        .with("minInsyncReplicas", in_sync_min);
    let outcome = if replicas > 1 && in_sync_min >= replicas {
        Outcome::Warned(
            facts,
            Finding::new(
                "NO_REPLICA_TO_SPARE",
                "rows wait whenever one broker is away",
                "lower `min.insync.replicas` of the topic to one less than its replicas",
            ),
        )
    } else {
        Outcome::Passed(facts)
    };
    Some(Line::new("REPLICAS", TITLE, outcome))
}
