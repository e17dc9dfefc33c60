//! What is read from a vault.

use tests::azure::{Azure, Object};

use super::asker::{Asker, Question, secret};

#[test]
fn a_secret_comes_with_its_version_and_the_newest_comes_first() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    let first = vault.set("password", "CANARY-one\n");
    let mut asker = Asker::on_azure(&azure);
    let found = asker.ask(secret("kv1", "password")).unwrap();
    assert_eq!((found.text.as_str(), &found.version), ("CANARY-one\n", &first));
    assert_eq!((found.content_type, found.not_before, found.expires), (None, None, None));

    let second = vault.set("password", "CANARY-two");
    let found = asker.ask(secret("kv1", "password")).unwrap();
    assert_eq!((found.text.as_str(), &found.version), ("CANARY-two", &second));
    let pinned = Question::Secret("kv1".into(), "password".into(), Some(first.clone()));
    let found = asker.ask(pinned).unwrap();
    assert_eq!((found.text.as_str(), &found.version), ("CANARY-one\n", &first));

    // The challenge and the answer, then one request each time.
    assert_eq!(vault.requests(), 4);
    assert_eq!(azure.requests("/msi/token"), 1);
    assert_eq!(azure.proxied(), ["kv1.vault.azure.net"], "the machine's endpoint needs no proxy");
}

#[test]
fn certificates_are_read_as_the_secrets_behind_them() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    let (pfx, pem) =
        ("Q0FOQVJZ", "-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n");
    let mut object = Object::text(pfx).of_type("application/x-pkcs12");
    (object.not_before, object.expires) = (Some(1_700_000_000), Some(1_900_000_000));
    vault.put("pfx", object);
    vault.put("pem", Object::text(pem).of_type("application/x-pem-file"));
    let mut asker = Asker::on_azure(&azure);
    let found = asker.ask(Question::Certificate("kv1".into(), "pfx".into())).unwrap();
    assert_eq!(found.text, pfx);
    assert_eq!(found.content_type.as_deref(), Some("application/x-pkcs12"));
    assert_eq!((found.not_before, found.expires), (Some(1_700_000_000), Some(1_900_000_000)));
    let found = asker.ask(Question::Certificate("kv1".into(), "pem".into())).unwrap();
    assert_eq!(found.text, pem);
    assert_eq!(found.content_type.as_deref(), Some("application/x-pem-file"));
    let fault = asker.fault(Question::Certificate("kv1".into(), "missing".into()));
    assert!(fault.text.starts_with("the certificate `missing` of https://kv1."), "{}", fault.text);
}

#[test]
fn vaults_are_kept_apart_and_share_a_token() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY-1");
    azure.vault("kv2").set("name", "CANARY-2");
    let mut asker = Asker::on_azure(&azure);
    assert_eq!(asker.ask(secret("kv1", "name")).unwrap().text, "CANARY-1");
    assert_eq!(asker.ask(secret("kv2", "name")).unwrap().text, "CANARY-2");
    assert_eq!(azure.requests("/msi/token"), 1);
}

#[test]
fn those_who_ask_at_once_share_one_request() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("name", "CANARY");
    let mut asker = Asker::on_azure(&azure);
    // The first answer comes when all have asked.
    vault.fault(tests::azure::Fault::Delay(std::time::Duration::from_millis(300)));
    let answers = asker.ask_all(&vec![secret("kv1", "name"); 50]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(vault.requests(), 2, "the challenge and one answer");
    assert_eq!(azure.requests("/msi/token"), 1);
}

#[test]
fn without_an_identity_no_vault_is_asked() {
    let azure = Azure::start();
    let mut asker = Asker::start(&azure, &azure.environment(), "none");
    let fault = asker.fault(secret("kv1", "name"));
    assert_eq!((fault.code.as_str(), fault.retry), ("IDENTITY_NOT_CHOSEN", None));
    assert_eq!(azure.vault("kv1").requests(), 0);
}
