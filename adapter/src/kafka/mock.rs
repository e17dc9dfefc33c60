//! An embedded Kafka broker: librdkafka's mock cluster, for `demo` and for tests.
//!
//! It speaks Kafka's protocol on loopback, with idempotent producers and all codecs. It is no
//! broker to trust: it keeps about 5 MB of each partition and then drops the oldest, does not
//! de-duplicate, and knows neither TLS nor access rights.
use rdkafka::{
    error::KafkaError,
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

/// An embedded cluster; it ends when dropped.
pub struct MockKafka(MockCluster<'static, DefaultProducerContext>);

/// Errors of the Kafka protocol that a broker may answer a produce request with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// MESSAGE_TOO_LARGE.
    MessageTooLarge,
    /// TOPIC_AUTHORIZATION_FAILED.
    TopicAuthorizationFailed,
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: the idempotent producer is of no more use.
    OutOfOrderSequence,
}

impl ProtocolError {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Self::MessageTooLarge => RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Self::TopicAuthorizationFailed => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            }
            Self::OutOfOrderSequence => {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
            }
        }
    }
}

// SAFETY: the mock's functions hand their work to its own thread and wait for it; librdkafka
// documents them as callable from any thread.
unsafe impl Send for MockKafka {}
// SAFETY: as above.
unsafe impl Sync for MockKafka {}

impl MockKafka {
    /// A cluster of `brokers` on loopback.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn start(brokers: i32) -> Result<Self, KafkaError> {
        MockCluster::new(brokers).map(Self)
    }

    /// Its addresses, as `bootstrapServers` takes them.
    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), KafkaError> {
        self.0.create_topic(topic, partitions, 1)
    }

    /// Fails the next produce requests with these errors of the Kafka protocol.
    pub fn fail_produce(&self, errors: &[ProtocolError]) {
        let codes: Vec<_> = errors.iter().map(|error| error.code()).collect();
        self.0.request_errors(RDKafkaApiKey::Produce, &codes);
    }

    /// Takes a broker down, or brings it back.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn set_up(&self, broker: i32, up: bool) -> Result<(), KafkaError> {
        if up { self.0.broker_up(broker) } else { self.0.broker_down(broker) }
    }
}
