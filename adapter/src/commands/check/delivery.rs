//! What delivery needs beside the topic: where progress is stored, transactions, the topic of dead
//! letters. All are asked for at once.

use indicatif::HumanCount;

use super::{
    finding::{Line, of_cause},
    topic::{partitions, permission, untold},
};
use crate::{
    diagnose::{Facts, Finding, Outcome},
    job::{Acks, Guarantee, Output},
    kafka::{
        Cause, Credentials,
        check::{
            self, Opened, POLICY_UNKNOWN, PROGRESS_PARTITIONS, Progress, Topic, look_at_progress,
            look_at_transactions,
        },
    },
};

/// What progress at least once is good for, where it cannot be stored.
const WITHOUT_PROGRESS: &str =
    "rows are written without it, and after a restart writers go on where their engines say";

/// Looks at all of it, for an output whose topic is this if it is there.
pub(super) async fn look(
    job: &str,
    output: &Output,
    credentials: &Credentials,
    topic: Option<&Topic>,
) -> Vec<Line> {
    let job = job.to_owned();
    let (letters, progress, transactions) = tokio::join!(
        ask(letters_of(output), credentials, check::look),
        ask(stores_progress(output).then(|| output.clone()), credentials, look_at_progress),
        ask(Some(output.clone()), credentials, move |output, credentials| {
            look_at_transactions(&job, output, credentials)
        }),
    );
    let letters = letters.map(|found| letters_line(output, topic, found));
    let progress = progress.map(|found| progress_lines(output, found));
    let transactions = transactions.and_then(Result::transpose).map(transactions_line);
    letters.into_iter().chain(progress.into_iter().flatten()).chain(transactions).collect()
}

/// Asks the brokers on a thread that may wait.
async fn ask<T: Send + 'static>(
    output: Option<Output>,
    credentials: &Credentials,
    ask: impl FnOnce(&Output, &Credentials) -> Result<T, Cause> + Send + 'static,
) -> Option<Result<T, Cause>> {
    let (output, credentials) = (output?, credentials.clone());
    let asked = tokio::task::spawn_blocking(move || ask(&output, &credentials)).await;
    Some(asked.unwrap_or_else(|_| {
        let text = "the check of it has failed by itself. Check it again";
        Err(Cause::new("CHECK_UNFINISHED", text))
    }))
}

fn stores_progress(output: &Output) -> bool {
    match output.guarantee {
        Guarantee::BestEffort => false,
        Guarantee::AtLeastOnce | Guarantee::ExactlyOnce => true,
    }
}

/// The output as if its topic were that of its dead letters, if it has some.
fn letters_of(output: &Output) -> Option<Output> {
    let topic = output.dead_letters.clone()?;
    // Whatever `acks` rows have, letters wait for all in-sync replicas.
    Some(Output { topic, acks: Acks::All, ..output.clone() })
}

fn letters_line(output: &Output, topic: Option<&Topic>, found: Result<Topic, Cause>) -> Line {
    let name = output.dead_letters.as_ref().map(ToString::to_string).unwrap_or_default();
    let outcome = match found {
        Err(cause) => Outcome::Failed(of_cause(&cause)),
        Ok(letters) => match (usable(&letters), permission(&name, output.profile, &letters)) {
            (Outcome::Passed(_) | Outcome::Warned(..), Outcome::Failed(finding)) => {
                Outcome::Failed(finding)
            }
            (Outcome::Passed(facts), _) => {
                let facts = named(facts, &name);
                match shorter(topic, &letters, &name) {
                    Some(warning) => Outcome::Warned(facts, warning),
                    None => Outcome::Passed(facts),
                }
            }
            (Outcome::Warned(facts, warning), _) => Outcome::Warned(named(facts, &name), warning),
            (outcome, _) => outcome,
        },
    };
    Line::new("DEAD_LETTERS", "topic of dead letters", outcome)
}

/// Rows are kept whole only if their letters may be as long.
fn shorter(topic: Option<&Topic>, letters: &Topic, name: &str) -> Option<Finding> {
    let (rows, letters) = (topic?.record_bytes_max?, letters.record_bytes_max?);
    (letters < rows).then(|| {
        let text = format!(
            "rows may have {} bytes, and `{name}` takes {}: letters of longer rows are cut",
            HumanCount(rows),
            HumanCount(letters)
        );
        let remedy = format!("raise `max.message.bytes` of `{name}`");
        Finding::new("SIZE_BEYOND_LIMIT", text, remedy)
    })
}

fn progress_lines(output: &Output, found: Result<Progress, Cause>) -> Vec<Line> {
    let name = output.progress_topic.as_str();
    let (topic, permission) = match found {
        Err(cause) => (Outcome::Failed(of_cause(&cause)), None),
        Ok(Progress::Missing) => {
            let why = format!(
                "`{name}` is missing, and Event Hubs tells only the service, which tries to make \
                 it, whether that is possible. It has {PROGRESS_PARTITIONS} partitions and \
                 `cleanup.policy=compact`"
            );
            (Outcome::NotChecked(why), None)
        }
        Ok(Progress::ToBeMade) => {
            let text = format!("`{name}` is missing, and the service may make it");
            let facts = Facts::new(text).with("topic", name).with("exists", false);
            let why =
                "brokers tell when the topic is there; the output's user needs READ and WRITE";
            (Outcome::Passed(facts), Some(Outcome::NotChecked(why.to_owned())))
        }
        Ok(Progress::There(topic)) => (kept(name, &topic), Some(rights(output, &topic))),
    };
    let lenient = |outcome| match (output.guarantee, outcome) {
        (Guarantee::AtLeastOnce, Outcome::Failed(finding)) => {
            Outcome::Warned(Facts::new(WITHOUT_PROGRESS), finding)
        }
        (_, outcome) => outcome,
    };
    let line = |step, title: &str, outcome| Line::new(step, title, lenient(outcome));
    let mut lines = vec![line("PROGRESS_TOPIC", "progress topic", topic)];
    lines.extend(permission.map(|outcome| {
        line("PROGRESS_PERMISSION", "permission to read and write progress", outcome)
    }));
    lines
}

/// Whether the progress topic keeps what is stored in it.
fn kept(name: &str, topic: &Topic) -> Outcome {
    let facts = match usable(topic) {
        Outcome::Passed(facts) => named(facts, name).with("exists", true),
        // Each writer has a partition of it, and no other takes its place.
        Outcome::Warned(_, finding) => {
            let text = format!(
                "{} partitions of `{name}` have no leader, and nothing is stored of their writers",
                topic.leaderless
            );
            return Outcome::Failed(Finding { text, ..finding });
        }
        other => return other,
    };
    match topic.cleanup_policy {
        Some(_) => Outcome::Passed(facts),
        None => {
            let (code, remedy) = POLICY_UNKNOWN;
            let text = format!("nobody tells whether `{name}` keeps what is stored in it");
            Outcome::Warned(facts, Finding::new(code, text, remedy))
        }
    }
}

fn rights(output: &Output, topic: &Topic) -> Outcome {
    let Some(rights) = topic.rights else {
        let roles = "the identity needs the roles Azure Event Hubs Data Sender and Data Receiver, \
                     or the key the rights Send and Listen";
        return Outcome::NotChecked(untold(output.profile, roles));
    };
    let lacks = match (rights.read, rights.write) {
        (true, true) => return Outcome::Passed(Facts::new("granted")),
        (false, true) => "not read it",
        (true, false) => "not write it",
        (false, false) => "neither read nor write it",
    };
    let name = &output.progress_topic;
    Outcome::Failed(Finding::new(
        "PROGRESS_NOT_AUTHORIZED",
        format!("the output's user may see the progress topic `{name}`, but {lacks}"),
        "grant it READ and WRITE on the topic",
    ))
}

fn transactions_line(opened: Result<Opened, Cause>) -> Line {
    let outcome = match opened {
        Err(cause) => Outcome::Failed(of_cause(&cause)),
        Ok(Opened { id, timeout }) => {
            let text = format!("the brokers have them, and take a timeout of {timeout:?}");
            let timeout_ms = timeout.as_millis() as u64;
            let facts = Facts::new(text).with("transactionalId", id).with("timeoutMs", timeout_ms);
            Outcome::Passed(facts)
        }
    };
    Line::new("TRANSACTIONS", "transactions", outcome)
}

/// Whether a topic takes what is written to it.
fn usable(topic: &Topic) -> Outcome {
    match &topic.scarce {
        Some(cause) => Outcome::Failed(of_cause(cause)),
        None => partitions(topic).outcome,
    }
}

fn named(facts: Facts, name: &str) -> Facts {
    Facts { text: format!("`{name}`, {}", facts.text), ..facts }.with("topic", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be had of one broker: brokers that are away.
    #[test]
    fn a_progress_topic_whose_brokers_are_away_stores_nothing_of_its_writers() {
        let topic = |leaderless: usize, scarce: Option<Cause>| Topic {
            partitions: 16,
            leaderless,
            replicas: 3,
            scarce,
            in_sync_min: Some(2),
            message_bytes_max: None,
            record_bytes_max: None,
            rights: None,
            cleanup_policy: Some("compact".to_owned()),
            brokers: Vec::new(),
        };
        let told = |topic: &Topic| match kept("p", topic) {
            Outcome::Failed(Finding { code, text, remedy }) => format!("{code}: {text}. {remedy}"),
            Outcome::Passed(facts) => facts.text,
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(told(&topic(0, None)), "`p`, 16 partitions, 3 replicas each");
        let said = "NO_LEADER: 2 partitions of `p` have no leader, and nothing is stored of their \
                    writers. bring brokers back";
        assert_eq!(told(&topic(2, None)), said);
        let scarce =
            Cause::new("NOT_ENOUGH_REPLICAS", "asked are 2. Bring brokers back; rows go on");
        let said = "NOT_ENOUGH_REPLICAS: asked are 2. Bring brokers back; rows go on";
        assert_eq!(told(&topic(0, Some(scarce))), said);
    }
}
