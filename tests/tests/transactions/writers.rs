//! Writers of our own: how far they have come, and transactions whose service is gone.

use serde_json::Value;
use tests::{
    check,
    engine::{
        Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::{Broker, own_brokers},
    kafka_proxy::{Act, Api, KafkaProxy, Rule},
    proxy::Proxy,
    reader,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::{BAD_INPUT, DONE, HANGING, Operator, REFUSED, forgetful, held, writer};

/// Outputs by alias, which is also the topic's name: transactions that may be open for long, those
/// that may not, and none.
const OUTPUTS: [(&str, &str); 3] = [
    ("departures", "guarantee: exactlyOnce, transactions: { timeout: 10m }"),
    ("delays", "guarantee: exactlyOnce, transactions: { timeout: 1s }, socketTimeout: 1s"),
    ("positions", "guarantee: atLeastOnce"),
];

/// The job, of a service that comes to the brokers this way.
fn job(bootstrap: &str) -> String {
    let outputs = OUTPUTS.map(|(alias, more)| output(alias, bootstrap, alias, more));
    job_of(&outputs)
}

fn open(engine: &Engine, alias: &str) -> Stream {
    engine.wait_ready(alias);
    let mut stream = engine.open(alias, "query/1");
    stream.declare(&COLUMNS);
    stream
}

/// The coordinator never hears of a commit, and then the service is killed.
#[test]
fn what_a_killed_service_leaves_open_is_told_and_ended() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = forgetful(&way);
    let kafka = KafkaProxy::to(broker.proxied_address());
    way.lead_to(kafka.address());
    for (topic, _) in OUTPUTS {
        broker.admin().create_topic(topic, 1, 1, &[]);
    }
    let operator = Operator::new(&job(&broker.bootstrap()));
    operator.run(&[]).says(&["no writer has stored anything yet", "Nothing hangs."]);

    let service = Service::start(&job(&way.address().to_string()));
    let engine = Engine::connect(&service);
    let mut streams = OUTPUTS.map(|(alias, _)| open(&engine, alias));
    for stream in &mut streams {
        stream.send(rows("query/1", 0..10, ""));
        stream.wait_durable();
    }
    settled(&operator);

    let rule = Rule::new(Api::EndTxn, Act::Swallow, u64::MAX);
    kafka.obey(&rule);
    for stream in &mut streams[..2] {
        stream.send(rows("query/1", 10..20, ""));
    }
    wait_until("both writers want to commit", DEADLINE, || rule.met() >= 2);
    service.kill();
    kafka.heal();
    beyond_its_time(&operator, &broker);
    within_its_time(&operator, &broker);

    // What was taken back is sent again, and is there once.
    let service = Service::start(&job(&way.address().to_string()));
    let engine = Engine::connect(&service);
    for alias in ["departures", "delays"] {
        let mut stream = open(&engine, alias);
        assert_eq!(stream.opened.resume_after, 1);
        stream.send(rows("query/1", 10..20, ""));
        stream.wait_durable();
        let committed = reader::topic(&broker.bootstrap(), alias).records();
        check::exactly(&committed, &[Sent::whole("query/1", 20)]);
    }
}

/// Everything is committed.
fn settled(operator: &Operator) {
    for alias in ["departures", "delays"] {
        let (told, code) = operator.output(alias);
        let it = writer(&told, "query/1");
        assert_eq!((code, &it["verdict"]), (DONE, &Value::from("IDLE")), "{told}");
        assert_eq!(it["stored"]["sequence"], 1);
        assert_eq!(
            it["transactionalId"],
            format!("kafka-output.tests.{alias}.exactlyOnce.query%2F1")
        );
        assert_eq!(it["transaction"]["state"], "CompleteCommit");
        assert!(it["claim"]["host"].is_string(), "{told}");
        assert_eq!(told["held"], Value::Array(Vec::new()));
    }
    wait_until("progress is stored at least once", DEADLINE, || {
        let (told, _) = operator.output("positions");
        let writers = told["writers"].as_array().unwrap();
        writers.iter().any(|it| it["stored"]["sequence"] == 1)
    });
    let (told, code) = operator.output("positions");
    let it = writer(&told, "query/1");
    assert_eq!((code, &it["verdict"], &it["transaction"]), (DONE, &Value::Null, &Value::Null));
    let one = operator.run(&["--writer", "query/1"]);
    one.says(&["Output `positions`", "Output `delays`", "every batch up to 1, "]);
    let idle = operator.run(&["end", "--output", "departures", "--writer", "query/1"]);
    assert_eq!(idle.code, DONE);
    idle.says(&["has no open transaction"]);
}

/// The brokers should have ended it, and have not looked.
fn beyond_its_time(operator: &Operator, broker: &Broker) {
    let mut told = Value::Null;
    wait_until("the transaction hangs", DEADLINE, || {
        let (now, code) = operator.output("delays");
        let hangs = writer(&now, "query/1")["verdict"] == "HANGING";
        assert_eq!(code, if hangs { HANGING } else { DONE }, "{now}");
        told = now;
        hangs
    });
    assert_eq!(held(&told, "delays"), [0]);
    let it = writer(&told, "query/1");
    let words = it["explanation"].as_str().unwrap();
    assert!(words.contains("longer than its timeout of 1 s: hanging"), "{words}");
    let listed = operator.run(&[]);
    assert_eq!(listed.code, HANGING);
    listed.says(&[
        "→ kafka-output transactions job.yaml end --output delays --writer query/1",
        "delays-0: wait at offset",
        "1 transaction hangs.",
    ]);
    assert_eq!(committed(broker, "delays"), 10);

    let ended = operator.obey(it);
    assert_eq!(ended.code, DONE);
    ended.says(&["is ended", "Nothing that was acknowledged is lost"]);
    let (told, code) = operator.output("delays");
    assert_eq!((code, held(&told, "delays")), (DONE, Vec::new()), "{told}");
    assert_eq!(writer(&told, "query/1")["verdict"], "IDLE");
    assert_eq!(writer(&told, "query/1")["transaction"]["partitions"], serde_json::json!({}));
    assert_eq!(writer(&told, "query/1")["stored"]["sequence"], 1);
}

/// Whose service may be alive.
fn within_its_time(operator: &Operator, broker: &Broker) {
    let (told, code) = operator.output("departures");
    let it = writer(&told, "query/1");
    assert_eq!((code, &it["verdict"]), (DONE, &Value::from("OPEN")), "{told}");
    assert_eq!(it["transaction"]["state"], "Ongoing");
    assert_eq!(it["transaction"]["partitions"]["departures"], Value::from(vec![0]));
    assert_eq!(held(&told, "departures"), [0]);
    assert_eq!(told["others"], Value::Array(Vec::new()), "it is the writer's own");
    assert_eq!(committed(broker, "departures"), 10);

    let end = ["end", "--output", "departures", "--writer", "query/1"];
    let refused = operator.run(&end);
    assert_eq!(refused.code, REFUSED);
    refused.says(&["WRITER_MAY_BE_ALIVE", "of 10 min at most", "say --force"]);
    let (told, code) = operator.json(&end);
    assert_eq!((code, &told["code"]), (REFUSED, &Value::from("WRITER_MAY_BE_ALIVE")), "{told}");
    let unnamed = operator.run(&["end", "--writer", "query/1"]);
    assert_eq!(unnamed.code, BAD_INPUT, "two outputs have transactions");

    let (ended, code) = operator.json(&[&end[..], &["--force"]].concat());
    assert_eq!((code, &ended["ended"]), (DONE, &Value::Bool(true)), "{ended}");
    let (told, code) = operator.output("departures");
    assert_eq!((code, held(&told, "departures")), (DONE, Vec::new()), "{told}");
}

fn committed(broker: &Broker, topic: &str) -> usize {
    reader::topic(&broker.bootstrap(), topic).records().len()
}
