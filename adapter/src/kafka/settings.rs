//! From an output of the job file to librdkafka's settings.
use std::{collections::BTreeMap, time::Duration};

use super::lane::Pace;
use crate::job::{Acks, Compression, ErrorPolicy, Output, Secret, SecretError, Security};

/// How long librdkafka waits for a batch that is being handed over to be complete. Its broker
/// thread wakes with the first record of a hand-over; without this pause it would send what is
/// there by then and leave the rest behind a request in flight, where an idempotent producer spins
/// until that is answered. Handing 3,000 records over takes about this long. The output's own
/// linger is the lanes' business.
const HAND_OVER_MAX: Duration = Duration::from_micros(500);

/// Most records of a hand-over, so that it is complete while librdkafka waits for it. What does not fit makes the
/// next one: a hand-over that left in two requests would busy-wait on the first, and a verdict on
/// the first would let the second overtake it.
const HAND_OVER_RECORDS_MAX: u32 = 4_000;

/// librdkafka must never be the one that refuses a record for its size: the topic's limit is
/// known and judged before. Its own largest value is 10^9.
pub const MESSAGE_BYTES_MAX: u32 = 104_857_600;

/// What a sink is started with.
pub struct Settings {
    /// The output's alias, for logs.
    pub alias: String,
    /// The topic.
    pub topic: String,
    /// How batches are made.
    pub pace: Pace,
    /// Rows that the broker refuses for good are set aside instead of waiting.
    pub drop_blamed: bool,
    /// Between looks at partitions and leaders.
    pub metadata_refresh: Duration,
    /// Names and values for librdkafka. May hold a password: never shown.
    pub(super) librdkafka: Vec<(String, String)>,
}

impl Settings {
    /// The settings of an output.
    ///
    /// # Errors
    /// If a secret cannot be read.
    pub fn of(output: &Output) -> Result<Self, SecretError> {
        let mut map = BTreeMap::new();
        let mut set = |name: &str, value: &dyn std::fmt::Display| {
            map.insert(name.to_owned(), value.to_string());
        };
        let servers: Vec<String> =
            output.bootstrap_servers.iter().map(ToString::to_string).collect();
        set("bootstrap.servers", &servers.join(","));
        set("client.id", &format!("kafka-output-{}", output.alias));
        // A typing error in `topic` must not make a topic.
        set("allow.auto.create.topics", &false);
        set("acks", &acks(output.acks));
        set("enable.idempotence", &output.idempotence);
        let (codec, level) = compression(&output.compression);
        set("compression.type", &codec);
        set("compression.level", &level);
        set("linger.ms", &ms(HAND_OVER_MAX));
        let records_max = output.batching.rows.min(HAND_OVER_RECORDS_MAX);
        // A hand-over of this many leaves at once.
        set("batch.num.messages", &records_max);
        set("batch.size", &output.batching.bytes);
        set("message.max.bytes", &MESSAGE_BYTES_MAX);
        // Memory is bounded by the budget of the process, and waiting by nothing.
        set("queue.buffering.max.messages", &0);
        set("queue.buffering.max.kbytes", &i32::MAX);
        set("message.timeout.ms", &0);
        // A frozen broker is given up after this, whatever `request.timeout.ms` says.
        set("socket.timeout.ms", &ms(output.socket_timeout));
        set("reconnect.backoff.max.ms", &2000);
        set("topic.metadata.propagation.max.ms", &ms(output.topic_missing_after));
        set("topic.metadata.refresh.interval.ms", &ms(output.metadata_refresh));
        set("socket.nagle.disable", &true);
        set("log_level", &6);
        for (name, value) in &output.librdkafka {
            set(name, value);
        }
        if let Security::SaslPlain { username, password } = &output.security {
            set("security.protocol", &"sasl_plaintext");
            set("sasl.mechanism", &"PLAIN");
            set("sasl.username", username);
            let password = password.resolve()?;
            set("sasl.password", &reveal(&password));
        }
        Ok(Self {
            alias: output.alias.to_string(),
            topic: output.topic.to_string(),
            pace: Pace {
                linger: output.batching.linger,
                records_max,
                bytes_max: u64::from(output.batching.bytes),
            },
            drop_blamed: output.error_policy == ErrorPolicy::Drop,
            metadata_refresh: output.metadata_refresh,
            librdkafka: map.into_iter().collect(),
        })
    }
}

/// The one door.
#[expect(clippy::disallowed_methods, reason = "librdkafka takes its password as text")]
fn reveal(password: &Secret) -> &str {
    password.expose()
}

fn acks(acks: Acks) -> &'static str {
    match acks {
        Acks::Zero => "0",
        Acks::One => "1",
        Acks::All => "all",
    }
}

/// Codec and level; −1 is librdkafka's word for the codec's default.
fn compression(compression: &Compression) -> (&'static str, i32) {
    match compression {
        Compression::None => ("none", -1),
        Compression::Gzip { level } => ("gzip", *level as i32),
        Compression::Snappy => ("snappy", -1),
        Compression::Lz4 { level } => ("lz4", *level as i32),
        Compression::Zstd { level } => ("zstd", *level as i32),
    }
}

/// Milliseconds with their fraction, as librdkafka's times of type double take them; whole ones
/// have none.
fn ms(duration: Duration) -> String {
    format!("{}", duration.as_micros() as f64 / 1000.0)
}
