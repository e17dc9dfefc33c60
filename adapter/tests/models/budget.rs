//! The budget: nobody waits for ever, nobody passes another, and what is taken is given back.
use std::pin::{Pin, pin};

use loom::{
    future::block_on,
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    explore,
    kafka::budget::{Budget, Permit, Share, share_out},
    poll_once,
};

/// Room that is there at once.
fn take(share: &Share, bytes: u64) -> Permit {
    poll_once(pin!(share.reserve(bytes))).expect("there is room")
}

/// A waiter that any thread may have.
fn wait(share: &Share, bytes: u64) -> Pin<Box<impl Future<Output = Permit> + use<>>> {
    let share = share.clone();
    Box::pin(async move { share.reserve(bytes).await })
}

/// A waiter that leaves after a look, so with or without room, seen or not.
fn leave(share: Share, bytes: u64) -> thread::JoinHandle<()> {
    thread::spawn(move || drop(poll_once(pin!(share.reserve(bytes)))))
}

#[test]
fn all_who_wait_come_to_their_turn_and_never_are_too_many() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let pass = |share: &Share, bytes| {
            let permit = block_on(share.reserve(bytes));
            assert!(share.used_bytes() <= 100, "two are in at once");
            drop(permit);
        };
        let waiters = [60, 50].map(|bytes| {
            let share = share.clone();
            thread::spawn(move || pass(&share, bytes))
        });
        pass(&share, 70);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(share.used_bytes(), 0);
    });
}

#[test]
fn a_waiter_that_leaves_at_any_moment_lets_the_next_in() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let all = take(&share, 100);
        let gone = leave(share.clone(), 60);
        let first = thread::spawn(move || drop(all));
        drop(block_on(share.reserve(70)));
        gone.join().unwrap();
        first.join().unwrap();
        assert_eq!(share.used_bytes(), 0);
    });
}

#[test]
fn waiters_that_leave_while_others_give_back_leave_nothing_behind() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let all = take(&share, 100);
        let gone = [leave(share.clone(), 60), leave(share.clone(), 50)];
        drop(all);
        gone.into_iter().for_each(|gone| gone.join().unwrap());
        assert_eq!(share.used_bytes(), 0);
        drop(take(&share, 100));
    });
}

#[test]
fn room_in_common_goes_to_another_output_when_its_holder_or_waiter_leaves() {
    explore(|| {
        let shares = share_out(100, 2); // floors of 25, 50 in common
        let most = take(&shares[0], 75);
        let gone = leave(shares[0].clone(), 60);
        let first = thread::spawn(move || drop(most));
        // More than its floor: it needs what the other holds in common.
        let one = take(&shares[1], 20);
        drop(block_on(shares[1].reserve(40)));
        drop(one);
        gone.join().unwrap();
        first.join().unwrap();
        assert_eq!([shares[0].used_bytes(), shares[1].used_bytes()], [0, 0]);
    });
}

#[test]
fn who_waits_behind_one_that_leaves_needs_nobody_else() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let half = take(&share, 50);
        let gone = leave(share.clone(), 60);
        // There is room for it all the time.
        drop(block_on(share.reserve(40)));
        gone.join().unwrap();
        drop(half);
        assert_eq!(share.used_bytes(), 0);
    });
}

#[test]
fn a_floor_is_never_stolen() {
    explore(|| {
        let shares = share_out(100, 2); // floors of 25, 50 in common
        let greedy: Vec<_> = [50, 50]
            .into_iter()
            .map(|bytes| {
                let share = shares[0].clone();
                thread::spawn(move || {
                    let permit = block_on(share.reserve(bytes));
                    assert!(share.used_bytes() <= 75, "more than its floor and all in common");
                    drop(permit);
                })
            })
            .collect();
        for bytes in [10, 25] {
            drop(take(&shares[1], bytes));
        }
        // Two at a time make a floor as well.
        let (_some, _rest) = (take(&shares[1], 10), take(&shares[1], 15));
        greedy.into_iter().for_each(|greedy| greedy.join().unwrap());
        assert_eq!(shares[0].used_bytes(), 0);
    });
}

#[test]
fn a_floor_is_there_while_another_output_overdraws_the_budget() {
    explore(|| {
        let shares = share_out(100, 2); // floors of 25, 50 in common
        let mut over = take(&shares[0], 10);
        over.resize(5000);
        let other = shares[1].clone();
        let other = thread::spawn(move || {
            let (_some, _rest) = (take(&other, 10), take(&other, 15));
        });
        let next = shares[0].clone();
        let next = thread::spawn(move || drop(block_on(next.reserve(30))));
        drop(over);
        other.join().unwrap();
        next.join().unwrap();
        assert_eq!([shares[0].used_bytes(), shares[1].used_bytes()], [0, 0]);
    });
}

#[test]
fn who_comes_first_is_served_first() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let most = take(&share, 60);
        let (mut big, mut small) = (wait(&share, 80), wait(&share, 30));
        assert!(poll_once(big.as_mut()).is_none(), "there is no room");
        assert!(poll_once(small.as_mut()).is_none(), "there is room, but not its turn");
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters = [(big, "big"), (small, "small")].map(|(waiter, name)| {
            let order = order.clone();
            thread::spawn(move || {
                let permit = block_on(waiter);
                // There is never room for both, so this is the order of the grants.
                order.lock().unwrap().push(name);
                drop(permit);
            })
        });
        drop(most);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*order.lock().unwrap(), ["big", "small"]);
    });
}

#[test]
fn a_smaller_true_size_lets_others_in_and_a_larger_one_is_given_back() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let mut guess = take(&share, 90);
        let sized = thread::spawn(move || {
            guess.resize(40);
            guess
        });
        let next = block_on(share.reserve(60));
        let mut guess = sized.join().unwrap();
        guess.resize(400);
        assert_eq!(share.used_bytes(), 460);
        let last = thread::spawn(move || drop(guess));
        drop(next);
        drop(block_on(share.reserve(100)));
        last.join().unwrap();
        assert_eq!(share.used_bytes(), 0);
    });
}

#[test]
fn what_is_larger_than_the_budget_passes_when_its_output_holds_nothing() {
    explore(|| {
        let share = share_out(100, 1).remove(0);
        let some = take(&share, 10);
        let gone = leave(share.clone(), 20);
        let first = thread::spawn(move || drop(some));
        let huge = block_on(share.reserve(5000));
        gone.join().unwrap();
        first.join().unwrap();
        assert_eq!(share.used_bytes(), 5000);
        drop(huge);
        assert_eq!(share.used_bytes(), 0);
    });
}

#[test]
fn an_output_that_goes_gives_its_part_to_those_who_wait() {
    explore(|| {
        let budget = Budget::new(100);
        let (stays, goes) = (budget.share(), budget.share()); // floors of 25, 50 in common
        let rest = take(&goes, 50);
        // It has something already, and there is no room for so much more.
        let held = take(&stays, 10);
        let waits = wait(&stays, 60);
        let waiter = thread::spawn(move || drop(block_on(waits)));
        let leaver = leave(goes.clone(), 40);
        drop(goes);
        drop(rest);
        waiter.join().unwrap();
        leaver.join().unwrap();
        drop(held);
        drop(take(&stays, 100));
    });
}
