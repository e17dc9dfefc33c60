//! Changes to a service that runs: a new job file, and outputs that are paused, drained, resumed.
//!
//! A new job file is read and checked whole, and everything that can fail is done before anything is
//! changed: the outputs that it adds or changes are started beside those that run. Then those that
//! it changes or removes end as at a stop of the service, each by itself, and writers come back to
//! what stands in their place. An output that is the same is not touched.
mod answer;
mod difference;
mod history;
mod one;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use keyvault::Store;
use tokio::{
    sync::{Mutex, watch as signal},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use self::difference::{Difference, bound, fixed};
pub use self::{
    answer::{Applied, Refused, Set},
    history::{Configuration, History},
    one::{OutputError, Prepared, Running, output_of},
    watch::Watching,
};
use crate::{
    grpc::{Served, Shared, Table},
    job::{self, Job, near_names},
    kafka::{Budget, Cause},
};

/// Part of the time of an end that is kept for closing the producers.
pub const CLOSE_SHARE: u32 = 5;

/// How long it may take to read what an output of a new job file shows its brokers.
const CREDENTIALS_MAX: Duration = Duration::from_secs(20);

/// A running service, for those who change it.
pub struct Steering {
    shared: Arc<Shared>,
    store: Store,
    budget: Budget,
    job: ArcSwap<Job>,
    file: OnceLock<PathBuf>,
    /// One change at a time.
    running: Mutex<Vec<Arc<Running>>>,
    stopping: signal::Sender<bool>,
    /// What became of job files.
    pub history: History,
}

impl Steering {
    /// Of a service with these outputs.
    pub fn new(
        shared: Arc<Shared>,
        store: Store,
        budget: Budget,
        job: Job,
        running: Vec<Arc<Running>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared,
            store,
            budget,
            job: ArcSwap::from_pointee(job),
            file: OnceLock::new(),
            running: Mutex::new(running),
            stopping: signal::Sender::new(false),
            history: History::default(),
        })
    }

    /// The outputs in the order of a job; those that it does not have are the last.
    fn table(job: &Job, running: &[Arc<Running>]) -> Table {
        let mut table: Table = running.iter().map(|one| one.served.clone()).collect();
        let place = |served: &Arc<Served>| {
            let found = job.outputs.iter().position(|output| output.alias == served.job.alias);
            found.unwrap_or(usize::MAX)
        };
        table.sort_by_key(place);
        table
    }

    /// The job that is in use.
    pub fn job(&self) -> Arc<Job> {
        self.job.load_full()
    }

    /// The job came from this file, whose text had this digest: it can be loaded again.
    pub fn came_from(&self, file: PathBuf, version: String) {
        self.history.began(version);
        // It is said once.
        let _ = self.file.set(file);
    }

    /// Lets no row of an output into Kafka until it is resumed. Streams stay.
    ///
    /// # Errors
    /// If there is none, or it is being changed.
    pub fn pause(&self, alias: &str) -> Result<Set, Refused> {
        let served = self.find(alias)?;
        let changed = served.output.valve.pause().map_err(|_| changes(alias))?;
        if changed {
            tracing::warn!(
                output = alias,
                code = "OUTPUT_PAUSED",
                "the operator pauses the output"
            );
        }
        Ok(Set::of(&served, changed))
    }

    /// Lets rows pass again.
    ///
    /// # Errors
    /// As [`Steering::pause`].
    pub fn resume(&self, alias: &str) -> Result<Set, Refused> {
        let served = self.find(alias)?;
        let changed = served.output.valve.open().map_err(|_| changes(alias))?;
        if changed {
            tracing::info!(output = alias, "the operator resumes the output");
        }
        Ok(Set::of(&served, changed))
    }

    /// Ends the streams of an output as a stop of the service does, and lets none begin until it is
    /// resumed. Returns when they have ended, or at the time when they must have.
    ///
    /// # Errors
    /// As [`Steering::pause`].
    pub async fn drain(&self, alias: &str) -> Result<Set, Refused> {
        let served = self.find(alias)?;
        let within = self.job.load().shutdown_timeout;
        let changed = served.output.valve.drain(within).map_err(|_| changes(alias))?;
        if changed {
            tracing::warn!(
                output = alias,
                code = "OUTPUT_DRAINED",
                "the operator drains the output"
            );
        }
        // Past its deadline a stream has heard that rows may be written; what is on its way settles
        // when it can.
        let _ = timeout_at(Instant::now() + within, served.empty()).await;
        Ok(Set::of(&served, changed))
    }

    fn find(&self, alias: &str) -> Result<Arc<Served>, Refused> {
        let outputs = self.shared.outputs.load();
        let Some(served) = outputs.iter().find(|served| served.output.alias == alias) else {
            let known = outputs.iter().map(|served| served.output.alias.as_str());
            let near = near_names(alias, known).into_iter().map(ToOwned::to_owned).collect();
            return Err(Refused::NoOutput { alias: alias.chars().take(128).collect(), near });
        };
        Ok(served.clone())
    }

    /// What of the memory budget is in use.
    pub fn memory_used_bytes(&self) -> u64 {
        self.budget.used_bytes()
    }

    /// Loads the job file again. It goes on although the caller does not wait.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn reload(self: &Arc<Self>) -> Result<Applied, Refused> {
        let this = self.clone();
        let reloading = tokio::spawn(async move {
            let reloaded = this.reload_now().await;
            match &reloaded {
                Ok(applied) => applied.tell(),
                Err(Refused::Stopping) => {}
                Err(refused) => {
                    let Cause { code, text } = refused.cause();
                    tracing::error!(code, "the job file is not applied: {text}");
                    this.history.refused(Cause { code, text });
                }
            }
            reloaded
        });
        // A panic in it is told by the panic.
        reloading.await.unwrap_or(Err(Refused::Stopping))
    }

    async fn reload_now(&self) -> Result<Applied, Refused> {
        let file = self.file.get().cloned().ok_or(Refused::NoFile)?;
        // First the turn, then the file: else an older text could be applied last.
        let mut running = self.running.lock().await;
        let loaded = tokio::task::spawn_blocking(move || job::load_with_version(&file)).await;
        let loaded = loaded.map_err(|_| Refused::Stopping)?;
        let (job, version) = loaded.map_err(|faults| Refused::Faults(faults.render(false)))?;
        let now = self.job();
        if *now == job {
            self.history.same(version);
            let generation = self.history.now().generation;
            let same = job.outputs.iter().map(|output| output.alias.to_string()).collect();
            return Ok(Applied { generation, same, ..Applied::default() });
        }
        let mut fixed = fixed(&now, &job);
        fixed.extend(bound(&now, &job));
        if !fixed.is_empty() {
            return Err(Refused::NeedsRestart(fixed));
        }
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            applied = self.apply(&now, &job, &mut running) => {
                let mut applied = applied?;
                applied.generation = self.history.applied(version);
                Ok(applied)
            }
            // What has not ended yet ends with the service.
            _ = stopping.wait_for(|stopping| *stopping) => Err(Refused::Stopping),
        }
    }

    async fn apply(
        &self,
        now: &Job,
        job: &Job,
        running: &mut Vec<Arc<Running>>,
    ) -> Result<Applied, Refused> {
        let Difference { added, changed, same, removed } = Difference::of(now, job);
        let (mut new, mut replacing) = (Vec::new(), Vec::new());
        for (outputs, into) in [(&added, &mut new), (&changed, &mut replacing)] {
            for output in outputs {
                let within = Some(CREDENTIALS_MAX);
                let prepared = Prepared::new(job, output, &self.store, &self.budget, within).await;
                into.push(prepared.map_err(|error| Refused::Output(error.to_string()))?);
            }
        }
        // From here on nothing fails.
        self.job.store(Arc::new(job.clone()));
        running.extend(new.into_iter().map(|new| Arc::new(new.run(job, None))));
        self.publish(job, running);
        let mut ending = JoinSet::new();
        let within = job.shutdown_timeout;
        for one in running.iter() {
            let alias = one.served.job.alias.as_str();
            let replaces = replacing.iter().position(|new| new.alias() == alias);
            if replaces.is_none() && !removed.iter().any(|removed| removed == alias) {
                continue;
            }
            let new = replaces.map(|index| replacing.swap_remove(index));
            let old = one.clone();
            let before = old.served.output.valve.end(within - within / CLOSE_SHARE);
            ending.spawn(async move {
                let end = Instant::now() + within;
                let streams_end = end - within / CLOSE_SHARE;
                let _ = timeout_at(streams_end, old.served.empty()).await;
                let unsettled = old.end(end - within / CLOSE_SHARE / 2, end).await;
                (old, new, before, unsettled)
            });
        }
        let mut unsettled_records: u64 = 0;
        while let Some(ended) = ending.join_next().await {
            // A panic in it is told by the panic; the output stays drained until a restart.
            let Ok((old, new, before, unsettled)) = ended else { continue };
            unsettled_records = unsettled_records.saturating_add(unsettled);
            old.served.output.taps.end();
            running.retain(|one| !Arc::ptr_eq(one, &old));
            if let Some(new) = new {
                let new = new.run(job, Some(&old.served));
                new.served.output.valve.begin_as(before);
                running.push(Arc::new(new));
            }
            self.publish(job, running);
        }
        let names = |of: &[job::Output]| of.iter().map(|one| one.alias.to_string()).collect();
        let (added, changed) = (names(&added), names(&changed));
        Ok(Applied { generation: 0, added, changed, removed, same, unsettled_records })
    }

    fn publish(&self, job: &Job, running: &[Arc<Running>]) {
        self.shared.outputs.store(Arc::new(Self::table(job, running)));
    }

    /// Ends all outputs once no stream writes any more: what is accepted settles until `settles`.
    /// Returns how many records had to be given up.
    pub async fn end(&self, settles: Instant, end: Instant) -> u64 {
        self.stopping.send_replace(true);
        let running = self.running.lock().await;
        let mut ending = JoinSet::new();
        for one in running.iter() {
            let one = one.clone();
            ending.spawn(async move { one.end(settles, end).await });
        }
        let ended = ending.join_all().await;
        ended.into_iter().fold(0, u64::saturating_add)
    }
}

/// Nobody sets an output that ends.
fn changes(alias: &str) -> Refused {
    Refused::Changes(alias.to_owned())
}
