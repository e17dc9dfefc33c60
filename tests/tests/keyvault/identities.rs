//! Who the service is: the endpoints of a machine, a pod, a developer's login.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tests::azure::{
    APP_SERVICE, Azure, Certificate, ENTRA, Fault, SERVICE_ACCOUNT, USER, WORKLOAD,
};

use super::asker::{Asker, Bad, secret, token};

/// The variables with one of them changed.
fn with(environment: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut environment = environment.to_vec();
    environment.retain(|(of, _)| of != name);
    environment.push((name.to_owned(), value.to_owned()));
    environment
}

#[test]
fn a_user_assigned_identity_is_found_by_its_ids() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    vault.allow_only(&[USER.object_id]);
    for id in [format!("client {}", USER.client_id), format!("object {}", USER.object_id)] {
        let mut asker = Asker::start(&azure, &azure.environment(), &id);
        assert!(asker.ask(secret("kv1", "name")).is_ok(), "{id}");
        let token = asker.ask(token("https://ns.servicebus.windows.net/.default")).unwrap();
        assert_eq!(token.principal.as_deref(), Some(USER.object_id));
    }
    vault.allow_only(&[]);
    let mut asker = Asker::start(&azure, &azure.environment(), "client 99999999");
    let bad = asker.fault(secret("kv1", "name"));
    assert_eq!(bad.code, "IDENTITY_NOT_ASSIGNED");
    assert!(bad.text.contains("client id 99999999"), "{}", bad.text);
    let resource = format!("resource {}", USER.resource_id);
    let mut asker = Asker::start(&azure, &azure.environment(), &resource);
    assert_eq!(asker.fault(secret("kv1", "name")).code, "IDENTITY_UNSUPPORTED");
}

#[test]
fn every_answer_of_the_machine_has_its_name() {
    let azure = Azure::start();
    let mut asker = Asker::on_azure(&azure);
    let number =
        r#"{"access_token":"CANARY","expires_on":4000000000,"token_type":"B","resource":"x"}"#;
    let canary = r#"{"error":"e","error_description":"eyJCANARY eyJhbGciOiJSUzI1NiJ9.CANARY.x"}"#;
    let cases = [
        (Fault::status(400, r#"{"error":"invalid_request"}"#), "IDENTITY_NOT_ASSIGNED", None),
        (Fault::status(403, "{}"), "IDENTITY_REFUSED", None),
        (Fault::status(404, "{}"), "IDENTITY_ENDPOINT_NOT_FOUND", None),
        (Fault::status(410, "{}"), "IDENTITY_UPDATING", None),
        (Fault::status(429, "{}").with("Retry-After", "7"), "IDENTITY_THROTTLED", Some(7.0)),
        (Fault::status(500, canary), "IDENTITY_FAILED", None),
        (Fault::status(503, "<html>"), "IDENTITY_FAILED", None),
        (Fault::status(418, canary), "IDENTITY_UNEXPECTED_ANSWER", None),
        (Fault::status(200, r#"{"access_token":"CANARY"#), "TOKEN_MALFORMED", None),
        (Fault::status(200, number), "TOKEN_MALFORMED", None),
        (Fault::CutAfter(30), "CONNECTION_RESET", None),
    ];
    for (number, (fault, code, after)) in cases.into_iter().enumerate() {
        azure.mend();
        azure.spoil(APP_SERVICE, fault.clone());
        // Each scope has its token, and its pause after a failure.
        let bad = asker.fault(token(&format!("https://s{number}.example/.default")));
        assert_eq!((bad.code.as_str(), bad.retry), (code, Some(after)), "{fault:?}: {}", bad.text);
    }
    azure.mend();
    let bad = asker.fault(token("https://unknown.example/.default"));
    assert_eq!(bad.code, "TOKEN_SCOPE_UNKNOWN");
    assert!(bad.text.contains("AADSTS500011"), "{}", bad.text);
    assert!(!bad.text.contains("Trace ID"), "{}", bad.text);
}

#[test]
fn a_silent_or_absent_endpoint_is_told_in_time() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    azure.spoil(APP_SERVICE, Fault::Never);
    let mut asker = Asker::on_azure(&azure);
    // All of them wait for one token, at the same time.
    for answer in asker.ask_all(&[secret("kv1", "a"), secret("kv1", "b"), secret("kv1", "c")]) {
        assert_eq!(answer.unwrap_err().code, "IDENTITY_SLOW");
    }

    let environment = azure.environment();
    let absent = with(&environment, "IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token");
    let mut asker = Asker::start(&azure, &absent, "system");
    assert_eq!(asker.fault(secret("kv1", "name")).code, "IDENTITY_UNREACHABLE");

    let other = with(&environment, "IDENTITY_HEADER", "CANARY-of-yesterday");
    azure.mend();
    let mut asker = Asker::start(&azure, &other, "system");
    assert_eq!(asker.fault(secret("kv1", "name")).code, "IDENTITY_REFUSED");
}

#[test]
fn a_pod_shows_its_service_accounts_token() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    vault.allow_only(&[WORKLOAD.object_id]);
    let good = azure.service_account_token(SERVICE_ACCOUNT);
    let environment = azure.pod_environment(&good);
    let mut asker = Asker::start(&azure, &environment, "workload");
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    assert_eq!(azure.proxied(), ["login.microsoftonline.com", "kv1.vault.azure.net"]);

    // The file is read each time: what the kubelet has put there since is used.
    azure.pod_environment(&azure.service_account_token("system:serviceaccount:other:sa"));
    let bad = asker.fault(token("https://a.example/.default"));
    assert_eq!(bad.code, "WORKLOAD_NOT_TRUSTED");
    for said in ["AADSTS700213", "system:serviceaccount:other:sa"] {
        assert!(bad.text.contains(said), "{}", bad.text);
    }
    assert!(!bad.text.contains("Correlation"), "{}", bad.text);
    azure.pod_environment(&good);
    let ours = asker.ask(token("https://b.example/.default")).unwrap();
    assert_eq!(ours.principal.as_deref(), Some(WORKLOAD.object_id));
}

#[test]
fn what_a_pod_lacks_is_named() {
    let azure = Azure::start();
    let issued = |aud: &str, exp: i64| {
        azure.issuer().token(json!({ "sub": SERVICE_ACCOUNT, "aud": aud, "exp": exp }))
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let good = azure.pod_environment(&azure.service_account_token(SERVICE_ACCOUNT));
    let fault = |environment: &[(String, String)]| -> Bad {
        let mut asker = Asker::start(&azure, environment, "workload");
        asker.fault(token("https://vault.azure.net/.default"))
    };

    let bad = fault(&azure.network());
    assert_eq!((bad.code.as_str(), bad.retry), ("WORKLOAD_NOT_CONFIGURED", None));
    assert!(bad.text.contains("AZURE_CLIENT_ID"), "{}", bad.text);
    let missing = with(&good, "AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token");
    assert_eq!(fault(&missing).code, "WORKLOAD_TOKEN_FILE");
    let unknown = with(&good, "AZURE_CLIENT_ID", "99999999-0000-4000-8000-000000000000");
    assert_eq!(fault(&unknown).code, "IDENTITY_UNKNOWN");
    let nobody = with(&good, "AZURE_TENANT_ID", "99999999-0000-4000-8000-000000000000");
    assert_eq!(fault(&nobody).code, "TENANT_UNKNOWN");
    let plain = with(&good, "AZURE_AUTHORITY_HOST", "http://login.example");
    assert_eq!(fault(&plain).code, "IDENTITY_UNSUPPORTED");

    let before = azure.requests(ENTRA);
    azure.pod_environment("CANARY is no token");
    assert_eq!(fault(&good).code, "WORKLOAD_TOKEN_FILE");
    azure.pod_environment(&issued("api://AzureADTokenExchange", now - 10));
    assert_eq!(fault(&good).code, "WORKLOAD_TOKEN_EXPIRED");
    assert_eq!(azure.requests(ENTRA), before, "Entra ID is not asked in vain");

    azure.pod_environment(&issued("api://other", now + 600));
    assert_eq!(fault(&good).code, "WORKLOAD_NOT_TRUSTED");
    azure.pod_environment(&issued("api://AzureADTokenExchange", now + 600));
    azure.set_entra_clock(3600);
    assert_eq!(fault(&good).code, "WORKLOAD_TOKEN_EXPIRED");
}

#[test]
fn every_answer_of_entra_id_has_its_name() {
    let azure = Azure::start();
    let assertion = azure.service_account_token(SERVICE_ACCOUNT);
    let environment = azure.pod_environment(&assertion);
    let echo = format!(r#"{{"error":"e","error_description":"AADSTS1: {assertion} CANARY-"}}"#);
    let echo = echo.replace("CANARY-", "refused");
    let cases = [
        (Fault::status(400, echo), "ENTRA_REFUSED"),
        (Fault::status(403, "<html>"), "ENTRA_REFUSED"),
        (Fault::status(429, "{}").with("Retry-After", "2"), "ENTRA_THROTTLED"),
        (Fault::status(500, "{}"), "ENTRA_FAILED"),
        (Fault::status(200, r#"{"access_token":"#), "TOKEN_MALFORMED"),
        (Fault::CutAfter(20), "CONNECTION_RESET"),
        (Fault::Never, "IDENTITY_SLOW"),
    ];
    let mut asker = Asker::start(&azure, &environment, "workload");
    for (number, (fault, code)) in cases.into_iter().enumerate() {
        azure.mend();
        azure.spoil(ENTRA, fault.clone());
        let bad = asker.fault(token(&format!("https://s{number}.example/.default")));
        assert_eq!(bad.code, code, "{fault:?}: {}", bad.text);
    }
    azure.mend();
    azure.spoil(ENTRA, Fault::Shows(Certificate::Untrusted));
    let mut asker = Asker::start(&azure, &environment, "workload");
    let bad = asker.fault(token("https://vault.azure.net/.default"));
    assert_eq!(bad.code, "TLS_UNTRUSTED");
    assert!(bad.text.contains("login host"), "{}", bad.text);
}

#[test]
fn a_developer_is_who_is_logged_in_with_the_azure_cli() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    let az = |script: &str| -> Vec<(String, String)> {
        let dir = tempfile::tempdir_in(azure.dir()).unwrap().keep();
        if !script.is_empty() {
            let file = dir.join("az");
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        with(&azure.network(), "PATH", dir.to_str().unwrap())
    };
    let ours = azure.entra_token(&USER, "https://vault.azure.net");
    let printed = json!({ "accessToken": ours, "expires_on": 4_000_000_000_i64, "tokenType": "B" });
    let environment = az(&format!("echo '{printed}'"));
    let mut asker = Asker::start(&azure, &environment, "cli");
    assert!(asker.ask(secret("kv1", "name")).is_ok());

    let says = |script: &str| {
        let mut asker = Asker::start(&azure, &az(script), "cli");
        asker.fault(secret("kv1", "name"))
    };
    assert_eq!(says("").code, "AZURE_CLI_MISSING");
    let bad = says("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1");
    assert_eq!(bad.code, "AZURE_CLI_LOGGED_OUT");
    let bad = says("echo 'ERROR: AADSTS50076: a second factor is needed' >&2; exit 1");
    assert_eq!(bad.code, "AZURE_CLI_FAILED");
    assert!(bad.text.contains("AADSTS50076"), "{}", bad.text);
    assert_eq!(says("echo CANARY").code, "TOKEN_MALFORMED");
}
