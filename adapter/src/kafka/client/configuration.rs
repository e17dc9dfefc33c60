//! librdkafka's settings.
use std::{borrow::Cow, ffi::c_char};

use keyvault::Secret;
use rdkafka::bindings as sys;

use super::text::{c_secret, c_string};

/// A configuration with these settings; it belongs to the caller.
///
/// # Errors
/// Names the setting that librdkafka refuses, never its value.
pub(in super::super) fn configuration(
    settings: &[(Cow<'_, str>, Secret)],
) -> Result<*mut sys::rd_kafka_conf_t, String> {
    let mut text = [0 as c_char; 512];
    // SAFETY: every pointer handed over is valid for the call.
    unsafe {
        let conf = sys::rd_kafka_conf_new();
        for (key, value) in settings {
            let result = sys::rd_kafka_conf_set(
                conf,
                c_string(key).as_ptr(),
                c_secret(value).as_ptr().cast(),
                text.as_mut_ptr(),
                text.len(),
            );
            if result != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                sys::rd_kafka_conf_destroy(conf);
                return Err(format!("librdkafka refuses the setting `{key}`"));
            }
        }
        Ok(conf)
    }
}
