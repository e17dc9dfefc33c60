//! One vault: its secrets, by the official crate and the identity's token.

mod fault;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    credentials::{self, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    time::OffsetDateTime,
};
use azure_security_keyvault_secrets::{
    ResourceExt as _, SecretClient, SecretClientOptions,
    models::{self, SecretClientGetSecretOptions},
};
use reqwest::Client;
use tokio::time::{sleep, timeout};

use super::{
    Error, Found, Reference, Secret, VaultObject, VaultUrl,
    identity::Scoped,
    token::{AccessToken, TokenCache},
    transport,
};

/// For all tries, once there is a token. Together with the wait for that one, whoever asks hears
/// within 15 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(7);
/// Before each further try of what passes by itself.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

/// A vault that is asked again and again.
pub(crate) struct Vault {
    url: VaultUrl,
    client: SecretClient,
    tokens: TokenCache<Scoped>,
}

impl Vault {
    pub(crate) fn new(
        url: VaultUrl,
        tokens: TokenCache<Scoped>,
        http: Client,
    ) -> Result<Self, Error> {
        let credential = OnlyForVaults { vault: url.clone(), tokens: tokens.clone() };
        let client_options = transport::options(http, |_| ());
        // A challenge that names another resource than this vault's cloud stays refused.
        let options = SecretClientOptions { client_options, ..Default::default() };
        let client = SecretClient::new(url.as_str(), Arc::new(credential), Some(options));
        let client = client.map_err(|_| fault::malformed(&url.to_string()))?;
        Ok(Self { url, client, tokens })
    }

    /// Reads an object; tries again at once what passes by itself.
    pub(crate) async fn get(&self, object: &VaultObject) -> Result<Found, Error> {
        let place = Reference::Vault(object.clone()).to_string();
        // Here all wait for the token together; the crate would let them wait one after another.
        self.tokens.get().await?;
        let tries = async {
            let mut result = self.try_get(object, &place).await;
            for pause in PAUSES {
                let Err(error) = &result else { break };
                if !fault::passes_by_itself(error) {
                    break;
                }
                sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                result = self.try_get(object, &place).await;
            }
            result
        };
        let result = timeout(ANSWER_WITHIN, tries).await;
        result.unwrap_or_else(|_| Err(fault::slow(&self.url)))
    }

    async fn try_get(&self, object: &VaultObject, place: &str) -> Result<Found, Error> {
        let options = SecretClientGetSecretOptions {
            secret_version: object.version.clone(),
            ..Default::default()
        };
        match self.client.get_secret(&object.name, Some(options)).await {
            Ok(response) => {
                let secret = response.into_model().ok();
                secret
                    .and_then(|secret| found(secret, place))
                    .ok_or_else(|| fault::malformed(place))
            }
            Err(error) => {
                let token = self.tokens.current();
                let told = fault::of(&error, &self.url, place, token.as_ref());
                if error.http_status() == Some(azure_core::http::StatusCode::Unauthorized) {
                    self.tokens.forget();
                }
                Err(told)
            }
        }
    }
}

fn found(secret: models::Secret, place: &str) -> Option<Found> {
    let version = secret.resource_id().ok()?.version?;
    let (mut not_before, mut expires) = (None, None);
    if let Some(attributes) = &secret.attributes {
        not_before = attributes.not_before.map(OffsetDateTime::into);
        expires = attributes.expires.map(OffsetDateTime::into);
    }
    Some(Found {
        place: place.to_owned(),
        secret: Secret::from(secret.value?),
        content_type: secret.content_type,
        version,
        not_before,
        expires,
    })
}

/// Hands out tokens for vaults of one cloud and for nothing else, whatever a challenge wants.
struct OnlyForVaults {
    vault: VaultUrl,
    tokens: TokenCache<Scoped>,
}

impl fmt::Debug for OnlyForVaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnlyForVaults")
    }
}

#[async_trait]
impl TokenCredential for OnlyForVaults {
    #[expect(clippy::disallowed_methods, reason = "the token is what the vault is shown")]
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<credentials::AccessToken> {
        let refused = |error: Error| azure_core::Error::new(ErrorKind::Credential, error);
        if scopes.iter().any(|scope| scope.replace("//.default", "/.default") != self.vault.scope())
        {
            return Err(refused(fault::challenge(&self.vault)));
        }
        let AccessToken { secret, expires, .. } = self.tokens.get().await.map_err(refused)?;
        let text = secret.expose_text().unwrap_or_default().to_owned();
        Ok(credentials::AccessToken::new(text, expires.into()))
    }
}
