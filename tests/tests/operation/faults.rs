//! Faults, and what the metrics, readiness and the status say of them.

use std::time::Duration;

use tests::{
    engine::{
        Engine,
        job::{OUTPUT, job, job_of, output, with_admin},
        load::{COLUMNS, Load, Pace, rows},
    },
    kafka::{Broker, BrokerOptions, own_brokers, shared_broker, unique_topic},
    proxy::Proxy,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::{is_ready, send, well};

/// Why rows of the output wait, as the metrics have it.
fn troubles(service: &Service, alias: &str) -> Vec<String> {
    let begin = format!("kafka_output_trouble{{output=\"{alias}\",code=\"");
    let scrape = service.admin().metrics();
    let codes = scrape.0.lines().filter_map(|line| line.strip_prefix(&begin)?.split('"').next());
    codes.map(str::to_owned).collect()
}

fn value(service: &Service, name: &str, alias: &str) -> f64 {
    let scrape = service.admin().metrics();
    let series = format!("kafka_output_{name}{{output=\"{alias}\"}}");
    scrape.value(&series).unwrap_or_else(|| panic!("{series}:\n{}", scrape.0))
}

#[test]
fn an_output_whose_brokers_are_away_is_named_and_the_service_stays_ready() {
    let way = Proxy::start();
    let _own = own_brokers();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    let (good, topic) = (shared_broker(), unique_topic("good"));
    good.admin().create_topic(&topic, 1, 1, &[]);
    broker.admin().create_topic("away", 1, 1, &[]);
    let outputs = [
        output(OUTPUT, &good.bootstrap(), &topic, ""),
        output("away", &way.address().to_string(), "away", "socketTimeout: 2s"),
    ];
    let service = Service::start(&with_admin(&job_of(&outputs)));
    let engine = Engine::connect(&service);
    for alias in [OUTPUT, "away"] {
        engine.wait_ready(alias);
    }
    let pace = Pace { batch_rows: 10, pause: Duration::from_millis(50) };
    let load = Load::start(&engine, "away", "w", pace);
    load.wait_progress(10);
    assert_eq!((value(&service, "up", "away"), troubles(&service, "away").len()), (1.0, 0));

    way.unplug();
    wait_until("the output is down and says why", DEADLINE, || {
        value(&service, "up", "away") == 0.0 && troubles(&service, "away").len() == 1
    });
    wait_until("its oldest batch grows old", DEADLINE, || {
        value(&service, "oldest_unacknowledged_age_seconds", "away") > 3.0
    });
    let admin = service.admin();
    let seen = admin.output("away");
    assert_eq!(seen["state"], "Unavailable");
    assert_eq!(seen["trouble"]["code"].as_str(), troubles(&service, "away").first().map(|c| &**c));
    assert!(seen["oldestUnacknowledgedSeconds"].as_f64().unwrap() > 3.0, "{seen}");
    assert_eq!(seen["writers"][0]["id"], "w");
    // The other one is well, so writers of it should come.
    assert!(is_ready(&admin) && admin.get("/livez").code == 200);
    assert_eq!(value(&service, "up", OUTPUT), 1.0);
    send(&engine, "v", 1);

    way.heal();
    way.reset();
    load.wait_progress(10);
    wait_until("nothing is wrong any more", DEADLINE, || {
        value(&service, "up", "away") == 1.0 && troubles(&service, "away").is_empty()
    });
    load.stop();
}

#[test]
fn a_service_is_not_ready_before_any_broker_has_answered() {
    let outputs = [output(OUTPUT, "127.0.0.1:9", "t", "")];
    let service = Service::start(&with_admin(&job_of(&outputs)));
    let admin = service.admin();
    let answer = admin.get("/readyz");
    assert_eq!(answer.code, 503, "{answer:?}");
    assert!(answer.body.starts_with("not ready\nout: "), "{answer:?}");
    assert_eq!(admin.get("/livez").code, 200, "liveness has nothing to do with Kafka");
    wait_until("the cause is told", DEADLINE, || {
        let told = troubles(&service, OUTPUT);
        told == ["BROKER_UNREACHABLE"] || told == ["LISTENER_CLOSED"]
    });
    wait_until("the probe says the same", DEADLINE, || {
        admin.get("/readyz").body.contains(&troubles(&service, OUTPUT)[0])
    });
}

#[test]
fn a_topic_that_is_deleted_is_named() {
    let (topic, service, engine) = well("deleted", "metadataRefresh: 1s, topicMissingAfter: 1s");
    send(&engine, "w", 1);
    shared_broker().admin().delete_topic(&topic);
    let mut stream = engine.open(OUTPUT, "v");
    stream.declare(&COLUMNS);
    stream.send(rows("v", 0..10, ""));
    wait_until("the topic is missed", DEADLINE, || {
        troubles(&service, OUTPUT) == ["TOPIC_NOT_FOUND"]
    });
    let text = service.admin().output(OUTPUT)["trouble"]["text"].to_string();
    assert!(text.contains(&topic) && text.contains("Create the topic"), "{text}");
}

/// Brokers that throttle are told, although rows pass.
#[test]
fn a_quota_is_told() {
    let _own = own_brokers();
    let broker = Broker::start(&BrokerOptions::default());
    let admin = broker.admin();
    admin.create_topic("quota", 1, 1, &[]);
    let service = Service::start(&with_admin(&job(&broker.bootstrap(), "quota", "")));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let pace = Pace { batch_rows: 1_000, pause: Duration::ZERO };
    let load = Load::start(&engine, OUTPUT, "w", pace);
    load.wait_progress(1_000);
    admin.set_quota(Some(50_000));
    wait_until("throttling is counted and told", DEADLINE, || {
        value(&service, "throttled_seconds_total", OUTPUT) > 0.0
            && troubles(&service, OUTPUT) == ["BROKER_THROTTLES"]
    });
    assert_eq!(value(&service, "up", OUTPUT), 1.0, "rows pass");
    admin.set_quota(None);
    load.stop();
}
