//! A topic on paper: what is submitted is stored at once, and handed over to be shown.
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::{
    kafka::{
        Counts, Delivery, Encoded, Health, Letters, Mark, Permit, Share, State, Ticket,
        receipt::{Flight, Settled},
        share_out,
    },
    meter::Exchange,
    partition::{Partitions, Routes},
};

/// More than there is: a preview waits for no room, since nobody makes any.
const MEMORY_BYTES: u64 = u64::MAX / 4;

/// The topic.
pub struct Topic {
    share: Share,
    partitions: watch::Sender<Option<Arc<Partitions>>>,
    record_bytes_max: usize,
    submitted: Mutex<Vec<Submitted>>,
}

/// Records that were submitted together.
pub struct Submitted {
    flight: Arc<Flight>,
    routes: Routes,
}

impl Topic {
    /// A topic with so many partitions, all well.
    pub fn new(partitions: u32, record_bytes_max: usize) -> Self {
        let share = share_out(MEMORY_BYTES, 1).pop().expect("there is one for one output");
        let partitions = Partitions { leaders: vec![true; partitions as usize] };
        Self {
            share,
            partitions: watch::Sender::new(Some(Arc::new(partitions))),
            record_bytes_max,
            submitted: Mutex::default(),
        }
    }

    /// Takes out what was submitted since the last call.
    pub fn take(&self) -> Vec<Submitted> {
        std::mem::take(&mut *self.submitted.lock().expect("nothing panics in it"))
    }
}

impl Submitted {
    /// The records, in their order, which the partitions keep.
    pub fn encoded(&self) -> &Encoded {
        &self.flight.encoded
    }

    /// The partition of each record.
    pub fn partitions(&self) -> Vec<i32> {
        self.routes.partitions()
    }
}

impl Delivery for Topic {
    fn share(&self) -> &Share {
        &self.share
    }

    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>> {
        self.partitions.subscribe()
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    fn letter_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    fn submit(
        &self,
        encoded: Encoded,
        routes: Routes,
        room: Permit,
        _: Mark,
        _: Letters,
    ) -> Ticket {
        let (flight, ticket) = Flight::launch(encoded, room);
        for record in 0..flight.encoded.ends.len() as u32 {
            flight.receipt(record).settle(Settled::Durable);
        }
        self.submitted.lock().expect("nothing panics in it").push(Submitted { flight, routes });
        ticket
    }

    fn prompt_within(&self) -> Duration {
        Duration::ZERO
    }

    fn health(&self) -> Health {
        Health { state: State::Ready, cause: None, since: SystemTime::UNIX_EPOCH }
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }

    fn exchange(&self) -> Arc<Exchange> {
        Arc::default()
    }
}
