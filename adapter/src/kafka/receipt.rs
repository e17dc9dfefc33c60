//! Receipts: every record of a batch settles exactly once, and silence means lost.
//!
//! A [`Flight`] is a batch on its way: the encoded bytes that librdkafka reads without copying, a
//! [`Receipt`] for each record, and the room that it takes in the budget. It ends when the last
//! receipt settles; its [`Ticket`] then tells the outcome. A flight that is dropped before that
//! answers *lost*.
use std::ops::Range;

use super::{
    budget::Permit,
    cause::Cause,
    headers::Headers,
    letter::{Letter, WriteLetters},
};
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
    /// Makes several records of one that is too large, where that may be.
    pub split: Option<Split>,
    /// What each record has beside its value.
    pub headers: Option<Arc<Headers>>,
}

/// Makes several records of each of these, which are too large: the rows of each, by their numbers.
/// `None` if it cannot be done.
pub type Split = Box<dyn Fn(&[Vec<u32>], Fit) -> Option<Vec<Encoded>> + Send + Sync>;

/// How large the parts of a record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// So many bytes, or one row.
    Bytes(usize),
    /// Half of its rows: nobody knows what the topic takes.
    Half,
}

impl Fit {
    /// For a record of so many bytes that was refused by a topic that is known to take `bytes_max`:
    /// what is too large, and how large parts may be. What the record has is too much, whatever is
    /// known.
    pub fn below(bytes: usize, bytes_max: usize) -> (usize, Self) {
        match bytes > bytes_max {
            true => (bytes_max, Self::Bytes(bytes_max)),
            false => (bytes - 1, Self::Half),
        }
    }
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
    /// Whether a record has more bytes than these and several rows, so that parts of it may pass.
    pub fn is_beyond(&self, record: u32, bytes_max: usize) -> bool {
        self.record(record).len() > bytes_max && self.rows.of(record).nth(1).is_some()
    }

    /// Bytes that each record's headers take in Kafka.
    pub fn header_bytes(&self) -> u64 {
        self.headers.as_ref().map_or(0, |headers| headers.wire_bytes())
    }

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
    /// Makes the dead letters of what the broker refuses, if it gets some.
    write_letters: Option<WriteLetters>,
    _room: Option<Permit>,
    /// The record that it is the parts of, if it is no batch of its own.
    whole: Option<(Arc<Flight>, u32)>,
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
        Self::launch_with(encoded, room, None, false)
    }

    /// The same for a batch whose refused records get dead letters. If it awaits letters already,
    /// it does not end before [`Flight::letters_settled`].
    pub fn launch_with(
        encoded: Encoded,
        room: Permit,
        write_letters: Option<WriteLetters>,
        awaits_letters: bool,
    ) -> (Arc<Self>, Ticket) {
        let (flight, ticket) = Self::make(encoded, room, write_letters, awaits_letters);
        if flight.encoded.ends.is_empty() && !awaits_letters {
            flight.end();
        }
        (flight, ticket)
    }

    /// The same for a batch whose records settle all at once, by [`Flight::conclude`], however
    /// few they are.
    pub fn launch_deferred(
        encoded: Encoded,
        room: Permit,
        write_letters: Option<WriteLetters>,
    ) -> (Arc<Self>, Ticket) {
        Self::make(encoded, room, write_letters, false)
    }

    fn make(
        encoded: Encoded,
        room: Permit,
        write_letters: Option<WriteLetters>,
        awaits_letters: bool,
    ) -> (Arc<Self>, Ticket) {
        let (done, ticket) = oneshot::channel();
        let count = encoded.ends.len() as u32;
        let held = Arc::<Mutex<Option<Cause>>>::default();
        let flight = Self {
            encoded,
            receipts: Box::default(),
            unsettled: AtomicU32::new(count + u32::from(awaits_letters)),
            outcome: Mutex::default(),
            done: Mutex::new(Some(done)),
            held: held.clone(),
            write_letters,
            _room: Some(room),
            whole: None,
        };
        (flight.with_receipts(), Ticket { done: ticket, held })
    }

    fn with_receipts(self) -> Arc<Self> {
        let count = self.encoded.ends.len() as u32;
        let mut flight = Arc::new(self);
        let address = Arc::as_ptr(&flight);
        Arc::get_mut(&mut flight).expect("nobody else has it yet").receipts = (0..count)
            .map(|record| Receipt { flight: address, record, settled: AtomicBool::new(false) })
            .collect();
        flight
    }

    /// Makes several records of each of these, which are too large. Each record settles with its
    /// parts. `None` if it cannot be done.
    pub fn split(this: &Arc<Self>, records: &[u32], fit: Fit) -> Option<Vec<Arc<Self>>> {
        let split = this.root().encoded.split.as_ref()?;
        let rows: Vec<_> = records.iter().map(|r| this.encoded.rows.of(*r).collect()).collect();
        let parts = split(&rows, fit)?;
        let part = |(record, mut encoded): (&u32, Encoded)| {
            encoded.headers.clone_from(&this.encoded.headers);
            let flight = Self {
                unsettled: AtomicU32::new(encoded.ends.len() as u32),
                encoded,
                receipts: Box::default(),
                outcome: Mutex::default(),
                done: Mutex::default(),
                held: this.held.clone(),
                write_letters: None,
                // It is the memory of what it is a copy of, for the time of a verdict.
                _room: None,
                whole: Some((this.clone(), *record)),
            };
            flight.with_receipts()
        };
        Some(records.iter().zip(parts).map(part).collect())
    }

    /// Whether parts can be made of its records.
    pub fn is_splittable(&self) -> bool {
        self.root().encoded.split.is_some()
    }

    /// Whether its records are the parts of one.
    pub fn is_part(&self) -> bool {
        self.whole.is_some()
    }

    /// The batch that it is, or is a part of.
    pub fn root(&self) -> &Self {
        self.whole.as_ref().map_or(self, |(whole, _)| whole.root())
    }

    /// The receipt of a record.
    pub fn receipt(&self, record: u32) -> &Receipt {
        &self.receipts[record as usize]
    }

    /// Whether what the broker refuses gets dead letters.
    pub fn has_letters(&self) -> bool {
        self.root().write_letters.is_some()
    }

    /// The dead letters of a record that the broker refused for good; none where it gets none.
    pub fn letters(&self, record: u32, cause: &Cause) -> Vec<Letter> {
        let Some(write) = &self.root().write_letters else { return Vec::new() };
        let rows: Vec<u32> = self.encoded.rows.of(record).collect();
        write(&rows, cause)
    }

    /// The letters that it awaited are durable, or may be and may not be for this cause. Once.
    pub fn letters_settled(&self, unknown: Option<Cause>) {
        if unknown.is_some() {
            self.outcome.lock().expect("nothing panics in it").unknown = unknown;
        }
        self.settled_one();
    }

    fn settled_one(&self) -> bool {
        let last = self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            self.end();
        }
        last
    }

    /// All records of a deferred batch are settled. Once for each.
    pub fn conclude(&self, outcome: Outcome) {
        *self.outcome.lock().expect("nothing panics in it") = outcome;
        self.end();
    }

    /// Says why records of this batch wait, or that they do no more.
    pub fn hold(&self, cause: Option<Cause>) {
        *self.held.lock().expect("nothing panics in it") = cause;
    }

    fn end(&self) {
        let outcome = std::mem::take(&mut *self.outcome.lock().expect("nothing panics in it"));
        if let Some((whole, record)) = &self.whole {
            whole.receipt(*record).settle_parts(outcome);
            return;
        }
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
        flight.settled_one()
    }

    /// Settles the record by what became of its parts, as [`Receipt::settle`] does.
    fn settle_parts(&self, parts: Outcome) {
        assert!(!self.settled.swap(true, Ordering::Relaxed), "a record settles once");
        let flight = self.flight();
        let mut outcome = flight.outcome.lock().expect("nothing panics in it");
        outcome.rejected.extend(parts.rejected);
        if parts.unknown.is_some() {
            outcome.unknown = parts.unknown;
        }
        drop(outcome);
        flight.settled_one();
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
