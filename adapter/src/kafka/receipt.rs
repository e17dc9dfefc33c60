//! Receipts: every record of a batch settles exactly once, and silence means lost.
//!
//! A [`Flight`] is a batch on its way: the encoded bytes that librdkafka reads without copying, a
//! [`Receipt`] for each record, and the room that it takes in the budget. It ends when the last
//! receipt settles; its [`Ticket`] then tells the outcome. A flight that is dropped before that
//! answers *lost*.
use std::ops::Range;

use super::{budget::Permit, cause::Cause};
use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
    oneshot,
};

/// Encoded records and the rows they are made of.
#[derive(Default)]
pub struct Encoded {
    /// The records, one behind the other.
    pub bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    pub ends: Vec<u32>,
    /// The rows of each record.
    pub rows: Rows,
}

/// Which rows the records of a flight hold.
#[derive(Default)]
pub struct Rows {
    /// The place behind the last row of each record, if records hold several; else record *i*
    /// holds the row at place *i*.
    pub ends: Vec<u32>,
    /// The row at each place; `None` if it is the place's own number.
    pub numbers: Option<Vec<u32>>,
}

impl Rows {
    /// The rows of a record, in order.
    pub fn of(&self, record: u32) -> impl Iterator<Item = u32> {
        self.places(record).map(|place| self.number(place))
    }

    /// The first row of a record.
    pub fn first(&self, record: u32) -> u32 {
        self.number(self.places(record).start)
    }

    /// The last row of a record.
    pub fn last(&self, record: u32) -> u32 {
        self.number(self.places(record).end - 1)
    }

    /// How many rows each record holds, if records hold several.
    pub fn counts(&self) -> impl Iterator<Item = u32> {
        self.ends.iter().scan(0, |before, end| Some(end - std::mem::replace(before, *end)))
    }

    fn places(&self, record: u32) -> Range<u32> {
        match record {
            _ if self.ends.is_empty() => record..record + 1,
            0 => 0..self.ends[0],
            _ => self.ends[record as usize - 1]..self.ends[record as usize],
        }
    }

    fn number(&self, place: u32) -> u32 {
        self.numbers.as_ref().map_or(place, |numbers| numbers[place as usize])
    }
}

impl Encoded {
    /// The bytes of a record.
    pub fn record(&self, record: u32) -> &[u8] {
        let record = record as usize;
        let start = if record == 0 { 0 } else { self.ends[record - 1] as usize };
        &self.bytes[start..self.ends[record] as usize]
    }
}

/// How one record ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Kafka has it, as the output's `acks` say.
    Durable,
    /// The broker refused it for good and the error policy sets it aside: it is not written.
    Rejected(Cause),
    /// It may be written or not.
    Unknown(Cause),
}

/// How a batch ended: nothing in it means that every record is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the broker refused for good, record by record, in no order.
    pub rejected: Vec<RejectedRows>,
    /// Why some records may be written or not.
    pub unknown: Option<Cause>,
}

/// A record that the broker refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRows {
    /// Its rows, in order.
    pub rows: Vec<u32>,
    /// Why.
    pub cause: Cause,
}

/// Waits for the outcome of a batch.
pub struct Ticket {
    done: oneshot::Receiver<Outcome>,
    held: Arc<Mutex<Option<Cause>>>,
}

/// A batch on its way.
pub struct Flight {
    /// What librdkafka reads.
    pub encoded: Encoded,
    receipts: Box<[Receipt]>,
    unsettled: AtomicU32,
    outcome: Mutex<Outcome>,
    done: Mutex<Option<oneshot::Sender<Outcome>>>,
    held: Arc<Mutex<Option<Cause>>>,
    _room: Permit,
}

/// The receipt of one record; its address is what librdkafka carries for the record.
pub struct Receipt {
    flight: *const Flight,
    record: u32,
    settled: AtomicBool,
}

// SAFETY: a receipt only points at the flight that owns it, which is Sync in all other parts.
unsafe impl Send for Receipt {}
// SAFETY: as above; `flight` and `record` never change after the flight is made.
unsafe impl Sync for Receipt {}

impl Flight {
    /// A batch that is about to be handed over, and the ticket for its outcome. A batch without
    /// records ends at once.
    pub fn launch(encoded: Encoded, room: Permit) -> (Arc<Self>, Ticket) {
        let (done, ticket) = oneshot::channel();
        let count = encoded.ends.len() as u32;
        let held = Arc::<Mutex<Option<Cause>>>::default();
        let mut flight = Arc::new(Self {
            encoded,
            receipts: Box::default(),
            unsettled: AtomicU32::new(count),
            outcome: Mutex::default(),
            done: Mutex::new(Some(done)),
            held: held.clone(),
            _room: room,
        });
        let address = Arc::as_ptr(&flight);
        Arc::get_mut(&mut flight).expect("nobody else has it yet").receipts = (0..count)
            .map(|record| Receipt { flight: address, record, settled: AtomicBool::new(false) })
            .collect();
        if count == 0 {
            flight.end();
        }
        (flight, Ticket { done: ticket, held })
    }

    /// The receipt of a record.
    pub fn receipt(&self, record: u32) -> &Receipt {
        &self.receipts[record as usize]
    }

    /// Says why records of this batch wait, or that they do no more.
    pub fn hold(&self, cause: Option<Cause>) {
        *self.held.lock().expect("nothing panics in it") = cause;
    }

    fn end(&self) {
        let outcome = std::mem::take(&mut *self.outcome.lock().expect("nothing panics in it"));
        let done = self.done.lock().expect("nothing panics in it").take();
        // The stream may have gone; the records are settled all the same.
        let _ = done.expect("a flight ends once").send(outcome);
    }
}

impl Receipt {
    /// The flight that this receipt belongs to. The caller must hold that flight alive.
    pub fn flight(&self) -> &Flight {
        // SAFETY: the receipt lives inside the flight, so while `self` is borrowed it is there.
        unsafe { &*self.flight }
    }

    /// The record's index in its flight.
    pub fn record(&self) -> u32 {
        self.record
    }

    /// Settles the record, once and for all. True if it was the last of its flight.
    ///
    /// # Panics
    /// If the record is settled already: two answers for one record would make every
    /// acknowledgement doubtful.
    pub fn settle(&self, settled: Settled) -> bool {
        assert!(!self.settled.swap(true, Ordering::Relaxed), "a record settles once");
        let flight = self.flight();
        if settled != Settled::Durable {
            let mut outcome = flight.outcome.lock().expect("nothing panics in it");
            match settled {
                Settled::Durable => {}
                Settled::Rejected(cause) => {
                    let rows = flight.encoded.rows.of(self.record).collect();
                    outcome.rejected.push(RejectedRows { rows, cause });
                }
                Settled::Unknown(cause) => outcome.unknown = Some(cause),
            }
        }
        let last = flight.unsettled.fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            flight.end();
        }
        last
    }
}

impl Ticket {
    /// The outcome. Cancel safe. A flight that vanished answers unknown (`LOST`).
    pub async fn outcome(&mut self) -> Outcome {
        (&mut self.done).await.unwrap_or_else(|_| Outcome {
            rejected: Vec::new(),
            unknown: Some(Cause::new("LOST", "the service lost track of these records")),
        })
    }

    /// Why records of this batch wait, if a broker refuses them for now.
    pub fn held(&self) -> Option<Cause> {
        self.held.lock().expect("nothing panics in it").clone()
    }
}
