//! What the caller's handle and the worker share: the window, and who must wake up.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use proto::v1::{Held, Opened, Refused, RejectedRow, Waiting};
use tokio::sync::{Notify, watch};

use super::{
    Error,
    window::{Tally, Window},
};

/// Events that nobody polls give way to newer ones beyond this many.
const EVENTS_MAX: usize = 256;

/// What happened, for a caller that tells a person. Nothing in here needs an answer; a refusal
/// also ends the next call with [`Error::Refused`].
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream is open, at the start or again.
    Opened(Opened),
    /// The service takes its time to open, and says why.
    Waiting(Waiting),
    /// The oldest batch waits in the service. Told when it starts and when the cause changes.
    Held(Held),
    /// Rows that the output's error policy set aside: they are not in the topic.
    Rejected {
        /// The rows that the service named.
        rows: Vec<RejectedRow>,
        /// How many there were, named or not.
        total: u64,
    },
    /// A batch is refused; nothing of it is written.
    Refused(Arc<Refused>),
    /// These go again, and nobody knows whether they were written before: they may be there twice.
    Repeated(Tally),
    /// The service closes soon; the writer connects again by itself.
    Draining,
    /// The stream is lost; the writer connects again by itself.
    Lost {
        /// Why.
        cause: Error,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// How far a writer is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// The position that came with it.
    pub durable_position: Option<Bytes>,
    /// Batches that were handed over and are not durable.
    pub unacknowledged_batches: usize,
    /// Bytes of their messages.
    pub unacknowledged_bytes: u64,
    /// Those of them that went out on a stream: they may or may not be written.
    pub unsettled: Tally,
    /// Why the oldest of them waits in the service, if it does.
    pub held: Option<Held>,
    /// Rows that the output's error policy set aside since the writer was made.
    pub rejected_total: u64,
    /// How often the stream was opened again.
    pub reconnects: u64,
    /// What went again although it may be written: at most so much is there more than once. A
    /// batch counts each time that it goes again. Where an earlier run of the writer left batches
    /// whose outcome is not known, those that take their numbers now count.
    pub repeated: Tally,
    /// The batch that waits for the caller's decision.
    pub refused: Option<Arc<Refused>>,
    /// True while there is a stream.
    pub connected: bool,
    /// Events that were not polled in time and gave way.
    pub events_lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) window: Window,
    /// The answer to the last `Open`.
    pub(super) opened: Option<Opened>,
    pub(super) connected: bool,
    /// The service reads no more batches of this stream.
    pub(super) draining: bool,
    pub(super) held: Option<Held>,
    pub(super) rejected_total: u64,
    pub(super) reconnects: u64,
    pub(super) repeated: Tally,
    /// The caller wants the stream closed.
    pub(super) closing: bool,
    /// How the worker ended.
    pub(super) ended: Option<Result<(), Error>>,
    events: VecDeque<Event>,
    events_lost: u64,
}

impl State {
    pub(super) fn event(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.events_lost += 1;
        }
        self.events.push_back(event);
    }

    /// Rows that the error policy set aside.
    pub(super) fn reject(&mut self, rows: Vec<RejectedRow>, total: u64) {
        if total > 0 {
            self.rejected_total += total;
            self.event(Event::Rejected { rows, total });
        }
    }

    /// The service may have written these before; they go again.
    pub(super) fn repeat(&mut self, repeated: Tally) {
        if repeated.batches > 0 {
            self.repeated.add(repeated);
            self.event(Event::Repeated(repeated));
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    pub(super) fn progress(&self) -> Progress {
        let (unacknowledged_batches, unacknowledged_bytes) = self.window.unacknowledged();
        Progress {
            durable_through: self.window.durable_through(),
            durable_position: self.window.durable_position(),
            unacknowledged_batches,
            unacknowledged_bytes,
            unsettled: self.window.unsettled(),
            held: self.held.clone(),
            rejected_total: self.rejected_total,
            reconnects: self.reconnects,
            repeated: self.repeated,
            refused: self.window.refused(),
            connected: self.connected,
            events_lost: self.events_lost,
        }
    }

    /// The error that keeps the caller from going on.
    pub(super) fn obstacle(&self) -> Option<Error> {
        match &self.ended {
            Some(Err(error)) => Some(error.clone()),
            Some(Ok(())) => Some(Error::Closed),
            None => self.window.refused().map(Error::Refused),
        }
    }
}

/// The state behind its lock, which is never held over an await.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the worker: there is something to send, or to close.
    pub(super) work: Notify,
    changed: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<()>) {
        let (changed, receiver) = watch::channel(());
        (Arc::new(Self { state: Mutex::default(), work: Notify::new(), changed }), receiver)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes nobody.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state on the caller's behalf: the worker wakes up.
    pub(super) fn ask<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with(change);
        self.work.notify_one();
        result
    }

    /// Changes the state on the service's behalf: the caller wakes up.
    pub(super) fn tell<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.with(change);
        self.changed.send_replace(());
        result
    }
}
