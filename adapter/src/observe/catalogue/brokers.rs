//! Metrics of what librdkafka counts and measures by itself: brokers, requests, its queue.
//!
//! A broker is labelled by its number in the cluster, the first 64 at most.
use std::fmt;

use super::super::{
    metrics::{Kind, Metric, Reading},
    picture::Picture,
};
use crate::kafka::statistics::Broker;

/// They are told every five seconds; what is said of "lately" is the time between.
pub const BROKERS: &[Metric] = &[
    Metric {
        name: "producers",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Producers of librdkafka; with exactlyOnce each writer has one.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.producers as f64),
    },
    Metric {
        name: "producer_queue_records",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Records that librdkafka holds until brokers have answered for them.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.queue_messages as f64),
    },
    Metric {
        name: "producer_queue",
        kind: Kind::Gauge,
        unit: "bytes",
        labels: &["output"],
        help: "Bytes of these records.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.queue_bytes as f64),
    },
    Metric {
        name: "producer_latency_p99",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output"],
        help: "99 of 100 records waited no longer in librdkafka before they left, lately; no series if none did.",
        stream_analytics: None,
        read: |p, r| r.known(p, |o| o.statistics.internal_p99_seconds),
    },
    Metric {
        name: "kafka_batch_size",
        kind: Kind::Gauge,
        unit: "bytes",
        labels: &["output"],
        help: "Mean size of the Kafka batches that were made lately, compressed; no series if none was.",
        stream_analytics: None,
        read: |p, r| r.known(p, |o| o.statistics.batch_bytes),
    },
    Metric {
        name: "kafka_batch_records",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Mean number of records in them.",
        stream_analytics: None,
        read: |p, r| r.known(p, |o| o.statistics.batch_records),
    },
    Metric {
        name: "requests",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Requests that brokers were sent.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.requests as f64),
    },
    Metric {
        name: "requests_sent",
        kind: Kind::Counter,
        unit: "bytes",
        labels: &["output"],
        help: "Bytes of these requests, compressed: what the network carries.",
        stream_analytics: Some("Output Event Bytes"),
        read: |p, r| r.each(p, |o| o.statistics.counts.sent_bytes as f64),
    },
    Metric {
        name: "responses_received",
        kind: Kind::Counter,
        unit: "bytes",
        labels: &["output"],
        help: "Bytes of brokers' answers.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.answered_bytes as f64),
    },
    Metric {
        name: "request_errors",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Requests that could not be sent, and answers that could not be read.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.request_errors as f64),
    },
    Metric {
        name: "request_retries",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Requests that librdkafka sent again.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.request_retries as f64),
    },
    Metric {
        name: "request_timeouts",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Requests that had no answer in time: the broker, or the way to it, stands still.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.request_timeouts as f64),
    },
    Metric {
        name: "connects",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Connections to brokers that were tried.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.connects as f64),
    },
    Metric {
        name: "disconnects",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Connections to brokers that ended, or could not be made.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.statistics.counts.disconnects as f64),
    },
    Metric {
        name: "brokers",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "state"],
        help: "Brokers by their state: up, connecting (no producer is connected, and some try; one that stays so is away), idle (nobody needs it).",
        stream_analytics: None,
        read: |p, r| {
            p.outputs.iter().try_for_each(|o| {
                let states = o.statistics.states();
                let all =
                    [("up", states.up), ("connecting", states.connecting), ("idle", states.idle)];
                all.iter().try_for_each(|(state, count)| {
                    r.number(&[("output", &o.alias), ("state", state)], *count as f64)
                })
            })
        },
    },
    Metric {
        name: "broker_connections",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "broker"],
        help: "Connections with a broker that are up. Brokers have their numbers; `bootstrap` are those that are asked first, `coordinator` those of transactions, `other` all beyond 64.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| Some(f64::from(broker.connections))),
    },
    Metric {
        name: "broker_requests_waiting",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "broker"],
        help: "Requests that wait to be sent to a broker.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| Some(broker.waiting as f64)),
    },
    Metric {
        name: "broker_requests_in_flight",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "broker"],
        help: "Requests that wait for a broker's answer.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| Some(broker.in_flight as f64)),
    },
    Metric {
        name: "broker_rtt_p50",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output", "broker"],
        help: "Half of a broker's answers came within this time, lately, with the slowest producer; no series if none came.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| broker.rtt_p50_seconds),
    },
    Metric {
        name: "broker_rtt_p99",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output", "broker"],
        help: "99 of 100 did.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| broker.rtt_p99_seconds),
    },
    Metric {
        name: "broker_throttle",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output", "broker"],
        help: "For how long a broker asked to be left alone, lately, at most: a quota is used up.",
        stream_analytics: None,
        read: |p, r| each_broker(p, r, |broker| Some(broker.throttle_seconds)),
    },
];

/// A value of each broker of each output, where it is known.
fn each_broker(
    picture: &Picture,
    reading: &mut Reading<'_, '_>,
    value: fn(&Broker) -> Option<f64>,
) -> fmt::Result {
    picture.outputs.iter().try_for_each(|output| {
        output.statistics.brokers.iter().try_for_each(|(name, broker)| match value(broker) {
            Some(value) => {
                let labels = [("output", output.alias.as_str()), ("broker", &name.to_string())];
                reading.number(&labels, value)
            }
            None => Ok(()),
        })
    })
}
