//! Keeps the credentials of one output fresh while it writes.

use std::{sync::Arc, time::Duration};

use keyvault::{Error, Reference, Retry, Store};
use tokio::task::JoinHandle;

use super::{
    InUse, Reporter,
    report::days_left,
    resolve::{Issuers, TOKEN, resolve},
    watch::Watch,
};
use crate::{
    job::Output,
    kafka::{Cause, Credentials, NotRenewed, Sink},
};

/// The credentials of one output.
pub struct Renewal {
    store: Store,
    output: Output,
    sink: Arc<Sink>,
    watch: Watch,
    issuers: Issuers,
    reporter: Reporter,
    in_place: Option<Credentials>,
}

/// A renewal that runs; it ends when dropped.
pub struct Running(JoinHandle<()>);

impl Running {
    /// Runs until it is dropped.
    pub(super) fn of(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why a look has put nothing in place.
enum Failed {
    /// Something cannot be had.
    Missing(Error),
    /// The brokers, or librdkafka, do not take it.
    Refused(NotRenewed),
}

impl Renewal {
    /// The renewal of an output's credentials, which has none yet.
    pub fn new(
        store: &Store,
        output: &Output,
        sink: &Arc<Sink>,
        refresh: Duration,
        reporter: Reporter,
    ) -> Self {
        Self {
            store: store.clone(),
            output: output.clone(),
            sink: sink.clone(),
            watch: Watch::new(refresh, output.security.references()),
            issuers: Issuers::default(),
            reporter,
            in_place: None,
        }
    }

    /// Puts the first credentials in place, where they stand on this machine; those of a vault or
    /// an issuer come later, by [`Renewal::run`], so that nothing else waits for them.
    ///
    /// # Errors
    /// What only somebody on this machine can mend.
    pub async fn first(&mut self) -> Result<(), Error> {
        if !self.is_local() {
            return Ok(());
        }
        match self.look().await {
            Ok(()) => Ok(()),
            Err(Failed::Missing(error)) => Err(error),
            Err(Failed::Refused(NotRenewed { cause, .. })) => {
                let remedy = "check certificates and keys of this output";
                Err(Error::new(cause.code, cause.text, remedy))
            }
        }
    }

    /// Looks again and again.
    pub fn run(mut self) -> Running {
        Running::of(async move {
            let mut pause = match self.in_place {
                Some(_) => self.watch.pause(self.token_end()),
                None => self.attempt().await,
            };
            while !self.has_nothing_to_renew() {
                if self.watch.wait(pause, self.sink.refused()).await {
                    // Else the next look would find the same one, as long as it holds.
                    self.issuers.forget_token(&self.store, &self.output.security);
                }
                pause = self.attempt().await;
            }
        })
    }

    /// One look, told of. Returns the pause until the next.
    async fn attempt(&mut self) -> Duration {
        match self.look().await {
            Ok(()) => self.watch.pause(self.token_end()),
            Err(Failed::Missing(error)) => {
                let retry = error.retry;
                self.tell(Cause::new(error.code, error.to_string()));
                self.watch.pause_after(retry)
            }
            Err(Failed::Refused(NotRenewed { cause, .. })) => {
                self.tell(cause);
                self.watch.pause_after(Retry::Later(None))
            }
        }
    }

    /// Reads everything, and puts in place what is new.
    async fn look(&mut self) -> Result<(), Failed> {
        self.watch.looking();
        let read = resolve(&self.store, &self.output.security, &mut self.issuers).await;
        let (credentials, in_use) = read.map_err(Failed::Missing)?;
        if self.in_place.as_ref() == Some(&credentials) {
            self.reporter.confirmed(in_use);
            return Ok(());
        }
        self.sink.renew(credentials.clone()).await.map_err(Failed::Refused)?;
        let is_first = self.in_place.replace(credentials).is_none();
        let new = self.reporter.renewed(in_use);
        log(self.output.alias.as_str(), is_first, &new);
        Ok(())
    }

    fn tell(&self, cause: Cause) {
        let (code, text) = (cause.code, cause.text.clone());
        let output = self.output.alias.as_str();
        if self.in_place.is_none() {
            self.sink.missing_credentials(cause.clone());
            if self.reporter.failed(cause) {
                tracing::warn!(output, code, "the output has no credentials yet: {text}");
            }
        } else if self.reporter.failed(cause) {
            tracing::warn!(
                output,
                code,
                "newer credentials are not in place, those there stay: {text}"
            );
        }
    }

    fn token_end(&self) -> Option<std::time::SystemTime> {
        let token = self.in_place.as_ref().and_then(Credentials::token);
        token.map(|token| token.expires)
    }

    fn is_local(&self) -> bool {
        let security = &self.output.security;
        let vault = |reference: &Reference| matches!(reference, Reference::Vault(_));
        !security.uses_tokens() && !security.references().any(vault)
    }

    fn has_nothing_to_renew(&self) -> bool {
        let fixed = |reference: &Reference| {
            matches!(reference, Reference::Env(_) | Reference::ClearTextForTests(_))
        };
        let security = &self.output.security;
        !security.uses_tokens() && security.references().all(fixed)
    }
}

/// Says what is in place now, and what somebody should know about it.
pub(super) fn log(whose: &str, is_first: bool, new: &[InUse]) {
    // Tokens come and go by the hour, and say nothing that anybody waits for.
    for in_use in new.iter().filter(|new| new.purpose != TOKEN) {
        let InUse { purpose, source, version, subject, expires, notes, .. } = in_use;
        let (version, subject) = (version.as_deref(), subject.as_deref());
        let days = expires.map(days_left);
        if !is_first {
            tracing::info!(of = whose, purpose, version, subject, days, "renewed from {source}");
        }
        for note in notes {
            tracing::warn!(of = whose, purpose, subject, "{source}: {note}");
        }
    }
}
