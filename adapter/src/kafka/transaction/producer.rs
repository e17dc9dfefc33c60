//! One transactional producer: how it is opened, and what is stored of its writer.
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::bindings::rd_kafka_resp_err_t as Native;

use super::{
    super::{
        cause::{Cause, is_denied},
        client::{
            Bell, Client, Code, Fault, LETTER, NO_ERROR, Poller, Side, TransactionFault, Verdict,
        },
        consumer::{Consumer, Isolation},
        credentials::Credentials,
        letter::Letter,
        producers::Recipe,
        progress::{
            Bound, Claim, Found, Keys, ReadFault, Stored, TopicFault, ensure, judge, last_instance,
            now_ms, read_back,
        },
    },
    init::{CALL_MAX, COMMIT_MAX, Opening, decide},
};

/// Between looks whether a transaction that is being flushed can still be committed.
const FLUSH_LOOK: Duration = Duration::from_millis(200);

/// Kafka batches are never made smaller than this.
pub(super) const BATCH_BYTES_MIN: u64 = 1 << 10;

/// librdkafka's code of a record that was taken back with its transaction.
const PURGED: Code = Native::RD_KAFKA_RESP_ERR__PURGE_QUEUE as Code;

/// How long an answer of the brokers about a topic may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What a writer's producers are made of.
pub(super) struct Plan {
    /// The output's.
    pub(super) recipe: Recipe,
    /// Its alias, for logs.
    pub(super) alias: String,
    /// The writer's names.
    pub(super) keys: Keys,
    /// The progress topic.
    pub(super) progress: String,
    /// The topic of dead letters, if there are some.
    pub(super) dead_letters: Option<String>,
    /// The progress topic was looked at.
    pub(super) is_progress_good: Arc<AtomicBool>,
    /// How long a transaction may be open.
    pub(super) timeout: Duration,
    /// Names this opening of the writer, and no other.
    pub(super) instance: String,
    /// Its attempts so far, and which of them had the writer last. Somebody else may have been there
    /// before an attempt that came to nothing, and its claim must not hide that.
    pub(super) attempts: Mutex<Attempts>,
    /// This host.
    pub(super) host: String,
}

/// What an opening has to do with the rest of the service.
pub(super) struct Ties<'a> {
    /// Whether it is still wanted, with these credentials.
    pub(super) goes_on: &'a dyn Fn() -> bool,
    /// Takes the client as soon as there is one: it may be shown another login from then on.
    pub(super) made: &'a dyn Fn(&Arc<Client>),
    /// There is none any more.
    pub(super) gone: &'a dyn Fn(),
    /// Takes what its connections meet.
    pub(super) met: &'a dyn Fn(Fault),
}

/// Attempts to open a writer.
#[derive(Default)]
pub(super) struct Attempts {
    count: u32,
    /// The claim of the last that came to its end.
    done: Option<String>,
}

impl Plan {
    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().expect("nothing panics in it")
    }

    /// The claim of one more attempt.
    fn next_claim(&self) -> String {
        let mut attempts = self.attempts();
        attempts.count += 1;
        format!("{}/{}", self.instance, attempts.count)
    }

    /// Whether a record is by this opening of the writer.
    fn is_mine(&self, instance: &str) -> bool {
        instance
            .strip_prefix(&self.instance)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a claim says who has the writer: others' do, and that of our last attempt that came to
    /// its end.
    fn counts(&self, nonce: &str) -> bool {
        !self.is_mine(nonce) || self.attempts().done.as_deref() == Some(nonce)
    }
}

/// A producer that has the writer.
pub(super) struct Producer {
    // In this order: the poller and the side topics hold the client.
    progress: Side,
    letters: Option<Side>,
    pub(super) poller: Poller,
    /// The topic's id, where brokers tell.
    topic_id: String,
}

/// Why there is none.
#[derive(Clone, Debug)]
pub(super) enum OpenFault {
    /// Somebody must act; it may be mended while this runs.
    Refused(Cause),
    /// It may pass by itself.
    Later(Cause),
    /// Another service has the writer.
    TakenOver,
    /// The topic is another than the one that the writer's rows are in.
    Replaced(Cause),
    /// Less is stored of the writer than is committed.
    Lost(Cause),
    /// It is not wanted any more.
    Stopped,
}

impl Producer {
    /// Fences whoever has the writer, and reads how far it has come. With `mine`, only if nobody
    /// else has claimed it since.
    ///
    /// # Errors
    /// Why the writer is not ours.
    pub(super) fn open(
        plan: &Plan,
        credentials: &Credentials,
        batch_bytes_max: u64,
        bell: &Arc<Bell>,
        mine: bool,
        ties: &Ties<'_>,
    ) -> Result<(Self, Found), OpenFault> {
        let (id, timeout) = (&plan.keys.transactional_id, plan.timeout);
        let made = plan.recipe.transactional(credentials, id, timeout, batch_bytes_max, bell);
        let (client, poller) = made.map_err(|reason| unusable(&reason))?;
        (ties.made)(&client);
        Self::of_client(plan, credentials, &client, poller, mine, ties)
            .inspect_err(|_| (ties.gone)())
    }

    fn of_client(
        plan: &Plan,
        credentials: &Credentials,
        client: &Arc<Client>,
        mut poller: Poller,
        mine: bool,
        ties: &Ties<'_>,
    ) -> Result<(Self, Found), OpenFault> {
        let goes_on = ties.goes_on;
        // Without a broker that is connected `init_transactions` waits for a timer.
        connect(plan, client, &mut poller, ties)?;
        let progress = Side::new(client, &plan.progress);
        if !plan.is_progress_good.load(Ordering::Acquire) {
            ensure(client, &progress, &plan.progress).map_err(|fault| no_progress(plan, fault))?;
            plan.is_progress_good.store(true, Ordering::Release);
        }
        if mine {
            check_mine(plan, credentials, goes_on)?;
        }
        let (id, topic) = (&plan.keys.transactional_id, &plan.recipe.topic);
        Opening { id, timeout: plan.timeout, topic }.init(&mut poller, goes_on)?;
        let nonce = plan.next_claim();
        let offset = claim(plan, &nonce, &progress, &mut poller, goes_on)?;
        let bound = Bound::Claim { offset, nonce: nonce.clone() };
        let counts = |nonce: &str| plan.counts(nonce);
        let consumer = Consumer::new(&plan.recipe, credentials, Isolation::Committed);
        let consumer = consumer.map_err(|reason| unusable(&reason))?;
        let found = read_back(&consumer, &plan.progress, &plan.keys, &bound, &counts, goes_on);
        let found = found.map_err(|fault| unread(plan, fault))?;
        // Somebody may have had the writer between the look before and `init`, which takes its time.
        // After it nobody else's commit is added, so what is there decides.
        if mine && found.before.as_ref().is_some_and(|instance| !plan.is_mine(instance)) {
            return Err(OpenFault::TakenOver);
        }
        let topic_id = client.topic_id(&plan.recipe.topic, ANSWER_MAX);
        let topic_id = topic_id.map_err(|fault| later(&fault, &plan.recipe.topic))?;
        let topic_id = topic_id.unwrap_or_default();
        plan.attempts().done = Some(nonce);
        let letters = plan.dead_letters.as_ref().map(|topic| Side::new(client, topic));
        Ok((Self { progress, letters, poller, topic_id }, found))
    }

    /// Whether the topic is the one that rows of the writer are in.
    pub(super) fn is_topic_of(&self, found: &Found) -> bool {
        let stored_in = found.stored.as_ref().map_or("", |stored| &stored.topic_id);
        stored_in.is_empty() || self.topic_id.is_empty() || stored_in == self.topic_id
    }

    /// Whether the topic still is the one that it was when this producer was opened.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) fn is_same_topic(&self, plan: &Plan) -> Result<bool, Fault> {
        let now = self.client().topic_id(&plan.recipe.topic, ANSWER_MAX)?;
        // Where only one of the two is told nothing can be compared; offsets tell.
        Ok(now.is_none_or(|now| self.topic_id.is_empty() || now == self.topic_id))
    }

    /// The topic's id, where brokers have ids.
    pub(super) fn topic_id(&self) -> &str {
        &self.topic_id
    }

    /// Fences whoever has the writer, and stores that it starts anew. False if nothing was stored of it.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn forget(
        plan: &Plan,
        credentials: &Credentials,
        bell: &Arc<Bell>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<bool, OpenFault> {
        let ties = Ties { goes_on, made: &|_| {}, gone: &|| {}, met: &|_| {} };
        let (mut producer, found) =
            Self::open(plan, credentials, BATCH_BYTES_MIN, bell, false, &ties)?;
        let was_stored = found.stored.is_some();
        let generation = found.stored.map_or(0, |stored| stored.generation) + 1;
        let failed = |fault: &Fault| later(fault, &plan.progress);
        producer.poller.begin_transaction().map_err(|error| failed(&error.fault))?;
        let stored = Stored { generation, ..Stored::default() };
        producer.store(plan, stored).map_err(|fault| failed(&fault))?;
        producer.commit(goes_on).map_err(|error| failed(&error.fault))?;
        Ok(was_stored)
    }

    /// The largest Kafka batch that the topic takes now, where brokers tell.
    pub(super) fn batch_bytes_max(&self, plan: &Plan) -> Option<u64> {
        let limits = self.client().limits(&plan.recipe.topic, ANSWER_MAX);
        limits.message_bytes_max.map(|limit| plan.recipe.record_bytes_max(limit))
    }

    /// The client.
    pub(super) fn client(&self) -> &Arc<Client> {
        self.poller.client()
    }

    /// Adds dead letters to the transaction.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn send(
        &self,
        plan: &Plan,
        letters: &[Letter],
        bytes_max: usize,
    ) -> Result<(), TransactionFault> {
        let (Some(topic), Some(name)) = (&self.letters, &plan.dead_letters) else { return Ok(()) };
        let send = |letter: &Letter| topic.send(letter, &letter.value(bytes_max), LETTER);
        letters.iter().try_for_each(send).map_err(|Fault { code, text }| {
            let fault = Fault { code, text: format!("topic `{name}`: {text}") };
            TransactionFault { verdict: Verdict::Abort, fault }
        })
    }

    /// librdkafka takes nothing for a topic that was missing until somebody asks for it.
    pub(super) fn look_for_letters(&self) {
        if let Some(topic) = &self.letters {
            // What is wrong with it shows when something is sent.
            let _ = topic.partitions(ANSWER_MAX);
        }
    }

    /// Adds how far the writer has come to the transaction.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn store(&self, plan: &Plan, stored: Stored) -> Result<(), Fault> {
        let stored = Stored {
            topic_id: self.topic_id.clone(),
            instance: plan.instance.clone(),
            time_ms: now_ms(),
            ..stored
        };
        let Keys { partition, progress, .. } = &plan.keys;
        self.progress.produce(*partition, progress.as_bytes(), Some(&stored.encode()))
    }

    /// Waits until the brokers have answered for everything that was handed over.
    ///
    /// # Errors
    /// If the transaction can only be taken back, or they have answered for nothing more for long.
    pub(super) fn flush(&mut self, goes_on: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        let mut end = Instant::now() + COMMIT_MAX;
        let mut held = self.client().held();
        while !self.poller.flush(FLUSH_LOOK) {
            if let Some(fault) = self.poller.doom() {
                return Err(fault);
            }
            let now_held = self.client().held();
            if now_held < held {
                (held, end) = (now_held, Instant::now() + COMMIT_MAX);
            }
            if Instant::now() >= end || !goes_on() {
                let text = "the brokers do not answer".to_owned();
                let fault = Fault { code: 0, text };
                return Err(TransactionFault { verdict: Verdict::Broken, fault });
            }
        }
        Ok(())
    }

    /// Commits, however often it has to be asked for.
    ///
    /// # Errors
    /// Never [`Verdict::Again`].
    pub(super) fn commit(&mut self, goes_on: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        commit(&mut self.poller, goes_on)
    }

    /// Takes back what was handed over.
    ///
    /// # Errors
    /// Never [`Verdict::Again`].
    pub(super) fn abort(&mut self, goes_on: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
        decide(goes_on, || self.poller.abort_transaction(CALL_MAX))
    }
}

fn connect(
    plan: &Plan,
    client: &Client,
    poller: &mut Poller,
    ties: &Ties<'_>,
) -> Result<(), OpenFault> {
    if !(ties.goes_on)() {
        return Err(OpenFault::Stopped);
    }
    client.partitions(CALL_MAX).map(drop).map_err(|fault| {
        // What the connections met says more than that nobody answered.
        let met = std::mem::take(&mut poller.poll().errors);
        let first = met.first().cloned();
        met.into_iter().for_each(ties.met);
        later(&first.unwrap_or(fault), &plan.recipe.topic)
    })
}

/// Commits a claim. Returns where it stands.
fn claim(
    plan: &Plan,
    nonce: &str,
    progress: &Side,
    poller: &mut Poller,
    goes_on: &dyn Fn() -> bool,
) -> Result<i64, OpenFault> {
    let claim = Claim { nonce: nonce.to_owned(), host: plan.host.clone(), time_ms: now_ms() };
    let failed = |fault: &Fault| later(fault, &plan.progress);
    poller.begin_transaction().map_err(|error| failed(&error.fault))?;
    let Keys { partition, claim: key, .. } = &plan.keys;
    progress
        .produce(*partition, key.as_bytes(), Some(&claim.encode()))
        .map_err(|fault| failed(&fault))?;
    poller.poll().marks.clear();
    let committed = commit(poller, goes_on);
    let reports = poller.poll();
    let mark = reports.marks.drain(..).next();
    let met = reports.errors.drain(..).next();
    match (committed, mark) {
        (Ok(()), Some(mark)) if mark.code == NO_ERROR => Ok(mark.offset),
        (Err(error), _) if is_denied(error.fault.code) => {
            Err(no_progress(plan, judge(&plan.progress, error.fault)))
        }
        (Err(_), Some(mark)) if is_denied(mark.code) => {
            Err(no_progress(plan, judge(&plan.progress, Fault::of(mark.code))))
        }
        // That a record was purged with its transaction says nothing about why.
        (Err(_), Some(mark)) if ![NO_ERROR, PURGED].contains(&mark.code) => {
            Err(OpenFault::Later(Cause::of_record(mark.code, &plan.progress).1))
        }
        (Err(error), _) => Err(failed(&met.unwrap_or(error.fault))),
        (Ok(()), _) => {
            let text = "the claim was committed and not reported".to_owned();
            Err(failed(&Fault { code: 0, text }))
        }
    }
}

/// Whether nobody else has opened the writer meanwhile. What is not committed counts as well: it is
/// not waited for, since it may be our own of before.
fn check_mine(
    plan: &Plan,
    credentials: &Credentials,
    goes_on: &dyn Fn() -> bool,
) -> Result<(), OpenFault> {
    let consumer = Consumer::new(&plan.recipe, credentials, Isolation::All)
        .map_err(|reason| unusable(&reason))?;
    let counts = |nonce: &str| plan.counts(nonce);
    let last = last_instance(&consumer, &plan.progress, &plan.keys, &counts, goes_on);
    match last.map_err(|fault| unread(plan, fault))? {
        Some(instance) if !plan.is_mine(&instance) => Err(OpenFault::TakenOver),
        _ => Ok(()),
    }
}

fn unread(plan: &Plan, fault: ReadFault) -> OpenFault {
    match fault {
        ReadFault::Later(fault) if is_denied(fault.code) => {
            no_progress(plan, judge(&plan.progress, fault))
        }
        ReadFault::Later(fault) => later(&fault, &plan.progress),
        ReadFault::Stopped => OpenFault::Stopped,
    }
}

fn commit(poller: &mut Poller, goes_on: &dyn Fn() -> bool) -> Result<(), TransactionFault> {
    decide(goes_on, || poller.commit_transaction(CALL_MAX))
}

fn unusable(reason: &str) -> OpenFault {
    let text = format!("librdkafka does not take the settings: {reason}");
    OpenFault::Refused(Cause::new("CREDENTIALS_UNUSABLE", text))
}

fn no_progress(plan: &Plan, fault: TopicFault) -> OpenFault {
    match fault {
        TopicFault::Unusable(cause) => OpenFault::Refused(cause),
        TopicFault::Later(fault) => later(&fault, &plan.progress),
    }
}

fn later(fault: &Fault, topic: &str) -> OpenFault {
    OpenFault::Later(Cause::of_fault(fault, topic))
}

/// Why a writer is given up whose topic is another one now.
pub(super) fn replaced(plan: &Plan) -> Cause {
    let topic = &plan.recipe.topic;
    let text = format!(
        "topic `{topic}` is not the one that this writer has written to: it was deleted and made anew, \
         or the output has another topic now. Rows that were acknowledged are not in it. If that is \
         meant, forget the writer (`ResetWriter`), and it starts again"
    );
    Cause::new("TOPIC_REPLACED", text)
}
