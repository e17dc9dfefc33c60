//! From an output as it is written to the output as it is used.

use std::{collections::BTreeMap, time::Duration};

use super::{
    convert::{Section, Surroundings},
    model::{
        Acks, Batching, Compression, ErrorPolicy, Guarantee, Output, RoundRobin, Transactions,
    },
    names::{HostPort, OutputAlias, TopicName},
    raw::{RawOutput, default},
    raw_values::{RawAcks, RawCodec, RawErrorPolicy, RawGuarantee, RawServers, RawStrategy},
    security::{self, Brokers, EventHubs, Profile},
    serialization, settings,
    text::show_duration,
    topics, words,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TENTH: Duration = Duration::from_millis(100);
/// A Kafka batch beyond 100 MiB needs settings of brokers and consumers that nobody has.
pub(super) const KAFKA_BATCH_BYTES: (u64, u64) = (1 << 10, 100 << 20);

/// What of an output is a time.
struct Times {
    metadata_refresh: Duration,
    socket_timeout: Duration,
    topic_missing_after: Duration,
}

/// Makes an output. Nothing comes back only if a fault was reported.
pub(super) fn output(
    section: &mut Section<'_>,
    raw: &RawOutput,
    job: &Surroundings<'_>,
) -> Option<Output> {
    let alias = raw.alias.as_deref();
    let alias = alias.and_then(|text| section.take("alias", text.parse::<OutputAlias>()));
    let topic = raw.topic.as_deref();
    let topic = topic.and_then(|text| section.take("topic", text.parse::<TopicName>()));
    let bootstrap_servers = bootstrap_servers(section, raw);
    if raw.bootstrap_servers.is_none() && !section.is_wrong("bootstrapServers") {
        let message = format!("`{}` has no `bootstrapServers`", section.whole().name);
        let help = "add `bootstrapServers: kafka-1:9092` here, or in `defaults` for all outputs";
        section.missing("bootstrapServers", message, help);
    }
    let profile = profile(section, raw, bootstrap_servers.as_deref());
    let brokers = Brokers { profile, servers: bootstrap_servers.as_deref() };
    let security = security::security(section, raw, brokers, &job.vaults);
    let writers = security::writers(section, raw.writers.as_deref(), job.callers.as_ref());
    let serialization = serialization::serialization(section, raw.serialization.as_ref());
    let packing = serialization::packing(section, raw.packing.as_ref(), serialization.as_ref());
    let partitioning = partitioning(section, raw);
    let compression = compression(section, raw);
    let (acks, idempotence) = acks(section, raw);
    let guarantee = guarantee(section, raw, acks, idempotence);
    check_guarantees_keys(section, guarantee);
    let transactions = transactions(section, raw, profile);
    let progress_topic = topics::progress_topic(section, raw);
    let dead_letters = topics::dead_letters(section, raw);
    let batching = batching(section, raw);
    let times = times(section, raw, profile);
    let librdkafka = librdkafka(section, raw);
    if profile == Some(Profile::EventHubs) {
        let event_hubs = EventHubs {
            servers: bootstrap_servers.as_deref(),
            compression,
            batching,
            packing: packing.flatten(),
            socket_timeout: times.as_ref().map(|times| times.socket_timeout),
            librdkafka: librdkafka.as_ref(),
        };
        event_hubs.check(section);
    }
    if let (Guarantee::ExactlyOnce, Some(transactions), Some(times)) =
        (guarantee, &transactions, &times)
    {
        check_transaction_time(section, transactions, times, profile);
    }
    let times = times?;
    Some(Output {
        alias: alias?,
        bootstrap_servers: bootstrap_servers?,
        topic: topic?,
        profile: profile?,
        security: security?,
        writers: writers?,
        serialization: serialization?,
        packing: packing?,
        partitioning: partitioning?,
        compression: compression?,
        trace_headers: raw.trace_headers.unwrap_or(false),
        acks,
        idempotence,
        batching: batching?,
        error_policy: match raw.error_policy {
            None | Some(RawErrorPolicy::Stop) => ErrorPolicy::Stop,
            Some(RawErrorPolicy::Drop) => ErrorPolicy::Drop,
            Some(RawErrorPolicy::DeadLetter) => ErrorPolicy::DeadLetter,
        },
        dead_letters: dead_letters?,
        guarantee,
        transactions: transactions?,
        progress_topic: progress_topic?,
        metadata_refresh: times.metadata_refresh,
        socket_timeout: times.socket_timeout,
        topic_missing_after: times.topic_missing_after,
        librdkafka: librdkafka?,
    })
}

/// Checks what of `defaults` can be checked without an output: each value for itself. A default
/// that every output overrides is still read, and believed, by people.
pub(super) fn check_defaults(section: &mut Section<'_>, raw: &RawOutput, job: &Surroundings<'_>) {
    bootstrap_servers(section, raw);
    security::check_defaults(section, raw, &job.vaults);
    security::writers(section, raw.writers.as_deref(), job.callers.as_ref());
    serialization::check_defaults(section, raw.serialization.as_ref());
    serialization::packing(section, raw.packing.as_ref(), None);
    partitioning(section, raw);
    batching(section, raw);
    transactions(section, raw, None);
    topics::progress_topic(section, raw);
    topics::letter_topic(section, raw);
    times(section, raw, None);
    librdkafka(section, raw);
}

/// What kind of service the brokers are, unless what says so has a fault.
fn profile(
    section: &Section<'_>,
    raw: &RawOutput,
    servers: Option<&[HostPort]>,
) -> Option<Profile> {
    if section.is_wrong("profile") || (raw.profile.is_none() && servers.is_none()) {
        return None;
    }
    let hosts = servers.unwrap_or_default().iter().map(HostPort::host);
    Some(security::profile(raw.profile, hosts))
}

fn partitioning(section: &mut Section<'_>, raw: &RawOutput) -> Option<RoundRobin> {
    let raw = raw.partitioning.as_ref();
    let (None | Some(RawStrategy::RoundRobin)) = raw.and_then(|raw| raw.strategy);
    let turn = raw.and_then(|raw| raw.turn.as_ref());
    let time = turn.and_then(|turn| turn.time.as_ref());
    let range = (Duration::from_millis(1), HOUR);
    Some(RoundRobin {
        turn_rows: turn.and_then(|turn| turn.rows).unwrap_or(default::TURN_ROWS),
        turn_time: section.duration("partitioning.turn.time", time, default::TURN_TIME, range)?,
    })
}

fn batching(section: &mut Section<'_>, raw: &RawOutput) -> Option<Batching> {
    let raw = raw.batching.as_ref();
    let linger = raw.and_then(|raw| raw.linger.as_ref());
    let range = (Duration::ZERO, MINUTE);
    let linger = section.duration("batching.linger", linger, default::LINGER, range);
    let bytes = raw.and_then(|raw| raw.bytes.as_ref());
    let range = KAFKA_BATCH_BYTES;
    let bytes = section.bytes("batching.bytes", bytes, default::BATCHING_BYTES, range);
    Some(Batching {
        linger: linger?,
        rows: raw.and_then(|raw| raw.rows).unwrap_or(default::BATCHING_ROWS),
        bytes: u32::try_from(bytes?).ok()?,
    })
}

fn times(section: &mut Section<'_>, raw: &RawOutput, profile: Option<Profile>) -> Option<Times> {
    let socket_timeout = match profile {
        Some(Profile::EventHubs) => security::default::EVENT_HUBS_SOCKET_TIMEOUT,
        Some(Profile::Kafka) | None => default::SOCKET_TIMEOUT,
    };
    let metadata_refresh = section.duration(
        "metadataRefresh",
        raw.metadata_refresh.as_ref(),
        default::METADATA_REFRESH,
        (TENTH, HOUR),
    );
    let socket_timeout = section.duration(
        "socketTimeout",
        raw.socket_timeout.as_ref(),
        socket_timeout,
        (TENTH, 5 * MINUTE),
    );
    let topic_missing_after = section.duration(
        "topicMissingAfter",
        raw.topic_missing_after.as_ref(),
        default::TOPIC_MISSING_AFTER,
        (Duration::ZERO, HOUR),
    );
    Some(Times {
        metadata_refresh: metadata_refresh?,
        socket_timeout: socket_timeout?,
        topic_missing_after: topic_missing_after?,
    })
}

fn compression(section: &mut Section<'_>, raw: &RawOutput) -> Option<Compression> {
    let raw = raw.compression.as_ref();
    let codec = raw.and_then(|raw| raw.kind).unwrap_or(RawCodec::None);
    let level = raw.and_then(|raw| raw.level);
    let (name, default, max) = match codec {
        RawCodec::None => ("None", None, 0),
        RawCodec::Snappy => ("Snappy", None, 0),
        RawCodec::Gzip => ("Gzip", Some((0, 1)), 9),
        RawCodec::Lz4 => ("Lz4", Some((0, 0)), 12),
        RawCodec::Zstd => ("Zstd", Some((1, 1)), 12),
    };
    let path = "compression.level";
    let level = match (default, level) {
        (Some((_, default)), None) => default,
        (Some((min, _)), Some(level)) if (min..=max).contains(&level) => level,
        (None, None) => 0,
        _ if section.is_wrong("compression.type") => return None,
        (Some((min, _)), Some(level)) => {
            let message = format!("`level` is {level}, which is out of the range of {name}");
            let help = format!("write a whole number from {min} to {max}");
            section.fault("OUT_OF_RANGE", path, message, &help);
            return None;
        }
        (None, Some(_)) => {
            let message = format!("`level` is given, but `{name}` has no levels");
            let help = "take `level` out, or choose the `type` Gzip, Lz4 or Zstd";
            section.fault("CONFLICT", path, message, help);
            return None;
        }
    };
    Some(match codec {
        RawCodec::None => Compression::None,
        RawCodec::Snappy => Compression::Snappy,
        RawCodec::Gzip => Compression::Gzip { level },
        RawCodec::Lz4 => Compression::Lz4 { level },
        RawCodec::Zstd => Compression::Zstd { level },
    })
}

/// What an acknowledgement promises, which `acks` must be able to keep.
fn guarantee(
    section: &mut Section<'_>,
    raw: &RawOutput,
    acks: Acks,
    idempotence: bool,
) -> Guarantee {
    let is_all = acks == Acks::All;
    let (guarantee, name) = match raw.guarantee {
        None if is_all => return Guarantee::AtLeastOnce,
        None => return Guarantee::BestEffort,
        Some(RawGuarantee::BestEffort) => (Guarantee::BestEffort, "bestEffort"),
        Some(RawGuarantee::AtLeastOnce) => (Guarantee::AtLeastOnce, "atLeastOnce"),
        Some(RawGuarantee::ExactlyOnce) => (Guarantee::ExactlyOnce, "exactlyOnce"),
    };
    let (says, help) = match guarantee {
        Guarantee::BestEffort if is_all => (
            "is for `acks` One or Zero, but `acks` is `All`",
            "write `acks: One` or `acks: Zero`, or `guarantee: atLeastOnce`",
        ),
        Guarantee::AtLeastOnce | Guarantee::ExactlyOnce if !is_all => (
            "needs `acks: All`: else a broker may lose what it has acknowledged",
            "write `acks: All`, or `guarantee: bestEffort`",
        ),
        Guarantee::ExactlyOnce if !idempotence => (
            "needs `idempotence: true`: transactions have it",
            "take `idempotence` out, or write `guarantee: atLeastOnce`",
        ),
        _ => return guarantee,
    };
    section.fault("CONFLICT", "guarantee", format!("`guarantee: {name}` {says}"), help);
    guarantee
}

/// Keys that another guarantee than the output's has a use for; `defaults` may lend them.
fn check_guarantees_keys(section: &mut Section<'_>, guarantee: Guarantee) {
    let has = |section: &Section<'_>, key: &str| section.whole().find(key).is_some();
    if guarantee != Guarantee::ExactlyOnce && has(section, "transactions") {
        let message = "`transactions` is given, but `guarantee` is not `exactlyOnce`".to_owned();
        let help = "write `guarantee: exactlyOnce`, or take `transactions` out";
        section.fault("CONFLICT", "transactions", message, help);
    }
    if guarantee == Guarantee::BestEffort && has(section, "progress") {
        let message = "`progress` is given, but `guarantee: bestEffort` stores none".to_owned();
        let help = "write `guarantee: atLeastOnce` with `acks: All`, or take `progress` out";
        section.fault("CONFLICT", "progress", message, help);
    }
}

fn transactions(
    section: &mut Section<'_>,
    raw: &RawOutput,
    profile: Option<Profile>,
) -> Option<Transactions> {
    let raw = raw.transactions.as_ref();
    let timeout = raw.and_then(|raw| raw.timeout.as_ref());
    let unsaid = match profile {
        Some(Profile::EventHubs) => security::default::EVENT_HUBS_TRANSACTION_TIMEOUT,
        Some(Profile::Kafka) | None => default::TRANSACTION_TIMEOUT,
    };
    let range = (Duration::from_secs(1), 15 * MINUTE);
    let timeout = section.duration("transactions.timeout", timeout, unsaid, range);
    let interval = raw.and_then(|raw| raw.interval.as_ref());
    let range = (Duration::ZERO, Duration::from_secs(10));
    let interval =
        section.duration("transactions.interval", interval, default::TRANSACTION_INTERVAL, range);
    let writers_max = raw.and_then(|raw| raw.max_writers).unwrap_or(default::TRANSACTION_WRITERS);
    Some(Transactions { timeout: timeout?, interval: interval?, writers_max })
}

/// A producer whose requests may take longer than its transactions is one that librdkafka refuses.
fn check_transaction_time(
    section: &mut Section<'_>,
    transactions: &Transactions,
    times: &Times,
    profile: Option<Profile>,
) {
    let (timeout, socket) = (transactions.timeout, times.socket_timeout);
    if socket <= timeout + TENTH
        || section.is_wrong("transactions")
        || section.is_wrong("socketTimeout")
    {
        return;
    }
    let written = ["transactions.timeout", "socketTimeout", "guarantee"];
    let path = written.into_iter().find(|path| section.whole().find(path).is_some());
    let message = format!(
        "`transactions.timeout` is {}, shorter than `socketTimeout`, {}: a request may not outlast \
         its transaction",
        show_duration(timeout),
        show_duration(socket)
    );
    let longer = format!("write `transactions: {{ timeout: {} }}` or more", show_duration(socket));
    let help = match profile {
        Some(Profile::EventHubs) if timeout < security::EVENT_HUBS_ANSWER_MAX => longer,
        _ => format!("{longer}, or `socketTimeout: {}` or less", show_duration(timeout)),
    };
    section.fault("CONFLICT", path.unwrap_or("transactions.timeout"), message, &help);
}

fn acks(section: &mut Section<'_>, raw: &RawOutput) -> (Acks, bool) {
    let (acks, name) = match raw.acks {
        None | Some(RawAcks::All) => (Acks::All, "All"),
        Some(RawAcks::One) => (Acks::One, "One"),
        Some(RawAcks::Zero) => (Acks::Zero, "Zero"),
    };
    if raw.idempotence == Some(true) && acks != Acks::All {
        let message = format!("`idempotence` needs `acks: All`, but `acks` is `{name}`");
        let help = "write `acks: All`, or `idempotence: false`";
        section.fault("CONFLICT", "idempotence", message, help);
    }
    (acks, raw.idempotence.unwrap_or(acks == Acks::All))
}

fn bootstrap_servers(section: &mut Section<'_>, raw: &RawOutput) -> Option<Vec<HostPort>> {
    let texts = server_texts(raw.bootstrap_servers.as_ref()?);
    let list = section.node("bootstrapServers")?;
    let mut servers = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let node = list.item(index).unwrap_or(list);
        match text.parse::<HostPort>() {
            Ok(server) => servers.push(server),
            Err(error) => {
                let held = match *text {
                    "" => "an empty entry".to_owned(),
                    _ if node.hidden => format!("an entry that {error}"),
                    _ => format!("`{}`, which {error}", words::excerpt(text)),
                };
                let help = match *text {
                    "" => "take the comma out, or add the broker",
                    _ => error.help(),
                };
                let message = format!("`bootstrapServers` holds {held}");
                section.faults.add("INVALID_VALUE", node.mark, &node.path, message, help);
            }
        }
    }
    (servers.len() == texts.len()).then_some(servers)
}

/// Brokers one by one, each as it is written.
pub(super) fn server_texts(raw: &RawServers) -> Vec<&str> {
    match raw {
        RawServers::Text(text) => text.split(',').map(str::trim).collect(),
        RawServers::List(texts) => texts.iter().map(|text| text.trim()).collect(),
    }
}

fn librdkafka(section: &mut Section<'_>, raw: &RawOutput) -> Option<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    let Some(raw) = &raw.librdkafka else { return Some(checked) };
    for (name, value) in &raw.0 {
        match settings::value(name, value) {
            Ok(value) => _ = checked.insert(name.clone(), value),
            Err(error) => {
                let message = format!("`{name}` {error}");
                section.setting_fault("INVALID_VALUE", name, message, error.help());
            }
        }
    }
    (checked.len() == raw.0.len()).then_some(checked)
}
