//! A sink as the streams see it: takes batches, and hands their records to the lanes.
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    Counts, Delivery, Mark,
    budget::{Permit, Share},
    cause::Cause,
    lane::Run,
    letter::Letters,
    receipt::{Encoded, Flight, Ticket},
    sink::Sink,
    statistics::Summary,
    status::{Health, State},
    transaction::Waiting,
};
use crate::{
    meter::Exchange,
    partition::{Partitions, Routes},
};

/// Round trips of an acknowledgement that waits for nothing else: rows wait for the batch before
/// theirs and for their own, and round trips differ.
const PROMPT_ROUND_TRIPS: u32 = 3;

impl Delivery for Sink {
    fn share(&self) -> &Share {
        &self.inner.share
    }

    fn partitions(&self) -> watch::Receiver<Option<Arc<Partitions>>> {
        self.inner.partitions.subscribe()
    }

    fn record_bytes_max(&self) -> usize {
        self.inner.record_bytes_max.load(Ordering::Relaxed)
    }

    fn letter_bytes_max(&self) -> usize {
        self.inner.letter_bytes_max.load(Ordering::Relaxed)
    }

    fn submit(
        &self,
        encoded: Encoded,
        routes: Routes,
        room: Permit,
        _: Mark,
        letters: Letters,
    ) -> Ticket {
        let inner = &self.inner;
        let Letters { made, later } = letters;
        let (flight, ticket) = Flight::launch_with(encoded, room, later, !made.is_empty());
        let count = flight.encoded.ends.len() as u64;
        if inner.gave_up.load(Ordering::SeqCst) {
            return ticket; // the flight ends here, and its ticket says so
        }
        if !made.is_empty() {
            inner.post.send_made(&flight, made);
        }
        inner.status.waiting.fetch_add(count, Ordering::AcqRel);
        let lanes = inner.lanes();
        let order: Arc<[u32]> = routes.order.into();
        let now = Instant::now();
        let mut at = 0;
        for (partition, end) in routes.groups {
            let run = Run { flight: flight.clone(), order: order.clone(), at, end };
            at = end;
            // The partitions were read a moment ago; should there be fewer now, the last lane
            // takes the run, and reports tell it where to go.
            let lane = lanes.get(partition as usize).or(lanes.last());
            let lane = lane.expect("routes come from partitions that are there");
            let mut queue = lane.lock();
            lane.push(&mut queue, run, now);
            let due = inner.drive(lane, &mut queue, now);
            drop(queue);
            inner.wake_by(due);
        }
        ticket
    }

    fn prompt_within(&self) -> Duration {
        let round_trip = self.inner.round_trip.least().unwrap_or_default();
        self.inner.settings.pace.linger + PROMPT_ROUND_TRIPS * round_trip
    }

    fn health(&self) -> Health {
        let health = self.inner.status.health();
        match self.inner.transactions.waiting() {
            Some(Waiting { writers, are_all, cause, since }) if health.state == State::Ready => {
                let Cause { code, text } = cause;
                let (state, since) = if are_all {
                    (State::Unavailable, since)
                } else {
                    (State::Ready, health.since)
                };
                let cause = Some(Cause::new(code, format!("writers that wait: {writers}. {text}")));
                Health { state, cause, since }
            }
            _ if health.state == State::Ready => {
                let status = &self.inner.status;
                Health { cause: status.blocked().or_else(|| status.throttling()), ..health }
            }
            _ => health,
        }
    }

    fn why_slow(&self) -> Cause {
        self.inner.doubt();
        let status = &self.inner.status;
        let known = status.scarce().or_else(|| status.blocked()).or_else(|| status.throttling());
        known.unwrap_or_else(Cause::slow)
    }

    fn counts(&self) -> Counts {
        self.inner.counts()
    }

    fn exchange(&self) -> Arc<Exchange> {
        self.inner.status.exchange.clone()
    }

    fn statistics(&self) -> Summary {
        let statistics = self.inner.settings.recipe.statistics.as_ref();
        statistics.map(|statistics| statistics.summary()).unwrap_or_default()
    }
}
