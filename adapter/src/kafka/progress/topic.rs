//! The progress topic: made if it is missing and may be made, and looked at before it is trusted.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        cause::{Cause, is_connection, is_denied, is_missing_topic},
        client::{Client, Fault, NewTopic, Side},
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

/// Makes sure that a topic is there, and can keep what is stored in it.
///
/// # Errors
/// Why not.
pub fn ensure(client: &Arc<Client>, side: &Side, name: &str) -> Result<(), TopicFault> {
    let partitions = match side.partitions(ANSWER_MAX) {
        Ok(partitions) => partitions,
        Err(fault) if is_missing_topic(fault.code) => {
            create(client, name)?;
            side.partitions(ANSWER_MAX).map_err(|fault| judge(name, fault))?
        }
        Err(fault) => return Err(judge(name, fault)),
    };
    if (partitions.len() as i32) < PARTITIONS {
        let text = format!(
            "the progress topic `{name}` has {} partitions, and {PARTITIONS} are used; add some, or \
             name another topic in `progress.topic`",
            partitions.len()
        );
        return Err(unusable(text));
    }
    match client.limits(name, ANSWER_MAX).cleanup_policy {
        Some(policy) if policy.trim() != "compact" => Err(unusable(format!(
            "the progress topic `{name}` has `cleanup.policy={policy}`: what is stored in it would \
             expire; set it to `compact`"
        ))),
        Some(_) => Ok(()),
        None => {
            tracing::warn!(
                topic = name,
                code = "PROGRESS_POLICY_UNKNOWN",
                "nobody tells whether the progress topic keeps what is stored in it: see that it has \
                 `cleanup.policy=compact`, or grant DESCRIBE_CONFIGS on it"
            );
            Ok(())
        }
    }
}

fn create(client: &Arc<Client>, name: &str) -> Result<(), TopicFault> {
    let replicas = client.broker_count(ANSWER_MAX).clamp(1, REPLICAS);
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
    let topic = NewTopic { name, partitions: PARTITIONS, replicas, settings: &settings };
    client.create_topic(&topic, ANSWER_MAX).map_err(|fault| judge(name, fault))?;
    tracing::info!(topic = name, partitions = PARTITIONS, replicas, "the progress topic is made");
    Ok(())
}

/// What a fault of the progress topic means.
pub fn judge(name: &str, fault: Fault) -> TopicFault {
    if is_denied(fault.code) {
        let text = format!(
            "the output's user may not use the progress topic `{name}`: {}. Grant it READ, WRITE and \
             DESCRIBE there; where it is missing, CREATE as well, or make it: {PARTITIONS} \
             partitions, `cleanup.policy=compact`",
            fault.text
        );
        return TopicFault::Unusable(Cause::new("PROGRESS_NOT_AUTHORIZED", text));
    }
    if is_connection(fault.code) || is_missing_topic(fault.code) {
        return TopicFault::Later(fault);
    }
    unusable(format!("the progress topic `{name}` cannot be made: {}", fault.text))
}

fn unusable(text: String) -> TopicFault {
    TopicFault::Unusable(Cause::new("PROGRESS_TOPIC_UNUSABLE", text))
}
