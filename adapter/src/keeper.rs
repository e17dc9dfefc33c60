//! Stores, some time after the rows, how far the writers of an output have come, so that they go on
//! there after a restart.
use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    kafka::{Cause, ProgressEntry, ProgressLog, Stored},
    writers::{Progress, Writers},
};

/// How far what is stored is behind, while all is well.
const EVERY: Duration = Duration::from_secs(1);

/// The same after a failure: to, doubling.
const EVERY_MAX: Duration = Duration::from_secs(60);

/// Between the last tries, while the service ends.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// Keeps the progress of one output's writers.
pub struct Keeper {
    log: Arc<ProgressLog>,
    writers: Writers,
    output: String,
    asked: Arc<Notify>,
    /// Changes whenever something was stored, or could not be, which it tells.
    works: watch::Sender<bool>,
}

/// Has a keeper store at once, for whoever goes now.
#[derive(Clone)]
pub struct Asking {
    asked: Arc<Notify>,
    works: watch::Receiver<bool>,
}

/// A keeper at work.
pub struct Keeping {
    keeper: Arc<Keeper>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// The keeper of an output's writers.
    pub fn new(log: &Arc<ProgressLog>, writers: &Writers, output: &str) -> Self {
        let (log, writers, output) = (log.clone(), writers.clone(), output.to_owned());
        Self { log, writers, output, asked: Arc::default(), works: watch::Sender::new(true) }
    }

    /// For those who ask it.
    pub fn asking(&self) -> Asking {
        Asking { asked: self.asked.clone(), works: self.works.subscribe() }
    }

    /// Begins.
    pub fn run(self) -> Keeping {
        let keeper = Arc::new(self);
        let working = keeper.clone();
        let task = tokio::spawn(async move {
            let (mut pause, mut told) = (EVERY, None);
            loop {
                tokio::select! {
                    () = sleep(pause) => {}
                    // After a failure nobody is served sooner.
                    () = working.asked.notified(), if told.is_none() => {}
                }
                let stored = working.store().await;
                working.works.send_replace(stored.is_ok());
                pause = match stored {
                    Ok(()) => {
                        if told.take().is_some() {
                            let output = &working.output;
                            tracing::info!(output, "the writers' progress is stored again");
                        }
                        EVERY
                    }
                    Err(cause) => {
                        if told != Some(cause.code) {
                            working.tell(&cause);
                        }
                        told = Some(cause.code);
                        (pause * 2).min(EVERY_MAX)
                    }
                };
            }
        });
        Keeping { keeper, task }
    }

    /// Stores what is not.
    async fn store(&self) -> Result<(), Cause> {
        let unstored = self.writers.unstored();
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
        // A panic in it is told by the panic; the next try is made.
        stored.unwrap_or(Ok(()))?;
        for (writer, known) in unstored {
            let Progress { generation, durable_through, .. } = known.progress;
            self.writers.stored(&writer, generation, durable_through);
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
    /// Waits until something is stored, for so long at most, and not at all where storing fails.
    pub async fn until(&self, is_stored: impl Fn() -> bool, within: Duration) {
        let mut works = self.works.clone();
        let stored = async {
            while !is_stored() && *works.borrow_and_update() {
                // One that is at work may have begun before; it begins again then.
                self.asked.notify_one();
                if works.changed().await.is_err() {
                    return;
                }
            }
        };
        // Who is not in time is no worse off than without asking.
        let _ = timeout(within, stored).await;
    }
}

impl Keeping {
    /// Ends, and stores what is not stored yet, if that can be had in this time.
    pub async fn end(self, within: Duration) {
        self.task.abort();
        let end = Instant::now() + within;
        loop {
            let last = tokio::time::timeout_at(end, self.keeper.store()).await;
            let late = || Err(Cause::new("PROGRESS_SLOW", "it could not be stored in time"));
            match last.unwrap_or_else(|_| late()) {
                Ok(()) => return,
                // One that was made a moment ago is not known to each broker at once.
                Err(cause)
                    if cause.code == "TOPIC_NOT_FOUND" && Instant::now() + LAST_PAUSE < end =>
                {
                    sleep(LAST_PAUSE).await;
                }
                Err(cause) => return self.keeper.tell(&cause),
            }
        }
    }
}
