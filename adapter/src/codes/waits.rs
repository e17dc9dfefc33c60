//! Why rows wait, or a writer: what brokers, topics, credentials and this service say.
use super::{Entry, Place, Retry, RowsWritten};

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "AUTHENTICATION_FAILED",
        &[Place::Waits, Place::Check],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "A broker refuses the login, and librdkafka tells no more than that.",
        "Check user name, password and mechanism of the output (`sasl`), and that the port is one \
         of a listener with logins. New credentials are taken over while the service runs.",
    ),
    Entry::new(
        "BROKER_REFUSES",
        &[Place::Waits, Place::Check],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "A broker answers with an error that says nothing about a row, so the rows are sent again \
         until it takes them.",
        "The message names Kafka's error: look it up in the broker's log. Rows go on by themselves \
         as soon as it passes.",
    ),
    Entry::new(
        "BROKER_SLOW",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The brokers are there and have not acknowledged this batch yet.",
        "Nothing, if it passes. If it stays, look at the load of the brokers, at the replicas that \
         follow, and at the network.",
    ),
    Entry::new(
        "BROKER_THROTTLES",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The brokers delay their answers, since the quota of this client is used up: rows pass no \
         faster than it allows.",
        "Raise the quota (`producer_byte_rate`; throughput units at Event Hubs), or compress better.",
    ),
    Entry::new(
        "BROKER_TOO_OLD",
        &[Place::Waits, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The broker lacks a feature that the output's settings need; idempotence, for one, needs \
         Kafka 0.11.",
        "Use a newer broker, or set `idempotence: false`.",
    ),
    Entry::new(
        "BROKER_UNREACHABLE",
        &[Place::Waits, Place::Check, Place::Call],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "No broker answers, or the connection to the one that leads the rows' partition is gone.",
        "Check `bootstrapServers`, the brokers and the network in between. However long it takes, \
         rows wait and go on by themselves.",
    ),
    Entry::new(
        "CREDENTIALS_CHANGED",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "Newer credentials are there while dead letters were on their way with the earlier ones, \
         so the letters go again with the newer.",
        "Nothing.",
    ),
    Entry::new(
        "CREDENTIALS_PENDING",
        &[Place::Waits, Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "The service has just started, and the credentials of this output are being read.",
        "Nothing, if it passes within seconds. If it stays, the log says what cannot be read.",
    ),
    Entry::new(
        "CREDENTIALS_SETTLING",
        &[Place::Credentials],
        RowsWritten::Maybe,
        Retry::ByItself,
        "Newer credentials are there, and rows still wait for their brokers' answers on \
         connections with the earlier ones.",
        "Withdraw the earlier credentials only when this is over. If it stays, look at the brokers \
         that do not answer.",
    ),
    Entry::new(
        "CREDENTIALS_UNUSABLE",
        &[Place::Credentials, Place::Waits, Place::Call, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "librdkafka does not take the credentials or the settings of the output; the message \
         repeats its reason without any value.",
        "Replace the certificate, key or password that the message is about, or take the setting \
         under `librdkafka` out that it names.",
    ),
    Entry::new(
        "LOST",
        &[Place::Unknown],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The service has lost track of records that it had handed to Kafka, which is a mistake in \
         it.",
        "Open again: `Opened` tells where to go on. Report it as a bug, with the log.",
    ),
    Entry::new(
        "MEMORY_FULL",
        &[Place::Waits, Place::Log],
        RowsWritten::No,
        Retry::ByItself,
        "Rows before these fill the room of the output in the memory budget, and Kafka takes them \
         more slowly than they come.",
        "Nothing, if it passes: this is how a fast engine is slowed down. If it stays, look at the \
         brokers, or raise `memory`.",
    ),
    Entry::new(
        "NAME_NOT_RESOLVED",
        &[Place::Waits, Place::Check, Place::Transactions],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "DNS does not know the host name of a broker, or does not answer.",
        "Check the names in `bootstrapServers` and in the brokers' `advertised.listeners`, and the \
         DNS of this network; a private endpoint needs its private DNS zone.",
    ),
    Entry::new(
        "NOT_ENOUGH_REPLICAS",
        &[Place::Waits, Place::Check],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "Fewer replicas are in sync than `min.insync.replicas` of the topic asks.",
        "Bring brokers back; rows go on by themselves.",
    ),
    Entry::new(
        "NO_LEADER",
        &[Place::Waits, Place::Check],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "A partition of the topic has no leader; if none has one, rows wait, else they go to the \
         others.",
        "Bring back the brokers that hold the partition's replicas. Rows go on by themselves.",
    ),
    Entry::new(
        "NO_THREAD",
        &[Place::Call],
        RowsWritten::No,
        Retry::AfterChange,
        "The system has no thread left for another writer with transactions.",
        "Raise the limit of threads of the service (`ulimit -u`, `pids` of the container), or \
         lower `transactions.maxWriters`.",
    ),
    Entry::new(
        "OLDER_STREAM_SETTLING",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "Another stream of this writer was open, and its records are not settled yet, so the new \
         one must wait for them.",
        "Nothing; `Opened` comes when they are. If it stays, the output's `trouble_code` says why.",
    ),
    Entry::new(
        "OUTPUT_PAUSED",
        &[Place::Waits, Place::Log],
        RowsWritten::No,
        Retry::AfterChange,
        "Somebody has paused the output with `kafka-output pause`: its streams stay, and their rows \
         wait.",
        "Run `kafka-output resume` for it when rows may pass again; a restart of the service does \
         so, too.",
    ),
    Entry::new(
        "PRODUCER_FAILED",
        &[Place::Waits, Place::Check, Place::Call],
        RowsWritten::Maybe,
        Retry::ByItself,
        "librdkafka's producer has come to an end that it cannot leave, and another one is made.",
        "Nothing; rows go on by themselves. If it comes again and again, the message names the \
         reason.",
    ),
    Entry::new(
        "PROGRESS_NOT_AUTHORIZED",
        &[Place::Waits, Place::Call, Place::Transactions, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The output's user may not use the progress topic, in which it is stored how far writers \
         have come.",
        "Grant it READ, WRITE and DESCRIBE on that topic, and CREATE where the topic is missing; \
         or make the topic, with `cleanup.policy=compact`.",
    ),
    Entry::new(
        "PROGRESS_POLICY_UNKNOWN",
        &[Place::Log, Place::Check],
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "Nobody tells whether the progress topic keeps what is stored in it.",
        "See that it has `cleanup.policy=compact`, or grant the output's user DESCRIBE_CONFIGS on \
         it.",
    ),
    Entry::new(
        "PROGRESS_SLOW",
        &[Place::Log],
        RowsWritten::Yes,
        Retry::ByItself,
        "The progress topic takes or tells nothing in time: the rows are stored, but how far their \
         writer has come is not yet.",
        "Nothing, if it passes. If it stays, look at the brokers that lead the progress topic: \
         after a restart of the service rows may be there twice.",
    ),
    Entry::new(
        "PROGRESS_TOPIC_UNUSABLE",
        &[Place::Waits, Place::Call, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The progress topic cannot be made, has too few partitions, or has a `cleanup.policy` \
         under which what is stored would expire.",
        "Set it to `cleanup.policy=compact`, or name another one (`progress.topic`).",
    ),
    Entry::new(
        "RECORDS_LOST",
        &[Place::Log],
        RowsWritten::Maybe,
        Retry::Never,
        "A partition goes on before rows of this writer that were acknowledged: its brokers have \
         lost them, as after an unclean election.",
        "See that `unclean.leader.election.enable` is false and that enough replicas must be in \
         sync. The rows must be sent again by whoever has them.",
    ),
    Entry::new(
        "RELOAD_NEEDS_RESTART",
        &[Place::Log],
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "The job file now differs in keys that cannot change while the service runs; nothing of it \
         was applied.",
        "Restart the service with the file, one replica after the other, or undo the change of the \
         keys that the message names.",
    ),
    Entry::new(
        "RELOAD_REFUSED",
        &[Place::Log],
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "The job file has faults, or what it names cannot be read; nothing of it was applied, and \
         the service goes on as before.",
        "Mend what the message names (`kafka-output check` says the same), and save the file or run \
         `kafka-output reload`.",
    ),
    Entry::new(
        "ROW_REFUSED",
        &[Place::Waits],
        RowsWritten::No,
        Retry::AfterChange,
        "The output's `errorPolicy` is `Stop`, and the broker refuses a record for what it holds: \
         a compacted topic wants keys, timestamps have bounds, a policy of the broker forbids it.",
        "Change the settings of the topic, and the row goes on by itself; or set `errorPolicy` to \
         `DeadLetter` or `Drop`.",
    ),
    Entry::new(
        "ROW_TOO_LARGE",
        &[Place::Waits],
        RowsWritten::No,
        Retry::AfterChange,
        "The output's `errorPolicy` is `Stop`, and the broker refuses a record because it is \
         larger than the topic takes.",
        "Raise `max.message.bytes` of the topic, and the row goes on by itself; or lower \
         `packing.bytes`, or set `errorPolicy` to `DeadLetter` or `Drop`.",
    ),
    Entry::new(
        "STOPPED",
        &[Place::Unknown, Place::Log],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The service has stopped before these rows were settled.",
        "Open again when it is back, or at another replica: `Opened` tells where to go on.",
    ),
    Entry::new(
        "TLS_FAILED",
        &[Place::Waits, Place::Check],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "No TLS connection to a broker comes about, and librdkafka tells no more than that.",
        "Check the certificates, and that the listener speaks the output's `securityProtocol`.",
    ),
    Entry::new(
        "TOPIC_NOT_AUTHORIZED",
        &[Place::Waits, Place::Check, Place::Call],
        RowsWritten::No,
        Retry::AfterChange,
        "The output's user may not write into the topic, or may not see it.",
        "Grant it WRITE and DESCRIBE on the topic; rows go on by themselves. Of Event Hubs: the \
         role Azure Event Hubs Data Sender, or the right Send.",
    ),
    Entry::new(
        "TOPIC_NOT_FOUND",
        &[Place::Waits, Place::Check, Place::Call, Place::Log],
        RowsWritten::No,
        Retry::AfterChange,
        "The topic does not exist, or the output's user may not see it.",
        "Create the topic, and rows go on by themselves; or correct `topic` in the job file. The \
         service makes no topics for rows.",
    ),
    Entry::new(
        "TOPIC_REPLACED",
        &[Place::Call, Place::Unknown, Place::Log],
        RowsWritten::Maybe,
        Retry::AfterChange,
        "The topic is not the one that this writer has written to: it was deleted and made anew, \
         or the output has another topic now, so rows that were acknowledged are not in it.",
        "If that is meant, forget the writer (`ResetWriter`), and it starts again. If not, look \
         who deleted the topic, and send those rows again.",
    ),
    Entry::new(
        "TRANSACTIONAL_ID_NOT_AUTHORIZED",
        &[Place::Waits, Place::Call, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The output's user may not use the writer's transactional id.",
        "Grant it WRITE on transactional ids with the prefix `kafka-output.`; the writer goes on \
         by itself.",
    ),
    Entry::new(
        "TRANSACTIONS_UNSUPPORTED",
        &[Place::Waits, Place::Call, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The brokers have no transactions, which `guarantee: exactlyOnce` needs.",
        "Use Kafka 2.5 or newer, or Event Hubs Premium or Dedicated; or write `guarantee: \
         atLeastOnce`.",
    ),
    Entry::new(
        "TRANSACTION_ABORTED",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The brokers have taken a transaction back, and its rows go again in another one.",
        "Nothing, if it passes. If it stays, look at the log of the broker that coordinates the \
         writer's transactional id.",
    ),
    Entry::new(
        "TRANSACTION_TIMEOUT_REFUSED",
        &[Place::Waits, Place::Call, Place::Check],
        RowsWritten::No,
        Retry::AfterChange,
        "The brokers do not allow transactions as long as `transactions.timeout`.",
        "Lower it, or raise `transaction.max.timeout.ms` of the brokers.",
    ),
    Entry::new(
        "WRITER_OPENING",
        &[Place::Waits],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The writer is being opened: it is looked up how far it has come, or its last transaction \
         is being ended, or another writer's open transaction stands before what must be read.",
        "Nothing, if it passes. If it stays, `kafka-output transactions JOB` tells which \
         transaction it waits for.",
    ),
];
