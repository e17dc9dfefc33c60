//! The progress of an output's writers, beside their rows. Where rows need no transactions it is
//! stored by the output's own producers, some time after the rows, and read back when a writer is
//! opened: no row waits for it, and nothing fails without it.
use std::{
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    super::{
        Stored as Known,
        cause::{Cause, is_missing_topic},
        client::{Client, Fault, Marked, NO_ERROR, Side},
        consumer::{Consumer, Isolation},
        producers::Producers,
        sink::{Inner, Sink},
    },
    Bound, Found, Keys, ReadFault, Stored, TopicFault, ensure, read_back,
};

/// How long storing may take.
const STORE_MAX: Duration = Duration::from_secs(5);

/// How long reading back may take.
const RECALL_MAX: Duration = Duration::from_secs(3);

/// How long the brokers may take to tell the topic's id.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How many writers are looked up at once.
const LOOKS_MAX: usize = 8;

/// Between looks whether everything is reported.
const LOOK: Duration = Duration::from_millis(5);

/// Where an output's progress is stored.
#[derive(Clone, Debug)]
pub struct Names {
    /// The job's name.
    pub job: String,
    /// The progress topic.
    pub topic: String,
    /// The output's guarantee, by its name in the job file: another one is another memory.
    pub guarantee: &'static str,
}

/// What a writer has stored, and how often it was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The writer.
    pub writer: String,
    /// How often it was forgotten on request.
    pub generation: u64,
    /// How far it has come.
    pub known: Known,
}

/// Stores and reads progress of one output.
pub struct ProgressLog {
    inner: Arc<Inner>,
    names: Names,
    instance: String,
    is_topic_good: AtomicBool,
    /// One stores at a time: records that were handed over and are not reported, and the client
    /// that has them.
    turn: Mutex<(u64, Weak<Client>)>,
    /// Each look has a client of its own.
    places: Semaphore,
}

/// What is reported of records of progress.
#[derive(Default)]
pub(in super::super) struct Reported {
    state: Mutex<(u64, Option<i32>)>,
}

impl Reported {
    /// Records of progress are reported.
    pub(in super::super) fn take(&self, marks: &mut Vec<Marked>) {
        if marks.is_empty() {
            return;
        }
        let mut state = self.state.lock().expect("nothing panics in it");
        for mark in marks.drain(..) {
            state.0 += 1;
            if mark.code != NO_ERROR {
                state.1 = Some(mark.code);
            }
        }
    }

    fn count(&self) -> u64 {
        self.state.lock().expect("nothing panics in it").0
    }

    fn take_failure(&self) -> Option<i32> {
        self.state.lock().expect("nothing panics in it").1.take()
    }
}

impl Sink {
    /// The log of the writers' progress, if the output has one.
    pub fn progress_log(&self) -> Option<ProgressLog> {
        Some(ProgressLog {
            inner: self.inner.clone(),
            names: self.inner.settings.progress.clone()?,
            instance: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
            is_topic_good: AtomicBool::new(false),
            turn: Mutex::default(),
            places: Semaphore::new(LOOKS_MAX),
        })
    }
}

impl ProgressLog {
    /// Stores how far writers have come. Waits until the brokers have it, for some seconds.
    ///
    /// # Errors
    /// Why it is not stored.
    pub fn store(&self, entries: &[Entry]) -> Result<(), Cause> {
        let mut turn = self.turn.lock().expect("nothing panics in it");
        let producers = self.inner.producers().ok_or_else(|| self.inner.missing_credentials())?;
        let side = self.side(&producers)?;
        let reported = &self.inner.progress_reported;
        // Earlier records come first: their reports would be taken for those of this turn, and what
        // is not taken must not pile up. A client that is gone reports nothing more.
        let end = Instant::now() + STORE_MAX;
        let is_same = turn.1.upgrade().is_some_and(|last| Arc::ptr_eq(&last, producers.client()));
        if is_same {
            self.wait_for(turn.0, end)?;
        }
        reported.take_failure();
        let goal = reported.count() + entries.len() as u64;
        *turn = (goal, Arc::downgrade(producers.client()));
        let mut left = entries.len() as u64;
        for Entry { writer, generation, known } in entries {
            let keys = self.keys(writer);
            let stored = Stored {
                generation: *generation,
                sequence: known.sequence,
                epoch: known.epoch,
                topic_id: self.inner.status.topic_id(),
                instance: self.instance.clone(),
                time_ms: super::now_ms(),
                ..Stored::default()
            };
            let stored = stored.at(known.position.as_ref()).encode();
            if let Err(fault) =
                side.produce(keys.partition, keys.progress.as_bytes(), Some(&stored))
            {
                turn.0 -= left;
                return Err(Cause::of_fault(&fault, &self.names.topic));
            }
            left -= 1;
        }
        self.inner.bell.ring();
        self.wait_for(goal, end)?;
        match reported.take_failure() {
            Some(code) => Err(Cause::of_record(code, &self.names.topic).1),
            None => Ok(()),
        }
    }

    fn wait_for(&self, goal: u64, end: Instant) -> Result<(), Cause> {
        while self.inner.progress_reported.count() < goal {
            if Instant::now() >= end {
                let text = format!("the progress topic `{}` takes nothing now", self.names.topic);
                return Err(Cause::new("PROGRESS_SLOW", text));
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Reads how far a writer has come, and how often it was forgotten. Waits for some seconds.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn recall(&self, writer: &str) -> Result<Option<Entry>, Cause> {
        let end = Instant::now() + RECALL_MAX;
        let found = self.found(writer, end)?;
        let Some(stored) = &found.stored else { return Ok(None) };
        if self.is_of_another_topic(stored, end)? {
            let (output, topic) = (&self.inner.settings.alias, &self.inner.settings.recipe.topic);
            tracing::warn!(
                output,
                writer,
                topic,
                code = "TOPIC_REPLACED",
                "what is stored of the writer is of another topic, or of one that was deleted and made \
                 anew: it goes on where its engine says, else from the beginning"
            );
            // What is stored from now on counts more.
            let generation = stored.generation + 1;
            let known = Known { generation, ..Known::default() };
            return Ok(Some(Entry { writer: writer.to_owned(), generation, known }));
        }
        Ok(Some(Entry {
            writer: writer.to_owned(),
            generation: stored.generation,
            known: Known {
                sequence: stored.sequence,
                position: stored.position(),
                epoch: stored.epoch,
                generation: stored.generation,
            },
        }))
    }

    /// The same from a task, of as many writers at once as may be.
    ///
    /// # Errors
    /// As [`ProgressLog::recall`].
    pub async fn look_up(self: &Arc<Self>, writer: &str) -> Result<Option<Entry>, Cause> {
        let _place = self.places.acquire().await.expect("it is never closed");
        let (log, writer) = (self.clone(), writer.to_owned());
        let found = tokio::task::spawn_blocking(move || log.recall(&writer)).await;
        found.unwrap_or_else(|_| Err(Cause::slow()))
    }

    /// How often a writer was forgotten, by whoever has stored something of it last. Waits for some
    /// seconds.
    ///
    /// # Errors
    /// Why nothing is known.
    pub fn newest_generation(&self, writer: &str) -> Result<Option<u64>, Cause> {
        Ok(self.found(writer, Instant::now() + RECALL_MAX)?.newest_generation)
    }

    fn found(&self, writer: &str, end: Instant) -> Result<Found, Cause> {
        let inner = &self.inner;
        let credentials = inner.credentials().ok_or_else(|| inner.missing_credentials())?;
        // Of writers without transactions everything counts, whatever others have open before it.
        let isolation = match inner.settings.transactions {
            Some(_) => Isolation::Committed,
            None => Isolation::All,
        };
        let consumer = Consumer::new(&inner.settings.recipe, &credentials, isolation);
        let consumer = consumer.map_err(|reason| {
            Cause::new("CREDENTIALS_UNUSABLE", format!("librdkafka refuses: {reason}"))
        })?;
        let goes_on = || Instant::now() < end && !inner.stopping.load(Ordering::SeqCst);
        let keys = self.keys(writer);
        let found =
            read_back(&consumer, &self.names.topic, &keys, &Bound::Now, &|_| true, &goes_on);
        match found {
            // Nothing was stored yet.
            Err(ReadFault::Later(fault)) if is_missing_topic(fault.code) => Ok(Found::default()),
            found => found.map_err(|fault| self.unread(fault)),
        }
    }

    /// Whether rows of before are in another topic than the output's. Where one side has no id nobody
    /// can tell, and what is stored counts.
    ///
    /// # Errors
    /// Why it is not known now. Then what is stored must not count: rows that are gone with their
    /// topic would be taken for written.
    fn is_of_another_topic(&self, stored: &Stored, end: Instant) -> Result<bool, Cause> {
        if stored.topic_id.is_empty() {
            return Ok(false);
        }
        let topic = &self.inner.settings.recipe.topic;
        loop {
            // A service that has just started has its credentials before its producers.
            let asked = self.inner.producers().map(|p| p.client().topic_id(topic, ANSWER_MAX));
            let fault = match asked {
                Some(Ok(now)) => return Ok(now.is_some_and(|now| stored.topic_id != now)),
                Some(Err(fault)) if is_missing_topic(fault.code) => return Ok(true),
                Some(Err(fault)) => Some(fault),
                None => None,
            };
            if Instant::now() >= end || self.inner.stopping.load(Ordering::SeqCst) {
                let cause = fault.map(|fault| Cause::of_fault(&fault, topic));
                return Err(cause.unwrap_or_else(|| self.inner.missing_credentials()));
            }
            thread::sleep(LOOK);
        }
    }

    fn unread(&self, fault: ReadFault) -> Cause {
        match fault {
            ReadFault::Later(fault) => Cause::of_fault(&fault, &self.names.topic),
            ReadFault::Stopped => {
                let text = format!("the progress topic `{}` tells nothing now", self.names.topic);
                Cause::new("PROGRESS_SLOW", text)
            }
        }
    }

    /// The progress topic beside the output's own, once it is there.
    fn side(&self, producers: &Producers) -> Result<Side, Cause> {
        let client = producers.client();
        let side = Side::new(client, &self.names.topic);
        if !self.is_topic_good.load(Ordering::Relaxed) {
            ensure(client, &side, &self.names.topic).map_err(|fault| match fault {
                TopicFault::Unusable(cause) => cause,
                TopicFault::Later(fault) => self.later(&fault),
            })?;
            self.is_topic_good.store(true, Ordering::Relaxed);
        }
        Ok(side)
    }

    fn later(&self, fault: &Fault) -> Cause {
        Cause::of_fault(fault, &self.names.topic)
    }

    fn keys(&self, writer: &str) -> Keys {
        Keys::of(&self.names.job, &self.inner.settings.alias, self.names.guarantee, writer)
    }
}
