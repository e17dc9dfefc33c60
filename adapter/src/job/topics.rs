//! The topics beside those of rows, and which topics may not be the same.
//!
//! A reader of rows, of letters or of progress cannot tell what of the others' it meets, and the
//! progress topic is compacted: rows in it would vanish.

use super::{
    collect::Collector,
    convert::Section,
    model::{Guarantee, Output},
    names::TopicName,
    raw::{RawOutput, default},
    raw_values::RawErrorPolicy,
    tree::{Mark, Node},
};

/// Where it is stored how far writers have come.
pub(super) fn progress_topic(section: &mut Section<'_>, raw: &RawOutput) -> Option<TopicName> {
    let topic = raw.progress.as_ref().and_then(|raw| raw.topic.as_deref());
    let topic = topic.unwrap_or(default::PROGRESS_TOPIC);
    section.take("progress.topic", topic.parse::<TopicName>())
}

/// The topic of dead letters, if rows that are set aside go there. Nothing comes back only if a
/// fault was reported.
pub(super) fn dead_letters(
    section: &mut Section<'_>,
    raw: &RawOutput,
) -> Option<Option<TopicName>> {
    let is_wanted = matches!(raw.error_policy, Some(RawErrorPolicy::DeadLetter));
    if section.is_wrong("errorPolicy") || section.is_wrong("deadLetter") {
        return None;
    }
    match (is_wanted, &raw.dead_letter) {
        (false, None) => return Some(None),
        // Lent for those that need it.
        (false, Some(_)) if section.whole().find("deadLetter").is_none() => return Some(None),
        (false, Some(_)) => {
            let message = "`deadLetter` is given, but `errorPolicy` is not `DeadLetter`".to_owned();
            let help = "write `errorPolicy: DeadLetter`, or take `deadLetter` out";
            section.fault("CONFLICT", "deadLetter", message, help);
            return None;
        }
        (true, None) => {
            let message = "`errorPolicy: DeadLetter` needs `deadLetter`".to_owned();
            let help = "add `deadLetter: { topic: NAME }`, a topic beside the output's own";
            section.missing("deadLetter", message, help);
            return None;
        }
        (true, Some(_)) => {}
    }
    let topic = letter_topic(section, raw)?;
    let progress = raw.progress.as_ref().and_then(|raw| raw.topic.as_deref());
    let others = [
        ("topic", raw.topic.as_deref()),
        ("progress.topic", Some(progress.unwrap_or(default::PROGRESS_TOPIC))),
    ];
    let same = others.iter().find(|(_, other)| *other == Some(topic.as_str()));
    if let Some((key, _)) = same {
        let message = format!("`deadLetter.topic` is the output's `{key}`, too");
        let help = "name a topic of its own, whose readers expect letters";
        section.fault("CONFLICT", "deadLetter.topic", message, help);
        return None;
    }
    Some(Some(topic))
}

/// The topic of dead letters, if one is named.
pub(super) fn letter_topic(section: &mut Section<'_>, raw: &RawOutput) -> Option<TopicName> {
    let topic = raw.dead_letter.as_ref()?.topic.as_deref()?;
    section.take("deadLetter.topic", topic.parse::<TopicName>())
}

/// Reports topics of an output that are used otherwise by itself or by another.
pub(super) fn check_topics(root: &Node, outputs: &[Option<Output>], faults: &mut Collector) {
    for (index, output) in outputs.iter().enumerate() {
        let Some(output) = output else { continue };
        let Some(node) = node_of(root, index) else { continue };
        let fault = |faults: &mut Collector, path: &str, message: String, help: &str| {
            let node = node.find(path).or_else(|| root.get("defaults")?.find(path)).unwrap_or(node);
            faults.add("CONFLICT", node.place(), &node.path, message, help);
        };
        if progress(output) == Some(&output.topic) {
            let message = "`topic` is the output's `progress.topic`, too".to_owned();
            let help =
                "name another topic for rows, or another `progress.topic`: that is compacted";
            fault(faults, "topic", message, help);
        }
        for (other_index, other) in outputs.iter().enumerate() {
            let (Some(other), Some(letters)) = (other, &output.dead_letters) else { continue };
            if index == other_index || !may_share_brokers(output, other) {
                continue;
            }
            let same = [("topic", Some(&other.topic)), ("progress.topic", progress(other))];
            let same = same.into_iter().find(|(_, topic)| *topic == Some(letters));
            if let (Some((key, _)), Some(other)) = (same, node_of(root, other_index)) {
                let Mark { line, .. } = other.place();
                let message =
                    format!("`deadLetter.topic` is the `{key}` of the output on line {line}, too");
                let help = "name a topic of its own, whose readers expect letters";
                fault(faults, "deadLetter.topic", message, help);
            }
        }
    }
}

fn node_of(root: &Node, output: usize) -> Option<&Node> {
    root.get("outputs")?.item(output)
}

/// The topic of progress, if any is stored.
fn progress(output: &Output) -> Option<&TopicName> {
    (output.guarantee != Guarantee::BestEffort).then_some(&output.progress_topic)
}

/// Whether two outputs have a server in common: topics of other brokers are others.
fn may_share_brokers(output: &Output, other: &Output) -> bool {
    output.bootstrap_servers.iter().any(|server| other.bootstrap_servers.contains(server))
}
