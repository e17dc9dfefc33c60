//! One record handed over by a call of its own, `rd_kafka_produceva`, which takes headers.
use std::{
    ffi::{CStr, c_int, c_void},
    marker::PhantomData,
};

use rdkafka::bindings::{self as sys, rd_kafka_vtype_t as Kind};

use super::{
    Code, Fault,
    text::{name, string},
};

type Value = sys::rd_kafka_vu_s__bindgen_ty_1;

const OPAQUE: usize = 0;
const VALUE: usize = 1;

/// What a call is given: all but a record's value and opaque is the same for every record of it.
pub(super) struct Call<'a>(Vec<sys::rd_kafka_vu_t>, PhantomData<&'a CStr>);

impl<'a> Call<'a> {
    /// Of records with these headers; librdkafka copies names and values of them.
    ///
    /// # Safety
    /// The topic must be alive at each [`Call::make`].
    pub(super) unsafe fn new(
        topic: *mut sys::rd_kafka_topic_t,
        partition: i32,
        flags: c_int,
        headers: impl Iterator<Item = (&'a CStr, &'a [u8])>,
    ) -> Self {
        let part = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
        let mut parts = vec![
            part(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: std::ptr::null_mut() }),
            part(Kind::RD_KAFKA_VTYPE_VALUE, value(std::ptr::null_mut(), 0)),
            part(Kind::RD_KAFKA_VTYPE_RKT, Value { rkt: topic }),
            part(Kind::RD_KAFKA_VTYPE_PARTITION, Value { i32_: partition }),
            part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: flags }),
        ];
        parts.extend(headers.map(|(name, value)| {
            let header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: value.len() as isize,
            };
            part(Kind::RD_KAFKA_VTYPE_HEADER, Value { header })
        }));
        Self(parts, PhantomData)
    }

    /// Hands a record over.
    ///
    /// # Errors
    /// Why librdkafka does not take it.
    ///
    /// # Safety
    /// The handle must be that of the topic. The value must be valid for the call, and unless the
    /// flags say that librdkafka copies it, until the record is reported. The opaque value must be what
    /// the client's reports take it for: the address of a receipt that lives as long, or a number.
    pub(super) unsafe fn make(
        &mut self,
        handle: *mut sys::rd_kafka_t,
        (data, size): (*mut c_void, usize),
        opaque: *mut c_void,
    ) -> Result<(), Fault> {
        self.0[OPAQUE].u = Value { ptr: opaque };
        self.0[VALUE].u = value(data, size);
        // SAFETY: by this function's contract the handles are valid, and each part holds the member
        // of its kind. An error is ours: its text is read before it is destroyed, and its code as
        // the integer that it is.
        unsafe {
            let error = sys::rd_kafka_produceva(handle, self.0.as_ptr(), self.0.len());
            if error.is_null() {
                return Ok(());
            }
            let code = sys::rd_kafka_error_code(error) as Code;
            let text = format!("{} ({})", string(sys::rd_kafka_error_string(error)), name(code));
            sys::rd_kafka_error_destroy(error);
            Err(Fault { code, text })
        }
    }
}

fn value(ptr: *mut c_void, size: usize) -> Value {
    Value { mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } }
}
