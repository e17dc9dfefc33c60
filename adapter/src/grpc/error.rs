//! Errors on the wire: each says whether a retry may help and whether rows may be written.
use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::ended;
use crate::{kafka::Cause, writers::Denied};

#[cfg(test)]
mod tests;

/// Domain of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "kafkaoutput";

/// An error that ends a call. Its variants are all that can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The first message of a stream is not `Open`.
    OpenExpected,
    /// `Open` again.
    SecondOpen,
    /// A request without a message.
    EmptyRequest,
    /// A field is at fault, and nothing of the call is written: reason, field, what is wrong.
    Invalid(&'static str, &'static str, String),
    /// The same in a message of an open stream, whose earlier batches may be written.
    InvalidMessage(&'static str, &'static str, String),
    /// The job has no such output.
    OutputNotFound {
        /// What was asked for, its beginning.
        alias: String,
        /// Some that there are.
        others: String,
    },
    /// The call carries no token, and one is asked for.
    TokenMissing,
    /// The call's token is not accepted.
    TokenInvalid,
    /// The key of the call's token cannot be had now.
    KeysUnavailable,
    /// The connection has no client certificate, and one is asked for.
    CertificateMissing,
    /// The client certificate of the connection does not hold any more.
    CertificateInvalid,
    /// Who calls is known, and may not do this.
    CallerNotAllowed,
    /// So many calls of the connection were denied that it takes no more.
    TooManyDenied,
    /// More is unacknowledged than granted.
    CreditExceeded {
        /// Bytes that would be unacknowledged.
        bytes: u64,
        /// Bytes granted.
        bytes_max: u64,
        /// Batches granted.
        batches_max: u32,
    },
    /// A message beyond the limit; it was not read.
    MessageTooLarge {
        /// The limit, in bytes.
        bytes_max: u64,
    },
    /// The first message of a call is far beyond what it may have; it was not read.
    FirstMessageTooLarge {
        /// The limit, in bytes.
        bytes_max: u32,
    },
    /// More schemas than a stream may declare.
    TooManySchemas {
        /// The limit.
        schemas_max: u32,
    },
    /// More streams than the service has memory for.
    TooManyWriters {
        /// The limit.
        writers_max: usize,
    },
    /// As many writers of an output have transactions as it allows.
    TooManyTransactional {
        /// The limit.
        writers_max: usize,
    },
    /// Another stream of this writer is live now.
    TakenOver,
    /// A newer incarnation of this writer has been here.
    StaleEpoch {
        /// Its epoch.
        highest: u64,
    },
    /// A stream of this writer is live, or a call of it is not settled.
    WriterBusy,
    /// The same for a writer that should be forgotten.
    ResetBusy,
    /// The number named other rows before.
    SequenceReused {
        /// The number.
        sequence: u64,
    },
    /// A batch's own time is over after some of it was handed to Kafka.
    BatchTimeout {
        /// The batch.
        sequence: u64,
    },
    /// A call's time is over before any of it was handed to Kafka.
    CallTimeout,
    /// Three heartbeat intervals without a word from the engine.
    ClientSilent,
    /// Answers pile up because the engine does not read them.
    AnswersUnread,
    /// The service closes and takes nothing new; nothing of the call is written.
    Draining,
    /// The service closes, and this stream with it.
    Drained,
    /// The stream moves to another connection: this one is of age. All that was read has settled.
    Moved,
    /// The output takes no streams and no rows now.
    OutputClosed(Cause),
    /// More is known to be written than is stored: progress was lost.
    ProgressLost {
        /// Known to the engine, or to this process.
        known: u64,
        /// Stored.
        stored: u64,
    },
    /// What is stored of a writer cannot be had now: code and reason.
    ProgressUnavailable(&'static str, String),
    /// The writer cannot be opened: code and reason.
    WriterRefused(&'static str, String),
    /// Records of this batch may be written or not.
    DeliveryUnknown {
        /// The batch.
        sequence: u64,
        /// Why.
        cause: String,
    },
    /// The batch of a `WriteOnce` is refused: code and reason.
    Refused(&'static str, String),
}

/// The questions that an error answers.
struct Answer {
    code: Code,
    reason: &'static str,
    retry: Option<Duration>,
    may_be_written: bool,
}

impl CallError {
    /// Of retries and of rows it says what the catalogue of codes says; a test compares them.
    fn answer(&self) -> Answer {
        let soon = Some(Duration::from_millis(100));
        // Behind the same name there may be a replica that does not close.
        let elsewhere = Some(Duration::from_secs(1));
        let later = Some(Duration::from_secs(5));
        let (code, reason, retry, may_be_written) = match self {
            Self::OpenExpected => (Code::InvalidArgument, "OPEN_EXPECTED", None, false),
            Self::SecondOpen => (Code::InvalidArgument, "SECOND_OPEN", None, true),
            Self::EmptyRequest => (Code::InvalidArgument, "EMPTY_REQUEST", None, true),
            Self::Invalid(reason, ..) => (Code::InvalidArgument, *reason, None, false),
            Self::InvalidMessage(reason, ..) => (Code::InvalidArgument, *reason, None, true),
            Self::OutputNotFound { .. } => (Code::NotFound, "OUTPUT_NOT_FOUND", None, false),
            Self::TokenMissing => (Code::Unauthenticated, "TOKEN_MISSING", None, false),
            Self::TokenInvalid => (Code::Unauthenticated, "TOKEN_INVALID", None, false),
            Self::KeysUnavailable => (Code::Unavailable, "KEYS_UNAVAILABLE", later, false),
            Self::CertificateMissing => (Code::Unauthenticated, "CERTIFICATE_MISSING", None, false),
            Self::CertificateInvalid => (Code::Unauthenticated, "CERTIFICATE_INVALID", soon, false),
            Self::CallerNotAllowed => (Code::PermissionDenied, "CALLER_NOT_ALLOWED", None, false),
            Self::TooManyDenied => (Code::Unavailable, "TOO_MANY_DENIED", later, false),
            Self::CreditExceeded { .. } => (Code::ResourceExhausted, "CREDIT_EXCEEDED", None, true),
            Self::MessageTooLarge { .. } => {
                (Code::ResourceExhausted, "MESSAGE_TOO_LARGE", None, true)
            }
            Self::FirstMessageTooLarge { .. } => {
                (Code::ResourceExhausted, "MESSAGE_TOO_LARGE", None, false)
            }
            Self::TooManySchemas { .. } => {
                (Code::ResourceExhausted, "TOO_MANY_SCHEMAS", None, true)
            }
            Self::TooManyWriters { .. } | Self::TooManyTransactional { .. } => {
                (Code::ResourceExhausted, "TOO_MANY_WRITERS", later, false)
            }
            Self::TakenOver => (Code::Aborted, "TAKEN_OVER", None, true),
            Self::StaleEpoch { .. } => (Code::FailedPrecondition, "STALE_EPOCH", None, false),
            Self::WriterBusy => (Code::Aborted, "WRITER_BUSY", later, false),
            Self::ResetBusy => (Code::FailedPrecondition, "WRITER_BUSY", later, false),
            Self::SequenceReused { .. } => {
                (Code::FailedPrecondition, "SEQUENCE_REUSED", None, true)
            }
            Self::BatchTimeout { .. } => (Code::DeadlineExceeded, "BATCH_TIMEOUT", soon, true),
            Self::CallTimeout => (Code::DeadlineExceeded, "BATCH_TIMEOUT", soon, false),
            Self::ClientSilent => (Code::DeadlineExceeded, "CLIENT_SILENT", soon, true),
            Self::AnswersUnread => (Code::ResourceExhausted, "ANSWERS_UNREAD", None, true),
            Self::Draining => (Code::Unavailable, "DRAINING", elsewhere, false),
            Self::Drained => (Code::Unavailable, "DRAINING", soon, true),
            Self::Moved => (Code::Unavailable, "DRAINING", soon, true),
            Self::OutputClosed(cause) => (Code::Unavailable, cause.code, later, false),
            Self::DeliveryUnknown { .. } => (Code::Unavailable, "DELIVERY_UNKNOWN", soon, true),
            Self::ProgressLost { .. } => (Code::FailedPrecondition, "PROGRESS_LOST", None, false),
            Self::ProgressUnavailable(reason, _) => (Code::Unavailable, *reason, later, false),
            Self::WriterRefused(reason, _) => (Code::FailedPrecondition, *reason, later, false),
            Self::Refused(reason, _) => (Code::InvalidArgument, *reason, None, false),
        };
        Answer { code, reason, retry, may_be_written }
    }

    /// The stable code.
    pub fn reason(&self) -> &'static str {
        self.answer().reason
    }

    fn message(&self) -> String {
        match self {
            Self::OpenExpected => "the first message of a stream is `open`".into(),
            Self::SecondOpen => "`open` comes once; use another stream for another writer".into(),
            Self::EmptyRequest => "a request holds one of open, schema, batch, heartbeat".into(),
            Self::Invalid(_, field, what) | Self::InvalidMessage(_, field, what) => {
                format!("`{field}`: {what}")
            }
            Self::OutputNotFound { alias, others } => format!(
                "the job has no output `{alias}`; it has {others} (ListOutputs names them all)"
            ),
            Self::TokenMissing => "the call carries no token (authorization: Bearer …)".into(),
            Self::TokenInvalid => "the token is not accepted; the service's log says why".into(),
            Self::KeysUnavailable => "the token cannot be checked now; call again".into(),
            Self::CertificateMissing => "the connection has no client certificate".into(),
            Self::CertificateInvalid => {
                "the client certificate of this connection does not hold any more; connect again"
                    .into()
            }
            Self::TooManyDenied => {
                "too many calls of this connection were denied; connect again".into()
            }
            Self::CallerNotAllowed => {
                "the caller may not do this; the service's log says what is missing".into()
            }
            Self::CreditExceeded { bytes, bytes_max, batches_max } => format!(
                "{bytes} bytes would be unacknowledged, granted are {bytes_max} bytes in \
                 {batches_max} batches; wait for `Opened`, and for `Ack` before you send more"
            ),
            Self::MessageTooLarge { bytes_max } => {
                format!("a message is larger than {bytes_max} bytes; split the batch")
            }
            Self::FirstMessageTooLarge { bytes_max } => format!(
                "the first message is larger than {bytes_max} bytes; on a stream it is `open`"
            ),
            Self::TooManySchemas { schemas_max } => {
                format!("a stream declares at most {schemas_max} schemas; use an id again")
            }
            Self::TooManyWriters { writers_max } => format!(
                "{writers_max} streams are live and memory is dealt out to no more; close some, \
                 or raise `maxWriters`"
            ),
            Self::TooManyTransactional { writers_max } => format!(
                "{writers_max} writers of this output have transactions here, and \
                 `transactions.maxWriters` allows no more; close some, raise it, or go to another \
                 replica of the service"
            ),
            Self::TakenOver => "another stream of this writer is live now".into(),
            Self::StaleEpoch { highest } => {
                format!("this writer was here with epoch {highest}; a newer instance of it runs")
            }
            Self::WriterBusy | Self::ResetBusy => {
                "a stream of this writer is live, or rows of it are not settled yet".into()
            }
            Self::SequenceReused { sequence } => {
                format!("sequence {sequence} named other rows before; it names the same for ever")
            }
            Self::BatchTimeout { sequence } => format!(
                "the time of batch {sequence} is over while it is on its way; open again to learn \
                 what is durable"
            ),
            Self::CallTimeout => {
                "the call's time is over before anything was handed to Kafka; call again".into()
            }
            Self::ClientSilent => {
                "nothing came for three heartbeat intervals; send one when there are no rows".into()
            }
            Self::AnswersUnread => "answers pile up; read them while you send".into(),
            Self::Draining | Self::Drained => {
                "the service, or this output of it, closes; open again and send what is not durable"
                    .into()
            }
            Self::Moved => {
                "the connection is of age; open again over a new one, which may lead to \
                 another replica"
                    .into()
            }
            Self::OutputClosed(cause) => {
                format!("{}; nothing of the call is written", cause.text)
            }
            Self::DeliveryUnknown { sequence, cause } => format!(
                "batch {sequence} may be written or not ({cause}); open again and send what is \
                 not durable"
            ),
            Self::ProgressLost { known, stored } => format!(
                "batch {known} is known to be written, and the cluster has this writer's progress up to \
                 {stored}: it was restored, or its progress topic was deleted. Nothing is written \
                 until somebody decides; `ResetWriter` starts the writer anew"
            ),
            Self::ProgressUnavailable(_, reason) | Self::WriterRefused(_, reason) => reason.clone(),
            Self::Refused(_, reason) => reason.clone(),
        }
    }
}

/// What a lease that is not given means for the caller.
pub fn denied(denied: Denied) -> CallError {
    match denied {
        Denied::StaleEpoch { highest } => CallError::StaleEpoch { highest },
        Denied::Busy => CallError::WriterBusy,
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let answer = error.answer();
        ended::count(answer.reason);
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let metadata = HashMap::from([
            ("retry".to_owned(), yes_no(answer.retry.is_some())),
            ("may_be_written".to_owned(), yes_no(answer.may_be_written)),
        ]);
        let mut details = ErrorDetails::new();
        details.set_error_info(answer.reason, DOMAIN, metadata);
        if let Some(delay) = answer.retry {
            details.set_retry_info(Some(delay));
        }
        if let CallError::Invalid(_, field, what) | CallError::InvalidMessage(_, field, what) =
            &error
        {
            details.add_bad_request_violation(*field, what);
        }
        Self::with_error_details(answer.code, error.message(), details)
    }
}
