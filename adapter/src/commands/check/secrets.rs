//! The identity's tokens, and every reference of a job.

use std::time::{Duration, SystemTime};

use keyvault::{Error, Found, ObjectKind, Reference, Store, token::AccessToken};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    finding::Line,
    lacking::{Lacking, Missing},
};
use crate::{
    diagnose::{Facts, Finding, Outcome},
    job::{Job, ListenTls, Login, Material, Output, TokenSource},
};

/// The identity's endpoint is being updated, which passes.
const UPDATING: &str = "IDENTITY_UPDATING";

/// Between questions to it.
const UPDATING_PAUSE: Duration = Duration::from_secs(2);

/// What the secrets of a job are read with, what is told of them, and what cannot be had.
pub(super) struct Secrets {
    pub(super) store: Store,
    pub(super) lines: Vec<Line>,
    pub(super) lacking: Lacking,
}

/// Asks for a token for each service that one is needed for, until `updated` if the identity's
/// endpoint says that it is being updated; then reads everything that the job refers to.
pub(super) async fn read(job: &Job, updated: Instant) -> Secrets {
    let mut lacking = Lacking::default();
    let (store, mut lines) = match Store::new(job.identity.clone()) {
        Ok(store) => {
            let lines = tokens(job, &store, updated, &mut lacking).await;
            (store, lines)
        }
        Err(error) => {
            let line = Line::secret("IDENTITY", "the identity", error);
            for scope in scopes(job) {
                lacking.tokens.extend(Missing::of(&line).map(|missing| (scope, missing)));
            }
            // What is local can be read by anybody.
            (Store::new(None).expect("a store without an identity needs nothing"), vec![line])
        }
    };
    lines.extend(references(job, &store, &mut lacking).await);
    if lines.is_empty() {
        let facts = Facts::new("the job file refers to none");
        lines.push(Line::passed("SECRET", "secrets", facts));
    }
    Secrets { store, lines, lacking }
}

async fn tokens(job: &Job, store: &Store, updated: Instant, lacking: &mut Lacking) -> Vec<Line> {
    let scopes = scopes(job);
    let asking = scopes.iter().cloned().map(|scope| {
        let store = store.clone();
        tokio::spawn(async move { token(&store, &scope, updated).await })
    });
    let lines = in_order(asking.collect()).await;
    for (scope, line) in scopes.into_iter().zip(&lines) {
        lacking.tokens.extend(Missing::of(line).map(|missing| (scope, missing)));
    }
    lines
}

async fn token(store: &Store, scope: &str, updated: Instant) -> Line {
    let title = format!("the identity's token for {}", scope.trim_end_matches("/.default"));
    loop {
        match store.token(scope).await {
            Ok(token) => return Line::passed("IDENTITY", title, token_facts(&token)),
            Err(error) if error.code == UPDATING && Instant::now() < updated => {
                sleep(UPDATING_PAUSE).await;
            }
            Err(error) => return Line::secret("IDENTITY", title, error),
        }
    }
}

/// What tasks that run at once have found.
async fn in_order(running: Vec<JoinHandle<Line>>) -> Vec<Line> {
    let mut lines = Vec::new();
    for running in running {
        lines.push(running.await.expect("nothing panics in it"));
    }
    lines
}

fn token_facts(token: &AccessToken) -> Facts {
    let left = token.expires.duration_since(SystemTime::now()).unwrap_or_default();
    let minutes = left.as_secs() / 60;
    let whose = token.principal.as_deref();
    let text = match whose {
        Some(principal) => format!("of {principal}, {minutes} minutes left"),
        None => format!("{minutes} minutes left"),
    };
    Facts::new(text).with("principal", whose).with("minutesLeft", minutes)
}

/// Reads everything that the job refers to, all at once; but nothing of a vault that there is no
/// token for.
async fn references(job: &Job, store: &Store, lacking: &mut Lacking) -> Vec<Line> {
    let references = all_references(job);
    let without: Vec<_> = references.iter().map(|of| lacking.token_of(of).cloned()).collect();
    let reading = references.iter().zip(&without).map(|(reference, without)| {
        let (store, reference) = (store.clone(), reference.clone());
        let skipped = without.is_some();
        tokio::spawn(async move {
            let read = if skipped { None } else { Some(store.get(&reference).await) };
            line(&reference, read)
        })
    });
    let lines = in_order(reading.collect()).await;
    for ((reference, without), line) in references.into_iter().zip(without).zip(&lines) {
        let missing = without.or_else(|| Missing::of(line));
        lacking.references.extend(missing.map(|missing| (reference, missing)));
    }
    lines
}

fn line(reference: &Reference, read: Option<Result<Found, Error>>) -> Line {
    let (step, title) = ("SECRET", reference.to_string());
    let found = match read {
        None => {
            let why = "the identity has no token for it".to_owned();
            return Line::new(step, title, Outcome::NotChecked(why));
        }
        Some(Err(error)) => return Line::secret(step, title, error),
        Some(Ok(found)) => found,
    };
    let facts = match reference {
        Reference::Vault(object) => {
            let text = format!("read, version {}", found.version);
            let kind = match object.kind {
                ObjectKind::Secret => "secret",
                ObjectKind::Certificate => "certificate",
            };
            Facts::new(text).with("kind", kind).with("version", found.version.as_str())
        }
        Reference::Env(_) | Reference::File(_) | Reference::ClearTextForTests(_) => {
            Facts::new("read")
        }
    };
    let expired = found.expires.is_some_and(|end| end <= SystemTime::now());
    if expired {
        let text = format!("{title} has expired, as the vault says, which hands it out anyway");
        let warning = Finding::new("SECRET_EXPIRED", text, "renew it in the vault");
        return Line::new(step, title, Outcome::Warned(facts, warning));
    }
    Line::passed(step, title, facts)
}

/// What tokens of the identity are for: vaults, and brokers.
fn scopes(job: &Job) -> Vec<String> {
    let vaults = all_references(job).into_iter().filter_map(|reference| match reference {
        Reference::Vault(object) => Some(object.vault.scope()),
        Reference::Env(_) | Reference::File(_) | Reference::ClearTextForTests(_) => None,
    });
    let brokers = job.outputs.iter().filter_map(|output| match &output.security.login {
        Some(Login::Token(TokenSource::Identity { scope, .. })) => Some(scope.clone()),
        _ => None,
    });
    distinct(vaults.chain(brokers))
}

fn all_references(job: &Job) -> Vec<Reference> {
    let tls = job.grpc.tls.iter().flat_map(ListenTls::references);
    let tokens = job.grpc.tokens.iter().flat_map(|tokens| &tokens.truststore);
    let tokens = tokens.flat_map(Material::references);
    let outputs = job.outputs.iter().flat_map(|output: &Output| output.security.references());
    distinct(tls.chain(tokens).chain(outputs).cloned())
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut distinct, item| {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
        distinct
    })
}
