//! Keeps the credentials of one output fresh while it writes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyvault::{Error, Reference, Retry, Store};
use tokio::task::JoinHandle;

use super::{
    InUse, Reporter,
    report::days_left,
    resolve::{Issuers, TOKEN, renew_token, resolve},
    watch::Watch,
};
use crate::{
    job::{Login, Output, TokenSource},
    kafka::{Cause, Credentials, NotRenewed, Sink, credentials},
};

/// What becomes of good key material in time.
const OUT_OF_DATE: [&str; 2] = ["CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_YET_VALID"];

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

impl Failed {
    /// What to say of it, and when to try again.
    fn told(self) -> (Cause, Retry) {
        match self {
            Self::Missing(error) => (Cause::new(error.code, error.to_string()), error.retry),
            Self::Refused(NotRenewed { cause, .. }) => (cause, Retry::Later(None)),
        }
    }
}

/// What was read is not taken.
fn refused(cause: Cause) -> Error {
    Error::new(cause.code, cause.text, "check certificates and keys of this output")
}

/// What was asked for has not come.
fn slow(within: Duration) -> Error {
    let text = format!("its credentials could not be read within {} s", within.as_secs());
    let remedy = "see that the vault and the identity endpoint answer, with `kafka-output check`";
    Error::new("CREDENTIALS_SLOW", text, remedy).later(None)
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
    /// What only somebody on this machine can mend, and is wrong from the beginning. A certificate
    /// that has expired was right once: the service may be starting again, and other outputs do not
    /// wait for it.
    pub async fn first(&mut self) -> Result<(), Error> {
        if !self.is_local() {
            return Ok(());
        }
        match self.look().await {
            Ok(()) => Ok(()),
            Err(Failed::Missing(error)) if OUT_OF_DATE.contains(&error.code) => {
                self.tell(Cause::new(error.code, error.to_string()));
                Ok(())
            }
            Err(Failed::Missing(error)) => Err(error),
            Err(Failed::Refused(NotRenewed { cause, .. })) => Err(refused(cause)),
        }
    }

    /// Puts the first credentials in place, wherever they stand, within this time. For an output that
    /// takes the place of one that works.
    ///
    /// # Errors
    /// Whatever is wrong with them.
    pub async fn demand(&mut self, within: Duration) -> Result<(), Error> {
        let looked = tokio::time::timeout(within, self.look()).await;
        looked.map_err(|_| slow(within))?.map_err(|failed| match failed {
            Failed::Missing(error) => error,
            Failed::Refused(NotRenewed { cause, .. }) => refused(cause),
        })
    }

    /// Looks again and again.
    pub fn run(mut self) -> Running {
        Running::of(async move {
            let mut pause = match self.in_place {
                Some(_) => self.watch.pause(self.token_end()),
                None => self.attempt().await,
            };
            // A certificate may begin to hold, and a clock be set.
            while self.in_place.is_none() || !self.has_nothing_to_renew() {
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
        let (mut cause, retry) = match self.look().await {
            Ok(()) => match self.token_trouble() {
                None => return self.watch.pause(self.token_end()),
                Some(error) => (Cause::new(error.code, error.to_string()), error.retry),
            },
            Err(failed) => {
                let (mut cause, retry) = failed.told();
                // A token ends by itself, whatever else is wrong.
                if let Some(more) = self.look_for_token().await.err().map(|failed| failed.told().0)
                    && more.code != cause.code
                {
                    cause.text.push_str(&format!("; nor is there a newer token: {}", more.text));
                }
                (cause, retry)
            }
        };
        if let Some(end) = self.token_end() {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
            cause.text.push_str(&format!("; the token in place holds for {left} s"));
        }
        self.tell(cause);
        self.watch.pause_after(retry, self.token_end())
    }

    /// Reads everything, and puts in place what is new.
    async fn look(&mut self) -> Result<(), Failed> {
        self.watch.looking().await;
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

    /// Puts a newer token in place beside what is there.
    async fn look_for_token(&mut self) -> Result<(), Failed> {
        // What the brokers are shown may be newer than what was last confirmed.
        let (Some(source), Some(in_place)) = (self.token_source(), self.sink.credentials()) else {
            return Ok(());
        };
        let Some(last) = in_place.token() else { return Ok(()) };
        let fresh = renew_token(&self.store, source, &self.issuers, last).await;
        let (token, in_use) = fresh.map_err(Failed::Missing)?;
        if token == *last {
            return self.token_trouble().map_or(Ok(()), |error| Err(Failed::Missing(error)));
        }
        let login = Some(credentials::Login::Token(token));
        let credentials = Credentials { login, ..in_place.clone() };
        self.sink.renew(credentials.clone()).await.map_err(Failed::Refused)?;
        self.in_place = Some(credentials);
        self.reporter.token_renewed(in_use);
        Ok(())
    }

    /// Why the token in place is not a newer one, although it was time for one.
    fn token_trouble(&self) -> Option<Error> {
        match self.token_source()? {
            TokenSource::Identity { scope, .. } => self.store.token_trouble(scope),
            TokenSource::ClientCredentials { .. } => self.issuers.trouble(),
        }
    }

    fn token_source(&self) -> Option<&TokenSource> {
        match &self.output.security.login {
            Some(Login::Token(source)) => Some(source),
            Some(Login::Password { .. }) | None => None,
        }
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
            tracing::warn!(output, code, "credentials: {text}");
        }
    }

    fn token_end(&self) -> Option<SystemTime> {
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
        let InUse { purpose, source, version, subject, expires, notes, ends_soon, .. } = in_use;
        let (version, subject) = (version.as_deref(), subject.as_deref());
        let days = expires.map(days_left);
        if !is_first {
            tracing::info!(of = whose, purpose, version, subject, days, "renewed from {source}");
        }
        if let Some((code, text)) = ends_soon {
            tracing::warn!(of = whose, purpose, code, "{source}: {text}");
        }
        for note in notes {
            let code = "MATERIAL_NOTE";
            tracing::warn!(of = whose, code, purpose, subject, "{source}: {note}");
        }
    }
}
