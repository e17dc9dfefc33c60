//! Keeps what the gRPC port is made of fresh while it serves: its certificate with those whom it
//! trusts, and those who vouch for the place where the keys of callers' tokens are.

use std::{future::pending, pin::Pin, time::Duration};

use keyvault::{
    Error, Retry, Store,
    material::{CertificateInfo, KeyPair, TrustStore},
};

use super::{
    InUse, Reporter,
    renewal::{Running, log},
    resolve::Reading,
    watch::Watch,
};
use crate::{
    job::{ListenTls, Material},
    kafka::Cause,
};

/// The certificate of the port, and whose client certificates it takes.
pub type PortMaterial = (KeyPair, Option<TrustStore>);

/// A part of the port that is made of secrets.
pub struct Upkeep<M> {
    /// What the log calls it.
    name: &'static str,
    read: Read<M>,
    /// All of its certificates: with others it is another material.
    certificates: Certificates<M>,
    store: Store,
    watch: Watch,
    reporter: Reporter,
    versions: Vec<String>,
}

/// Reads a part.
type Read<M> = Box<dyn for<'a> Fn(&'a mut Reading<'_>) -> Task<'a, M> + Send + Sync>;

/// The certificates of a part.
type Certificates<M> = fn(&M) -> Vec<&CertificateInfo>;

/// Something that may fail.
type Task<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Takes new material, or refuses it.
pub type Taking = Task<'static, ()>;

/// What a look has found.
struct Looked<M> {
    material: M,
    /// Digests of all certificates.
    versions: Vec<String>,
    in_use: Vec<InUse>,
}

impl Upkeep<PortMaterial> {
    /// The certificate of the port with those whom it trusts; what becomes of them is told to
    /// `reporter`.
    pub fn port(store: &Store, tls: &ListenTls, refresh: Duration, reporter: Reporter) -> Self {
        let watch = Watch::new(refresh, tls.references());
        let tls = tls.clone();
        let read: Read<PortMaterial> = Box::new(move |reading| {
            let tls = tls.clone();
            Box::pin(async move { reading.listener(&tls).await })
        });
        let certificates: Certificates<PortMaterial> = |(key_pair, client_ca)| {
            let authorities = client_ca.iter().flat_map(|trust| &trust.certificates);
            key_pair.chain.iter().chain(authorities).collect()
        };
        Self::new("the gRPC port", store, watch, reporter, read, certificates)
    }
}

impl Upkeep<TrustStore> {
    /// Those who vouch for the keys of callers' tokens; what becomes of them is told to `reporter`.
    pub fn token_trust(
        store: &Store,
        trust: &Material,
        refresh: Duration,
        reporter: Reporter,
    ) -> Self {
        let watch = Watch::new(refresh, trust.references());
        let trust = trust.clone();
        let read: Read<TrustStore> = Box::new(move |reading| {
            let trust = trust.clone();
            Box::pin(async move { reading.trust_store("tokens.truststore", &trust).await })
        });
        let certificates: Certificates<TrustStore> = |trust| trust.certificates.iter().collect();
        Self::new("the keys of callers' tokens", store, watch, reporter, read, certificates)
    }
}

impl<M: Send + 'static> Upkeep<M> {
    fn new(
        name: &'static str,
        store: &Store,
        watch: Watch,
        reporter: Reporter,
        read: Read<M>,
        certificates: Certificates<M>,
    ) -> Self {
        let (store, versions) = (store.clone(), Vec::new());
        Self { name, read, certificates, store, watch, reporter, versions }
    }

    /// The first, without which there is nothing to serve. What a vault does not give now is asked
    /// for again until it does.
    ///
    /// # Errors
    /// What only somebody on this machine can mend.
    pub async fn first(&mut self) -> Result<M, Error> {
        let (of, mut has_waited) = (self.name, false);
        loop {
            let error = match self.look().await {
                Ok(Looked { material, versions, in_use }) => {
                    self.in_place(versions, in_use);
                    if has_waited {
                        tracing::info!(of, "what was missing is there");
                    }
                    return Ok(material);
                }
                Err(error) => error,
            };
            if error.retry == Retry::Never {
                return Err(error);
            }
            has_waited = true;
            let code = error.code;
            if self.reporter.failed(Cause::new(code, error.to_string())) {
                tracing::warn!(of, code, "nobody can connect before this is there: {error}");
            }
            let pause = self.watch.pause_after(error.retry, None);
            self.watch.wait(pause, pending()).await;
        }
    }

    /// Looks again and again, and gives what is new to `take`.
    pub fn run(mut self, take: impl Fn(M) -> Taking + Send + Sync + 'static) -> Running {
        Running::of(async move {
            let mut pause = self.watch.pause(None);
            loop {
                self.watch.wait(pause, pending()).await;
                pause = match self.renew(&take).await {
                    Ok(()) => self.watch.pause(None),
                    Err(error) => self.tell(&error),
                };
            }
        })
    }

    async fn renew(&mut self, take: impl Fn(M) -> Taking) -> Result<(), Error> {
        let Looked { material, versions, in_use } = self.look().await?;
        if versions == self.versions {
            self.reporter.confirmed(in_use);
            return Ok(());
        }
        take(material).await?;
        self.in_place(versions, in_use);
        Ok(())
    }

    /// Notes what is in place now.
    fn in_place(&mut self, versions: Vec<String>, in_use: Vec<InUse>) {
        let is_first = std::mem::replace(&mut self.versions, versions).is_empty();
        log(self.name, is_first, &self.reporter.renewed(in_use));
    }

    /// Says that what is there stays. Returns the pause until the next look.
    fn tell(&mut self, error: &Error) -> Duration {
        let (of, code, retry) = (self.name, error.code, error.retry);
        if self.reporter.failed(Cause::new(code, error.to_string())) {
            tracing::warn!(of, code, "what is newer is not in place, what is there stays: {error}");
        }
        self.watch.pause_after(retry, None)
    }

    /// Reads everything.
    async fn look(&mut self) -> Result<Looked<M>, Error> {
        self.watch.looking().await;
        let mut reading = Reading::new(&self.store);
        let material = (self.read)(&mut reading).await?;
        let in_use = reading.in_use;
        let certificates = (self.certificates)(&material).into_iter();
        let versions = certificates.map(|certificate| certificate.sha256.clone()).collect();
        Ok(Looked { material, versions, in_use })
    }
}
