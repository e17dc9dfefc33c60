//! Single records with a key, for a topic beside the client's own. They are copied, and reported
//! without a receipt ([`super::Marked`]).
use std::{ptr, sync::Arc, time::Duration};

use rdkafka::bindings as sys;

use super::{Client, Code, Fault, Partitions, text::c_string};

/// A topic beside a client's own.
pub struct Side {
    pub(super) topic: *mut sys::rd_kafka_topic_t,
    pub(super) client: Arc<Client>,
}

// SAFETY: librdkafka's handles are made for use from many threads.
unsafe impl Send for Side {}
// SAFETY: as above.
unsafe impl Sync for Side {}

impl Side {
    /// The topic of this name.
    pub fn new(client: &Arc<Client>, name: &str) -> Self {
        // SAFETY: the handle is valid as long as the client, which the result keeps.
        let topic = unsafe {
            sys::rd_kafka_topic_new(client.handle, c_string(name).as_ptr(), ptr::null_mut())
        };
        assert!(!topic.is_null(), "a checked topic name makes a topic");
        Self { topic, client: client.clone() }
    }

    /// Asks the brokers for its partitions.
    ///
    /// # Errors
    /// The fault of the request or of the topic.
    pub fn partitions(&self, timeout: Duration) -> Result<Partitions, Fault> {
        self.client.partitions_of(self.topic, timeout)
    }

    /// Hands one record over. Without a value it is a tombstone.
    ///
    /// # Errors
    /// Why librdkafka does not take it.
    pub fn produce(&self, partition: i32, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        let (data, len) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the texts are valid for the call, and librdkafka copies them.
        let code = unsafe {
            let taken = sys::rd_kafka_produce(
                self.topic,
                partition,
                sys::RD_KAFKA_MSG_F_COPY,
                data.cast_mut().cast(),
                len,
                key.as_ptr().cast(),
                key.len(),
                ptr::null_mut(),
            );
            if taken == 0 {
                return Ok(());
            }
            sys::rd_kafka_last_error()
        };
        Err(Fault::of(code as Code))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // SAFETY: the client, which is dropped after this, lives.
        unsafe { sys::rd_kafka_topic_destroy(self.topic) };
    }
}
