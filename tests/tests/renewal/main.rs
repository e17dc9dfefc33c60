//! Renewal when something is wrong at the same time: brokers refuse what is in place, or are away,
//! a vault or an issuer does not answer, another secret of the same output is of no use. Nothing
//! waits in silence, and everything comes by itself once it can.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{fs, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tests::{
    azure::Azure,
    cache,
    certs::{Authority, Template, authority},
    check,
    engine::{
        Engine,
        job::{job_within, output},
        load::{COLUMNS, Load, Pace, rows},
    },
    kafka::{
        Listener, Mechanism, SecureBrokers, SecureOptions, USER, own_brokers, shared_secure,
        unique_topic,
    },
    oidc::{Failure, Issuer},
    proxy::Proxy,
    reader,
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

const CLIENT: &str = "client";
const PACE: Pace = Pace { batch_rows: 50, pause: Duration::from_millis(25) };
const TOKEN_LIFETIME_S: u64 = 6;
const UNREADABLE: &str = "KEY_MATERIAL_UNREADABLE";

/// Files that are replaced in one step.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(cache::run_dir("secrets-"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let fresh = self.path(&format!("..{name}"));
        fs::write(&fresh, content).unwrap();
        fs::rename(fresh, self.path(name)).unwrap();
    }

    fn reference(&self, name: &str) -> String {
        format!("{{ file: {} }}", self.path(name).display())
    }
}

fn started(head: &str, outputs: &[String], azure: Option<&Azure>) -> (Service, Engine) {
    let variables = azure.map(Azure::environment).unwrap_or_default().into_iter();
    let options = variables
        .fold(ServiceOptions::default(), |options, (name, value)| options.env(&name, &value));
    let service =
        Service::start_with(&(head.to_owned() + &job_within("128 MiB", outputs)), &options);
    let engine = Engine::connect(&service);
    (service, engine)
}

fn running(engine: &Engine, alias: &str) -> Load {
    engine.wait_ready(alias);
    let load = Load::start(engine, alias, "writer", PACE);
    load.wait_progress(100);
    load
}

/// Nothing was lost, doubled or out of order.
fn ended(brokers: &SecureBrokers, topic: &str, load: Load) {
    let sent = load.stop();
    let plain = brokers.bootstrap(Listener::Plaintext);
    check::exactly(&reader::topic(&plain, topic).records(), &[sent]);
}

fn renewed(engine: &Engine, alias: &str) -> u64 {
    engine.output(alias).credentials_renewed
}

fn client_pem(signed_by: &Authority) -> String {
    let pair = signed_by.issue(&Template::client(CLIENT));
    pair.chain_pem() + &pair.key_pem()
}

/// Cuts every connection, and waits until that has happened.
fn cut(way: &Proxy) {
    let before = way.connections_reset();
    assert!(way.connections() > 0, "there is something to cut");
    way.reset();
    wait_until("connections are cut", DEADLINE, || way.connections_reset() > before);
}

/// The vault is asked once an hour. That a password, or the key behind a token, is no longer good
/// is learned from the brokers, and the newer one is there within seconds.
#[test]
fn a_refusal_by_the_brokers_has_secrets_looked_up_at_once() {
    let _own = own_brokers();
    let (way, issuer, azure) = ([Proxy::start()], Issuer::start(), Azure::start());
    let options = SecureOptions::default().issuer(&issuer).behind(Listener::SaslSsl, &way);
    let brokers = SecureBrokers::start(&options);
    let vault = azure.vault("renewal");
    for topic in ["password", "token"] {
        brokers.create_topic(topic, 3, CLIENT);
    }
    brokers.set_password(Mechanism::ScramSha256, CLIENT, "password-0");
    vault.set("password", "password-0");
    vault.set("trust", &authority().pem());
    issuer.set_client(CLIENT, "client-secret");
    issuer.set_lifetime(3600);
    vault.set("client-secret", "client-secret");
    let bootstrap = brokers.bootstrap(Listener::SaslSsl);
    let way_in = |topic: &str, sasl: &str| {
        let keys = format!(
            "securityProtocol: SASL_SSL, truststore: {{ secret: trust }}, sasl: {{ {sasl} }}"
        );
        output(topic, &bootstrap, topic, &keys)
    };
    let password =
        format!("mechanism: SCRAM-SHA-256, username: {CLIENT}, password: {{ secret: password }}");
    let token = format!(
        "mechanism: OAUTHBEARER, token: {{ endpoint: '{}', clientId: {CLIENT}, clientSecret: {{ \
         secret: client-secret }} }}",
        issuer.token_endpoint()
    );
    let head = "identity: { type: systemAssigned }\nvault: https://renewal.vault.azure.net\n\
                secretRefresh: 1h\n";
    let outputs = [way_in("password", &password), way_in("token", &token)];
    let (_service, engine) = started(head, &outputs, Some(&azure));
    let loads = ["password", "token"].map(|alias| running(&engine, alias));
    let asked = vault.requests();

    vault.set("password", "password-1");
    brokers.set_password(Mechanism::ScramSha256, CLIENT, "password-1");
    issuer.rotate();
    issuer.retire();
    cut(&way[0]);
    for (alias, load) in ["password", "token"].iter().zip(&loads) {
        let took = load.wait_progress(500);
        println!("{alias}: rows again after {took:.1?}");
        engine.wait_output(alias, "has the newer secret", |output| {
            output.credentials_renewed == 1 && output.credentials_trouble.is_empty()
        });
    }
    let asked = vault.requests() - asked;
    println!("{asked} requests to the vault");
    assert!(asked <= 12, "a refusal is no reason to storm the vault: {asked} requests");
    for (alias, load) in ["password", "token"].into_iter().zip(loads) {
        ended(&brokers, alias, load);
    }
}

/// A batch is on a connection that has been forgotten, and then nobody takes the certificate of
/// that connection any more. Other partitions flow with the new one meanwhile; the batch is answered
/// as unknown, since nobody can find out.
#[test]
fn what_is_away_under_a_certificate_that_is_refused_is_answered_unknown() {
    let _own = own_brokers();
    let way = [Proxy::start()];
    let brokers = SecureBrokers::start(&SecureOptions::default().behind(Listener::Mtls, &way));
    let (old, new, files) = (Authority::new("Old"), Authority::new("New"), Files::new());
    brokers.create_topic("t", 3, CLIENT);
    brokers.trust(Listener::Mtls, &[&old, &new]);
    files.put("trust.pem", authority().pem());
    files.put("client.pem", client_pem(&old));
    let keys = format!(
        "securityProtocol: mTLS, truststore: {}, clientCertificate: {}, socketTimeout: 5m, \
         partitioning: {{ turn: {{ rows: 1 }} }}",
        files.reference("trust.pem"),
        files.reference("client.pem")
    );
    let outputs = [output("out", &brokers.bootstrap(Listener::Mtls), "t", &keys)];
    let (_service, engine) = started("", &outputs, None);
    engine.wait_ready("out");
    let mut stuck = engine.open("out", "stuck");
    stuck.declare(&COLUMNS);
    stuck.send(rows("stuck", 0..3, ""));
    stuck.wait_durable();

    way[0].forget();
    stuck.send(rows("stuck", 3..4, ""));
    files.put("client.pem", client_pem(&new));
    engine.wait_output("out", "has the new one, and tells that it needs the old one", |output| {
        output.credentials_trouble_code == "CREDENTIALS_SETTLING"
    });
    // Two of three partitions have nothing away.
    let mut flowing = engine.open("out", "flowing");
    flowing.declare(&COLUMNS);
    flowing.send(rows("flowing", 0..1, ""));
    flowing.wait_durable();
    flowing.send(rows("flowing", 1..2, ""));
    flowing.wait_durable();
    assert_eq!(stuck.durable_through, 1);
    assert_eq!(renewed(&engine, "out"), 0, "the old one is still of use");

    brokers.trust(Listener::Mtls, &[&new]);
    cut(&way[0]);
    let failure = stuck.wait_end().unwrap_err();
    assert!(failure.may_be_written, "{failure:?}");
    assert_eq!(failure.reason, "DELIVERY_UNKNOWN", "{failure:?}");
    engine.wait_output("out", "has the new certificate alone", |output| {
        output.credentials_renewed == 1 && output.credentials_trouble.is_empty()
    });
    let mut again = engine.open("out", "again");
    again.declare(&COLUMNS);
    again.send(rows("again", 0..30, ""));
    again.wait_durable();
    let written = reader::topic(&brokers.bootstrap(Listener::Plaintext), "t").records().len();
    assert!(written == 35 || written == 36, "{written} records");
}

/// Versions of a certificate in the vault, under load.
#[test]
fn a_new_version_of_the_vaults_certificate_is_taken_over_under_load() {
    let _own = own_brokers();
    let (way, azure) = ([Proxy::start()], Azure::start());
    let brokers = SecureBrokers::start(&SecureOptions::default().behind(Listener::Mtls, &way));
    let vault = azure.vault("renewal");
    brokers.create_topic("t", 3, CLIENT);
    let mut signers = vec![Authority::new("Clients 0")];
    brokers.trust(Listener::Mtls, &[&signers[0]]);
    vault.set("trust", &authority().pem());
    vault.set("client", &client_pem(&signers[0]));
    let keys = "securityProtocol: mTLS, truststore: { secret: trust }, clientCertificate: { \
                certificate: client }";
    let head = "identity: { type: systemAssigned }\nvault: https://renewal.vault.azure.net\n\
                secretRefresh: 1s\n";
    let outputs = [output("out", &brokers.bootstrap(Listener::Mtls), "t", keys)];
    let (_service, engine) = started(head, &outputs, Some(&azure));
    let load = running(&engine, "out");
    load.heard();
    for round in 1..=3 {
        signers.push(Authority::new(&format!("Clients {round}")));
        brokers.trust(Listener::Mtls, &signers.iter().collect::<Vec<_>>());
        let version = vault.set("client", &client_pem(&signers[1]));
        engine.wait_output("out", "has the new version", |output| {
            output.credentials.iter().any(|known| known.version == version)
                && output.credentials_renewed == round
        });
        signers.remove(0);
        brokers.trust(Listener::Mtls, &[&signers[0]]);
        cut(&way[0]);
        load.wait_progress(500);
    }
    let heard = load.heard();
    println!("{:.0} rows/s, longest pause {:.0?}", heard.rate(), heard.longest_gap);
    assert!(heard.longest_gap < Duration::from_secs(3), "{:?}", heard.longest_gap);
    assert_eq!(load.streams_ended(), 0);
    ended(&brokers, "t", load);
}

/// A new certificate comes while no broker answers: nobody can say whether it is right. That is
/// told, the old one stays, and the new one is taken once somebody answers.
#[test]
fn a_certificate_that_nobody_can_prove_waits_until_brokers_are_back() {
    let _own = own_brokers();
    let way = [Proxy::start()];
    let brokers = SecureBrokers::start(&SecureOptions::default().behind(Listener::Mtls, &way));
    let (signer, files) = (Authority::new("Clients"), Files::new());
    brokers.create_topic("t", 3, CLIENT);
    brokers.trust(Listener::Mtls, &[&signer]);
    files.put("trust.pem", authority().pem());
    files.put("client.pem", client_pem(&signer));
    let keys = format!(
        "securityProtocol: mTLS, truststore: {}, clientCertificate: {}",
        files.reference("trust.pem"),
        files.reference("client.pem")
    );
    let outputs = [output("out", &brokers.bootstrap(Listener::Mtls), "t", &keys)];
    let (_service, engine) = started("secretRefresh: 1s\n", &outputs, None);
    let load = running(&engine, "out");

    way[0].unplug();
    files.put("client.pem", client_pem(&signer));
    engine.wait_output("out", "tells that the new certificate waits", |output| {
        !output.credentials_trouble_code.is_empty()
    });
    println!("told: {}", engine.output("out").credentials_trouble);
    assert_eq!(renewed(&engine, "out"), 0);
    way[0].heal();
    // Those that came while nobody answered stay silent for ever.
    cut(&way[0]);
    engine.wait_output("out", "has the new certificate", |output| {
        output.credentials_renewed == 1 && output.credentials_trouble_code.is_empty()
    });
    load.wait_progress(500);
    ended(&brokers, "t", load);
}

/// A token lives for six seconds here. It is renewed although another secret of the output is of no
/// use; and when its issuer is away for longer than it lives, rows wait, somebody is told before it
/// ends, and everything goes on by itself.
#[test]
fn a_token_is_renewed_beside_a_broken_truststore_and_after_it_has_ended() {
    let _own = own_brokers();
    let (issuer, files) = (Issuer::start(), Files::new());
    let brokers = SecureBrokers::start(&SecureOptions::default().issuer(&issuer));
    brokers.create_topic("t", 3, CLIENT);
    issuer.set_client(CLIENT, "client-secret");
    issuer.set_lifetime(TOKEN_LIFETIME_S);
    files.put("trust.pem", authority().pem());
    files.put("client-secret", "client-secret");
    let keys = format!(
        "securityProtocol: SASL_SSL, truststore: {}, sasl: {{ mechanism: OAUTHBEARER, token: {{ \
         endpoint: '{}', clientId: {CLIENT}, clientSecret: {} }} }}",
        files.reference("trust.pem"),
        issuer.token_endpoint(),
        files.reference("client-secret")
    );
    let outputs = [output("out", &brokers.bootstrap(Listener::SaslBrief), "t", &keys)];
    let (service, engine) = started("secretRefresh: 1s\n", &outputs, None);
    let load = running(&engine, "out");

    files.put("trust.pem", "this is no certificate");
    engine.wait_output("out", "tells that the truststore is of no use", |output| {
        output.credentials_trouble_code == UNREADABLE
    });
    let before = renewed(&engine, "out");
    // More than two lives of a token, each of which logs in several times.
    wait_until("the token is renewed", DEADLINE, || renewed(&engine, "out") >= before + 3);
    assert_eq!(engine.output("out").credentials_trouble_code, UNREADABLE);
    load.wait_progress(500);
    let heard = load.heard();
    println!("beside a broken truststore: longest pause {:.0?}", heard.longest_gap);
    assert!(heard.longest_gap < Duration::from_secs(3), "{:?}", heard.longest_gap);
    files.put("trust.pem", authority().pem());
    engine.wait_output("out", "has its truststore", |output| {
        output.credentials_trouble_code.is_empty()
    });

    issuer.fail(Some(Failure::Status(503)));
    engine.wait_output("out", "tells that there is no newer token, before rows wait", |output| {
        output.credentials_trouble_code == "TOKEN_ENDPOINT_FAILED"
            && output.trouble_code.is_empty()
            && output.credentials_trouble.contains("the token in place holds for")
    });
    engine
        .wait_output("out", "waits, its token has ended", |output| !output.trouble_code.is_empty());
    println!("ended: {}", engine.output("out").trouble);
    issuer.fail(None);
    let took = load.wait_progress(500);
    println!("rows again after {took:.1?}");
    engine.wait_output("out", "has a token", |output| output.credentials_trouble_code.is_empty());
    assert_eq!(load.streams_ended(), 0);
    ended(&brokers, "t", load);
    let log = service.stderr();
    let told = log.matches("TOKEN_ENDPOINT_FAILED").count();
    assert!((1..=3).contains(&told), "told once, not {told} times:\n{log}");
}

/// The service starts again on a day on which a certificate has expired: the other outputs write,
/// and this one does as soon as there is another certificate.
#[test]
fn an_expired_certificate_keeps_no_other_output_from_starting() {
    let brokers = shared_secure();
    let (files, topic) = (Files::new(), unique_topic("expired"));
    brokers.create_topic(&topic, 1, USER);
    files.put("trust.pem", authority().pem());
    let expired = authority().issue(&Template::client(USER).expired());
    files.put("client.pem", expired.chain_pem() + &expired.key_pem());
    let keys = format!(
        "securityProtocol: mTLS, truststore: {}, clientCertificate: {}",
        files.reference("trust.pem"),
        files.reference("client.pem")
    );
    let outputs = [
        output("good", &brokers.bootstrap(Listener::Plaintext), &topic, ""),
        output("out", &brokers.bootstrap(Listener::Mtls), &topic, &keys),
    ];
    let (_service, engine) = started("secretRefresh: 1s\n", &outputs, None);
    let load = running(&engine, "good");
    let told = engine.output("out");
    assert_eq!(told.trouble_code, "CERTIFICATE_EXPIRED", "{told:?}");
    assert!(told.trouble.contains("client.pem"), "{told:?}");
    let fresh = authority().issue(&Template::client(USER));
    files.put("client.pem", fresh.chain_pem() + &fresh.key_pem());
    engine.wait_ready("out");
    load.wait_progress(100);
    ended(&brokers, &topic, load);
}
