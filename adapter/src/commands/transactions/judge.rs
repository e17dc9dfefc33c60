//! Says of each writer and of each open transaction what it means, and what to do.

use std::time::Duration;

use super::{
    facts::{Owner, Stranger, Transaction, Untold, Writer},
    words::{ago, clean, counted, since, span},
};
use crate::{
    diagnose::Finding,
    job::Profile,
    kafka::{
        Whose,
        admin::{AdminFault, Described, State},
        whose_id,
    },
};

/// Brokers look for transactions beyond their time this often, unless told otherwise
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A transaction takes up to a second of rows, and some commits take longer.
const USUAL_MAX: Duration = Duration::from_secs(5);

/// What a writer or a transaction comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is open.
    Idle,
    /// Open, or ending, and within its time.
    Open,
    /// Open beyond its time, or open with nobody to end it.
    Hanging,
    /// That cannot be told.
    Untold,
}

/// A verdict, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) words: String,
    pub(super) remedy: Option<Remedy>,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// This command ends it, with these arguments behind `end`.
    End(Vec<String>),
    /// Something else.
    Other(String),
}

impl Verdict {
    /// Stable, for scripts.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Open => "OPEN",
            Self::Hanging => "HANGING",
            Self::Untold => "NOT_TOLD",
        }
    }
}

impl Judged {
    fn new(verdict: Verdict, words: impl Into<String>) -> Self {
        Self { verdict, words: words.into(), remedy: None }
    }

    fn with(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

/// What a writer's transaction means; `None` where writers have none.
pub(super) fn writer(name: &str, alias: &str, writer: &Writer, now_ms: u64) -> Option<Judged> {
    let Transaction { told, .. } = writer.transaction.as_ref()?;
    let described = match told {
        Ok(Some(described)) => described,
        Ok(None) => {
            let words = "nothing is open: its coordinator knows no such id, since nobody has \
                         opened the writer, or not for days";
            return Some(Judged::new(Verdict::Idle, words));
        }
        Err(fault) => {
            let words = format!("its transaction is not told: {fault}");
            return Some(Judged::new(Verdict::Untold, words));
        }
    };
    let host = writer.found.claim.as_ref().map(|claim| clean(&claim.host));
    let by =
        host.map_or_else(|| "its service".to_owned(), |host| format!("the service on `{host}`"));
    let end = Remedy::End(vec![
        "--output".to_owned(),
        alias.to_owned(),
        "--writer".to_owned(),
        name.to_owned(),
    ]);
    Some(match described.state {
        State::Empty => Judged::new(
            Verdict::Idle,
            "nothing is open, and nothing was since its producer was opened",
        ),
        State::CompleteCommit => {
            Judged::new(Verdict::Idle, "nothing is open: the last transaction was committed")
        }
        State::CompleteAbort => {
            Judged::new(Verdict::Idle, "nothing is open: the last transaction was taken back")
        }
        State::Dead => {
            Judged::new(Verdict::Idle, "nothing is open: the coordinator forgets the id")
        }
        State::Ongoing => ongoing(described, &by, now_ms, end),
        State::PrepareCommit => ending(described, "committed", now_ms),
        State::PrepareAbort | State::PrepareEpochFence => ending(described, "taken back", now_ms),
        State::Other(ref state) => {
            let words = format!("its state `{}` is one of a newer Kafka", clean(state));
            Judged::new(Verdict::Untold, words)
        }
    })
}

/// How long a transaction is open, and whether that is beyond its time.
pub(super) fn age(described: &Described, now_ms: u64) -> (Duration, bool) {
    let began = described.started_ms.and_then(|began| u64::try_from(began).ok());
    let age = began.map_or(Duration::ZERO, |began| since(began, now_ms));
    (age, age > described.timeout + LOOK_EVERY)
}

fn ongoing(described: &Described, by: &str, now_ms: u64, end: Remedy) -> Judged {
    let (age, is_over) = age(described, now_ms);
    let (open, timeout) = (span(age), span(described.timeout));
    if is_over {
        let words = format!(
            "open for {open}, longer than its timeout of {timeout}: hanging. Neither {by} has ended \
             it, nor the coordinator, which should have"
        );
        return Judged::new(Verdict::Hanging, words).with(end);
    }
    let words = if age < USUAL_MAX {
        format!("open for {open} of {timeout} at most: {by} is writing")
    } else if age > described.timeout {
        format!(
            "open for {open}, longer than its timeout of {timeout}: {by} is gone or stuck, and the \
             coordinator ends it when it looks next, every {}",
            span(LOOK_EVERY)
        )
    } else {
        format!(
            "open for {open} of {timeout} at most, which is unusual: {by} waits for brokers, or is \
             gone; then the coordinator ends the transaction when its time is over"
        )
    };
    Judged::new(Verdict::Open, words)
}

fn ending(described: &Described, how: &str, now_ms: u64) -> Judged {
    let (age, is_over) = age(described, now_ms);
    let count = described.partitions.values().map(Vec::len).sum::<usize>();
    let partitions = counted(count as i64, "partition");
    if !is_over {
        let words = format!("is being {how}: its {partitions} are told so now");
        return Judged::new(Verdict::Open, words);
    }
    let words = format!(
        "is being {how}, and began {} ago: hanging. Not all of its {partitions} have been told",
        span(age)
    );
    let remedy =
        "it cannot be ended another way: bring back the brokers that lead those partitions";
    Judged::new(Verdict::Hanging, words).with(Remedy::Other(remedy.to_owned()))
}

/// What a transaction means that is none of the writers'.
pub(super) fn stranger(stranger: &Stranger, job: &str, alias: &str, now_ms: u64) -> Judged {
    let Stranger { topic, partition, open, span: held, .. } = stranger;
    let end = || {
        Remedy::End(
            [
                ("--output", alias.to_owned()),
                ("--topic", topic.clone()),
                ("--partition", partition.to_string()),
                ("--start-offset", open.start_offset.to_string()),
            ]
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect(),
        )
    };
    let blocks = format!(
        "Readers of what is committed cannot pass offset {} before it ends, {} before the end",
        open.start_offset,
        counted(held.end - open.start_offset, "offset"),
    );
    match &stranger.owner {
        Owner::Id(id, described) => of_id(id, described, alias_of(id, job), &blocks, now_ms),
        Owner::Nobody(id) => {
            let last = ago(open.last_ms, now_ms);
            let knows = match id {
                Some(id) => format!("the coordinator of `{}` has ended it elsewhere", clean(id)),
                None => "no coordinator knows of it".to_owned(),
            };
            let words = format!(
                "hanging: {knows}, so nobody will ever end it (last record {last}). {blocks}"
            );
            Judged::new(Verdict::Hanging, words).with(end())
        }
        Owner::Untold(why) => {
            let last = ago(open.last_ms, now_ms);
            let words =
                format!("whose it is, is not told: {} (last record {last}). {blocks}", clean(why));
            Judged::new(Verdict::Untold, words)
        }
    }
}

/// The output and the writer of a transactional id of this job.
fn alias_of(id: &str, job: &str) -> Option<(String, String)> {
    let whose = whose_id(id).filter(|whose| whose.job == job)?;
    Some((whose.output, whose.writer))
}

/// Whether an id is of a writer of this job: of another output, then, which shows it.
pub(super) fn is_of_job(id: &str, job: &str) -> bool {
    alias_of(id, job).is_some()
}

/// What the transaction of a transactional id means that is none of the output's writers'.
fn of_id(
    id: &str,
    described: &Described,
    ours: Option<(String, String)>,
    blocks: &str,
    now_ms: u64,
) -> Judged {
    let (age, is_over) = age(described, now_ms);
    let (open, timeout, state) = (span(age), span(described.timeout), &described.state);
    let whose = match (&ours, whose_id(id)) {
        (Some((output, writer)), _) => {
            format!("it is of writer `{}` of output `{}`", clean(writer), clean(output))
        }
        (None, Some(Whose { job, output, writer })) => format!(
            "it is of writer `{}` of output `{}` of the job `{}`",
            clean(&writer),
            clean(&output),
            clean(&job)
        ),
        (None, None) => format!("it is of the transactional id `{}`", clean(id)),
    };
    if !is_over {
        let words = format!("{whose}, {state} for {open} of {timeout} at most. {blocks}");
        return Judged::new(Verdict::Open, words);
    }
    let words = format!(
        "{whose}, {state} for {open}, longer than its timeout of {timeout}: hanging. {blocks}"
    );
    let remedy = match ours {
        Some((output, writer)) => {
            Remedy::End(vec!["--output".to_owned(), output, "--writer".to_owned(), writer])
        }
        None if whose_id(id).is_some() => {
            Remedy::Other("ask `transactions` with that job's file, and end it there".to_owned())
        }
        None => Remedy::Other(
            "end it where that client is run: a producer that is opened with this id ends it"
                .to_owned(),
        ),
    };
    Judged::new(Verdict::Hanging, words).with(remedy)
}

/// What was not told, why, and what to do.
pub(super) fn untold(untold: &Untold, profile: Profile) -> Finding {
    let rights = |fault: &AdminFault, right: String| {
        if fault.is_denied() {
            format!("grant the output's user {right}")
        } else if fault.is_unsupported() {
            match profile {
                Profile::EventHubs => "Event Hubs has no such request".to_owned(),
                Profile::Kafka => "newer brokers tell it".to_owned(),
            }
        } else {
            "ask again; if it stays, look at the broker".to_owned()
        }
    };
    let code = |fault: &AdminFault| {
        if fault.is_denied() {
            "NOT_AUTHORIZED"
        } else if fault.is_unsupported() {
            "NOT_SUPPORTED"
        } else {
            "NOT_TOLD"
        }
    };
    match untold {
        Untold::Progress(cause) => {
            let text = format!("how far writers have come: {}", cause.text);
            Finding::new(cause.code, text, "")
        }
        Untold::ProgressPart(partition, why) => Finding::new(
            "PROGRESS_UNREAD",
            format!("what is stored in partition {partition} of the progress topic: {why}"),
            "ask again, or of one writer with --writer",
        ),
        Untold::Brokers(AdminFault::Unreachable(finding)) => finding.clone(),
        Untold::Brokers(fault) => {
            let remedy = rights(fault, "DESCRIBE on the topics".to_owned());
            Finding::new(code(fault), format!("anything about transactions: {fault}"), remedy)
        }
        Untold::Topic(topic, fault) => {
            let text = format!("how far readers of topic `{topic}` come: {fault}");
            let remedy = match fault.is_missing_topic() {
                true => "make the topic, or correct `topic` in the job file".to_owned(),
                false => rights(fault, format!("DESCRIBE on topic `{topic}`")),
            };
            Finding::new(code(fault), text, remedy)
        }
        Untold::Producers(topic, partition, fault) => Finding::new(
            code(fault),
            format!("who has begun something in {topic}-{partition}: {fault}"),
            rights(fault, format!("READ on topic `{topic}`")),
        ),
        Untold::Ids(place, fault) => Finding::new(
            code(fault),
            format!("which transactional ids {place} keeps: {fault}"),
            rights(fault, "DESCRIBE on transactional ids `*`".to_owned()),
        ),
        Untold::Id(id, fault) => Finding::new(
            code(fault),
            format!("the state of the transactional id `{}`: {fault}", clean(id)),
            rights(
                fault,
                "DESCRIBE on transactional ids with the prefix `kafka-output.`".to_owned(),
            ),
        ),
    }
}

/// Whether somebody must act so that it is told.
pub(super) fn is_fault(untold: &Untold) -> bool {
    match untold {
        Untold::Brokers(fault)
        | Untold::Topic(_, fault)
        | Untold::Producers(_, _, fault)
        | Untold::Ids(_, fault)
        | Untold::Id(_, fault) => !fault.is_unsupported(),
        Untold::Progress(_) | Untold::ProgressPart(..) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kafka::{
        FoundProgress,
        admin::{OpenProducer, Span},
    };

    const NOW_MS: u64 = 1_700_000_000_000;

    /// A transactional id whose transaction began so long ago, with a timeout of 30 s.
    fn described(state: State, age_s: u64) -> Described {
        Described {
            state,
            broker: 1,
            producer_id: 7,
            producer_epoch: 2,
            started_ms: Some((NOW_MS - age_s * 1000) as i64),
            timeout: Duration::from_secs(30),
            partitions: BTreeMap::from([("t".to_owned(), vec![0, 1])]),
        }
    }

    fn judged(told: Result<Option<Described>, AdminFault>) -> (Verdict, String, bool) {
        let transaction = Transaction { id: "id".to_owned(), told, coordinator: None };
        let writer = Writer { found: FoundProgress::default(), transaction: Some(transaction) };
        let judged = super::writer("w", "out", &writer, NOW_MS).unwrap();
        (judged.verdict, judged.words, matches!(judged.remedy, Some(Remedy::End(_))))
    }

    #[test]
    fn a_transaction_hangs_when_neither_its_service_nor_the_coordinator_has_ended_it() {
        for (state, age_s, verdict, may_end, says) in [
            (
                State::Ongoing,
                3,
                Verdict::Open,
                false,
                "open for 3 s of 30 s at most: its service is",
            ),
            (State::Ongoing, 12, Verdict::Open, false, "waits for brokers, or is gone"),
            (State::Ongoing, 35, Verdict::Open, false, "is gone or stuck"),
            (State::Ongoing, 95, Verdict::Hanging, true, "open for 95 s, longer than its timeout"),
            (State::PrepareCommit, 1, Verdict::Open, false, "is being committed: its 2 partitions"),
            (State::PrepareCommit, 95, Verdict::Hanging, false, "Not all of its 2 partitions"),
            (State::PrepareAbort, 1, Verdict::Open, false, "is being taken back"),
            (State::CompleteCommit, 95, Verdict::Idle, false, "the last transaction was committed"),
            (State::CompleteAbort, 95, Verdict::Idle, false, "was taken back"),
            (State::Empty, 95, Verdict::Idle, false, "nothing was since its producer was opened"),
            (State::Other("New\x1b".to_owned()), 1, Verdict::Untold, false, "`New\\u{1b}`"),
        ] {
            let (found, words, is_end) = judged(Ok(Some(described(state.clone(), age_s))));
            assert_eq!((found, is_end), (verdict, may_end), "{state}: {words}");
            assert!(words.contains(says), "{state}: {words}");
        }
        assert_eq!(judged(Ok(None)).0, Verdict::Idle);
        assert_eq!(judged(Err(AdminFault::Refused(53))).0, Verdict::Untold);
    }

    fn of_others(owner: Owner) -> Judged {
        let open = OpenProducer {
            producer_id: 7,
            producer_epoch: 2,
            start_offset: 100,
            last_ms: (NOW_MS - 180_000) as i64,
            coordinator_epoch: -1,
        };
        let (topic, span) = ("t".to_owned(), Span { stable: 90, end: 150 });
        let found = Stranger { topic, partition: 1, leader: Some(1), span, open, owner };
        stranger(&found, "j", "out", NOW_MS)
    }

    #[test]
    fn what_others_have_open_is_ended_by_whoever_has_it() {
        let writing = of_others(Owner::Id("x".to_owned(), described(State::Ongoing, 3)));
        assert_eq!((writing.verdict, writing.remedy), (Verdict::Open, None));
        let hanging = of_others(Owner::Id("x".to_owned(), described(State::Ongoing, 95)));
        assert_eq!(hanging.verdict, Verdict::Hanging);
        assert!(matches!(hanging.remedy, Some(Remedy::Other(_))), "the coordinator has to end it");
        let id = "kafka-output.j.two.exactlyOnce.w".to_owned();
        let ours = of_others(Owner::Id(id, described(State::Ongoing, 95)));
        assert!(ours.words.starts_with("it is of writer `w` of output `two`, Ongoing for 95 s"));
        let Some(Remedy::End(args)) = ours.remedy else { panic!("it can be ended") };
        assert_eq!(args.join(" "), "--output two --writer w");
        let id = "kafka-output.k.two.exactlyOnce.w".to_owned();
        let elsewhere = of_others(Owner::Id(id, described(State::Ongoing, 95)));
        assert!(elsewhere.words.contains("of the job `k`"), "{}", elsewhere.words);
        assert!(matches!(elsewhere.remedy, Some(Remedy::Other(_))));
        let nobodys = of_others(Owner::Nobody(None));
        assert_eq!(nobodys.verdict, Verdict::Hanging);
        assert_eq!(
            nobodys.words,
            "hanging: no coordinator knows of it, so nobody will ever end it (last record 3 min \
             ago). Readers of what is committed cannot pass offset 100 before it ends, 50 offsets before the end"
        );
        let Some(Remedy::End(args)) = nobodys.remedy else { panic!("it can be ended") };
        assert_eq!(args.join(" "), "--output out --topic t --partition 1 --start-offset 100");
        assert_eq!(of_others(Owner::Untold("why".to_owned())).verdict, Verdict::Untold);
    }

    #[test]
    fn brokers_that_do_not_know_a_request_are_nobodys_fault() {
        let unsupported = || AdminFault::Unsupported {
            place: "ns.servicebus.windows.net:9093".to_owned(),
            request: "ListTransactions".to_owned(),
            api: 66,
        };
        let told = Untold::Ids("ns".to_owned(), unsupported());
        assert!(!is_fault(&told));
        let finding = untold(&told, Profile::EventHubs);
        assert_eq!(
            (finding.code, finding.remedy.as_str()),
            ("NOT_SUPPORTED", "Event Hubs has no such request")
        );
        assert!(finding.text.contains("which Kafka 3.0 and later know"), "{finding}");
        assert_eq!(untold(&told, Profile::Kafka).remedy, "newer brokers tell it");
        assert!(is_fault(&Untold::Ids("b".to_owned(), AdminFault::Refused(31))));
    }
}
