//! Other credentials for a living output: proven first, then put in place without a row lost,
//! doubled or out of order.
//!
//! A password or a token goes into the living producers, which show it at their next login.
//! Certificates are read once by librdkafka, so other producers are made and connected beside the
//! old ones, and all that is handed over from then on goes to them. Nothing pauses: each partition
//! has one batch away, and its next goes when that one is answered for, whoever had it.
//!
//! The old producers leave when they hold nothing any more (see [`super::leaving`]), and only then
//! are the new credentials said to be in place: from then on nobody needs the old ones.
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use super::{
    cause::{Cause, is_all_down, is_denied, is_refusal},
    client::{Bell, Fault, NO_ERROR},
    credentials::{Change, Credentials},
    leaving::Served,
    producers::{Pollers, Producers, Recipe},
    sink::{Inner, Sink, stopped},
};

/// How long brokers may take to let a producer in that shows new credentials.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);

/// Between looks at what librdkafka says about it.
const PROOF_STEP: Duration = Duration::from_millis(500);

/// How long a change may take to settle before somebody is told that it has not.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

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
    /// Changes that are not over.
    unsettled: watch::Sender<u32>,
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
    unsettled: Unsettled,
}

/// A change of producers that is not over; it is when this is dropped.
pub(super) struct Unsettled(watch::Sender<u32>);

impl Unsettled {
    fn new(count: &watch::Sender<u32>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
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
            Some(Change::None) => inner.settled().await,
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
                inner.set_login(credentials)?;
                // Certificates before these may still be needed.
                inner.settled().await
            }
            Some(Change::Producer) => inner.bring(credentials, true).await,
            None => inner.bring(credentials, false).await,
        }
    }

    /// What producers are made with, if there is anything.
    pub fn credentials(&self) -> Option<Credentials> {
        self.inner.renewal.in_place()
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

    /// Whether producers with these wait to take over.
    fn awaits(&self, credentials: &Credentials) -> bool {
        self.lock().next.as_ref().is_some_and(|next| next.credentials == *credentials)
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
    /// What producers are made with, if there is anything.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.renewal.in_place()
    }

    /// Why there is nothing.
    pub(super) fn missing_credentials(&self) -> Cause {
        self.renewal.missing().0
    }

    /// Another login for the living producers, and for those that are made after them.
    fn set_login(&self, credentials: Credentials) -> Result<(), NotRenewed> {
        let mut state = self.renewal.lock();
        if let (Some(producers), Some(login)) = (self.producers(), &credentials.login) {
            producers.set_login(login).map_err(refused_by_librdkafka)?;
            // They may have to log in once more for what they hold. Where they log in in another
            // way they do not take it.
            let leaving = self.leaving();
            leaving.iter().for_each(|producers| drop(producers.set_login(login)));
            // Whoever lets go last waits for its threads.
            drop(tokio::task::spawn_blocking(move || drop(leaving)));
        }
        (state.current, state.refused) = (Some(credentials), None);
        drop(state);
        self.transactions.login_changed();
        self.forget_faults();
        self.kick();
        Ok(())
    }

    /// Makes producers with these credentials, has them let in, gives them to the poll thread, and
    /// waits until they have taken over and those before them have left.
    async fn bring(&self, credentials: Credentials, proven: bool) -> Result<(), NotRenewed> {
        if !self.renewal.awaits(&credentials) {
            let next = self.prepare(credentials, proven).await?;
            let replaced = self.renewal.lock().next.replace(next);
            // Destroying a producer waits for its threads.
            drop(tokio::task::spawn_blocking(move || drop(replaced)));
            self.bell.ring();
        }
        self.settled().await
    }

    async fn prepare(&self, credentials: Credentials, proven: bool) -> Result<Next, NotRenewed> {
        let (recipe, bell) = (self.settings.recipe.clone(), self.bell.clone());
        let count = self.renewal.unsettled.clone();
        blocking(move || {
            let made = Producers::new(&recipe, &credentials, &bell);
            let (producers, mut pollers) = made.map_err(refused_by_librdkafka)?;
            if proven {
                let ask = |timeout| producers.partitions(timeout).map(drop);
                prove(&recipe.topic, ask, |faults: &mut Vec<Fault>| {
                    pollers.poll(|reports| faults.append(&mut reports.errors));
                })?;
            }
            let unsettled = Unsettled::new(&count);
            Ok(Next { producers, pollers, credentials, unsettled })
        })
        .await
    }

    /// Waits until nothing needs earlier credentials any more.
    async fn settled(&self) -> Result<(), NotRenewed> {
        let mut unsettled = self.renewal.unsettled.subscribe();
        let is_over = unsettled.wait_for(|changes| *changes == 0);
        if timeout(SETTLED_WITHIN, is_over).await.is_ok() {
            return Ok(());
        }
        let text = "newer credentials are there, and records still wait for their brokers' answers \
                    on connections with the earlier ones. Withdraw those only when this is over; \
                    look at the brokers that do not answer";
        Err(NotRenewed { cause: Cause::new("CREDENTIALS_SETTLING", text), unproven: true })
    }

    /// The poll thread: lets producers take over that wait to. True if some did.
    pub(super) fn take_over(&self, served: &mut Served) -> bool {
        if !served.has_room() {
            return false;
        }
        let mut state = self.renewal.lock();
        let Some(next) = state.next.take() else { return false };
        let Next { producers, pollers, credentials, unsettled } = next;
        state.current = Some(credentials);
        let refused = state.refused.take();
        drop(state);
        self.forget_faults();
        self.transactions.producer_changed(|| Unsettled::new(&self.renewal.unsettled));
        self.put_in_place(producers, pollers, served, refused, Some(unsettled));
        true
    }

    /// Shows the producers that were just built the login that came while they were.
    pub(super) fn show_newest_login(&self) {
        let state = self.renewal.lock();
        let login = state.current.as_ref().and_then(|current| current.login.as_ref());
        if let (Some(producers), Some(login)) = (self.producers(), login)
            && let Err(reason) = producers.set_login(login)
        {
            let (output, code) = (&self.settings.alias, "CREDENTIALS_UNUSABLE");
            tracing::warn!(output, code, reason, "the login is not in place");
        }
    }

    /// What was wrong with the credentials before says nothing about these.
    fn forget_faults(&self) {
        self.diagnosis.clear();
        *self.last_fault.lock().expect("nothing panics in it") = None;
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

/// Asks brokers about the topic until one has answered, whatever it says: it has let us in.
/// librdkafka goes on trying though it is refused, so `told`, what its error callback says meanwhile,
/// ends it.
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
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(NotRenewed { cause: stopped(), unproven: true }))
}
