//! Access tokens, and the cache that keeps one ready.

mod cache;
mod issuer;

use std::time::SystemTime;

pub(crate) use self::cache::{Progress, Source, TokenCache};
pub use self::issuer::{ClientCredentials, Issuer};
use super::{Secret, claims::Claims};

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The token itself.
    pub secret: Secret,
    /// Until when it holds.
    pub expires: SystemTime,
    /// Whose token it is, if it says so: its `oid`, `appid`, `azp` or `sub`.
    pub principal: Option<String>,
}

impl AccessToken {
    /// A token and what it says of itself.
    pub(crate) fn new(secret: Secret, expires: SystemTime) -> Self {
        let claims = Claims::of(&secret);
        let principal = claims.as_ref().and_then(Claims::principal).map(ToOwned::to_owned);
        // Whoever gave it may have given it some time ago.
        let expires =
            claims.and_then(|claims| claims.expires()).map_or(expires, |e| e.min(expires));
        Self { secret, expires, principal }
    }
}
