//! The catalogue of stable codes: what each means, what to do, and whether rows may be written.
//!
//! gRPC, status, logs, `check`, `explain` and `docs/errors.md` tell the same codes. They are raised
//! by crates that know nothing of each other, and so stand there as text; that none is missing here
//! and none here is unused is held by `adapter/tests/codes`, which reads the sources.
use std::collections::BTreeMap;

mod calls;
mod check;
mod columns;
mod connection;
mod identity;
mod job;
mod log;
mod page;
mod rows;
mod secrets;
mod transactions;
mod waits;

pub use page::page;

/// What a code means where it is told. A code may mean something else in another area.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code, which never changes.
    pub code: &'static str,
    /// Where it is told.
    pub places: &'static [Place],
    /// Whether the rows that it is told of may be written.
    pub rows_written: RowsWritten,
    /// What trying again is good for.
    pub retry: Retry,
    /// What has happened, in a sentence.
    pub cause: &'static str,
    /// What to do, for the person who must act.
    pub remedy: &'static str,
    /// Of a row: the error of Azure Stream Analytics that it stands for, if there is one.
    pub stream_analytics: Option<&'static str>,
}

impl Entry {
    const fn new(
        code: &'static str,
        places: &'static [Place],
        rows_written: RowsWritten,
        retry: Retry,
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { code, places, rows_written, retry, cause, remedy, stream_analytics: None }
    }
}

/// Where a code is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Why rows or a writer wait.
    Waits,
    /// What ends a call or a stream.
    Call,
    /// What refuses a batch.
    Refused,
    /// Why it is not known whether a batch is written.
    Unknown,
    /// What is wrong with a row.
    Row,
    /// A fault of the job file.
    JobFile,
    /// Why credentials cannot be had.
    Credentials,
    /// A finding of `check`.
    Check,
    /// An answer of `transactions`.
    Transactions,
    /// The log alone.
    Log,
    /// The crate `serializers`; the service tells another code with its text.
    Library,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Waits,
        Self::Call,
        Self::Refused,
        Self::Unknown,
        Self::Row,
        Self::JobFile,
        Self::Credentials,
        Self::Check,
        Self::Transactions,
        Self::Log,
        Self::Library,
    ];

    /// For programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Call => "call",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Row => "row",
            Self::JobFile => "jobFile",
            Self::Credentials => "credentials",
            Self::Check => "check",
            Self::Transactions => "transactions",
            Self::Log => "log",
            Self::Library => "library",
        }
    }

    /// In a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Waits => "why rows or a writer wait",
            Self::Call => "ends a call or a stream",
            Self::Refused => "refuses a batch",
            Self::Unknown => "why a delivery is unknown",
            Self::Row => "refuses a row",
            Self::JobFile => "fault of the job file",
            Self::Credentials => "credentials",
            Self::Check => "`check`",
            Self::Transactions => "`transactions`",
            Self::Log => "log",
            Self::Library => "crate `serializers`",
        }
    }

    /// Which fields and lines have it.
    pub const fn fields(self) -> &'static str {
        match self {
            Self::Waits => {
                "`Held.code`, `Waiting.code`, `Output.trouble_code`, the log; `ErrorInfo.reason` \
                 of `GetWriter` and `ResetWriter`, which then cannot ask Kafka"
            }
            Self::Call => "`ErrorInfo.reason` in the details of the gRPC status",
            Self::Refused => "`Refused.code`; of `WriteOnce` `ErrorInfo.reason`",
            Self::Unknown => "the message of `DELIVERY_UNKNOWN`",
            Self::Row => "`RejectedRow.code`, and the headers of a dead letter",
            Self::JobFile => "every command that reads a job file",
            Self::Credentials => {
                "`credentials_trouble_code`, the log, `check`; where there are none yet, also why \
                 rows wait"
            }
            Self::Check => "the steps of `kafka-output check`",
            Self::Transactions => "`kafka-output transactions`",
            Self::Log => "lines of the log, in the field `code`",
            Self::Library => {
                "`code()` of its errors; the service tells `SCHEMA_REFUSED`, `BAD_CARRIER` or \
                 `BATCH_TOO_LARGE` with their text"
            }
        }
    }
}

/// Whether the rows that a code is told of may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsWritten {
    /// They are not.
    No,
    /// They may be, or those before them.
    Maybe,
    /// They are.
    Yes,
    /// No rows are concerned.
    NotApplicable,
}

impl RowsWritten {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::No, Self::Maybe, Self::Yes, Self::NotApplicable];

    /// For programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
            Self::Yes => "yes",
            Self::NotApplicable => "notApplicable",
        }
    }

    /// In a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
            Self::Yes => "yes",
            Self::NotApplicable => "no rows are concerned",
        }
    }

    /// What that means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::No => "nothing of the rows that it is told of is in Kafka",
            Self::Maybe => {
                "they, or batches before them, may be in Kafka; `Opened` tells where to go on. Of \
                 an error the key `may_be_written` in its details says it for this one call"
            }
            Self::Yes => "they are in Kafka",
            Self::NotApplicable => "it is not about rows; rows go on, or none have come yet",
        }
    }
}

/// What trying again is good for. Of an error of gRPC: it may be retried unless it is
/// [`Retry::Never`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It passes by itself.
    ByItself,
    /// It passes when somebody has changed something, which is tried for all the time.
    AfterChange,
    /// The same again fails again.
    Never,
}

impl Retry {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ByItself, Self::AfterChange, Self::Never];

    /// For programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByItself => "byItself",
            Self::AfterChange => "afterChange",
            Self::Never => "never",
        }
    }

    /// In a few words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ByItself => "passes by itself",
            Self::AfterChange => "after a change",
            Self::Never => "never as it is",
        }
    }

    /// What that means.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::ByItself => {
                "nobody need change anything: the service tries again, and who has called may call \
                 again"
            }
            Self::AfterChange => {
                "somebody must change what the remedy names; rows that wait go on by themselves \
                 then, and a call may be made again"
            }
            Self::Never => {
                "the same call, batch or row fails again: whoever sends it must send something \
                 else, or a person must decide"
            }
        }
    }
}

/// Codes that are told of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// What that is.
    pub title: &'static str,
    /// Its codes, sorted.
    pub entries: &'static [Entry],
}

/// The catalogue, area by area.
pub const AREAS: [Area; 11] = [
    Area { title: "Rows or a writer wait", entries: waits::ENTRIES },
    Area { title: "Brokers do not let the output in", entries: connection::ENTRIES },
    Area { title: "Answers to calls, streams and batches", entries: calls::ENTRIES },
    Area { title: "Rows", entries: rows::ENTRIES },
    Area { title: "Columns", entries: columns::ENTRIES },
    Area { title: "The job file", entries: job::ENTRIES },
    Area { title: "Identities and issuers", entries: identity::ENTRIES },
    Area { title: "Secrets, certificates and vaults", entries: secrets::ENTRIES },
    Area { title: "Warnings of `check`", entries: check::ENTRIES },
    Area { title: "Answers of `transactions`", entries: transactions::ENTRIES },
    Area { title: "The log alone", entries: log::ENTRIES },
];

/// The catalogue by code, each with all that it may mean.
pub fn all() -> BTreeMap<&'static str, Vec<&'static Entry>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for entry in AREAS.iter().flat_map(|area| area.entries) {
        all.entry(entry.code).or_default().push(entry);
    }
    all
}

/// What to do about a code, in a sentence, as it is meant in the first of these places that tell it.
pub fn remedy(code: &str, places: [Place; 3]) -> Option<&'static str> {
    let entries = AREAS.iter().flat_map(|area| area.entries).filter(|entry| entry.code == code);
    let rank = |entry: &&Entry| {
        places.iter().position(|place| entry.places.contains(place)).unwrap_or(places.len())
    };
    entries.min_by_key(rank).map(|entry| first_sentence(entry.remedy))
}

/// All of it if the first says only that nothing need be done.
fn first_sentence(text: &'static str) -> &'static str {
    if text.starts_with("Nothing") {
        return text;
    }
    let is_start = |at: usize| text[at + 2..].starts_with(|first: char| !first.is_lowercase());
    let end = text.match_indices(". ").map(|(at, _)| at).find(|at| is_start(*at));
    end.map_or(text, |end| &text[..=end])
}
