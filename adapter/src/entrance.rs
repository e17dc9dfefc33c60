//! The entrance of the gRPC port as a job file describes it: its certificate and the tokens that
//! callers show, both kept fresh.
use std::sync::Arc;

use keyvault::{Error, Store};

use crate::{
    grpc::{
        Entrance, ServerTls,
        callers::{IssuerKeys, TokenCheck},
    },
    job::{Job, ListenTls, Tokens},
    secrets::{Reporter, Running, listener::Upkeep},
};

/// What is known of what the port shows and trusts.
#[derive(Clone, Default)]
pub struct Told {
    /// Of its certificate and of `clientCa`.
    pub certificate: Reporter,
    /// Of `tokens.truststore`.
    pub token_trust: Reporter,
}

/// The entrance, and what keeps it fresh until it is dropped.
pub struct Kept {
    /// Who may call, and how.
    pub entrance: Entrance,
    /// The renewals.
    pub running: Vec<Running>,
}

/// Reads what the entrance needs.
///
/// # Errors
/// What only somebody on this machine can mend. A vault that gives nothing is asked again until it
/// does: without a certificate there is nothing to serve, and without trust no token is checked.
pub async fn entrance(job: &Job, store: &Store, told: &Told) -> Result<Kept, Error> {
    let tls = async {
        match &job.grpc.tls {
            Some(listen) => server_tls(job, listen, store, &told.certificate).await.map(Some),
            None => Ok(None),
        }
    };
    let tokens = async {
        match &job.grpc.tokens {
            Some(tokens) => token_check(job, tokens, store, &told.token_trust).await.map(Some),
            None => Ok(None),
        }
    };
    let (tls, tokens) = tokio::try_join!(tls, tokens)?;
    let (tls, tls_running) = tls.unzip();
    let (tokens, tokens_running) = tokens.unzip();
    let entrance = Entrance::new(tls, tokens, job.grpc.reflection);
    let entrance = entrance.with_connection_age(job.grpc.connection_age);
    let running = tls_running.into_iter().chain(tokens_running.flatten()).collect();
    Ok(Kept { entrance, running })
}

async fn server_tls(
    job: &Job,
    listen: &ListenTls,
    store: &Store,
    reporter: &Reporter,
) -> Result<(Arc<ServerTls>, Running), Error> {
    let mut upkeep = Upkeep::port(store, listen, job.secret_refresh, reporter.clone());
    let (key_pair, client_ca) = upkeep.first().await?;
    let optional = listen.client_certificate_optional;
    let tls = Arc::new(ServerTls::new(&key_pair, client_ca.as_ref(), optional)?);
    let renewed = tls.clone();
    let running = upkeep.run(move |(key_pair, client_ca)| {
        let taken = renewed.renew(&key_pair, client_ca.as_ref());
        Box::pin(std::future::ready(taken))
    });
    Ok((tls, running))
}

async fn token_check(
    job: &Job,
    tokens: &Tokens,
    store: &Store,
    reporter: &Reporter,
) -> Result<(TokenCheck, Option<Running>), Error> {
    let Some(trust) = &tokens.truststore else {
        let keys = IssuerKeys::new(&tokens.keys_url, None)?;
        return Ok((TokenCheck::new(tokens.clone(), Arc::new(keys)), None));
    };
    let mut upkeep = Upkeep::token_trust(store, trust, job.secret_refresh, reporter.clone());
    let first = upkeep.first().await?;
    let keys = Arc::new(IssuerKeys::new(&tokens.keys_url, Some(&first.pem))?);
    let renewed = keys.clone();
    let running = upkeep.run(move |trust| {
        let renewed = renewed.clone();
        Box::pin(async move { renewed.renew(&trust.pem).await })
    });
    Ok((TokenCheck::new(tokens.clone(), keys), Some(running)))
}
