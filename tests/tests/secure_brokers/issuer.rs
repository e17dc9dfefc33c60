//! The issuer of tokens, asked in plain HTTP, and a broker that fetches its keys.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tests::{
    kafka::{Listener, SecureBrokers, SecureOptions, own_brokers},
    oidc::{AUDIENCE, Failure, Issuer, Token},
    wait::{DEADLINE, wait_until},
};

use super::client;

/// Posts a form to the token endpoint; returns the status and the body.
fn post(issuer: &Issuer, headers: &str, form: &str) -> (u16, Value) {
    let host = issuer.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = form.len();
    let head = format!("Host: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    write!(stream, "POST /token HTTP/1.1\r\n{head}{headers}\r\n{form}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn clients_get_tokens_and_brokers_fetch_the_keys() {
    let _own = own_brokers();
    let issuer = Issuer::start();
    let options = SecureOptions::default().issuer_at(issuer.url(), AUDIENCE, &issuer.keys_url());
    let brokers = SecureBrokers::start(&options);
    issuer.set_client("engine", "a secret: 100%");
    issuer.set_lifetime(60);

    let grant = "grant_type=client_credentials&scope=write";
    let in_form = format!("{grant}&client_id=engine&client_secret=a+secret%3A+100%25");
    let (status, body) = post(&issuer, "", &in_form);
    assert_eq!((status, body["expires_in"].as_u64()), (200, Some(60)), "{body}");
    let basic = STANDARD.encode("engine:a+secret%3A+100%25");
    let (status, again) = post(&issuer, &format!("Authorization: Basic {basic}\r\n"), grant);
    assert_eq!((status, issuer.tokens_issued()), (200, 2), "{again}");
    let bearing = |token: &str| client(&brokers, Listener::SaslSsl).token(token);
    for answer in [&body, &again] {
        bearing(answer["access_token"].as_str().unwrap()).connect().unwrap();
    }

    for (form, status, error) in [
        (in_form.replace("100", "99"), 401, "invalid_client"),
        (in_form.replace("=engine", "=another"), 401, "invalid_client"),
        (in_form.replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        (grant.to_owned(), 400, "invalid_request"),
    ] {
        let (found, body) = post(&issuer, "", &form);
        assert_eq!((found, body["error"].as_str()), (status, Some(error)), "{form}");
    }
    issuer.fail(Some(Failure::Status(503)));
    assert_eq!(post(&issuer, "", &in_form).0, 503);
    issuer.fail(None);
    assert_eq!(issuer.tokens_issued(), 2);

    // The broker fetches keys by itself, and forgets those that are no longer there.
    let old = issuer.sign(&Token::of("engine"));
    issuer.rotate();
    let new = issuer.sign(&Token::of("engine"));
    for token in [&old, &new] {
        wait_until("the broker knows both keys", DEADLINE, || bearing(token).connect().is_ok());
    }
    issuer.retire();
    wait_until("the broker forgets a key", DEADLINE, || bearing(&old).connect().is_err());
    bearing(&new).connect().unwrap();
    println!("the broker has fetched keys {} times", issuer.key_reads());
}
