//! Causes: what an error of librdkafka means, what to do about it, and what becomes of the record.
//!
//! The codes are stable; gRPC, logs and documentation use the same.
use std::fmt;

use rdkafka::bindings::rd_kafka_resp_err_t as Native;

use super::client::{Code, Fault, describe, name};

/// Why rows wait, are refused or may be written: a stable code and a text for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable, in capitals.
    pub code: &'static str,
    /// What happened and what to do.
    pub text: String,
}

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is wrong with the record: it is handed over again, in its order, until it passes.
    Again,
    /// The broker does not like something in the Kafka batch that the record was part of. It is
    /// handed over again in smaller batches, until the record stands alone to blame.
    Blamed,
    /// The producer is of no more use; with a new one the record goes again if it is surely not
    /// written, else its batch is unknown.
    Rebuild,
}

impl Cause {
    /// A cause.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Rows wait, and nothing is known to be wrong.
    pub fn slow() -> Self {
        Self::new("BROKER_SLOW", "the brokers have not acknowledged this batch yet")
    }

    /// What the failure of a record of `topic` means.
    pub fn of_record(code: Code, topic: &str) -> (Fate, Self) {
        let (fate, stable, advice) = verdict(code);
        let text = format!("topic `{topic}`: {} ({}). {advice}", describe(code), name(code));
        (fate, Self::new(stable, text))
    }

    /// Whether it is about the size of a record.
    pub fn is_size(&self) -> bool {
        self.code == "ROW_TOO_LARGE"
    }

    /// The same with what was tried and what the topic was last known to take, if the record is
    /// refused for its size.
    #[must_use]
    pub fn with_sizes(mut self, bytes: usize, bytes_max: usize) -> Self {
        if self.is_size() {
            let known = format!("The record has {bytes} bytes; the topic was last known to take ");
            self.text += &format!(" {known}{bytes_max}.");
        }
        self
    }

    /// What a fault of a connection or of a request means.
    pub fn of_fault(fault: &Fault, topic: &str) -> Self {
        let (stable, advice) = match fault.code {
            code if code == Native::RD_KAFKA_RESP_ERR__AUTHENTICATION as Code => (
                "AUTHENTICATION_FAILED",
                "Check user name, password and mechanism of the output, and the listener's port.",
            ),
            code if code == Native::RD_KAFKA_RESP_ERR__RESOLVE as Code => (
                "NAME_NOT_RESOLVED",
                "Check the host names in `bootstrapServers` and the DNS of this network.",
            ),
            code if code == Native::RD_KAFKA_RESP_ERR__SSL as Code => (
                "TLS_FAILED",
                "Check the certificates, and that the listener speaks the output's \
                 `securityProtocol`.",
            ),
            code if is_connection(code) => (
                "BROKER_UNREACHABLE",
                "Check `bootstrapServers`, the network between here and the brokers, and that \
                 the listener's security protocol is the output's.",
            ),
            code => {
                let (_, cause) = Self::of_record(code, topic);
                return cause;
            }
        };
        Self::new(stable, format!("{} ({}). {advice}", fault.text, name(fault.code)))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.text)
    }
}

/// Whether a fault says only that nobody answers.
pub fn is_connection(code: Code) -> bool {
    [
        Native::RD_KAFKA_RESP_ERR__TRANSPORT,
        Native::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        Native::RD_KAFKA_RESP_ERR__TIMED_OUT,
        Native::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
        Native::RD_KAFKA_RESP_ERR__WAIT_COORD,
    ]
    .iter()
    .any(|known| *known as Code == code)
}

/// Whether a right is missing.
pub fn is_denied(code: Code) -> bool {
    [
        Native::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        Native::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    ]
    .iter()
    .any(|known| *known as Code == code)
}

/// Whether a broker refuses the credentials, or shows some that are refused here. A client
/// certificate is refused by an alert, which with TLS 1.3 comes behind the handshake, as a fault of
/// the transport.
pub fn is_refusal(fault: &Fault) -> bool {
    let is = |native: Native| fault.code == native as Code;
    is(Native::RD_KAFKA_RESP_ERR__AUTHENTICATION)
        || is(Native::RD_KAFKA_RESP_ERR__SSL)
        || is(Native::RD_KAFKA_RESP_ERR__TRANSPORT) && fault.text.contains("SSL alert number")
}

/// Whether a fault is librdkafka's word that no broker is connected, which it says after every
/// fault of the last one.
pub fn is_all_down(code: Code) -> bool {
    code == Native::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN as Code
}

/// Whether a record, or the Kafka batch that it is part of, is larger than the topic takes.
pub fn is_too_large(code: Code) -> bool {
    code == Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as Code
}

/// Whether the topic is not there.
pub fn is_missing_topic(code: Code) -> bool {
    [
        Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Native::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        Native::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    ]
    .iter()
    .any(|known| *known as Code == code)
}

/// Code, fate and advice for a failed record. A code that is not listed is nobody's fault that we
/// know of, so the record waits and goes again, visibly.
fn verdict(code: Code) -> (Fate, &'static str, &'static str) {
    use Native as N;
    let is = |codes: &[N]| codes.iter().any(|known| *known as Code == code);
    if is_missing_topic(code) {
        (
            Fate::Again,
            "TOPIC_NOT_FOUND",
            "Create the topic, or correct `topic` in the job file; rows go on by themselves.",
        )
    } else if is_denied(code) {
        (
            Fate::Again,
            "TOPIC_NOT_AUTHORIZED",
            "Grant the output's user WRITE and DESCRIBE on the topic; rows go on by themselves.",
        )
    } else if is_too_large(code) {
        (
            Fate::Blamed,
            "ROW_TOO_LARGE",
            "Raise `max.message.bytes` of the topic, make the row smaller (of rows that share a \
             record: lower `packing.bytes`), or set `errorPolicy` to `DeadLetter` or `Drop`.",
        )
    } else if is(&[
        N::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        // librdkafka's word for the neighbours of an invalid record (Produce v8 names the bad
        // ones); alone no record gets it.
        N::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD,
        N::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        N::RD_KAFKA_RESP_ERR_INVALID_MSG,
        N::RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        N::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    ]) {
        (
            Fate::Blamed,
            "ROW_REFUSED",
            "The topic's settings forbid this record (a compacted topic wants keys; timestamps \
             have bounds). Change them, or set `errorPolicy` to `DeadLetter` or `Drop`.",
        )
    } else if is(&[
        N::RD_KAFKA_RESP_ERR__FATAL,
        N::RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        N::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
        N::RD_KAFKA_RESP_ERR__FENCED,
        N::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        N::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    ]) {
        (Fate::Rebuild, "PRODUCER_FAILED", "The producer is built anew; rows go on by themselves.")
    } else if is(&[
        N::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        N::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ]) {
        (
            Fate::Again,
            "NOT_ENOUGH_REPLICAS",
            "Fewer replicas are in sync than `min.insync.replicas` asks; bring brokers back.",
        )
    } else if is(&[N::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE]) {
        (
            Fate::Again,
            "BROKER_TOO_OLD",
            "The broker lacks a feature that the output's settings need (idempotence needs Kafka \
             0.11); set `idempotence: false` or use a newer broker.",
        )
    } else if is_connection(code) {
        (Fate::Again, "BROKER_UNREACHABLE", "The brokers do not answer; rows go on by themselves.")
    } else {
        (Fate::Again, "BROKER_REFUSES", "The rows are sent again until the broker takes them.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_verdict_is_confirmed_before_a_row_is_blamed() {
        let (fate, cause) =
            Cause::of_record(Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE as Code, "t");
        assert_eq!((fate, cause.code), (Fate::Blamed, "ROW_TOO_LARGE"));
        assert!(cause.text.starts_with("topic `t`: Broker: Message size too large"), "{cause}");
    }

    #[test]
    fn a_code_that_nobody_knows_waits_and_goes_again() {
        let (fate, cause) = Cause::of_record(4711, "t");
        assert_eq!((fate, cause.code), (Fate::Again, "BROKER_REFUSES"));
        assert!(cause.text.contains("ERROR_4711"), "{cause}");
    }
}
