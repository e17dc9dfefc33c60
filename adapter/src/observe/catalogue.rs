//! The catalogue of metrics: name, kind, unit, labels, meaning and where each is read. What a scrape
//! prints, `docs/operation/metrics.md` and the alerts come from it.
//!
//! Labels are bounded: an output's alias (a job file has at most 1,000), words of this program, and
//! what the job file calls a credential. No writer, row, partition or caller is a label.
use std::{fmt, time::SystemTime};

use super::{
    metrics::{Kind, Metric},
    picture::{CredentialsNow, Picture},
};

/// All metrics, in the order in which they are printed.
pub const CATALOGUE: &[Metric] = &[
    Metric {
        name: "build_info",
        kind: Kind::Gauge,
        unit: "",
        labels: &["version"],
        help: "1, with the version of the program.",
        stream_analytics: None,
        read: |p, r| r.number(&[("version", p.version)], 1.0),
    },
    Metric {
        name: "start_time",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &[],
        help: "When the service started, in Unix time.",
        stream_analytics: None,
        read: |p, r| r.one(unix(p.started)),
    },
    Metric {
        name: "configuration_info",
        kind: Kind::Gauge,
        unit: "",
        labels: &["version"],
        help: "1, with a digest of the job file's text: replicas with the same file have the same.",
        stream_analytics: None,
        read: |p, r| match &p.configuration.version {
            Some(version) => r.number(&[("version", version)], 1.0),
            None => Ok(()),
        },
    },
    Metric {
        name: "configuration_generation",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "1 at the start, and one more with each job file that was applied since.",
        stream_analytics: None,
        read: |p, r| r.one(p.configuration.generation as f64),
    },
    Metric {
        name: "configuration_loaded_time",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &[],
        help: "When the job file in use was applied, in Unix time.",
        stream_analytics: None,
        read: |p, r| r.one(unix(p.configuration.loaded)),
    },
    Metric {
        name: "reloads",
        kind: Kind::Counter,
        unit: "",
        labels: &["result"],
        help: "Job files that were loaded while the service ran, by what became of them.",
        stream_analytics: None,
        read: |p, r| {
            r.number(&[("result", "applied")], p.configuration.applied as f64)?;
            r.number(&[("result", "refused")], p.configuration.refused as f64)
        },
    },
    Metric {
        name: "reload_trouble",
        kind: Kind::Gauge,
        unit: "",
        labels: &["code"],
        help: "1 for the code of why the last job file was refused; no series once one is applied.",
        stream_analytics: None,
        read: |p, r| match &p.configuration.trouble {
            Some(trouble) => r.number(&[("code", trouble.code)], 1.0),
            None => Ok(()),
        },
    },
    Metric {
        name: "setting",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "setting"],
        help: "1 for what the operator wants of the output: Open, Paused or Drained.",
        stream_analytics: None,
        read: |p, r| {
            p.outputs
                .iter()
                .try_for_each(|o| r.number(&[("output", &o.alias), ("setting", o.setting)], 1.0))
        },
    },
    Metric {
        name: "ready",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "1 while a balancer should send writers here: some output is ready, or was within 30 seconds.",
        stream_analytics: None,
        read: |p, r| r.one(flag(p.ready)),
    },
    Metric {
        name: "draining",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "1 while the service ends.",
        stream_analytics: None,
        read: |p, r| r.one(flag(p.draining)),
    },
    Metric {
        name: "memory_budget",
        kind: Kind::Gauge,
        unit: "bytes",
        labels: &[],
        help: "The memory budget for rows between gRPC and Kafka.",
        stream_analytics: Some("SU (Memory) % Utilization"),
        read: |p, r| r.one(p.memory_budget_bytes as f64),
    },
    Metric {
        name: "memory_used",
        kind: Kind::Gauge,
        unit: "bytes",
        labels: &["output"],
        help: "What of the memory budget an output holds.",
        stream_analytics: Some("SU (Memory) % Utilization"),
        read: |p, r| r.each(p, |o| o.bytes_in_flight as f64),
    },
    Metric {
        name: "memory_waiting_batches",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Batches that wait for room in the memory budget.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.waiting_for_memory as f64),
    },
    Metric {
        name: "sessions",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "Streams and calls that are served, with those whose rows still settle.",
        stream_analytics: None,
        read: |p, r| r.one(p.sessions as f64),
    },
    Metric {
        name: "streams_limit",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "Streams at once, at most (`maxWriters`).",
        stream_analytics: None,
        read: |p, r| r.one(p.streams_max as f64),
    },
    Metric {
        name: "writers",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Writers with a live stream.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.writers_live as f64),
    },
    Metric {
        name: "up",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "1 while brokers take rows, 0 while all of them wait or no broker has answered yet.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| flag(o.state == "Ready")),
    },
    Metric {
        name: "trouble",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "code"],
        help: "1 for the stable code of why rows wait; no series while nothing is wrong.",
        stream_analytics: Some("Runtime Errors"),
        read: |p, r| {
            p.outputs.iter().try_for_each(|o| match &o.trouble {
                Some(trouble) => r.number(&[("output", &o.alias), ("code", trouble.code)], 1.0),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "oldest_unacknowledged_age",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output"],
        help: "For how long the oldest batch waits for its acknowledgement; 0 if none waits. What to look at first: it tells whether anything is stuck.",
        stream_analytics: Some("Watermark Delay"),
        read: |p, r| r.each(p, |o| o.oldest_unacknowledged_seconds.unwrap_or(0.0)),
    },
    Metric {
        name: "partitions",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Partitions of the topic; 0 while unknown.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.partitions as f64),
    },
    Metric {
        name: "partitions_without_leader",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Partitions that take no rows now, and are passed over.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.partitions_without_leader as f64),
    },
    Metric {
        name: "partition_skew_rows",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Between the partition that was given the most rows since the partitions changed and the one that was given the fewest.",
        stream_analytics: None,
        read: |p, r| {
            r.each(p, |o| o.partition_rows.map_or(0.0, |[most, least]| (most - least) as f64))
        },
    },
    Metric {
        name: "rows_received",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Rows of accepted batches.",
        stream_analytics: Some("Input Events"),
        read: |p, r| r.each(p, |o| o.rows_received as f64),
    },
    Metric {
        name: "received",
        kind: Kind::Counter,
        unit: "bytes",
        labels: &["output"],
        help: "Bytes of accepted batches as they came, uncompressed.",
        stream_analytics: Some("Input Event Bytes"),
        read: |p, r| r.each(p, |o| o.passage.bytes_received.get() as f64),
    },
    Metric {
        name: "encoded",
        kind: Kind::Counter,
        unit: "bytes",
        labels: &["output"],
        help: "Bytes of their records before Kafka compresses them.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.passage.bytes_encoded.get() as f64),
    },
    Metric {
        name: "batches",
        kind: Kind::Counter,
        unit: "",
        labels: &["output", "result"],
        help: "Batches by their end: durable, refused (nothing is written), unknown (may be written), repeated (sent again, written once).",
        stream_analytics: None,
        read: |p, r| {
            p.outputs.iter().try_for_each(|o| {
                let batches = &o.batches;
                let ends = [
                    ("durable", batches.durable),
                    ("refused", batches.refused),
                    ("unknown", batches.unknown),
                    ("repeated", batches.repeated),
                ];
                ends.iter().try_for_each(|(result, count)| {
                    r.number(&[("output", &o.alias), ("result", result)], *count as f64)
                })
            })
        },
    },
    Metric {
        name: "records_delivered",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Records that Kafka has stored.",
        stream_analytics: Some("Output Events"),
        read: |p, r| r.each(p, |o| o.records_delivered as f64),
    },
    Metric {
        name: "rows_not_encoded",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Rows that cannot be written in the output's format and were set aside by `errorPolicy`.",
        stream_analytics: Some("Data Conversion Errors"),
        read: |p, r| r.each(p, |o| o.rows_not_encoded as f64),
    },
    Metric {
        name: "records_refused",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Records that brokers refused for good and were set aside by `errorPolicy`.",
        stream_analytics: Some("Data Conversion Errors"),
        read: |p, r| r.each(p, |o| o.records_refused as f64),
    },
    Metric {
        name: "dead_letters",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Dead letters that Kafka has stored.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.dead_letters as f64),
    },
    Metric {
        name: "records_in_flight",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output"],
        help: "Records that are accepted and not settled.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.records_in_flight as f64),
    },
    Metric {
        name: "backpressure",
        kind: Kind::Counter,
        unit: "seconds",
        labels: &["output"],
        help: "Time that batches have waited for room in the memory budget or for a leader: engines are slowed down meanwhile.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.passage.backpressure.get()),
    },
    Metric {
        name: "encode",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["output"],
        help: "Reading the rows of batches that go together, and writing their records.",
        stream_analytics: None,
        read: |p, r| r.times(p, |o| &o.passage.encode),
    },
    Metric {
        name: "queue",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["output"],
        help: "How long the first record of a Kafka batch waited before librdkafka had it.",
        stream_analytics: None,
        read: |p, r| r.times(p, |o| &o.exchange.queue),
    },
    Metric {
        name: "broker",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["output"],
        help: "From then to the brokers' answer; with exactlyOnce a transaction from its begin to its commit.",
        stream_analytics: None,
        read: |p, r| r.times(p, |o| &o.exchange.broker),
    },
    Metric {
        name: "acknowledge",
        kind: Kind::Histogram,
        unit: "seconds",
        labels: &["output"],
        help: "From the arrival of a batch to its acknowledgement.",
        stream_analytics: None,
        read: |p, r| r.times(p, |o| &o.passage.acknowledge),
    },
    Metric {
        name: "retries",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Records that went again after a failure.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.exchange.retries.get() as f64),
    },
    Metric {
        name: "producer_restarts",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "Producers that were thrown away since something was not certain any more.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.exchange.restarts.get() as f64),
    },
    Metric {
        name: "transactions",
        kind: Kind::Counter,
        unit: "",
        labels: &["output", "result"],
        help: "Transactions by their end: committed, aborted.",
        stream_analytics: None,
        read: |p, r| {
            p.outputs.iter().try_for_each(|o| {
                let ends = [("committed", &o.exchange.commits), ("aborted", &o.exchange.aborts)];
                ends.iter().try_for_each(|(result, count)| {
                    r.number(&[("output", &o.alias), ("result", result)], count.get() as f64)
                })
            })
        },
    },
    Metric {
        name: "throttles",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "How often a broker delayed its answers because a quota is used up.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.exchange.throttles.get() as f64),
    },
    Metric {
        name: "throttled",
        kind: Kind::Counter,
        unit: "seconds",
        labels: &["output"],
        help: "For how long.",
        stream_analytics: None,
        read: |p, r| r.each(p, |o| o.exchange.throttled.get()),
    },
    Metric {
        name: "credential_expires",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output", "purpose"],
        help: "When a certificate, password or token in use ends, in Unix time; no series where that is not known. The output is empty for what the gRPC port shows and trusts.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| {
                let known =
                    credentials.in_use.iter().filter_map(|one| Some((one.purpose, one.expires?)));
                known.into_iter().try_for_each(|(purpose, expires)| {
                    r.number(&[("output", output), ("purpose", purpose)], unix(expires))
                })
            })
        },
    },
    Metric {
        name: "credentials_checked",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output"],
        help: "When it was last looked up, with success, whether credentials are the newest, in Unix time.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| match credentials.checked {
                Some(checked) => r.number(&[("output", output)], unix(checked)),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "credentials_renewals",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "How often other credentials were put in place.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| {
                r.number(&[("output", output)], credentials.renewals as f64)
            })
        },
    },
    Metric {
        name: "credentials_trouble",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "code"],
        help: "1 for the stable code of why newer credentials are not in place; no series while nothing is wrong.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| match &credentials.trouble {
                Some(trouble) => r.number(&[("output", output), ("code", trouble.code)], 1.0),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "process_cpu",
        kind: Kind::Counter,
        unit: "seconds",
        labels: &[],
        help: "CPU time of the process.",
        stream_analytics: Some("CPU % Utilization"),
        read: |p, r| r.one(p.process.cpu_seconds),
    },
    Metric {
        name: "process_resident_memory",
        kind: Kind::Gauge,
        unit: "bytes",
        labels: &[],
        help: "Memory that the process holds.",
        stream_analytics: Some("SU (Memory) % Utilization"),
        read: |p, r| r.one(p.process.resident_bytes as f64),
    },
    Metric {
        name: "process_open_files",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "Open descriptors.",
        stream_analytics: None,
        read: |p, r| r.one(p.process.open_files as f64),
    },
    Metric {
        name: "process_files_limit",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "How many there may be.",
        stream_analytics: None,
        read: |p, r| r.one(p.process.files_max as f64),
    },
    Metric {
        name: "process_threads",
        kind: Kind::Gauge,
        unit: "",
        labels: &[],
        help: "Threads.",
        stream_analytics: None,
        read: |p, r| r.one(p.process.threads as f64),
    },
];

/// The credentials of the port, whose output is empty, and of each output.
fn each_credentials(
    picture: &Picture,
    mut take: impl FnMut(&str, &CredentialsNow) -> fmt::Result,
) -> fmt::Result {
    take("", &picture.certificate)?;
    picture.outputs.iter().try_for_each(|output| take(&output.alias, &output.credentials))
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Unix time in seconds.
fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
