//! The gRPC port: what it shows, whom it trusts, and the keys that callers' tokens are judged by.

use keyvault::{Error, KeySet, Store};

use super::{
    finding::{Line, Section},
    lacking::Lacking,
    material::{authorities, own},
};
use crate::{
    diagnose::Facts,
    job::{Job, ListenTls, Material, Tokens},
    secrets::{resolve_listener, trust_store},
};

/// The section of the port, if there is something to check.
pub(super) fn section(job: &Job) -> Option<Section> {
    let title = format!("The port for callers, {}", job.grpc.address);
    let checked = job.grpc.tls.is_some() || job.grpc.tokens.is_some();
    checked.then(|| Section::new(title, &[("about", "listener")]))
}

/// Looks at all of it, whatever is wrong with a part.
pub(super) async fn look(job: &Job, store: &Store, lacking: &Lacking) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(tls) = &job.grpc.tls {
        lines.extend(certificate(tls, store, lacking).await);
        if let Some(source) = &tls.client_ca {
            lines.extend(client_ca(source, store, lacking).await);
        }
    }
    if let Some(tokens) = &job.grpc.tokens {
        lines.push(token_keys(tokens, store, lacking).await);
    }
    lines
}

async fn certificate(tls: &ListenTls, store: &Store, lacking: &Lacking) -> Vec<Line> {
    const STEP: &str = "CERTIFICATE";
    const TITLE: &str = "certificate";
    if let Some(line) = lacking.for_references(STEP, TITLE, tls.certificate.references()) {
        return vec![line];
    }
    let alone = ListenTls { client_ca: None, ..tls.clone() };
    match resolve_listener(store, &alone).await {
        Ok((pair, _)) => own(STEP, TITLE, &pair, "CERTIFICATE_EXPIRES_SOON"),
        Err(error) => vec![Line::secret(STEP, TITLE, error)],
    }
}

async fn client_ca(source: &Material, store: &Store, lacking: &Lacking) -> Vec<Line> {
    const STEP: &str = "TRUSTSTORE";
    const TITLE: &str = "clientCa";
    if let Some(line) = lacking.for_references(STEP, TITLE, source.references()) {
        return vec![line];
    }
    match trust_store(store, "tls.clientCa", source).await {
        Ok(trust) => authorities(TITLE, &trust),
        Err(error) => vec![Line::secret(STEP, TITLE, error)],
    }
}

async fn token_keys(tokens: &Tokens, store: &Store, lacking: &Lacking) -> Line {
    const STEP: &str = "TOKEN_KEYS";
    let title = format!("the keys of {}", tokens.issuer);
    let references = tokens.truststore.iter().flat_map(Material::references);
    if let Some(line) = lacking.for_references(STEP, &title, references) {
        return line;
    }
    match keys(tokens, store).await {
        Ok(()) => Line::passed(STEP, title, Facts::new(format!("at {}", tokens.keys_url))),
        Err(error) => Line::secret(STEP, title, error),
    }
}

async fn keys(tokens: &Tokens, store: &Store) -> Result<(), Error> {
    let trust = match &tokens.truststore {
        Some(source) => Some(trust_store(store, "tokens.truststore", source).await?),
        None => None,
    };
    let keys = KeySet::new(&tokens.keys_url, trust.as_ref().map(|trust| trust.pem.as_str()))?;
    // Whichever is asked for, all are fetched.
    keys.key("").await.map(drop)
}
