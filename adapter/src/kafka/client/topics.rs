//! Topics as the brokers have them: their ids, what a user may do with them, and new ones.
use std::{
    ffi::{c_char, c_int},
    ptr, slice,
    time::Duration,
};

use rdkafka::bindings as sys;

use super::{
    Client, Code, Fault, NO_ERROR,
    text::{c_string, string},
};

/// A topic to be made.
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas.
    pub replicas: i32,
    /// Its settings.
    pub settings: &'a [(&'a str, String)],
}

/// What the user of a client may do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Read its records.
    pub read: bool,
    /// Write some.
    pub write: bool,
}

impl Client {
    /// The id of a topic (KIP-516): one of the same name that is made anew has another. `None`
    /// where the brokers have no ids.
    ///
    /// # Errors
    /// The fault of the request or of the topic.
    pub fn topic_id(&self, topic: &str, timeout: Duration) -> Result<Option<String>, Fault> {
        // SAFETY: the event is valid.
        let id = |event| unsafe { topic_id_of(event) };
        self.describe(topic, false, timeout, id).unwrap_or_else(|| Err(timed_out()))
    }

    /// What the client's user may do with a topic (KIP-430); `None` if the brokers do not tell.
    pub fn rights(&self, topic: &str, timeout: Duration) -> Option<Rights> {
        // SAFETY: the event is valid.
        self.describe(topic, true, timeout, |event| unsafe { rights_of(event) }).flatten()
    }

    /// Has a topic described, and reads the answer; `None` if there is none.
    fn describe<T>(
        &self,
        topic: &str,
        with_rights: bool,
        timeout: Duration,
        read: impl FnOnce(*mut sys::rd_kafka_event_t) -> T,
    ) -> Option<T> {
        let topic = c_string(topic);
        let mut names = [topic.as_ptr()];
        // SAFETY: each object is made, used and destroyed here, and lives as long as the call that
        // takes it; the result is read before the event that owns it is destroyed.
        unsafe {
            let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
            let options = self.options(operation, timeout);
            let wanted = c_int::from(with_rights);
            let refused =
                sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, wanted);
            assert!(refused.is_null(), "the request has this option");
            let topics =
                sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            let queue = sys::rd_kafka_queue_new(self.handle);
            sys::rd_kafka_DescribeTopics(self.handle, topics, options, queue);
            let event = sys::rd_kafka_queue_poll(queue, wait_ms(timeout));
            let found = if event.is_null() { None } else { Some(read(event)) };
            sys::rd_kafka_event_destroy(event); // of none does nothing
            sys::rd_kafka_queue_destroy(queue);
            sys::rd_kafka_TopicCollection_destroy(topics);
            sys::rd_kafka_AdminOptions_destroy(options);
            found
        }
    }

    /// Makes a topic. That it is there already is no error; it is false then.
    ///
    /// # Errors
    /// Why it is not there now.
    pub fn create_topic(&self, topic: &NewTopic<'_>, timeout: Duration) -> Result<bool, Fault> {
        self.ask_for_topic(topic, false, timeout)
    }

    /// Asks whether a topic would be made, which the brokers judge as if it were to be. None is.
    ///
    /// # Errors
    /// Why it would not.
    pub fn may_create_topic(&self, topic: &NewTopic<'_>, timeout: Duration) -> Result<(), Fault> {
        self.ask_for_topic(topic, true, timeout).map(drop)
    }

    /// Deletes a topic. That it is not there is no error.
    ///
    /// # Errors
    /// Why it may be there still.
    pub fn delete_topic(&self, topic: &str, timeout: Duration) -> Result<(), Fault> {
        // SAFETY: as above.
        unsafe {
            let mut old = sys::rd_kafka_DeleteTopic_new(c_string(topic).as_ptr());
            let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS;
            let options = self.options(operation, timeout);
            let queue = sys::rd_kafka_queue_new(self.handle);
            sys::rd_kafka_DeleteTopics(self.handle, &raw mut old, 1, options, queue);
            let event = sys::rd_kafka_queue_poll(queue, wait_ms(timeout));
            let deleted = if event.is_null() { Err(timed_out()) } else { deleted(event).map(drop) };
            sys::rd_kafka_event_destroy(event); // of none does nothing
            sys::rd_kafka_queue_destroy(queue);
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_DeleteTopic_destroy(old);
            deleted
        }
    }

    fn ask_for_topic(
        &self,
        topic: &NewTopic<'_>,
        validate_only: bool,
        timeout: Duration,
    ) -> Result<bool, Fault> {
        let mut text = [0 as c_char; 256];
        // SAFETY: as above.
        unsafe {
            let mut new = sys::rd_kafka_NewTopic_new(
                c_string(topic.name).as_ptr(),
                topic.partitions,
                topic.replicas,
                text.as_mut_ptr(),
                text.len(),
            );
            if new.is_null() {
                return Err(Fault { code: 0, text: string(text.as_ptr()) });
            }
            for (name, value) in topic.settings {
                let (name, value) = (c_string(name), c_string(value));
                sys::rd_kafka_NewTopic_set_config(new, name.as_ptr(), value.as_ptr());
            }
            let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
            let options = self.options(operation, timeout);
            let set = sys::rd_kafka_AdminOptions_set_validate_only(
                options,
                c_int::from(validate_only),
                text.as_mut_ptr(),
                text.len(),
            );
            assert!(set as Code == NO_ERROR, "the request has this option");
            let queue = sys::rd_kafka_queue_new(self.handle);
            sys::rd_kafka_CreateTopics(self.handle, &raw mut new, 1, options, queue);
            let event = sys::rd_kafka_queue_poll(queue, wait_ms(timeout));
            let made = if event.is_null() { Err(timed_out()) } else { made(event) };
            sys::rd_kafka_event_destroy(event); // of none does nothing
            sys::rd_kafka_queue_destroy(queue);
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_NewTopic_destroy(new);
            made
        }
    }

    /// How many brokers there are; 0 if nobody tells.
    pub fn broker_count(&self, timeout: Duration) -> i32 {
        let mut metadata = ptr::null();
        // SAFETY: the out pointer is valid; the metadata is read before it is destroyed.
        unsafe {
            let ms = timeout.as_millis() as c_int;
            let code = sys::rd_kafka_metadata(self.handle, 0, self.topic, &raw mut metadata, ms);
            if code as Code != NO_ERROR {
                return 0;
            }
            let count = (*metadata).broker_cnt;
            sys::rd_kafka_metadata_destroy(metadata);
            count
        }
    }

    unsafe fn options(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> *mut sys::rd_kafka_AdminOptions_t {
        let mut text = [0 as c_char; 128];
        // SAFETY: the handle is valid; whoever asks destroys the options.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.handle, operation);
            let ms = timeout.as_millis() as c_int;
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                ms,
                text.as_mut_ptr(),
                text.len(),
            );
            options
        }
    }
}

/// A little more than the brokers get.
fn wait_ms(timeout: Duration) -> c_int {
    (timeout.as_millis() as c_int).saturating_add(100)
}

fn timed_out() -> Fault {
    Fault::of(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT as Code)
}

/// # Safety
/// The event must be valid.
unsafe fn topic_id_of(event: *mut sys::rd_kafka_event_t) -> Result<Option<String>, Fault> {
    let mut count = 0;
    // SAFETY: librdkafka's counts describe its arrays, which live as long as the event; codes are
    // read as the integers that they are.
    unsafe {
        let code = sys::rd_kafka_event_error(event) as Code;
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() || code != NO_ERROR {
            return Err(Fault::of(code));
        }
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return Err(Fault::of(code));
        }
        let error = sys::rd_kafka_TopicDescription_error(*topics);
        if !error.is_null() && sys::rd_kafka_error_code(error) as Code != NO_ERROR {
            return Err(Fault::of(sys::rd_kafka_error_code(error) as Code));
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(*topics);
        let both = |id| {
            (
                sys::rd_kafka_Uuid_most_significant_bits(id),
                sys::rd_kafka_Uuid_least_significant_bits(id),
            )
        };
        if id.is_null() || both(id) == (0, 0) {
            return Ok(None);
        }
        Ok(Some(string(sys::rd_kafka_Uuid_base64str(id))))
    }
}

/// # Safety
/// The event must be valid.
unsafe fn rights_of(event: *mut sys::rd_kafka_event_t) -> Option<Rights> {
    use sys::rd_kafka_AclOperation_t as Operation;
    let mut count = 0;
    // SAFETY: librdkafka's counts describe its arrays, which live as long as the event. A broker
    // may name operations that the bindings' enum lacks, so they are read as the integers that
    // they are.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count != 1 {
            return None;
        }
        let operations =
            sys::rd_kafka_TopicDescription_authorized_operations(*topics, &raw mut count);
        if operations.is_null() {
            return None;
        }
        let granted = slice::from_raw_parts(operations.cast::<u32>(), count);
        let has = |operation: Operation| granted.contains(&(operation as u32));
        Some(Rights {
            read: has(Operation::RD_KAFKA_ACL_OPERATION_READ),
            write: has(Operation::RD_KAFKA_ACL_OPERATION_WRITE),
        })
    }
}

/// # Safety
/// The event must be valid.
unsafe fn made(event: *mut sys::rd_kafka_event_t) -> Result<bool, Fault> {
    let mut count = 0;
    // SAFETY: as above; what is null is not asked.
    unsafe {
        let result = sys::rd_kafka_event_CreateTopics_result(event);
        let topics = match result.is_null() {
            true => ptr::null_mut(),
            false => sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count),
        };
        let exists = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS as Code;
        answer(event, topics, count, exists)
    }
}

/// # Safety
/// The event must be valid.
unsafe fn deleted(event: *mut sys::rd_kafka_event_t) -> Result<bool, Fault> {
    let mut count = 0;
    // SAFETY: as above.
    unsafe {
        let result = sys::rd_kafka_event_DeleteTopics_result(event);
        let topics = match result.is_null() {
            true => ptr::null_mut(),
            false => sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count),
        };
        let missing = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as Code;
        answer(event, topics, count, missing)
    }
}

/// What brokers say of the one topic that they were asked to make or delete; `as_wanted` says that it
/// was so already, which is false.
///
/// # Safety
/// The event must be valid, and `topics` null or `count` results of it.
unsafe fn answer(
    event: *mut sys::rd_kafka_event_t,
    topics: *mut *const sys::rd_kafka_topic_result_t,
    count: usize,
    as_wanted: Code,
) -> Result<bool, Fault> {
    // SAFETY: as above; codes are read as the integers that they are.
    unsafe {
        let code = sys::rd_kafka_event_error(event) as Code;
        if code != NO_ERROR || topics.is_null() || count != 1 {
            return Err(Fault::of(code));
        }
        let code = sys::rd_kafka_topic_result_error(*topics) as Code;
        if code == NO_ERROR || code == as_wanted {
            return Ok(code == NO_ERROR);
        }
        Err(Fault { code, text: string(sys::rd_kafka_topic_result_error_string(*topics)) })
    }
}
