//! Other credentials for a living output: proven first, then put in place without a row lost,
//! doubled or out of order.
//!
//! A password or a token goes into the living producers, which show it at their next login.
//! Certificates are read once by librdkafka, so other producers are made and connected beside the
//! old ones. They take over when the old ones have nothing left to report: hand-overs stop, what is
//! away settles, hand-overs go on with the new ones.
//!
//! What cannot settle, because the brokers refuse the old credentials, is given up by the old
//! producers after [`SETTLE_MAX`]: records that are surely not written go again, the others are
//! unknown. As long as nobody is refused, a broker that is merely slow is given the time that it
//! needs, in pauses of [`PAUSE_MAX`] with work in between.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{
    cause::{Cause, is_all_down, is_denied, is_refusal},
    client::{Bell, Fault, NO_ERROR},
    credentials::{Change, Credentials},
    producers::{Pollers, Producers, Recipe},
    sink::{Inner, Sink},
};

/// How long brokers may take to let a producer in that shows new credentials.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);

/// Between looks at what librdkafka says about it.
const PROOF_STEP: Duration = Duration::from_millis(500);

/// The longest that rows wait for what is away to settle; then they flow again for a while.
const PAUSE_MAX: Duration = Duration::from_millis(300);

/// Between two such pauses.
const PAUSE_EVERY: Duration = Duration::from_secs(2);

/// How long a refusal counts as one of the credentials that are in place.
const REFUSED_FRESH: Duration = Duration::from_secs(60);

/// How long producers with refused credentials get to settle.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Why other credentials are not in place; the old ones stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRenewed {
    /// What went wrong.
    pub cause: Cause,
    /// Nobody has refused them: no broker answered. They may well be right.
    pub unproven: bool,
}

/// The credentials of a sink, and those that are to follow.
#[derive(Default)]
pub struct Renewal {
    state: Mutex<State>,
    /// Rings when brokers refuse the credentials.
    refusals: Notify,
}

#[derive(Default)]
struct State {
    /// What producers are made with; `None` until the first are there.
    current: Option<Credentials>,
    /// Why there are none yet.
    missing: Option<Cause>,
    next: Option<Next>,
    refused: Option<Instant>,
}

/// Producers that are connected and wait to take over.
struct Next {
    producers: Arc<Producers>,
    pollers: Pollers,
    credentials: Credentials,
    since: Instant,
    not_before: Instant,
    done: oneshot::Sender<()>,
}

impl Sink {
    /// Puts credentials in place. The first are taken as they are; others only once brokers have
    /// let a producer in with them.
    ///
    /// # Errors
    /// Why they are not in place.
    pub async fn renew(&self, credentials: Credentials) -> Result<(), NotRenewed> {
        let inner = &self.inner;
        let current = inner.renewal.in_place();
        match current.as_ref().map(|current| current.change(&credentials)) {
            Some(Change::None) => Ok(()),
            Some(Change::Login) => {
                let (recipe, tried) = (inner.settings.recipe.clone(), credentials.clone());
                let proof = blocking(move || prove_login(&recipe, &tried)).await;
                match proof {
                    Ok(()) => {}
                    // Nobody was there to take it. A token is right if its issuer says so.
                    Err(NotRenewed { unproven: true, .. }) if credentials.token().is_some() => {}
                    // Whatever is said about it, the one in place is over.
                    Err(_) if current.is_some_and(|current| current.is_over()) => {}
                    Err(refused) => return Err(refused),
                }
                inner.set_login(credentials)
            }
            Some(Change::Producer) => {
                let (next, wait) = inner.prepare(credentials, true).await?;
                inner.hand_to(next, wait).await
            }
            None => {
                let (next, wait) = inner.prepare(credentials, false).await?;
                inner.hand_to(next, wait).await
            }
        }
    }

    /// Says why there are no credentials yet, while nobody has given any.
    pub fn missing_credentials(&self, cause: Cause) {
        self.inner.renewal.lock().missing = Some(cause);
        self.inner.kick();
    }

    /// Waits until brokers refuse the credentials, from now on.
    pub async fn refused(&self) {
        self.inner.renewal.refusals.notified().await;
    }
}

impl Renewal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics in it")
    }

    /// What producers are made with.
    pub(super) fn credentials(&self) -> Credentials {
        self.lock().current.clone().expect("only what was made with some is made anew")
    }

    /// The same, if there are any.
    pub(super) fn in_place(&self) -> Option<Credentials> {
        self.lock().current.clone()
    }

    /// Why there are no credentials, and whether that is only since nobody has looked yet.
    pub(super) fn missing(&self) -> (Cause, bool) {
        match &self.lock().missing {
            Some(cause) => (cause.clone(), false),
            None => {
                let text = "the credentials of this output are being read";
                (Cause::new("CREDENTIALS_PENDING", text), true)
            }
        }
    }

    /// Brokers refuse the credentials.
    pub(super) fn refused(&self) {
        self.lock().refused = Some(Instant::now());
        // One listens, and may be looking just now: it hears of it afterwards.
        self.refusals.notify_one();
    }
}

impl Inner {
    /// Another login for the living producers, and for those that are made after them.
    fn set_login(&self, credentials: Credentials) -> Result<(), NotRenewed> {
        let mut state = self.renewal.lock();
        if let (Some(producers), Some(login)) = (self.producers(), &credentials.login) {
            producers.set_login(login).map_err(refused_by_librdkafka)?;
        }
        (state.current, state.refused) = (Some(credentials), None);
        drop(state);
        self.forget_faults();
        self.kick();
        Ok(())
    }

    /// Makes producers with these credentials and has them let in.
    async fn prepare(
        &self,
        credentials: Credentials,
        proven: bool,
    ) -> Result<(Next, oneshot::Receiver<()>), NotRenewed> {
        let (recipe, bell) = (self.settings.recipe.clone(), self.bell.clone());
        blocking(move || {
            let made = Producers::new(&recipe, &credentials, &bell);
            let (producers, mut pollers) = made.map_err(refused_by_librdkafka)?;
            if proven {
                let ask = |timeout| producers.partitions(timeout).map(drop);
                prove(&recipe.topic, ask, |faults: &mut Vec<Fault>| {
                    pollers.poll(|reports| faults.append(&mut reports.errors));
                })?;
            }
            let (done, wait) = oneshot::channel();
            let now = Instant::now();
            let (since, not_before) = (now, now);
            Ok((Next { producers, pollers, credentials, since, not_before, done }, wait))
        })
        .await
    }

    /// Gives producers to the poll thread and waits until they have taken over.
    async fn hand_to(&self, next: Next, wait: oneshot::Receiver<()>) -> Result<(), NotRenewed> {
        self.renewal.lock().next = Some(next);
        self.bell.ring();
        wait.await.map_err(|_| NotRenewed { cause: super::sink::stopped(), unproven: true })
    }

    /// The poll thread: lets producers take over that wait to, if what is away has settled.
    pub(super) fn take_over(&self, mut pollers: Pollers) -> Pollers {
        let now = Instant::now();
        let next = {
            let mut state = self.renewal.lock();
            match &state.next {
                Some(next) if next.not_before <= now => state.next.take(),
                _ => None,
            }
        };
        let Some(mut next) = next else { return pollers };
        if !self.settled(&mut pollers) && !self.stopping.load(Ordering::SeqCst) {
            if !self.is_refused() || next.since.elapsed() < SETTLE_MAX {
                next.not_before = Instant::now() + PAUSE_EVERY;
                self.renewal.lock().next = Some(next);
                self.halted.store(false, Ordering::SeqCst);
                return pollers;
            }
            tracing::warn!(
                output = self.settings.alias,
                "brokers refuse the old credentials; what has no answer yet is given up"
            );
            while !self.drain_purged(&mut pollers) && !self.stopping.load(Ordering::SeqCst) {}
        }
        if self.stopping.load(Ordering::SeqCst) {
            return pollers;
        }
        self.install(next, pollers)
    }

    /// The poll thread, while the producers are built anew and nothing is away: producers that wait
    /// to take over are the better ones.
    pub(super) fn take_over_broken(&self, pollers: Pollers) -> Result<Pollers, Pollers> {
        let next = self.renewal.lock().next.take();
        match next {
            Some(next) => Ok(self.install(next, pollers)),
            None => Err(pollers),
        }
    }

    fn install(&self, next: Next, old: Pollers) -> Pollers {
        let Next { producers, pollers, credentials, done, .. } = next;
        let mut state = self.renewal.lock();
        (state.current, state.refused) = (Some(credentials), None);
        drop(state);
        self.forget_faults();
        self.put_in_place(producers, old);
        let _ = done.send(());
        pollers
    }

    /// Shows the producers that were just built the login that came while they were.
    pub(super) fn show_newest_login(&self) {
        let state = self.renewal.lock();
        let login = state.current.as_ref().and_then(|current| current.login.as_ref());
        if let (Some(producers), Some(login)) = (self.producers(), login)
            && let Err(reason) = producers.set_login(login)
        {
            tracing::warn!(output = self.settings.alias, reason, "the login is not in place");
        }
    }

    /// Stops hand-overs and waits a little for what is away. True if all of it has settled.
    fn settled(&self, pollers: &mut Pollers) -> bool {
        self.halted.store(true, Ordering::SeqCst);
        // Whoever was handing over when the halt began is through when its lane is free.
        for lane in self.lanes().iter() {
            drop(lane.lock());
        }
        let end = Instant::now() + PAUSE_MAX;
        loop {
            // Producers that broke meanwhile are purged and replaced here as well as anywhere.
            if self.serve(pollers) {
                self.drain_purged(pollers);
            }
            if self.status.flying.load(Ordering::Acquire) == 0 {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// What was wrong with the credentials before says nothing about these.
    fn forget_faults(&self) {
        self.diagnosis.clear();
        *self.last_fault.lock().expect("nothing panics in it") = None;
    }

    /// Whether brokers refuse what is in place. librdkafka tells the same of a broker only twice a
    /// minute.
    fn is_refused(&self) -> bool {
        self.renewal.lock().refused.is_some_and(|refused| refused.elapsed() < REFUSED_FRESH)
    }
}

/// A login of its own with these credentials.
fn prove_login(recipe: &Recipe, credentials: &Credentials) -> Result<(), NotRenewed> {
    let bell = Arc::<Bell>::default();
    let made = recipe.client(credentials, Duration::ZERO, &bell);
    let (client, mut poller) = made.map_err(refused_by_librdkafka)?;
    let ask = |timeout| client.partitions(timeout).map(drop);
    prove(&recipe.topic, ask, |faults| faults.append(&mut poller.poll().errors))
}

/// Asks brokers about the topic until one has answered, whatever it says: it has let us in. librdkafka
/// goes on trying though it is refused, so `told`, what its error callback says meanwhile, ends it.
pub(super) fn prove(
    topic: &str,
    ask: impl Fn(Duration) -> Result<(), Fault>,
    mut told: impl FnMut(&mut Vec<Fault>),
) -> Result<(), NotRenewed> {
    let end = Instant::now() + PROOF_TIMEOUT;
    let mut faults = Vec::new();
    loop {
        let Err(fault) = ask(PROOF_STEP) else { return Ok(()) };
        if is_denied(fault.code) {
            // Let in, and not to this topic: rows would wait that flow now.
            let (_, cause) = Cause::of_record(fault.code, topic);
            return Err(NotRenewed { cause, unproven: false });
        }
        // What a broker says is positive, what librdkafka says negative.
        if fault.code > NO_ERROR {
            return Ok(());
        }
        told(&mut faults);
        let refusal = faults.iter().find(|fault| is_refusal(fault));
        if let Some(refusal) = refusal {
            let cause = Cause::of_fault(refusal, topic);
            return Err(NotRenewed { cause, unproven: false });
        }
        if Instant::now() >= end {
            // Why nobody answered stands in what was told.
            let told = faults.iter().rev().find(|fault| !is_all_down(fault.code));
            let cause = Cause::of_fault(told.unwrap_or(&fault), topic);
            return Err(NotRenewed { cause, unproven: true });
        }
    }
}

fn refused_by_librdkafka(reason: impl fmt::Display) -> NotRenewed {
    let text = format!("librdkafka does not take the credentials: {reason}");
    NotRenewed { cause: Cause::new("CREDENTIALS_UNUSABLE", text), unproven: false }
}

/// Runs what waits on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotRenewed> + Send + 'static,
) -> Result<T, NotRenewed> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        let cause = super::sink::stopped();
        Err(NotRenewed { cause, unproven: true })
    })
}
