//! Receipts: every record settles once, the last ends the flight, and its ticket then knows all.
use std::pin::pin;

use loom::{
    future::block_on,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    explore,
    kafka::{
        budget::{Share, share_out},
        cause::Cause,
        receipt::{Encoded, Flight, Outcome, Rows, Settled, Ticket},
    },
    poll_once,
};

const ROOM_BYTES: u64 = 10;

fn launch(records: u32) -> (Arc<Flight>, Ticket, Share) {
    launch_awaiting(records, false)
}

/// The same for a batch that awaits dead letters, or not.
fn launch_awaiting(records: u32, letters: bool) -> (Arc<Flight>, Ticket, Share) {
    let share = share_out(100, 1).remove(0);
    let room = poll_once(pin!(share.reserve(ROOM_BYTES))).expect("there is room");
    let ends = (1..=records).collect();
    // Records are the rows behind theirs, so that one is not taken for the other.
    let rows = Rows { numbers: Some((1..=records).collect()), ..Rows::default() };
    let bytes = vec![b'x'; records as usize];
    let encoded = Encoded { bytes, ends, rows, ..Encoded::default() };
    let (flight, ticket) = Flight::launch_with(encoded, room, None, letters);
    (flight, ticket, share)
}

fn cause(code: &'static str) -> Cause {
    Cause::new(code, "as the model says")
}

/// Settles each record from a thread of its own, which lets go of the flight afterwards.
fn settle(flight: Arc<Flight>, how: Vec<Settled>) -> impl FnOnce() -> usize {
    let last = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..)
        .zip(how)
        .map(|(record, settled)| {
            let (flight, last) = (flight.clone(), last.clone());
            thread::spawn(move || {
                if flight.receipt(record).settle(settled) {
                    last.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    drop(flight);
    move || {
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        last.load(Ordering::Relaxed)
    }
}

#[test]
fn whoever_settles_last_the_outcome_is_complete_when_the_ticket_wakes() {
    explore(|| {
        let (flight, mut ticket, share) = launch(3);
        let how = vec![
            Settled::Rejected(cause("A")),
            Settled::Unknown(cause("B")),
            Settled::Rejected(cause("C")),
        ];
        let all = settle(flight, how);
        let Outcome { mut rejected, unknown } = block_on(ticket.outcome());
        rejected.sort_by_key(|record| record.rows[0]);
        let rejected: Vec<_> =
            rejected.into_iter().map(|record| (record.rows, record.cause)).collect();
        assert_eq!(rejected, [(vec![1], cause("A")), (vec![3], cause("C"))]);
        assert_eq!(unknown, Some(cause("B")));
        assert_eq!(all(), 1, "one record is the last");
        assert_eq!(share.used_bytes(), 0, "all room is given back");
    });
}

#[test]
fn the_room_is_kept_while_a_record_is_not_settled() {
    explore(|| {
        let (flight, mut ticket, share) = launch(2);
        let late = flight.clone();
        let all = settle(flight, vec![Settled::Durable]);
        let seen = share.clone();
        let last = thread::spawn(move || {
            assert_eq!(seen.used_bytes(), ROOM_BYTES, "this record is not settled");
            late.receipt(1).settle(Settled::Durable);
        });
        assert_eq!(block_on(ticket.outcome()), Outcome::default());
        last.join().unwrap();
        all();
        assert_eq!(share.used_bytes(), 0, "all room is given back");
    });
}

#[test]
fn a_flight_that_is_let_go_before_all_is_settled_is_lost() {
    explore(|| {
        let (flight, mut ticket, share) = launch(3);
        // Nobody settles the third.
        let all = settle(flight, vec![Settled::Durable, Settled::Rejected(cause("A"))]);
        let outcome = block_on(ticket.outcome());
        assert_eq!(outcome.unknown.expect("it is unknown").code, "LOST");
        assert_eq!(all(), 0, "the last record is not settled");
        assert_eq!(share.used_bytes(), 0, "all room is given back");
    });
}

#[test]
fn a_batch_ends_with_its_records_and_its_letters() {
    for unknown in [None, Some("LETTERS")] {
        explore(move || {
            let (flight, mut ticket, share) = launch_awaiting(1, true);
            let post = flight.clone();
            let post = thread::spawn(move || post.letters_settled(unknown.map(cause)));
            let all = settle(flight, vec![Settled::Rejected(cause("A"))]);
            let outcome = block_on(ticket.outcome());
            assert_eq!(outcome.rejected.len(), 1, "the record has settled");
            assert_eq!(outcome.unknown, unknown.map(cause), "the letters have, too");
            all();
            post.join().unwrap();
            assert_eq!(share.used_bytes(), 0, "all room is given back");
        });
    }
}

#[test]
fn a_ticket_may_be_dropped_at_any_moment() {
    explore(|| {
        let (flight, mut ticket, share) = launch(2);
        let all = settle(flight, vec![Settled::Durable, Settled::Unknown(cause("A"))]);
        // A stream that ends drops the wait, with or without having looked, and then the ticket.
        let seen = poll_once(pin!(ticket.outcome()));
        assert!(seen.is_none_or(|outcome| outcome.unknown.is_some()), "half an outcome");
        drop(ticket);
        assert_eq!(all(), 1, "the records settle all the same");
        assert_eq!(share.used_bytes(), 0, "all room is given back");
    });
}

#[test]
fn what_holds_a_batch_is_seen_while_it_settles() {
    explore(|| {
        let (flight, mut ticket, _share) = launch(1);
        let lane = thread::spawn(move || {
            flight.hold(Some(cause("HELD")));
            flight.hold(None);
            flight.receipt(0).settle(Settled::Durable);
        });
        assert!(ticket.held().is_none_or(|held| held == cause("HELD")));
        assert_eq!(block_on(ticket.outcome()), Outcome::default());
        assert_eq!(ticket.held(), None, "what is settled is not held");
        lane.join().unwrap();
    });
}
