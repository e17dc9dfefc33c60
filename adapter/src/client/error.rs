//! What can go wrong, and the two questions each error answers: may I retry, may it be written?
use std::{fmt, sync::Arc, time::Duration};

use proto::v1::Refused;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::TlsFault;

/// The `domain` of the service's error details.
const ERROR_DOMAIN: &str = "kafkaoutput";

/// An error of the client. Cheap to clone: the cause that ends a writer is told to every later
/// call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is not one.
    #[error(
        "`{endpoint}` is not an address of a service: {cause}; write http://HOST:PORT or \
         https://HOST:PORT"
    )]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        cause: String,
    },
    /// No connection, or no answer on it, for as long as was allowed.
    #[error("{endpoint} is not reachable{}: {cause}", tried(*.tried_s))]
    Unreachable {
        /// Where.
        endpoint: String,
        /// For how many whole seconds it was tried.
        tried_s: u64,
        /// The last failure.
        cause: String,
    },
    /// TLS cannot be agreed on, or was not expected.
    #[error("{endpoint}{}: {fault}", tried(*.tried_s))]
    Tls {
        /// With which service.
        endpoint: String,
        /// For how many whole seconds it was tried.
        tried_s: u64,
        /// Why.
        fault: TlsFault,
    },
    /// Our certificate, or the authorities to trust, are of no use.
    #[error("{0}")]
    Credentials(String),
    /// There is no token where it should be.
    #[error("no token: {0}")]
    Token(String),
    /// The service answered with an error.
    #[error(transparent)]
    Service(Arc<ServiceError>),
    /// The service refused a batch: nothing of it is written, and the writer waits for
    /// [`Writer::skip_refused`](super::Writer::skip_refused) or
    /// [`Writer::replace_refused`](super::Writer::replace_refused).
    #[error("batch {} is refused ({}): {}", .0.sequence, .0.code, .0.reason)]
    Refused(Arc<Refused>),
    /// The batch is larger than a message of this stream may be. Split it.
    #[error("the batch needs a message of {bytes} bytes, the service takes {bytes_max}; split it")]
    BatchTooLarge {
        /// The size of its message.
        bytes: u64,
        /// `Limits.message_bytes_max`.
        bytes_max: u64,
    },
    /// The batch has more rows than a batch of this stream may have. Split it.
    #[error("the batch has {rows} rows, the service takes {rows_max}; split it")]
    TooManyRows {
        /// Its rows.
        rows: u64,
        /// `Limits.batch_rows_max`.
        rows_max: u32,
    },
    /// The position is longer than the service stores.
    #[error("the position has {bytes} bytes, the service stores at most {bytes_max}")]
    PositionTooLong {
        /// Its length.
        bytes: u64,
        /// `Limits.position_bytes_max`.
        bytes_max: u32,
    },
    /// More schemas than a stream may declare.
    #[error("a stream may declare {schemas_max} schemas; open another writer for more")]
    TooManySchemas {
        /// `Limits.schemas_max`.
        schemas_max: u32,
    },
    /// The service goes on before rows that are durable already and no longer kept here.
    #[error(
        "the service goes on after batch {resume_after}, but told before that everything up to \
         {durable_through} is durable; its memory of this writer is lost"
    )]
    ProgressLost {
        /// What the service remembers.
        resume_after: u64,
        /// What it acknowledged.
        durable_through: u64,
    },
    /// The service knows batches of this writer that were not sent here.
    #[error(
        "the service has a batch {sequence} of this writer that is not from here (the last one \
         sent from here is {sent}); another sender uses the same writer id"
    )]
    ForeignProgress {
        /// What the service has.
        sequence: u64,
        /// The last sequence that was sent from here.
        sent: u64,
    },
    /// Rows that Arrow cannot encode.
    #[error("the rows cannot be encoded as Arrow IPC: {0}")]
    Encode(String),
    /// The service does not keep to the contract.
    #[error("the service does not keep to the contract: {0}")]
    Protocol(String),
    /// The writer was closed before.
    #[error("the writer is closed")]
    Closed,
}

fn tried(tried_s: u64) -> String {
    match tried_s {
        0 => String::new(),
        seconds => format!(" (tried for {seconds} s)"),
    }
}

impl Error {
    /// Could the same call succeed later, without a change?
    pub fn retry(&self) -> bool {
        match self {
            // A token is written there anew now and then.
            Self::Unreachable { .. } | Self::Tls { .. } | Self::Token(_) => true,
            Self::Service(error) => error.retry,
            Self::Endpoint { .. }
            | Self::Credentials(_)
            | Self::Refused(_)
            | Self::BatchTooLarge { .. }
            | Self::TooManyRows { .. }
            | Self::PositionTooLong { .. }
            | Self::TooManySchemas { .. }
            | Self::ProgressLost { .. }
            | Self::ForeignProgress { .. }
            | Self::Encode(_)
            | Self::Protocol(_)
            | Self::Closed => false,
        }
    }

    /// Could unacknowledged rows be in the topic already?
    pub fn may_be_written(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Token(_)
            | Self::ProgressLost { .. }
            | Self::ForeignProgress { .. }
            | Self::Protocol(_)
            | Self::Closed => true,
            Self::Service(error) => error.may_be_written,
            Self::Endpoint { .. }
            | Self::Credentials(_)
            | Self::Refused(_)
            | Self::BatchTooLarge { .. }
            | Self::TooManyRows { .. }
            | Self::PositionTooLong { .. }
            | Self::TooManySchemas { .. }
            | Self::Encode(_) => false,
        }
    }

    /// The same error as the fate of rows that a stream was given before: it answers for them, too.
    pub(super) fn of_given_rows(self) -> Self {
        match self {
            Self::Service(error) if !error.may_be_written => {
                Self::Service(Arc::new(ServiceError { may_be_written: true, ..(*error).clone() }))
            }
            other => other,
        }
    }

    /// The service's stable reason, as in `TAKEN_OVER`; empty if the error is not from it.
    pub fn reason(&self) -> &str {
        match self {
            Self::Service(error) => &error.reason,
            Self::Refused(refused) => &refused.code,
            _ => "",
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Service(Arc::new(ServiceError::from(status)))
    }
}

/// A gRPC status with the details of the contract decoded.
#[derive(Clone, Debug)]
pub struct ServiceError {
    /// The gRPC code.
    pub code: Code,
    /// The stable reason, as in `OUTPUT_NOT_FOUND`; empty if the answer is not from the service
    /// itself (a proxy, a broken connection).
    pub reason: String,
    /// For a person.
    pub message: String,
    /// Could the same call succeed later, without a change?
    pub retry: bool,
    /// Could unacknowledged rows be in the topic already?
    pub may_be_written: bool,
    /// Not before this much time, if the service said so.
    pub retry_delay: Option<Duration>,
    /// The fields at fault, each with what is wrong.
    pub fields: Vec<(String, String)>,
}

impl From<Status> for ServiceError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let said = |key: &str| Some(info?.metadata.get(key)?.eq_ignore_ascii_case("yes"));
        let fields = details.bad_request().map(|bad| bad.field_violations.as_slice());
        Self {
            code: status.code(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            message: status.message().to_owned(),
            retry: said("retry").unwrap_or_else(|| retry_by_code(status.code())),
            // Silence is the bad news: without the service's word a row may be anywhere.
            may_be_written: said("may_be_written").unwrap_or(true),
            retry_delay: details.retry_info().and_then(|info| info.retry_delay),
            fields: fields
                .unwrap_or_default()
                .iter()
                .map(|field| (field.field.clone(), field.description.clone()))
                .collect(),
        }
    }
}

/// Whether a status without the service's own word is worth another try: connections that break
/// and proxies that have no backend are, a call that nobody understands is not.
fn retry_by_code(code: Code) -> bool {
    match code {
        Code::Unavailable
        | Code::Unknown
        | Code::Internal
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::DataLoss => true,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => false,
    }
}

impl std::error::Error for ServiceError {}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "{:?}: {}", self.code, self.message)?,
            reason => write!(f, "{reason}: {}", self.message)?,
        }
        // The service's own messages say it already.
        for (field, what) in self.fields.iter().filter(|(_, what)| !self.message.contains(what)) {
            write!(f, "; {field}: {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn the_details_answer_both_questions() {
        let metadata = HashMap::from([
            ("retry".to_owned(), "yes".to_owned()),
            ("may_be_written".to_owned(), "no".to_owned()),
        ]);
        let mut details =
            ErrorDetails::with_error_info("TOO_MANY_WRITERS", "kafkaoutput", metadata);
        details.set_retry_info(Some(Duration::from_secs(3)));
        details.add_bad_request_violation("output", "has 100 writers");
        let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let error = ServiceError::from(status);
        assert_eq!(error.reason, "TOO_MANY_WRITERS");
        assert!(error.retry && !error.may_be_written);
        assert_eq!(error.retry_delay, Some(Duration::from_secs(3)));
        assert_eq!(error.to_string(), "TOO_MANY_WRITERS: full; output: has 100 writers");
        let error = ServiceError { message: "`output`: has 100 writers".to_owned(), ..error };
        assert_eq!(error.to_string(), "TOO_MANY_WRITERS: `output`: has 100 writers", "said once");
    }

    #[test]
    fn without_details_the_code_decides_and_rows_may_be_written() {
        let error = ServiceError::from(Status::unavailable("connection reset"));
        assert!(error.retry && error.may_be_written && error.reason.is_empty());
        assert!(!ServiceError::from(Status::unimplemented("what?")).retry);
    }

    #[test]
    fn details_of_another_domain_are_not_the_services_word() {
        let metadata = HashMap::from([("retry".to_owned(), "no".to_owned())]);
        let details = ErrorDetails::with_error_info("X", "proxy.example", metadata);
        let error = ServiceError::from(Status::with_error_details(
            Code::Unavailable,
            "no backend",
            details,
        ));
        assert!(error.retry && error.reason.is_empty());
    }
}
