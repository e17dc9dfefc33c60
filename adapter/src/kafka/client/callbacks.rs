//! What librdkafka calls: reports, faults, log lines.
use std::{
    ffi::{c_char, c_int, c_void},
    time::Duration,
};

use rdkafka::bindings as sys;

use super::{
    super::receipt::{Receipt, Settled},
    Bell, Code, Failed, Fault, LETTER, Marked, NO_ERROR, Reported, Reports, name,
    text::string,
};

pub(super) unsafe extern "C" fn on_report(
    _handle: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka calls this inside `Poller::poll`, with the reports as opaque value and a
    // message that is valid for the call; its `_private` is a number or the address of a receipt
    // whose flight is alive because it is not reported before now. `LETTER` is nobody's address. `err` is read as the integer that it is.
    let (reports, receipt, code, partition) = unsafe {
        let code = (&raw const (*message).err).cast::<Code>().read();
        let receipt: *const Receipt = (*message)._private.cast();
        (&mut *opaque.cast::<Reports>(), receipt, code, (*message).partition)
    };
    let number = receipt.addr();
    if reports.numbered || number <= LETTER {
        // SAFETY: as above.
        let offset = unsafe { (*message).offset };
        reports.marks.push(Marked { code, offset, number });
        return;
    }
    if code == NO_ERROR {
        if !reports.deferred {
            // SAFETY: as above.
            unsafe { &*receipt }.settle(Settled::Durable);
        }
    } else {
        // SAFETY: as above.
        let status = unsafe { sys::rd_kafka_message_status(message) };
        let never = sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
        let maybe_written = status as c_int != never as c_int;
        reports.failed.push(Failed { partition, receipt, code, maybe_written });
    }
    // SAFETY: as above.
    let offset = unsafe { (*message).offset };
    // One that failed has what librdkafka counts on from -1.
    let offset = if code == NO_ERROR { offset } else { Reported::NOWHERE };
    reports.join(partition, offset);
}

/// librdkafka asks for a token, and would refuse to log in by one if nobody listened. A task of
/// ours renews it ahead of time and sets it when it has come.
pub(in super::super) unsafe extern "C" fn on_token_wanted(
    _handle: *mut sys::rd_kafka_t,
    _config: *const c_char,
    _opaque: *mut c_void,
) {
}

/// Called from any of librdkafka's threads, with the queue's lock held: it must not call back.
pub(super) unsafe extern "C" fn on_event(_handle: *mut sys::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: the client keeps its bell until the producer is destroyed.
    unsafe { &*bell.cast::<Bell>() }.ring();
}

/// Called when a broker delays its answers, and once more when it does so no longer, with a time of 0.
pub(super) unsafe extern "C" fn on_throttle(
    _handle: *mut sys::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    throttle_ms: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: called inside `Poller::poll` with the reports as opaque value.
    let reports = unsafe { &mut *opaque.cast::<Reports>() };
    reports.throttles.push(Duration::from_millis(u64::try_from(throttle_ms).unwrap_or(0)));
}

/// Called once an interval, if there is one.
pub(super) unsafe extern "C" fn on_statistics(
    _handle: *mut sys::rd_kafka_t,
    json: *mut c_char,
    length: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: called inside `Poller::poll` with the reports as opaque value; the text is as long as
    // said and valid for the call.
    let (reports, json) = unsafe {
        (&*opaque.cast::<Reports>(), std::slice::from_raw_parts(json.cast::<u8>(), length))
    };
    if let Some(teller) = &reports.teller {
        teller.tell(json);
    }
    0 // librdkafka frees the text
}

pub(super) unsafe extern "C" fn on_error(
    _handle: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: called inside `Poller::poll` with the reports as opaque value.
    let reports = unsafe { &mut *opaque.cast::<Reports>() };
    // SAFETY: librdkafka's text is valid for the call.
    let text = unsafe { string(reason) };
    tracing::debug!(target: "librdkafka", code = name(code), "{text}");
    reports.errors.push(Fault { code, text });
}

/// Called from any of librdkafka's threads.
pub(super) unsafe extern "C" fn on_log(
    _handle: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // SAFETY: librdkafka's texts are valid for the call.
    let (facility, text) = unsafe { (string(facility), string(text)) };
    // What matters to an operator reaches the error callback and is logged there with its
    // remedy; librdkafka's own lines are for those who ask for them.
    match level {
        0..=3 => tracing::info!(target: "librdkafka", facility, "{text}"),
        _ => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}
