//! Transactions of a producer, each call with librdkafka's own verdict.
//!
//! The calls wait. While one of them waits it serves the callbacks itself; nobody else may poll
//! meanwhile, or the commit waits for events that were taken from it (10 ms each). The Rust crate's
//! own `commit_transaction` takes 100 ms, so librdkafka's is called.
use std::{ffi::c_int, time::Duration};

use rdkafka::bindings as sys;

use super::{
    Code, Fault, Poller,
    text::{name, string},
};

/// What a failed call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is decided: the same call again goes on where this one stopped.
    Again,
    /// The transaction must be aborted; then the producer is as good as before.
    Abort,
    /// The producer is of no more use. Whether a commit took place is not known.
    Broken,
}

/// A call that failed.
#[derive(Clone, Debug)]
pub struct TransactionFault {
    /// What to do.
    pub verdict: Verdict,
    /// What happened.
    pub fault: Fault,
}

impl Poller {
    /// Fences every older producer of this transactional id and ends its transaction.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn init_transactions(&mut self, timeout: Duration) -> Result<(), TransactionFault> {
        // SAFETY: the handle is valid; callbacks run inside this call, on this thread.
        verdict(unsafe { sys::rd_kafka_init_transactions(self.client.handle, ms(timeout)) })
    }

    /// Begins a transaction. Its time counts from now.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn begin_transaction(&mut self) -> Result<(), TransactionFault> {
        // SAFETY: as above.
        verdict(unsafe { sys::rd_kafka_begin_transaction(self.client.handle) })
    }

    /// Waits for everything that was handed over, and commits it.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn commit_transaction(&mut self, timeout: Duration) -> Result<(), TransactionFault> {
        // SAFETY: as above.
        verdict(unsafe { sys::rd_kafka_commit_transaction(self.client.handle, ms(timeout)) })
    }

    /// Takes back what was handed over.
    ///
    /// # Errors
    /// librdkafka's.
    pub fn abort_transaction(&mut self, timeout: Duration) -> Result<(), TransactionFault> {
        // SAFETY: as above.
        verdict(unsafe { sys::rd_kafka_abort_transaction(self.client.handle, ms(timeout)) })
    }

    /// Why the open transaction can only be taken back, if that is so. librdkafka tells with the next
    /// call alone; and records that it means to send again once the transaction is taken back are not
    /// reported before, so that a flush waits for them in vain.
    pub fn doom(&mut self) -> Option<TransactionFault> {
        const IN_TRANSACTION: Code = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__STATE as Code;
        // Within a transaction none can begin, and how that is refused tells how this one is.
        let refused = self.begin_transaction().err();
        refused.filter(|refused| refused.fault.code != IN_TRANSACTION)
    }

    /// Waits until everything that was handed over is reported. False if it is not in time.
    pub fn flush(&mut self, timeout: Duration) -> bool {
        // SAFETY: as above.
        let code = unsafe { sys::rd_kafka_flush(self.client.handle, ms(timeout)) };
        code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

fn ms(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// Reads an error and ends it.
fn verdict(error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionFault> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours; its texts are read before it is destroyed. The code is read as the
    // integer that it is.
    unsafe {
        let code = sys::rd_kafka_error_code(error) as Code;
        let verdict = if sys::rd_kafka_error_txn_requires_abort(error) != 0 {
            Verdict::Abort
        } else if sys::rd_kafka_error_is_retriable(error) != 0 {
            Verdict::Again
        } else {
            Verdict::Broken
        };
        let text = format!("{} ({})", string(sys::rd_kafka_error_string(error)), name(code));
        sys::rd_kafka_error_destroy(error);
        Err(TransactionFault { verdict, fault: Fault { code, text } })
    }
}
