//! A writer that is open: takes its batches, and settles them when they are committed.
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, Weak, atomic::Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::{
    super::{
        Counts, Delivery, Mark,
        budget::{Permit, Share},
        cause::Cause,
        client::{Bell, Client},
        letter::Letters,
        producers::set_login,
        progress::Keys,
        receipt::{Encoded, Flight, Ticket},
        renewal::Unsettled,
        sink::{Inner, Sink},
        status::Health,
    },
    producer::{OpenFault, Plan, Producer},
    submission::Submission,
    worker::Worker,
};
use crate::{
    meter::Exchange,
    partition::{Partitions, Routes},
};

/// How long a call may go on with credentials that have been replaced.
const SUCCESSOR_WAITS_MAX: Duration = Duration::from_secs(3);

/// How long a progress topic that was just made may be unknown to some broker, and between looks.
const PROGRESS_KNOWN_MAX: Duration = Duration::from_secs(5);
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// How long it may take to forget a writer.
const FORGET_MAX: Duration = Duration::from_secs(20);

/// A writer that this service has. It is given up when dropped, once what it was given is settled.
pub struct Writer {
    shared: Arc<Shared>,
    /// How far it had come when it was opened.
    pub stored: Stored,
}

/// How far a writer has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Every batch up to this one is in the topic; 0 for a new writer.
    pub sequence: u64,
    /// The engine's own resume point.
    pub position: Option<Bytes>,
    /// The engine's epoch of the writer.
    pub epoch: u64,
    /// How often it was forgotten on request.
    pub generation: u64,
}

/// Why a writer cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Somebody must act; the text says what.
    Refused(Cause),
    /// It passes by itself, or with the brokers; nothing is changed.
    Later(Cause),
    /// As many writers as may be are open.
    TooMany(usize),
    /// The service closes.
    Stopped,
}

/// What the streams and the writer's thread share.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) inner: Arc<Inner>,
    pub(super) bell: Arc<Bell>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Submission>,
    /// Nothing more is taken: why.
    ended: Option<Cause>,
    /// Nobody gives anything more.
    closing: bool,
    /// What is not settled by then is given up.
    deadline: Option<Instant>,
    /// The client, while there is one.
    client: Weak<Client>,
    successor: Option<Successor>,
    /// Why rows wait, and since when.
    trouble: Option<(Cause, SystemTime)>,
}

/// What may go next.
pub(super) enum Next {
    /// Nothing waits.
    None,
    /// What waits is refused as long as nobody acts.
    Refused,
    /// These.
    Some(Box<Submission>),
}

/// Credentials that only another producer has. Earlier ones are needed until this is dropped.
pub(super) struct Successor {
    _unsettled: Unsettled,
    since: Instant,
}

impl Sink {
    /// Opens a writer: fences whoever had it before, and finds out how far it has come. However long
    /// the brokers are away it waits for them; dropped while it waits, nothing stays behind.
    ///
    /// # Errors
    /// Why the writer cannot be opened.
    pub async fn open_writer(&self, writer: &str) -> Result<Writer, OpenError> {
        let inner = &self.inner;
        let settings = inner.settings.transactions.as_ref().expect("asked where there are some");
        let place = inner.transactions.enter(settings.writers_max);
        let Some(place) = place else { return Err(OpenError::TooMany(settings.writers_max)) };
        let shared = Arc::new(Shared {
            plan: self.plan(writer, settings.timeout),
            inner: inner.clone(),
            bell: Arc::default(),
            state: Mutex::default(),
        });
        inner.transactions.add(&shared);
        // From here on dropping it ends the thread.
        let mut writer = Writer { shared: shared.clone(), stored: Stored::default() };
        let (opened, wait) = oneshot::channel();
        let worker = Worker::new(shared, settings.interval, place);
        let name = format!("writer-{}", inner.settings.alias);
        thread::Builder::new().name(name).spawn(move || worker.run(opened)).map_err(|error| {
            let text = format!("the system has no thread for this writer: {error}");
            OpenError::Refused(Cause::new("NO_THREAD", text))
        })?;
        writer.stored = wait.await.unwrap_or(Err(OpenError::Stopped))?;
        Ok(writer)
    }

    /// Forgets how far a writer has come: it starts anew. Whoever has it is fenced. False if there was
    /// nothing to forget.
    ///
    /// # Errors
    /// Why it is not forgotten.
    pub async fn forget_writer(&self, writer: &str) -> Result<bool, OpenError> {
        let inner = self.inner.clone();
        let settings = inner.settings.transactions.as_ref().expect("asked where there are some");
        let plan = self.plan(writer, settings.timeout);
        let Some(credentials) = inner.credentials() else {
            return Err(OpenError::Later(inner.missing_credentials()));
        };
        let end = Instant::now() + FORGET_MAX;
        let found_by = Instant::now() + PROGRESS_KNOWN_MAX;
        let forget = move || {
            let goes_on = || Instant::now() < end;
            loop {
                let forgotten = Producer::forget(&plan, &credentials, &Arc::default(), &goes_on);
                let is_missing = |cause: &Cause| cause.code == "TOPIC_NOT_FOUND";
                match forgotten {
                    // One that was made a moment ago is not known to each broker at once.
                    Err(OpenFault::Later(cause))
                        if is_missing(&cause) && Instant::now() < found_by =>
                    {
                        plan.is_progress_good.store(false, Ordering::Release);
                        thread::sleep(PROGRESS_PAUSE);
                    }
                    forgotten => return forgotten,
                }
            }
        };
        let forgotten = tokio::task::spawn_blocking(forget).await;
        forgotten.unwrap_or(Err(OpenFault::Stopped)).map_err(|fault| match fault {
            OpenFault::Refused(cause) | OpenFault::Replaced(cause) | OpenFault::Lost(cause) => {
                OpenError::Refused(cause)
            }
            OpenFault::Later(cause) => OpenError::Later(cause),
            OpenFault::TakenOver | OpenFault::Stopped => {
                let text = "the brokers have not answered in time; nothing is forgotten";
                OpenError::Later(Cause::new("PROGRESS_SLOW", text))
            }
        })
    }

    fn plan(&self, writer: &str, timeout: Duration) -> Plan {
        let inner = &self.inner;
        let names = inner.settings.progress.as_ref().expect("transactions keep progress");
        Plan {
            recipe: inner.settings.recipe.clone(),
            dead_letters: inner.settings.dead_letters.clone(),
            alias: inner.settings.alias.clone(),
            keys: Keys::of(&names.job, &inner.settings.alias, names.guarantee, writer),
            progress: names.topic.clone(),
            is_progress_good: inner.transactions.is_progress_good(),
            timeout,
            instance: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            attempts: Mutex::default(),
            host: host(),
        }
    }

    /// Why the opening of a writer waits.
    pub fn why_opening(&self, writer: &str) -> Cause {
        let names = self.inner.settings.progress.as_ref().expect("transactions keep progress");
        let keys = Keys::of(&names.job, &self.inner.settings.alias, names.guarantee, writer);
        let trouble = self.inner.transactions.trouble_of(&keys.progress);
        trouble.unwrap_or_else(|| self.why_slow())
    }
}

impl Inner {
    /// The largest Kafka batch of a transaction: each of its topics takes it.
    pub(super) fn transaction_batch_bytes_max(&self) -> u64 {
        let rows = self.batch_bytes_max.load(Ordering::Relaxed);
        match self.settings.dead_letters {
            Some(_) => rows.min(self.letter_bytes_max.load(Ordering::Relaxed) as u64),
            None => rows,
        }
    }
}

impl State {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics in it")
    }

    /// The next batches, if they may be part of a transaction that has others already. Those that
    /// are known to be refused do not hold up others that are before them.
    pub(super) fn next(&self, has_others: bool) -> Next {
        let mut state = self.lock();
        match state.waiting.front() {
            None => Next::None,
            Some(batch) if has_others && batch.blamed.is_some() => Next::Refused,
            Some(_) => {
                let next = state.waiting.pop_front().expect("it is the front");
                Next::Some(Box::new(next))
            }
        }
    }

    /// Batches that go again, before all others.
    pub(super) fn put_back(&self, batches: Vec<Submission>) {
        let mut state = self.lock();
        batches.into_iter().rev().for_each(|batch| state.waiting.push_front(batch));
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Whether the writer is given up, and nothing waits.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.closing && state.waiting.is_empty()
    }

    /// The time to settle what waits is over.
    pub(super) fn is_late(&self) -> bool {
        self.lock().is_late()
    }

    /// Credentials that only another producer has, if there are some.
    pub(super) fn take_successor(&self) -> Option<Successor> {
        self.lock().successor.take()
    }

    /// Whether there are credentials that only another producer has.
    pub(super) fn has_successor(&self) -> bool {
        self.lock().successor.is_some()
    }

    /// Whether a call under way is worth waiting for: there is time, and no credentials are there
    /// that it does without for too long. Those that it has may be refused.
    pub(super) fn goes_on(&self) -> bool {
        let state = self.lock();
        let waits_for = state.successor.as_ref().map(|successor| successor.since.elapsed());
        !state.is_late() && waits_for.is_none_or(|time| time < SUCCESSOR_WAITS_MAX)
    }

    /// The writer has this client now.
    pub(super) fn serves(&self, client: &Arc<Client>) {
        self.lock().client = Arc::downgrade(client);
        // What has changed while it was made was not shown to it.
        self.login_changed();
    }

    /// The writer has no client.
    pub(super) fn serves_none(&self) {
        self.lock().client = Weak::new();
    }

    /// Another login is in place. The writer's thread may wait in a call that needs it.
    pub(super) fn login_changed(&self) {
        let login = self.inner.credentials().and_then(|credentials| credentials.login);
        let state = self.lock();
        // Dropped under the lock it is never the last: the writer lets go of it there.
        if let (Some(client), Some(login)) = (state.client.upgrade(), &login)
            && let Err(reason) = set_login(&client, login)
        {
            let (output, code) = (&self.plan.alias, "CREDENTIALS_UNUSABLE");
            tracing::warn!(output, code, reason, "the login is not in place");
        }
    }

    /// Credentials are in place that only another producer has.
    pub(super) fn producer_changed(&self, unsettled: Unsettled) {
        let mut state = self.lock();
        if state.ended.is_none() {
            let since = Instant::now();
            state.successor = Some(Successor { _unsettled: unsettled, since });
        }
        drop(state);
        self.bell.ring();
    }

    /// Nothing more is taken, and what waits has no answer.
    pub(super) fn end(&self, cause: &Cause) -> Vec<Submission> {
        let mut state = self.lock();
        state.ended = Some(cause.clone());
        (state.successor, state.trouble) = (None, None);
        state.waiting.drain(..).collect()
    }

    /// Everything is to be settled until then.
    pub(super) fn close_by(&self, deadline: Instant) {
        let mut state = self.lock();
        state.closing = true;
        state.deadline = Some(state.deadline.map_or(deadline, |known| known.min(deadline)));
        drop(state);
        self.bell.ring();
    }

    /// Why rows of this writer wait, or that they do not. True if that is news.
    pub(super) fn tell(&self, trouble: Option<Cause>) -> bool {
        let mut state = self.lock();
        let known = state.trouble.take();
        let news =
            known.as_ref().map(|(known, _)| known.code) != trouble.as_ref().map(|new| new.code);
        let since = known.map_or_else(SystemTime::now, |(_, since)| since);
        state.trouble = trouble.map(|trouble| (trouble, since));
        news
    }

    /// Logs why rows wait.
    pub(super) fn log_wait(&self, Cause { code, text }: &Cause) {
        let (output, writer) = (&self.plan.alias, &self.plan.keys.progress);
        tracing::warn!(output, writer, code, "the writer waits: {text}");
    }

    /// Why rows wait, as long as nothing better is known.
    pub(super) fn tell_at_least(&self, trouble: impl FnOnce() -> Cause) {
        let mut state = self.lock();
        if state.trouble.is_none() {
            state.trouble = Some((trouble(), SystemTime::now()));
        }
    }

    /// Why rows of this writer wait, if they do, and since when.
    pub(super) fn trouble(&self) -> Option<(Cause, SystemTime)> {
        self.lock().trouble.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.bell.ring();
    }
}

impl Delivery for Writer {
    fn share(&self) -> &Share {
        &self.shared.inner.share
    }

    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>> {
        self.shared.inner.partitions.subscribe()
    }

    fn record_bytes_max(&self) -> usize {
        self.shared.inner.record_bytes_max.load(Ordering::Relaxed)
    }

    fn letter_bytes_max(&self) -> usize {
        self.shared.inner.letter_bytes_max.load(Ordering::Relaxed)
    }

    fn submit(
        &self,
        encoded: Encoded,
        routes: Routes,
        room: Permit,
        mark: Mark,
        letters: Letters,
    ) -> Ticket {
        let Letters { made, later } = letters;
        let (flight, ticket) = Flight::launch_deferred(encoded, room, later);
        let submission = Submission::new(flight, routes, mark, made);
        let mut state = self.shared.lock();
        if let Some(cause) = state.ended.clone() {
            drop(state);
            submission.unknown(cause);
            return ticket;
        }
        let status = &self.shared.inner.status;
        status.waiting.fetch_add(submission.count(), Ordering::AcqRel);
        state.waiting.push_back(submission);
        drop(state);
        self.shared.bell.ring();
        ticket
    }

    fn prompt_within(&self) -> Duration {
        let interval = self.shared.inner.settings.transactions.as_ref();
        let interval = interval.map_or(Duration::ZERO, |settings| settings.interval);
        // A commit ahead, and one's own, each of some round trips.
        2 * (interval + Duration::from_millis(10))
    }

    fn health(&self) -> Health {
        self.shared.inner.status.health()
    }

    fn why_slow(&self) -> Cause {
        let trouble = self.shared.trouble();
        trouble.map_or_else(
            || {
                self.shared.inner.doubt();
                self.shared.inner.status.scarce().unwrap_or_else(Cause::slow)
            },
            |(cause, _)| cause,
        )
    }

    fn counts(&self) -> Counts {
        self.shared.inner.counts()
    }

    fn exchange(&self) -> Arc<Exchange> {
        self.shared.inner.status.exchange.clone()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({})", self.shared.plan.keys.progress)
    }
}

/// This host's name, for people who look who has a writer.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// Why batches of a writer that another service has taken over have no answer.
pub(super) fn taken_over() -> Cause {
    Cause::new("TAKEN_OVER", "another service has opened this writer")
}
