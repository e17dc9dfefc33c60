//! librdkafka behind a safe face: one producer for one topic.
//!
//! [`Client`] may be used from any thread; [`Poller`] belongs to the one thread that serves
//! librdkafka's [`callbacks`], which a [`Bell`] wakes. Records are handed over in one
//! `rd_kafka_produce_batch` call per partition, without a copy: librdkafka reads the bytes of a
//! [`Flight`] until it has reported the record, and carries the address of the record's
//! [`Receipt`] as its opaque value. Those with headers take a call each: [`headed`]. [`login`] shows
//! it other credentials, [`limits`] asks what the topic demands, [`reports`] is what it reports,
//! [`text`] goes between its strings and ours.
//!
//! Traps that shaped this file:
//! - `rd_kafka_produce_batch` with a partition for each message leaks a message whose partition
//!   does not exist; with one partition for the call it does not.
//! - The text of a configuration error repeats the value, which may be a password.
//! - A panic inside a callback cannot unwind through C: it aborts the process, which is right,
//!   since a poller that died in silence would leave every batch without an answer.
mod call;
mod callbacks;
mod configuration;
mod headed;
mod keyed;
mod letter;
mod limits;
mod login;
mod reports;
mod text;
mod topics;
mod transaction;

use std::{
    borrow::Cow,
    ffi::{c_char, c_int},
    ptr,
    sync::{Arc, OnceLock},
    thread::{self, Thread},
    time::Duration,
};

use keyvault::Secret;
use rdkafka::bindings as sys;

pub(super) use self::{
    callbacks::on_token_wanted as no_token_on_demand,
    configuration::configuration,
    login::set_token,
    text::{c_string as c_text, string as text_of},
};
use self::{
    callbacks::{
        on_error, on_event, on_log, on_report, on_statistics, on_throttle, on_token_wanted,
    },
    text::{c_string, slice, string},
};
pub use self::{
    keyed::Side,
    letter::LETTER,
    limits::TopicLimits,
    reports::{Failed, Marked, Reported, Reports},
    text::{describe, name},
    topics::{NewTopic, Rights},
    transaction::{TransactionFault, Verdict},
};
use super::{
    receipt::{Flight, Receipt},
    statistics::Teller,
};

/// A librdkafka error code as it is in C: brokers may send codes that the bindings' enum lacks.
pub type Code = i32;

/// The code that says that all is well.
pub const NO_ERROR: Code = 0;

/// A producer for one topic.
pub struct Client {
    handle: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    /// What the callbacks of a poll leave behind; librdkafka holds its address as opaque value.
    /// Only the poller looks at it.
    reports: *mut Reports,
    /// librdkafka holds its address and rings it until the producer is destroyed.
    _bell: Arc<Bell>,
}

/// Wakes the thread that polls: one thread may serve several producers, and waits for all of them
/// at once. Rung while nobody sleeps it ends the next sleep, so no ring is lost.
#[derive(Default)]
pub struct Bell(OnceLock<Thread>);

/// The right to serve a client's callbacks; one for each client.
pub struct Poller {
    client: Arc<Client>,
}

/// An error with librdkafka's text.
#[derive(Clone, Debug)]
pub struct Fault {
    /// librdkafka's code.
    pub code: Code,
    /// Its text.
    pub text: String,
}

/// The partitions of the topic: for each whether it has a leader.
pub type Partitions = Vec<Partition>;

/// A partition as the brokers tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// It has a leader.
    pub has_leader: bool,
    /// How many replicas it should have.
    pub replicas: u32,
    /// How many of them are in sync.
    pub in_sync: u32,
}

/// Messages for one hand-over, kept to be used again.
#[derive(Default)]
pub struct HandOver {
    messages: Vec<sys::rd_kafka_message_t>,
    /// Some have headers.
    has_headers: bool,
}

// SAFETY: librdkafka's handles are made for use from many threads.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}
// SAFETY: the pointers in it are librdkafka's input, used under the contract of `produce`.
unsafe impl Send for HandOver {}

impl Bell {
    /// This thread is the one to wake; it may sleep by [`thread::park_timeout`] now.
    pub fn wakes_this_thread(&self) {
        let known = self.0.get_or_init(thread::current);
        assert_eq!(known.id(), thread::current().id(), "one thread polls");
    }

    /// Wakes it.
    pub fn ring(&self) {
        // Before it is known it has not begun to poll, and it polls before it sleeps.
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

impl Client {
    /// A producer with these settings, and the right to poll it. The bell rings when there is
    /// something to poll. The teller takes its statistics, if the settings have an interval for them.
    ///
    /// # Errors
    /// Names the setting that librdkafka refuses, never its value.
    pub fn new(
        settings: &[(Cow<'_, str>, Secret)],
        topic: &str,
        bell: &Arc<Bell>,
        teller: Option<Teller>,
    ) -> Result<(Arc<Self>, Poller), String> {
        Self::make(settings, topic, bell, Reports { teller, ..Reports::default() })
    }

    /// The same for a producer whose records settle when their transaction ends.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn transactional(
        settings: &[(Cow<'_, str>, Secret)],
        topic: &str,
        bell: &Arc<Bell>,
        teller: Option<Teller>,
    ) -> Result<(Arc<Self>, Poller), String> {
        Self::make(settings, topic, bell, Reports { deferred: true, teller, ..Reports::default() })
    }

    /// The same for a producer of records that have numbers instead of receipts.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn numbered(
        settings: &[(Cow<'_, str>, Secret)],
        topic: &str,
        bell: &Arc<Bell>,
        teller: Option<Teller>,
    ) -> Result<(Arc<Self>, Poller), String> {
        Self::make(settings, topic, bell, Reports { numbered: true, teller, ..Reports::default() })
    }

    fn make(
        settings: &[(Cow<'_, str>, Secret)],
        topic: &str,
        bell: &Arc<Bell>,
        reports: Reports,
    ) -> Result<(Arc<Self>, Poller), String> {
        let mut text = [0 as c_char; 512];
        let conf = configuration(settings)?;
        let reports = Box::into_raw(Box::new(reports));
        // SAFETY: every pointer handed over is valid for the call; `conf` is ours until
        // `rd_kafka_new` succeeds, and `reports` is freed after the client is destroyed.
        unsafe {
            sys::rd_kafka_conf_set_opaque(conf, reports.cast());
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_report));
            sys::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            sys::rd_kafka_conf_set_throttle_cb(conf, Some(on_throttle));
            sys::rd_kafka_conf_set_stats_cb(conf, Some(on_statistics));
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, Some(on_token_wanted));
            let kind = sys::rd_kafka_type_t::RD_KAFKA_PRODUCER;
            let handle = sys::rd_kafka_new(kind, conf, text.as_mut_ptr(), text.len());
            if handle.is_null() {
                sys::rd_kafka_conf_destroy(conf);
                drop(Box::from_raw(reports));
                // This text is about keys that do not fit, files, threads and libraries. It repeats
                // no value: those were all taken by then.
                return Err(string(text.as_ptr()));
            }
            let topic = sys::rd_kafka_topic_new(handle, c_string(topic).as_ptr(), ptr::null_mut());
            assert!(!topic.is_null(), "a checked topic name makes a topic");
            let main_queue = sys::rd_kafka_queue_get_main(handle);
            let bell = bell.clone();
            let ring = Arc::as_ptr(&bell).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(main_queue, Some(on_event), ring);
            sys::rd_kafka_queue_destroy(main_queue); // our handle on it, not the queue
            let client = Arc::new(Self { handle, topic, reports, _bell: bell });
            Ok((client.clone(), Poller { client }))
        }
    }

    /// Hands records over to one partition. Returns those that librdkafka did not take; all others
    /// will be reported.
    ///
    /// # Safety
    /// The flights of all records must stay alive until they are reported.
    pub unsafe fn produce(&self, partition: i32, records: &mut HandOver) -> Vec<Failed> {
        let HandOver { messages, has_headers } = records;
        let mut failed = Vec::new();
        // SAFETY: by this function's contract.
        unsafe {
            match *has_headers {
                false => self.produce_batch(partition, messages, &mut failed),
                true => self.produce_mixed(partition, messages, &mut failed),
            }
        }
        failed
    }

    /// Hands records without headers over.
    ///
    /// # Safety
    /// As [`Client::produce`].
    unsafe fn produce_batch(
        &self,
        partition: i32,
        messages: &mut [sys::rd_kafka_message_t],
        failed: &mut Vec<Failed>,
    ) {
        // SAFETY: the messages are valid for the call; what they point to stays alive by this
        // function's contract. Flags 0: librdkafka neither copies nor frees the payload.
        let taken = unsafe {
            sys::rd_kafka_produce_batch(
                self.topic,
                partition,
                0,
                messages.as_mut_ptr(),
                messages.len() as c_int,
            )
        };
        if taken as usize != messages.len() {
            let refused = messages.iter().filter(|message| message.err as Code != NO_ERROR);
            failed.extend(refused.map(|message| Failed {
                partition,
                receipt: message._private.cast(),
                code: message.err as Code,
                maybe_written: false,
            }));
        }
    }

    /// librdkafka's own handle, valid as long as the client.
    pub(super) fn handle(&self) -> *mut sys::rd_kafka_t {
        self.handle
    }

    /// Asks the brokers for the topic's partitions.
    ///
    /// # Errors
    /// The fault of the request or of the topic.
    pub fn partitions(&self, timeout: Duration) -> Result<Partitions, Fault> {
        self.partitions_of(self.topic, timeout)
    }

    fn partitions_of(
        &self,
        topic: *mut sys::rd_kafka_topic_t,
        timeout: Duration,
    ) -> Result<Partitions, Fault> {
        let mut metadata = ptr::null();
        // SAFETY: the out pointer is valid; the metadata is read before it is destroyed, and
        // librdkafka's counts describe its arrays.
        unsafe {
            let code = sys::rd_kafka_metadata(
                self.handle,
                0,
                topic,
                &raw mut metadata,
                timeout.as_millis() as c_int,
            );
            if code as Code != NO_ERROR {
                return Err(Fault::of(code as Code));
            }
            let topics = slice((*metadata).topics, (*metadata).topic_cnt);
            let result = match topics.first() {
                None => Err(Fault::of(unknown_topic())),
                Some(topic) if topic_code(topic) != NO_ERROR => Err(Fault::of(topic_code(topic))),
                Some(topic) => {
                    let partitions = slice(topic.partitions, topic.partition_cnt);
                    let unknown = Partition { has_leader: false, replicas: 0, in_sync: 0 };
                    let mut found = vec![unknown; partitions.len()];
                    for partition in partitions {
                        if let Some(found) = found.get_mut(partition.id as usize) {
                            *found = Partition {
                                has_leader: partition.leader >= 0,
                                replicas: partition.replica_cnt.max(0) as u32,
                                in_sync: partition.isr_cnt.max(0) as u32,
                            };
                        }
                    }
                    Ok(found)
                }
            };
            sys::rd_kafka_metadata_destroy(metadata);
            result
        }
    }

    /// The error after which this client is of no more use, if there was one.
    pub fn fatal(&self) -> Option<Fault> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the buffer is as long as said.
        let code = unsafe { sys::rd_kafka_fatal_error(self.handle, text.as_mut_ptr(), text.len()) };
        (code as Code != NO_ERROR).then(|| Fault {
            code: code as Code,
            // SAFETY: librdkafka ends its text with a NUL.
            text: unsafe { string(text.as_ptr()) },
        })
    }

    /// Records, and reports of them, that librdkafka holds.
    pub fn held(&self) -> u64 {
        // SAFETY: the handle is valid as long as the client.
        let held = unsafe { sys::rd_kafka_outq_len(self.handle) };
        u64::try_from(held).unwrap_or(0)
    }

    /// Makes librdkafka fail everything that it holds; the reports follow at once.
    pub fn purge(&self) {
        // Not waiting for the broker threads: one of them may be resolving a name.
        let flags = sys::RD_KAFKA_PURGE_F_QUEUE
            | sys::RD_KAFKA_PURGE_F_INFLIGHT
            | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the handle is valid as long as the client.
        unsafe { sys::rd_kafka_purge(self.handle, flags as c_int) };
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody else has the handles any more, the poller included. `rd_kafka_destroy`
        // joins librdkafka's threads; after it nothing knows the address of the reports, which
        // `Box::into_raw` made, or of the bell, which is dropped after this.
        unsafe {
            sys::rd_kafka_topic_destroy(self.topic);
            sys::rd_kafka_destroy(self.handle);
            drop(Box::from_raw(self.reports));
        }
    }
}

impl Poller {
    /// The client.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Serves the callbacks that are due, without waiting, and lends what they left.
    pub fn poll(&mut self) -> &mut Reports {
        // SAFETY: the handle is valid; callbacks run inside this call, on this thread, and
        // `&mut self` keeps anybody else from the reports meanwhile and afterwards.
        unsafe {
            sys::rd_kafka_poll(self.client.handle, 0);
            &mut *self.client.reports
        }
    }
}

impl HandOver {
    /// Adds a record.
    pub fn push(&mut self, flight: &Flight, record: u32) {
        let bytes = flight.encoded.record(record);
        self.has_headers |= flight.encoded.headers.is_some();
        self.messages.push(sys::rd_kafka_message_t {
            err: sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: 0,
            payload: bytes.as_ptr().cast_mut().cast(),
            len: bytes.len(),
            key: ptr::null_mut(),
            key_len: 0,
            offset: 0,
            _private: ptr::from_ref(flight.receipt(record)).cast_mut().cast(),
        });
    }

    /// Empties it, to be used again.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.has_headers = false;
    }

    /// The receipts of its records, in their order.
    pub fn receipts(&self) -> impl Iterator<Item = *const Receipt> {
        self.messages.iter().map(|message| message._private.cast_const().cast())
    }

    /// Records in it.
    pub fn len(&self) -> usize {
        self.messages.len()
    }
}

impl Fault {
    /// The fault of this code, with librdkafka's text.
    pub fn of(code: Code) -> Self {
        Self { code, text: describe(code) }
    }
}

/// The topic's code as the integer that it is: a broker may send one that the enum lacks.
fn topic_code(topic: &sys::rd_kafka_metadata_topic) -> Code {
    // SAFETY: the field is an integer of the size of `Code`, and the topic is borrowed.
    unsafe { (&raw const topic.err).cast::<Code>().read() }
}

fn unknown_topic() -> Code {
    sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as Code
}
