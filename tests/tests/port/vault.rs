//! A certificate in a vault: waited for while the vault is away, and followed from version to
//! version.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
};

use tests::{
    azure::{Azure, Fault},
    certs::Authority,
    check,
    engine::load::Load,
    kafka::shared_broker,
    reader,
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

use super::{Caller, OUTPUT, PACE, job, server, wait_logged};

const HEAD: &str = "identity: { type: systemAssigned }\nvault: https://portvault.vault.azure.net\n";
const PLACE: &str = "portvault.vault.azure.net/secrets/port";

fn options(azure: &Azure) -> ServiceOptions {
    let variables = azure.environment().into_iter();
    variables.fold(ServiceOptions::default(), |options, (name, value)| options.env(&name, &value))
}

#[test]
fn a_certificate_of_a_vault_is_waited_for_and_followed() {
    let azure = Azure::start();
    let vault = azure.vault("portvault");
    let [old, new] = ["Old server", "New server"].map(Authority::new);
    vault.set("port", &server(&old));
    let busy = r#"{"error":{"code":"InternalError","message":"oops"}}"#;
    azure.spoil(PLACE, Fault::status(500, busy));

    // That somebody else has the address is told though the vault is away.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let grpc = format!("address: '127.0.0.1:{port}', tls: {{ certificate: {{ secret: port }} }}");
    let (job, topic) = job(HEAD, &grpc, "");
    let ended = Service::try_start(&job, &options(&azure)).expect_err("the address is taken");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{ended:?}");

    // Who connects meanwhile is refused at once, and waits for nothing.
    drop(taken);
    let service = thread::scope(|scope| {
        let starting = scope.spawn(|| Service::start_with(&job, &options(&azure)));
        let asked = azure.requests(PLACE);
        wait_until("the vault is asked again", DEADLINE, || azure.requests(PLACE) >= asked + 4);
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(!starting.is_finished());
        azure.mend();
        starting.join().unwrap()
    });
    let log = service.stderr();
    let told = log.lines().filter(|line| line.contains("nobody can connect before this is there"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "once for one cause: {told:#?}");
    assert!(told[0].contains("VAULT_FAILED") && told[0].contains("the gRPC port"), "{told:?}");

    let address = service.address();
    let of = |trusts| Caller { trusts, certificate: None, token: None };
    let engine = of(&old).wait_let_in(address);
    engine.wait_ready(OUTPUT);
    let load = Load::start(&engine, OUTPUT, "writer", PACE);
    load.wait_progress(100);
    vault.set("port", &server(&new));
    of(&new).wait_let_in(address);
    of(&old).connect(address).unwrap_err();
    wait_logged(&service, &["renewed from", "the gRPC port", "tls.certificate"]);
    // The vault is away again: what there is stays, and that is told.
    azure.spoil(PLACE, Fault::status(500, busy));
    wait_logged(&service, &["what is newer is not in place", "VAULT_FAILED"]);
    of(&new).wait_let_in(address);
    load.wait_progress(100);
    let sent = load.stop();
    sent.assert_unbroken();
    check::exactly(&reader::topic(&shared_broker().bootstrap(), &topic).records(), &[sent]);
}

#[test]
fn trust_in_the_issuer_of_tokens_is_waited_for_and_followed() {
    let azure = Azure::start();
    let vault = azure.vault("portvault");
    let (authority, issuer) = (Authority::new("Server"), azure.issuer());
    vault.set("port", &server(&authority));
    vault.set("issuer-ca", &Authority::new("Not the issuer's").pem());
    let busy = r#"{"error":{"code":"InternalError","message":"oops"}}"#;
    let place = "portvault.vault.azure.net/secrets/issuer-ca";
    azure.spoil(place, Fault::status(500, busy));
    let grpc = format!(
        "address: '127.0.0.1:0', tls: {{ certificate: {{ secret: port }} }}, tokens: {{ issuer: \
         '{}', keysUrl: '{}', truststore: {{ secret: issuer-ca }}, audiences: [rows], \
         applications: [app] }}",
        issuer.url(),
        issuer.tls_jwks_url()
    );
    let (job, _) = job(HEAD, &grpc, "");
    let service = thread::scope(|scope| {
        let starting = scope.spawn(|| Service::start_with(&job, &options(&azure)));
        wait_until("the vault is asked again", DEADLINE, || azure.requests(place) >= 3);
        assert!(!starting.is_finished(), "it ends, or serves without trust");
        azure.mend();
        starting.join().unwrap()
    });
    wait_logged(&service, &["nobody can connect before", "the keys of callers' tokens"]);

    // It trusts somebody else: no token can be checked, and none is let in.
    let token = issuer.token(serde_json::json!({ "aud": "rows", "azp": "app", "sub": "engine" }));
    let caller = Caller { trusts: &authority, certificate: None, token: Some(&token) };
    let refused = caller.connect(service.address()).unwrap_err();
    assert!(refused.contains("KEYS_UNAVAILABLE"), "{refused}");
    // The right one comes into the vault.
    let ca = std::fs::read_to_string(azure.ca_file()).unwrap();
    vault.set("issuer-ca", &ca);
    caller.wait_let_in(service.address());
    wait_logged(&service, &["renewed from", "tokens.truststore"]);
    // A wrong one is not taken, and that is told; who was let in is let in.
    vault.set("issuer-ca", &Authority::new("Nobody's").pem());
    wait_logged(&service, &["what is newer is not in place", "the keys of callers' tokens"]);
    let other = issuer.token(serde_json::json!({ "aud": "rows", "azp": "app", "sub": "other" }));
    let caller = Caller { token: Some(&other), ..caller };
    caller.connect(service.address()).unwrap();
}
