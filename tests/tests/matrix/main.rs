//! Every protocol with every mechanism, every kind of place for its secrets, and every format of
//! keys: each cell of that table is an output of a service, which has to write rows through it to
//! real brokers.
//!
//! The cells of one kind of place share a service and a topic, and are read back once.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cell;
mod source;

use std::thread;

use tests::{
    azure::{Azure, SYSTEM},
    check,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::{
        Listener, Right, SecureBrokers, SecureOptions, USER, own_brokers, shared_secure,
        unique_topic,
    },
    oidc, reader,
    service::{Service, ServiceOptions},
};

use self::{cell::Cell, source::Source};

/// Rows that are sent through each cell.
const ROWS: u64 = 20;
/// A client of the issuer, and of the brokers, by its tokens.
const CLIENT: &str = "token-client";
const CLIENT_SECRET: &str = "token-client's secret";

#[test]
fn secrets_in_files() {
    check_source(Source::files());
}

#[test]
fn secrets_in_the_environment() {
    check_source(Source::environment());
}

#[test]
fn secrets_in_a_vault() {
    check_source(Source::vault());
}

#[test]
fn tokens_of_the_identity() {
    let _own = own_brokers();
    let azure = Azure::start();
    let audience = "https://matrix.servicebus.windows.net";
    let options = SecureOptions::default();
    let keys = azure.entra_jwks_url();
    let brokers = SecureBrokers::start(&options.issuer_at(&azure.entra_issuer(), audience, &keys));
    let trusted = brokers.authority_file();
    let keys = format!(
        "securityProtocol: SASL_SSL, truststore: {{ file: '{}' }}, \
         sasl: {{ mechanism: OAUTHBEARER, token: {{ scope: {audience}/.default }} }}",
        trusted.display()
    );
    let name = "identity".to_owned();
    let cells = [Cell { name, listener: Listener::SaslSsl, keys }];
    let head = "identity: { type: systemAssigned }\n";
    check_cells(&brokers, &cells, SYSTEM.object_id, head, &azure.environment());
}

fn check_source(mut source: Source) {
    oidc::shared().set_client(CLIENT, CLIENT_SECRET);
    let cells = cell::all(&mut source);
    check_cells(&shared_secure(), &cells, CLIENT, &source.job_head(), source.variables());
    println!("{} cells", cells.len());
}

/// Writes rows through every cell, and reads them back where no login is asked for. They log in
/// as [`USER`] or as `user`.
fn check_cells(
    brokers: &SecureBrokers,
    cells: &[Cell],
    user: &str,
    job_head: &str,
    variables: &[(String, String)],
) {
    let topic = unique_topic("matrix");
    brokers.create_topic(&topic, 1, USER);
    brokers.allow(user, Right::Write(&topic));
    let outputs = cells
        .iter()
        .map(|cell| output(&cell.name, &brokers.bootstrap(cell.listener), &topic, &cell.keys));
    let job = job_head.to_owned() + &job_of(&outputs.collect::<Vec<_>>());
    let options = variables
        .iter()
        .fold(ServiceOptions::default(), |options, (name, value)| options.env(name, value));
    let service = Service::start_with(&job, &options);
    let engine = Engine::connect(&service);

    thread::scope(|scope| {
        for Cell { name, .. } in cells {
            let engine = &engine;
            scope.spawn(move || {
                engine.wait_ready(name);
                let mut stream = engine.open(name, name);
                stream.declare(&COLUMNS);
                stream.send(rows(name, 0..ROWS, ""));
                stream.wait_durable();
            });
        }
    });
    let sent: Vec<_> = cells.iter().map(|cell| Sent::whole(&cell.name, ROWS)).collect();
    let plain = brokers.bootstrap(Listener::Plaintext);
    check::exactly(&reader::topic(&plain, &topic).records(), &sent);
}
