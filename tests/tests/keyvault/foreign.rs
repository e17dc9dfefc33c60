//! Parts that others wrote: HAProxy before the vault, another OIDC issuer.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keyvault::{
    KeySet, Secret,
    token::{AccessToken, ClientCredentials, Issuer},
};
use serde_json::Value;
use tests::{
    azure::Azure,
    haproxy::{Haproxy, Spoiled},
    mock_issuer::MockIssuer,
};
use tokio::runtime::Runtime;

use super::asker::{Asker, secret};

#[test]
fn what_haproxy_makes_of_a_vault_has_its_name() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    let haproxy = Haproxy::before(&azure);
    let mut asker = Asker::on_azure(&azure);
    for (spoiled, code, after) in [
        (Spoiled::Throttle, "VAULT_THROTTLED", Some(3.0)),
        (Spoiled::Firewall, "VAULT_FIREWALL", None),
        (Spoiled::Unavailable, "VAULT_FAILED", None),
        (Spoiled::Torn, "VAULT_MALFORMED_ANSWER", None),
        (Spoiled::Slow500, "VAULT_FAILED", None),
        (Spoiled::Hang, "VAULT_SLOW", None),
    ] {
        haproxy.spoil(Spoiled::Not);
        assert!(asker.ask(secret("kv1", "name")).is_ok(), "before {spoiled:?}");
        haproxy.spoil(spoiled);
        let bad = asker.fault(secret("kv1", "name"));
        assert_eq!((bad.code.as_str(), bad.retry), (code, Some(after)), "{}", bad.text);
    }
}

#[test]
fn an_issuer_that_others_wrote_gives_tokens_and_keys() {
    let (issuer, runtime) = (MockIssuer::start(), Runtime::new().unwrap());
    let url = issuer.url("cluster");
    let credentials = ClientCredentials {
        token_endpoint: format!("{url}/token"),
        trust_pem: None,
        client_id: "writer".to_owned(),
        client_secret: Secret::from("CANARY".to_owned()),
        scope: Some("kafka".to_owned()),
    };
    let token = runtime.block_on(Issuer::new(credentials).unwrap().token()).unwrap();
    assert_eq!(token.principal.as_deref(), Some("writer"));
    let life = token.expires.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(life > Duration::from_secs(60), "{life:?}");
    let keys = KeySet::new(&format!("{url}/jwks"), None).unwrap();
    let kid = key_id(&token);
    let key = runtime.block_on(keys.key(&kid)).unwrap().expect("the key that has signed it");
    let key: Value = serde_json::from_str(&key).unwrap();
    assert_eq!(key["kid"], kid.as_str());
    assert_eq!(runtime.block_on(keys.key("another")), Ok(None));
}

#[expect(clippy::disallowed_methods, reason = "the test reads the token's header")]
fn key_id(token: &AccessToken) -> String {
    let header = token.secret.expose_text().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}
