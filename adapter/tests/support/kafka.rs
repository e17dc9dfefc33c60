//! A model of Kafka behind the seam [`Delivery`]: it keeps what it is given until the test says
//! what became of it.
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use kafka_output::{
    kafka::{
        Cause, Counts, Delivery, Encoded, Health, Letter, Letters, Mark, Permit, Share, State,
        Ticket,
        receipt::{Flight, Settled},
    },
    meter::Exchange,
    partition::{Partitions, Routes},
};
use tokio::sync::watch;

use super::{PATIENCE, in_time};

/// The model. Flights are numbered from 0, in the order of their submission.
pub struct ModelKafka {
    share: Share,
    record_bytes_max: AtomicUsize,
    partitions: watch::Sender<Option<Arc<Partitions>>>,
    submitted: watch::Sender<usize>,
    state: Mutex<Model>,
}

struct Model {
    /// `None` once it is settled.
    flights: Vec<Option<Arc<Flight>>>,
    /// The records of each flight; none of those that were settled at once.
    records: Vec<Vec<Vec<u8>>>,
    /// The dead letters of all flights.
    letters: Vec<Letter>,
    automatic: bool,
    health: Health,
    counts: Counts,
}

impl ModelKafka {
    /// A topic with three partitions, all well.
    pub fn new(share: Share, record_bytes_max: usize) -> Self {
        let model = Model {
            flights: Vec::new(),
            records: Vec::new(),
            letters: Vec::new(),
            automatic: false,
            health: Health { state: State::Ready, cause: None, since: SystemTime::now() },
            counts: Counts::default(),
        };
        Self {
            share,
            record_bytes_max: record_bytes_max.into(),
            partitions: watch::Sender::new(Some(leaders(&[true; 3]))),
            submitted: watch::Sender::new(0),
            state: Mutex::new(model),
        }
    }

    /// Settles everything as durable at once, now and from now on.
    pub fn run_by_itself(&self) {
        let mut model = self.model();
        model.automatic = true;
        let flying = 0..model.flights.len();
        let flying: Vec<_> = flying.filter(|flight| model.flights[*flight].is_some()).collect();
        drop(model);
        for flight in flying {
            self.durable(flight);
        }
    }

    /// How many flights were submitted.
    pub fn count(&self) -> usize {
        *self.submitted.borrow()
    }

    /// Waits until so many flights were submitted.
    pub async fn submitted(&self, count: usize) {
        let mut submitted = self.submitted.subscribe();
        let all = in_time(PATIENCE, submitted.wait_for(|now| *now >= count)).await;
        assert!(all.is_some(), "{} of {count} batches were submitted", self.count());
    }

    /// The records of a flight, which are text.
    pub fn records(&self, flight: usize) -> Vec<String> {
        let text = |record| String::from_utf8(record).unwrap();
        self.bytes(flight).into_iter().map(text).collect()
    }

    /// The records of a flight.
    pub fn bytes(&self, flight: usize) -> Vec<Vec<u8>> {
        self.model().records[flight].clone()
    }

    /// The dead letters of all flights so far.
    pub fn letters(&self) -> Vec<Letter> {
        self.model().letters.clone()
    }

    /// How many batches wait until a partition has a leader.
    pub fn leaderless(&self) -> usize {
        self.partitions.receiver_count()
    }

    /// Every record of a flight is stored.
    pub fn durable(&self, flight: usize) {
        self.settle(flight, |_| Settled::Durable);
    }

    /// Nobody knows what became of a flight.
    pub fn unknown(&self, flight: usize) {
        self.settle(flight, |_| Settled::Unknown(Cause::new("TEST_UNKNOWN", "nobody knows")));
    }

    /// Settles each record of a flight as `how` says.
    pub fn settle(&self, flight: usize, how: impl Fn(u32) -> Settled) {
        let flight = self.take(flight);
        for record in 0..flight.encoded.ends.len() as u32 {
            let settled = how(record);
            let mut model = self.model();
            match &settled {
                Settled::Durable => model.counts.delivered += 1,
                Settled::Rejected(_) => model.counts.rejected += 1,
                Settled::Unknown(_) => {}
            }
            model.counts.in_flight -= 1;
            if let Settled::Rejected(cause) = &settled {
                let letters = flight.letters(record, cause);
                model.letters.extend(letters);
            }
            drop(model);
            flight.receipt(record).settle(settled);
        }
    }

    /// Settles one record of a flight as stored; the flight flies on, or is lost.
    pub fn durable_record(&self, flight: usize, record: u32) {
        let flight = self.model().flights[flight].clone().expect("it is not settled");
        flight.receipt(record).settle(Settled::Durable);
    }

    /// Forgets a flight without a word.
    pub fn lose(&self, flight: usize) {
        drop(self.take(flight));
    }

    /// Says why records of a flight wait.
    pub fn hold(&self, flight: usize, code: &'static str) {
        let model = self.model();
        let flight = model.flights[flight].as_ref().expect("it is not settled");
        flight.hold(Some(Cause::new(code, "the test says so")));
    }

    /// The topic's partitions: whether each has a leader; `None` while the topic is unknown.
    pub fn set_partitions(&self, leading: Option<&[bool]>) {
        self.partitions.send_replace(leading.map(leaders));
    }

    /// The longest record that the topic takes.
    pub fn set_record_bytes_max(&self, bytes: usize) {
        self.record_bytes_max.store(bytes, Ordering::SeqCst);
    }

    /// The health of the output.
    pub fn set_health(&self, state: State, code: Option<&'static str>) {
        let cause = code.map(|code| Cause::new(code, "the test says so"));
        self.model().health = Health { state, cause, since: SystemTime::now() };
    }

    fn take(&self, flight: usize) -> Arc<Flight> {
        self.model().flights[flight].take().expect("a flight is settled once")
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.state.lock().unwrap()
    }
}

impl Delivery for ModelKafka {
    fn share(&self) -> &Share {
        &self.share
    }

    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>> {
        self.partitions.subscribe()
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max.load(Ordering::SeqCst)
    }

    fn prompt_within(&self) -> Duration {
        Duration::ZERO // there is no round trip
    }

    fn letter_bytes_max(&self) -> usize {
        1 << 20
    }

    fn submit(
        &self,
        encoded: Encoded,
        routes: Routes,
        room: Permit,
        _: Mark,
        letters: Letters,
    ) -> Ticket {
        let records = encoded.ends.len();
        check_routes(&routes, records);
        let (flight, ticket) = Flight::launch_with(encoded, room, letters.later, false);
        let mut model = self.model();
        model.counts.in_flight += records as u64;
        model.letters.extend(letters.made);
        let automatic = model.automatic;
        model.records.push(if automatic {
            Vec::new()
        } else {
            (0..records as u32).map(|record| flight.encoded.record(record).to_vec()).collect()
        });
        let number = model.flights.len();
        model.flights.push(Some(flight));
        drop(model);
        if automatic {
            self.durable(number);
        }
        self.submitted.send_modify(|submitted| *submitted += 1);
        ticket
    }

    fn health(&self) -> Health {
        self.model().health.clone()
    }

    fn counts(&self) -> Counts {
        self.model().counts
    }

    fn exchange(&self) -> Arc<Exchange> {
        Arc::default()
    }
}

fn leaders(leading: &[bool]) -> Arc<Partitions> {
    Arc::new(Partitions { leaders: leading.to_vec() })
}

/// Every record goes to one partition, and those of a partition go in their order.
fn check_routes(routes: &Routes, records: usize) {
    assert_eq!(routes.groups.last().map_or(0, |(_, end)| *end as usize), records);
    if routes.order.is_empty() {
        return;
    }
    let mut start = 0;
    for (partition, end) in &routes.groups {
        let group = &routes.order[start..*end as usize];
        assert!(group.is_sorted(), "records of partition {partition} change their order");
        start = *end as usize;
    }
    let mut all = routes.order.clone();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..records as u32), "each record has one partition");
}
