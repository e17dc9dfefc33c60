//! The client's own certificate: missing, refused, not asked for.

use kafka_output::diagnose::{Target, Tls};
use rustls::{CertificateError, SupportedProtocolVersion};

use super::{
    broker::{Broker, Clients, TLS_1_2, TLS_1_3, mutual, tls},
    certificates::{Authority, FUTURE, Leaf, NOW, PAST, trust},
    failure, target, works,
};

struct Case {
    ca: Authority,
    clients: Authority,
}

impl Case {
    fn new() -> Self {
        Self { ca: Authority::new("Server CA"), clients: Authority::new("Client CA") }
    }

    fn client(&self) -> Leaf {
        self.clients.leaf("writer", &[], NOW)
    }

    /// A target with this client certificate at a listener that judges clients so.
    async fn target(
        &self,
        client: Option<&Leaf>,
        clients: Clients,
        version: &'static SupportedProtocolVersion,
    ) -> Target {
        let config = mutual(&self.ca.server(), version, clients);
        self.at(Broker::with_tls(config), client).await
    }

    async fn at(&self, broker: Broker, client: Option<&Leaf>) -> Target {
        let tls = Tls {
            truststore: Some(trust(&[self.ca.der()])),
            client_certificate: client.map(Leaf::client),
            ..Tls::default()
        };
        Target { tls: Some(tls), ..target(broker.listen().await.port) }
    }

    /// What is told, which is the same for both versions of TLS.
    async fn failure(&self, client: Option<&Leaf>, clients: impl Fn() -> Clients) -> String {
        let new = failure(&self.target(client, clients(), TLS_1_3).await).await;
        let old = failure(&self.target(client, clients(), TLS_1_2).await).await;
        // The alerts differ; what is made of them does not.
        let without_alert = |told: &str| told.split(" (TLS alert").next().unwrap().to_owned();
        assert_eq!(without_alert(&new), without_alert(&old));
        new
    }
}

#[tokio::test]
async fn a_client_certificate_is_taken() {
    let case = Case::new();
    for version in [TLS_1_2, TLS_1_3] {
        let clients = Clients::of(&case.clients);
        let told = works(&case.target(Some(&case.client()), clients, version).await).await;
        let said = "✓ client certificate: `CN=writer`, signed by `CN=Client CA`, N days left";
        assert!(told.ends_with(said), "{told}");
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing() {
    let case = Case::new();
    assert_eq!(
        case.failure(None, || Clients::of(&case.clients)).await,
        "client certificate: CLIENT_CERTIFICATE_MISSING: localhost:PORT asks for a client \
         certificate, and the output has none; give it a `clientCertificate` that is signed by one \
         of `CN=Client CA`"
    );
    let told = case.failure(None, || Clients::of(&case.clients).silent()).await;
    assert!(told.ends_with("that is signed by an authority that the broker trusts"), "{told}");
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_not_even_sent() {
    let case = Case::new();
    let stranger = Authority::new("Other CA").leaf("writer", &[], NOW);
    assert_eq!(
        case.failure(Some(&stranger), || Clients::of(&case.clients)).await,
        "client certificate: CLIENT_CERTIFICATE_REFUSED: localhost:PORT takes client certificates \
         of `CN=Client CA` alone, and `CN=writer` is signed by `CN=Other CA`, so it is not even \
         sent; use a certificate of one of these, or add the certificate of `CN=Other CA` to the \
         broker's truststore"
    );
    // A listener that lets clients in without one.
    let optional = Clients::of(&case.clients).optional();
    let told = works(&case.target(Some(&stranger), optional, TLS_1_3).await).await;
    assert!(
        told.ends_with(
            "  CLIENT_CERTIFICATE_NOT_SENT: localhost:PORT takes client certificates of `CN=Client \
             CA`, so `CN=writer`, which is signed by `CN=Other CA`, is not sent to it; use a \
             certificate of one of these, or leave `clientCertificate` out"
        ),
        "{told}"
    );
}

#[tokio::test]
async fn a_client_certificate_that_is_refused() {
    let case = Case::new();
    let stranger = Authority::new("Other CA").leaf("writer", &[], NOW);
    assert_eq!(
        case.failure(Some(&stranger), || Clients::of(&case.clients).silent()).await,
        "client certificate: CLIENT_CERTIFICATE_REFUSED: localhost:PORT refuses the client \
         certificate `CN=writer`, signed by `CN=Other CA` (TLS alert unknown_ca); add the \
         certificate of `CN=Other CA` to the broker's truststore, or use a certificate that is \
         signed by an authority of it; it must be one for clients (clientAuth)"
    );
    // As a broker in Java says it.
    let java = || Clients::of(&case.clients).silent().saying(CertificateError::BadEncoding);
    let told = case.failure(Some(&stranger), java).await;
    assert!(told.contains("(TLS alert bad_certificate)"), "{told}");
    let revoked = || Clients::of(&case.clients).silent().saying(CertificateError::Revoked);
    assert_eq!(
        case.failure(Some(&stranger), revoked).await,
        "client certificate: CLIENT_CERTIFICATE_REVOKED: localhost:PORT refuses the client \
         certificate `CN=writer`: it was revoked; have a new one issued, and put it where \
         `clientCertificate` points"
    );
}

#[tokio::test]
async fn a_client_certificate_out_of_its_time() {
    let case = Case::new();
    // A broker in Java says certificate_unknown, and the certificate itself tells the cause.
    let java =
        || Clients::of(&case.clients).saying(CertificateError::ApplicationVerificationFailure);
    let expired = case.clients.leaf("writer", &[], PAST);
    for told in [
        case.failure(Some(&expired), java).await,
        case.failure(Some(&expired), || Clients::of(&case.clients)).await,
    ] {
        assert_eq!(
            told,
            "client certificate: CLIENT_CERTIFICATE_EXPIRED: localhost:PORT refuses the client \
             certificate `CN=writer`, which expired on 2021-01-01 00:00 UTC; renew it, and put the \
             new one where `clientCertificate` points"
        );
    }
    let future = case.clients.leaf("writer", &[], FUTURE);
    assert_eq!(
        case.failure(Some(&future), java).await,
        "client certificate: CLIENT_CERTIFICATE_NOT_YET_VALID: localhost:PORT refuses the client \
         certificate `CN=writer`, which is not valid before 3000-01-01 00:00 UTC; set the clock of \
         this machine if that date has passed, else wait for it"
    );
    let clock =
        || Clients::of(&Authority::new("Third CA")).silent().saying(CertificateError::Expired);
    assert_eq!(
        case.failure(Some(&case.client()), clock).await,
        "client certificate: CLIENT_CERTIFICATE_EXPIRED: localhost:PORT refuses the client \
         certificate `CN=writer` as expired, but by this machine's clock it is valid until \
         4000-01-01 00:00 UTC; compare the clocks of this machine and of the broker"
    );
}

#[tokio::test]
async fn a_client_certificate_that_nobody_asks_for() {
    let case = Case::new();
    let broker = Broker::with_tls(tls(&case.ca.server()));
    let told = works(&case.at(broker, Some(&case.client())).await).await;
    assert!(
        told.ends_with(
            "! client certificate: `CN=writer`, signed by `CN=Client CA`, N days left\n  \
             CLIENT_CERTIFICATE_NOT_ASKED: localhost:PORT does not ask for a client certificate, \
             so it has not seen `CN=writer`; set `ssl.client.auth=required` for this listener if \
             the certificate is to count"
        ),
        "{told}"
    );
}
