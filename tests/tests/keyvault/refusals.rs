//! What a vault refuses or spoils: each fault by its own name, within 15 s.

use std::time::Duration;

use serde_json::json;
use tests::azure::{APP_SERVICE, Azure, Certificate, Fault, PROXY, SYSTEM};

use super::asker::{Asker, Bad, Question, secret};

/// Of a vault, up to what the token must be for.
pub const CHALLENGE: &str =
    "Bearer authorization=\"https://login.microsoftonline.com/t\", resource=";

/// An error of Key Vault with an inner code.
fn forbidden(inner: &str) -> Fault {
    let error = json!({
        "code": "Forbidden",
        "message": "Not for you.",
        "innererror": { "code": inner },
    });
    Fault::status(403, json!({ "error": error }).to_string())
}

#[test]
fn what_is_not_there_or_not_for_us_is_told_apart() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    let mut code = |question| asker.fault(question).code;

    assert_eq!(code(secret("kv1", "missing")), "VAULT_OBJECT_NOT_FOUND");
    let version = Some("0".repeat(32));
    let unknown = Question::Secret("kv1".into(), "name".into(), version);
    assert_eq!(code(unknown), "VAULT_OBJECT_NOT_FOUND");

    vault.delete("name");
    let fault = asker.fault(secret("kv1", "name"));
    assert_eq!((fault.code.as_str(), fault.retry), ("VAULT_OBJECT_NOT_FOUND", Some(None)));
    assert!(fault.text.contains("recover"), "{}", fault.text);
    vault.recover("name");
    assert!(asker.ask(secret("kv1", "name")).is_ok());

    vault.disable("name");
    assert_eq!(asker.fault(secret("kv1", "name")).code, "VAULT_OBJECT_DISABLED");
    vault.set("name", "CANARY");
    assert!(asker.ask(secret("kv1", "name")).is_ok());

    vault.allow_only(&[]);
    let fault = asker.fault(secret("kv1", "name"));
    assert_eq!(fault.code, "VAULT_FORBIDDEN");
    for said in ["Key Vault Secrets User", SYSTEM.object_id, "`name`", "https://kv1."] {
        assert!(fault.text.contains(said), "{said}: {}", fault.text);
    }
    vault.allow_only(&[SYSTEM.object_id]);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}

#[test]
fn every_answer_has_its_name() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    let canary = "CANARY ".repeat(10);
    let large = format!(r#"{{"value":"{}"}}"#, "CANARY".repeat(60_000));
    let cases = [
        (forbidden("ForbiddenByRbac"), "VAULT_FORBIDDEN"),
        (forbidden("AccessDenied"), "VAULT_FORBIDDEN"),
        (forbidden("ForbiddenByFirewall"), "VAULT_FIREWALL"),
        (forbidden("ForbiddenByConnection"), "VAULT_PRIVATE"),
        (forbidden("SecretDisabled"), "VAULT_OBJECT_DISABLED"),
        (forbidden("SecretExpired"), "VAULT_OBJECT_EXPIRED"),
        (forbidden("SecretNotYetValid"), "VAULT_OBJECT_NOT_YET_VALID"),
        (Fault::status(403, "<html>no</html>"), "VAULT_FORBIDDEN"),
        (Fault::status(500, r#"{"error":{"code":"InternalServerError"}}"#), "VAULT_FAILED"),
        (Fault::status(503, "<html>Service Unavailable</html>"), "VAULT_FAILED"),
        (Fault::status(418, canary), "VAULT_UNEXPECTED_ANSWER"),
        (Fault::status(200, r#"{"value":"CANARY"#), "VAULT_MALFORMED_ANSWER"),
        (Fault::status(200, "{}"), "VAULT_MALFORMED_ANSWER"),
        (Fault::status(200, r#"{"value":"CANARY"}"#), "VAULT_MALFORMED_ANSWER"),
        (Fault::status(200, large), "ANSWER_TOO_LARGE"),
        (Fault::CutAfter(0), "CONNECTION_RESET"),
        (Fault::CutAfter(300), "CONNECTION_RESET"),
    ];
    for (fault, code) in cases {
        azure.mend();
        assert!(asker.ask(secret("kv1", "name")).is_ok());
        azure.spoil("kv1.vault.azure.net/", fault.clone());
        assert_eq!(asker.fault(secret("kv1", "name")).code, code, "{fault:?}");
    }
}

#[test]
fn a_wish_to_be_left_alone_is_passed_on_and_kept() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    let body = r#"{"error":{"code":"Throttled","message":"Too many requests."}}"#;
    vault.fault(Fault::status(429, body).with("Retry-After", "3"));
    let before = vault.requests();
    let Bad { code, retry, .. } = asker.fault(secret("kv1", "name"));
    assert_eq!((code.as_str(), retry), ("VAULT_THROTTLED", Some(Some(3.0))));
    assert_eq!(vault.requests(), before + 1);

    azure.mend();
    vault.fault(Fault::status(503, "{}").with("Retry-After", "20"));
    assert_eq!(asker.fault(secret("kv1", "name")).retry, Some(Some(20.0)));
    assert_eq!(vault.requests(), before + 2);
}

#[test]
fn what_passes_by_itself_is_tried_again_at_once() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    for fault in [Fault::status(500, "{}"), Fault::CutAfter(40)] {
        azure.spoil_times("kv1.vault.azure.net/", 2, fault.clone());
        assert!(asker.ask(secret("kv1", "name")).is_ok(), "{fault:?}");
    }
    azure.spoil_times("kv2.vault.azure.net", 2, Fault::TlsReset);
    azure.vault("kv2").set("name", "CANARY");
    assert!(asker.ask(secret("kv2", "name")).is_ok());
    let before = vault.requests();
    vault.fault(Fault::status(500, "{}"));
    assert_eq!(asker.fault(secret("kv1", "name")).code, "VAULT_FAILED");
    assert_eq!(vault.requests(), before + 3);
}

#[test]
fn a_silent_vault_is_given_up_in_time() {
    let azure = Azure::start();
    azure.vault("kv1").fault(Fault::Never);
    azure.vault("kv2").set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    let answers = asker.ask_all(&[secret("kv1", "name"), secret("kv2", "name")]);
    assert_eq!(answers[0].as_ref().unwrap_err().code, "VAULT_SLOW");
    assert!(answers[1].is_ok(), "another vault does not suffer");
    azure.mend();
    azure.vault("kv1").set("name", "CANARY");
    azure.vault("kv1").fault(Fault::Delay(Duration::from_millis(200)));
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}

#[test]
fn faults_of_tls_have_their_names() {
    let azure = Azure::start();
    let mut asker = Asker::on_azure(&azure);
    let cases = [
        (Fault::TlsReset, "CONNECTION_RESET"),
        (Fault::Shows(Certificate::Untrusted), "TLS_UNTRUSTED"),
        (Fault::Shows(Certificate::OfAnotherHost), "TLS_WRONG_HOST"),
        (Fault::Shows(Certificate::Expired), "TLS_CERTIFICATE_EXPIRED"),
    ];
    for (number, (fault, code)) in cases.into_iter().enumerate() {
        // Connections to a vault are kept, so each has one of its own.
        let name = format!("kv-tls-{number}");
        azure.vault(&name).fault(fault.clone());
        let bad = asker.fault(secret(&name, "name"));
        assert_eq!(bad.code, code, "{fault:?}: {}", bad.text);
        assert!(bad.text.contains(&name), "{}", bad.text);
    }
}

#[test]
fn the_proxy_has_its_own_fault() {
    let azure = Azure::start();
    azure.spoil(PROXY, Fault::status(407, ""));
    let mut asker = Asker::on_azure(&azure);
    assert_eq!(asker.fault(secret("kv1", "name")).code, "PROXY_FAILED");
    azure.mend();
    azure.vault("kv1").set("name", "CANARY");
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}

#[test]
fn no_token_goes_where_it_does_not_belong() {
    let azure = Azure::start();
    let mut asker = Asker::on_azure(&azure);
    let wanted = ["https://evil.example", "https://azure.net/x", "https://vault.azure.net/x", ""];
    for (number, resource) in wanted.into_iter().enumerate() {
        let name = format!("kv-{number}");
        let challenge = format!("{CHALLENGE}\"{resource}\"");
        azure.vault(&name).fault(Fault::status(401, "{}").with("WWW-Authenticate", &challenge));
        let bad = asker.fault(secret(&name, "name"));
        assert_eq!(bad.code, "VAULT_CHALLENGE_MISMATCH", "{resource}: {}", bad.text);
        assert!(!azure.was_shown_a_token(&format!("{name}.vault.azure.net")), "{resource}");
    }

    let elsewhere =
        Fault::status(302, "").with("Location", "https://kv9.vault.azure.net/secrets/x");
    azure.vault("kv8").fault(elsewhere);
    assert_eq!(asker.fault(secret("kv8", "name")).code, "VAULT_UNEXPECTED_ANSWER");
    assert_eq!(azure.vault("kv9").requests(), 0, "redirects are not followed");
    azure.vault("kv1").set("name", "CANARY");
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    assert!(azure.was_shown_a_token("kv1.vault.azure.net"));
}

#[test]
fn a_token_that_the_vault_does_not_take_says_why() {
    let azure = Azure::start();
    let read = |environment: &[(String, String)]| {
        let mut asker = Asker::start(&azure, environment, "system");
        asker.fault(secret("kv1", "name"))
    };
    let environment = azure.environment();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");

    azure.set_vault_clock(7200);
    let bad = read(&environment);
    assert_eq!(bad.code, "CLOCK_WRONG");
    assert!(bad.text.contains("differs from that of this machine by 7"), "{}", bad.text);
    azure.set_vault_clock(0);

    vault.move_to_tenant("another-tenant");
    let bad = read(&environment);
    assert_eq!(bad.code, "VAULT_TOKEN_TENANT");
    assert!(bad.text.contains("another-tenant"), "{}", bad.text);
    vault.move_to_tenant(tests::azure::TENANT);

    let token = azure.entra_token(&SYSTEM, "https://management.azure.com");
    let body = json!({
        "access_token": token,
        "expires_on": "4000000000",
        "token_type": "Bearer",
        "resource": "x",
    });
    azure.spoil(APP_SERVICE, Fault::status(200, body.to_string()));
    assert_eq!(read(&environment).code, "VAULT_TOKEN_AUDIENCE");
    azure.mend();

    azure.set_entra_clock(-7200);
    assert_eq!(read(&environment).code, "TOKEN_EXPIRED_ON_ARRIVAL");
    azure.set_entra_clock(0);

    // The keys are changed under a token that is in use.
    let mut asker = Asker::on_azure(&azure);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    azure.rotate_entra_keys();
    azure.withdraw_old_entra_keys();
    let bad = asker.fault(secret("kv1", "name"));
    assert_eq!(bad.code, "VAULT_TOKEN_REFUSED");
    assert!(bad.text.contains("AKV10046"), "{}", bad.text);
}
