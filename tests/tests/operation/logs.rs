//! The log of an outage: one line a cause, counts for the rest, and the same on the status page.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::{
    engine::{
        Engine,
        job::{OUTPUT, job, with_admin},
        load::{COLUMNS, rows},
    },
    kafka::{Broker, BrokerOptions, own_brokers},
    proxy::Proxy,
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

use super::{warnings, well};

const WRITERS: u64 = 12;

/// How often each code was told of the output.
fn counts(warnings: &[Value]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in warnings.iter().filter(|line| line["output"] == OUTPUT) {
        let code = line["code"].as_str().unwrap_or_else(|| panic!("no code: {line}"));
        *counts.entry(code.to_owned()).or_default() += line["repeated"].as_u64().unwrap_or(1);
    }
    counts
}

#[test]
fn many_writers_that_wait_for_one_cause_are_one_line_and_a_count() {
    let way = Proxy::start();
    let _own = own_brokers();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("away", 1, 1, &[]);
    let servers = way.address().to_string();
    let more = "guarantee: exactlyOnce, socketTimeout: 2s, transactions: { timeout: 3s }";
    let service = Service::start(&with_admin(&job(&servers, "away", more)));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut streams: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("w{writer}");
            let mut stream = engine.open(OUTPUT, &name);
            stream.declare(&COLUMNS);
            stream.send(rows(&name, 0..10, ""));
            stream.wait_durable();
            (name, stream)
        })
        .collect();
    way.unplug();
    for (name, stream) in &mut streams {
        stream.send(rows(name, 10..20, ""));
    }
    let admin = service.admin();
    let told = || {
        let status = admin.status();
        let errors = status["recentErrors"].as_array().unwrap().clone();
        errors.into_iter().filter(|error| error["output"] == OUTPUT).collect::<Vec<_>>()
    };
    let count = |error: &Value| error["count"].as_u64().unwrap();
    wait_until("all of them have told that they wait", DEADLINE, || {
        told().iter().map(count).sum::<u64>() >= WRITERS
    });
    let told = told();
    for error in &told {
        assert!(error["remedy"].as_str().is_some_and(|remedy| remedy.ends_with('.')), "{error}");
        assert!(error["first"].as_str() <= error["last"].as_str(), "{error}");
    }

    let ended = service.terminate(DEADLINE);
    let lines = warnings(&ended.stderr);
    let logged = counts(&lines);
    for error in &told {
        let code = error["code"].as_str().unwrap();
        assert!(logged[code] >= count(error), "{code}: {logged:?}\n{}", ended.stderr);
    }
    // One at once and one with the count, for each place in the code that tells a code.
    let mut keys = BTreeMap::<_, Vec<bool>>::new();
    for line in lines.iter().filter(|line| line["output"] == OUTPUT) {
        let key = (line["code"].to_string(), line["target"].to_string());
        keys.entry(key).or_default().push(line["repeated"].is_u64());
    }
    // On a busy machine it takes more than one window of 30 s, and each has these two.
    let is_counted = |lines: &Vec<bool>| lines[..2.min(lines.len())] == [false, true];
    assert!(keys.values().any(is_counted), "{keys:?}\n{}", ended.stderr);
    let most = keys.values().map(Vec::len).max();
    assert!(most < Some(WRITERS as usize), "{keys:?}:\n{}", ended.stderr);
}

#[test]
fn the_log_is_text_or_json_as_is_asked_for() {
    let (_, service, _engine) = well("form", "");
    let ended = service.terminate(DEADLINE);
    let first: Value = serde_json::from_str(ended.stderr.lines().next().unwrap()).unwrap();
    assert_eq!((&first["level"], &first["message"]), (&"INFO".into(), &"listening".into()));
    let options = ServiceOptions::default().env("KAFKA_OUTPUT_LOG_FORMAT", "text");
    let job = "name: tests\nlisten: { grpc: { address: '127.0.0.1:0' } }\n\
        outputs: [{ alias: out, topic: t, bootstrapServers: '127.0.0.1:9' }]\n";
    let service = Service::start_with(job, &options);
    // Nobody listens on port 9.
    wait_until("the output is away", DEADLINE, || service.stderr().contains("code="));
    let text = service.stderr();
    assert!(text.contains(" INFO listening ") && !text.contains('\x1b'), "{text}");
    let away = text.lines().find(|line| line.contains("code=")).unwrap();
    assert!(away.contains(" WARN ") && away.contains("output=\"out\""), "{away}");
}
