//! Receipts: what one thread can see.
use std::sync::Arc;

use crate::kafka::{
    Cause, Encoded, Outcome, RejectedRows, Share, Ticket,
    receipt::{Flight, Settled},
    share_out,
};

async fn flight(records: u32) -> (Arc<Flight>, Ticket, Share) {
    let share = share_out(100, 1).remove(0);
    let encoded = Encoded { bytes: vec![b'x'; 2 * records as usize], ..Encoded::default() };
    let ends = (1..=records).map(|record| 2 * record).collect();
    let room = share.reserve(10).await;
    let (flight, ticket) = Flight::launch(Encoded { ends, ..encoded }, room);
    (flight, ticket, share)
}

#[tokio::test]
async fn the_last_receipt_ends_the_flight() {
    let (flight, mut ticket, share) = flight(2).await;
    assert!(!flight.receipt(1).settle(Settled::Durable));
    let cause = Cause::new("ROW_TOO_LARGE", "too large");
    assert!(flight.receipt(0).settle(Settled::Rejected(cause.clone())));
    assert_eq!(ticket.outcome().await.rejected, [RejectedRows { rows: vec![0], cause }]);
    assert_eq!(share.used_bytes(), 10);
    drop(flight);
    assert_eq!(share.used_bytes(), 0);
}

#[tokio::test]
async fn silence_means_lost() {
    let (flight, mut ticket, _share) = flight(2).await;
    flight.receipt(0).settle(Settled::Durable);
    drop(flight);
    assert_eq!(ticket.outcome().await.unknown.unwrap().code, "LOST");
}

#[tokio::test]
async fn an_empty_batch_is_durable_at_once() {
    let (_flight, mut ticket, _share) = flight(0).await;
    assert_eq!(ticket.outcome().await, Outcome::default());
}

#[tokio::test]
#[should_panic(expected = "a record settles once")]
async fn a_record_settles_once() {
    let (flight, _ticket, _share) = flight(2).await;
    flight.receipt(0).settle(Settled::Durable);
    flight.receipt(0).settle(Settled::Durable);
}
