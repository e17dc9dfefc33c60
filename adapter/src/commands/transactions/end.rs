//! Ends a transaction: of a writer by fencing its producer, one that nobody will end by having it
//! taken back in its partition.

use serde_json::json;

use super::{
    Refusal, TransactionsArgs, chosen, credentials,
    facts::{self, Owner, Scope, Stranger, Untold},
    judge::{self, LOOK_EVERY, age},
    no_writer, store,
    words::{clean, counted, span},
};
use crate::{
    diagnose::Finding,
    exit::Exit,
    job::{Guarantee, Job, Output},
    kafka::{
        Credentials,
        admin::{AdminFault, Cluster, Described, State},
    },
    output_format::OutputFormat,
};

const END_HELP: &str = "\
A writer's transaction (--writer) is ended as the next service that opens the writer would end it:
its producer is fenced, and the coordinator takes the transaction back. What was acknowledged is
committed and stays. A service that is alive notices, opens the writer again and sends again what
was taken back. It takes the right WRITE on the transactional id, which the output's user has.

A transaction that no coordinator knows (--topic, --partition, --start-offset, as the listing names
it) is taken back in its partition, as `kafka-transactions.sh abort` does. It takes the right ALTER
on the cluster.";

/// Which transaction is to be ended.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = END_HELP)]
pub(super) struct EndArgs {
    /// The topic of a transaction that no coordinator knows.
    #[arg(long, requires = "partition", requires = "start_offset")]
    topic: Option<String>,

    /// Its partition.
    #[arg(long, value_name = "NUMBER", requires = "topic")]
    partition: Option<i32>,

    /// Where it starts there.
    #[arg(long, value_name = "OFFSET", requires = "topic")]
    start_offset: Option<i64>,

    /// End it although its service is probably alive, or although it is not known whose it is.
    #[arg(long)]
    force: bool,
}

/// What was ended.
struct Ended {
    /// Nothing was open.
    is_idle: bool,
    text: String,
}

/// Ends a transaction.
pub(super) async fn run(
    job: &Job,
    args: &TransactionsArgs,
    end: &EndArgs,
    format: OutputFormat,
) -> Result<Exit, Refusal> {
    let place = match (&end.topic, end.partition, end.start_offset) {
        (Some(topic), Some(partition), Some(offset)) => Some((topic.as_str(), partition, offset)),
        _ => None,
    };
    let ended = match (&args.writer, place) {
        (Some(writer), None) => {
            let output = of_writer(job, args.alias.as_deref())?;
            let credentials = credentials(output, &store(job)?).await?;
            writer_of(job, output, &credentials, writer, end.force).await?
        }
        (None, Some(place)) => {
            let output = of_topic(job, args.alias.as_deref(), place.0)?;
            let credentials = credentials(output, &store(job)?).await?;
            stranger_at(job, output, &credentials, place, end.force).await?
        }
        _ => {
            return Err(Refusal::new(
                Exit::BadInput,
                Finding::new(
                    "TRANSACTION_NOT_NAMED",
                    "`end` ends one transaction: of a writer, or from an offset of a partition on",
                    "say --writer, or --topic, --partition and --start-offset",
                ),
            ));
        }
    };
    match format {
        OutputFormat::Json => {
            println!("{}", json!({ "ended": !ended.is_idle, "message": ended.text }));
        }
        OutputFormat::Text => println!("{}", ended.text),
    }
    Ok(Exit::Done)
}

/// The output of a writer: the one that is named, or the only one with transactions.
fn of_writer<'a>(job: &'a Job, alias: Option<&str>) -> Result<&'a Output, Refusal> {
    let outputs = chosen(job, alias)?;
    let exact: Vec<_> =
        outputs.into_iter().filter(|output| output.guarantee == Guarantee::ExactlyOnce).collect();
    match exact.as_slice() {
        [output] => Ok(output),
        [] => Err(Refusal::bad(
            "NO_TRANSACTIONS",
            "only writers of outputs with `guarantee: exactlyOnce` have transactions",
            "",
        )),
        _ => Err(Refusal::bad(
            "OUTPUT_NOT_NAMED",
            "several outputs have transactions",
            "say --output ALIAS",
        )),
    }
}

/// The output that uses a topic: the one that is named, or the first.
fn of_topic<'a>(job: &'a Job, alias: Option<&str>, topic: &str) -> Result<&'a Output, Refusal> {
    let uses = |output: &&Output| {
        let letters = output.dead_letters.as_ref();
        [Some(&output.topic), letters, Some(&output.progress_topic)]
            .into_iter()
            .flatten()
            .any(|name| name.as_str() == topic)
    };
    let found = chosen(job, alias)?.into_iter().find(uses);
    found.ok_or_else(|| {
        let text = format!("topic `{}` is none of the job's outputs'", clean(topic));
        Refusal::bad("TOPIC_NOT_FOUND", text, "name a topic, dead letter or progress topic of one")
    })
}

async fn writer_of(
    job: &Job,
    output: &Output,
    credentials: &Credentials,
    writer: &str,
    force: bool,
) -> Result<Ended, Refusal> {
    let mut facts = facts::ask(job, output, credentials, Scope::Writer(writer)).await;
    let known = facts.writers.remove(writer);
    let name = clean(writer);
    let Some(known) = known else {
        return Err(match facts.untold.first() {
            Some(untold) => not_told(untold, output),
            None => no_writer(writer),
        });
    };
    let Some(transaction) = known.transaction else {
        let unknown = || Finding::new("NOT_TOLD", "its coordinator was not asked", "ask again");
        return Err(match facts.untold.first() {
            Some(untold) => not_told(untold, output),
            None => Refusal::new(Exit::Unreachable, unknown()),
        });
    };
    let host = known.found.claim.map_or_else(String::new, |claim| {
        format!(" (opened by the service on `{}`)", clean(&claim.host))
    });
    let described = match transaction.told {
        Ok(Some(described)) => described,
        Ok(None) => return Ok(idle(&name)),
        Err(fault) => return Err(refused(&fault, &transaction.id)),
    };
    if !described.state.is_open() {
        return Ok(idle(&name));
    }
    may_end(&described, &name, &host, force)?;
    let mut cluster = Cluster::connect(output, credentials.clone())
        .await
        .map_err(|fault| refused(&fault, &transaction.id))?;
    // Whoever has opened the writer since is alive, and a transaction that has begun since is young.
    let now = cluster.transaction(&transaction.id).await;
    let now = now.map_err(|fault| refused(&fault, &transaction.id))?;
    let Some(described) = still(&described, now, &name)? else { return Ok(idle(&name)) };
    may_end(&described, &name, &host, force)?;
    let fenced = cluster.fence(&transaction.id, described.timeout).await;
    fenced.map_err(|fault| refused(&fault, &transaction.id))?;
    let (age, _) = age(&described, super::report::now_ms());
    let count = described.partitions.values().map(Vec::len).sum::<usize>() as i64;
    let text = format!(
        "The transaction of writer `{name}` is ended: what it wrote in {} within {} is taken back, \
         and readers of what is committed go on. Nothing that was acknowledged is lost; its service, \
         if it is alive, opens the writer again and sends the rest again.",
        counted(count, "partition"),
        span(age)
    );
    Ok(Ended { is_idle: false, text })
}

fn idle(writer: &str) -> Ended {
    let text = format!("Writer `{writer}` has no open transaction: there is nothing to end.");
    Ended { is_idle: true, text }
}

/// What is judged to be ended, as it is right before that; none if nothing is open any more.
fn still(
    judged: &Described,
    now: Option<Described>,
    name: &str,
) -> Result<Option<Described>, Refusal> {
    let producer = |of: &Described| (of.producer_id, of.producer_epoch);
    if let Some(now) = &now
        && producer(now) != producer(judged)
    {
        let text =
            format!("somebody has opened writer `{name}` meanwhile: its producer is another");
        let remedy =
            "nothing was ended; list it again: its service is alive, or another has it now";
        let finding = Finding::new("WRITER_OPENED_MEANWHILE", text, remedy);
        return Err(Refusal::new(Exit::Refused, finding));
    }
    Ok(now.filter(|now| now.state.is_open()))
}

/// Whether a transaction may be ended: not while its service is probably writing.
fn may_end(described: &Described, name: &str, host: &str, force: bool) -> Result<(), Refusal> {
    let (age, is_over) = age(described, super::report::now_ms());
    let (open, timeout) = (span(age), span(described.timeout));
    let is_ending = matches!(
        described.state,
        State::PrepareCommit | State::PrepareAbort | State::PrepareEpochFence
    );
    if is_ending {
        let text = format!(
            "the transaction of writer `{name}` is ending already ({}), {open} after it began",
            described.state
        );
        let remedy = if is_over {
            "bring back the brokers that lead its partitions: it cannot be ended another way"
        } else {
            "look again in a moment"
        };
        return Err(Refusal::new(
            Exit::Unsettled,
            Finding::new("TRANSACTION_ENDING", text, remedy),
        ));
    }
    if age > described.timeout || force {
        return Ok(());
    }
    let text = format!(
        "the transaction of writer `{name}` is open for {open} of {timeout} at most, so its \
         service{host} is probably alive and writing: ending it would take back what it writes now, \
         and have it sent again"
    );
    let left = described.timeout.saturating_sub(age) + LOOK_EVERY;
    let remedy = format!(
        "if that service is gone, say --force, or wait: the coordinator ends it by itself within {}",
        span(left)
    );
    Err(Refusal::new(Exit::Refused, Finding::new("WRITER_MAY_BE_ALIVE", text, remedy)))
}

async fn stranger_at(
    job: &Job,
    output: &Output,
    credentials: &Credentials,
    (topic, partition, offset): (&str, i32, i64),
    force: bool,
) -> Result<Ended, Refusal> {
    let facts = facts::ask(job, output, credentials, Scope::Others).await;
    let is_it = |stranger: &&Stranger| {
        (stranger.topic.as_str(), stranger.partition, stranger.open.start_offset)
            == (topic, partition, offset)
    };
    let place = format!("{}-{partition}", clean(topic));
    let Some(stranger) = facts.strangers.iter().find(is_it) else {
        return Err(match facts.untold.first() {
            Some(untold) => not_told(untold, output),
            None => Refusal::bad(
                "TRANSACTION_NOT_FOUND",
                format!("no open transaction of others starts at offset {offset} of {place}"),
                "list them again: it may have ended, or be a writer's, which --writer ends",
            ),
        });
    };
    may_take_back(stranger, &place, force)?;
    let mut cluster = Cluster::connect(output, credentials.clone())
        .await
        .map_err(|fault| not_taken_back(&fault, &place))?;
    let ended = cluster.take_back(topic, partition, stranger.leader, &stranger.open).await;
    ended.map_err(|fault| not_taken_back(&fault, &place))?;
    let left = cluster.open_producers(topic, partition, stranger.leader).await;
    let left = left.map_err(|fault| not_taken_back(&fault, &place))?;
    if left
        .iter()
        .any(|open| (open.producer_id, open.start_offset) == (stranger.open.producer_id, offset))
    {
        let text =
            format!("the leader of {place} has taken the order, and the transaction is open");
        let finding = Finding::new("TRANSACTION_STAYS", text, "its log says why");
        return Err(Refusal::new(Exit::Unsettled, finding));
    }
    let text = format!(
        "The transaction of producer {} is ended in {place}: what it wrote from offset {offset} on is \
         taken back, and readers of what is committed go on.",
        stranger.open.producer_id
    );
    Ok(Ended { is_idle: false, text })
}

/// Whether nobody else will end it.
fn may_take_back(stranger: &Stranger, place: &str, force: bool) -> Result<(), Refusal> {
    match &stranger.owner {
        Owner::Nobody(_) => Ok(()),
        Owner::Untold(_) if force => Ok(()),
        Owner::Untold(why) => Err(Refusal::new(
            Exit::Refused,
            Finding::new(
                "TRANSACTION_OWNER_UNKNOWN",
                format!("whose transaction it is in {place} is not told: {}", clean(why)),
                "if you know that its producer is gone for good, say --force; else part of a \
                 transaction would be missing",
            ),
        )),
        // Half of a transaction is worse than one that waits.
        Owner::Id(id, _) => Err(Refusal::new(
            Exit::Refused,
            Finding::new(
                "TRANSACTION_HAS_OWNER",
                format!(
                    "it belongs to the transactional id `{}`, whose coordinator ends it",
                    clean(id)
                ),
                "end it where that client is run: a producer that is opened with this id ends it \
                 in all of its partitions",
            ),
        )),
    }
}

/// Why it is not known what there is to end.
fn not_told(untold: &Untold, output: &Output) -> Refusal {
    let exit = if judge::is_fault(untold) { Exit::Unreachable } else { Exit::Refused };
    Refusal::new(exit, judge::untold(untold, output.profile))
}

/// Why a writer's transaction is not ended.
fn refused(fault: &AdminFault, id: &str) -> Refusal {
    if let AdminFault::Unreachable(finding) = fault {
        return Refusal::new(Exit::Unreachable, finding.clone());
    }
    if fault.is_denied() {
        let text =
            format!("the output's user may not end the transaction of `{}`: {fault}", clean(id));
        let remedy = "grant it WRITE on transactional ids with the prefix `kafka-output.`";
        let finding = Finding::new("TRANSACTIONAL_ID_NOT_AUTHORIZED", text, remedy);
        return Refusal::new(Exit::Refused, finding);
    }
    let text = format!("the transaction of `{}` is not ended: {fault}", clean(id));
    let remedy = "look again; if it stays, look at the brokers that lead its partitions";
    Refusal::new(exit_of(fault), Finding::new("TRANSACTION_NOT_ENDED", text, remedy))
}

/// Why a partition's leader does not take a transaction back.
fn not_taken_back(fault: &AdminFault, place: &str) -> Refusal {
    if let AdminFault::Unreachable(finding) = fault {
        return Refusal::new(Exit::Unreachable, finding.clone());
    }
    if fault.is_denied() {
        let text = format!("the output's user may not take back a transaction in {place}: {fault}");
        let remedy = "grant it ALTER on the cluster (CLUSTER_ACTION on brokers that do not know \
                      that), or have it done by somebody who may: kafka-transactions.sh abort";
        let finding = Finding::new("CLUSTER_NOT_AUTHORIZED", text, remedy);
        return Refusal::new(Exit::Refused, finding);
    }
    let text = format!("the transaction in {place} is not ended: {fault}");
    let finding =
        Finding::new("TRANSACTION_NOT_ENDED", text, "look again; if it stays, at its broker");
    Refusal::new(exit_of(fault), finding)
}

/// How the command ends where a broker does not do it.
fn exit_of(fault: &AdminFault) -> Exit {
    match fault {
        AdminFault::Unreachable(_) | AdminFault::Silent { .. } => Exit::Unreachable,
        AdminFault::Unsupported { .. } => Exit::Refused,
        AdminFault::Refused(_) if fault.is_denied() => Exit::Refused,
        AdminFault::Refused(_) | AdminFault::Leaderless(_) => Exit::Unsettled,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    /// A transaction with a timeout of 30 s.
    fn described(producer_epoch: i16, state: State, age_s: u64) -> Described {
        Described {
            state,
            broker: 1,
            producer_id: 7,
            producer_epoch,
            started_ms: Some((super::super::report::now_ms() - age_s * 1000) as i64),
            timeout: Duration::from_secs(30),
            partitions: BTreeMap::from([("t".to_owned(), vec![0])]),
        }
    }

    #[test]
    fn a_writer_that_somebody_has_opened_meanwhile_is_left_alone() {
        let judged = described(2, State::Ongoing, 300);
        let still = |now: Option<Described>| still(&judged, now, "w");
        for state in [State::Ongoing, State::Empty] {
            let Err(refusal) = still(Some(described(3, state, 1))) else { panic!("it is another") };
            assert_eq!(
                (refusal.finding.code, refusal.exit),
                ("WRITER_OPENED_MEANWHILE", Exit::Refused)
            );
        }
        let other = Described { producer_id: 8, ..judged.clone() };
        assert!(still(Some(other)).is_err());
        assert!(matches!(still(Some(judged.clone())), Ok(Some(now)) if now == judged));
        assert!(matches!(still(None), Ok(None)));
        assert!(matches!(still(Some(described(2, State::CompleteAbort, 300))), Ok(None)));

        // The same producer with a younger transaction is alive.
        let Ok(Some(young)) = still(Some(described(2, State::Ongoing, 1))) else { panic!("open") };
        assert!(may_end(&judged, "w", "", false).is_ok());
        let Err(refusal) = may_end(&young, "w", "", false) else { panic!("it is young") };
        assert_eq!(refusal.finding.code, "WRITER_MAY_BE_ALIVE");
        assert!(may_end(&young, "w", "", true).is_ok());
    }

    const NOT_AUTHORIZED: [i16; 2] = [31, 53];
    const CONCURRENT_TRANSACTIONS: i16 = 51;

    #[test]
    fn what_keeps_a_broker_from_it_is_told_by_the_exit_code() {
        let (place, request) = ("kafka-1:9092".to_owned(), "InitProducerId".to_owned());
        let unsupported =
            AdminFault::Unsupported { place: place.clone(), request: request.clone(), api: 22 };
        let silent = AdminFault::Silent { place, request, why: "timed out".to_owned() };
        let unreachable = AdminFault::Unreachable(Finding::new("TIMEOUT", "nobody", "look"));
        let away = AdminFault::Leaderless("broker 3 is away".to_owned());
        let mut told = vec![
            (unsupported, Exit::Refused),
            (silent, Exit::Unreachable),
            (unreachable, Exit::Unreachable),
            (away, Exit::Unsettled),
            (AdminFault::Refused(CONCURRENT_TRANSACTIONS), Exit::Unsettled),
        ];
        told.extend(NOT_AUTHORIZED.map(|code| (AdminFault::Refused(code), Exit::Refused)));
        for (fault, exit) in told {
            assert_eq!(refused(&fault, "id").exit, exit, "{fault}");
            assert_eq!(not_taken_back(&fault, "t-0").exit, exit, "{fault}");
        }
    }
}
