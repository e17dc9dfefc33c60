//! Whom a vault wants a token of, and tokens that it takes no longer.

use tests::{
    azure::{APP_SERVICE, Azure, ENTRA, Fault, SERVICE_ACCOUNT, TENANT},
    wait::{DEADLINE, wait_until},
};

use super::{
    asker::{Asker, secret},
    refusals::CHALLENGE,
};

/// A vault, or who plays one, names whom to ask for a token. Nobody is asked but those whom the
/// platform has named, and no token for anything else is shown.
#[test]
fn a_challenge_leads_to_no_foreign_authority() {
    let azure = Azure::start();
    let token = azure.service_account_token(SERVICE_ACCOUNT);
    let mut asker = Asker::start(&azure, &azure.pod_environment(&token), "workload");
    let vaults = "https://vault.azure.net";
    for (number, (authority, resource, code)) in [
        ("https://login.microsoftonline.com/another", vaults, "VAULT_TOKEN_TENANT"),
        ("https://login.evil.example/another", vaults, "VAULT_TOKEN_TENANT"),
        ("https://login.evil.example/t", "https://evil.example", "VAULT_CHALLENGE_MISMATCH"),
        ("https://evil.example/t", "https://storage.azure.com", "VAULT_CHALLENGE_MISMATCH"),
        (
            "https://login.microsoftonline.com/t",
            "https://vault.azure.net.evil.example",
            "VAULT_CHALLENGE_MISMATCH",
        ),
        (
            "https://login.microsoftonline.com/t",
            "https://vault.azure.cn",
            "VAULT_CHALLENGE_MISMATCH",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("kv-{number}");
        let challenge = format!("Bearer authorization=\"{authority}\", resource=\"{resource}\"");
        azure.vault(&name).fault(Fault::status(401, "{}").with("WWW-Authenticate", &challenge));
        let bad = asker.fault(secret(&name, "name"));
        assert_eq!(bad.code, code, "{challenge}: {}", bad.text);
        let shown = azure.was_shown_a_token(&format!("{name}.vault.azure.net"));
        assert_eq!(shown, code == "VAULT_TOKEN_TENANT", "{challenge}");
    }
    // One token, of the tenant of the pod, serves all; nothing went to another host.
    assert_eq!(azure.requests(ENTRA), azure.requests(&format!("{ENTRA}{TENANT}/")));
    assert_eq!(azure.requests(&format!("{ENTRA}{TENANT}/oauth2/v2.0/token")), 1);
    let known = |host: &String| host == "login.microsoftonline.com" || host.starts_with("kv-");
    assert!(azure.proxied().iter().all(known), "{:?}", azure.proxied());
}

/// The vault has taken the token before; then it challenges anew, for somebody else.
#[test]
fn a_later_challenge_is_checked_as_the_first_one_was() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    let challenge = format!("{CHALLENGE}\"https://evil.example\"");
    vault.fault(Fault::status(401, "{}").with("WWW-Authenticate", &challenge));
    assert_eq!(asker.fault(secret("kv1", "name")).code, "VAULT_CHALLENGE_MISMATCH");
    assert_eq!(azure.requests(APP_SERVICE), 1);
    azure.mend();
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}

#[test]
fn a_token_that_has_ended_for_the_vault_is_told() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    azure.set_token_life(100);
    // Not so far ahead that the clock is to blame.
    azure.set_vault_clock(200);
    let mut asker = Asker::on_azure(&azure);
    let bad = asker.fault(secret("kv1", "name"));
    assert_eq!((bad.code.as_str(), bad.retry), ("VAULT_TOKEN_REFUSED", Some(None)));
    assert!(bad.text.contains("[TokenExpired]"), "{}", bad.text);
    azure.set_vault_clock(0);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    assert_eq!(azure.requests(APP_SERVICE), 1, "the token is too young to be fetched anew");
}

/// The keys change under a token that is in use, and the old ones are withdrawn.
#[test]
fn a_token_that_the_vault_rejects_is_fetched_anew() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    azure.rotate_entra_keys();
    azure.withdraw_old_entra_keys();
    assert_eq!(asker.fault(secret("kv1", "name")).code, "VAULT_TOKEN_REFUSED");
    wait_until("another token is fetched", DEADLINE, || {
        asker
            .ask(secret("kv1", "name"))
            .map_err(|bad| bad.code)
            .inspect_err(|code| assert_eq!(code, "VAULT_TOKEN_REFUSED"))
            .is_ok()
    });
    assert_eq!(azure.requests(APP_SERVICE), 2);
}
