//! The client of this project and the command `send`: TLS, tokens, and causes by name.
use std::{
    fs,
    path::Path,
    process::{Command, Output as Ran},
    time::Duration,
};

use kafka_output::{
    client::{Client, Error, OwnCertificate, Security, TlsFault, TokenFrom, Writer, WriterOptions},
    grpc::ServerTls,
};
use keyvault::Secret;
use serde_json::json;

use crate::{
    caller::entrance,
    issuer::{Issuer, claims, claims_with, seconds_from_now},
    support::{
        Bench, PATIENCE, Setup,
        certificates::{Authority, Certified, Leaf},
        in_time,
    },
};

fn trusting(authority: &Authority, own: Option<&Certified>) -> Security {
    let certificate = own.map(|own| OwnCertificate {
        chain_pem: own.pem.clone().into_bytes(),
        key_pem: Secret::from(own.key_pem.clone()),
    });
    let authorities_pem = Some(authority.pem.clone().into_bytes());
    Security { authorities_pem, certificate, token: None }
}

async fn service(server: Leaf, authority: &Authority, clients: Option<&Authority>) -> Bench {
    let trust = clients.map(Authority::trust);
    let server = authority.sign(server).key_pair();
    let tls = ServerTls::new(&server, trust.as_ref(), false).unwrap();
    Bench::with(Setup { entrance: entrance(Some(tls), None), ..Setup::default() }).await
}

fn address(bench: &Bench) -> String {
    format!("https://localhost:{}", bench.address.port())
}

/// How a writer that may try for long fails: at once, and with a cause.
async fn fault(address: &str, security: Security) -> TlsFault {
    let reconnect_for = Duration::from_secs(600);
    let options = WriterOptions { reconnect_for, security, ..WriterOptions::new("a", "w") };
    let opened = in_time(PATIENCE, Writer::open(address, options)).await;
    match opened.expect("it does not wait for what no wait mends") {
        Err(Error::Tls { fault, .. }) => fault,
        other => panic!("instead of a fault of TLS: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_tls_are_told_apart() {
    let (authority, other) = (Authority::new("ca"), Authority::new("other"));
    let bench = service(Leaf::server(), &authority, None).await;
    let mut client = Client::connect_with(&address(&bench), &trusting(&authority, None), PATIENCE)
        .await
        .unwrap();
    assert_eq!(client.get_output("a").await.unwrap().alias, "a");

    let unknown = fault(&address(&bench), trusting(&other, None)).await;
    assert_eq!(unknown, TlsFault::UnknownAuthority);
    // An address that the certificate does not name, on the same port.
    let renamed = format!("https://[::ffff:127.0.0.1]:{}", bench.address.port());
    let renamed = fault(&renamed, trusting(&authority, None)).await;
    assert!(matches!(&renamed, TlsFault::WrongName(of) if of.contains("localhost")), "{renamed}");
    for (years, expected) in
        [((2020, 2021), TlsFault::Expired), ((2079, 2080), TlsFault::NotYetValid)]
    {
        let bench = service(Leaf { years, ..Leaf::server() }, &authority, None).await;
        assert_eq!(fault(&address(&bench), trusting(&authority, None)).await, expected);
    }
    let plain = Bench::start().await;
    assert_eq!(fault(&address(&plain), trusting(&authority, None)).await, TlsFault::Plaintext);
    let clear = format!("http://localhost:{}", bench.address.port());
    assert_eq!(fault(&clear, Security::default()).await, TlsFault::TlsWanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_that_are_not_taken_are_told_apart() {
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    let bench = service(Leaf::server(), &authority, Some(&clients)).await;
    let own = clients.sign(Leaf::client("engine"));
    let security = trusting(&authority, Some(&own));
    let mut client = Client::connect_with(&address(&bench), &security, PATIENCE).await.unwrap();
    client.get_output("a").await.unwrap();

    let none = fault(&address(&bench), trusting(&authority, None)).await;
    assert_eq!(none, TlsFault::CertificateWanted);
    let bare = trusting(&authority, None);
    let mut client = Client::connect_with(&address(&bench), &bare, PATIENCE).await.unwrap();
    let error = client.get_output("a").await.unwrap_err();
    let wanted = TlsFault::CertificateWanted;
    assert!(matches!(&error, Error::Tls { fault, .. } if *fault == wanted), "{error}");
    let foreign = authority.sign(Leaf::client("engine"));
    let foreign = fault(&address(&bench), trusting(&authority, Some(&foreign))).await;
    assert_eq!(foreign, TlsFault::CertificateRefused("it does not know who signed"));
    let old = clients.sign(Leaf { years: (2020, 2021), ..Leaf::client("engine") });
    let old = fault(&address(&bench), trusting(&authority, Some(&old))).await;
    assert_eq!(old, TlsFault::CertificateRefused("it has expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_used_are_told_before_anything_is_sent() {
    let authority = Authority::new("ca");
    let own = authority.sign(Leaf::client("engine"));
    let security = trusting(&authority, Some(&own));
    let with = |change: &dyn Fn(&mut Security)| {
        let mut security = security.clone();
        change(&mut security);
        security
    };
    let key = |pem: &str| {
        let key_pem = Secret::from(pem.to_owned());
        Some(OwnCertificate { chain_pem: own.pem.clone().into_bytes(), key_pem })
    };
    let other_key = authority.sign(Leaf::client("engine")).key_pem;
    let file = TokenFrom::File("/nowhere/token".into());
    for (address, security, said) in [
        ("https://x", with(&|s| s.authorities_pem = Some(b"x".to_vec())), "BEGIN CERTIFICATE"),
        ("https://x", with(&|s| s.certificate = key("x")), "key of the client certificate"),
        ("https://x", with(&|s| s.certificate = key(&other_key)), "do not fit"),
        ("http://x", security.clone(), "without TLS; write https:// in http://x"),
        ("https://x", with(&|s| s.token = Some(file.clone())), "/nowhere/token cannot be read"),
        ("https://x", with(&|s| s.token = Some(TokenFrom::Env("NOT_SET".into()))), "`NOT_SET`"),
        (
            "http://192.0.2.1:7070",
            Security { token: Some(TokenFrom::Env("PATH".into())), ..Security::default() },
            "a token goes over TLS alone",
        ),
    ] {
        let options = WriterOptions { security, ..WriterOptions::new("a", "w") };
        let error = Writer::start(address, options).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains(&other_key), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_anew_for_each_connection() {
    let issuer = Issuer::new();
    let entrance = entrance(None, Some(issuer.check()));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let address = format!("http://127.0.0.1:{}", bench.address.port());
    let token = Some(TokenFrom::File(file.clone()));
    let security = Security { token, ..Security::default() };
    let old = issuer.sign(&claims_with("exp", json!(seconds_from_now(-100))));
    fs::write(&file, format!("{old}\n")).unwrap();
    let open = || {
        let options = WriterOptions { security: security.clone(), ..WriterOptions::new("a", "w") };
        Writer::open(&address, options)
    };
    assert_eq!(open().await.unwrap_err().reason(), "TOKEN_INVALID");
    fs::write(&file, format!("{}\n", issuer.sign(&claims()))).unwrap();
    open().await.unwrap();
}

/// Runs `send` with these words behind the file.
async fn send(rows: &Path, words: &[&str], roots: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-output"));
    command.arg("send").arg(rows).args(["--into", "a", "--progress", "never"]).args(words);
    command.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn send_shows_certificates_and_tokens_and_says_what_is_missing() {
    let (authority, clients) = (Authority::new("ca"), Authority::new("clients"));
    let issuer = Issuer::new();
    let server = authority.sign(Leaf::server()).key_pair();
    let tls = ServerTls::new(&server, Some(&clients.trust()), false).unwrap();
    let entrance = entrance(Some(tls), Some(issuer.check()));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    bench.kafka().run_by_itself();

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let own = clients.sign(Leaf::client("engine"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let ca = path(&write("ca.pem", &authority.pem));
    let other = path(&write("other.pem", &Authority::new("other").pem));
    let (certificate, key) = (write("own.pem", &own.pem), write("own.key", &own.key_pem));
    let (certificate, key) = (path(&certificate), path(&key));
    let token = path(&write("token", &issuer.sign(&claims())));
    let rows = write("rows.csv", "n\n1\n2\n3\n");
    let (roots, to) = (Path::new(&ca), address(&bench));
    let shown = ["--certificate", &certificate, "--key", &key, "--token-file", &token];
    let text = |ran: &Ran| String::from_utf8(ran.stderr.clone()).unwrap();

    let ran = send(&rows, &[&["--to", &to, "--ca", &ca], &shown[..]].concat(), roots).await;
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran));
    // By default those that the system trusts; here, what the test says they are.
    let again = ["--to", &to, "--writer", "again"];
    let ran = send(&rows, &[&again, &shown[..]].concat(), roots).await;
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran));

    for (words, code, said) in [
        ([&["--to", &to, "--ca", &other], &shown[..]].concat(), 4, "name the authority"),
        (vec!["--to", &to, "--ca", &ca], 4, "show one: --certificate FILE --key FILE"),
        ([&["--to", &to, "--ca", &ca], &shown[..4]].concat(), 6, "show one with --token-file"),
        (vec!["--to", &to, "--ca", "/nowhere"], 3, "/nowhere cannot be read"),
        (vec!["--to", "http://localhost:1", "--ca", &ca], 3, "write https://"),
        (vec!["--to", &to, "--certificate", &certificate], 2, "--key"),
        (vec!["--token-file", &token, "--token-env", "X"], 2, "cannot be used with"),
    ] {
        let ran = send(&rows, &words, roots).await;
        let text = text(&ran);
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
    }
}
