//! What librdkafka counts and measures by itself, as the metrics have it.

use tests::{
    admin::Scrape,
    engine::job::OUTPUT,
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::{send, well};

fn of(scrape: &Scrape, name: &str, labels: &str) -> Option<f64> {
    scrape.value(&format!("kafka_output_{name}{{output=\"{OUTPUT}\"{labels}}}"))
}

/// The number of the one broker.
fn broker(service: &Service) -> String {
    let scrape = service.admin().metrics();
    let begin = format!("kafka_output_broker_connections{{output=\"{OUTPUT}\",broker=\"");
    let mut names =
        scrape.0.lines().filter_map(|line| line.strip_prefix(&begin)?.split('"').next());
    names.find(|name| name.parse::<u32>().is_ok()).unwrap_or_default().to_owned()
}

#[test]
fn brokers_and_requests_are_counted_and_timed() {
    let (_, service, engine) = well("statistics", "");
    let admin = service.admin();
    send(&engine, "w", 3);
    wait_until("what was sent is told", DEADLINE, || {
        of(&admin.metrics(), "kafka_batch_records", "").is_some()
    });
    let scrape = admin.metrics();
    let of = |name: &str| of(&scrape, name, "");
    assert_eq!(of("producers"), Some(2.0), "one for many records, one for those that go alone");
    assert!(of("requests_total") > Some(3.0), "{}", scrape.0);
    assert!(of("requests_sent_bytes_total") > Some(10_000.0), "{}", scrape.0);
    assert!(of("responses_received_bytes_total") > Some(100.0), "{}", scrape.0);
    assert!(of("kafka_batch_records") > Some(10.0) && of("kafka_batch_size_bytes") > Some(1_000.0));
    assert!(of("connects_total") >= Some(2.0), "each of the two has its connection");
    for never in ["request_errors_total", "request_timeouts_total", "request_retries_total"] {
        assert_eq!(of(never), Some(0.0), "{never}");
    }
    let states = |state: &str| {
        scrape.value(&format!("kafka_output_brokers{{output=\"{OUTPUT}\",state=\"{state}\"}}"))
    };
    assert_eq!(["up", "connecting", "idle"].map(states), [Some(1.0), Some(0.0), Some(0.0)]);
    let labels = format!(",broker=\"{}\"", broker(&service));
    let of = |name: &str| super::brokers::of(&scrape, name, &labels);
    assert!(of("broker_connections") >= Some(2.0), "{}", scrape.0);
    let (p50, p99) = (of("broker_rtt_p50_seconds"), of("broker_rtt_p99_seconds"));
    assert!(p50 > Some(0.0) && p99 >= p50 && p99 < Some(60.0), "{p50:?} {p99:?}");
    let seen = &admin.output(OUTPUT)["librdkafka"];
    assert_eq!(seen["producers"], 2, "{seen}");
}

/// A writer with transactions has a producer, and takes what it holds along when it goes.
#[test]
fn producers_of_writers_count_while_they_are_there() {
    let (_, service, engine) = well("writers", "guarantee: exactlyOnce");
    let admin = service.admin();
    let producers = || of(&admin.metrics(), "producers", "");
    wait_until("two are there", DEADLINE, || producers() == Some(2.0));
    let mut streams: Vec<_> = (0..3).map(|n| engine.open(OUTPUT, &format!("w{n}"))).collect();
    wait_until("each writer has one", DEADLINE, || producers() == Some(5.0));
    let counted = || of(&admin.metrics(), "requests_total", "");
    wait_until("all have told of requests", DEADLINE, || counted() > Some(20.0));
    let before = counted();
    streams.clear();
    wait_until("theirs are gone", DEADLINE, || producers() == Some(2.0));
    assert!(counted() >= before, "what was counted stays");
}
