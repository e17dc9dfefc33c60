//! Has a transactional id opened, which fences whoever had it, and says what a refusal means.
use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::bindings::rd_kafka_resp_err_t as Native;

use super::{
    super::{
        cause::Cause,
        client::{Fault, Poller, TransactionFault, Verdict},
    },
    producer::OpenFault,
};

/// How long one call may wait before somebody looks whether it is still wanted.
pub(super) const CALL_MAX: Duration = Duration::from_secs(2);

/// How long a call may be undecided before the producer is thrown away.
pub(super) const COMMIT_MAX: Duration = Duration::from_secs(20);

/// What is opened.
pub struct Opening<'a> {
    /// The transactional id.
    pub id: &'a str,
    /// How long its transactions may be open.
    pub timeout: Duration,
    /// The topic of the output, for what is said of faults.
    pub topic: &'a str,
}

impl Opening<'_> {
    /// Opens it.
    ///
    /// # Errors
    /// Why it is not open.
    pub(super) fn init(
        &self,
        poller: &mut Poller,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), OpenFault> {
        self.call(poller, goes_on).map_err(|fault| match self.refusal(&fault) {
            _ if !goes_on() => OpenFault::Stopped,
            Some(cause) => OpenFault::Refused(cause),
            None => OpenFault::Later(Cause::of_fault(&fault, self.topic)),
        })
    }

    /// Opens it until then, to see whether that works.
    ///
    /// # Errors
    /// Why it does not.
    pub fn attempt(&self, poller: &mut Poller, end: Instant) -> Result<(), Cause> {
        self.call(poller, &|| Instant::now() < end).map_err(|fault| {
            self.refusal(&fault).unwrap_or_else(|| Cause::of_fault(&fault, self.topic))
        })
    }

    fn call(&self, poller: &mut Poller, goes_on: &dyn Fn() -> bool) -> Result<(), Fault> {
        decide(goes_on, || poller.init_transactions(CALL_MAX)).map_err(|error| error.fault)
    }

    /// What somebody must do about a fault, if that is so.
    fn refusal(&self, fault: &Fault) -> Option<Cause> {
        let is = |native: Native| fault.code == native as i32;
        let (id, said) = (self.id, &fault.text);
        if is(Native::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
            || is(Native::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        {
            let text = format!(
                "the output's user may not use the transactional id `{id}`: {said}. Grant it WRITE \
                 on transactional ids with the prefix `kafka-output.`"
            );
            Some(Cause::new("TRANSACTIONAL_ID_NOT_AUTHORIZED", text))
        } else if is(Native::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT) {
            let text = format!(
                "the brokers do not take `transactions.timeout` of {} s: {said}. Lower it, or \
                 raise `transaction.max.timeout.ms` there",
                self.timeout.as_secs()
            );
            Some(Cause::new("TRANSACTION_TIMEOUT_REFUSED", text))
        } else if is(Native::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
            || is(Native::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION)
            || is(Native::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT)
        {
            let text = format!(
                "the brokers have no transactions: {said}. `guarantee: exactlyOnce` needs Kafka \
                 2.5, or Event Hubs Premium or Dedicated"
            );
            Some(Cause::new("TRANSACTIONS_UNSUPPORTED", text))
        } else {
            None
        }
    }
}

/// Calls again and again until there is a verdict. What is undecided in the end counts as broken.
pub(super) fn decide(
    goes_on: &dyn Fn() -> bool,
    mut call: impl FnMut() -> Result<(), TransactionFault>,
) -> Result<(), TransactionFault> {
    let end = Instant::now() + COMMIT_MAX;
    loop {
        match call() {
            Err(TransactionFault { verdict: Verdict::Again, fault }) => {
                if Instant::now() >= end || !goes_on() {
                    return Err(TransactionFault { verdict: Verdict::Broken, fault });
                }
                // Some say so at once.
                thread::sleep(Duration::from_millis(10));
            }
            decided => return decided,
        }
    }
}
