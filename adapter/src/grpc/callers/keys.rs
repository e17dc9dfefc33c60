//! Where the keys come from by which callers' tokens are checked.
use std::sync::Arc;

use arc_swap::ArcSwap;
use keyvault::{Error, KeySet};

/// Where the keys of an issuer come from.
#[tonic::async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// The key of this id as a JSON Web Key, or `None` if the issuer has no such key. A key that is
    /// known is there without waiting.
    ///
    /// # Errors
    /// If the key is not known and the issuer could not be asked.
    async fn key(&self, kid: &str) -> Result<Option<Arc<str>>, Error>;
}

/// The keys of an issuer, which is asked over TLS: whoever vouches for it can be replaced while it
/// is in use.
pub struct IssuerKeys {
    url: String,
    current: ArcSwap<KeySet>,
}

impl IssuerKeys {
    /// The keys at `url`; without authorities those that the system trusts vouch for it.
    ///
    /// # Errors
    /// If address or authorities are of no use.
    pub fn new(url: &str, trust_pem: Option<&str>) -> Result<Self, Error> {
        let current = ArcSwap::from_pointee(KeySet::new(url, trust_pem)?);
        Ok(Self { url: url.to_owned(), current })
    }

    /// Asks with other authorities from now on, if they vouch for whoever answers. Until they do
    /// the keys that are known stay, and so do those who vouch for them.
    ///
    /// # Errors
    /// Why they are not taken.
    pub async fn renew(&self, trust_pem: &str) -> Result<(), Error> {
        let keys = KeySet::new(&self.url, Some(trust_pem))?;
        // Whichever is asked for, all are fetched.
        keys.key("").await?;
        self.current.store(Arc::new(keys));
        Ok(())
    }
}

#[tonic::async_trait]
impl KeySource for IssuerKeys {
    async fn key(&self, kid: &str) -> Result<Option<Arc<str>>, Error> {
        let keys = self.current.load_full();
        keys.key(kid).await
    }
}
