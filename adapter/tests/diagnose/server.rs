//! The server's certificate, judged as librdkafka would.

use kafka_output::diagnose::{Outcome, Target, Tls};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod},
    x509::{X509Builder, X509NameBuilder},
};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    HOST,
    broker::{Broker, Clients, TLS_1_2, TLS_1_3, listen, mutual, tls},
    certificates::{Authority, FUTURE, Leaf, NOW, PAST, trust},
    failure, report, target, tls_target, works,
};

async fn shown(leaf: &Leaf) -> u16 {
    Broker::with_tls(tls(leaf)).listen().await.port
}

/// What is said of a listener with this certificate, trusting these.
async fn refused(leaf: &Leaf, anchors: &[CertificateDer<'static>]) -> String {
    failure(&tls_target(shown(leaf).await, trust(anchors))).await
}

#[tokio::test]
async fn a_trusted_certificate_is_told_with_all_that_matters() {
    let ca = Authority::new("Test CA");
    let port = shown(&ca.server()).await;
    let (found, text) = report(&tls_target(port, trust(&[ca.der()]))).await;
    let lines: Vec<_> = text.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "✓ listener: Kafka in TLS",
            "✓ TLS: TLS 1.3, `CN=broker`, signed by `CN=Test CA`, N days left",
        ]
    );
    let Outcome::Passed(facts) = &found.steps[3].outcome else {
        panic!("{text}");
    };
    assert_eq!(facts.values["version"], "TLS 1.3");
    assert_eq!(facts.values["subject"], "CN=broker");
    assert_eq!(facts.values["issuer"], "CN=Test CA");
    assert_eq!(facts.values["names"], json!(["localhost", "127.0.0.1"]));
    assert_eq!(facts.values["notAfter"], "4000-01-01T00:00:00Z");
}

#[tokio::test]
async fn an_unknown_authority_is_named() {
    let (ca, other) = (Authority::new("Test CA"), Authority::new("Other CA"));
    assert_eq!(
        refused(&ca.server(), &[other.der()]).await,
        "TLS: UNKNOWN_CA: the certificate of localhost:PORT, `CN=broker`, is signed by `CN=Test \
         CA`, which is not in the truststore (1 authority); add to the truststore the certificate \
         of `CN=Test CA`, or have the broker show the whole way up to an authority that is trusted"
    );
    // The broker shows its root.
    assert_eq!(
        refused(&ca.server().with(&ca), &[other.der(), Authority::new("Third CA").der()]).await,
        "TLS: UNKNOWN_CA: `CN=Test CA`, which the certificate of localhost:PORT leads to, is not \
         in the truststore (2 authorities); add to the truststore the certificate of `CN=Test CA`"
    );
    // An authority that was made anew under its old name.
    assert_eq!(
        refused(&ca.server(), &[Authority::new("Test CA").der()]).await,
        "TLS: UNKNOWN_CA: the certificate of localhost:PORT, `CN=broker`, names `CN=Test CA` as \
         its issuer, but was signed with another key than that authority has in the truststore (1 \
         authority); add to the truststore the present certificate of `CN=Test CA`: it was made \
         anew"
    );
}

#[tokio::test]
async fn a_chain_that_breaks_off_is_told_where() {
    let root = Authority::new("Root CA");
    let middle = root.below("Middle CA");
    let server = middle.server();
    works(&tls_target(shown(&server.clone().with(&middle)).await, trust(&[root.der()]))).await;
    works(&tls_target(shown(&server).await, trust(&[middle.der(), root.der()]))).await;
    // The broker shows its own certificate alone.
    assert!(
        refused(&server, &[root.der()]).await.contains("is signed by `CN=Middle CA`, which is")
    );
    // OpenSSL wants the way up to a root.
    assert_eq!(
        refused(&server, &[middle.der()]).await,
        "TLS: UNKNOWN_CA: `CN=Middle CA`, which the certificate of localhost:PORT leads to, is \
         trusted only together with its issuer `CN=Root CA`, which is not in the truststore (1 \
         authority); add to the truststore the certificate of `CN=Root CA`, too"
    );
}

#[tokio::test]
async fn a_certificate_that_signs_itself_is_trusted_if_it_is_given() {
    let server = Leaf::self_signed(HOST);
    // For its common name, as there are no other names.
    works(&tls_target(shown(&server).await, trust(&[server.chain[0].clone()]))).await;
    assert_eq!(
        refused(&server, &[Authority::new("CA").der()]).await,
        "TLS: UNKNOWN_CA: the certificate of localhost:PORT, `CN=localhost`, is signed by itself, \
         and is not in the truststore (1 authority); add to the truststore this certificate \
         itself, if you know it to be the broker's"
    );
    let elsewhere = Leaf::self_signed("kafka-1");
    assert_eq!(
        refused(&elsewhere, &[elsewhere.chain[0].clone()]).await,
        "TLS: HOST_NAME_MISMATCH: the certificate of localhost:PORT is for `CN=kafka-1` alone, not \
         for `localhost`; write one of its names in `bootstrapServers` (and in the broker's \
         `advertised.listeners`), or give the broker a certificate with this name"
    );
}

#[tokio::test]
async fn a_wrong_host_name_is_told_with_the_right_ones() {
    let ca = Authority::new("CA");
    let server = ca.leaf("broker", &["kafka-1.internal", "10.0.0.7"], NOW);
    let told = refused(&server, &[ca.der()]).await;
    assert_eq!(
        told,
        "TLS: HOST_NAME_MISMATCH: the certificate of localhost:PORT is for `kafka-1.internal`, \
         `10.0.0.7`, not for `localhost`; write one of its names in `bootstrapServers` (and in the \
         broker's `advertised.listeners`), or give the broker a certificate with this name"
    );
    let by_address =
        |port| Target { host: "127.0.0.1".to_owned(), ..tls_target(port, trust(&[ca.der()])) };
    let told = failure(&by_address(shown(&server).await)).await;
    assert!(told.contains("not for `127.0.0.1`"), "{told}");
    works(&by_address(shown(&ca.server()).await)).await;
}

#[tokio::test]
async fn expired_and_future_certificates_are_told_with_their_dates() {
    let ca = Authority::new("CA");
    assert_eq!(
        refused(&ca.leaf("broker", &[HOST], PAST), &[ca.der()]).await,
        "TLS: SERVER_CERTIFICATE_EXPIRED: the certificate of localhost:PORT, `CN=broker`, expired \
         on 2021-01-01 00:00 UTC, N days ago; renew it at the broker; if that date is still to \
         come, set the clock of this machine"
    );
    assert_eq!(
        refused(&ca.leaf("broker", &[HOST], FUTURE), &[ca.der()]).await,
        "TLS: SERVER_CERTIFICATE_NOT_YET_VALID: the certificate of localhost:PORT, `CN=broker`, is \
         not valid before 3000-01-01 00:00 UTC; set the clock of this machine if that date has \
         passed, else wait for it"
    );
    let old = Authority::valid("Old CA", PAST);
    let told = refused(&old.server(), &[old.der()]).await;
    assert!(
        told.contains("`CN=Old CA`, which the certificate of localhost:PORT leads to, expired")
    );
}

#[tokio::test]
async fn what_the_job_file_leaves_unchecked_is_told() {
    let (ca, other) = (Authority::new("CA"), Authority::new("Other CA"));
    let port = shown(&ca.leaf("broker", &["elsewhere"], NOW)).await;
    let with = |tls| Target { tls: Some(tls), ..target(port) };
    let any = Tls { trust_any_server_certificate: true, ..Tls::default() };
    let told = works(&with(any)).await;
    assert!(
        told.contains(
            "! TLS: TLS 1.3, `CN=broker`, signed by `CN=CA`, N days left\n  \
         SERVER_NOT_PROVEN: neither who signed it nor its host name was checked"
        ),
        "{told}"
    );
    let any_name = |anchor: &Authority| Tls {
        truststore: Some(trust(&[anchor.der()])),
        trust_any_host_name: true,
        ..Tls::default()
    };
    let told = works(&with(any_name(&ca))).await;
    assert!(told.contains("SERVER_NOT_PROVEN: its host name was not checked"), "{told}");
    assert!(failure(&with(any_name(&other))).await.starts_with("TLS: UNKNOWN_CA"));
}

#[tokio::test]
async fn the_authorities_of_the_system_are_counted() {
    let target = Target {
        tls: Some(Tls::default()),
        ..target(shown(&Authority::new("Private CA").server()).await)
    };
    let told = failure(&target).await;
    assert!(
        told.contains("is signed by `CN=Private CA`, which is not in the system's truststore (")
    );
    assert!(
        told.contains("; give the output a `truststore` with the certificate of `CN=Private CA`")
    );
}

#[tokio::test]
async fn an_older_tls_is_enough_if_it_is_1_2() {
    let ca = Authority::new("CA");
    let config = mutual(&ca.server(), TLS_1_2, Clients::of(&ca).optional());
    let port = Broker::with_tls(config).listen().await.port;
    let told = works(&tls_target(port, trust(&[ca.der()]))).await;
    assert!(told.contains("✓ TLS: TLS 1.2, `CN=broker`"), "{told}");
    assert!(told.contains("✓ client certificate: the server asks for one and does without"));
    let config = mutual(&ca.server(), TLS_1_3, Clients::of(&ca).optional());
    let port = Broker::with_tls(config).listen().await.port;
    works(&tls_target(port, trust(&[ca.der()]))).await;
}

/// A listener that answers every handshake by this alert.
async fn alerting(alert: u8) -> u16 {
    let listener = listen(move |mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, alert]).await;
    });
    listener.await.port()
}

#[tokio::test]
async fn alerts_are_told_by_what_they_mean() {
    let ca = trust(&[Authority::new("CA").der()]);
    for (alert, told) in [
        (70, "TLS_VERSION_TOO_OLD: localhost:PORT speaks neither TLS 1.2 nor TLS 1.3; switch"),
        (112, "SERVER_NAME_UNKNOWN: localhost:PORT says that it is not `localhost`; check the"),
        (
            80,
            "TLS_HANDSHAKE_FAILED: the TLS handshake with localhost:PORT failed: the other side \
             ends it with TLS alert internal_error; check",
        ),
    ] {
        let failed = failure(&tls_target(alerting(alert).await, ca.clone())).await;
        assert!(failed.starts_with(&format!("TLS: {told}")), "{failed}");
    }
    // librdkafka may know a cipher that does.
    let told = works(&tls_target(alerting(40).await, ca)).await;
    assert!(
        told.contains("– TLS: localhost:PORT takes none of the ciphers of this check"),
        "{told}"
    );
}

/// As `openssl x509 -req` made them for years: without extensions, so without names. librdkafka
/// takes them, and so does the judge. rustls serves none, so OpenSSL does.
#[test]
fn a_certificate_of_version_1_is_judged_by_its_common_name() {
    let key = PKey::from_ec_key(EcKey::generate(&curve()).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", HOST).unwrap();
    let name = name.build();
    let mut certificate = X509Builder::new().unwrap();
    certificate.set_version(0).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = certificate.build();
    let anchor = CertificateDer::from(certificate.to_der().unwrap());

    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate).unwrap();
    acceptor.set_private_key(&key).unwrap();
    let acceptor = acceptor.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut stream = acceptor.accept(listener.accept().unwrap().0).unwrap();
        std::io::Read::read_exact(&mut stream, &mut [0; 14]).unwrap();
        std::io::Write::write_all(&mut stream, &ANSWER).unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(works(&tls_target(port, trust(&[anchor]))));
    server.join().unwrap();
    // Of a day, as in a mesh: nobody need renew it by hand.
    let said = "✓ TLS: TLS 1.3, `CN=localhost`, signed by `CN=localhost`, 23 hours left";
    assert!(told.ends_with(said), "{told}");
}

/// To the first `ApiVersions`: no error, and no requests.
const ANSWER: [u8; 14] = [0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];

fn curve() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()
}
