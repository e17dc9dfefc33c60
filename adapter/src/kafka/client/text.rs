//! Between the strings of C and ours.
use std::ffi::{CStr, CString, c_char, c_int};

use keyvault::Secret;
use rdkafka::bindings as sys;
use zeroize::Zeroizing;

use super::Code;

/// librdkafka's sentence for a code.
pub fn describe(code: Code) -> String {
    sys::rd_kafka_resp_err_t::try_from(code).map_or_else(
        |_| format!("broker error {code}"),
        // SAFETY: librdkafka's texts are static.
        |known| unsafe { string(sys::rd_kafka_err2str(known)) },
    )
}

/// librdkafka's name for a code, such as `TOPIC_AUTHORIZATION_FAILED`.
pub fn name(code: Code) -> String {
    sys::rd_kafka_resp_err_t::try_from(code).map_or_else(
        |_| format!("ERROR_{code}"),
        // SAFETY: librdkafka's texts are static.
        |known| unsafe { string(sys::rd_kafka_err2name(known)) },
    )
}

/// A C string; settings come from a checked job file, so there is no NUL in them.
pub(in super::super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).expect("NULs are taken out")
}

/// The same for what may be a secret: wiped when dropped.
#[expect(clippy::disallowed_methods, reason = "librdkafka takes its settings as text")]
pub(super) fn c_secret(secret: &Secret) -> Zeroizing<Vec<u8>> {
    let bytes = secret.expose();
    // Reserved whole: a vector that grows would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    text.extend(bytes.iter().filter(|byte| **byte != 0));
    text.push(0);
    text
}

pub(in super::super) unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's text is NUL-terminated.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

pub(super) unsafe fn slice<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    if first.is_null() || count <= 0 {
        return &[];
    }
    // SAFETY: the caller's count describes the array.
    unsafe { std::slice::from_raw_parts(first, count as usize) }
}
