//! The job file as it is written. The doc comments here are the documentation of its keys: they
//! become the descriptions in the JSON Schema.
//!
//! Every key is optional for serde: the walk along the schema reports what is missing, and an
//! output takes what it lacks from `defaults`.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use super::{
    raw_values::{
        RawAcks, RawBytes, RawCodec, RawDuration, RawErrorPolicy, RawGuarantee, RawServers,
        RawStrategy, RawTooLarge,
    },
    security::{
        self, RawCertificate, RawIdentity, RawListenTls, RawProfile, RawProtocol, RawSasl,
        RawSecret, RawTokens, RawWriter,
    },
    serialization::RawSerialization,
    settings,
    telemetry::RawTelemetry,
};

/// What holds where the file says nothing, written as the file would write it.
pub(super) mod default {
    pub(crate) const ADDRESS: &str = "127.0.0.1:7070";
    pub(crate) const ADMIN_ADDRESS: &str = "127.0.0.1:7071";
    pub(crate) const WRITERS_MAX: u32 = 200;
    pub(crate) const IDLE_WRITERS_MAX: u32 = 100_000;
    pub(crate) const CONNECTION_AGE: &str = "0ms";
    pub(crate) const MEMORY: &str = "512 MiB";
    pub(crate) const SHUTDOWN_TIMEOUT: &str = "25s";
    pub(crate) const BATCH_SIZE_MAX: &str = "4 MiB";
    pub(crate) const TURN_ROWS: u32 = 1_000;
    pub(crate) const TURN_TIME: &str = "1s";
    pub(crate) const LINGER: &str = "5ms";
    pub(crate) const BATCHING_ROWS: u32 = 10_000;
    pub(crate) const BATCHING_BYTES: &str = "1 MB";
    pub(crate) const PACKING_ROWS: u32 = 1_000;
    pub(crate) const PACKING_BYTES: &str = "1 MB";
    pub(crate) const PACKING_TIME: &str = "0ms";
    pub(crate) const PACKING_TOO_LARGE: &str = "Split";
    pub(crate) const TRANSACTION_TIMEOUT: &str = "30s";
    pub(crate) const TRANSACTION_INTERVAL: &str = "20ms";
    pub(crate) const TRANSACTION_WRITERS: u32 = 200;
    pub(crate) const PROGRESS_TOPIC: &str = "kafka-output-progress";
    pub(crate) const METADATA_REFRESH: &str = "10s";
    pub(crate) const SOCKET_TIMEOUT: &str = "6s";
    pub(crate) const TOPIC_MISSING_AFTER: &str = "1s";
}

/// A job of kafka-output: where it listens, how much memory it takes, and which outputs it writes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Job", title = "Job file of kafka-output")]
pub(super) struct RawJob {
    /// The name of the job, in logs: 1 to 64 letters, digits, `.`, `_` or `-`.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"), example = &"flights")]
    pub(super) name: Option<String>,
    /// Who the service is for Entra ID. Needed for whatever stands in Key Vault, and for tokens
    /// of Entra ID.
    pub(super) identity: Option<RawIdentity>,
    /// The vault of references that name none: `https://NAME.vault.azure.net`, or the same of a
    /// sovereign cloud.
    #[schemars(length(min = 1), example = &"https://contoso.vault.azure.net")]
    pub(super) vault: Option<String>,
    /// Other vaults: a name that references may call each by, and its address.
    #[schemars(extend("examples" = [{ "shared": "https://shared.vault.azure.net" }]))]
    pub(super) vaults: Option<BTreeMap<String, String>>,
    /// How often secrets, certificates and files are looked up again, from 1s to 168h (7 days).
    /// What is new is taken over while the service runs.
    #[schemars(extend("default" = security::default::SECRET_REFRESH))]
    pub(super) secret_refresh: Option<RawDuration>,
    /// Where the service listens.
    pub(super) listen: Option<RawListen>,
    /// What the service tells of itself beside its log and its metrics.
    pub(super) telemetry: Option<RawTelemetry>,
    /// The memory for rows between gRPC and Kafka, all outputs together; at least 16 MiB. A full
    /// budget slows writers down, it never fails them.
    #[schemars(extend("default" = default::MEMORY))]
    pub(super) memory: Option<RawBytes>,
    /// How long a stop may take: what is not settled by then is left. From 100ms to 1h.
    #[schemars(extend("default" = default::SHUTDOWN_TIMEOUT))]
    pub(super) shutdown_timeout: Option<RawDuration>,
    /// The largest message with rows that a writer may send, from 1 KiB to 64 MiB and at most an
    /// eighth of `memory`. Without this key: 4 MiB, or an eighth of `memory` if that is less.
    #[schemars(extend("default" = default::BATCH_SIZE_MAX))]
    pub(super) max_batch_size: Option<RawBytes>,
    /// What outputs have in common: any key of an output except `alias` and `topic`.
    ///
    /// An output's own key wins. Where both give a map, it is merged key by key, one level deep:
    /// what is a map within that map is taken whole, and so is what says where a secret or a
    /// certificate stands. A map that names another `type`, `strategy` or `mechanism` than the
    /// default replaces it whole; of `serialization` only what belongs to another `type`,
    /// `framing` or schema is left behind. `sasl` and the keys of TLS are taken
    /// over only by outputs whose `securityProtocol` uses them; with a `truststore` or
    /// `clientCertificate` of its own an output takes over no password or key of another one.
    #[expect(dead_code, reason = "merged into the outputs before serde sees them")]
    pub(super) defaults: Option<RawDefaults>,
    /// The outputs, at least one and at most 1000, each with an alias of its own.
    #[schemars(required, length(min = 1, max = 1000))]
    #[expect(dead_code, reason = "read one by one, each with what `defaults` lends it")]
    pub(super) outputs: Option<Vec<RawOutput>>,
}

/// Where the service listens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Listen")]
pub(super) struct RawListen {
    /// The server for writers.
    pub(super) grpc: Option<RawGrpc>,
    /// The server for operators: probes, metrics and status over HTTP. Without this key there is
    /// none.
    pub(super) admin: Option<RawAdmin>,
}

/// The HTTP server of probes, metrics and status.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Admin")]
pub(super) struct RawAdmin {
    /// The IP address and port to listen on. Port 0 takes a free one. Probes and metrics are for
    /// whoever reaches it.
    #[schemars(extend("default" = default::ADMIN_ADDRESS), example = &"0.0.0.0:7071")]
    pub(super) address: Option<String>,
    /// Whether the status page, which names topics, brokers and writers, is shown to other
    /// machines as well. This machine always sees it, and only from this machine may outputs be
    /// paused and the job file be loaded again.
    #[schemars(extend("default" = false))]
    pub(super) remote_status: Option<bool>,
    /// Whether `kafka-output tap` may show rows that are on their way, on this machine alone.
    #[schemars(extend("default" = true))]
    pub(super) tap: Option<bool>,
}

/// The gRPC server that writers connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Grpc")]
pub(super) struct RawGrpc {
    /// The IP address and port to listen on. Port 0 takes a free one.
    #[schemars(extend("default" = default::ADDRESS), example = &"127.0.0.1:7070")]
    pub(super) address: Option<String>,
    /// Whether plaintext is allowed on an address that other machines can reach. On loopback it
    /// always is. Not beside `tls`.
    #[schemars(extend("default" = false))]
    pub(super) allow_plaintext: Option<bool>,
    /// TLS to writers. Without this key, plaintext.
    pub(super) tls: Option<RawListenTls>,
    /// The tokens that writers must show. Without this key none are asked for. Beyond loopback
    /// `tls` is needed with it.
    pub(super) tokens: Option<RawTokens>,
    /// Whether the server tells clients its services (gRPC reflection), for tools like grpcurl.
    #[schemars(extend("default" = false))]
    pub(super) reflection: Option<bool>,
    /// How many writers may have a live stream at once.
    #[schemars(range(min = 1, max = 100_000), extend("default" = default::WRITERS_MAX))]
    pub(super) max_writers: Option<u32>,
    /// How many writers without a live stream are remembered, so that batches they send again are
    /// recognised. Beyond that the one away longest is forgotten.
    #[schemars(range(min = 0, max = 10_000_000), extend("default" = default::IDLE_WRITERS_MAX))]
    pub(super) max_idle_writers: Option<u32>,
    /// The age at which a connection is asked to end, give or take a tenth, so that behind a balancer
    /// its streams come to the replicas that there are now: 1s to 168h (7 days), or 0ms for never. What
    /// is on its way settles first, however long that takes, and how far its writer has come is stored,
    /// if Kafka takes that within a second: engines should bring `Open.acknowledged` all the same.
    #[schemars(extend("default" = default::CONNECTION_AGE))]
    pub(super) connection_age: Option<RawDuration>,
}

/// One topic with its format, partitioning and security.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Output")]
pub(super) struct RawOutput {
    /// What the query calls this output: 1 to 128 letters, digits, `.`, `_` or `-`.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9._-]{1,128}$"), example = &"delays")]
    pub(super) alias: Option<String>,
    /// The topic to write to: 1 to 249 letters, digits, `.`, `_` or `-`. It must exist.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"), example = &"flight-delays")]
    pub(super) topic: Option<String>,
    /// The brokers to ask first, as a list or as text with commas: `host:port`, an IPv6 address in
    /// brackets. Needed here or in `defaults`.
    #[schemars(example = &"kafka-1:9092,kafka-2:9092")]
    pub(super) bootstrap_servers: Option<RawServers>,
    /// What kind of service the brokers are. Without this key: EventHubs if every bootstrap server
    /// is below `servicebus.windows.net`, `servicebus.chinacloudapi.cn` or
    /// `servicebus.usgovcloudapi.net`, else Kafka.
    #[schemars(example = &"EventHubs")]
    pub(super) profile: Option<RawProfile>,
    /// How the connection to the brokers is secured. Event Hubs takes `SASL_SSL` alone, and has it
    /// by default.
    #[schemars(extend("default" = "None"))]
    pub(super) security_protocol: Option<RawProtocol>,
    /// TLS: the authorities to trust. Without this key those that the system trusts.
    pub(super) truststore: Option<RawCertificate>,
    /// The password of `truststore`, if it is a PFX or a key store.
    pub(super) truststore_password: Option<RawSecret>,
    /// TLS: the certificate that the service shows, with its chain, and its key unless `clientKey`
    /// says where that is. Needed with `mTLS`, allowed with `SASL_SSL`.
    pub(super) client_certificate: Option<RawCertificate>,
    /// Where the key stands, if not with `clientCertificate`.
    pub(super) client_key: Option<RawSecret>,
    /// The password of the key: of an encrypted key in PEM, of a PFX or of a key store.
    pub(super) client_key_password: Option<RawSecret>,
    /// TLS: whether brokers may show any certificate. Whoever stands between can then pose as a
    /// broker, read the rows and change them, and read passwords.
    #[schemars(extend("default" = false))]
    pub(super) trust_any_server_certificate: Option<bool>,
    /// TLS: whether a broker's certificate may be for another host. Whoever has any certificate of
    /// a trusted authority can then pose as a broker.
    #[schemars(extend("default" = false))]
    pub(super) trust_any_host_name: Option<bool>,
    /// Who the service is for the brokers. Needed with `SASL_PLAINTEXT` and `SASL_SSL`, refused
    /// with `None` and `mTLS`.
    pub(super) sasl: Option<RawSasl>,
    /// Who may write into this output. Without this key whoever the listener lets in. Needs
    /// callers with client certificates or tokens.
    #[schemars(length(min = 1))]
    pub(super) writers: Option<Vec<Option<RawWriter>>>,
    /// How a row becomes the value of a record.
    pub(super) serialization: Option<RawSerialization>,
    /// How many rows share a record. Without this key a record is one row. Of Avro only the
    /// `framing` Container packs.
    pub(super) packing: Option<RawPacking>,
    /// Which partition a row goes to.
    pub(super) partitioning: Option<RawPartitioning>,
    /// How Kafka batches are compressed.
    pub(super) compression: Option<RawCompression>,
    /// Whether records tell those who read them the trace that their batch is part of, in the headers
    /// `traceparent` and `tracestate` (W3C Trace Context): the span that has sent them if `telemetry`
    /// samples the batch, else what its engine says; where it says nothing there are no headers. Each
    /// record with headers costs more, and 600 bytes of what the topic takes are kept for them.
    #[schemars(extend("default" = false))]
    pub(super) trace_headers: Option<bool>,
    /// When a broker answers that it has a row.
    #[schemars(extend("default" = "All"))]
    pub(super) acks: Option<RawAcks>,
    /// Whether brokers recognise rows that the client sends them again, so that none is doubled or
    /// overtaken. Without this key: true with `acks: All`, else false. Needs `acks: All`.
    pub(super) idempotence: Option<bool>,
    /// How rows are gathered into Kafka batches.
    pub(super) batching: Option<RawBatching>,
    /// What happens to a row that cannot be encoded or that the broker refuses.
    #[schemars(extend("default" = "Stop"))]
    pub(super) error_policy: Option<RawErrorPolicy>,
    /// Where rows go that are set aside. Needed with `errorPolicy: DeadLetter`, refused with others.
    pub(super) dead_letter: Option<RawDeadLetter>,
    /// What an acknowledgement promises. Without this key: `bestEffort` with `acks` One or Zero, else
    /// `atLeastOnce`.
    pub(super) guarantee: Option<RawGuarantee>,
    /// How the transactions of `guarantee: exactlyOnce` are made.
    pub(super) transactions: Option<RawTransactions>,
    /// Where it is stored how far each writer has come.
    pub(super) progress: Option<RawProgress>,
    /// How often the partitions of the topic and their leaders are looked up, from 100ms to 1h.
    #[schemars(extend("default" = default::METADATA_REFRESH))]
    pub(super) metadata_refresh: Option<RawDuration>,
    /// How long a broker may be silent in the middle of a request before its connection is given
    /// up, from 100ms to 5m; for Event Hubs from 20s, by default 60s. All that one broker is sent
    /// at once, up to `batching.bytes` for each of its partitions, must pass in this time: on a
    /// narrow way lower that or raise this.
    #[schemars(extend("default" = default::SOCKET_TIMEOUT))]
    pub(super) socket_timeout: Option<RawDuration>,
    /// How long the brokers may not know the topic before it counts as missing, up to 1h: a topic
    /// just made is not known to all of them at once.
    #[schemars(extend("default" = default::TOPIC_MISSING_AFTER))]
    pub(super) topic_missing_after: Option<RawDuration>,
    /// Settings handed to librdkafka as they are. Only those listed here are taken; whatever has a
    /// key of its own in the job file is set there.
    pub(super) librdkafka: Option<RawLibrdkafka>,
}

/// How many rows share a record. What is reached first ends a record.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Packing")]
pub(super) struct RawPacking {
    /// The most rows in a record. With 1 nothing is packed, and the other keys may not stand beside
    /// it.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = default::PACKING_ROWS))]
    pub(super) rows: Option<u32>,
    /// The most bytes of a record, before any compression, from 1 KiB to 100 MiB (for Event Hubs
    /// up to 1 MB) and at most an eighth of `memory`. A row that is longer is a record of its own.
    /// No record exceeds what the topic takes, whatever this says.
    #[schemars(extend("default" = default::PACKING_BYTES))]
    pub(super) bytes: Option<RawBytes>,
    /// The longest the first row of a record waits for rows of later batches, up to 1m. With 0ms
    /// rows are packed with those of their own batch.
    #[schemars(extend("default" = default::PACKING_TIME))]
    pub(super) time: Option<RawDuration>,
    /// What becomes of a record of several rows that is larger than the topic takes.
    #[schemars(extend("default" = default::PACKING_TOO_LARGE))]
    pub(super) too_large: Option<RawTooLarge>,
}

/// How transactions are made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Transactions")]
pub(super) struct RawTransactions {
    /// How long the brokers keep a transaction open whose writer has vanished, from 1s to 15m, and
    /// not shorter than `socketTimeout` less 100ms. Readers of what is committed wait for as long,
    /// and some seconds. Of Event Hubs the default is 60s.
    #[schemars(extend("default" = default::TRANSACTION_TIMEOUT))]
    pub(super) timeout: Option<RawDuration>,
    /// The least time between two transactions of a writer, up to 10s. After a pause there is none.
    #[schemars(extend("default" = default::TRANSACTION_INTERVAL))]
    pub(super) interval: Option<RawDuration>,
    /// The most writers of this output at once. Each has about 1 MB, six threads and some
    /// connections to each broker.
    #[schemars(range(min = 1, max = 10_000), extend("default" = default::TRANSACTION_WRITERS))]
    pub(super) max_writers: Option<u32>,
}

/// Where rows go that are set aside.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "DeadLetter")]
pub(super) struct RawDeadLetter {
    /// A topic of the output's cluster, and no output's own. It must exist. Outputs may share
    /// it: each letter tells whose it is. A row that is too long for it is cut.
    #[schemars(required, regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"), example = &"flight-letters")]
    pub(super) topic: Option<String>,
}

/// Where it is stored how far each writer has come.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Progress")]
pub(super) struct RawProgress {
    /// A compacted topic of the output's cluster. It is made if it is missing and may be made: 16
    /// partitions, up to three replicas. Outputs may share it. It is not the output's own.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,249}$"), extend("default" = default::PROGRESS_TOPIC))]
    pub(super) topic: Option<String>,
}

/// Which partition a row goes to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Partitioning")]
pub(super) struct RawPartitioning {
    /// How a partition is chosen.
    #[schemars(extend("default" = "roundRobin"))]
    pub(super) strategy: Option<RawStrategy>,
    /// How long one partition is written to before it is the next one's turn.
    pub(super) turn: Option<RawTurn>,
}

/// A run of rows for one partition. It ends after so many rows or so much time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Turn")]
pub(super) struct RawTurn {
    /// Rows in a turn. With 1 every row goes to another partition than the one before, which
    /// makes small Kafka batches.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = default::TURN_ROWS))]
    pub(super) rows: Option<u32>,
    /// Time after which a turn ends though it has fewer rows, from 1ms to 1h.
    #[schemars(extend("default" = default::TURN_TIME))]
    pub(super) time: Option<RawDuration>,
}

/// How Kafka batches are compressed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Compression")]
pub(super) struct RawCompression {
    /// The codec. Event Hubs takes `None` and `Gzip` alone.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "None"))]
    pub(super) kind: Option<RawCodec>,
    /// How hard to try: Gzip 0 to 9 (default 1), Lz4 0 to 12 (default 0), Zstd 1 to 12
    /// (default 1). `None` and `Snappy` have no level.
    #[schemars(range(min = 0, max = 12))]
    pub(super) level: Option<u8>,
}

/// How rows are gathered into Kafka batches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Batching")]
pub(super) struct RawBatching {
    /// The longest a row waits for others while rows are queued; when nothing is queued a row goes
    /// at once. Up to 60s.
    #[schemars(extend("default" = default::LINGER))]
    pub(super) linger: Option<RawDuration>,
    /// The most rows in one Kafka batch.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = default::BATCHING_ROWS))]
    pub(super) rows: Option<u32>,
    /// The largest Kafka batch, from 1 KiB to 100 MiB, for Event Hubs up to 1 MB. A larger row is
    /// refused. The topic's `max.message.bytes` must allow it.
    #[schemars(extend("default" = default::BATCHING_BYTES))]
    pub(super) bytes: Option<RawBytes>,
}

/// Keys that outputs have in common; a type for the schema, which is that of an output but for
/// the keys that no two outputs share.
#[derive(Debug, Deserialize)]
pub(super) struct RawDefaults {}

impl JsonSchema for RawDefaults {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RawOutput::json_schema(generator);
        let own = ["alias", "topic"];
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|key, _| !own.contains(&key.as_str()));
        }
        schema.remove("required");
        schema.insert("description".to_owned(), "What outputs have in common.".into());
        schema
    }
}

/// Settings handed to librdkafka as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct RawLibrdkafka(pub(super) BTreeMap<String, Value>);

impl JsonSchema for RawLibrdkafka {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Librdkafka".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        settings::json_schema()
    }
}
