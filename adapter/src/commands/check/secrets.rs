//! The identity, every reference of a job, and what the gRPC port is given.

use std::time::{Duration, SystemTime};

use keyvault::{Error, Found, KeySet, ObjectKind, Reference, Store, token::AccessToken};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::finding::{Line, Section};
use crate::{
    diagnose::{Facts, Finding, Outcome, certificate_facts, expires_soon},
    job::{Job, ListenTls, Login, Material, Output, TokenSource, Tokens},
    secrets::resolve_listener,
};

/// The identity's endpoint is being updated, which passes.
const UPDATING: &str = "IDENTITY_UPDATING";

/// Between questions to it.
const UPDATING_PAUSE: Duration = Duration::from_secs(2);

/// Asks for a token for each service that one is needed for, until `updated` if the identity's
/// endpoint says that it is being updated.
pub(super) async fn identity(job: &Job, store: &Store, updated: Instant) -> Vec<Line> {
    let asking = scopes(job).into_iter().map(|scope| {
        let store = store.clone();
        tokio::spawn(async move { token(&store, &scope, updated).await })
    });
    in_order(asking.collect()).await
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

/// Reads everything that the job refers to, all at once.
pub(super) async fn references(job: &Job, store: &Store, identity: &[Line]) -> Vec<Line> {
    let no_token = identity.iter().any(|line| matches!(line.outcome, Outcome::Failed(_)));
    let reading = all_references(job).into_iter().map(|reference| {
        let store = store.clone();
        tokio::spawn(async move {
            let skipped = no_token && matches!(reference, Reference::Vault(_));
            let read = if skipped { None } else { Some(store.get(&reference).await) };
            line(&reference, read)
        })
    });
    in_order(reading.collect()).await
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

/// The section of the gRPC port, if there is something to check.
pub(super) fn listener_section(job: &Job) -> Option<Section> {
    let title = format!("The port for callers, {}", job.grpc.address);
    let checked = job.grpc.tls.is_some() || job.grpc.tokens.is_some();
    checked.then(|| Section::new(title, &[("about", "listener")]))
}

/// What the gRPC port shows, whom it trusts, and the keys that callers' tokens are checked with.
pub(super) async fn listener(job: &Job, store: &Store) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(tls) = &job.grpc.tls {
        match resolve_listener(store, tls).await {
            Ok((pair, client_ca)) => {
                let leaf = pair.leaf();
                let soon = expires_soon(leaf, "the certificate", "CERTIFICATE_EXPIRES_SOON");
                let outcome = warned(certificate_facts(leaf), soon);
                lines.push(Line::new("CERTIFICATE", "certificate", outcome));
                lines.extend(notes("certificate", &pair.notes));
                if let Some(trust) = client_ca {
                    lines.push(authorities("clientCa", &trust));
                }
            }
            Err(error) => lines.push(Line::secret("CERTIFICATE", "certificate", error)),
        }
    }
    if let Some(tokens) = &job.grpc.tokens {
        let title = format!("the keys of {}", tokens.issuer);
        lines.push(match keys(tokens, store).await {
            Ok(()) => {
                Line::passed("TOKEN_KEYS", title, Facts::new(format!("at {}", tokens.keys_url)))
            }
            Err(error) => Line::secret("TOKEN_KEYS", title, error),
        });
    }
    lines
}

async fn keys(tokens: &Tokens, store: &Store) -> Result<(), Error> {
    let trust = match &tokens.truststore {
        Some(Material { source, password }) => {
            let found = store.get(source).await?;
            let password = match password {
                Some(password) => Some(store.get(password).await?.text()?),
                None => None,
            };
            let now = SystemTime::now();
            Some(keyvault::material::trust_store(&found, password.as_ref(), now)?)
        }
        None => None,
    };
    let keys = KeySet::new(&tokens.keys_url, trust.as_ref().map(|trust| trust.pem.as_str()))?;
    // Whichever is asked for, all are fetched.
    keys.key("").await.map(drop)
}

/// Facts, with a warning if there is one.
pub(super) fn warned(facts: Facts, warning: Option<Finding>) -> Outcome {
    match warning {
        None => Outcome::Passed(facts),
        Some(finding) => Outcome::Warned(facts, finding),
    }
}

/// What is no fault of a material, but may surprise.
pub(super) fn notes(title: &'static str, notes: &[String]) -> Vec<Line> {
    let line = |note: &String| {
        let finding = Finding::new("MATERIAL_NOTE", note.as_str(), "");
        Line::new("MATERIAL", title, Outcome::Warned(Facts::new("please note"), finding))
    };
    notes.iter().map(line).collect()
}

/// The authorities of a truststore; the one that ends first is named.
pub(super) fn authorities(title: &'static str, trust: &keyvault::material::TrustStore) -> Line {
    let count = trust.certificates.len();
    let first = trust.certificates.iter().min_by_key(|certificate| certificate.not_after);
    let Some(first) = first else {
        return Line::passed("TRUSTSTORE", title, Facts::new("empty"));
    };
    let facts = certificate_facts(first);
    let text = match count {
        1 => format!("one authority, {}", facts.text),
        _ => format!("{count} authorities, the first to expire is {}", facts.text),
    };
    let soon = expires_soon(first, "the authority", "AUTHORITY_EXPIRES_SOON");
    let facts = Facts { text, ..facts }.with("authorities", count);
    Line::new("TRUSTSTORE", title, warned(facts, soon))
}

/// What tokens of the identity are for: vaults, and brokers.
fn scopes(job: &Job) -> Vec<String> {
    let vaults = all_references(job).into_iter().filter_map(|reference| match reference {
        Reference::Vault(object) => Some(object.vault.scope()),
        Reference::Env(_) | Reference::File(_) | Reference::ClearTextForTests(_) => None,
    });
    let brokers = job.outputs.iter().filter_map(|output| match &output.security.login {
        Some(Login::Token(TokenSource::Identity { scope })) => Some(scope.clone()),
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
