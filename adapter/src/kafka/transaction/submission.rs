//! What goes to Kafka together, and what it leaves behind.
use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::super::{
    cause::Cause,
    client::{Client, Failed, HandOver},
    letter::Letter,
    receipt::{Fit, Flight, Outcome, Receipt, RejectedRows},
};
use crate::partition::Routes;

/// How far a writer has come with a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The batch's sequence.
    pub sequence: u64,
    /// The engine's own resume point.
    pub position: Option<Bytes>,
    /// The engine's epoch of the writer.
    pub epoch: u64,
    /// The writer; empty if there is none.
    pub writer: Arc<str>,
}

/// Batches that were encoded together.
pub(super) struct Submission {
    pub(super) flight: Arc<Flight>,
    pub(super) routes: Routes,
    pub(super) mark: Mark,
    /// Dead letters of its rows.
    pub(super) letters: Vec<Letter>,
    /// Records that the broker refuses for good and the error policy leaves out.
    pub(super) aside: BTreeMap<u32, Cause>,
    /// The parts of records that are too large.
    pub(super) parts: BTreeMap<u32, Vec<Part>>,
    /// Why the broker refuses one of them, and the error policy is to wait.
    pub(super) blamed: Option<Cause>,
}

/// A record that goes in the place of one that is too large.
pub(super) struct Part {
    flight: Arc<Flight>,
    record: u32,
    /// The broker refuses it for good, and the error policy leaves it out.
    aside: Option<Cause>,
}

/// Where a record is in a submission: a record of the batch, and which of its parts, if it has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    record: u32,
    part: usize,
}

impl Submission {
    pub(super) fn new(
        flight: Arc<Flight>,
        routes: Routes,
        mark: Mark,
        letters: Vec<Letter>,
    ) -> Self {
        let (aside, parts) = (BTreeMap::new(), BTreeMap::new());
        Self { flight, routes, mark, letters, aside, parts, blamed: None }
    }

    /// Leaves a record out that the broker refuses for good.
    pub(super) fn set_aside(&mut self, spot: Spot, cause: Cause) {
        let (flight, record) = self.at(spot);
        let letters = flight.letters(record, &cause);
        self.letters.extend(letters);
        match self.parts.get_mut(&spot.record) {
            Some(parts) => parts[spot.part].aside = Some(cause),
            None => drop(self.aside.insert(spot.record, cause)),
        }
    }

    /// Where the record of a receipt is, if it is one of these.
    pub(super) fn spot(&self, receipt: &Receipt) -> Option<Spot> {
        let (flight, record) = (receipt.flight(), receipt.record());
        if std::ptr::eq(flight, &raw const *self.flight) {
            return Some(Spot { record, part: 0 });
        }
        let is_it =
            |part: &Part| std::ptr::eq(flight, &raw const *part.flight) && part.record == record;
        let found = |(record, parts): (&u32, &Vec<Part>)| {
            parts.iter().position(is_it).map(|part| Spot { record: *record, part })
        };
        self.parts.iter().find_map(found)
    }

    /// The record at a place.
    pub(super) fn at(&self, spot: Spot) -> (&Arc<Flight>, u32) {
        match self.parts.get(&spot.record) {
            Some(parts) => (&parts[spot.part].flight, parts[spot.part].record),
            None => (&self.flight, spot.record),
        }
    }

    /// Puts parts in the place of a record that is too large, and of all that are as large. False if
    /// it has no parts. `bytes_max` is what the topic is known to take.
    pub(super) fn split(&mut self, spot: Spot, bytes_max: usize) -> bool {
        let (flight, record) = self.at(spot);
        let bytes = flight.encoded.record(record).len();
        let (bytes_max, fit) = Fit::below(bytes, bytes_max);
        if !flight.is_splittable() || !flight.encoded.is_beyond(record, bytes_max) {
            return false;
        }
        let mut is_split = self.split_whole(bytes_max, fit);
        for parts in self.parts.values_mut() {
            let old = std::mem::take(parts);
            for part in old {
                let is_beyond = part.flight.encoded.is_beyond(part.record, bytes_max);
                let smaller = (is_beyond && part.aside.is_none())
                    .then(|| Flight::split(&part.flight, &[part.record], fit))
                    .flatten();
                is_split |= smaller.is_some();
                match smaller {
                    Some(smaller) => parts.extend(smaller.into_iter().flat_map(Part::of)),
                    None => parts.push(part),
                }
            }
        }
        is_split
    }

    /// Puts parts in the place of records that have none yet.
    fn split_whole(&mut self, bytes_max: usize, fit: Fit) -> bool {
        let records = 0..self.count() as u32;
        let is_whole = |r: &u32| !self.aside.contains_key(r) && !self.parts.contains_key(r);
        let beyond = records
            .filter(|r| is_whole(r) && self.flight.encoded.is_beyond(*r, bytes_max))
            .collect::<Vec<_>>();
        if beyond.is_empty() {
            return false;
        }
        let Some(flights) = Flight::split(&self.flight, &beyond, fit) else { return false };
        let parts = flights.into_iter().map(|flight| Part::of(flight).collect());
        self.parts.extend(beyond.into_iter().zip(parts));
        true
    }

    /// Records that go to Kafka, and rows that are left out.
    pub(super) fn settled(&self) -> (u64, u64) {
        let rejected = self.left_out().map(|(rows, _)| rows.len() as u64).sum();
        (self.groups().map(|(_, records)| records.count() as u64).sum(), rejected)
    }

    /// The rows of what is left out, and why.
    fn left_out(&self) -> impl Iterator<Item = (Vec<u32>, &Cause)> {
        let whole = self.aside.iter().map(|(record, cause)| (&self.flight, *record, cause));
        let parts = self.parts.values().flatten();
        let parts =
            parts.filter_map(|p| p.aside.as_ref().map(|cause| (&p.flight, p.record, cause)));
        let rows = |flight: &Arc<Flight>, record| flight.encoded.rows.of(record).collect();
        whole.chain(parts).map(move |(flight, record, cause)| (rows(flight, record), cause))
    }

    /// Records that it has, before some of them have parts.
    pub(super) fn count(&self) -> u64 {
        self.flight.encoded.ends.len() as u64
    }

    /// All that librdkafka reads of it.
    pub(super) fn flights(&self) -> impl Iterator<Item = &Arc<Flight>> {
        let parts = self.parts.values().flatten().map(|part| &part.flight);
        std::iter::once(&self.flight).chain(parts)
    }

    /// Bytes of its records and letters.
    pub(super) fn bytes(&self) -> u64 {
        let letters = self.letters.iter().map(|letter| letter.bytes() as u64);
        self.flight.encoded.bytes.len() as u64 + letters.sum::<u64>()
    }

    /// Its records by partition, without those that are left out.
    fn groups(&self) -> impl Iterator<Item = (i32, impl Iterator<Item = (&Arc<Flight>, u32)>)> {
        let starts = std::iter::once(0).chain(self.routes.groups.iter().map(|(_, end)| *end));
        starts.zip(&self.routes.groups).map(|(start, (partition, end))| {
            let record = |place: u32| match self.routes.order.is_empty() {
                true => place,
                false => self.routes.order[place as usize],
            };
            let records = (start..*end).map(record);
            let records = records.filter(|record| !self.aside.contains_key(record));
            (*partition, records.flat_map(|record| self.pieces(record)))
        })
    }

    /// A record, or its parts without those that are left out.
    fn pieces(&self, record: u32) -> impl Iterator<Item = (&Arc<Flight>, u32)> {
        let parts = self.parts.get(&record);
        let whole = parts.is_none().then_some((&self.flight, record));
        let parts = parts.into_iter().flatten().filter(|part| part.aside.is_none());
        whole.into_iter().chain(parts.map(|part| (&part.flight, part.record)))
    }

    /// Hands its records over. Returns those that librdkafka did not take.
    ///
    /// # Safety
    /// The submission's flight must stay alive until the client is destroyed, or has reported all
    /// of them.
    pub(super) unsafe fn hand_over(&self, client: &Client, room: &mut HandOver) -> Vec<Failed> {
        let mut failed = Vec::new();
        for (partition, records) in self.groups() {
            room.clear();
            records.for_each(|(flight, record)| room.push(flight, record));
            if room.len() > 0 {
                // SAFETY: by this function's contract.
                failed.append(&mut unsafe { client.produce(partition, room) });
            }
        }
        failed
    }

    /// It is committed.
    pub(super) fn committed(self) {
        let rejected =
            self.left_out().map(|(rows, cause)| RejectedRows { rows, cause: cause.clone() });
        let rejected = rejected.collect();
        self.flight.conclude(Outcome { rejected, unknown: None });
    }

    /// It may be committed or not, or the writer is another's.
    pub(super) fn unknown(self, cause: Cause) {
        self.flight.conclude(Outcome { rejected: Vec::new(), unknown: Some(cause) });
    }
}

impl Part {
    /// All records of a flight.
    fn of(flight: Arc<Flight>) -> impl Iterator<Item = Self> {
        let records = flight.encoded.ends.len() as u32;
        (0..records).map(move |record| Self { flight: flight.clone(), record, aside: None })
    }
}
