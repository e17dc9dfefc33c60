//! Keeps the certificate of the gRPC port, and whom it trusts, fresh while it serves.

use std::{future::pending, time::Duration};

use keyvault::{
    Error, Retry, Store,
    material::{KeyPair, TrustStore},
};

use super::{
    InUse, Reporter,
    renewal::{Running, log},
    resolve::Reading,
    watch::Watch,
};
use crate::{job::ListenTls, kafka::Cause};

/// What the port shows, and whom it trusts.
pub struct Material {
    /// Its own certificate with the key.
    pub key_pair: KeyPair,
    /// The authorities whose client certificates it takes.
    pub client_ca: Option<TrustStore>,
}

/// What a look has found.
struct Looked {
    material: Material,
    /// Digests of all certificates: others are another material.
    versions: Vec<String>,
    in_use: Vec<InUse>,
}

/// The secrets of the port.
pub struct Listener {
    store: Store,
    tls: ListenTls,
    watch: Watch,
    reporter: Reporter,
    versions: Vec<String>,
}

impl Listener {
    /// The secrets that the job file names for the port.
    pub fn new(store: &Store, tls: &ListenTls, refresh: Duration, reporter: Reporter) -> Self {
        let watch = Watch::new(refresh, tls.references());
        let (store, tls) = (store.clone(), tls.clone());
        Self { store, tls, watch, reporter, versions: Vec::new() }
    }

    /// The first, without which there is nothing to serve. What a vault does not give now is asked
    /// for again until it does.
    ///
    /// # Errors
    /// What only somebody on this machine can mend.
    pub async fn first(&mut self) -> Result<Material, Error> {
        loop {
            match self.look().await {
                Ok(Looked { material, versions, in_use }) => {
                    return Ok(self.in_place(versions, in_use, material));
                }
                Err(error) if error.retry == Retry::Never => return Err(error),
                Err(error) => {
                    let pause = self.watch.pause_after(error.retry, None);
                    tracing::warn!(code = error.code, "the port has no certificate yet: {error}");
                    self.watch.wait(pause, pending()).await;
                }
            }
        }
    }

    /// Looks again and again, and gives what is new to `take`, which may refuse it.
    pub fn run(
        mut self,
        take: impl Fn(Material) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Running {
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

    async fn renew(&mut self, take: impl Fn(Material) -> Result<(), Error>) -> Result<(), Error> {
        let Looked { material, versions, in_use } = self.look().await?;
        if versions == self.versions {
            self.reporter.confirmed(in_use);
            return Ok(());
        }
        take(material)?;
        self.in_place(versions, in_use, ());
        Ok(())
    }

    /// Notes what is in place now.
    fn in_place<T>(&mut self, versions: Vec<String>, in_use: Vec<InUse>, material: T) -> T {
        let is_first = std::mem::replace(&mut self.versions, versions).is_empty();
        log("the gRPC port", is_first, &self.reporter.renewed(in_use));
        material
    }

    /// Says that what is there stays. Returns the pause until the next look.
    fn tell(&mut self, error: &Error) -> Duration {
        let (code, retry) = (error.code, error.retry);
        if self.reporter.failed(Cause::new(code, error.to_string())) {
            tracing::warn!(
                code,
                "a newer certificate of the port is not in place, the one there stays: {error}"
            );
        }
        self.watch.pause_after(retry, None)
    }

    /// Reads everything.
    async fn look(&mut self) -> Result<Looked, Error> {
        self.watch.looking().await;
        let mut reading = Reading::new(&self.store);
        let (key_pair, client_ca) = reading.listener(&self.tls).await?;
        let authorities = client_ca.iter().flat_map(|trust| &trust.certificates);
        let certificates = key_pair.chain.iter().chain(authorities);
        let versions = certificates.map(|certificate| certificate.sha256.clone()).collect();
        let material = Material { key_pair, client_ca };
        Ok(Looked { material, versions, in_use: reading.in_use })
    }
}
