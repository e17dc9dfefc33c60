//! An OIDC issuer that is not Entra ID: client credentials, and keys that rotate.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    State,
    jwt::{self, SigningKey},
    lock,
    message::{Reply, Request},
    now,
};

/// The issuer.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    state: &'a State,
    tls: SocketAddr,
}

#[derive(Debug)]
pub(super) struct IssuerState {
    url: String,
    /// The newest first; it signs.
    keys: Vec<SigningKey>,
    clients: Vec<(String, String)>,
    /// What its tokens are for.
    audience: String,
    /// It takes secrets in the body alone.
    body_only: bool,
}

impl IssuerState {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            keys: vec![SigningKey::generate()],
            clients: Vec::new(),
            audience: "kafka".to_owned(),
            body_only: false,
        }
    }

    pub(super) fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl<'a> Issuer<'a> {
    pub(super) fn new(state: &'a State, tls: SocketAddr) -> Self {
        Self { state, tls }
    }

    /// The issuer as its tokens name it; plain HTTP on loopback.
    pub fn url(self) -> String {
        lock(&self.state.issuer).url.clone()
    }

    /// Where clients get tokens; plain HTTP on loopback.
    pub fn token_endpoint(self) -> String {
        format!("{}/token", self.url())
    }

    /// Where clients get tokens, with TLS: trusts [`super::Azure::ca_file`].
    pub fn tls_token_endpoint(self) -> String {
        format!("https://localhost:{}/oidc/token", self.tls.port())
    }

    /// Where its keys are; plain HTTP on loopback.
    pub fn jwks_url(self) -> String {
        format!("{}/keys", self.url())
    }

    /// Where its keys are, with TLS.
    pub fn tls_jwks_url(self) -> String {
        format!("https://localhost:{}/oidc/keys", self.tls.port())
    }

    /// Lets a client in, with a secret.
    pub fn add_client(self, id: &str, secret: &str) {
        let mut issuer = lock(&self.state.issuer);
        issuer.clients.retain(|(client, _)| client != id);
        issuer.clients.push((id.to_owned(), secret.to_owned()));
    }

    /// What the tokens of clients are for; `kafka` at first.
    pub fn set_audience(self, audience: &str) {
        audience.clone_into(&mut lock(&self.state.issuer).audience);
    }

    /// From now on it does not look into the header of a client.
    pub fn take_secrets_in_the_body_alone(self) {
        lock(&self.state.issuer).body_only = true;
    }

    /// The id of the key that it signs with.
    pub fn key_id(self) -> String {
        lock(&self.state.issuer).keys[0].kid().to_owned()
    }

    /// It signs with a new key; the old ones are still published.
    pub fn rotate_keys(self) {
        lock(&self.state.issuer).keys.insert(0, SigningKey::generate());
    }

    /// It publishes its newest key alone.
    pub fn withdraw_old_keys(self) {
        lock(&self.state.issuer).keys.truncate(1);
    }

    /// A token of it with these claims; `iss`, `iat` and `exp` are filled in where they are
    /// missing.
    ///
    /// # Panics
    /// When the claims are no object.
    pub fn token(self, mut claims: Value) -> String {
        let issuer = lock(&self.state.issuer);
        let defaults = json!({
            "iss": issuer.url,
            "iat": now(),
            "exp": now() + self.state.token_life(),
        });
        let claims_map = claims.as_object_mut().expect("claims are an object");
        for (name, value) in defaults.as_object().expect("it is one") {
            claims_map.entry(name).or_insert_with(|| value.clone());
        }
        let token = issuer.keys[0].sign(&claims);
        lock(&self.state.given).push(token.clone());
        token
    }
}

pub(super) fn answer(request: &Request, state: &State) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/oidc/token") => token(request, state),
        ("GET", "/oidc/keys") => {
            Reply { status: 200, headers: vec![], body: jwt::jwks(&lock(&state.issuer).keys) }
        }
        ("GET", "/oidc/.well-known/openid-configuration") => {
            let url = lock(&state.issuer).url.clone();
            Reply::json(
                200,
                &json!({
                    "issuer": url,
                    "token_endpoint": format!("{url}/token"),
                    "jwks_uri": format!("{url}/keys"),
                }),
            )
        }
        _ => Reply::json(404, &json!({})),
    }
}

fn token(request: &Request, state: &State) -> Reply {
    let form = request.form();
    let issuer = lock(&state.issuer);
    let in_header = request.header("authorization").filter(|_| !issuer.body_only).and_then(basic);
    let (id, secret) = in_header
        .unwrap_or_else(|| (form.get("client_id").into(), form.get("client_secret").into()));
    if !issuer.clients.contains(&(id.clone(), secret)) {
        let text = "the client's authentication has failed";
        return refused(401, "invalid_client", text).with("WWW-Authenticate", "Basic");
    }
    if form.get("grant_type") != "client_credentials" {
        return refused(400, "unsupported_grant_type", "only client_credentials");
    }
    let scope = form.get("scope");
    if scope.contains("unknown") {
        return refused(400, "invalid_scope", "there is no such scope");
    }
    let issued = state.entra_now();
    let token = issuer.keys[0].sign(&json!({
        "iss": issuer.url,
        "sub": id,
        "aud": issuer.audience,
        "scope": scope,
        "iat": issued,
        "exp": issued + state.token_life(),
    }));
    lock(&state.given).push(token.clone());
    Reply::json(
        200,
        &json!({
            "token_type": "Bearer",
            "expires_in": state.token_life(),
            "access_token": token,
        }),
    )
}

/// Client and secret of a header (RFC 6749, 2.3.1): encoded like a form, then joined, then base64.
fn basic(header: &str) -> Option<(String, String)> {
    let both = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let both = String::from_utf8(both).ok()?;
    let (id, secret) = both.split_once(':')?;
    let decode = |text: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    Some((decode(id), decode(secret)))
}

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description }))
}
