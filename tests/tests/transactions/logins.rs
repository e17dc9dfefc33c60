//! The command is let in wherever an output is, and finds coordinators on whichever broker they
//! are.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{
    certs::{Template, authority},
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{Listener, Mechanism, Right, SecureBrokers, SecureOptions, own_brokers},
    oidc,
    service::{Service, ServiceOptions},
};

use super::{DONE, Operator, begin, held, writer};

const USER: &str = "anybody";
const PASSWORD: &str = "a-password";
const PROGRESS: &str = "kafka-output-progress";

/// One for each way in. Their ids' hashes follow one another, so each broker coordinates one at
/// least.
const WRITERS: [&str; 4] = ["a", "b", "c", "d"];

/// A way to be let in: its listener, and the keys of an output.
fn ways() -> Vec<(Listener, String)> {
    let tls = "truststore: { env: AUTHORITY }";
    let scram = |mechanism: Mechanism| {
        let name = mechanism.name();
        format!(
            "securityProtocol: SASL_SSL, {tls}, sasl: {{ mechanism: {name}, username: {USER}, \
             password: {{ env: PASSWORD }} }}"
        )
    };
    let token = format!(
        "securityProtocol: SASL_SSL, {tls}, sasl: {{ mechanism: OAUTHBEARER, token: {{ endpoint: \
         '{}', clientId: {USER}, clientSecret: {{ env: PASSWORD }} }} }}",
        oidc::shared().token_endpoint()
    );
    let certificate =
        format!("securityProtocol: mTLS, {tls}, clientCertificate: {{ env: CLIENT }}");
    vec![
        (Listener::Mtls, certificate),
        (Listener::SaslSsl, token),
        (Listener::SaslSsl, scram(Mechanism::ScramSha256)),
        (Listener::SaslSsl, scram(Mechanism::ScramSha512)),
    ]
}

/// What the ways in need, by the names of variables.
fn secrets() -> [(&'static str, String); 3] {
    let pair = authority().issue(&Template::client(USER));
    [
        ("AUTHORITY", authority().pem()),
        ("PASSWORD", PASSWORD.to_owned()),
        ("CLIENT", pair.chain_pem() + &pair.key_pem()),
    ]
}

fn start() -> SecureBrokers {
    let brokers = SecureBrokers::start(&SecureOptions::default().nodes(3));
    brokers.set_passwords(USER, PASSWORD);
    oidc::shared().set_client(USER, PASSWORD);
    brokers.create_topic("t", 1, USER);
    brokers.admin().create_topic(PROGRESS, 16, 3, &[("cleanup.policy", "compact")]);
    let rights = [
        Right::Write(PROGRESS),
        Right::Read(PROGRESS),
        Right::Read("t"),
        Right::Describe("__transaction_state"),
        Right::Transactions("kafka-output."),
    ];
    rights.into_iter().for_each(|right| brokers.allow(USER, right));
    brokers
}

#[test]
fn each_way_in_finds_all_coordinators_and_ends_what_is_open_there() {
    let _own = own_brokers();
    let brokers = start();
    let secrets = secrets();
    let job = |(listener, keys): &(Listener, String)| {
        let keys = format!("guarantee: exactlyOnce, {keys}");
        job_of(&[output("out", &brokers.bootstrap(*listener), "t", &keys)])
    };
    let ways = ways();
    let options = secrets.iter().fold(ServiceOptions::default(), |o, (name, v)| o.env(name, v));
    let service = Service::start_with(&job(&ways[0]), &options);
    let engine = Engine::connect(&service);
    engine.wait_ready("out");
    for name in WRITERS {
        let mut stream = engine.open("out", name);
        stream.declare(&COLUMNS);
        stream.send(rows(name, 0..10, ""));
        stream.wait_durable();
    }
    service.kill();

    let operators = ways.iter().map(|way| {
        let operator = Operator::new(&job(way));
        secrets.iter().fold(operator, |operator, (name, value)| operator.env(name, value))
    });
    for ((way, operator), name) in ways.iter().zip(operators).zip(WRITERS) {
        let (told, code) = operator.output("out");
        assert_eq!((code, &told["notTold"]), (DONE, &Value::Array(Vec::new())), "{way:?} {told}");
        let mut coordinators = BTreeSet::new();
        for name in WRITERS {
            let it = writer(&told, name);
            assert_eq!((&it["stored"]["sequence"], &it["verdict"]), (&1.into(), &"IDLE".into()));
            coordinators.insert(it["transaction"]["coordinator"].as_str().unwrap().to_owned());
        }
        let all = brokers.bootstrap(way.0);
        assert_eq!(coordinators, all.split(',').map(str::to_owned).collect(), "{way:?}");

        // Somebody has opened the writer elsewhere, and left a transaction open.
        let id = format!("kafka-output.tests.out.exactlyOnce.{name}");
        let open = begin(&brokers.bootstrap(Listener::Plaintext), &id, "t", 0);
        let (told, code) = operator.output("out");
        assert_eq!((code, &writer(&told, name)["verdict"]), (DONE, &"OPEN".into()), "{way:?}");
        assert_eq!(held(&told, "t"), [0], "{way:?} {told}");
        let ended = operator.run(&["end", "--output", "out", "--writer", name, "--force"]);
        assert_eq!(ended.code, DONE, "{way:?}");
        ended.says(&["is ended"]);
        drop(open);
        let (told, code) = operator.output("out");
        assert_eq!((code, held(&told, "t")), (DONE, Vec::new()), "{way:?} {told}");
    }
}
