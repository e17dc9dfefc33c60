//! Writers: who may write under a name, and how far each has come.
//!
//! A writer is known by its name within an output. One [`Lease`] of it is live at a time; a newer
//! one takes over, but goes on only when every record of the older is settled. What is remembered
//! of a writer is small and outlives its streams, up to a declared number of idle writers; the
//! ones unused for longest are forgotten first.
// Spelled out, since the models read this file from elsewhere.
#[path = "writers/progress.rs"]
mod progress;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Instant,
};

pub use self::progress::{Place, Progress, Resume};
use crate::sync::{Arc, Mutex, MutexGuard, watch};

/// Longest writer name, in bytes.
pub const WRITER_ID_BYTES_MAX: usize = 256;

/// Longest position, in bytes.
pub const POSITION_BYTES_MAX: usize = 1024;

/// Writers without a stream that remember rows by name.
const ASIDE_WRITERS_IDLE: usize = 1000;

/// A writer's name. It is no state, so it may be std's own.
pub type Name = std::sync::Arc<str>;

/// All writers of one output. Copies of it are the same.
#[derive(Clone)]
pub struct Writers {
    state: Arc<Mutex<State>>,
}

struct State {
    writers: HashMap<Name, Writer>,
    /// Writers without a lease, by the time of their last use.
    idle: BTreeMap<u64, Name>,
    /// Those of them that remember rows by name, in the same order; some may have come back since.
    with_names: VecDeque<(u64, Name)>,
    clock: u64,
    idle_max: usize,
}

struct Writer {
    progress: Arc<Mutex<Progress>>,
    epoch: u64,
    owner: Option<Arc<Owner>>,
    idle_since: Option<u64>,
}

struct Owner {
    taken_over: watch::Sender<bool>,
    settled: watch::Sender<bool>,
}

/// The right to write under a name, until dropped.
pub struct Lease {
    state: Arc<Mutex<State>>,
    id: Name,
    epoch: u64,
    owner: Arc<Owner>,
    progress: Arc<Mutex<Progress>>,
    /// The older lease that must settle before this one goes on.
    before: Option<watch::Receiver<bool>>,
}

/// Why a lease is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A lease with a higher epoch has been here.
    StaleEpoch {
        /// That epoch.
        highest: u64,
    },
    /// A lease is live, and the caller does not want to take over.
    Busy,
}

/// What is known of a writer.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How far it has come.
    pub progress: Progress,
    /// Highest epoch seen.
    pub epoch: u64,
    /// A lease is live.
    pub live: bool,
}

/// What a person sees of a writer.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name.
    pub id: Name,
    /// A lease is live.
    pub live: bool,
    /// Every batch up to here is durable.
    pub durable_through: u64,
    /// The last sequence that was accepted.
    pub accepted_through: u64,
    /// Since when its oldest batch is here that has no answer.
    pub oldest: Option<Instant>,
}

impl Writers {
    /// No writers; at most `idle_max` are remembered while they have no lease.
    pub fn new(idle_max: usize) -> Self {
        let state = State {
            writers: HashMap::new(),
            idle: BTreeMap::new(),
            with_names: VecDeque::new(),
            clock: 0,
            idle_max,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A lease that takes over from a live one. It must wait for [`Lease::turn`].
    ///
    /// # Errors
    /// If a higher epoch has been here.
    pub fn take_over(&self, id: &str, epoch: u64) -> Result<Lease, Denied> {
        self.lease(id, epoch, true)
    }

    /// A lease, if none is live.
    ///
    /// # Errors
    /// If one is, or if a higher epoch has been here.
    pub fn take_if_free(&self, id: &str, epoch: u64) -> Result<Lease, Denied> {
        self.lease(id, epoch, false)
    }

    fn lease(&self, id: &str, epoch: u64, take_over: bool) -> Result<Lease, Denied> {
        let mut state = lock(&self.state);
        let highest = state.writers.get(id).map_or(0, |writer| writer.epoch);
        if epoch < highest {
            return Err(Denied::StaleEpoch { highest });
        }
        let id: Name = match state.writers.get_key_value(id) {
            Some((known, _)) => known.clone(),
            None => id.into(),
        };
        let writer = state.writers.entry(id.clone()).or_insert_with(|| Writer {
            progress: Arc::default(),
            epoch,
            owner: None,
            idle_since: None,
        });
        if !take_over && writer.owner.is_some() {
            return Err(Denied::Busy);
        }
        let owner = Arc::new(Owner {
            taken_over: watch::Sender::new(false),
            settled: watch::Sender::new(false),
        });
        writer.epoch = epoch;
        let before = writer.owner.replace(owner.clone()).map(|older| {
            older.taken_over.send_replace(true);
            older.settled.subscribe()
        });
        let progress = writer.progress.clone();
        if let Some(tick) = writer.idle_since.take() {
            state.idle.remove(&tick);
        }
        Ok(Lease { state: self.state.clone(), id, epoch, owner, progress, before })
    }

    /// What is known of a writer.
    pub fn get(&self, id: &str) -> Option<Snapshot> {
        let state = lock(&self.state);
        let writer = state.writers.get(id)?;
        let progress = writer.progress.lock().expect("nothing panics in it").clone();
        Some(Snapshot { progress, epoch: writer.epoch, live: writer.owner.is_some() })
    }

    /// Writers that have come further than is stored.
    pub fn unstored(&self) -> Vec<(Name, Snapshot)> {
        let state = lock(&self.state);
        let unstored = state.writers.iter().filter_map(|(id, writer)| {
            let progress = writer.progress.lock().expect("nothing panics in it");
            let snapshot = || Snapshot {
                progress: progress.clone(),
                epoch: writer.epoch,
                live: writer.owner.is_some(),
            };
            progress.is_unstored().then(|| (id.clone(), snapshot()))
        });
        unstored.collect()
    }

    /// So much of a writer's life of this number is stored.
    pub fn stored(&self, id: &str, generation: u64, sequence: u64) {
        let state = lock(&self.state);
        if let Some(writer) = state.writers.get(id) {
            writer.progress.lock().expect("nothing panics in it").stored(generation, sequence);
        }
    }

    /// Forgets a writer. False if it was not known.
    ///
    /// # Errors
    /// If a lease of it is live.
    pub fn reset(&self, id: &str) -> Result<bool, Denied> {
        let mut state = lock(&self.state);
        match state.writers.get(id) {
            None => return Ok(false),
            Some(writer) if writer.owner.is_some() => return Err(Denied::Busy),
            Some(_) => {}
        }
        let writer = state.writers.remove(id).expect("it was there");
        if let Some(tick) = writer.idle_since {
            state.idle.remove(&tick);
        }
        Ok(true)
    }

    /// Whether a lease of this writer is live.
    pub fn is_live(&self, id: &str) -> bool {
        lock(&self.state).writers.get(id).is_some_and(|writer| writer.owner.is_some())
    }

    /// Since when the oldest batch of any writer is here that has no answer.
    pub fn oldest(&self) -> Option<Instant> {
        let state = lock(&self.state);
        let oldest =
            |writer: &Writer| writer.progress.lock().expect("nothing panics in it").oldest();
        state.writers.values().filter(|writer| writer.owner.is_some()).filter_map(oldest).min()
    }

    /// The writers that wait for longest, then others that are live, then those that were so last;
    /// at most so many.
    pub fn seen(&self, most: usize) -> Vec<Seen> {
        let state = lock(&self.state);
        // There may be many that are idle, and each look holds up those that are not.
        let live = state.writers.iter().filter(|(_, writer)| writer.owner.is_some());
        let idle = state.idle.values().rev().take(most);
        let idle = idle.filter_map(|id| state.writers.get_key_value(id));
        let mut seen: Vec<_> = live
            .chain(idle)
            .map(|(id, writer)| {
                let live = writer.owner.is_some();
                let progress = writer.progress.lock().expect("nothing panics in it");
                let oldest = progress.oldest().filter(|_| live);
                let (durable_through, accepted_through) =
                    (progress.durable_through, progress.accepted_through);
                Seen { id: id.clone(), live, durable_through, accepted_through, oldest }
            })
            .collect();
        drop(state);
        seen.sort_by_key(|seen| (seen.oldest.is_none(), seen.oldest, !seen.live, seen.id.clone()));
        seen.truncate(most);
        seen
    }

    /// Writers with a lease.
    pub fn live(&self) -> usize {
        let state = lock(&self.state);
        state.writers.len() - state.idle.len()
    }
}

impl State {
    /// A writer without a stream remembers rows by name; the one that does so for longest forgets.
    fn remember_names(&mut self, tick: u64, id: Name) {
        self.with_names.push_back((tick, id));
        if self.with_names.len() > ASIDE_WRITERS_IDLE
            && let Some((tick, id)) = self.with_names.pop_front()
            && let Some(writer) = self.writers.get(&id).filter(|w| w.idle_since == Some(tick))
        {
            writer.progress.lock().expect("nothing panics in it").keep_names(0);
        }
    }
}

impl Lease {
    /// The writer's name.
    pub fn writer(&self) -> &Name {
        &self.id
    }

    /// The engine's epoch of the writer.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// True if an older lease is not settled yet.
    pub fn must_wait(&self) -> bool {
        self.before.as_ref().is_some_and(|before| !*before.borrow())
    }

    /// Waits until every record of the older lease is settled. Cancel safe.
    pub async fn turn(&mut self) {
        if let Some(before) = &mut self.before {
            // An owner that is gone has settled.
            let _ = before.wait_for(|settled| *settled).await;
            self.before = None;
        }
    }

    /// Waits until a newer lease takes over. Cancel safe.
    pub fn taken_over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut taken_over = self.owner.taken_over.subscribe();
        async move {
            if taken_over.wait_for(|taken| *taken).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How far the writer has come.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics in it")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.clock += 1;
        let (tick, id) = (state.clock, self.id.clone());
        if let Some(writer) = state.writers.get_mut(&id) {
            let mine = writer.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, &self.owner));
            if mine {
                writer.owner = None;
                writer.idle_since = Some(tick);
                let named = writer.progress.lock().expect("nothing panics in it").rest();
                state.idle.insert(tick, id.clone());
                if named {
                    state.remember_names(tick, id);
                }
            }
        }
        while state.idle.len() > state.idle_max {
            let (_, oldest) = state.idle.pop_first().expect("more than none");
            state.writers.remove(&oldest);
        }
        drop(state);
        self.owner.settled.send_replace(true);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nothing panics while it holds the writers")
}
