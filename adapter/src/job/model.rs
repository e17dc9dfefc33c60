//! The job as the service uses it: every value checked, every default filled in.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use keyvault::Identity;
use serde_json::{Map, Value, json};

use super::{
    names::{HostPort, OutputAlias, TopicName},
    secrecy,
    security::{ListenTls, Profile, Security, Tokens, WriterRule, identity_json},
    serialization::{Packing, Serialization},
    telemetry::Traces,
    text::{show_bytes, show_duration},
};

/// A batch may take at most this part of the memory, as it comes and once it is encoded, so that
/// several writers fit in at once.
pub(super) const MEMORY_PER_BATCH: u64 = 8;

/// A job: where the service listens and which outputs it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The name of the job, in logs.
    pub name: String,
    /// The gRPC server for writers.
    pub grpc: GrpcListen,
    /// The HTTP server for operators, if there is one.
    pub admin: Option<AdminListen>,
    /// Who the service is for Entra ID.
    pub identity: Option<Identity>,
    /// Where spans of batches go, if anywhere.
    pub traces: Option<Traces>,
    /// How often secrets are looked up again.
    pub secret_refresh: Duration,
    /// The memory for rows between gRPC and Kafka, all outputs together.
    pub memory_bytes: u64,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// The largest message with rows that a writer may send; at most an eighth of the memory.
    pub batch_bytes_max: u32,
    /// The outputs, at least one; no alias is there twice.
    pub outputs: Vec<Output>,
}

/// The gRPC server that writers connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcListen {
    /// Where it listens. Plaintext beyond loopback has been asked for in so many words.
    pub address: SocketAddr,
    /// TLS; without it, plaintext.
    pub tls: Option<ListenTls>,
    /// Which tokens callers may show; without it, none are asked for.
    pub tokens: Option<Tokens>,
    /// Whether it tells clients its services.
    pub reflection: bool,
    /// How many writers may have a live stream at once.
    pub max_writers: u32,
    /// How many writers without a live stream are remembered.
    pub max_idle_writers: u32,
    /// The age at which a connection is asked to end; without it, none is.
    pub connection_age: Option<Duration>,
}

/// The HTTP server of probes, metrics and status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminListen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether other machines see the status.
    pub remote_status: bool,
    /// Whether rows that are on their way may be looked at.
    pub tap: bool,
}

/// One topic with its format, partitioning and security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What the query calls it.
    pub alias: OutputAlias,
    /// The brokers to ask first, at least one.
    pub bootstrap_servers: Vec<HostPort>,
    /// The topic.
    pub topic: TopicName,
    /// What kind of service the brokers are.
    pub profile: Profile,
    /// How the connection to the brokers is secured.
    pub security: Security,
    /// Who may write; without it, whoever the listener lets in.
    pub writers: Option<Vec<WriterRule>>,
    /// How a row becomes the value of a record.
    pub serialization: Serialization,
    /// How many rows share a record; if none, every row is a record.
    pub packing: Option<Packing>,
    /// Which partition a row goes to.
    pub partitioning: RoundRobin,
    /// How Kafka batches are compressed.
    pub compression: Compression,
    /// Whether records tell the trace that their batch is part of.
    pub trace_headers: bool,
    /// When a broker answers that it has a row.
    pub acks: Acks,
    /// Whether brokers recognise rows that the client sends again; only with [`Acks::All`].
    pub idempotence: bool,
    /// How rows are gathered into Kafka batches.
    pub batching: Batching,
    /// What happens to a row that cannot be encoded or that the broker refuses.
    pub error_policy: ErrorPolicy,
    /// The topic of dead letters, with [`ErrorPolicy::DeadLetter`] and no other.
    pub dead_letters: Option<TopicName>,
    /// What an acknowledgement promises.
    pub guarantee: Guarantee,
    /// How transactions are made, where there are some.
    pub transactions: Transactions,
    /// The topic that keeps how far each writer has come.
    pub progress_topic: TopicName,
    /// How often the partitions of the topic and their leaders are looked up.
    pub metadata_refresh: Duration,
    /// How long a broker may be silent in the middle of a request.
    pub socket_timeout: Duration,
    /// How long the topic may be unknown before it counts as missing.
    pub topic_missing_after: Duration,
    /// Settings handed to librdkafka as they are; all of them are in the allow list.
    pub librdkafka: BTreeMap<String, String>,
}

/// Each partition in turn, strictly even. A turn ends after so many rows or so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundRobin {
    /// Rows in a turn, at least 1.
    pub turn_rows: u32,
    /// Time after which a turn ends though it has fewer rows.
    pub turn_time: Duration,
}

/// A compression codec and its level, within the codec's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    None,
    /// Gzip, level 0 to 9.
    Gzip {
        /// The level.
        level: u8,
    },
    /// Snappy.
    Snappy,
    /// LZ4, level 0 to 12.
    Lz4 {
        /// The level.
        level: u8,
    },
    /// Zstandard, level 1 to 12.
    Zstd {
        /// The level.
        level: u8,
    },
}

/// When a broker answers that it has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// When all in-sync replicas have it.
    All,
    /// When the leader has it.
    One,
    /// Not at all.
    Zero,
}

/// How rows are gathered into Kafka batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The longest a row waits for others while rows are queued.
    pub linger: Duration,
    /// The most rows in one Kafka batch.
    pub rows: u32,
    /// The largest Kafka batch.
    pub bytes: u32,
}

/// What happens to a row that cannot be encoded or that the broker refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// Its batch is refused before any of it is sent, or held until the broker takes it.
    Stop,
    /// It is counted, named to the writer and left out; the others go.
    Drop,
    /// The same, and it is kept in a topic of its own with the reason.
    DeadLetter,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// A broker may lose what it has acknowledged.
    BestEffort,
    /// The brokers have every row; after a failure some may be there twice.
    AtLeastOnce,
    /// Every row is there once for readers of what is committed.
    ExactlyOnce,
}

/// How transactions are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transactions {
    /// How long the brokers keep a transaction open whose writer has vanished.
    pub timeout: Duration,
    /// Between the ends of two transactions of a writer, unless it has paused.
    pub interval: Duration,
    /// Most writers at once.
    pub writers_max: u32,
}

impl Guarantee {
    /// As the job file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BestEffort => "bestEffort",
            Self::AtLeastOnce => "atLeastOnce",
            Self::ExactlyOnce => "exactlyOnce",
        }
    }
}

impl Compression {
    /// The codec as the job file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Gzip { .. } => "Gzip",
            Self::Snappy => "Snappy",
            Self::Lz4 { .. } => "Lz4",
            Self::Zstd { .. } => "Zstd",
        }
    }

    /// The level, if the codec has levels.
    pub fn level(self) -> Option<u8> {
        match self {
            Self::Gzip { level } | Self::Lz4 { level } | Self::Zstd { level } => Some(level),
            Self::None | Self::Snappy => None,
        }
    }
}

impl Job {
    /// Most bytes that a batch may have once it is encoded.
    pub fn encoded_bytes_max(&self) -> u64 {
        self.memory_bytes / MEMORY_PER_BATCH
    }

    /// The effective configuration as the job file would write it, with every default filled in
    /// and without secrets: where one stands is shown, the secret is not.
    pub fn to_json(&self) -> Value {
        let mut job = json!({
            "name": self.name,
            "secretRefresh": show_duration(self.secret_refresh),
            "listen": { "grpc": self.grpc.to_json() },
            "memory": show_bytes(self.memory_bytes),
            "shutdownTimeout": show_duration(self.shutdown_timeout),
            "maxBatchSize": show_bytes(self.batch_bytes_max.into()),
            "outputs": self.outputs.iter().map(Output::to_json).collect::<Vec<_>>(),
        });
        if let Some(AdminListen { address, remote_status, tap }) = &self.admin {
            let address = address.to_string();
            job["listen"]["admin"] =
                json!({ "address": address, "remoteStatus": remote_status, "tap": tap });
        }
        if let Some(traces) = &self.traces {
            job["telemetry"] = json!({ "traces": traces.to_json() });
        }
        if let Some(identity) = &self.identity {
            job["identity"] = identity_json(identity);
        }
        job
    }
}

impl GrpcListen {
    fn to_json(&self) -> Value {
        let Self {
            address,
            tls,
            tokens,
            reflection,
            max_writers,
            max_idle_writers,
            connection_age,
        } = self;
        let mut grpc = json!({
            "address": address.to_string(),
            "allowPlaintext": tls.is_none() && !address.ip().is_loopback(),
            "reflection": reflection,
            "maxWriters": max_writers,
            "maxIdleWriters": max_idle_writers,
            "connectionAge": show_duration(connection_age.unwrap_or_default()),
        });
        if let Some(tls) = tls {
            grpc["tls"] = tls.to_json();
        }
        if let Some(tokens) = tokens {
            grpc["tokens"] = tokens.to_json();
        }
        grpc
    }
}

impl Output {
    /// The effective configuration of this output, without secrets.
    pub fn to_json(&self) -> Value {
        let servers = self.bootstrap_servers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut output = json!({
            "alias": self.alias.as_str(),
            "bootstrapServers": servers,
            "topic": self.topic.as_str(),
            "profile": self.profile.name(),
            "serialization": self.serialization.to_json(),
            "partitioning": { "strategy": "roundRobin", "turn": {
                "rows": self.partitioning.turn_rows,
                "time": show_duration(self.partitioning.turn_time),
            } },
            "traceHeaders": self.trace_headers,
            "acks": match self.acks {
                Acks::All => "All",
                Acks::One => "One",
                Acks::Zero => "Zero",
            },
            "idempotence": self.idempotence,
            "batching": {
                "linger": show_duration(self.batching.linger),
                "rows": self.batching.rows,
                "bytes": show_bytes(self.batching.bytes.into()),
            },
            "errorPolicy": match self.error_policy {
                ErrorPolicy::Stop => "Stop",
                ErrorPolicy::Drop => "Drop",
                ErrorPolicy::DeadLetter => "DeadLetter",
            },
            "guarantee": self.guarantee.name(),
            "metadataRefresh": show_duration(self.metadata_refresh),
            "socketTimeout": show_duration(self.socket_timeout),
            "topicMissingAfter": show_duration(self.topic_missing_after),
            "librdkafka": self.librdkafka.iter().map(|(name, value)| {
                (name.clone(), Value::from(secrecy::shown(name, value)))
            }).collect::<Map<_, _>>(),
        });
        if self.guarantee != Guarantee::BestEffort {
            output["progress"] = json!({ "topic": self.progress_topic.as_str() });
        }
        if self.guarantee == Guarantee::ExactlyOnce {
            output["transactions"] = json!({
                "timeout": show_duration(self.transactions.timeout),
                "interval": show_duration(self.transactions.interval),
                "maxWriters": self.transactions.writers_max,
            });
        }
        if let Some(topic) = &self.dead_letters {
            output["deadLetter"] = json!({ "topic": topic.as_str() });
        }
        if let Some(packing) = self.packing {
            output["packing"] = packing.to_json();
        }
        let mut compression = Map::from_iter([("type".to_owned(), self.compression.name().into())]);
        if let Some(level) = self.compression.level() {
            compression.insert("level".to_owned(), level.into());
        }
        output["compression"] = Value::Object(compression);
        for (key, value) in self.security.to_json() {
            output[key] = value;
        }
        if let Some(writers) = &self.writers {
            output["writers"] = writers.iter().map(WriterRule::to_json).collect();
        }
        output
    }
}
