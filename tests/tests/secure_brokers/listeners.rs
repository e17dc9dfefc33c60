//! Each listener with each client that it knows, and with each fault.

use std::{net::TcpStream, thread};

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use serde_json::json;
use tests::{
    certs::{KeyKind, Template, authority, other_authority},
    kafka::{Attempt, Listener, Mechanism, PASSWORD, USER, shared_secure, unique_topic},
    oidc::{self, Issuer, Token},
};

use super::{ALERT, client, heard, stored, with};

/// A client and what becomes of its record.
struct Case {
    name: String,
    client: Attempt,
    /// A part of what librdkafka says first; without it, the record is stored.
    refused: Option<&'static str>,
}

/// Makes a client of a listener.
type At<'a> = &'a dyn Fn(Listener) -> Attempt;

/// What librdkafka says of every fault of a server's certificate.
const NOT_VERIFIED: &str = "certificate verify failed";
/// What it says where it knows no cause.
const BROKERS_DOWN: &str = "brokers are down";

fn good(name: impl Into<String>, client: Attempt) -> Case {
    Case { name: name.into(), client, refused: None }
}

fn bad(name: impl Into<String>, client: Attempt, cause: &'static str) -> Case {
    Case { name: name.into(), client, refused: Some(cause) }
}

#[test]
fn each_listener_takes_what_it_should_and_refuses_the_rest() {
    let brokers = shared_secure();
    let topic = unique_topic("listeners");
    brokers.create_topic(&topic, 1, USER);
    let at: At<'_> = &|listener| client(&brokers, listener);
    let mut cases = passwords(at);
    cases.extend(tokens(at));
    cases.extend(client_certificates(at));
    cases.extend(server_certificates(at));
    cases.extend(other_protocols(at));

    let failed: Vec<String> = thread::scope(|scope| {
        let topic = &topic;
        let start = |case| scope.spawn(move || judge(case, topic));
        let running: Vec<_> = cases.iter().map(start).collect();
        running.into_iter().filter_map(|case| case.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
    let good = cases.iter().filter(|case| case.refused.is_none()).count();
    assert_eq!(stored(&brokers, &topic), good as u64);
    println!("{} clients, {good} of them let in", cases.len());
}

/// What is wrong with a case's end.
fn judge(case: &Case, topic: &str) -> Option<String> {
    let Case { name, client, refused } = case;
    let ended = match *refused {
        Some(ALERT) => heard(|| client.write(topic)),
        _ => client.write(topic),
    };
    match (ended, refused) {
        (Ok(()), None) => None,
        (Err(said), Some(cause)) if said[0].contains(cause) => None,
        (ended, None) => Some(format!("{name}: should be let in: {ended:?}")),
        (ended, Some(cause)) => Some(format!("{name}: {cause:?} expected: {ended:?}")),
    }
}

fn passwords(at: At<'_>) -> Vec<Case> {
    let pair = authority().issue(&Template::client("somebody"));
    let mut cases = Vec::new();
    for listener in
        [Listener::SaslPlaintext, Listener::SaslSsl, Listener::SaslMtls, Listener::SaslBrief]
    {
        let client = || match listener {
            Listener::SaslMtls => with(at(listener), &pair),
            _ => at(listener),
        };
        for mechanism in Mechanism::ALL {
            let name = format!("{listener:?} {}", mechanism.name());
            let login = |user, password| client().login(mechanism.name(), user, password);
            let cause = match mechanism {
                Mechanism::Plain => "Invalid username or password",
                _ => "invalid credentials with SASL mechanism SCRAM",
            };
            cases.push(good(&name, login(USER, PASSWORD)));
            cases.push(bad(format!("{name}, wrong password"), login(USER, "wrong"), cause));
            cases.push(bad(format!("{name}, no such user"), login("nobody", PASSWORD), cause));
        }
    }
    let scram = |name| at(Listener::ScramOnly).login(name, USER, PASSWORD);
    cases.push(good("SCRAM alone", scram("SCRAM-SHA-256")));
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let cause = "Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-256";
        cases.push(bad(format!("{mechanism} where it is off"), scram(mechanism), cause));
    }
    let without = at(Listener::SaslMtls).login("PLAIN", USER, PASSWORD);
    cases.push(bad("a login without a certificate", without, ALERT));
    cases
}

fn tokens(at: At<'_>) -> Vec<Case> {
    let issuer = oidc::shared();
    let writer = || Token::of(USER);
    let faults = [
        ("audience", writer().claim("aud", json!("another"))),
        ("issuer", writer().claim("iss", json!("http://issuer.test"))),
        ("time", writer().lasts(-600)),
        ("key", writer().key_id("unknown")),
    ];
    let mut cases = Vec::new();
    for listener in [Listener::SaslPlaintext, Listener::SaslSsl, Listener::SaslBrief] {
        let client = |token: &Token| at(listener).token(&issuer.sign(token));
        cases.push(good(format!("{listener:?} token"), client(&writer())));
        for (fault, token) in &faults {
            let name = format!("{listener:?} token with another {fault}");
            cases.push(bad(name, client(token), "invalid_token"));
        }
    }
    let forged = Issuer::start().sign(&writer().claim("iss", json!(issuer.url())));
    cases.push(bad("a forged token", at(Listener::SaslSsl).token(&forged), "invalid_token"));
    cases
}

fn client_certificates(at: At<'_>) -> Vec<Case> {
    let template = || Template::client(USER);
    let branch = authority().intermediate("Branch of clients");
    let mtls = |pair| with(at(Listener::Mtls), &pair);
    let good_ones = [KeyKind::Rsa, KeyKind::Ec, KeyKind::Ed25519].map(|kind| {
        good(format!("mTLS, {kind:?} key"), mtls(authority().issue(&template().key(kind))))
    });
    let bad_ones = [
        ("expired", authority().issue(&template().expired()), ALERT),
        ("not yet valid", authority().issue(&template().not_yet_valid()), ALERT),
        ("for another use", authority().issue(&template().for_another_use()), ALERT),
        ("of another authority", other_authority().issue(&template()), ALERT),
    ];
    let bad_ones = bad_ones
        .map(|(fault, pair, cause)| bad(format!("mTLS, certificate {fault}"), mtls(pair), cause));
    let mut cases = Vec::from(good_ones);
    cases.extend(bad_ones);
    cases.push(good("mTLS, of an intermediate", mtls(branch.issue(&template()))));
    cases.push(good("mTLS, for every use", mtls(authority().issue(&template().for_every_use()))));
    cases.push(bad("mTLS, no certificate", at(Listener::Mtls), ALERT));
    let stranger = authority().issue(&Template::client("stranger"));
    cases.push(bad("mTLS, no right to write", mtls(stranger), "TopicAuthorizationFailed"));
    cases
}

fn server_certificates(at: At<'_>) -> Vec<Case> {
    let trusting_other = at(Listener::Tls).set("ssl.ca.pem", &other_authority().pem());
    let trusting_all = at(Listener::TlsUntrusted).set("ssl.ca.pem", &other_authority().pem());
    vec![
        good("TLS", at(Listener::Tls)),
        good("TLS, of an intermediate", at(Listener::TlsIntermediate)),
        good("TLS, trusting what nobody trusts", trusting_all),
        bad("TLS, trusting another authority", trusting_other, NOT_VERIFIED),
        bad("TLS, expired", at(Listener::TlsExpired), NOT_VERIFIED),
        bad("TLS, for another host", at(Listener::TlsOtherHost), NOT_VERIFIED),
        bad("TLS, untrusted", at(Listener::TlsUntrusted), NOT_VERIFIED),
        bad("TLS 1.1 alone", at(Listener::TlsOld), "alert protocol version"),
    ]
}

fn other_protocols(at: At<'_>) -> Vec<Case> {
    let speaking = |listener, protocol| at(listener).set("security.protocol", protocol);
    // Nothing tells them that it is in vain but the time that a record may take.
    let unanswered = |listener| speaking(listener, "PLAINTEXT").set("message.timeout.ms", "4000");
    let login = |client: Attempt| client.login("PLAIN", USER, PASSWORD);
    let no_login = "handshake failed: Broker: Request not valid in current SASL state";
    vec![
        good("plaintext", at(Listener::Plaintext)),
        bad("TLS to plaintext", speaking(Listener::Plaintext, "SSL"), "PLAINTEXT broker listener"),
        bad("plaintext to TLS", unanswered(Listener::Tls), BROKERS_DOWN),
        bad("plaintext to SASL", unanswered(Listener::SaslPlaintext), BROKERS_DOWN),
        bad("SASL to plaintext", login(speaking(Listener::Plaintext, "SASL_PLAINTEXT")), no_login),
        bad("SASL to TLS", login(speaking(Listener::Tls, "SASL_SSL")), no_login),
    ]
}

/// Who asks for TLS 1.1 gets it, so whoever is refused there is refused for asking for more.
#[test]
fn the_old_listener_speaks_tls_1_1() {
    let address = shared_secure().bootstrap(Listener::TlsOld);
    let versions = |least, most| {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        connector.set_min_proto_version(Some(least)).unwrap();
        connector.set_max_proto_version(Some(most)).unwrap();
        // Its signatures are made with SHA-1, which OpenSSL takes at no other level.
        connector.set_cipher_list("DEFAULT:@SECLEVEL=0").unwrap();
        let stream = TcpStream::connect(&address).unwrap();
        let shaken = connector.build().connect("localhost", stream);
        shaken.map(|stream| stream.ssl().version_str()).map_err(|error| error.to_string())
    };
    assert_eq!(versions(SslVersion::TLS1, SslVersion::TLS1_1), Ok("TLSv1.1"));
    let refused = versions(SslVersion::TLS1_2, SslVersion::TLS1_3).unwrap_err();
    assert!(refused.contains("protocol version"), "{refused}");
}
