//! What the dashboard shows, from what to look at first to what is rarely needed.
//!
//! In expressions `{O}` stands for the outputs and `{I}` for the instances that the reader chose.
use super::{
    brokers::{CREDENTIALS, KAFKA, PROCESS},
    panel::{Panel, graph, increase, most, number, of_instance, quantile, rate, sum},
};

/// The rows.
pub(super) const ROWS: &[(&str, &[Panel])] = &[
    ("Is anything stuck?", STUCK),
    ("Throughput", THROUGHPUT),
    ("Latencies", LATENCIES),
    ("Budget", BUDGET),
    ("Errors", ERRORS),
    ("Kafka", KAFKA),
    ("Credentials", CREDENTIALS),
    ("Process", PROCESS),
];

const STUCK: &[Panel] = &[
    number(
        "Oldest unacknowledged batch",
        "s",
        Some([10.0, 60.0]),
        &[("max(kafka_output_oldest_unacknowledged_age_seconds{O})", "")],
    ),
    number(
        "Outputs down",
        "short",
        Some([1.0, 1.0]),
        &[("count(kafka_output_up{O} == 0) or vector(0)", "")],
    ),
    number("Outputs up", "short", None, &[("count(kafka_output_up{O} == 1) or vector(0)", "")]),
    number(
        "Instances not ready",
        "short",
        Some([1.0, 1.0]),
        &[("count(kafka_output_ready{I} == 0) or vector(0)", "")],
    ),
    number(
        "Instances that end",
        "short",
        Some([1.0, 2.0]),
        &[("sum(kafka_output_draining{I})", "")],
    ),
    number(
        "First credential ends in",
        "s",
        None,
        &[("min(kafka_output_credential_expires_seconds{I}) - time()", "")],
    ),
    graph(
        "Age of the oldest unacknowledged batch",
        "s",
        &[(most!("output", "oldest_unacknowledged_age_seconds"), "{{output}}")],
    ),
    graph(
        "Why rows wait",
        "short",
        &[(
            "max by (instance, output, code) (kafka_output_trouble{O})",
            "{{output}} {{code}} {{instance}}",
        )],
    ),
    graph(
        "Since the last acknowledgement",
        "s",
        &[(
            "time() - max by (output) (kafka_output_last_acknowledgement_seconds{O})",
            "{{output}}",
        )],
    ),
];

const THROUGHPUT: &[Panel] = &[
    graph(
        "Rows in and records out",
        "ops",
        &[
            (rate!("rows_received_total"), "{{output}} rows"),
            (rate!("records_delivered_total"), "{{output}} records"),
        ],
    ),
    graph(
        "Bytes: received, encoded, on the wire",
        "Bps",
        &[
            (rate!("received_bytes_total"), "{{output}} received"),
            (rate!("encoded_bytes_total"), "{{output}} encoded"),
            (rate!("requests_sent_bytes_total"), "{{output}} to brokers"),
            (rate!("responses_received_bytes_total"), "{{output}} from brokers"),
        ],
    ),
    graph(
        "Batches by their end",
        "ops",
        &[(
            "sum by (output, result) (rate(kafka_output_batches_total{O}[$__rate_interval]))",
            "{{output}} {{result}}",
        )],
    ),
    graph(
        "Transactions",
        "ops",
        &[(
            "sum by (output, result) (rate(kafka_output_transactions_total{O}[$__rate_interval]))",
            "{{output}} {{result}}",
        )],
    ),
    graph(
        "Size of Kafka batches",
        "bytes",
        &[(most!("output", "kafka_batch_size_bytes"), "{{output}}")],
    ),
    graph(
        "Records of a Kafka batch",
        "short",
        &[(most!("output", "kafka_batch_records"), "{{output}}")],
    ),
];

const LATENCIES: &[Panel] = &[
    graph(
        "Batch to acknowledgement",
        "s",
        &[
            (quantile!("0.5", "acknowledge_seconds"), "{{output}} p50"),
            (quantile!("0.99", "acknowledge_seconds"), "{{output}} p99"),
        ],
    ),
    graph(
        "Where the time goes (p99)",
        "s",
        &[
            (quantile!("0.99", "encode_seconds"), "{{output}} encode"),
            (quantile!("0.99", "queue_seconds"), "{{output}} queue"),
            (quantile!("0.99", "broker_seconds"), "{{output}} brokers"),
            (most!("output", "producer_latency_p99_seconds"), "{{output}} in librdkafka"),
        ],
    ),
    graph(
        "Brokers' answers",
        "s",
        &[
            (most!("output, broker", "broker_rtt_p50_seconds"), "{{output}} {{broker}} p50"),
            (most!("output, broker", "broker_rtt_p99_seconds"), "{{output}} {{broker}} p99"),
        ],
    ),
];

const BUDGET: &[Panel] = &[
    graph(
        "Memory budget in use",
        "percentunit",
        &[(
            "sum by (instance) (kafka_output_memory_used_bytes{I}) / on (instance) kafka_output_memory_budget_bytes{I}",
            "{{instance}}",
        )],
    ),
    graph(
        "Memory budget by output",
        "bytes",
        &[(sum!("output", "memory_used_bytes"), "{{output}}")],
    ),
    graph(
        "Waiting for room or a leader",
        "short",
        &[
            (rate!("backpressure_seconds_total"), "{{output}} seconds a second"),
            (sum!("output", "memory_waiting_batches"), "{{output}} batches"),
        ],
    ),
    graph(
        "Records on their way",
        "short",
        &[
            (sum!("output", "records_in_flight"), "{{output}} not settled"),
            (sum!("output", "producer_queue_records"), "{{output}} in librdkafka"),
        ],
    ),
    graph(
        "Bytes in librdkafka",
        "bytes",
        &[(sum!("output", "producer_queue_bytes"), "{{output}}")],
    ),
    graph(
        "Writers and streams",
        "short",
        &[
            (sum!("output", "writers"), "{{output}} writers"),
            (of_instance!("sessions"), "{{instance}} sessions"),
            ("max by (instance) (kafka_output_streams_limit{I})", "{{instance}} limit"),
        ],
    ),
];

const ERRORS: &[Panel] = &[
    graph(
        "Rows and records set aside",
        "short",
        &[
            (increase!("rows_not_encoded_total"), "{{output}} not encoded"),
            (increase!("records_refused_total"), "{{output}} refused by brokers"),
            (increase!("dead_letters_total"), "{{output}} dead letters"),
        ],
    ),
    graph(
        "Calls and streams that ended with an error",
        "short",
        &[(
            "sum by (code) (increase(kafka_output_call_errors_total{I}[$__rate_interval])) > 0",
            "{{code}}",
        )],
    ),
    graph(
        "Retries and producers thrown away",
        "short",
        &[
            (increase!("retries_total"), "{{output}} records again"),
            (increase!("request_retries_total"), "{{output}} requests again"),
            (increase!("producer_restarts_total"), "{{output}} producers"),
        ],
    ),
];
