//! TLS of the listener: who gets through, and what those hear who do not.
use kafka_output::grpc::{ClientCertificates, ServerTls};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    caller::{Caller, client_tls, denied, entrance, secure},
    issuer::{Issuer, claims, claims_with},
    support::{
        Bench, PATIENCE, Setup,
        certificates::{Authority, Certified, Leaf},
        in_time, log,
    },
};

/// A service whose certificate `authority` signed, and which takes client certificates of
/// `clients`.
async fn service(authority: &Authority, clients: Option<&Authority>) -> Bench {
    let server = authority.sign(Leaf::server()).key_pair();
    let trust = clients.map(Authority::trust);
    let tls = ServerTls::new(&server, trust.as_ref(), false).unwrap();
    Bench::with(Setup { entrance: entrance(Some(tls), None), ..Setup::default() }).await
}

/// A caller's connection and first call: with TLS 1.3 what the service thinks of a client
/// certificate comes after the handshake.
async fn through(endpoint: Endpoint) -> Result<(), String> {
    let caller = Caller::over(endpoint).await.map_err(|error| format!("{error:?}"))?;
    caller.call("GetOutput", "a", "").await.map_err(|status| format!("{status:?}"))
}

/// What a service answers to bytes, until it closes.
async fn answer(bench: &Bench, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(bench.address).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let end = in_time(PATIENCE, tcp.read_to_end(&mut answer)).await;
    end.expect("the service closes").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_check_the_service() {
    let (authority, other) = (Authority::new("ca"), Authority::new("other"));
    let bench = service(&authority, None).await;
    through(secure(&bench, client_tls(&authority, None))).await.unwrap();
    let foreign = through(secure(&bench, client_tls(&other, None))).await.unwrap_err();
    assert!(foreign.contains("UnknownIssuer") || foreign.contains("BadSignature"), "{foreign}");
    let renamed = client_tls(&authority, None).domain_name("elsewhere.example");
    let renamed = through(secure(&bench, renamed)).await.unwrap_err();
    assert!(renamed.contains("NotValidForName"), "{renamed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_are_verified_and_the_log_says_what_is_wrong_with_them() {
    log::keep();
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    // Each at a listener of its own: one says only so much in ten seconds, and a client may try
    // more than once.
    let shown = async |own: Option<&Certified>| {
        let bench = service(&authority, Some(&clients)).await;
        through(secure(&bench, client_tls(&authority, own))).await
    };
    let with = async |leaf: Leaf| shown(Some(&clients.sign(leaf))).await;
    with(Leaf::client("engine")).await.unwrap();

    with(Leaf { years: (2020, 2021), ..Leaf::client("late") }).await.unwrap_err();
    log::line(&["a connection is not served", "TLS failed", "expired"]).await;
    with(Leaf { years: (2079, 2080), ..Leaf::client("early") }).await.unwrap_err();
    log::line(&["a connection is not served", "TLS failed", "not valid yet"]).await;
    with(Leaf { server: true, ..Leaf::client("a server") }).await.unwrap_err();
    log::line(&["a connection is not served", "TLS failed", "extended key usage"]).await;
    shown(None).await.unwrap_err();
    log::line(&["a connection is not served", "TLS failed", "sent no certificates"]).await;
    shown(Some(&authority.sign(Leaf::client("engine")))).await.unwrap_err();
    log::line(&["a connection is not served", "TLS failed", "UnknownIssuer"]).await;

    let bench = service(&authority, Some(&clients)).await;
    // TLS comes before the probe.
    let plain = Endpoint::try_from(format!("http://{}", bench.address)).unwrap();
    let mut health = HealthClient::new(plain.connect_lazy());
    health.check(HealthCheckRequest::default()).await.unwrap_err();
    let own = clients.sign(Leaf::client("probe"));
    let channel = secure(&bench, client_tls(&authority, Some(&own))).connect().await.unwrap();
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_or_a_token_is_enough_where_either_is() {
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    let issuer = Issuer::new();
    let server = authority.sign(Leaf::server()).key_pair();
    let tls = ServerTls::new(&server, Some(&clients.trust()), true).unwrap();
    assert_eq!(tls.client_certificates(), ClientCertificates::Optional);
    let entrance_of_both = entrance(Some(tls), Some(issuer.check()));
    let bench = Bench::with(Setup { entrance: entrance_of_both, ..Setup::default() }).await;
    let own = clients.sign(Leaf::client("engine"));
    let named = Caller::over(secure(&bench, client_tls(&authority, Some(&own)))).await.unwrap();
    let bare = Caller::over(secure(&bench, client_tls(&authority, None))).await.unwrap();
    let (good, bad) =
        (issuer.sign(&claims()), issuer.sign(&claims_with("aud", serde_json::json!("x"))));

    named.call("GetOutput", "a", "").await.unwrap();
    named.with(&good).call("GetOutput", "a", "").await.unwrap();
    named.with(&bad).call("GetOutput", "a", "").await.unwrap();
    bare.with(&good).call("GetOutput", "a", "").await.unwrap();
    let (_, reason) = denied(bare.with(&bad).call("GetOutput", "a", "").await);
    assert_eq!(reason, "TOKEN_INVALID");
    let (_, reason) = denied(bare.call("GetOutput", "a", "").await);
    assert_eq!(reason, "TOKEN_MISSING");
    // A certificate that does not hold is none the better for being optional.
    let foreign = authority.sign(Leaf::client("engine"));
    through(secure(&bench, client_tls(&authority, Some(&foreign)))).await.unwrap_err();

    // Where certificates are always asked for, a token is asked for in addition.
    let tls = ServerTls::new(&server, Some(&clients.trust()), false).unwrap();
    let entrance_of_both = entrance(Some(tls), Some(issuer.check()));
    let bench = Bench::with(Setup { entrance: entrance_of_both, ..Setup::default() }).await;
    let named = Caller::over(secure(&bench, client_tls(&authority, Some(&own)))).await.unwrap();
    named.with(&good).call("GetOutput", "a", "").await.unwrap();
    let (_, reason) = denied(named.call("GetOutput", "a", "").await);
    assert_eq!(reason, "TOKEN_MISSING");

    // Where tokens are none, the optional certificate is the only way.
    let tls = ServerTls::new(&server, Some(&clients.trust()), true).unwrap();
    let bench =
        Bench::with(Setup { entrance: entrance(Some(tls), None), ..Setup::default() }).await;
    let bare = Caller::over(secure(&bench, client_tls(&authority, None))).await.unwrap();
    let (code, reason) = denied(bare.call("GetOutput", "a", "").await);
    assert_eq!((code, &*reason), (Code::Unauthenticated, "CERTIFICATE_MISSING"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_the_wrong_protocol_is_told_so_in_its_own() {
    log::keep();
    let authority = Authority::new("ca");
    let (secure_bench, plain) = (service(&authority, None).await, Bench::start().await);
    let words = "this port speaks TLS: the address begins with https://";

    // HTTP/2 in the clear hears SETTINGS and GOAWAY, and HTTP/1.1 an answer.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let heard = answer(&secure_bench, preface).await;
    assert_eq!(heard[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!((heard[12], &heard[18..26]), (7, &[0, 0, 0, 0, 0, 0, 0, 0xC][..]), "{heard:?}");
    assert_eq!(&heard[26..], words.as_bytes());
    let heard = answer(&secure_bench, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.contains(words), "{heard}");
    log::line(&["a connection is not served", "it speaks plaintext, and this port TLS"]).await;

    // TLS at a plaintext port: TLS libraries know the beginning of an answer in HTTP.
    let endpoint = format!("https://localhost:{}", plain.address.port());
    let endpoint =
        Endpoint::try_from(endpoint).unwrap().tls_config(client_tls(&authority, None)).unwrap();
    let error = through(endpoint).await.unwrap_err();
    assert!(error.contains("InvalidContentType"), "{error}");
    log::line(&["a connection is not served", "it speaks TLS, and this port plaintext"]).await;

    let heard = String::from_utf8(answer(&plain, b"POST /x HTTP/1.1\r\n\r\n").await).unwrap();
    assert!(heard.contains("this port speaks gRPC over HTTP/2"), "{heard}");
    assert_eq!(answer(&plain, b"\x00\x01rubbish").await, b"");
    log::line(&["a connection is not served", "it speaks no HTTP/2"]).await;
}

/// A ClientHello with these versions and suites, and no extensions.
fn client_hello(version: [u8; 2], suites: &[[u8; 2]]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend((2 * suites.len() as u16).to_be_bytes());
    body.extend(suites.concat());
    body.extend([1, 0]); // no compression
    let mut hello = vec![1, 0];
    hello.extend((body.len() as u16).to_be_bytes());
    hello.extend(body);
    let mut record = vec![0x16, 3, 1];
    record.extend((hello.len() as u16).to_be_bytes());
    record.extend(hello);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_old_suites_are_refused_with_an_alert() {
    const ECDHE_RSA_AES_128_CBC_SHA: [u8; 2] = [0xC0, 0x13];
    const RSA_AES_128_GCM: [u8; 2] = [0, 0x9C];
    let bench = service(&Authority::new("ca"), None).await;
    for version in [[3, 0], [3, 1], [3, 2], [3, 3]] {
        let hello = client_hello(version, &[ECDHE_RSA_AES_128_CBC_SHA, RSA_AES_128_GCM]);
        let heard = answer(&bench, &hello).await;
        // A fatal alert: handshake_failure or protocol_version.
        assert_eq!((heard[0], heard[5], heard.len()), (0x15, 2, 7), "{version:?}: {heard:?}");
        assert!([40, 70].contains(&heard[6]), "{version:?}: {heard:?}");
    }
}
