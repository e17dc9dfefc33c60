//! Tokens of an OIDC issuer for a client with a secret.

use std::{
    fs,
    time::{Duration, Instant},
};

use keyvault::{
    Error, Secret,
    token::{AccessToken, ClientCredentials, Issuer},
};
use tests::{
    azure::{Azure, Certificate, Fault},
    wait::{DEADLINE, wait_for, wait_until},
};
use tokio::runtime::Runtime;

const PLACE: &str = "/oidc/token";
/// Characters that a header and a form write differently.
const SECRET: &str = "CANARY s+e/c=r%et&ü";

fn credentials(endpoint: &str) -> ClientCredentials {
    ClientCredentials {
        token_endpoint: endpoint.to_owned(),
        trust_pem: None,
        client_id: "writer:1".to_owned(),
        client_secret: Secret::from(SECRET.to_owned()),
        scope: Some("kafka write".to_owned()),
    }
}

/// Asks once with new connections, and looks for the secret in what is said.
fn ask(runtime: &Runtime, credentials: ClientCredentials) -> Result<AccessToken, Error> {
    let start = Instant::now();
    let issuer = Issuer::new(credentials)?;
    assert!(!format!("{issuer:?}").contains("CANARY"));
    let result = runtime.block_on(issuer.token());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("CANARY"), "{shown}");
    }
    result
}

#[test]
fn a_client_gets_a_token_whichever_way_the_issuer_takes_its_secret() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    azure.issuer().add_client("writer:1", SECRET);
    let endpoint = azure.issuer().token_endpoint();
    let token = ask(&runtime, credentials(&endpoint)).unwrap();
    assert_eq!(token.principal.as_deref(), Some("writer:1"));
    assert_eq!(azure.requests(PLACE), 1);
    azure.issuer().take_secrets_in_the_body_alone();
    assert!(ask(&runtime, credentials(&endpoint)).is_ok());
    let from_file = Secret::from(format!("{SECRET}\n"));
    let credentials = ClientCredentials { client_secret: from_file, ..credentials(&endpoint) };
    assert!(ask(&runtime, credentials).is_ok(), "a newline at the end is not part of it");
}

#[test]
fn one_fetch_serves_all_who_ask() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    azure.issuer().add_client("writer:1", SECRET);
    azure.spoil(PLACE, Fault::Delay(Duration::from_millis(100)));
    let issuer = Issuer::new(credentials(&azure.issuer().token_endpoint())).unwrap();
    runtime.block_on(async {
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let issuer = issuer.clone();
                tokio::spawn(async move { issuer.token().await })
            })
            .collect();
        for call in calls {
            assert!(call.await.unwrap().is_ok());
        }
    });
    assert_eq!(azure.requests(PLACE), 1);
}

#[test]
fn a_renewal_that_fails_is_known_beside_the_token_that_holds() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    azure.issuer().add_client("writer:1", SECRET);
    // It is due two seconds before it ends, which is long enough for a look.
    azure.set_token_life(10);
    let issuer = Issuer::new(credentials(&azure.issuer().token_endpoint())).unwrap();
    let first = runtime.block_on(issuer.token()).unwrap();
    assert_eq!(issuer.trouble(), None);
    azure.spoil(PLACE, Fault::status(503, "{}"));
    let trouble = wait_for("the renewal fails", DEADLINE, || {
        assert_eq!(runtime.block_on(issuer.token()).as_ref(), Ok(&first), "it still holds");
        issuer.trouble()
    });
    assert_eq!(trouble.code, "TOKEN_ENDPOINT_FAILED");
    azure.mend();
    wait_until("there is another token", DEADLINE, || {
        runtime.block_on(issuer.token()).is_ok_and(|token| token != first)
    });
    assert_eq!(issuer.trouble(), None);
}

#[test]
fn every_refusal_has_its_name() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    let endpoint = azure.issuer().token_endpoint();
    let bad = ask(&runtime, credentials(&endpoint)).unwrap_err();
    assert_eq!(bad.code, "CLIENT_REFUSED");
    azure.issuer().add_client("writer:1", SECRET);
    let scope = Some("unknown".to_owned());
    let bad = ask(&runtime, ClientCredentials { scope, ..credentials(&endpoint) }).unwrap_err();
    assert_eq!(bad.code, "TOKEN_SCOPE_UNKNOWN");
    azure.set_entra_clock(-7200);
    let bad = ask(&runtime, credentials(&endpoint)).unwrap_err();
    assert_eq!(bad.code, "TOKEN_EXPIRED_ON_ARRIVAL");
    azure.set_entra_clock(0);

    let echo = format!(r#"{{"error":"server_error","error_description":"no: {SECRET} {SECRET}"}}"#);
    let denied = r#"{"error":"unauthorized_client","error_description":"not this grant"}"#;
    let cases = [
        (Fault::status(400, echo), "TOKEN_REFUSED"),
        (Fault::status(400, denied), "CLIENT_NOT_ALLOWED"),
        (Fault::status(404, "<html>"), "TOKEN_ENDPOINT_NOT_FOUND"),
        (Fault::status(429, "{}").with("Retry-After", "5"), "TOKEN_ENDPOINT_THROTTLED"),
        (Fault::status(503, "<html>"), "TOKEN_ENDPOINT_FAILED"),
        (Fault::status(307, "").with("Location", "/oidc/other"), "TOKEN_REFUSED"),
        (Fault::status(200, "<html>CANARY"), "TOKEN_MALFORMED"),
        (Fault::status(200, r#"{"expires_in":1}"#), "TOKEN_MALFORMED"),
        (Fault::status(200, r#"{"access_token":"CANARY","expires_in":-1}"#), "TOKEN_MALFORMED"),
        (Fault::status(200, r#"{"access_token":"CANARY","expires_in":1e300}"#), "TOKEN_MALFORMED"),
        (Fault::CutAfter(30), "CONNECTION_RESET"),
        (Fault::Never, "TOKEN_ENDPOINT_SLOW"),
    ];
    for (fault, code) in cases {
        azure.mend();
        azure.spoil(PLACE, fault.clone());
        let error = ask(&runtime, credentials(&endpoint)).unwrap_err();
        assert_eq!(error.code, code, "{fault:?}: {error}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
    let error = ask(&runtime, credentials("http://127.0.0.1:9/token")).unwrap_err();
    assert_eq!(error.code, "CONNECTION_REFUSED");
    let error = ask(&runtime, credentials("http://issuer.example/token")).unwrap_err();
    assert_eq!(error.code, "TOKEN_ENDPOINT_ILLEGAL");
}

#[test]
fn tokens_come_over_tls_from_whom_is_trusted() {
    let (azure, runtime) = (Azure::start(), Runtime::new().unwrap());
    azure.issuer().add_client("writer:1", SECRET);
    let endpoint = azure.issuer().tls_token_endpoint();
    let trust_pem = Some(fs::read_to_string(azure.ca_file()).unwrap());
    let trusting = || ClientCredentials { trust_pem: trust_pem.clone(), ..credentials(&endpoint) };
    assert!(ask(&runtime, trusting()).is_ok());
    let cases = [
        (Fault::TlsReset, "CONNECTION_RESET"),
        (Fault::Shows(Certificate::OfAnotherHost), "TLS_WRONG_HOST"),
        (Fault::Shows(Certificate::Expired), "TLS_CERTIFICATE_EXPIRED"),
        (Fault::Shows(Certificate::Untrusted), "TLS_UNTRUSTED"),
    ];
    for (fault, code) in cases {
        azure.mend();
        azure.spoil("localhost", fault.clone());
        assert_eq!(ask(&runtime, trusting()).unwrap_err().code, code, "{fault:?}");
    }
    azure.mend();
    assert_eq!(ask(&runtime, credentials(&endpoint)).unwrap_err().code, "TLS_UNTRUSTED");
}
