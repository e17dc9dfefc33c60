//! Certificates that stand in files, replaced as Kubernetes replaces those of a mounted secret.

use proto::v1::Open;
use tests::{
    cache,
    certs::{Authority, Template},
    check,
    engine::load::Load,
    kafka::shared_broker,
    reader,
    service::{Service, ServiceOptions},
};

use super::{Caller, OUTPUT, PACE, check_denied, job, pem, place::Place, server, wait_logged};

#[test]
fn certificates_in_files_are_swapped_while_a_stream_is_open() {
    let [old, new, clients, new_clients] =
        ["Old server", "New server", "Clients", "New clients"].map(Authority::new);
    let place = Place::new();
    place.put("server.pem", server(&old));
    place.put("clients.pem", clients.pem());
    let grpc = format!(
        "address: '127.0.0.1:0', tls: {{ certificate: {}, clientCa: {} }}",
        place.reference("server.pem"),
        place.reference("clients.pem")
    );
    let rules = "writers: [{ subject: CN=engine, prefix: query/ }, { subject: \
                 'CN=other, O=kafka-output tests', prefix: other/ }]";
    let (job, topic) = job("", &grpc, rules);
    let service = Service::start(&job);
    let address = service.address();
    let of = |authority: &Authority, name: &str| authority.issue(&Template::client(name));
    let (engine, fresh) = (of(&clients, "engine"), of(&new_clients, "engine"));
    let (other, unnamed) = (of(&clients, "other"), of(&clients, "unnamed"));
    let caller = |trusts, pair| Caller { trusts, certificate: Some(pair), token: None };

    let early = caller(&old, &engine).wait_let_in(address);
    early.wait_ready(OUTPUT);
    let load = Load::start(&early, OUTPUT, "query/1", PACE);
    load.wait_progress(100);

    // Rules: who else there is, and as which writers; the log says what is missing.
    let denied = |pair, writer: &str| {
        let engine = caller(&old, pair).wait_let_in(address);
        let (output, writer_id) = (OUTPUT.to_owned(), writer.to_owned());
        engine.try_open(Open { output, writer_id, ..Open::default() }).err()
    };
    assert_eq!(denied(&other, "other/1"), None);
    check_denied(&denied(&other, "query/2").unwrap(), "CALLER_NOT_ALLOWED", &["prefix", "query"]);
    wait_logged(&service, &["a caller is denied", "no prefix of the caller's", "CN=other"]);
    let refused = caller(&old, &unnamed).connect(address).unwrap_err();
    assert!(refused.contains("CALLER_NOT_ALLOWED"), "{refused}");
    wait_logged(&service, &["a caller is denied", "none of the `writers`", "CN=unnamed"]);
    let bare = Caller { trusts: &old, certificate: None, token: None };
    bare.connect(address).unwrap_err();
    wait_logged(&service, &["a connection is not served", "sent no certificates"]);

    // The certificate of the port.
    place.put("server.pem", server(&new));
    caller(&new, &engine).wait_let_in(address);
    caller(&old, &engine).connect(address).unwrap_err();
    early.try_output(OUTPUT).expect("who is there stays, and its authority is the same");
    load.wait_progress(100);

    // Whose client certificates are taken.
    caller(&new, &fresh).connect(address).unwrap_err();
    place.put("clients.pem", new_clients.pem());
    caller(&new, &fresh).wait_let_in(address);
    caller(&new, &engine).connect(address).unwrap_err();
    let failure = early.try_output(OUTPUT).expect_err("its authority is out");
    check_denied(&failure, "CERTIFICATE_INVALID", &["engine", "Clients", "Issuer"]);
    wait_logged(&service, &["a caller is denied", "is not taken any more", "CN=engine"]);
    load.wait_progress(100);
    wait_logged(&service, &["renewed from", "the gRPC port", "tls.clientCa", "New clients"]);

    // What does not fit changes nothing, is told, and is mended.
    let torn = of(&clients, "torn").chain_pem() + &of(&clients, "torn").key_pem();
    place.put("server.pem", torn);
    wait_logged(&service, &["what is newer is not in place", "the gRPC port"]);
    caller(&new, &fresh).wait_let_in(address);
    place.put("server.pem", server(&old));
    caller(&old, &fresh).wait_let_in(address);

    let sent = load.stop();
    sent.assert_unbroken();
    check::exactly(&reader::topic(&shared_broker().bootstrap(), &topic).records(), &[sent]);
}

#[test]
fn a_certificate_on_this_machine_that_is_of_no_use_ends_the_start() {
    let dir = cache::run_dir("port-");
    let file = dir.path().join("server.pem");
    let ended = Template::server(&["localhost"]).expired();
    std::fs::write(&file, pem(&Authority::new("Servers").issue(&ended))).unwrap();
    let grpc =
        format!("address: '127.0.0.1:0', tls: {{ certificate: {{ file: {} }} }}", file.display());
    let (job, _) = job("", &grpc, "");
    let ended = Service::try_start(&job, &ServiceOptions::default()).expect_err("it is of no use");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for text in ["listen.grpc", "server.pem", "expired"] {
        assert!(ended.stderr.contains(text), "no {text}: {}", ended.stderr);
    }
}
