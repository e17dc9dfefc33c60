//! Certificates of the listener that are renewed while streams are live.
use std::sync::Arc;

use kafka_output::grpc::{Entrance, ServerTls};

use crate::{
    caller::{Caller, client_tls, secure},
    support::{
        Bench, Setup,
        certificates::{Authority, Leaf},
        rows::{batch, numbers},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn live_streams_go_on_and_new_connections_see_the_new_material() {
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

    tls.renew(&server(&new), Some(&new_clients.trust())).unwrap();
    assert!(connect(&new, &own).await.is_none(), "its authority is out");
    assert!(connect(&new, &own_new).await.is_some());
    stream.batch(batch(3)).await;
    stream.ack(3).await;
    // The connection is the old one, for new calls, too.
    early.call("GetOutput", "a", "").await.unwrap();

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
