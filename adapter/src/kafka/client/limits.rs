//! What a topic's settings demand, as the brokers tell.
use std::{
    ffi::{CStr, c_char, c_int},
    time::Duration,
};

use rdkafka::bindings as sys;

use super::{
    Client,
    text::{c_string, slice, string},
};

/// What a topic's settings demand; `None` where the brokers do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicLimits {
    /// `max.message.bytes`.
    pub message_bytes_max: Option<u64>,
    /// `min.insync.replicas`.
    pub in_sync_min: Option<u32>,
    /// `cleanup.policy`.
    pub cleanup_policy: Option<String>,
}

impl Client {
    /// Asks the brokers for what the topic's settings demand.
    pub fn limits(&self, topic: &str, timeout: Duration) -> TopicLimits {
        // SAFETY: each object is made, used and destroyed here; the strings of the result are
        // read before the event that owns them is destroyed.
        unsafe {
            let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
            let options = sys::rd_kafka_AdminOptions_new(self.handle, op);
            let ms = timeout.as_millis() as c_int;
            let mut text = [0 as c_char; 128];
            sys::rd_kafka_AdminOptions_set_request_timeout(
                options,
                ms,
                text.as_mut_ptr(),
                text.len(),
            );
            let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
            let mut resource = sys::rd_kafka_ConfigResource_new(kind, c_string(topic).as_ptr());
            let queue = sys::rd_kafka_queue_new(self.handle);
            sys::rd_kafka_DescribeConfigs(self.handle, &raw mut resource, 1, options, queue);
            let event = sys::rd_kafka_queue_poll(queue, ms.saturating_add(100));
            let mut found = TopicLimits::default();
            if !event.is_null() {
                let result = sys::rd_kafka_event_DescribeConfigs_result(event);
                if !result.is_null() {
                    found = limits_of(result);
                }
                sys::rd_kafka_event_destroy(event);
            }
            sys::rd_kafka_queue_destroy(queue);
            sys::rd_kafka_ConfigResource_destroy(resource);
            sys::rd_kafka_AdminOptions_destroy(options);
            found
        }
    }
}

unsafe fn limits_of(result: *const sys::rd_kafka_DescribeConfigs_result_t) -> TopicLimits {
    let (mut count, mut limits) = (0, TopicLimits::default());
    // SAFETY: the caller's result is valid, and librdkafka's counts describe its arrays.
    unsafe {
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
        let Some(resource) = slice(resources, count as c_int).first() else { return limits };
        let entries = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut count);
        for entry in slice(entries, count as c_int) {
            let value = string(sys::rd_kafka_ConfigEntry_value(*entry));
            match CStr::from_ptr(sys::rd_kafka_ConfigEntry_name(*entry)).to_bytes() {
                b"max.message.bytes" => limits.message_bytes_max = value.parse().ok(),
                b"min.insync.replicas" => limits.in_sync_min = value.parse().ok(),
                b"cleanup.policy" => limits.cleanup_policy = Some(value),
                _ => {}
            }
        }
    }
    limits
}
