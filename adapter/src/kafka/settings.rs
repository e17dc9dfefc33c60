//! From an output of the job file to librdkafka's settings.
use std::{collections::BTreeMap, time::Duration};

use super::{
    headers::Headers, lane::Pace, producers::Recipe, progress::Names, statistics::Statistics,
};
use crate::job::{self, Acks, Compression, ErrorPolicy, Guarantee, HostPort, Output, Profile};

/// Most records of a hand-over, so that it is complete while librdkafka waits for it. What does
/// not fit makes the next one: a hand-over that left in two requests would busy-wait on the first,
/// and a verdict on the first would let the second overtake it.
const HAND_OVER_RECORDS_MAX: u32 = 4_000;

/// The same where each record is a call of its own: librdkafka looks at the clock at each, and after
/// the linger it would send what is there.
const HEADED_RECORDS_MAX: u32 = 800;

/// librdkafka allows no shorter time for making a connection.
const SETUP_MIN: Duration = Duration::from_secs(1);

/// librdkafka must never be the one that refuses a record for its size: the topic's limit is
/// known and judged before. Its own largest value is 10^9.
pub const MESSAGE_BYTES_MAX: u32 = 104_857_600;

/// The largest event of Event Hubs, but for its Dedicated tier
/// (<https://learn.microsoft.com/azure/event-hubs/event-hubs-quotas>).
const EVENT_HUBS_MESSAGE_BYTES: u64 = 1 << 20;

/// What a sink is started with.
pub struct Settings {
    /// The output's alias, for logs.
    pub alias: String,
    /// The brokers to ask first.
    pub(super) servers: Vec<HostPort>,
    /// How batches are made.
    pub pace: Pace,
    /// Rows that the broker refuses for good are set aside instead of waiting.
    pub drop_blamed: bool,
    /// Brokers acknowledge only what is in `min.insync.replicas` replicas.
    pub(super) waits_for_replicas: bool,
    /// Between looks at partitions and leaders.
    pub metadata_refresh: Duration,
    /// What its producers are made of.
    pub(super) recipe: Recipe,
    /// Where its writers' progress is stored.
    pub(super) progress: Option<Names>,
    /// The topic of dead letters, if rows that are set aside go there.
    pub(super) dead_letters: Option<String>,
    /// The topic's `max.message.bytes` where the brokers do not tell.
    pub(super) message_bytes_untold: Option<u64>,
    /// How its writers' transactions are made, if it has some.
    pub(super) transactions: Option<Transactions>,
}

/// How transactions are made.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// How long a transaction may be open before the brokers abort it.
    pub timeout: Duration,
    /// Between the ends of two transactions of a writer, unless it has paused.
    pub interval: Duration,
    /// Most writers at once.
    pub writers_max: usize,
}

impl Settings {
    /// The settings of an output of a job; its credentials come later.
    pub fn of_job(job: &str, output: &Output) -> Self {
        let job::Transactions { timeout, interval, writers_max } = output.transactions;
        let transactions = Transactions { timeout, interval, writers_max: writers_max as usize };
        let (guarantee, transactions) = match output.guarantee {
            Guarantee::BestEffort => return Self::of(output),
            Guarantee::AtLeastOnce => ("atLeastOnce", None),
            Guarantee::ExactlyOnce => ("exactlyOnce", Some(transactions)),
        };
        let (job, topic) = (job.to_owned(), output.progress_topic.to_string());
        let progress = Some(Names { job, topic, guarantee });
        Self { transactions, progress, ..Self::of(output) }
    }

    /// The same, with what librdkafka counts and measures by itself: somebody looks at it.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.recipe.statistics = Some(Statistics::of(&self.recipe.topic));
        self
    }

    /// Whether dead letters go by themselves, and not in their writer's transactions.
    pub(super) fn posts_letters(&self) -> bool {
        self.dead_letters.is_some() && self.transactions.is_none()
    }

    /// The topic of dead letters.
    pub(super) fn letter_topic(&self) -> &str {
        self.dead_letters.as_deref().expect("only outputs with such a topic have letters")
    }

    /// The settings of an output that keeps no progress.
    pub fn of(output: &Output) -> Self {
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
        let records_max = match output.trace_headers {
            true => HEADED_RECORDS_MAX,
            false => HAND_OVER_RECORDS_MAX,
        };
        let records_max = output.batching.rows.min(records_max);
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
        // Nor does a connection that is made while the broker is silent outlast its silence.
        let setup = output.socket_timeout.max(SETUP_MIN);
        set("socket.connection.setup.timeout.ms", &ms(setup));
        set("api.version.request.timeout.ms", &ms(output.socket_timeout));
        set("reconnect.backoff.max.ms", &2000);
        set("topic.metadata.propagation.max.ms", &ms(output.topic_missing_after));
        set("topic.metadata.refresh.interval.ms", &ms(output.metadata_refresh));
        set("socket.nagle.disable", &true);
        // Azure's load balancers drop what is idle for four minutes, and tell nobody.
        set("socket.keepalive.enable", &true);
        set("connections.max.idle.ms", &180_000);
        set("log_level", &6);
        if output.profile == Profile::EventHubs {
            event_hubs(&mut set);
        }
        for (name, value) in &output.librdkafka {
            set(name, value);
        }
        Self {
            alias: output.alias.to_string(),
            servers: output.bootstrap_servers.clone(),
            pace: Pace {
                linger: output.batching.linger,
                records_max,
                bytes_max: u64::from(output.batching.bytes),
            },
            drop_blamed: output.error_policy != ErrorPolicy::Stop,
            dead_letters: output.dead_letters.as_ref().map(ToString::to_string),
            message_bytes_untold: (output.profile == Profile::EventHubs)
                .then_some(EVENT_HUBS_MESSAGE_BYTES),
            waits_for_replicas: output.acks == Acks::All,
            metadata_refresh: output.metadata_refresh,
            recipe: Recipe {
                settings: map.into_iter().collect(),
                topic: output.topic.to_string(),
                header_bytes_max: match output.trace_headers {
                    true => Headers::TRACE_BYTES_MAX,
                    false => 0,
                },
                answered: output.acks != Acks::Zero,
                statistics: None,
            },
            progress: None,
            transactions: None,
        }
    }
}

/// What Event Hubs demands of a client of Kafka's protocol
/// (<https://learn.microsoft.com/azure/event-hubs/apache-kafka-configurations>).
fn event_hubs(set: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    // Below the four minutes after which idle connections are dropped, and nobody told.
    set("metadata.max.age.ms", &180_000);
    // The service itself may take 20 s to answer.
    set("request.timeout.ms", &60_000);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::Credentials, *};
    use crate::job;

    #[test]
    fn nothing_times_out_in_librdkafka() {
        let yaml =
            "name: t\noutputs: [{ alias: a, bootstrapServers: 'localhost:9092', topic: t }]\n";
        let job = job::parse("job.yaml", yaml).expect("a job of the fewest keys is right");
        let settings = Settings::of(&job.outputs[0]).recipe.settings;
        let of = |name: &str| {
            let mut found = settings.iter().filter(|(key, _)| key == name);
            found.next().map(|(_, value)| value.as_str())
        };
        // Zero is librdkafka's word for never; after its default of five minutes rows would fail.
        assert_eq!(of("message.timeout.ms"), Some("0"));
        // Other names for the same, and for giving up after so many attempts.
        for other in ["delivery.timeout.ms", "message.send.max.retries", "retries"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn librdkafka_takes_the_times_that_a_job_file_leaves_out() {
        let job = |profile: &str| {
            format!(
                "name: t\noutputs: [{{ alias: a, bootstrapServers: 'localhost:9', topic: t, \
                 guarantee: exactlyOnce, profile: {profile} }}]\n"
            )
        };
        let login = "securityProtocol: SASL_SSL, sasl: { mechanism: PLAIN, password: { env: P } }";
        for profile in ["Kafka", &format!("EventHubs, {login}")] {
            let job = job::parse("job.yaml", &job(profile)).expect("only times are left out");
            let settings = Settings::of_job(&job.name, &job.outputs[0]);
            let timeout = settings.transactions.expect("exactlyOnce has transactions").timeout;
            let (credentials, bell) = (Credentials::default(), Arc::default());
            let made = settings.recipe.transactional(&credentials, "id", timeout, 1 << 20, &bell);
            assert_eq!(made.map(drop), Ok(()), "{profile}");
        }
    }
}
