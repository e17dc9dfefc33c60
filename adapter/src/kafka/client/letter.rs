//! Dead letters on their way: records without a key and with headers, for a topic beside the client's
//! own or the client's own. They are copied, and reported by their numbers.
use std::ffi::c_void;

use rdkafka::bindings::{self as sys, rd_kafka_vtype_t as Kind};

use super::{
    super::letter::Letter,
    Code, Fault, Side,
    text::{name, string},
};

/// The number of letters that are not told apart, since they are part of a transaction.
pub const LETTER: usize = 1;

/// librdkafka's word for the partition that it chooses (`RD_KAFKA_PARTITION_UA`).
const ANY_PARTITION: i32 = -1;

type Value = sys::rd_kafka_vu_s__bindgen_ty_1;

impl Side {
    /// Hands a letter over, with this value and under this number, to any partition.
    ///
    /// # Errors
    /// Why librdkafka does not take it.
    pub fn send(&self, letter: &Letter, value: &str, number: usize) -> Result<(), Fault> {
        let headers: Vec<_> = letter.headers().collect();
        let part = |vtype, u| sys::rd_kafka_vu_t { vtype, u };
        let (ptr, size) = (value.as_ptr().cast_mut().cast::<c_void>(), value.len());
        let mem = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size };
        let opaque = std::ptr::without_provenance_mut(number);
        let mut parts = vec![
            part(Kind::RD_KAFKA_VTYPE_RKT, Value { rkt: self.topic }),
            part(Kind::RD_KAFKA_VTYPE_PARTITION, Value { i32_: ANY_PARTITION }),
            part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: sys::RD_KAFKA_MSG_F_COPY }),
            part(Kind::RD_KAFKA_VTYPE_VALUE, Value { mem }),
            part(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: opaque }),
        ];
        parts.extend(headers.iter().map(|(name, value)| {
            let header = sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                size: value.len() as isize,
            };
            part(Kind::RD_KAFKA_VTYPE_HEADER, Value { header })
        }));
        // SAFETY: the handles are valid, and each part holds the member of its kind; the texts are
        // valid for the call, and librdkafka copies them. An error is ours: its text is read before
        // it is destroyed, and its code as the integer that it is.
        unsafe {
            let handle = self.client.handle();
            let error = sys::rd_kafka_produceva(handle, parts.as_ptr(), parts.len());
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
