//! Stores, some time after the rows, how far the writers of an output have come, so that they go on
//! there after a restart.
use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    kafka::{Cause, ProgressEntry, ProgressLog, Stored},
    writers::{Name, Progress, Snapshot, Writers},
};

/// How far what is stored is behind, while all is well.
const EVERY: Duration = Duration::from_secs(1);

/// The same after a failure: to, doubling.
const EVERY_MAX: Duration = Duration::from_secs(60);

/// Between tries where the topic was made a moment ago, and how many there are.
const NEW_PAUSE: Duration = Duration::from_millis(100);
const NEW_TRIES: u32 = 20;

/// Keeps the progress of one output's writers.
pub struct Keeper {
    log: Arc<ProgressLog>,
    writers: Writers,
    output: String,
}

/// A writer that is to be stored at once, and who waits for that.
type Asked = (Name, oneshot::Sender<()>);

/// Has a keeper store at once, for a writer that may be elsewhere next.
#[derive(Clone)]
pub struct Asking(mpsc::UnboundedSender<Asked>);

/// A keeper at work.
pub struct Keeping {
    keeper: Arc<Keeper>,
    asking: Asking,
    task: JoinHandle<()>,
}

impl Keeper {
    /// The keeper of an output's writers.
    pub fn new(log: &Arc<ProgressLog>, writers: &Writers, output: &str) -> Self {
        Self { log: log.clone(), writers: writers.clone(), output: output.to_owned() }
    }

    /// Begins.
    pub fn run(self) -> Keeping {
        let keeper = Arc::new(self);
        let (asking, asks) = mpsc::unbounded_channel();
        let task = tokio::spawn(keeper.clone().keep(asks));
        Keeping { keeper, asking: Asking(asking), task }
    }

    async fn keep(self: Arc<Self>, mut asks: mpsc::UnboundedReceiver<Asked>) {
        let (mut pause, mut told, mut next) = (EVERY, None, Instant::now() + EVERY);
        loop {
            let mut asked = Vec::new();
            tokio::select! {
                () = sleep_until(next) => {}
                Some(first) = asks.recv() => {
                    asked.push(first);
                    asked.extend(std::iter::from_fn(|| asks.try_recv().ok()));
                }
            }
            let stored = if asked.is_empty() {
                self.store(self.writers.unstored()).await
            } else if told.is_none() {
                let known = |(name, _): &Asked| Some((name.clone(), self.writers.get(name)?));
                let unstored = asked.iter().filter_map(known);
                self.store(unstored.filter(|(_, known)| known.progress.is_unstored()).collect())
                    .await
            } else {
                // Nobody waits where storing fails, but it is tried sooner.
                next = next.min(Instant::now() + EVERY);
                continue;
            };
            match stored {
                Ok(()) if !asked.is_empty() => continue,
                Ok(()) => {
                    if told.take().is_some() {
                        let output = &self.output;
                        tracing::info!(output, "the writers' progress is stored again");
                    }
                    pause = EVERY;
                }
                Err(cause) => {
                    if told != Some(cause.code) {
                        self.tell(&cause);
                    }
                    told = Some(cause.code);
                    pause = (pause * 2).min(EVERY_MAX);
                }
            }
            next = Instant::now() + pause;
        }
    }

    /// Stores these, and tries again where the topic is new: not each broker knows it yet.
    async fn store(&self, unstored: Vec<(Name, Snapshot)>) -> Result<(), Cause> {
        for _ in 1..NEW_TRIES {
            match self.try_store(&unstored).await {
                Err(cause) if cause.code == "TOPIC_NOT_FOUND" => sleep(NEW_PAUSE).await,
                stored => return stored,
            }
        }
        self.try_store(&unstored).await
    }

    async fn try_store(&self, unstored: &[(Name, Snapshot)]) -> Result<(), Cause> {
        if unstored.is_empty() {
            return Ok(());
        }
        let entries = unstored.iter().map(|(writer, known)| ProgressEntry {
            writer: writer.to_string(),
            generation: known.progress.generation,
            known: Stored {
                sequence: known.progress.durable_through,
                position: known.progress.position.clone(),
                epoch: known.epoch,
                generation: known.progress.generation,
            },
        });
        let (entries, log): (Vec<_>, _) = (entries.collect(), self.log.clone());
        let stored = tokio::task::spawn_blocking(move || log.store(&entries)).await;
        // What went wrong is told by the panic.
        stored.unwrap_or_else(|_| Err(Cause::new("PROGRESS_SLOW", "storing it has panicked")))?;
        for (writer, known) in unstored {
            let Progress { generation, durable_through, .. } = known.progress;
            self.writers.stored(writer, generation, durable_through);
        }
        Ok(())
    }

    fn tell(&self, cause: &Cause) {
        tracing::warn!(
            output = self.output,
            code = cause.code,
            "the writers' progress is not stored, so after a restart engines go on where they say; \
             rows are written all the same. {}",
            cause.text
        );
    }
}

impl Asking {
    /// Has it stored how far a writer has come. Waits for that, but not longer than this, nor where
    /// storing has failed before.
    pub async fn store(&self, writer: &Name, within: Duration) {
        let (stores, stored) = oneshot::channel();
        if self.0.send((writer.clone(), stores)).is_ok() {
            // Who is not in time is no worse off than without asking.
            let _ = timeout(within, stored).await;
        }
    }
}

impl Keeping {
    /// For those who ask it.
    pub fn asking(&self) -> &Asking {
        &self.asking
    }

    /// Ends, and stores what is not stored yet, if that can be had in this time.
    pub async fn end(self, within: Duration) {
        self.task.abort();
        let stored = timeout(within, self.keeper.store(self.keeper.writers.unstored())).await;
        let late = || Err(Cause::new("PROGRESS_SLOW", "it could not be stored in time"));
        if let Err(cause) = stored.unwrap_or_else(|_| late()) {
            self.keeper.tell(&cause);
        }
    }
}
