//! A network between the service and a vault that Toxiproxy spoils.

use serde_json::json;
use tests::{
    azure::Azure,
    toxiproxy::Toxiproxy,
    wait::{DEADLINE, wait_until},
};

use super::asker::{Asker, secret};

#[test]
fn what_toxiproxy_makes_of_the_way_to_a_vault_has_its_name() {
    let azure = Azure::start();
    azure.vault("kv1").set("name", "CANARY");
    let proxy = Toxiproxy::before(&azure);
    // Slow and in pieces, and it arrives all the same.
    for (kind, attributes) in [
        ("latency", json!({ "latency": 700, "jitter": 300 })),
        ("bandwidth", json!({ "rate": 8 })),
        ("slicer", json!({ "average_size": 16, "size_variation": 8, "delay": 100 })),
    ] {
        proxy.reset();
        proxy.add(kind, &attributes);
        let mut asker = Asker::on_azure(&azure);
        assert!(asker.ask(secret("kv1", "name")).is_ok(), "{kind}");
    }
    for (kind, attributes, code) in [
        ("timeout", json!({ "timeout": 0 }), "CONNECTION_SLOW"),
        ("reset_peer", json!({ "timeout": 0 }), "CONNECTION_RESET"),
        ("limit_data", json!({ "bytes": 400 }), "CONNECTION_RESET"),
    ] {
        proxy.reset();
        let mut asker = Asker::on_azure(&azure);
        proxy.add(kind, &attributes);
        let bad = asker.fault(secret("kv1", "name"));
        assert_eq!(bad.code, code, "{kind}: {}", bad.text);
        proxy.reset();
        wait_until("the way is free again", DEADLINE, || asker.ask(secret("kv1", "name")).is_ok());
    }
    proxy.reset();
    let mut asker = Asker::on_azure(&azure);
    assert!(asker.ask(secret("kv1", "name")).is_ok());
    proxy.down();
    let bad = asker.fault(secret("kv1", "name"));
    assert_eq!(bad.code, "PROXY_FAILED", "{}", bad.text);
    proxy.reset();
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}
