//! What the dashboard shows of brokers, credentials and the process.
use super::panel::{Panel, graph, increase, most, of_instance, rate, sum};

pub(super) const KAFKA: &[Panel] = &[
    graph(
        "Brokers by state",
        "short",
        &[(most!("output, state", "brokers"), "{{output}} {{state}}")],
    ),
    graph(
        "Connections",
        "short",
        &[(sum!("output, broker", "broker_connections"), "{{output}} {{broker}}")],
    ),
    graph(
        "Connections made and lost",
        "short",
        &[
            (increase!("connects_total"), "{{output}} tried"),
            (increase!("disconnects_total"), "{{output}} lost"),
        ],
    ),
    graph("Requests", "ops", &[(rate!("requests_total"), "{{output}}")]),
    graph(
        "Requests that wait, and in flight",
        "short",
        &[
            (sum!("output, broker", "broker_requests_waiting"), "{{output}} {{broker}} waiting"),
            (
                sum!("output, broker", "broker_requests_in_flight"),
                "{{output}} {{broker}} in flight",
            ),
        ],
    ),
    graph(
        "Requests without success",
        "short",
        &[
            (increase!("request_errors_total"), "{{output}} failed"),
            (increase!("request_timeouts_total"), "{{output}} no answer in time"),
        ],
    ),
    graph(
        "Throttled by quotas",
        "s",
        &[
            (rate!("throttled_seconds_total"), "{{output}} seconds a second"),
            (most!("output, broker", "broker_throttle_seconds"), "{{output}} {{broker}}"),
        ],
    ),
    graph("How often throttled", "short", &[(increase!("throttles_total"), "{{output}}")]),
    graph(
        "Partitions",
        "short",
        &[
            (most!("output", "partitions"), "{{output}}"),
            (most!("output", "partitions_without_leader"), "{{output}} without leader"),
        ],
    ),
    graph(
        "How uneven partitions are",
        "short",
        &[(most!("output", "partition_skew_rows"), "{{output}} rows")],
    ),
    graph("Producers", "short", &[(sum!("output", "producers"), "{{output}}")]),
];

pub(super) const CREDENTIALS: &[Panel] = &[
    graph(
        "What ends when",
        "s",
        &[(
            "min by (output, purpose) (kafka_output_credential_expires_seconds{I}) - time()",
            "{{output}} {{purpose}}",
        )],
    ),
    graph(
        "Since they were looked up",
        "s",
        &[
            (
                "time() - min by (output) (kafka_output_credentials_checked_seconds{I})",
                "{{output}}",
            ),
            ("time() - min(kafka_output_token_trust_checked_seconds{I})", "callers' tokens"),
        ],
    ),
    graph(
        "Since they are in place",
        "s",
        &[("time() - max by (output) (kafka_output_credentials_since_seconds{I})", "{{output}}")],
    ),
    graph("Renewals", "short", &[(increase!("credentials_renewals_total", "I"), "{{output}}")]),
    graph(
        "Why newer ones are not in place",
        "short",
        &[
            ("max by (output, code) (kafka_output_credentials_trouble{I})", "{{output}} {{code}}"),
            ("max by (code) (kafka_output_token_trust_trouble{I})", "callers' tokens {{code}}"),
        ],
    ),
];

pub(super) const PROCESS: &[Panel] = &[
    graph(
        "CPU",
        "short",
        &[(
            "sum by (instance) (rate(kafka_output_process_cpu_seconds_total{I}[$__rate_interval]))",
            "{{instance}} cores",
        )],
    ),
    graph(
        "Resident memory",
        "bytes",
        &[(of_instance!("process_resident_memory_bytes"), "{{instance}}")],
    ),
    graph(
        "Descriptors",
        "short",
        &[
            (of_instance!("process_open_files"), "{{instance}} open"),
            (of_instance!("process_files_limit"), "{{instance}} limit"),
        ],
    ),
    graph("Threads", "short", &[(of_instance!("process_threads"), "{{instance}}")]),
    graph(
        "Running since",
        "s",
        &[("time() - max by (instance) (kafka_output_start_time_seconds{I})", "{{instance}}")],
    ),
    graph(
        "Instances by version",
        "short",
        &[("count by (version) (kafka_output_build_info{I})", "{{version}}")],
    ),
];
