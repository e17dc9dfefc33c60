//! Dead letters on their way: records without a key and with headers, for a topic beside the client's
//! own or the client's own. They are copied, and reported by their numbers.
use rdkafka::bindings as sys;

use super::{super::letter::Letter, Fault, Side, call::Call};

/// The number of letters that are not told apart, since they are part of a transaction.
pub const LETTER: usize = 1;

/// librdkafka's word for the partition that it chooses (`RD_KAFKA_PARTITION_UA`).
const ANY_PARTITION: i32 = -1;

impl Side {
    /// Hands a letter over, with this value and under this number, to any partition.
    ///
    /// # Errors
    /// Why librdkafka does not take it.
    pub fn send(&self, letter: &Letter, value: &str, number: usize) -> Result<(), Fault> {
        let headers: Vec<_> = letter.headers().collect();
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let value = (value.as_ptr().cast_mut().cast(), value.len());
        let opaque = std::ptr::without_provenance_mut(number);
        let flags = sys::RD_KAFKA_MSG_F_COPY;
        // SAFETY: the topic is one of this client's, and the texts are valid until the call returns,
        // which copies them.
        unsafe {
            Call::new(self.topic, ANY_PARTITION, flags, headers).make(
                self.client.handle(),
                value,
                opaque,
            )
        }
    }
}
