//! Producers that others have replaced: served until the brokers have answered for all that they
//! hold, and given up if the brokers refuse their credentials meanwhile.
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    cause::is_refusal,
    producers::{Pollers, Producers},
    renewal::Unsettled,
    sink::Inner,
};

/// How many may be on their way out. More wait until one has left: each has its threads and
/// connections.
const LEAVING_MAX: usize = 4;

/// How long producers with refused credentials get to settle what they hold.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Between orders to fail what is held.
const PURGE_EVERY: Duration = Duration::from_secs(2);

/// How long a refusal counts. librdkafka tells the same of a broker only twice a minute.
const REFUSED_FRESH: Duration = Duration::from_secs(60);

/// What the poll thread serves.
#[derive(Default)]
pub(super) struct Served {
    /// The producers in place; none as long as there are no credentials.
    pub(super) current: Pollers,
    leaving: Vec<Leaving>,
}

/// Producers to which nothing is handed over any more.
struct Leaving {
    /// Destroyed after what polls them.
    producers: Arc<Producers>,
    pollers: Pollers,
    since: Instant,
    /// When brokers last refused their credentials.
    refused: Option<Instant>,
    /// When they were last told to fail what they hold.
    given_up: Option<Instant>,
    /// The change of credentials is over when they have left.
    _unsettled: Option<Unsettled>,
}

impl Served {
    /// Whether one more may be replaced.
    pub(super) fn has_room(&self) -> bool {
        self.leaving.len() < LEAVING_MAX
    }

    /// What was in place is on its way out. `refused` is when brokers last refused it.
    pub(super) fn leave(
        &mut self,
        producers: Arc<Producers>,
        pollers: Pollers,
        refused: Option<Instant>,
        unsettled: Option<Unsettled>,
    ) {
        let (since, given_up, _unsettled) = (Instant::now(), None, unsettled);
        let leaving = Leaving { producers, pollers, since, refused, given_up, _unsettled };
        self.leaving.push(leaving);
    }

    /// Makes librdkafka fail everything that all of them hold.
    pub(super) fn purge(&self) {
        self.current.purge();
        self.leaving.iter().for_each(|leaving| leaving.pollers.purge());
    }
}

impl Inner {
    /// Serves those that leave; whoever holds nothing any more is gone.
    pub(super) fn serve_leaving(&self, served: &mut Served) {
        let gone = served.leaving.extract_if(.., |leaving| self.has_left(leaving));
        gone.for_each(Leaving::end);
    }

    fn has_left(&self, leaving: &mut Leaving) -> bool {
        let mut is_broken = leaving.pollers.fatal().is_some();
        let mut is_refused = false;
        leaving.pollers.poll(|reports| {
            // What they meet says nothing about the credentials that are in place.
            is_refused |= reports.errors.drain(..).any(|fault| is_refusal(&fault));
            is_broken |= self.take_reports(reports);
        });
        let held = leaving.pollers.held();
        if held == 0 {
            return true;
        }
        if is_refused {
            leaving.refused = Some(Instant::now());
        }
        let gives_up = is_broken || leaving.given_up.is_some() || leaving.is_shut_out();
        // A partition that moves from one broker's thread to another's may miss one purge.
        if gives_up && leaving.given_up.is_none_or(|at| at.elapsed() >= PURGE_EVERY) {
            leaving.given_up = Some(Instant::now());
            let why = if is_broken { "the producer failed" } else { "the brokers refuse them" };
            tracing::warn!(
                output = self.settings.alias,
                code = "CREDENTIALS_WITHDRAWN",
                held,
                "producers with earlier credentials are given up, since {why}: records that they \
                 have no answer for go again, or end as unknown if they may be written"
            );
            leaving.pollers.purge();
        }
        false
    }
}

impl Leaving {
    /// Whether brokers refuse the old credentials, and there was time to settle.
    fn is_shut_out(&self) -> bool {
        self.refused.is_some_and(|refused| refused.elapsed() < REFUSED_FRESH)
            && self.since.elapsed() >= SETTLE_MAX
    }

    fn end(self) {
        let Self { producers, pollers, .. } = self;
        // Destroying a producer waits for its threads, which may be resolving a name.
        let ends = thread::Builder::new().name("kafka-old".into());
        drop(ends.spawn(move || drop((producers, pollers))));
    }
}
