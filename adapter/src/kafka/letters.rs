//! The post of an output: a thread and a producer of its own that bring dead letters to their topic,
//! for outputs whose rows go without transactions.
//!
//! A letter is written at least once, by all in-sync replicas, and however long it takes: rows that
//! are set aside are settled when their letters are stored, and not before. Why they wait is shown by
//! the batch that they belong to. The producer is there only as long as there are letters, so it is
//! always made with the newest credentials.
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    cause::{Cause, is_too_large},
    client::{Bell, Client, Code, Fault, Marked, NO_ERROR, Poller, Side},
    credentials::Credentials,
    letter::Letter,
    receipt::{Flight, Settled},
    sink::{Inner, stopped},
};

/// Letters that are on their way at once, at most.
const LETTERS_MAX: usize = 2_000;

/// Their bytes, at most; one letter may be longer.
const BYTES_MAX: usize = 8 << 20;

/// After something that did not work: from, to, doubling.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Between looks at what is on its way.
const LOOK: Duration = Duration::from_millis(500);

/// How long the topic's partitions may take to be told, when letters wait and nobody says why.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How long the thread may take to end when the service stops.
const END_MAX: Duration = Duration::from_secs(2);

/// The producer goes when there was nothing to bring for so long.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Letters shrink to this if brokers find them too large, and no further.
pub(super) const LETTER_BYTES_MIN: usize = 4 << 10;

/// Letters that wait, and those on their way.
#[derive(Default)]
pub(super) struct Post {
    queue: Mutex<VecDeque<Parcel>>,
    bell: Arc<Bell>,
    /// Parcels whose letters are not stored.
    held: AtomicU64,
    stopping: AtomicBool,
    /// Parcels that were given up.
    given_up: AtomicU64,
    /// Nobody takes parcels out of the queue any more. Changes under the queue's lock.
    ended: AtomicBool,
}

/// Letters that belong together, and what they settle.
struct Parcel {
    flight: Arc<Flight>,
    contents: Contents,
}

enum Contents {
    /// Letters of rows that were never submitted.
    Made(Vec<Letter>),
    /// Those of a record that the broker refused, still to be made.
    Of(u32, Cause),
}

/// Parcels on their way.
struct Round {
    parcels: Vec<Parcel>,
    /// All their letters, and whether each is stored.
    letters: Vec<(Letter, bool)>,
}

/// The producer, and what it was made with.
struct Van {
    // Before the poller, which holds the client that it belongs to.
    topic: Side,
    poller: Poller,
    credentials: Credentials,
    /// The largest record, and the largest Kafka batch.
    bytes_max: usize,
}

impl Post {
    /// Takes the letters of rows that were set aside before the batch was submitted.
    pub(super) fn send_made(&self, flight: &Arc<Flight>, letters: Vec<Letter>) {
        self.send(Parcel { flight: flight.clone(), contents: Contents::Made(letters) });
    }

    /// Takes a record that the broker refused for good: letters of its rows are made.
    pub(super) fn send_of(&self, flight: Arc<Flight>, record: u32, cause: Cause) {
        self.send(Parcel { flight, contents: Contents::Of(record, cause) });
    }

    fn send(&self, parcel: Parcel) {
        self.held.fetch_add(1, Ordering::AcqRel);
        let mut queue = self.lock();
        if self.ended.load(Ordering::SeqCst) {
            drop(queue);
            return self.settle(parcel, Some(&stopped()));
        }
        queue.push_back(parcel);
        drop(queue);
        self.bell.ring();
    }

    /// Parcels whose letters are not stored.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// Nothing more is brought.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Gives up what waits. Returns how many parcels that are.
    pub(super) async fn close(&self) -> u64 {
        let end = Instant::now() + END_MAX;
        self.stop();
        loop {
            let held = self.held();
            if held == 0 || Instant::now() >= end {
                return self.given_up.load(Ordering::Acquire) + held;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Parcel>> {
        self.queue.lock().expect("nothing panics in it")
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The letters of a parcel are stored, or may be or not.
    fn settle(&self, parcel: Parcel, unknown: Option<&Cause>) {
        let Parcel { flight, contents } = parcel;
        flight.hold(None);
        self.given_up.fetch_add(u64::from(unknown.is_some()), Ordering::AcqRel);
        match (contents, unknown) {
            (Contents::Made(_), unknown) => flight.letters_settled(unknown.cloned()),
            (Contents::Of(record, cause), None) => {
                flight.receipt(record).settle(Settled::Rejected(cause));
            }
            (Contents::Of(record, _), Some(unknown)) => {
                flight.receipt(record).settle(Settled::Unknown(unknown.clone()));
            }
        }
        self.held.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes the next parcels out.
    fn next(&self) -> Round {
        let mut round = Round { parcels: Vec::new(), letters: Vec::new() };
        let mut bytes = 0;
        while round.letters.len() < LETTERS_MAX && bytes < BYTES_MAX {
            let Some(mut parcel) = self.lock().pop_front() else { break };
            let letters = match &mut parcel.contents {
                Contents::Made(letters) => std::mem::take(letters),
                Contents::Of(record, cause) => parcel.flight.letters(*record, cause),
            };
            bytes += letters.iter().map(Letter::bytes).sum::<usize>();
            round.letters.extend(letters.into_iter().map(|letter| (letter, false)));
            round.parcels.push(parcel);
        }
        round
    }
}

impl Inner {
    /// The post's thread.
    pub(super) fn post_loop(&self) {
        let post = &self.post;
        post.bell.wakes_this_thread();
        let mut van: Option<Van> = None;
        let mut since = Instant::now();
        while !post.is_stopping() {
            let round = post.next();
            if round.parcels.is_empty() {
                van.take_if(|_| since.elapsed() >= IDLE_MAX);
                if let Some(van) = &mut van {
                    // Nothing that it says now is about letters.
                    van.poller.poll().errors.clear();
                }
                thread::park_timeout(LOOK);
                continue;
            }
            self.deliver(round, &mut van);
            since = Instant::now();
        }
        let mut queue = post.lock();
        let left: Vec<_> = queue.drain(..).collect();
        post.ended.store(true, Ordering::SeqCst);
        drop(queue);
        left.into_iter().for_each(|parcel| post.settle(parcel, Some(&stopped())));
    }

    /// Brings letters until all are stored, or nobody waits any more.
    fn deliver(&self, mut round: Round, van: &mut Option<Van>) {
        let (mut pause, mut told) = (BACKOFF.0, None);
        while round.open().next().is_some() && !self.post.is_stopping() {
            let is_first = pause == BACKOFF.0;
            let Err(cause) = self.try_to_deliver(&mut round, van, is_first) else { continue };
            round.hold(&cause);
            if told != Some(cause.code) {
                let (output, code) = (&self.settings.alias, cause.code);
                tracing::warn!(output, code, letters = round.open().count(), "{}", cause.text);
                told = Some(cause.code);
            }
            let end = Instant::now() + pause;
            while let Some(left) = end.checked_duration_since(Instant::now())
                && !self.post.is_stopping()
            {
                thread::park_timeout(left);
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
        let unknown = round.open().next().map(|_| stopped());
        round.parcels.into_iter().for_each(|parcel| self.post.settle(parcel, unknown.as_ref()));
    }

    /// Hands over what is not stored, and waits for the answers.
    fn try_to_deliver(
        &self,
        round: &mut Round,
        van: &mut Option<Van>,
        is_first: bool,
    ) -> Result<(), Cause> {
        let Some(credentials) = self.credentials() else {
            return Err(waits(&self.missing_credentials()));
        };
        let topic = self.settings.letter_topic();
        let bytes_max = self.letter_bytes_max.load(Ordering::Relaxed);
        van.take_if(|van| !van.serves(&credentials, bytes_max));
        let van = match van {
            Some(van) => van,
            none => none.insert(Van::new(self, credentials, bytes_max).map_err(|reason| {
                let text = format!("librdkafka does not take the settings: {reason}");
                waits(&Cause::new("CREDENTIALS_UNUSABLE", text))
            })?),
        };
        if !is_first {
            // librdkafka takes nothing for a topic that was missing until somebody asks for it.
            let asked = van.topic.partitions(ANSWER_MAX);
            asked.map_err(|fault| waits(&Cause::of_fault(&fault, topic)))?;
        }
        for (number, letter) in round.open() {
            let taken = van.topic.send(letter, &letter.value(bytes_max), number);
            taken.map_err(|fault| waits(&Cause::of_fault(&fault, topic)))?;
        }
        let Some(code) = self.wait_for_answers(round, van)? else { return Ok(()) };
        if is_too_large(code) && bytes_max > LETTER_BYTES_MIN {
            let less = (bytes_max / 2).max(LETTER_BYTES_MIN);
            self.letter_bytes_max.store(less, Ordering::Relaxed);
        }
        Err(waits(&Cause::of_record(code, topic).1))
    }

    /// Waits until everything that was handed over has its answer. Returns why some failed.
    fn wait_for_answers(&self, round: &mut Round, van: &mut Van) -> Result<Option<Code>, Cause> {
        let (mut unanswered, mut failed) = (round.open().count(), None);
        let mut looked = Instant::now();
        while unanswered > 0 {
            let reports = van.poller.poll();
            unanswered -= reports.marks.len();
            for Marked { code, number, .. } in reports.marks.drain(..) {
                match code {
                    NO_ERROR => {
                        round.letters[number - 1].1 = true;
                        self.status.letters.fetch_add(1, Ordering::Relaxed);
                    }
                    code => failed = Some(code),
                }
            }
            let fault = reports.errors.drain(..).next_back();
            if unanswered == 0 {
                return Ok(failed);
            }
            if self.post.is_stopping() {
                return Err(stopped());
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.tell_why(round, van.poller.client(), fault);
                // Brokers may refuse those that it has.
                if self.credentials().is_some_and(|newest| newest != van.credentials) {
                    let text = "the credentials have changed; the letters go again";
                    return Err(waits(&Cause::new("CREDENTIALS_CHANGED", text)));
                }
            }
            thread::park_timeout(LOOK / 5);
        }
        Ok(failed)
    }

    /// Shows why letters wait that librdkafka has.
    fn tell_why(&self, round: &Round, client: &Client, met: Option<Fault>) {
        let topic = self.settings.letter_topic();
        let told = met.or_else(|| client.partitions(ANSWER_MAX).err());
        let cause = told.map_or_else(Cause::slow, |fault| Cause::of_fault(&fault, topic));
        round.hold(&waits(&cause));
    }
}

impl Round {
    /// Letters that are not stored, with their numbers, from 1.
    fn open(&self) -> impl Iterator<Item = (usize, &Letter)> {
        let numbered = (1..).zip(&self.letters);
        numbered
            .filter(|(_, (_, is_stored))| !is_stored)
            .map(|(number, (letter, _))| (number, letter))
    }

    fn hold(&self, cause: &Cause) {
        self.parcels.iter().for_each(|parcel| parcel.flight.hold(Some(cause.clone())));
    }
}

impl Van {
    fn new(inner: &Inner, credentials: Credentials, bytes_max: usize) -> Result<Self, String> {
        let topic = inner.settings.letter_topic();
        let recipe = &inner.settings.recipe;
        let (client, poller) = recipe.post(&credentials, topic, bytes_max, &inner.post.bell)?;
        Ok(Self { topic: Side::new(&client, topic), poller, credentials, bytes_max })
    }

    /// Whether it has what is needed now, and nothing of an earlier try.
    fn serves(&mut self, credentials: &Credentials, bytes_max: usize) -> bool {
        // librdkafka's statistics wait to be polled and count as held, too.
        let answers_late = self.poller.poll().marks.drain(..).count() > 0;
        let client = self.poller.client();
        self.credentials == *credentials
            && self.bytes_max == bytes_max
            && !answers_late
            && client.held() == 0
            && client.fatal().is_none()
    }
}

/// Why letters, and the batches that they belong to, wait.
pub(super) fn waits(cause: &Cause) -> Cause {
    Cause::new(
        cause.code,
        format!("rows that are set aside wait for their letters. {}", cause.text),
    )
}
