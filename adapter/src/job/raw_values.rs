//! The values of a job file as they are written: closed sets of words, durations and byte sizes.
//! The doc comments here become the descriptions in the JSON Schema.

use schemars::JsonSchema;
use serde::Deserialize;

/// How a partition is chosen.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Strategy")]
pub(super) enum RawStrategy {
    /// Each partition in turn, strictly even, without a record key.
    RoundRobin,
}

/// A compression codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Codec")]
pub(super) enum RawCodec {
    /// Not compressed.
    None,
    /// Gzip: small, slow, known everywhere.
    Gzip,
    /// Snappy: fast.
    Snappy,
    /// LZ4: fast.
    Lz4,
    /// Zstandard: small and fast.
    Zstd,
}

/// When a broker answers that it has a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "Acks")]
pub(super) enum RawAcks {
    /// When all in-sync replicas have it.
    All,
    /// When the leader has it: rows are lost if the leader then fails.
    One,
    /// Not at all: a row counts as written when it is sent, and may be lost without notice.
    Zero,
}

/// What happens to a row that cannot be encoded or that the broker refuses.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ErrorPolicy")]
pub(super) enum RawErrorPolicy {
    /// Its batch is refused before any of it is sent, or held until the broker takes it.
    Stop,
    /// It is counted, named to the writer and left out; the others go.
    Drop,
    /// The same, and it is kept in the topic of `deadLetter`, with the reason.
    DeadLetter,
}

/// What becomes of a record of several rows that is larger than the topic takes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TooLarge")]
pub(super) enum RawTooLarge {
    /// Its rows go in several records. A row that is too large alone goes the way of `errorPolicy`.
    Split,
    /// All its rows go the way of `errorPolicy`.
    ErrorPolicy,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Guarantee")]
pub(super) enum RawGuarantee {
    /// A broker may lose rows that it has acknowledged, as `acks` One or Zero say.
    BestEffort,
    /// All in-sync replicas have every row; after a failure some may be there twice.
    AtLeastOnce,
    /// Every row is there once for readers of what is committed (`read_committed`). Each writer has
    /// transactions of its own.
    ExactlyOnce,
}

/// A whole number and a unit: `ms`, `s`, `m` or `h`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(
    rename = "Duration",
    title = "a duration",
    extend("pattern" = "^[0-9]+ ?(ms|s|m|h)$"),
    example = &"10s"
)]
pub(super) struct RawDuration(pub(super) String);

/// A whole number and a unit, `KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB` or `B`; without one it is
/// bytes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ByteSize", title = "a byte size", example = &"512 MiB")]
pub(super) enum RawBytes {
    /// Bytes.
    Number(u64),
    /// Bytes, or another unit.
    Text(#[schemars(regex(pattern = r"^[0-9]+ ?([KMG]i?B|B)?$"))] String),
}

/// Brokers, as a list or as text with commas.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(
    rename = "BootstrapServers",
    title = "a list of brokers",
    example = &"kafka-1:9092,kafka-2:9092"
)]
pub(super) enum RawServers {
    /// With commas between them.
    Text(String),
    /// One by one.
    List(#[schemars(length(min = 1))] Vec<String>),
}
