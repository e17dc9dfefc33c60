//! Records with headers: `rd_kafka_produce_batch` takes none, so each of them is a call of its own.
use rdkafka::bindings as sys;

use super::{
    super::{headers::Headers, receipt::Receipt},
    Client, Failed, NO_ERROR,
    call::Call,
};

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
        let mut refused = NO_ERROR;
        // SAFETY: the topic lives as long as the client, and the headers are borrowed. librdkafka
        // neither copies nor frees the value.
        let mut call = unsafe { Call::new(self.topic, partition, 0, headers.iter()) };
        for message in messages {
            if refused == NO_ERROR {
                let value = (message.payload, message.len);
                // SAFETY: the topic is one of this client's, and the record stays alive by this
                // function's contract.
                match unsafe { call.make(self.handle, value, message._private) } {
                    Ok(()) => continue,
                    Err(fault) => refused = fault.code,
                }
            }
            // What stands behind it goes again with it, as above.
            let receipt = message._private.cast();
            failed.push(Failed { partition, receipt, code: refused, maybe_written: false });
        }
    }
}
