//! Reads references, wherever they point.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::Client;

use super::{
    Error, Found, Identity, Reference, VaultObject, VaultUrl,
    files::Files,
    flight::Flights,
    http,
    identity::{Credential, Scoped},
    read_local,
    token::{AccessToken, TokenCache},
    vault::Vault,
};

/// Reads references: local ones, and those to vaults by one identity. Its clones share connections
/// and tokens.
///
/// It needs a Tokio runtime. Whoever asks has an answer within 15 seconds, and may stop waiting at
/// any time.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    azure: Option<Azure>,
    files: Files,
    reads: Flights<Result<Found, Error>>,
}

/// What it takes to ask Azure.
struct Azure {
    credential: Credential,
    http: Client,
    tokens: Mutex<HashMap<String, TokenCache<Scoped>>>,
    vaults: Mutex<HashMap<VaultUrl, Arc<Vault>>>,
}

impl Store {
    /// A store that asks vaults as `identity`; without one it only reads what is local. Nobody is
    /// asked yet.
    ///
    /// # Errors
    /// When the machine has no certificate authorities to trust.
    pub fn new(identity: Option<Identity>) -> Result<Self, Error> {
        let files = Files::default();
        let azure = identity.map(|identity| Azure::new(identity, files.clone())).transpose()?;
        Ok(Self(Arc::new(Inner { azure, files, reads: Flights::default() })))
    }

    /// Reads what stands where `reference` points, anew each time. Those who ask for the same
    /// object at the same time share one request.
    ///
    /// # Errors
    /// Names the object, the fault and what to do.
    pub async fn get(&self, reference: &Reference) -> Result<Found, Error> {
        match reference {
            Reference::File(_) => self.0.files.get(reference).await,
            Reference::Vault(object) => {
                let place = reference.to_string();
                let vault = self.azure(&place)?.vault(&object.vault)?;
                let read = self.0.reads.join(&place, || read(vault, object.clone())).await;
                read.unwrap_or_else(|| Err(Error::failed(&place)))
            }
            Reference::Env(_) | Reference::ClearTextForTests(_) => read_local(reference),
        }
    }

    /// A token of the identity for a scope such as
    /// `https://contoso.servicebus.windows.net/.default`: one that holds, fetched at most once for
    /// all who ask, renewed before it ends.
    ///
    /// # Errors
    /// Names the identity, the fault and what to do.
    pub async fn token(&self, scope: &str) -> Result<AccessToken, Error> {
        self.azure("an access token of the identity")?.tokens(scope).get().await
    }

    /// Why there is no newer token of this scope, while [`Store::token`] hands out one that still
    /// holds: its renewal has failed since the last success, or is slow. `None` if all is well, or
    /// if nobody has asked for such a token yet.
    pub fn token_trouble(&self, scope: &str) -> Option<Error> {
        let cache = lock(&self.0.azure.as_ref()?.tokens).get(scope).cloned();
        cache?.trouble()
    }

    /// Whoever the tokens of this scope are for refuses the one that it got: the next call of
    /// [`Store::token`] fetches another, unless it is only some seconds old.
    pub fn forget_token(&self, scope: &str) {
        if let Some(azure) = &self.0.azure {
            azure.tokens(scope).forget();
        }
    }

    fn azure(&self, wanted: &str) -> Result<&Azure, Error> {
        self.0.azure.as_ref().ok_or_else(|| {
            Error::new(
                "IDENTITY_NOT_CHOSEN",
                format!("{wanted} cannot be read: the job has no identity"),
                "state `identity` in the job file",
            )
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Azure {
    fn new(identity: Identity, files: Files) -> Result<Self, Error> {
        let http = http::outside()?;
        let credential = Credential::new(identity, http.clone(), files)?;
        Ok(Self { credential, http, tokens: Mutex::default(), vaults: Mutex::default() })
    }

    fn tokens(&self, scope: &str) -> TokenCache<Scoped> {
        let cache = || {
            let credential = self.credential.clone();
            TokenCache::new(Scoped { credential, scope: scope.to_owned() })
        };
        lock(&self.tokens).entry(scope.to_owned()).or_insert_with(cache).clone()
    }

    fn vault(&self, url: &VaultUrl) -> Result<Arc<Vault>, Error> {
        if let Some(vault) = lock(&self.vaults).get(url) {
            return Ok(vault.clone());
        }
        let vault = Vault::new(url.clone(), self.tokens(&url.scope()), self.http.clone())?;
        Ok(lock(&self.vaults).entry(url.clone()).or_insert(Arc::new(vault)).clone())
    }
}

async fn read(vault: Arc<Vault>, object: VaultObject) -> Result<Found, Error> {
    vault.get(&object).await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
