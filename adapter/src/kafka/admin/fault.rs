//! Why a question has no answer.

use std::fmt;

use kafka_protocol::{error::ResponseError, messages::ApiKey};

use super::super::client::{describe, name as code_name};
use crate::diagnose::Finding;

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminFault {
    /// There is no connection to the broker.
    #[error("{0}")]
    Unreachable(Finding),
    /// The connection broke, or nothing came in time.
    #[error("{place} does not answer {request}: {why}")]
    Silent {
        /// `host:port`.
        place: String,
        /// The request, by Kafka's name.
        request: String,
        /// What became of the connection.
        why: String,
    },
    /// The broker does not know the request.
    #[error("{place} does not know the request {request}{}", since(*.api))]
    Unsupported {
        /// `host:port`.
        place: String,
        /// The request, by Kafka's name.
        request: String,
        /// Its number.
        api: i16,
    },
    /// The broker refuses.
    #[error("{}", told(*.0))]
    Refused(i16),
    /// Nobody leads the partition, or no broker keeps the transactional id now.
    #[error("{0}")]
    Leaderless(String),
}

impl AdminFault {
    /// Whether the broker refused with this.
    pub(super) fn is(&self, error: ResponseError) -> bool {
        matches!(self, Self::Refused(code) if *code == error.code())
    }

    /// Whether a right is missing.
    pub fn is_denied(&self) -> bool {
        [
            ResponseError::TopicAuthorizationFailed,
            ResponseError::ClusterAuthorizationFailed,
            ResponseError::TransactionalIdAuthorizationFailed,
        ]
        .into_iter()
        .any(|error| self.is(error))
    }

    /// Whether the topic is not there.
    pub fn is_missing_topic(&self) -> bool {
        self.is(ResponseError::UnknownTopicOrPartition)
    }

    /// Whether the brokers are too old, or of another kind, and nothing is wrong.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }

    /// Whether it may pass at once.
    pub(super) fn is_brief(&self) -> bool {
        [
            ResponseError::CoordinatorLoadInProgress,
            ResponseError::CoordinatorNotAvailable,
            ResponseError::NotCoordinator,
            ResponseError::NotLeaderOrFollower,
            ResponseError::LeaderNotAvailable,
            ResponseError::ConcurrentTransactions,
        ]
        .into_iter()
        .any(|error| self.is(error))
    }

    /// Of a request, by its number.
    pub(super) fn silent(place: &str, api: i16, why: &dyn fmt::Display) -> Self {
        Self::Silent { place: place.to_owned(), request: name(api), why: why.to_string() }
    }

    /// Of a request, by its number.
    pub(super) fn unsupported(place: &str, api: i16) -> Self {
        Self::Unsupported { place: place.to_owned(), request: name(api), api }
    }
}

/// An error code of Kafka as a verdict.
pub(super) fn verdict(code: i16) -> Result<(), AdminFault> {
    if code == 0 { Ok(()) } else { Err(AdminFault::Refused(code)) }
}

fn name(api: i16) -> String {
    ApiKey::try_from(api).map_or_else(|()| format!("number {api}"), |key| format!("{key:?}"))
}

fn since(api: i16) -> &'static str {
    const PRODUCERS: i16 = ApiKey::DescribeProducers as i16;
    const DESCRIBE: i16 = ApiKey::DescribeTransactions as i16;
    const LIST: i16 = ApiKey::ListTransactions as i16;
    match api {
        PRODUCERS => ", which Kafka 2.8 and later know",
        DESCRIBE | LIST => ", which Kafka 3.0 and later know",
        _ => "",
    }
}

/// What a code means, and its name, as elsewhere in this service.
fn told(code: i16) -> String {
    format!("{} ({})", describe(code.into()), code_name(code.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_words() {
        let missing = AdminFault::unsupported("kafka-1:9092", ApiKey::ListTransactions as i16);
        assert_eq!(
            missing.to_string(),
            "kafka-1:9092 does not know the request ListTransactions, which Kafka 3.0 and later know"
        );
        assert!(missing.is_unsupported() && !missing.is_denied());
        let denied = verdict(53).unwrap_err();
        assert!(denied.is_denied());
        assert_eq!(
            denied.to_string(),
            "Broker: Transactional Id authorization failed \
             (TRANSACTIONAL_ID_AUTHORIZATION_FAILED)"
        );
        let unknown = verdict(4711).unwrap_err().to_string();
        assert!(unknown.contains("4711"), "{unknown}");
    }
}
