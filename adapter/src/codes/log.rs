//! What the log alone tells: of peers that are no callers yet, and of what needs nobody.
use super::{Entry, Place, Retry, RowsWritten};

const fn log(
    code: &'static str,
    rows_written: RowsWritten,
    cause: &'static str,
    remedy: &'static str,
) -> Entry {
    Entry::new(code, &[Place::Log], rows_written, Retry::ByItself, cause, remedy)
}

/// Sorted by code.
pub(super) const ENTRIES: &[Entry] = &[
    log(
        "ACCEPT_FAILED",
        RowsWritten::NotApplicable,
        "The system lets the service take no more connections, mostly for want of descriptors.",
        "Raise the limit of open files (`ulimit -n`, `LimitNOFILE`), or lower `maxWriters`.",
    ),
    log(
        "CONNECTION_FLOODED",
        RowsWritten::Maybe,
        "A peer sends frames of HTTP/2 without end that carry no rows, and its connection is \
         closed.",
        "Look what runs on that host: no client does so by mistake.",
    ),
    log(
        "CONNECTION_NOT_SERVED",
        RowsWritten::NotApplicable,
        "A peer connects, and does not begin to speak HTTP/2 (over TLS, if the port has it) in \
         time, or there is no place for it.",
        "See that the client speaks TLS exactly if the port does, trusts its certificate, and \
         shows one if `clientCa` asks for it.",
    ),
    log(
        "CREDENTIALS_WITHDRAWN",
        RowsWritten::Maybe,
        "The brokers refuse earlier credentials while records still wait for answers on \
         connections with them, so these connections are given up.",
        "Next time, withdraw the earlier credentials only when `CREDENTIALS_SETTLING` is over.",
    ),
    log(
        "NOBODY_ADMITTED",
        RowsWritten::NotApplicable,
        "A connection was open for a while, and no call on it was let in: it ends.",
        "Look why its calls were denied; if there were none, what connects without calling.",
    ),
    log(
        "ROWS_OVERTAKEN",
        RowsWritten::No,
        "At least once, brokers refused records and stored some that had left behind them at the same \
         time: those refused go again, and so may stand behind later ones of their writer.",
        "Nothing, if readers do not need the order; else mend what the records are refused for, which \
         the lines before say, or set the output's `guarantee` to `exactlyOnce`.",
    ),
    log(
        "TOO_MANY_CONNECTIONS",
        RowsWritten::NotApplicable,
        "There are so many connections, or so many of one host, that one without a caller has to \
         go.",
        "See that clients use one connection for many streams; `maxWriters` sets how many there \
         may be.",
    ),
    log(
        "TRACES_NOT_EXPORTED",
        RowsWritten::NotApplicable,
        "The collector of traces does not answer, refuses them, or takes fewer than there are; \
         what it does not take is dropped.",
        "Check `telemetry.traces.endpoint` and the collector; if there are too many spans, lower \
         `sampleRatio`.",
    ),
];
