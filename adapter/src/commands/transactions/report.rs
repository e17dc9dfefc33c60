//! What was found of an output, judged, as a script reads it.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use super::{
    facts::{Facts, Held, Owner, Stranger, Transaction, Untold, Writer},
    judge::{self, Judged, Remedy, Verdict},
};
use crate::{
    diagnose::Finding,
    exit::Exit,
    job::{Guarantee, Output},
    kafka::admin::Described,
};

/// An output and what was found of it.
pub(super) struct Report<'a> {
    pub(super) output: &'a Output,
    pub(super) writers: Vec<(String, Writer, Option<Judged>)>,
    pub(super) held: Vec<Held>,
    pub(super) strangers: Vec<(Stranger, Judged)>,
    pub(super) untold: Vec<Finding>,
    /// One writer alone was asked about.
    pub(super) is_of_one: bool,
    pub(super) now_ms: u64,
    /// It is known how far writers have come.
    pub(super) is_progress_told: bool,
    /// It is known up to where readers come.
    pub(super) is_span_told: bool,
    /// How the command ends where somebody must act so that more is told.
    lacking: Option<Exit>,
}

impl<'a> Report<'a> {
    /// Judges what was found.
    pub(super) fn new(job: &str, output: &'a Output, facts: Facts, is_of_one: bool) -> Self {
        let alias = output.alias.as_str();
        let now_ms = now_ms();
        let untold = |is: fn(&Untold) -> bool| facts.untold.iter().any(is);
        let is_progress_told =
            !untold(|untold| matches!(untold, Untold::Progress(_) | Untold::Brokers(_)));
        let is_span_told =
            !untold(|untold| matches!(untold, Untold::Topic(..) | Untold::Brokers(_)));
        // What older brokers cannot tell, nobody can mend.
        let is_told_whose = untold(|untold| !judge::is_fault(untold))
            || !facts.strangers.iter().any(|it| matches!(it.owner, Owner::Untold(_)));
        let is_lacking = !is_told_whose || untold(judge::is_fault);
        let writers = facts.writers.into_iter().map(|(name, writer)| {
            let judged = judge::writer(&name, alias, &writer, now_ms);
            (name, writer, judged)
        });
        let strangers = facts.strangers.into_iter().map(|stranger| {
            let judged = judge::stranger(&stranger, job, alias, now_ms);
            (stranger, judged)
        });
        // Outputs share the progress topic: what is well is told once, where it belongs.
        let strangers = strangers.filter(|(stranger, judged)| match &stranger.owner {
            Owner::Id(id, _) => judged.verdict != Verdict::Open || !judge::is_of_job(id, job),
            Owner::Nobody(_) | Owner::Untold(_) => true,
        });
        let untold = facts.untold.iter().map(|untold| judge::untold(untold, output.profile));
        Self {
            output,
            writers: writers.collect(),
            held: facts.held,
            strangers: strangers.collect(),
            untold: untold.collect(),
            is_of_one,
            now_ms,
            is_progress_told,
            is_span_told,
            lacking: is_lacking.then_some(Exit::Unreachable),
        }
    }

    /// Of an output that cannot be asked anything, and how the command ends then.
    pub(super) fn without(job: &str, output: &'a Output, why: Finding, exit: Exit) -> Self {
        let report = Self::new(job, output, Facts::default(), false);
        let (untold, lacking) = (vec![why], Some(exit));
        Self { untold, lacking, is_progress_told: false, is_span_told: false, ..report }
    }

    /// The transactions that hang, each by a name of its own.
    pub(super) fn hanging(&self) -> BTreeSet<String> {
        let hangs = |judged: &Judged| judged.verdict == Verdict::Hanging;
        let writers = self.writers.iter().filter_map(|(_, writer, judged)| {
            let transaction = writer.transaction.as_ref()?;
            judged.as_ref().is_some_and(hangs).then(|| transaction.id.clone())
        });
        let strangers = self.strangers.iter().filter(|(_, judged)| hangs(judged));
        let strangers = strangers.map(|(stranger, _)| match &stranger.owner {
            Owner::Id(id, _) => id.clone(),
            Owner::Nobody(_) | Owner::Untold(_) => {
                let Stranger { topic, partition, open, .. } = stranger;
                format!("{topic}-{partition} {} {}", open.producer_id, open.start_offset)
            }
        });
        writers.chain(strangers).collect()
    }

    /// How the command ends for this output alone.
    pub(super) fn exit(&self) -> Exit {
        match self.hanging().is_empty() {
            true => self.lacking.unwrap_or(Exit::Done),
            false => Exit::Unsettled,
        }
    }

    /// For a script.
    pub(super) fn to_json(&self, job: &str) -> Value {
        let writers: Vec<_> = self.writers.iter().map(|writer| writer_json(writer, job)).collect();
        let strangers = self.strangers.iter().map(|stranger| stranger_json(stranger, job));
        let strangers: Vec<_> = strangers.collect();
        let held = self.held.iter().map(|held| {
            json!({
                "topic": held.topic,
                "partition": held.partition,
                "lastStableOffset": held.span.stable,
                "endOffset": held.span.end,
            })
        });
        let held: Vec<_> = held.collect();
        // What was not asked is not told to be empty.
        let is_asked =
            self.is_span_told && !self.is_of_one && self.output.guarantee != Guarantee::BestEffort;
        let held = is_asked.then_some(held);
        let others = is_asked.then_some(strangers);
        let untold = self.untold.iter().map(|finding| {
            json!({ "code": finding.code, "message": finding.text, "remedy": finding.remedy })
        });
        json!({
            "output": self.output.alias.as_str(),
            "topic": self.output.topic.as_str(),
            "guarantee": guarantee(self.output.guarantee),
            "progressTopic": self.output.progress_topic.as_str(),
            "writers": writers,
            "others": others,
            "held": held,
            "notTold": untold.collect::<Vec<_>>(),
            "hanging": self.hanging().len(),
        })
    }
}

/// A guarantee as the job file names it.
pub(super) fn guarantee(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::BestEffort => "bestEffort",
        Guarantee::AtLeastOnce => "atLeastOnce",
        Guarantee::ExactlyOnce => "exactlyOnce",
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn writer_json((name, writer, judged): &(String, Writer, Option<Judged>), job: &str) -> Value {
    let mut told = Map::new();
    told.insert("writer".to_owned(), name.as_str().into());
    // As it is stored.
    let stored = writer.found.stored.as_ref().and_then(|stored| serde_json::to_value(stored).ok());
    told.insert("stored".to_owned(), stored.unwrap_or_default());
    let claim = writer.found.claim.as_ref().and_then(|claim| serde_json::to_value(claim).ok());
    told.insert("claim".to_owned(), claim.unwrap_or_default());
    if let Some(Transaction { id, told: described, coordinator }) = &writer.transaction {
        told.insert("transactionalId".to_owned(), id.as_str().into());
        let described = described.as_ref().ok().and_then(Option::as_ref);
        let mut transaction = described.map(described_json).unwrap_or_default();
        if let Some(place) = coordinator {
            transaction["coordinator"] = place.as_str().into();
        }
        told.insert("transaction".to_owned(), transaction);
    }
    if let Some(judged) = judged {
        judged_json(&mut told, judged, job);
    }
    Value::Object(told)
}

fn described_json(described: &Described) -> Value {
    json!({
        "state": described.state.to_string(),
        "broker": described.broker,
        "producerId": described.producer_id,
        "producerEpoch": described.producer_epoch,
        "startedMs": described.started_ms,
        "timeoutMs": described.timeout.as_millis() as u64,
        "partitions": described.partitions,
    })
}

fn stranger_json((stranger, judged): &(Stranger, Judged), job: &str) -> Value {
    let Stranger { topic, partition, open, owner, span, .. } = stranger;
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| told.insert(name.to_owned(), value);
    put("topic", topic.as_str().into());
    put("partition", (*partition).into());
    put("producerId", open.producer_id.into());
    put("producerEpoch", open.producer_epoch.into());
    put("startOffset", open.start_offset.into());
    put("lastMs", open.last_ms.into());
    put("endOffset", span.end.into());
    let id = match owner {
        Owner::Id(id, _) => Some(id.as_str()),
        Owner::Nobody(id) => id.as_deref(),
        Owner::Untold(_) => None,
    };
    put("transactionalId", id.into());
    if let Owner::Id(_, described) = owner {
        put("transaction", described_json(described));
    }
    judged_json(&mut told, judged, job);
    Value::Object(told)
}

fn judged_json(told: &mut Map<String, Value>, judged: &Judged, job: &str) {
    told.insert("verdict".to_owned(), judged.verdict.code().into());
    told.insert("explanation".to_owned(), judged.words.as_str().into());
    match &judged.remedy {
        Some(Remedy::Other(text)) => {
            told.insert("remedy".to_owned(), text.as_str().into());
        }
        Some(Remedy::End(args)) => {
            let command = ["kafka-output", "transactions", job, "end"].into_iter();
            let command = command.chain(args.iter().map(String::as_str));
            told.insert("command".to_owned(), command.collect());
        }
        None => {}
    }
}
