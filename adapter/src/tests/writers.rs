//! Writers: leases one after the other, and what is remembered.
use crate::writers::{Denied, Place, Progress, Writers};

#[tokio::test]
async fn a_newer_lease_goes_on_when_the_older_is_settled() {
    let writers = Writers::new(10);
    let older = writers.take_over("w", 1).unwrap();
    let mut newer = writers.take_over("w", 1).unwrap();
    older.taken_over().await;
    assert!(newer.must_wait());
    older.progress().durable(7, None);
    drop(older);
    newer.turn().await;
    assert_eq!(newer.progress().durable_through, 7);
    assert!(writers.get("w").unwrap().live);
}

#[test]
fn a_lower_epoch_is_stale_for_ever() {
    let writers = Writers::new(10);
    drop(writers.take_over("w", 5).unwrap());
    let denied = writers.take_over("w", 4).err();
    assert_eq!(denied, Some(Denied::StaleEpoch { highest: 5 }));
    assert!(writers.take_if_free("w", 5).is_ok());
}

#[test]
fn a_live_writer_is_neither_reset_nor_taken_by_a_single_call() {
    let writers = Writers::new(10);
    let lease = writers.take_over("w", 0).unwrap();
    assert_eq!(writers.reset("w"), Err(Denied::Busy));
    assert_eq!(writers.take_if_free("w", 0).err(), Some(Denied::Busy));
    drop(lease);
    assert_eq!(writers.reset("w"), Ok(true));
    assert_eq!(writers.reset("w"), Ok(false));
}

#[test]
fn the_longest_unused_are_forgotten_and_the_live_never() {
    let writers = Writers::new(2);
    let live = writers.take_over("live", 0).unwrap();
    for id in ["a", "b", "c"] {
        drop(writers.take_over(id, 0).unwrap());
    }
    assert!(writers.get("a").is_none());
    assert!(writers.get("b").is_some() && writers.get("c").is_some());
    drop(writers.take_over("b", 0).unwrap());
    drop(writers.take_over("d", 0).unwrap());
    assert!(writers.get("b").is_some() && writers.get("c").is_none());
    assert!(writers.get("live").unwrap().live);
    assert_eq!(writers.live(), 1);
    drop(live);
    assert_eq!(writers.live(), 0);
}

#[test]
fn a_reused_sequence_is_recognised() {
    let mut progress = Progress::default();
    progress.accepted(1, 11);
    progress.accepted(2, 22);
    assert_eq!(progress.place(2, 22), Place::Known);
    assert_eq!(progress.place(2, 23), Place::Reused);
    assert_eq!(progress.place(9, 1), Place::Gap);
    progress.durable(1, None);
    assert_eq!(progress.resume(None), None);
    assert_eq!(progress.place(2, 23), Place::Next, "it never was durable, so it may change");
    assert_eq!(progress.place(1, 23), Place::Reused);
}
