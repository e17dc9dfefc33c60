//! Writers: leases one after the other, and what is remembered.
use std::time::Instant;

use bytes::Bytes;

use crate::{
    output::BadRows,
    rows::BadRow,
    writers::{Denied, Place, Progress, Writers},
};

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
    progress.accepted(1, 11, Instant::now());
    progress.accepted(2, 22, Instant::now());
    assert_eq!(progress.place(2, 22), Place::Known);
    assert_eq!(progress.place(2, 23), Place::Reused);
    assert_eq!(progress.place(9, 1), Place::Gap);
    progress.durable(1, None);
    assert_eq!(progress.resume(None, None).position, None);
    assert_eq!(progress.place(2, 23), Place::Next, "it never was durable, so it may change");
    assert_eq!(progress.place(1, 23), Place::Reused);
}

#[test]
fn what_may_be_written_is_known_as_long_as_the_writer_is() {
    let mut progress = Progress::default();
    assert_eq!(progress.resume(None, None).maybe_written_through, None, "nothing has come yet");
    progress.accepted(1, 11, Instant::now());
    progress.accepted(2, 22, Instant::now());
    assert_eq!(progress.resume(None, None).maybe_written_through, Some(0));
    progress.maybe_written(2);
    progress.durable(1, None);
    assert_eq!(progress.resume(None, None).maybe_written_through, Some(2));
    progress.durable(3, None);
    assert_eq!(progress.resume(Some(3), None).maybe_written_through, Some(3));
    // Another process has served the writer meanwhile, until a batch of it comes here again.
    let resume = progress.resume(Some(9), Some(Bytes::from_static(b"nine")));
    assert_eq!((resume.after, resume.position.as_deref()), (9, Some(&b"nine"[..])));
    assert_eq!(resume.maybe_written_through, None);
    assert_eq!(progress.resume(Some(9), None).maybe_written_through, None);
    progress.accepted(10, 1, Instant::now());
    assert_eq!(progress.resume(None, None).maybe_written_through, Some(9));
}

#[test]
fn a_writer_that_was_forgotten_elsewhere_starts_anew() {
    let mut progress = Progress::default();
    for sequence in 1..=11 {
        progress.accepted(sequence, sequence, Instant::now());
        progress.set_aside(sequence, &bad_rows(1, 1));
        progress.durable(sequence, None);
    }
    progress.maybe_written(11);
    progress.stored(0, 11);
    // What goes beyond the engine's word may be of batches that it has forgotten.
    assert!(progress.is_known(11) && !progress.is_known(0));
    progress.recall(1, 0, None);
    let resume = progress.resume(Some(0), None);
    assert_eq!((resume.after, resume.maybe_written_through, resume.aside), (0, None, vec![]));
    assert_eq!(progress.place(1, 77), Place::Next);
    progress.accepted(1, 77, Instant::now());
    progress.durable(1, None);
    assert!(progress.is_unstored(), "the numbers of before count for nothing");
    assert_eq!(progress.resume(Some(1), None).maybe_written_through, Some(1));
}

fn bad_rows(named: u32, total: u64) -> BadRows {
    let row = |row| BadRow { row, column: String::new(), code: "X", reason: "bad".to_owned() };
    BadRows { named: (0..named).map(row).collect(), total }
}

#[test]
fn rows_set_aside_are_told_until_the_engine_knows_and_little_is_kept() {
    let mut progress = Progress::default();
    for sequence in 1..=300 {
        let rows = if sequence == 200 { bad_rows(0, 0) } else { bad_rows(7, 1000) };
        progress.set_aside(sequence, &rows);
        progress.durable(sequence, None);
    }
    assert_eq!(progress.resume(None, None).aside, [], "it is not known what the engine knows");
    let aside = progress.resume(Some(0), None).aside;
    let sequences: Vec<_> = aside.iter().map(|(sequence, _)| *sequence).collect();
    let expected: Vec<_> = (45..=300).filter(|sequence| *sequence != 200).collect();
    assert_eq!(sequences, expected, "as many as may be unacknowledged");
    assert!(aside.iter().all(|(_, rows)| rows.total == 1000));
    assert_eq!(aside.iter().map(|(_, rows)| rows.named.len()).sum::<usize>(), 1000);
    assert_eq!(aside.last().unwrap().1.named.len(), 7, "the latest are named");
    let aside = progress.resume(Some(299), None).aside;
    assert_eq!(aside, [(300, bad_rows(7, 1000))]);
    assert_eq!(progress.resume(Some(300), None).aside, []);
}

#[test]
fn few_writers_without_a_stream_remember_rows_by_name() {
    let writers = Writers::new(5000);
    let named = |id: &str| {
        let rows = writers.take_over(id, 0).unwrap().progress().resume(Some(0), None).aside;
        rows.iter().map(|(_, rows)| (rows.named.len(), rows.total)).collect::<Vec<_>>()
    };
    for number in 0..=1000 {
        let lease = writers.take_over(&format!("w{number}"), 0).unwrap();
        lease.progress().set_aside(1, &bad_rows(90, 90));
        lease.progress().set_aside(2, &bad_rows(90, 90));
    }
    assert_eq!(named("w0"), [(0, 90), (0, 90)]);
    assert_eq!(named("w1"), [(10, 90), (90, 90)]);
    assert_eq!(named("w1000"), [(10, 90), (90, 90)]);
}
