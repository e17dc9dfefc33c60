//! What a call, a stream or a batch is answered with.
use super::{Entry, Place, Retry, RowsWritten};

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "ANSWERS_UNREAD",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "The client sends and does not read the answers, which pile up.",
        "Read answers while you send. Then open again: `Opened` tells where to go on.",
    ),
    Entry::new(
        "BAD_CARRIER",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The bytes of a batch are not what its carrier and its schema say: no valid Arrow IPC, \
         typed rows or JSON lines of these columns.",
        "Mend the encoder; for Arrow IPC, send each batch with its dictionaries, uncompressed, and \
         of the declared schema.",
    ),
    Entry::new(
        "BAD_ROWS",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "Rows of the batch cannot be written, and the output's `errorPolicy` is `Stop`.",
        "Mend or leave out the rows that are named, each with its code, and send the same sequence \
         again; or set `errorPolicy` to `DeadLetter` or `Drop`.",
    ),
    Entry::new(
        "BATCH_TIMEOUT",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The batch's or the call's own time is over, and the batch may be on its way.",
        "`may_be_written` in the details says whether it was handed to Kafka. Open again: `Opened` \
         tells where to go on.",
    ),
    Entry::new(
        "BATCH_TIMEOUT",
        &[Place::Refused],
        RowsWritten::No,
        Retry::ByItself,
        "The batch's own time (`Batch.timeout`) was over before anything of it was handed to \
         Kafka.",
        "Send the same sequence again, with more time or with none. `Held` says why batches wait.",
    ),
    Entry::new(
        "BATCH_TOO_LARGE",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The batch, or the records that its rows become, are larger than a batch may be.",
        "Split it: `Opened.limits` tells how large a message may be, `maxBatchSize` and `memory` \
         set it.",
    ),
    Entry::new(
        "CALLER_NOT_ALLOWED",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "Who calls is known, and no rule in the output's `writers` lets the caller write there, or \
         under this writer id.",
        "Add a rule for the caller in `writers` of the output, or use a writer id with the prefix \
         of the rule. The log of the service says what is missing.",
    ),
    Entry::new(
        "CERTIFICATE_INVALID",
        &[Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "The client certificate of this connection does not hold any more: it has ended, or its \
         authority is out of `clientCa`.",
        "Connect again with a certificate that holds now; a client that renews its certificate \
         need do nothing else.",
    ),
    Entry::new(
        "CERTIFICATE_MISSING",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "The connection has no client certificate, and the listener asks for one.",
        "Show one: `kafka-output send` takes `--certificate` and `--key`.",
    ),
    Entry::new(
        "CLIENT_SILENT",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::ByItself,
        "Nothing came on the stream for three heartbeat intervals.",
        "Send a `Heartbeat` while there are no rows, and look for what holds the client or the \
         network up. Then open again.",
    ),
    Entry::new(
        "CREDIT_EXCEEDED",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "More is unacknowledged than the service has granted.",
        "Wait for `Opened` and count against its credit; send more only as `Ack` grants more.",
    ),
    Entry::new(
        "DELIVERY_UNKNOWN",
        &[Place::Call, Place::Log],
        RowsWritten::Maybe,
        Retry::ByItself,
        "Rows of this batch were handed to Kafka, and nobody knows whether it has them; the \
         message says why.",
        "Open again, and go on where `Opened` says: what is not durable is sent again. At least \
         once, rows may then be there twice.",
    ),
    Entry::new(
        "DRAINING",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::ByItself,
        "The service closes, or this output of it, and takes nothing new; or the stream is to move, \
         since its connection is of age (`connectionAge`).",
        "Open again, at another replica or when it is back, and send what is not durable.",
    ),
    Entry::new(
        "EMPTY_REQUEST",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "A request on the stream holds no message.",
        "Mend the client: a request holds one of open, schema, batch, heartbeat.",
    ),
    Entry::new(
        "INVALID_BATCH",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "A field of a batch is missing or has a value that it may not have; the details name the \
         field.",
        "Mend the client. Batches before this one may be written; the next `Opened` tells.",
    ),
    Entry::new(
        "INVALID_OPEN",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "A field of `Open` has a value that it may not have; the details name the field.",
        "Mend the client, or its settings.",
    ),
    Entry::new(
        "INVALID_SCHEMA",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "A schema is not valid, whatever the output: no Arrow schema, a column twice, or a type \
         that the contract does not have.",
        "Mend the client; the message names the column. Batches before this one may be written; \
         the next `Opened` tells.",
    ),
    Entry::new(
        "KEYS_UNAVAILABLE",
        &[Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "The key that the call's token is signed with cannot be had from the issuer now, so the \
         token cannot be checked.",
        "Call again. If it stays, the log of the service says why the keys at `listen.grpc.tokens` \
         cannot be fetched.",
    ),
    Entry::new(
        "MESSAGE_TOO_LARGE",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "A message is larger than the stream takes, or the first message of a call is larger than \
         16 KiB.",
        "Split the batch: `Opened.limits` tells how large a message may be. The first message of a \
         stream is `Open`.",
    ),
    Entry::new(
        "NO_ROWS_CARRIER",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The batch has no rows field.",
        "Set one of `arrow_ipc`, `typed_rows` and `json_lines`; an empty batch has an empty one.",
    ),
    Entry::new(
        "OPEN_EXPECTED",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "The first message of a stream is something else than `Open`.",
        "Mend the client: each new stream begins with `Open`, also after a reconnect.",
    ),
    Entry::new(
        "OUTPUT_CHANGES",
        &[Place::Waits, Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "A new job file has this output otherwise, or no more, and what stood in its place is ending.",
        "Open again after a moment: within the job's `shutdownTimeout` the new one takes streams, or \
         there is no such output any more.",
    ),
    Entry::new(
        "OUTPUT_DRAINED",
        &[Place::Waits, Place::Call, Place::Log],
        RowsWritten::No,
        Retry::AfterChange,
        "Somebody has drained the output with `kafka-output drain`: it takes no streams and no rows.",
        "Run `kafka-output resume` for it when streams may begin again; a restart of the service \
         does so, too.",
    ),
    Entry::new(
        "OUTPUT_NOT_FOUND",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "The job has no output with this alias.",
        "Use an alias that `ListOutputs` names, or add the output to the job file, which is \
         loaded again when it changes.",
    ),
    Entry::new(
        "POSITION_TOO_LONG",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The position of the batch is longer than the service stores.",
        "Keep it within 1 KiB: a resume point, not data.",
    ),
    Entry::new(
        "PROGRESS_LOST",
        &[Place::Call, Place::Unknown],
        RowsWritten::Maybe,
        Retry::Never,
        "More of this writer is known to be written than the progress topic has: the topic was \
         deleted, or the cluster restored from an older copy.",
        "Look what the output's topic has, and decide: `ResetWriter` starts the writer anew, and \
         what is sent again then may be there twice.",
    ),
    Entry::new(
        "PROGRESS_SLOW",
        &[Place::Call],
        RowsWritten::NotApplicable,
        Retry::ByItself,
        "What is stored of the writer could not be read or forgotten in time (`GetWriter`, \
         `ResetWriter`).",
        "Call again: nothing was forgotten. If it stays, look at the brokers that lead the \
         progress topic.",
    ),
    Entry::new(
        "ROW_COUNT",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The batch has more rows than a batch may have.",
        "Split it: `Opened.limits` tells how many rows a batch may have.",
    ),
    Entry::new(
        "SCHEMA_REFUSED",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The output cannot write these columns: its format has no place for a type or a name, or \
         its Avro schema does not fit.",
        "Change the columns that the message names in the query, or `serialization` of the output. \
         The stream stays usable for other schemas.",
    ),
    Entry::new(
        "SECOND_OPEN",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "`Open` came a second time on one stream.",
        "Use another stream for another writer. Batches that were sent may be written; the next \
         `Opened` tells.",
    ),
    Entry::new(
        "SEQUENCE_GAP",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The sequence leaves others out; so does every batch behind one that was refused.",
        "Send the sequence that the answer expects, then those behind it.",
    ),
    Entry::new(
        "SEQUENCE_REUSED",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "The sequence named other rows before; it names the same rows for ever.",
        "Give new rows a new sequence. For a new job under an old writer id, forget the writer \
         first (`ResetWriter`).",
    ),
    Entry::new(
        "STALE_EPOCH",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "A newer incarnation of this writer has been here: its epoch is higher.",
        "Let the newer instance go on, and stop this one; an engine that starts a writer anew \
         raises its epoch.",
    ),
    Entry::new(
        "TAKEN_OVER",
        &[Place::Call, Place::Unknown],
        RowsWritten::Maybe,
        Retry::Never,
        "Another stream of this writer has been opened, here or at another replica.",
        "Let that one go on. If nobody meant it, two senders use one writer id: give each its own.",
    ),
    Entry::new(
        "TOKEN_INVALID",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "The token of the call is not accepted: its signature, issuer, audience, application or \
         time does not fit `listen.grpc.tokens`.",
        "Fetch a new token for the right audience; the log of the service says which claim is at \
         fault.",
    ),
    Entry::new(
        "TOKEN_MISSING",
        &[Place::Call],
        RowsWritten::No,
        Retry::Never,
        "The call carries no token, and the listener asks for one.",
        "Send `authorization: Bearer …` with each call; `kafka-output send` takes `--token-file` \
         and `--token-env`.",
    ),
    Entry::new(
        "TOO_MANY_DENIED",
        &[Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "So many calls of this connection were denied that it takes no more.",
        "Look why they were denied, each with a code of its own; then connect again.",
    ),
    Entry::new(
        "TOO_MANY_SCHEMAS",
        &[Place::Call],
        RowsWritten::Maybe,
        Retry::Never,
        "The stream declares more schemas than it may.",
        "Use the id of a schema again that is not needed any more, or another stream. \
         `Opened.limits` tells how many there may be.",
    ),
    Entry::new(
        "TOO_MANY_WRITERS",
        &[Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "As many streams are live as memory is dealt out to, or as many writers of the output have \
         transactions as it allows.",
        "Close some, go to another replica, or raise `maxWriters` (of transactions: \
         `transactions.maxWriters`). It is tried again after the time that the details name.",
    ),
    Entry::new(
        "UNKNOWN_SCHEMA",
        &[Place::Refused],
        RowsWritten::No,
        Retry::Never,
        "The batch names a schema that is not declared on this stream.",
        "Send `Schema` with this id first; on each new stream again.",
    ),
    Entry::new(
        "WRITER_BUSY",
        &[Place::Call],
        RowsWritten::No,
        Retry::ByItself,
        "A stream of this writer is live, or rows of it are not settled yet.",
        "Wait and call again. To forget a writer (`ResetWriter`), close its stream first.",
    ),
];
