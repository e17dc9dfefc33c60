//! Access tokens of an OIDC issuer, for a client with a secret (RFC 6749, 4.4).

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, RequestBuilder, Url, header};
use serde::Deserialize;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{AccessToken, Progress, Source, TokenCache, cache::PATIENCE};
use crate::{
    Error, Secret,
    http::{self, Answer},
    said::{reason, repeatable},
};

/// For one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
// Whoever waits for the token hears what came of it.
const _: () = assert!(ANSWER_WITHIN.as_secs() < PATIENCE.as_secs());
/// How long a token holds if nobody says so.
const LIFE_UNSAID: Duration = Duration::from_secs(300);

/// Who asks an issuer for tokens, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// `https://…`; plain `http` on loopback alone.
    pub token_endpoint: String,
    /// Authorities to trust there, in PEM; without them, those that the system trusts.
    pub trust_pem: Option<String>,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What the token is for, if the issuer wants to know.
    pub scope: Option<String>,
}

/// An issuer that one client has tokens of. Its clones share them.
#[derive(Clone)]
pub struct Issuer(TokenCache<Endpoint>);

struct Endpoint {
    url: Url,
    client: Client,
    credentials: ClientCredentials,
}

/// How the client shows its secret (RFC 6749, 2.3.1).
#[derive(Clone, Copy)]
enum Shown {
    /// In a header: what every issuer must take.
    InHeader,
    /// In the body: the only way with some.
    InBody,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl Issuer {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// When the address is not `https` or the authorities are no certificates.
    pub fn new(credentials: ClientCredentials) -> Result<Self, Error> {
        let url = http::secure_url(&credentials.token_endpoint).map_err(|fault| {
            Error::new(
                "TOKEN_ENDPOINT_ILLEGAL",
                format!("the token endpoint {fault}"),
                "state its `https` address",
            )
        })?;
        let client = http::for_url(&url, credentials.trust_pem.as_deref())?;
        Ok(Self(TokenCache::new(Endpoint { url, client, credentials })))
    }

    /// A token that holds, fetched at most once for all who ask, renewed before it ends.
    ///
    /// # Errors
    /// Names the endpoint, the fault and what to do.
    pub async fn token(&self) -> Result<AccessToken, Error> {
        self.0.get().await
    }

    /// Why there is no newer token, while [`Issuer::token`] hands out one that still holds: its
    /// renewal has failed since the last success, or is slow. `None` if all is well.
    pub fn trouble(&self) -> Option<Error> {
        self.0.trouble()
    }

    /// Whoever the token is for refuses it: the next call fetches another, unless it is only some
    /// seconds old.
    pub fn forget_token(&self) {
        self.0.forget();
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.0.source().url)
    }
}

impl Source for Endpoint {
    async fn fetch(&self, _: Progress) -> Result<AccessToken, Error> {
        let answer = self.ask(Shown::InHeader).await?;
        let is_refused = refusal(&answer).error == "invalid_client";
        let answer = if is_refused { self.ask(Shown::InBody).await? } else { answer };
        if !answer.is_success() {
            return Err(self.refused(&answer));
        }
        let granted: Granted = answer.json().ok_or_else(|| self.malformed())?;
        let life = granted.expires_in.map(Duration::try_from_secs_f64);
        let life = life.unwrap_or(Ok(LIFE_UNSAID)).map_err(|_| self.malformed())?;
        let expires = SystemTime::now().checked_add(life).ok_or_else(|| self.malformed())?;
        Ok(AccessToken::new(Secret::from(granted.access_token), expires))
    }

    fn slow(&self) -> Error {
        Error::new(
            "TOKEN_ENDPOINT_SLOW",
            format!("the token endpoint {} has not answered in time", self.url),
            "it is tried again; if it stays, check the way to it",
        )
        .later(None)
    }
}

impl Endpoint {
    async fn ask(&self, shown: Shown) -> Result<Answer, Error> {
        let request = self.request(shown).timeout(ANSWER_WITHIN);
        http::send(request).await.map_err(|failure| {
            if failure.is_slow() {
                return self.slow();
            }
            failure.tell(&format!("the token endpoint {}", self.url))
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the secret is what the issuer is shown")]
    fn request(&self, shown: Shown) -> RequestBuilder {
        let ClientCredentials { client_id, client_secret, scope, .. } = &self.credentials;
        let secret = client_secret.expose_text().unwrap_or_default().trim_end_matches(['\r', '\n']);
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = scope {
            form.append_pair("scope", scope);
        }
        let mut request = self.client.post(self.url.clone());
        match shown {
            Shown::InHeader => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let both = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
                request = request.header(header::AUTHORIZATION, format!("Basic {both}"));
            }
            Shown::InBody => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
        }
        request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form.finish())
    }

    fn refused(&self, answer: &Answer) -> Error {
        let (url, status, refusal) = (&self.url, answer.status, refusal(answer));
        let known = [&self.credentials.client_secret];
        let said = reason(&refusal.error_description, &known);
        let (code, message, remedy) = match (status, refusal.error.as_str()) {
            (429, _) => (
                "TOKEN_ENDPOINT_THROTTLED",
                format!("the token endpoint {url} is asked too often (429)"),
                "wait; find what else asks for tokens",
            ),
            (500.., _) => (
                "TOKEN_ENDPOINT_FAILED",
                format!("the token endpoint {url} has failed ({status})"),
                "it is tried again; look at the health of the issuer",
            ),
            (_, "invalid_client") => (
                "CLIENT_REFUSED",
                format!("the issuer at {url} does not take the client's id and secret{said}"),
                "check both; the secret may have expired",
            ),
            (_, "invalid_scope") => (
                "TOKEN_SCOPE_UNKNOWN",
                format!("the issuer at {url} gives no token for that scope{said}"),
                "check the scope",
            ),
            (_, "unauthorized_client" | "unsupported_grant_type") => (
                "CLIENT_NOT_ALLOWED",
                format!("the issuer at {url} does not allow client credentials{said}"),
                "allow that grant for the client there",
            ),
            (404, "") => (
                "TOKEN_ENDPOINT_NOT_FOUND",
                format!("there is no token endpoint at {url} (404)"),
                "take its address from the issuer's `.well-known/openid-configuration`",
            ),
            (_, error) => {
                let error = repeatable(error, &known);
                (
                    "TOKEN_REFUSED",
                    format!("the issuer at {url} gives no token ({status} {error}){said}"),
                    "look into the issuer's log",
                )
            }
        };
        Error::new(code, message, remedy).later(answer.retry_after())
    }

    fn malformed(&self) -> Error {
        Error::new(
            "TOKEN_MALFORMED",
            format!("the answer of the token endpoint {} is no token", self.url),
            "check the address; a proxy may stand between",
        )
        .later(None)
    }
}

fn refusal(answer: &Answer) -> Refused {
    if answer.is_success() { Refused::default() } else { answer.json().unwrap_or_default() }
}
