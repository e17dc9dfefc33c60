//! What the command `transactions` answers.
use super::{Entry, Place, Retry, RowsWritten};

/// Maybe written are the rows of a transaction that is not ended.
const fn answer(
    code: &'static str,
    rows_written: RowsWritten,
    retry: Retry,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry::new(code, &[Place::Transactions], rows_written, retry, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    answer(
        "CLUSTER_NOT_AUTHORIZED",
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "The output's user may not take back a transaction in a partition.",
        "Grant it ALTER on the cluster (CLUSTER_ACTION on brokers that do not know that), or have \
         it done by somebody who may.",
    ),
    answer(
        "NOT_AUTHORIZED",
        RowsWritten::NotApplicable,
        Retry::AfterChange,
        "The output's user may not see what was asked for.",
        "Grant the right that the answer names, or use a job file with an administrator's user.",
    ),
    answer(
        "NOT_SUPPORTED",
        RowsWritten::NotApplicable,
        Retry::Never,
        "The brokers have no request for what was asked for.",
        "Newer brokers tell it; Event Hubs does not.",
    ),
    answer(
        "NOT_TOLD",
        RowsWritten::NotApplicable,
        Retry::ByItself,
        "A broker has not told what was asked for.",
        "Ask again; if it stays, look at the broker.",
    ),
    answer(
        "NO_TRANSACTIONS",
        RowsWritten::NotApplicable,
        Retry::Never,
        "Only writers of outputs with `guarantee: exactlyOnce` have transactions, and there is \
         none.",
        "Nothing is to be ended.",
    ),
    answer(
        "OUTPUT_NOT_FOUND",
        RowsWritten::NotApplicable,
        Retry::Never,
        "The job file has no output with this alias.",
        "Name one that it has.",
    ),
    answer(
        "OUTPUT_NOT_NAMED",
        RowsWritten::NotApplicable,
        Retry::Never,
        "Several outputs of the job have transactions, and none is named.",
        "Say `--output ALIAS`.",
    ),
    answer(
        "PROGRESS_UNREAD",
        RowsWritten::NotApplicable,
        Retry::ByItself,
        "What is stored of writers could not be read, in a partition or at all.",
        "Ask again, or of one writer with `--writer`.",
    ),
    answer(
        "TOPIC_NOT_FOUND",
        RowsWritten::NotApplicable,
        Retry::Never,
        "The topic is none of the job's outputs'.",
        "Name a topic, dead letter or progress topic of one.",
    ),
    answer(
        "TRANSACTIONAL_ID_NOT_AUTHORIZED",
        RowsWritten::Maybe,
        Retry::AfterChange,
        "The output's user may not end the transaction of this transactional id.",
        "Grant it WRITE on transactional ids with the prefix `kafka-output.`.",
    ),
    answer(
        "TRANSACTION_ENDING",
        RowsWritten::Maybe,
        Retry::ByItself,
        "The transaction is being ended already; its partitions are being told.",
        "Look again in a moment. If it stays, bring back the brokers that lead its partitions.",
    ),
    answer(
        "TRANSACTION_HAS_OWNER",
        RowsWritten::Maybe,
        Retry::Never,
        "The transaction belongs to a transactional id, whose coordinator ends it.",
        "End it where that client is run: a producer that is opened with this id ends it in all of \
         its partitions.",
    ),
    answer(
        "TRANSACTION_NOT_ENDED",
        RowsWritten::Maybe,
        Retry::ByItself,
        "A broker has not ended the transaction.",
        "Look again; if it stays, look at the brokers that lead its partitions.",
    ),
    answer(
        "TRANSACTION_NOT_FOUND",
        RowsWritten::NotApplicable,
        Retry::Never,
        "No open transaction of others starts at this offset.",
        "List them again: it may have ended, or be a writer's, which `--writer` ends.",
    ),
    answer(
        "TRANSACTION_NOT_NAMED",
        RowsWritten::NotApplicable,
        Retry::Never,
        "`end` was not told which transaction to end.",
        "Say `--writer`, or `--topic`, `--partition` and `--start-offset`.",
    ),
    answer(
        "TRANSACTION_OWNER_UNKNOWN",
        RowsWritten::Maybe,
        Retry::AfterChange,
        "Whose transaction it is was not told, and half of one would be worse than one that waits.",
        "If you know that its producer is gone for good, say `--force`.",
    ),
    answer(
        "TRANSACTION_STAYS",
        RowsWritten::Maybe,
        Retry::AfterChange,
        "The leader of the partition has taken the order to end the transaction, and it is open \
         still.",
        "Look into the log of that broker.",
    ),
    answer(
        "WRITER_MAY_BE_ALIVE",
        RowsWritten::Maybe,
        Retry::ByItself,
        "The transaction is within its time, so its service is probably writing.",
        "If that service is gone, say `--force`, or wait: the coordinator ends it by itself.",
    ),
    answer(
        "WRITER_NOT_FOUND",
        RowsWritten::NotApplicable,
        Retry::Never,
        "Nothing is stored of a writer of this name, and no coordinator knows its transactional \
         id.",
        "List all writers, without `--writer`.",
    ),
    answer(
        "WRITER_OPENED_MEANWHILE",
        RowsWritten::Maybe,
        Retry::Never,
        "Somebody has opened the writer meanwhile, so nothing was ended.",
        "List it again: its service is alive, or another has it now.",
    ),
];
