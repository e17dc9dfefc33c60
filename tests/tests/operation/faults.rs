//! Faults, and what the metrics, readiness and the status say of them.

use std::time::Duration;

use tests::{
    engine::{
        Engine,
        job::{OUTPUT, job, job_of, job_within, output, with_admin},
        load::{COLUMNS, Load, Pace, rows},
    },
    kafka::{Broker, BrokerOptions, own_brokers, shared_broker, unique_topic},
    proxy::Proxy,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::{firing::Watched, is_logged, is_ready, send, wait_logged, well};

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

/// How many brokers of the output are in a state.
fn brokers(service: &Service, state: &str) -> Option<f64> {
    let series = format!("kafka_output_brokers{{output=\"{OUTPUT}\",state=\"{state}\"}}");
    service.admin().metrics().value(&series)
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
    // The cause may become clearer meanwhile.
    wait_until("status and metrics say the same", DEADLINE, || {
        let code = admin.output("away")["trouble"]["code"].clone();
        code.as_str() == troubles(&service, "away").first().map(|c| &**c)
    });
    assert!(seen["oldestUnacknowledgedSeconds"].as_f64().unwrap() > 3.0, "{seen}");
    assert_eq!(seen["writers"][0]["id"], "w");
    let code = troubles(&service, "away").pop().unwrap();
    wait_logged(&service, &code);
    let begun = Watched::begin(&service);
    let age = value(&service, "oldest_unacknowledged_age_seconds", "away");
    wait_until("it grows older", DEADLINE, || {
        value(&service, "oldest_unacknowledged_age_seconds", "away") > age + 1.0
    });
    let of_away = ["KafkaOutputDown{output=\"away\"}", "KafkaOutputStuck{output=\"away\"}"];
    begun.fires(&service, &of_away);
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
    wait_logged(&service, "TOPIC_NOT_FOUND");
    // It is the only output: after half a minute of grace no writer should come here.
    let answer = service.admin().get("/readyz");
    assert!(answer.body.contains("TOPIC_NOT_FOUND"), "{answer:?}");
    Watched::begin(&service).fires(&service, &["KafkaOutputDown{output=\"out\"}"]);
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
    wait_logged(&service, "BROKER_THROTTLES");
    assert_eq!(service.admin().output(OUTPUT)["trouble"]["code"], "BROKER_THROTTLES");
    assert!(is_ready(&service.admin()));
    let begun = Watched::begin(&service);
    let throttled = value(&service, "throttled_seconds_total", OUTPUT);
    wait_until("they go on to throttle", DEADLINE, || {
        value(&service, "throttled_seconds_total", OUTPUT) > throttled + 1.0
    });
    begun.fires(&service, &["KafkaOutputThrottled{output=\"out\"}"]);
    admin.set_quota(None);
    load.stop();
}

/// A broker that stands still keeps its connections. Writers are stuck, the budget fills, and what
/// waits for room is counted while it waits.
#[test]
fn writers_that_are_stuck_behind_a_frozen_broker_and_a_full_budget_are_told() {
    let _own = own_brokers();
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("frozen", 8, 1, &[]);
    let outputs = [output(OUTPUT, &broker.bootstrap(), "frozen", "socketTimeout: 2s")];
    let job = with_admin(&job_within("16 MiB", &outputs));
    // Fewer writers may each send more, and 16 of them more than there is room for.
    let grpc = "grpc: { address: '127.0.0.1:0'";
    let service = Service::start(&job.replacen(grpc, &format!("{grpc}, maxWriters: 16"), 1));
    let (admin, engine) = (service.admin(), Engine::connect(&service));
    engine.wait_ready(OUTPUT);
    let pace = Pace { batch_rows: 500, pause: Duration::ZERO };
    let start = |number| Load::start(&engine, OUTPUT, &format!("w{number}"), pace);
    let loads: Vec<_> = (0..16).map(start).collect();
    for load in &loads {
        load.wait_progress(500);
    }
    assert!(!is_logged(&service, "MEMORY_FULL"), "{}", service.stderr());
    wait_until("the broker is up", DEADLINE, || brokers(&service, "up") == Some(1.0));

    broker.freeze();
    let share = || {
        let budget = admin.metrics().value("kafka_output_memory_budget_bytes").unwrap();
        value(&service, "memory_used_bytes", OUTPUT) / budget
    };
    wait_until("the budget is used up", DEADLINE, || {
        share() > 0.9 && value(&service, "memory_waiting_batches", OUTPUT) > 0.0
    });
    wait_until("requests have no answer in time", DEADLINE, || {
        value(&service, "request_timeouts_total", OUTPUT) > 0.0
            && value(&service, "up", OUTPUT) == 0.0
            && brokers(&service, "connecting") == Some(1.0)
            && value(&service, "oldest_unacknowledged_age_seconds", OUTPUT) > 3.0
    });
    wait_until("that it is full is told", DEADLINE, || is_logged(&service, "MEMORY_FULL"));
    let code = troubles(&service, OUTPUT).pop().expect("rows wait, so it is known why");
    wait_logged(&service, &code);
    let begun = Watched::begin(&service);
    let waited = value(&service, "backpressure_seconds_total", OUTPUT);
    wait_until("time that they wait is counted while they wait", DEADLINE, || {
        value(&service, "backpressure_seconds_total", OUTPUT) > waited + 1.0
    });
    let seen = admin.output(OUTPUT);
    assert!(seen["trouble"]["code"].is_string(), "{seen}");
    assert!(seen["waitingForMemory"].as_u64() > Some(0), "{seen}");
    assert!(seen["oldestUnacknowledgedSeconds"].as_f64() > Some(3.0), "{seen}");
    let of_output = ["Stuck", "Down", "Backpressure"]
        .map(|name| format!("KafkaOutput{name}{{output=\"{OUTPUT}\"}}"));
    let mut alerts: Vec<_> = of_output.iter().map(String::as_str).collect();
    alerts.push("KafkaOutputMemoryFull{}");
    alerts.push("KafkaOutputBrokerAway{output=\"out\",state=\"connecting\"}");
    begun.fires(&service, &alerts);

    broker.thaw();
    for load in &loads {
        load.wait_progress(500);
    }
    wait_until("nothing is wrong any more", DEADLINE, || {
        value(&service, "up", OUTPUT) == 1.0 && troubles(&service, OUTPUT).is_empty()
    });
    loads.into_iter().for_each(|load| load.stop().assert_unbroken());
}
