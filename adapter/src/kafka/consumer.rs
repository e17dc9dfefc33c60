//! A consumer for one partition at a time, without a group.
use std::{
    borrow::Cow,
    ffi::{c_char, c_int, c_void},
    slice,
    time::Duration,
};

use keyvault::Secret;
use rdkafka::bindings as sys;

use super::{
    client::{
        Code, Fault, NO_ERROR, c_text, configuration, describe, no_token_on_demand, set_token,
        text_of,
    },
    credentials::Credentials,
    producers::Recipe,
};

/// Settings of a producer that a consumer has, too.
const SHARED: [&str; 13] = [
    "bootstrap.servers",
    "client.id",
    "allow.auto.create.topics",
    "socket.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.nagle.disable",
    "socket.keepalive.enable",
    "api.version.request.timeout.ms",
    "reconnect.backoff.max.ms",
    "topic.metadata.propagation.max.ms",
    "metadata.max.age.ms",
    "connections.max.idle.ms",
    "log_level",
];

/// A consumer.
pub struct Consumer {
    handle: *mut sys::rd_kafka_t,
}

// SAFETY: librdkafka's handles are made for use from many threads.
unsafe impl Send for Consumer {}

/// What a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// What is committed.
    Committed,
    /// What is open or aborted as well.
    All,
}

/// What a poll brings.
#[derive(Debug)]
pub enum Polled {
    /// A record.
    Record {
        /// Where it stands.
        offset: i64,
        /// Its key.
        key: Vec<u8>,
        /// Its value; none of a tombstone.
        value: Option<Vec<u8>>,
    },
    /// There is nothing committed from this offset on, for now.
    End(i64),
    /// Something is wrong; it is tried again.
    Fault(Fault),
    /// Nothing came in time.
    Nothing,
}

impl Consumer {
    /// A consumer that is let in as a producer of this recipe is.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn new(
        recipe: &Recipe,
        credentials: &Credentials,
        isolation: Isolation,
    ) -> Result<Self, String> {
        let isolation = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::All => "read_uncommitted",
        };
        let text = |text: &str| Secret::from(text.to_owned());
        let mut settings = credentials.settings();
        let shared = recipe.settings.iter().filter(|(name, _)| SHARED.contains(&name.as_str()));
        settings.extend(shared.map(|(name, value)| (Cow::Owned(name.clone()), text(value))));
        settings.extend(
            [
                // Nobody joins it; the interface wants a name.
                ("group.id", "kafka-output"),
                ("enable.auto.commit", "false"),
                ("enable.partition.eof", "true"),
                ("isolation.level", isolation),
                // An offset that is not there any more is for whoever asked for it to judge.
                ("auto.offset.reset", "error"),
                ("check.crcs", "true"),
                ("fetch.wait.max.ms", "20"),
                ("fetch.error.backoff.ms", "20"),
                ("queued.max.messages.kbytes", "4096"),
            ]
            .map(|(name, value)| (Cow::Borrowed(name), text(value))),
        );
        let conf = configuration(&settings)?;
        let mut said = [0 as c_char; 512];
        // SAFETY: every pointer handed over is valid for the call; `conf` is ours until
        // `rd_kafka_new` succeeds.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, Some(no_token_on_demand));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_CONSUMER;
            let handle = sys::rd_kafka_new(kind, conf, said.as_mut_ptr(), said.len());
            if handle.is_null() {
                sys::rd_kafka_conf_destroy(conf);
                return Err(text_of(said.as_ptr()));
            }
            let consumer = Self { handle };
            if let Some(token) = credentials.token() {
                set_token(handle, token)?;
            }
            sys::rd_kafka_poll_set_consumer(handle);
            Ok(consumer)
        }
    }

    /// The first offset of a partition, and the one behind its last.
    ///
    /// # Errors
    /// The fault of the request.
    pub fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<(i64, i64), Fault> {
        let (mut low, mut high) = (0, 0);
        // SAFETY: the handle and the out pointers are valid.
        let code = unsafe {
            sys::rd_kafka_query_watermark_offsets(
                self.handle,
                c_text(topic).as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                timeout.as_millis() as c_int,
            )
        };
        if code as Code == NO_ERROR { Ok((low, high)) } else { Err(fault(code as Code)) }
    }

    /// Reads a partition from this offset on.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn assign(&self, topic: &str, partition: i32, offset: i64) -> Result<(), Fault> {
        // SAFETY: the list is made, used and destroyed here; librdkafka copies it.
        let code = unsafe {
            let list = sys::rd_kafka_topic_partition_list_new(1);
            let item =
                sys::rd_kafka_topic_partition_list_add(list, c_text(topic).as_ptr(), partition);
            (*item).offset = offset;
            let code = sys::rd_kafka_assign(self.handle, list);
            sys::rd_kafka_topic_partition_list_destroy(list);
            code
        };
        if code as Code == NO_ERROR { Ok(()) } else { Err(fault(code as Code)) }
    }

    /// What comes next within this time.
    pub fn poll(&self, timeout: Duration) -> Polled {
        // SAFETY: the handle is valid; the message is ours, and read before it is destroyed. Its
        // code is read as the integer that it is, since a broker may send one that the enum lacks.
        unsafe {
            let message = sys::rd_kafka_consumer_poll(self.handle, timeout.as_millis() as c_int);
            if message.is_null() {
                return Polled::Nothing;
            }
            let code = (&raw const (*message).err).cast::<Code>().read();
            let end = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF as Code;
            let polled = if code == NO_ERROR {
                let value = (*message).payload;
                Polled::Record {
                    offset: (*message).offset,
                    key: bytes((*message).key, (*message).key_len),
                    value: (!value.is_null()).then(|| bytes(value, (*message).len)),
                }
            } else if code == end {
                Polled::End((*message).offset)
            } else {
                Polled::Fault(fault(code))
            };
            sys::rd_kafka_message_destroy(message);
            polled
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handle. It never joined a group, and leaving one while the
        // coordinator is away is where librdkafka may crash.
        unsafe {
            sys::rd_kafka_destroy_flags(
                self.handle,
                sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int,
            );
        }
    }
}

unsafe fn bytes(data: *const c_void, len: usize) -> Vec<u8> {
    if data.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's length describes the data.
    unsafe { slice::from_raw_parts(data.cast::<u8>(), len) }.to_vec()
}

fn fault(code: Code) -> Fault {
    Fault { code, text: describe(code) }
}

unsafe extern "C" fn on_log(
    _handle: *const sys::rd_kafka_t,
    _level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // SAFETY: librdkafka's texts are valid for the call.
    let (facility, text) = unsafe { (text_of(facility), text_of(text)) };
    tracing::debug!(target: "librdkafka", facility, "{text}");
}
