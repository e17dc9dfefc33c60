//! Writers: one lease goes on at a time, each in its turn, whoever gives up.
use loom::{future::block_on, thread};

use crate::{
    explore,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    writers::{Denied, Lease, Writers},
};

/// A lease writes one batch more when its turn has come.
fn write(mut lease: Lease, writing: &AtomicBool) {
    block_on(lease.turn());
    write_now(&lease, writing);
}

/// A lease writes one batch more; no other one writes.
fn write_now(lease: &Lease, writing: &AtomicBool) {
    assert!(!writing.swap(true, Ordering::Relaxed), "two leases write at once");
    let durable = {
        let mut progress = lease.progress();
        progress.resume(None, None);
        progress.durable_through
    };
    lease.progress().durable(durable + 1, None);
    writing.store(false, Ordering::Relaxed);
}

#[test]
fn leases_that_take_over_go_on_one_after_the_other() {
    explore(|| {
        let writers = Arc::new(Writers::new(10));
        let writing = Arc::new(AtomicBool::new(false));
        let streams: Vec<_> = (0..2)
            .map(|_| {
                let (writers, writing) = (writers.clone(), writing.clone());
                thread::spawn(move || write(writers.take_over("w", 0).unwrap(), &writing))
            })
            .collect();
        write(writers.take_over("w", 0).unwrap(), &writing);
        streams.into_iter().for_each(|stream| stream.join().unwrap());
        let known = writers.get("w").unwrap();
        assert_eq!((known.progress.durable_through, known.live), (3, false));
        assert_eq!(writers.live(), 0);
        assert_eq!(writers.reset("w"), Ok(true));
    });
}

#[test]
fn a_lease_that_is_taken_over_hears_of_it_and_the_next_waits_for_all_before_it() {
    explore(|| {
        let writers = Arc::new(Writers::new(10));
        let writing = Arc::new(AtomicBool::new(false));
        let first = writers.take_over("w", 0).unwrap();
        // As a stream does that is taken over while it waits: it leaves in its turn.
        let mut second = writers.take_over("w", 0).unwrap();
        let waiting = thread::spawn(move || {
            block_on(second.taken_over());
            block_on(second.turn());
        });
        let third = {
            let (writers, writing) = (writers.clone(), writing.clone());
            thread::spawn(move || write(writers.take_over("w", 0).unwrap(), &writing))
        };
        block_on(first.taken_over());
        write(first, &writing);
        waiting.join().unwrap();
        third.join().unwrap();
        assert_eq!(writers.get("w").unwrap().progress.durable_through, 2);
        assert_eq!(writers.live(), 0);
    });
}

#[test]
fn the_highest_epoch_wins_in_whatever_order_they_come() {
    explore(|| {
        let writers = Arc::new(Writers::new(10));
        let writing = Arc::new(AtomicBool::new(false));
        let old = {
            let (writers, writing) = (writers.clone(), writing.clone());
            thread::spawn(move || match writers.take_over("w", 1) {
                Ok(lease) => write(lease, &writing),
                Err(denied) => assert_eq!(denied, Denied::StaleEpoch { highest: 2 }),
            })
        };
        write(writers.take_over("w", 2).unwrap(), &writing);
        old.join().unwrap();
        let known = writers.get("w").unwrap();
        assert_eq!((known.epoch, known.live), (2, false));
    });
}

#[test]
fn single_calls_streams_and_resets_never_meet() {
    explore(|| {
        let writers = Arc::new(Writers::new(10));
        let writing = Arc::new(AtomicBool::new(false));
        let wrote = Arc::new(AtomicU64::new(0));
        let once = {
            let (writers, writing, wrote) = (writers.clone(), writing.clone(), wrote.clone());
            thread::spawn(move || match writers.take_if_free("w", 0) {
                Ok(lease) => {
                    // As a call does it: whoever is let in need not wait.
                    write_now(&lease, &writing);
                    wrote.fetch_add(1, Ordering::Relaxed);
                }
                Err(denied) => assert_eq!(denied, Denied::Busy),
            })
        };
        let reset = {
            let writers = writers.clone();
            thread::spawn(move || writers.reset("w") == Ok(true))
        };
        write(writers.take_over("w", 0).unwrap(), &writing);
        once.join().unwrap();
        let forgotten = reset.join().unwrap();
        let durable = writers.get("w").map_or(0, |known| known.progress.durable_through);
        let wrote = 1 + wrote.load(Ordering::Relaxed);
        assert!(durable == wrote || (forgotten && durable < wrote), "{durable} of {wrote}");
        assert_eq!(writers.live(), 0);
    });
}

#[test]
fn the_idle_are_forgotten_and_the_live_never() {
    explore(|| {
        let writers = Arc::new(Writers::new(0));
        let writing = Arc::new(AtomicBool::new(false));
        let other = {
            let writers = writers.clone();
            thread::spawn(move || drop(writers.take_over("v", 0).unwrap()))
        };
        let newer = {
            let (writers, writing) = (writers.clone(), writing.clone());
            let newer = writers.take_over("w", 0).unwrap();
            thread::spawn(move || write(newer, &writing))
        };
        let newest = writers.take_over("w", 0).unwrap();
        write(newest, &writing);
        other.join().unwrap();
        newer.join().unwrap();
        assert!(writers.get("w").is_none() && writers.get("v").is_none());
        assert_eq!(writers.live(), 0);
    });
}
