//! The entrance of the gRPC port as a job file describes it: its certificate, kept fresh, and the
//! tokens that callers show.
use std::sync::Arc;

use keyvault::{Error, KeySet, Store};

use crate::{
    grpc::{Entrance, ServerTls, callers::TokenCheck},
    job::{Job, ListenTls, Tokens},
    secrets::{Reporter, Running, listener, trust_store},
};

/// Reads what the entrance needs. What comes with it keeps the certificate fresh until it is
/// dropped.
///
/// # Errors
/// What only somebody on this machine can mend. A vault that gives no certificate is asked again
/// until it does: without one there is nothing to serve.
pub async fn entrance(job: &Job, store: &Store) -> Result<(Entrance, Option<Running>), Error> {
    let (tls, running) = match &job.grpc.tls {
        Some(listen) => {
            let (tls, running) = server_tls(job, listen, store).await?;
            (Some(tls), Some(running))
        }
        None => (None, None),
    };
    let tokens = match &job.grpc.tokens {
        Some(tokens) => Some(token_check(tokens, store).await?),
        None => None,
    };
    Ok((Entrance::new(tls, tokens, job.grpc.reflection), running))
}

async fn server_tls(
    job: &Job,
    listen: &ListenTls,
    store: &Store,
) -> Result<(Arc<ServerTls>, Running), Error> {
    let mut renewal =
        listener::Listener::new(store, listen, job.secret_refresh, Reporter::default());
    let first = renewal.first().await?;
    let (key_pair, client_ca) = (&first.key_pair, first.client_ca.as_ref());
    let optional = listen.client_certificate_optional;
    let tls = Arc::new(ServerTls::new(key_pair, client_ca, optional)?);
    let renewed = tls.clone();
    let running = renewal.run(move |new| renewed.renew(&new.key_pair, new.client_ca.as_ref()));
    Ok((tls, running))
}

async fn token_check(tokens: &Tokens, store: &Store) -> Result<TokenCheck, Error> {
    let trust = match &tokens.truststore {
        Some(material) => Some(trust_store(store, "tokens.truststore", material).await?),
        None => None,
    };
    let keys = KeySet::new(&tokens.keys_url, trust.as_ref().map(|trust| &*trust.pem))?;
    Ok(TokenCheck::new(tokens.clone(), Arc::new(keys)))
}
