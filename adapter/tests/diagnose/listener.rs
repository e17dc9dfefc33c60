//! Names, ports, and listeners that speak something else.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    broker::{Answer, Broker, Clients, TLS_1_3, listen, mutual, tls},
    certificates::{Authority, trust},
    failure, target, tls_target, works,
};
use kafka_output::diagnose::Target;

#[tokio::test]
async fn a_plaintext_listener_answers() {
    let broker = Broker::default().listen().await;
    assert_eq!(
        works(&Target { host: "127.0.0.1".to_owned(), ..target(broker.port) }).await,
        "✓ name: 127.0.0.1\n✓ TCP: 127.0.0.1:PORT\n✓ listener: Kafka in plaintext"
    );
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    let host = "x".repeat(64);
    let told = failure(&Target { host: host.clone(), ..target(9092) }).await;
    assert_eq!(
        told,
        format!(
            "name: NAME_NOT_RESOLVED: the name `{host}` cannot be resolved: Name or service not \
             known; check the host name in `bootstrapServers` and the DNS of this network"
        )
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(
        failure(&Target { host: "127.0.0.1".to_owned(), ..target(port) }).await,
        "TCP: PORT_CLOSED: nobody listens at 127.0.0.1:PORT (127.0.0.1:PORT): the connection was \
         refused; check the port in `bootstrapServers`, and that the broker runs"
    );
}

#[tokio::test]
async fn tls_at_a_plaintext_listener() {
    let ca = trust(&[Authority::new("CA").der()]);
    let plain = Broker::default().listen().await;
    assert_eq!(
        failure(&tls_target(plain.port, ca.clone())).await,
        "listener: PLAINTEXT_LISTENER: localhost:PORT speaks plaintext, and `securityProtocol: \
         mTLS` asks for TLS; use the port of the broker's TLS listener; or, if everybody in \
         between may read the rows, write `securityProtocol: None`, which this listener speaks"
    );
    let sasl = Broker::default().offering(&["PLAIN"], Answer::Welcome).listen().await;
    let told = failure(&tls_target(sasl.port, ca)).await;
    assert!(told.contains("write `securityProtocol: SASL_PLAINTEXT`"), "{told}");
}

#[tokio::test]
async fn plaintext_at_a_tls_listener() {
    let ca = Authority::new("CA");
    let server = ca.server();
    let sasl = Broker::with_tls(tls(&server)).offering(&["PLAIN"], Answer::Welcome);
    let clients = || mutual(&server, TLS_1_3, Clients::of(&ca));
    for (broker, right) in [
        (sasl, "SASL_SSL"),
        (Broker::with_tls(tls(&server)), "mTLS"),
        (Broker::with_tls(clients()), "mTLS"),
    ] {
        let broker = broker.listen().await;
        assert_eq!(
            failure(&target(broker.port)).await,
            format!(
                "listener: TLS_LISTENER: localhost:PORT speaks TLS, and `securityProtocol: None` \
                 does not; write `securityProtocol: {right}`, which this listener speaks"
            )
        );
        assert!(broker.logins.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_listener_that_wants_a_login() {
    let ca = Authority::new("CA");
    let plain = Broker::default().offering(&["PLAIN", "SCRAM-SHA-256"], Answer::Welcome);
    let plain = plain.listen().await;
    assert_eq!(
        failure(&target(plain.port)).await,
        "listener: LISTENER_WANTS_LOGIN: localhost:PORT asks for a login (PLAIN, SCRAM-SHA-256), \
         and `securityProtocol: None` has none; write `securityProtocol: SASL_PLAINTEXT` and \
         `sasl`, or use the port of a listener without logins"
    );
    let tls = Broker::with_tls(tls(&ca.server())).offering(&["OAUTHBEARER"], Answer::Welcome);
    let tls = tls.listen().await;
    assert_eq!(
        failure(&tls_target(tls.port, trust(&[ca.der()]))).await,
        "listener: LISTENER_WANTS_LOGIN: localhost:PORT asks for a login (OAUTHBEARER), and \
         `securityProtocol: mTLS` has none; write `securityProtocol: SASL_SSL` and `sasl`, or use \
         the port of a listener without logins"
    );
}

#[tokio::test]
async fn a_server_of_another_kind() {
    let http = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let http = http.await.port();
    let said = "listener: NOT_KAFKA: what answers at localhost:PORT is no Kafka broker; check host \
                and port in `bootstrapServers`";
    assert_eq!(failure(&target(http)).await, said);
    let ca = trust(&[Authority::new("CA").der()]);
    assert_eq!(failure(&tls_target(http, ca)).await, said);
}

#[tokio::test]
async fn a_listener_that_closes() {
    let closing = listen(|stream| async move { drop(stream) }).await.port();
    assert_eq!(
        failure(&target(closing)).await,
        "listener: LISTENER_CLOSED: localhost:PORT closes the connection at Kafka's first \
         request; check that this is a port for clients, and the broker's limits of connections; \
         its log says why it closes them"
    );
    let ca = trust(&[Authority::new("CA").der()]);
    assert_eq!(
        failure(&tls_target(closing, ca)).await,
        "listener: TLS_CLOSED: localhost:PORT closes the connection in the TLS handshake; check \
         that this is the port of a TLS listener, that a proxy in between knows this host name, \
         and the broker's limits of connections"
    );
}

/// The only tests that take time: silence has no other sign. Both at once.
#[tokio::test]
async fn a_listener_that_is_silent() {
    let silent = listen(|mut stream| async move {
        while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
    });
    let silent = silent.await.port();
    let ca = trust(&[Authority::new("CA").der()]);
    let (plain, tls) = (target(silent), tls_target(silent, ca));
    let (plain, tls) = tokio::join!(failure(&plain), failure(&tls));
    assert_eq!(
        plain,
        "listener: BROKER_SILENT: localhost:PORT takes connections, but does not answer Kafka's \
         first request; check that this is the port of a broker, and that the broker is not \
         overloaded"
    );
    assert_eq!(
        tls,
        "listener: TLS_TIMED_OUT: localhost:PORT takes connections, but does not answer a TLS \
         handshake within 5s; check that this is the port of a TLS listener, and that the broker \
         is not overloaded"
    );
}
