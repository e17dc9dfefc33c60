//! The keys that callers' tokens are checked with.

use std::{
    fs,
    time::{Duration, Instant},
};

use keyvault::KeySet;
use serde_json::{Value, json};
use tests::{
    azure::{Azure, Certificate, Fault},
    wait::{DEADLINE, wait_until},
};
use tokio::runtime::Runtime;

const PLACE: &str = "/oidc/keys";

fn set(url: &str) -> KeySet {
    KeySet::new(url, None).unwrap()
}

#[test]
fn a_key_is_fetched_once_and_random_ids_make_no_storm() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    let keys = set(&azure.issuer().jwks_url());
    assert_eq!(azure.requests(PLACE), 0);
    let id = azure.issuer().key_id();
    runtime.block_on(async {
        let key = keys.key(&id).await.unwrap().unwrap();
        let key: Value = serde_json::from_str(&key).unwrap();
        assert_eq!(
            (&key["kid"], &key["kty"], &key["alg"]),
            (&json!(id), &json!("RSA"), &json!("RS256"))
        );
        assert!(key["n"].is_string() && key["e"].is_string());
        let storm: Vec<_> = (0..500)
            .map(|number| {
                let keys = keys.clone();
                tokio::spawn(async move { keys.key(&format!("random-{number}")).await })
            })
            .collect();
        for answer in storm {
            assert_eq!(answer.await.unwrap(), Ok(None));
        }
    });
    assert_eq!(azure.requests(PLACE), 1);
}

#[test]
fn a_new_key_is_found_and_old_ones_serve_while_the_issuer_is_away() {
    // Two issuers, so that one pause between fetches is enough for both.
    let (rotating, leaving) = (Azure::start(), Azure::start());
    let runtime = Runtime::new().unwrap();
    let key = |keys: &KeySet, id: &str| runtime.block_on(keys.key(id));
    let (keys, kept) = (set(&rotating.issuer().jwks_url()), set(&leaving.issuer().jwks_url()));
    let (old, known) = (rotating.issuer().key_id(), leaving.issuer().key_id());
    assert!(key(&keys, &old).unwrap().is_some() && key(&kept, &known).unwrap().is_some());

    rotating.issuer().rotate_keys();
    rotating.issuer().withdraw_old_keys();
    let new = rotating.issuer().key_id();
    leaving.spoil(PLACE, Fault::status(503, "away"));
    wait_until("the new key is there", DEADLINE, || {
        key(&keys, &new).is_ok_and(|key| key.is_some())
    });
    assert_eq!(rotating.requests(PLACE), 2);
    assert_eq!(key(&keys, &old), Ok(None), "a key that was withdrawn is out");

    wait_until("the issuer that is away is asked again", DEADLINE, || {
        let away = key(&kept, "unknown").err();
        assert!(key(&kept, &known).unwrap().is_some(), "the old key serves");
        away.is_some_and(|error| error.code == "KEYS_UNAVAILABLE")
    });
    assert_eq!(leaving.requests(PLACE), 2);
}

#[test]
fn what_is_no_key_set_is_named() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    let key = json!({ "kid": "a", "kty": "RSA", "n": "x", "e": "AQAB" });
    let many = json!({ "keys": vec![key; 101] }).to_string();
    let large = json!({ "keys": [], "more": "x".repeat(300_000) }).to_string();
    let shared = r#"{"keys":[{"kid":"a","kty":"oct","k":"CANARY"}]}"#;
    let cases = [
        (Fault::status(200, many), "KEYS_MALFORMED"),
        (Fault::status(200, large), "ANSWER_TOO_LARGE"),
        (Fault::status(200, "{\"keys\":["), "KEYS_MALFORMED"),
        (Fault::status(200, r#"{"keys":[]}"#), "KEYS_MALFORMED"),
        (Fault::status(200, shared), "KEYS_MALFORMED"),
        (Fault::status(404, "<html>"), "KEYS_UNAVAILABLE"),
        (Fault::status(302, "").with("Location", "/oidc/other"), "KEYS_UNAVAILABLE"),
        (Fault::CutAfter(50), "CONNECTION_RESET"),
        (Fault::Never, "KEYS_SLOW"),
    ];
    for (fault, code) in cases {
        azure.mend();
        azure.spoil(PLACE, fault.clone());
        let (keys, start) = (set(&azure.issuer().jwks_url()), Instant::now());
        let error = runtime.block_on(keys.key("a")).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(15));
        assert_eq!(error.code, code, "{fault:?}: {error}");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
    let error = runtime.block_on(set("http://127.0.0.1:9/keys").key("a")).unwrap_err();
    assert_eq!(error.code, "CONNECTION_REFUSED");
}

#[test]
fn keys_come_over_tls_from_whom_is_trusted() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    let (url, id) = (azure.issuer().tls_jwks_url(), azure.issuer().key_id());
    let ca = fs::read_to_string(azure.ca_file()).unwrap();
    let trusting = || KeySet::new(&url, Some(&ca)).unwrap();
    assert!(runtime.block_on(trusting().key(&id)).unwrap().is_some());
    azure.spoil("localhost", Fault::Shows(Certificate::OfAnotherHost));
    let code = |keys: KeySet| runtime.block_on(keys.key(&id)).unwrap_err().code;
    assert_eq!(code(trusting()), "TLS_WRONG_HOST");
    azure.mend();
    azure.spoil("localhost", Fault::Shows(Certificate::Untrusted));
    assert_eq!(code(trusting()), "TLS_UNTRUSTED");
    azure.mend();
    assert_eq!(code(set(&url)), "TLS_UNTRUSTED", "the system does not know the authority");
}
