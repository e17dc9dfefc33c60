//! A token is fetched once for all, renewed before it ends, and serves while renewing fails.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tests::{
    azure::{APP_SERVICE, Azure, Fault},
    wait::DEADLINE,
};

use super::asker::{Asker, secret, token};

const SCOPE: &str = "https://ns.servicebus.windows.net/.default";

#[test]
fn one_fetch_serves_all_who_ask() {
    let azure = Azure::start();
    azure.spoil(APP_SERVICE, Fault::Delay(Duration::from_millis(200)));
    let mut asker = Asker::on_azure(&azure);
    let answers = asker.ask_all(&vec![token(SCOPE); 50]);
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(first)));
    assert_eq!(azure.requests(APP_SERVICE), 1);
    let other = asker.ask(token("https://other.example/.default")).unwrap();
    assert_ne!(other.text, first.text);
}

#[test]
fn a_token_is_renewed_before_it_ends_and_serves_while_that_fails() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    // It is due two seconds before it ends, which is long enough for a look.
    azure.set_token_life(10);
    let mut asker = Asker::on_azure(&azure);
    let first = asker.ask(token(SCOPE)).unwrap();
    assert_eq!(first.trouble, None);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    azure.spoil(APP_SERVICE, Fault::status(500, "{}"));
    let (start, before) = (Instant::now(), azure.requests(APP_SERVICE));
    let mut trouble = None;
    let bad = loop {
        match asker.ask(token(SCOPE)) {
            Ok(token) => {
                assert_eq!(token.text, first.text);
                trouble = trouble.or(token.trouble);
            }
            Err(bad) => break bad,
        }
        assert!(start.elapsed() < DEADLINE, "the token outlives itself");
        thread::sleep(Duration::from_millis(20));
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now >= first.expires.unwrap(), "it was refused while it held");
    assert_eq!(bad.code, "IDENTITY_FAILED");
    assert_eq!(trouble.as_deref(), Some("IDENTITY_FAILED"), "it was known while the token held");
    let tries = azure.requests(APP_SERVICE) - before;
    assert!((1..=6).contains(&tries), "{tries} tries, each after a longer pause");
    // The endpoint is back.
    azure.mend();
    azure.set_token_life(3600);
    let again = || asker.ask(token(SCOPE)).ok();
    assert_eq!(tests::wait::wait_for("a token comes again", DEADLINE, again).trouble, None);
    tests::wait::wait_until("the vault is read again", DEADLINE, || {
        asker.ask(secret("kv1", "name")).is_ok()
    });
}

#[test]
fn a_token_is_renewed_while_the_old_one_holds() {
    let azure = Azure::start();
    azure.set_token_life(4);
    let mut asker = Asker::on_azure(&azure);
    let first = asker.ask(token(SCOPE)).unwrap();
    let start = Instant::now();
    let second = loop {
        let token = asker.ask(token(SCOPE)).unwrap();
        if token.text != first.text {
            break token;
        }
        assert!(start.elapsed() < DEADLINE, "it is not renewed");
        thread::sleep(Duration::from_millis(20));
    };
    assert!(second.expires > first.expires);
    assert_eq!(azure.requests(APP_SERVICE), 2);
}

#[test]
fn after_a_failure_nobody_asks_for_a_while() {
    let azure = Azure::start();
    azure.spoil(APP_SERVICE, Fault::status(429, "{}").with("Retry-After", "30"));
    let mut asker = Asker::on_azure(&azure);
    for _ in 0..20 {
        let bad = asker.fault(token(SCOPE));
        assert_eq!(bad.code, "IDENTITY_THROTTLED");
        let after = bad.retry.flatten().unwrap();
        assert!((20.0..=30.0).contains(&after), "{after}");
    }
    assert_eq!(azure.requests(APP_SERVICE), 1);
}
