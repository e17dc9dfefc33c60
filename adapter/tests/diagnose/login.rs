//! Logins: mechanisms, passwords, tokens.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kafka_output::diagnose::{Login, Mechanism};
use serde_json::{Value, json};

use super::{
    broker::{Answer, Broker, tls},
    certificates::{Authority, trust},
    failure, secret, target, tls_target, with_login, works,
};

const PASSWORD: &str = "word-canary";

fn password(mechanism: Mechanism) -> Login {
    Login::Password { mechanism, username: secret("writer"), password: secret(PASSWORD) }
}

fn token(claims: &Value) -> String {
    format!("e30.{}.canary", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn bearer(token: &str, extensions: &[(&str, &str)]) -> Login {
    let extensions = extensions.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Login::Token { token: secret(token), extensions: extensions.collect::<BTreeMap<_, _>>() }
}

/// What is told of a login that this broker answers so.
async fn refused(login: Login, answer: Answer) -> String {
    let offered = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
    let broker = Broker::default().offering(offered, answer).listen().await;
    let told = failure(&with_login(target(broker.port), login)).await;
    assert!(!told.contains("canary"), "{told}");
    told
}

#[tokio::test]
async fn a_password_is_taken() {
    let ca = Authority::new("CA");
    let broker = Broker::with_tls(tls(&ca.server())).offering(&["PLAIN"], Answer::Welcome);
    let broker = broker.listen().await;
    let target = tls_target(broker.port, trust(&[ca.der()]));
    let told = works(&with_login(target, password(Mechanism::Plain))).await;
    assert!(told.ends_with("✓ SASL mechanism: PLAIN, of PLAIN\n✓ login: PLAIN accepted"), "{told}");
    assert_eq!(*broker.logins.lock().unwrap(), [b"\0writer\0word-canary".to_vec()]);
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let said = "Authentication failed: Invalid username or password";
    assert_eq!(
        refused(password(Mechanism::Plain), Answer::Refused(said)).await,
        "login: PASSWORD_WRONG: localhost:PORT refuses user name or password: `Authentication \
         failed: Invalid username or password`; check user name and password, and that the broker \
         knows this user"
    );
    // What repeats the password is not repeated.
    assert_eq!(
        refused(password(Mechanism::Plain), Answer::Echo).await,
        "login: PASSWORD_WRONG: localhost:PORT refuses user name or password; check user name and \
         password, and that the broker knows this user"
    );
    assert_eq!(
        refused(password(Mechanism::Plain), Answer::Close).await,
        "login: LOGIN_CLOSED: localhost:PORT closes the connection instead of answering the login; \
         check user name and password; the broker's log says why it closes the connection"
    );
}

#[tokio::test]
async fn no_password_goes_to_a_server_that_has_not_proven_itself() {
    let (ca, other) = (Authority::new("CA"), Authority::new("Other CA"));
    let broker = Broker::with_tls(tls(&ca.server())).offering(&["PLAIN"], Answer::Welcome);
    let broker = broker.listen().await;
    let target = tls_target(broker.port, trust(&[other.der()]));
    let told = failure(&with_login(target, password(Mechanism::Plain))).await;
    assert!(told.starts_with("TLS: UNKNOWN_CA"), "{told}");
    assert!(broker.logins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_mechanism_that_is_off_is_told_with_those_that_are_on() {
    let offered = &["SCRAM-SHA-256", "OAUTHBEARER"];
    let broker = Broker::default().offering(offered, Answer::Welcome).listen().await;
    assert_eq!(
        failure(&with_login(target(broker.port), password(Mechanism::Plain))).await,
        "SASL mechanism: SASL_MECHANISM_OFF: localhost:PORT does not offer the SASL mechanism \
         PLAIN, but `SCRAM-SHA-256`, `OAUTHBEARER`; write one of these as `mechanism`, or switch \
         it on at the broker (`sasl.enabled.mechanisms`)"
    );
    // SCRAM's end is librdkafka's.
    let told = works(&with_login(target(broker.port), password(Mechanism::ScramSha256))).await;
    assert!(told.ends_with("– login: SCRAM is proven by librdkafka, not here"), "{told}");
}

#[tokio::test]
async fn a_listener_without_logins() {
    let broker = Broker::default().listen().await;
    assert_eq!(
        failure(&with_login(target(broker.port), password(Mechanism::ScramSha512))).await,
        "SASL mechanism: LISTENER_WITHOUT_LOGIN: localhost:PORT takes no logins, and `sasl` has \
         one; use the port of a listener with logins, or write `securityProtocol: None` and take \
         `sasl` out"
    );
    let old = Broker { apis: &[18], ..Broker::default() }.listen().await;
    let told = works(&with_login(target(old.port), password(Mechanism::Plain))).await;
    assert!(told.contains("– SASL mechanism: the broker is older than Kafka 1.0"), "{told}");
}

#[tokio::test]
async fn a_token_is_taken() {
    let broker = Broker::default().offering(&["OAUTHBEARER"], Answer::Welcome).listen().await;
    let login = bearer("a.b.c", &[("logicalCluster", "lkc-1")]);
    works(&with_login(target(broker.port), login)).await;
    let sent = b"n,,\x01auth=Bearer a.b.c\x01logicalCluster=lkc-1\x01\x01".to_vec();
    assert_eq!(*broker.logins.lock().unwrap(), [sent]);
}

#[tokio::test]
async fn the_claims_of_a_refused_token_tell_the_cause() {
    const SAID: &str = r#"{"status":"invalid_token"}"#;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(
        refused(bearer(&token(&json!({ "exp": 1_600_000_000 })), &[]), Answer::Challenge(SAID))
            .await,
        "login: TOKEN_EXPIRED: localhost:PORT refuses the token, which expired on 2020-09-13 12:26 \
         UTC; check the clock of this machine, and that new tokens can be fetched"
    );
    let future = json!({ "nbf": 32_503_680_000_u64, "exp": 32_503_680_001_u64 });
    assert_eq!(
        refused(bearer(&token(&future), &[]), Answer::Challenge(SAID)).await,
        "login: TOKEN_NOT_YET_VALID: localhost:PORT refuses the token, which is not valid before \
         3000-01-01 00:00 UTC; compare the clocks of this machine and of the issuer"
    );
    let good = json!({
        "iss": "https://issuer.test", "aud": ["kafka", "other"], "exp": 32_503_680_000_u64,
        "nbf": now - 60,
    });
    for answer in [Answer::Challenge(SAID), Answer::Refused(SAID)] {
        assert_eq!(
            refused(bearer(&token(&good), &[]), answer).await,
            "login: TOKEN_REFUSED: localhost:PORT refuses the token \
             (`{\"status\":\"invalid_token\"}`) of `https://issuer.test` for `kafka`, `other`, \
             valid until 3000-01-01 00:00 UTC; compare issuer and audience with what the broker \
             expects (`sasl.oauthbearer.expected.issuer`, `…expected.audience`), and check that it \
             knows the issuer's keys"
        );
    }
    assert_eq!(
        refused(bearer("opaque-canary", &[]), Answer::Challenge(SAID)).await,
        "login: TOKEN_REFUSED: localhost:PORT refuses the token, which is no JSON Web Token (RFC \
         7519); have the issuer give tokens of this kind"
    );
}
