//! Reads a topic back, for `demo`: every record of every partition, from the beginning.
use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::Message as _,
};

/// A reader of one topic.
pub struct TopicReader(BaseConsumer);

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Its value.
    pub value: Vec<u8>,
}

impl TopicReader {
    /// A reader from the beginning of all partitions.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn open(servers: &str, topic: &str, partitions: i32) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", servers)
            .set("group.id", "kafka-output-demo")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "20")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(Self(consumer))
    }

    /// The next record, if one comes within `timeout`.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn next(&self, timeout: Duration) -> Result<Option<Read>, KafkaError> {
        let Some(message) = self.0.poll(timeout).transpose()? else { return Ok(None) };
        Ok(Some(Read {
            partition: message.partition(),
            offset: message.offset(),
            value: message.payload().unwrap_or_default().to_vec(),
        }))
    }
}
