//! Records with headers: `rd_kafka_produce_batch` takes none, so each of them is a call of its own.
use std::ffi::c_void;

use rdkafka::bindings::{self as sys, rd_kafka_vtype_t as Kind};

use super::{
    super::{headers::Headers, receipt::Receipt},
    Client, Code, Failed, NO_ERROR,
};

type Value = sys::rd_kafka_vu_s__bindgen_ty_1;

/// The headers of a message's record.
///
/// # Safety
/// The flight of the record must be alive as long as what is returned.
unsafe fn headers_of<'a>(message: &sys::rd_kafka_message_t) -> Option<&'a Headers> {
    // SAFETY: what the message carries is the address of a receipt, which lives with its flight.
    let receipt: &Receipt = unsafe { &*message._private.cast_const().cast() };
    // SAFETY: as above; the receipt is in the flight that it names.
    unsafe { &*std::ptr::from_ref(receipt.flight()) }.encoded.headers.as_deref()
}

impl Client {
    /// Hands records over of which some have headers, in their order.
    ///
    /// # Safety
    /// As [`Client::produce`].
    pub(super) unsafe fn produce_mixed(
        &self,
        partition: i32,
        messages: &mut [sys::rd_kafka_message_t],
        failed: &mut Vec<Failed>,
    ) {
        // SAFETY: by this function's contract all flights are alive.
        let same = |one: &sys::rd_kafka_message_t, other: &sys::rd_kafka_message_t| unsafe {
            match (headers_of(one), headers_of(other)) {
                (None, None) => true,
                (Some(one), Some(other)) => std::ptr::eq(one, other),
                _ => false,
            }
        };
        for run in messages.chunk_by_mut(same) {
            if let Some(code) = failed.last().map(|failed| failed.code) {
                // What stands behind a record that is not taken must not come before it.
                let behind = run.iter().map(|message| Failed {
                    partition,
                    receipt: message._private.cast(),
                    code,
                    maybe_written: false,
                });
                failed.extend(behind);
                continue;
            }
            // SAFETY: as above.
            unsafe {
                match headers_of(&run[0]) {
                    None => self.produce_batch(partition, run, failed),
                    Some(headers) => self.produce_headed(partition, run, headers, failed),
                }
            }
        }
    }

    /// Hands records over that have the same headers.
    ///
    /// # Safety
    /// As [`Client::produce`].
    unsafe fn produce_headed(
        &self,
        partition: i32,
        messages: &[sys::rd_kafka_message_t],
        headers: &Headers,
        failed: &mut Vec<Failed>,
    ) {
        const OPAQUE: usize = 0;
        const VALUE: usize = 1;
        let part = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
        let mut parts = vec![
            part(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: std::ptr::null_mut() }),
            part(Kind::RD_KAFKA_VTYPE_VALUE, value(std::ptr::null_mut(), 0)),
            part(Kind::RD_KAFKA_VTYPE_RKT, Value { rkt: self.topic }),
            part(Kind::RD_KAFKA_VTYPE_PARTITION, Value { i32_: partition }),
            // librdkafka neither copies nor frees the value.
            part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: 0 }),
        ];
        parts.extend(headers.iter().map(|(name, value)| {
            let header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: value.len() as isize,
            };
            part(Kind::RD_KAFKA_VTYPE_HEADER, Value { header })
        }));
        let mut refused = NO_ERROR;
        for message in messages {
            let receipt = message._private.cast();
            if refused != NO_ERROR {
                // As above: they go again in their order.
                failed.push(Failed { partition, receipt, code: refused, maybe_written: false });
                continue;
            }
            parts[OPAQUE].u = Value { ptr: message._private };
            parts[VALUE].u = value(message.payload, message.len);
            // SAFETY: the handles are valid, and each part holds the member of its kind. Names and
            // values of headers are copied; the record stays alive by this function's contract. An
            // error is ours; its code is read as the integer that it is.
            refused = unsafe {
                let error = sys::rd_kafka_produceva(self.handle, parts.as_ptr(), parts.len());
                if error.is_null() {
                    continue;
                }
                let code = sys::rd_kafka_error_code(error) as Code;
                sys::rd_kafka_error_destroy(error);
                code
            };
            failed.push(Failed { partition, receipt, code: refused, maybe_written: false });
        }
    }
}

fn value(ptr: *mut c_void, size: usize) -> Value {
    Value { mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } }
}
