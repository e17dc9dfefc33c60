//! Certificates that are renewed, or that end, while streams are live.
use std::{sync::Arc, time::Duration};

use kafka_output::grpc::{Entrance, ServerTls};

use tonic::Code;

use crate::{
    caller::{Caller, client_tls, denied, entrance, secure},
    issuer::Issuer,
    support::{
        Bench, Setup,
        certificates::{Authority, Leaf},
        log,
        rows::{batch, numbers},
        until,
    },
};

/// How a call is denied on a connection whose certificate does not hold any more.
async fn refused(caller: &Caller) {
    let (code, reason) = denied(caller.call("GetOutput", "a", "").await);
    assert_eq!((code, &*reason), (Code::Unauthenticated, "CERTIFICATE_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn live_streams_go_on_and_new_connections_see_the_new_material() {
    log::keep();
    let [old, new, clients, new_clients] =
        ["old", "new", "clients", "new clients"].map(Authority::new);
    let server = |authority: &Authority| authority.sign(Leaf::server()).key_pair();
    let tls = Arc::new(ServerTls::new(&server(&old), Some(&clients.trust()), false).unwrap());
    let entrance = Entrance::new(Some(tls.clone()), None, true);
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    bench.kafka().run_by_itself();
    let own = clients.sign(Leaf::client("engine"));
    let own_new = new_clients.sign(Leaf::client("engine"));
    let connect = async |authority: &Authority, own| {
        let caller = Caller::over(secure(&bench, client_tls(authority, Some(own)))).await.ok()?;
        caller.call("GetOutput", "a", "").await.ok().map(|()| caller)
    };

    let early = connect(&old, &own).await.expect("both are trusted");
    assert!(connect(&new, &own).await.is_none());
    let mut stream = early.stream("a", "w").await.unwrap();
    stream.opened().await;
    stream.schema(numbers()).await;
    stream.batch(batch(1)).await;
    stream.ack(1).await;

    tls.renew(&server(&new), Some(&clients.trust())).unwrap();
    assert!(connect(&old, &own).await.is_none(), "the new certificate is another authority's");
    assert!(connect(&new, &own).await.is_some());
    assert!(connect(&new, &own_new).await.is_none());
    stream.batch(batch(2)).await;
    stream.ack(2).await;
    early.call("GetOutput", "a", "").await.expect("its authority is the same");

    tls.renew(&server(&new), Some(&new_clients.trust())).unwrap();
    assert!(connect(&new, &own).await.is_none(), "its authority is out");
    assert!(connect(&new, &own_new).await.is_some());
    stream.batch(batch(3)).await;
    stream.ack(3).await;
    // The stream goes on; new calls on its connection are denied, and the next connection is.
    refused(&early).await;
    log::line(&["a caller is denied", "is not taken any more", "CN=engine"]).await;
    until("the connection is left", async || {
        let status = early.call("GetOutput", "a", "").await.unwrap_err();
        (status.code() == Code::Unavailable).then_some(())
    })
    .await;
    stream.batch(batch(4)).await;
    stream.ack(4).await;

    // Material that is of no use changes nothing.
    let mismatched = {
        let (one, other) = (new.sign(Leaf::server()), new.sign(Leaf::server()));
        keyvault::material::KeyPair { key_pem: other.key_pair().key_pem, ..one.key_pair() }
    };
    let error = tls.renew(&mismatched, Some(&new_clients.trust())).unwrap_err();
    assert_eq!(error.code, "LISTENER_CERTIFICATE_UNUSABLE");
    assert!(error.to_string().contains("CN=service"), "{error}");
    assert_eq!(tls.renew(&server(&new), None).unwrap_err().code, "CLIENT_CA_UNUSABLE");
    assert!(connect(&new, &own_new).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_is_refused_on_its_living_connection() {
    log::keep();
    let (authority, issuer) = (Authority::new("ca"), Issuer::new());
    let server = authority.sign(Leaf::server()).key_pair();
    for optional in [false, true] {
        let tls = ServerTls::new(&server, Some(&authority.trust()), optional).unwrap();
        let tokens = optional.then(|| issuer.check());
        let setup = Setup { entrance: entrance(Some(tls), tokens), ..Setup::default() };
        let bench = Bench::with(setup).await;
        bench.kafka().run_by_itself();
        let holds = Some(Duration::from_secs(10));
        let name = if optional { "brief-optional" } else { "brief-required" };
        let own = authority.sign(Leaf { holds, ..Leaf::client(name) });
        let caller = Caller::over(secure(&bench, client_tls(&authority, Some(&own)))).await;
        let caller = caller.unwrap();
        let mut stream = caller.stream("a", "w").await.unwrap();
        stream.opened().await;
        stream.schema(numbers()).await;
        stream.batch(batch(1)).await;
        stream.ack(1).await;
        let ended = until("it ends", async || caller.call("GetOutput", "a", "").await.err()).await;
        let (_, reason) = denied(Err(ended));
        // Where a token does as well it is as good as none.
        let expected = if optional { "TOKEN_MISSING" } else { "CERTIFICATE_INVALID" };
        assert_eq!(reason, expected);
        log::line(&["a caller is denied", "has ended since it connected", name]).await;
        stream.batch(batch(2)).await;
        stream.ack(2).await;
    }
}
