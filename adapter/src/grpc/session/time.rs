//! What a session does because time passes: deadlines, heartbeats, and what it says of waiting.
//!
//! A client that does not read is told nothing more: it has not taken the last word yet, and
//! words that nobody takes would only pile up.
use std::{
    pin::Pin,
    time::{Duration, SystemTime},
};

use proto::v1::{self, Held, WriteRequest, write_response::Message as Out};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::Stream;
use tonic::Status;

use super::{CallError, End, Session};
use crate::kafka::{Cause, State};

/// A batch that waits longer than this is told to the engine as held; its cause is looked at as
/// often.
const HELD_AFTER: Duration = Duration::from_secs(1);

/// Silent heartbeat intervals after which an engine that promised heartbeats is given up.
const SILENT_INTERVALS: u32 = 3;

/// Between doubt in an engine and giving it up.
const DOUBT: Duration = Duration::from_millis(500);

/// Between looks whether somebody waits for the room that waiting batches hold.
const ROOM_LOOK: Duration = Duration::from_millis(50);

/// How long an engine has been silent.
pub(super) struct Silence {
    /// What it promised.
    interval: Option<Duration>,
    ends: Instant,
    doubted: bool,
}

impl Silence {
    /// Of an engine that promised to say something in every `interval`.
    pub(super) fn new(interval: Option<Duration>) -> Self {
        let mut silence = Self { interval, ends: Instant::now(), doubted: false };
        silence.broken();
        silence
    }

    /// The engine has said something.
    pub(super) fn broken(&mut self) {
        if let Some(interval) = self.interval {
            self.ends = Instant::now() + interval * SILENT_INTERVALS;
            self.doubted = false;
        }
    }

    fn due(&self) -> Option<Instant> {
        self.interval.map(|_| self.ends)
    }

    /// Whether it is over. The first answer is always no: it may be this process that was stopped
    /// for so long, and what the engine said meanwhile is not read yet.
    fn is_over(&mut self, now: Instant) -> bool {
        if self.due().is_none_or(|due| now < due) {
            return false;
        }
        self.ends = now + DOUBT;
        std::mem::replace(&mut self.doubted, true)
    }
}

/// Rings when something is due, or earlier: it is put off only once it has rung.
///
/// With every batch the next thing that is due changes twice. A timer that is set anew each time
/// wakes the thread that looks after timers, which costs more than the batch does.
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// One that rings at once.
    pub(super) fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Something is due at this time.
    pub(super) fn set(&mut self, due: Instant) {
        if self.0.is_elapsed() || due < self.0.deadline() {
            self.0.as_mut().reset(due);
        }
    }

    /// Waits until it rings.
    pub(super) async fn rings(&mut self) {
        self.0.as_mut().await;
    }
}

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// When something is due although nothing happens.
    pub(super) fn next_wake(&self) -> Instant {
        let mut wake = Instant::now() + self.terms.heartbeat;
        if self.outbox.is_empty() {
            wake = wake.min(self.outbox.last_word() + self.terms.heartbeat);
            if let Some((_, since)) = self.oldest() {
                wake = wake.min(since.max(self.looked) + HELD_AFTER);
            }
        }
        let silence = self.silent.due().filter(|_| self.incoming.is_some());
        let in_flight = self.in_flight.iter().flat_map(|flight| &flight.batches);
        let in_flight = in_flight.map(|batch| batch.deadline);
        let in_work = self.work.iter().flat_map(|work| &work.batches);
        let unsent = in_work.chain(self.pack.batches()).map(|batch| &batch.pending);
        let unsent = unsent.chain(&self.pending).map(|pending| pending.deadline);
        let others = [silence, self.closes, self.pack_wakes()];
        let deadlines = in_flight.chain(unsent).chain(others);
        deadlines.flatten().fold(wake, Instant::min)
    }

    /// When batches that wait for others are looked at, though nothing happens: at their time, and
    /// often before, since somebody may need the room that they hold. While others are sent they
    /// cannot go.
    fn pack_wakes(&self) -> Option<Instant> {
        let sends = self.work.as_ref().is_some_and(|work| !work.reads);
        let due = self.pack.due().filter(|_| !sends)?;
        let now = Instant::now();
        // One that is read meanwhile joins them, whatever the time.
        Some(if due > now { due.min(now + ROOM_LOOK) } else { now + ROOM_LOOK })
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) -> End {
        let now = Instant::now();
        let mut in_flight = self.in_flight.iter().flat_map(|flight| &flight.batches);
        if let Some(batch) = in_flight.find(|batch| over(batch.deadline, now)) {
            return Err(CallError::BatchTimeout { sequence: batch.sequence });
        }
        self.expire(now);
        if over(self.closes, now) {
            return Err(CallError::Drained);
        }
        if self.incoming.is_some() && self.silent.is_over(now) {
            return Err(CallError::ClientSilent);
        }
        if self.outbox.is_empty() {
            let quiet = now >= self.outbox.last_word() + self.terms.heartbeat;
            let held = self.tell_held(now, quiet);
            if quiet && !held {
                self.outbox.push(Out::Heartbeat(v1::Heartbeat {}));
            }
        }
        Ok(())
    }

    /// The oldest batch without an answer, and since when it is here.
    fn oldest(&self) -> Option<(u64, Instant)> {
        let in_flight = self.in_flight.front().map(|flight| (flight.first(), flight.since));
        let in_work = self.work.as_ref();
        let in_work = in_work.map(|work| (work.batches[0].pending.batch.sequence, work.since));
        in_flight.or(in_work)
    }

    /// Says that the oldest batch waits, if it does for long: once, when the cause changes, and
    /// when a heartbeat is due.
    fn tell_held(&mut self, now: Instant, again: bool) -> bool {
        let Some((sequence, since)) = self.oldest().filter(|(_, since)| now >= *since + HELD_AFTER)
        else {
            return false;
        };
        self.looked = now;
        let cause = self.held_cause();
        if self.held == Some((cause.code, sequence)) && !again {
            return false;
        }
        self.held = Some((cause.code, sequence));
        let since = prost_types::Timestamp::from(SystemTime::now() - (now - since));
        let (code, reason) = (cause.code.to_owned(), cause.text);
        self.outbox.push(Out::Held(Held { sequence, code, since: Some(since), reason }));
        true
    }

    fn held_cause(&self) -> Cause {
        if let Some(cause) = self.in_flight.front().and_then(|batch| batch.ticket.held()) {
            return cause;
        }
        let output = &self.terms.output;
        if let Some(cause) = output.valve.setting().cause(&output.alias) {
            return cause;
        }
        let health = output.kafka.health();
        match (health.state, health.cause) {
            (State::Connecting | State::Unavailable, Some(cause)) => cause,
            (State::Connecting, None) => {
                Cause::new("BROKER_UNREACHABLE", "no broker has answered since the service started")
            }
            _ if self.in_flight.is_empty() => Cause::new(
                "MEMORY_FULL",
                "rows before these fill the room of the output; they go on as Kafka takes them",
            ),
            _ => self.terms.output.kafka.why_slow(),
        }
    }
}

/// Whether the time of a batch is over.
pub(super) fn over(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| now >= deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_promised_nothing_is_never_silent() {
        let mut silence = Silence::new(None);
        let much_later = Instant::now() + Duration::from_secs(1_000_000);
        assert_eq!(silence.due(), None);
        assert!(!silence.is_over(much_later) && !silence.is_over(much_later));
    }

    #[test]
    fn a_broken_promise_is_doubted_before_it_counts() {
        let began = Instant::now();
        let mut silence = Silence::new(Some(Duration::from_secs(10)));
        assert!(!silence.is_over(began + Duration::from_secs(29)));
        let late = began + Duration::from_secs(100);
        assert!(!silence.is_over(late), "what came in these 100 s may not be read yet");
        assert!(!silence.is_over(late + DOUBT / 2));
        assert!(silence.is_over(late + DOUBT));
        silence.broken();
        assert!(!silence.is_over(began + Duration::from_secs(29)));
        assert!(!silence.is_over(late), "the next silence is doubted anew");
    }
}
