//! The budget: what one thread can see.
use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use crate::kafka::{Budget, share_out};

fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match future.poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_dead_output_cannot_take_the_floor_of_another() {
    let shares = share_out(1000, 2); // floors of 250, 500 in common
    let _dead = poll_once(pin!(shares[0].reserve(250))).unwrap();
    let _more = poll_once(pin!(shares[0].reserve(500))).unwrap();
    assert!(poll_once(pin!(shares[0].reserve(1))).is_none());
    let _other = poll_once(pin!(shares[1].reserve(250))).unwrap();
    assert_eq!(shares[0].used_bytes() + shares[1].used_bytes(), 1000);
}

#[test]
fn outputs_come_and_go_and_the_floors_with_them() {
    let budget = Budget::new(1000);
    let first = budget.share(); // a floor of 500, 500 in common
    let all = poll_once(pin!(first.reserve(1000))).unwrap();
    let second = budget.share(); // floors of 250: the first is 750 beyond its own
    let floor = poll_once(pin!(second.reserve(250))).unwrap();
    assert!(poll_once(pin!(second.reserve(1))).is_none(), "nothing is left in common");
    drop(all);
    let common = poll_once(pin!(second.reserve(500))).unwrap();
    let _floor = poll_once(pin!(first.reserve(250))).unwrap();
    let mut next = pin!(first.reserve(250));
    assert!(poll_once(next.as_mut()).is_none());
    drop(second);
    assert!(poll_once(next.as_mut()).is_none(), "what it held is still on its way");
    drop((floor, common));
    let _next = poll_once(next.as_mut()).unwrap();
    // Its place is the next one's, with nothing in it.
    assert_eq!(budget.share().used_bytes(), 0);
    assert_eq!(first.used_bytes(), 500);
}

#[test]
fn a_ceiling_leaves_the_rest_to_others_and_lets_in_when_it_is_raised() {
    let shares = share_out(1000, 2); // floors of 250, 500 in common
    shares[0].set_ceiling(300);
    let _most = poll_once(std::pin::pin!(shares[0].reserve(300))).unwrap();
    let mut next = std::pin::pin!(shares[0].reserve(10));
    assert!(poll_once(next.as_mut()).is_none(), "there is room in common, but not for this one");
    let other = poll_once(std::pin::pin!(shares[1].reserve(700))).unwrap();
    shares[0].set_ceiling(400);
    assert!(poll_once(next.as_mut()).is_none(), "now the other has it");
    drop(other);
    let _next = poll_once(next.as_mut()).unwrap();
    shares[0].set_ceiling(0);
    assert_eq!(shares[0].used_bytes(), 310, "who holds more keeps it");
}

#[test]
fn what_is_larger_than_a_ceiling_passes_alone() {
    let shares = share_out(1000, 1);
    shares[0].set_ceiling(10);
    let huge = poll_once(std::pin::pin!(shares[0].reserve(500))).unwrap();
    assert!(poll_once(std::pin::pin!(shares[0].reserve(1))).is_none());
    drop(huge);
    assert!(poll_once(std::pin::pin!(shares[0].reserve(1))).is_some());
}

#[test]
fn what_is_larger_than_the_budget_passes_alone() {
    let shares = share_out(100, 1);
    let huge = poll_once(pin!(shares[0].reserve(5000))).unwrap();
    let mut next = pin!(shares[0].reserve(10));
    assert!(poll_once(next.as_mut()).is_none());
    drop(huge);
    assert!(poll_once(next.as_mut()).is_some());
}

#[test]
fn waiters_are_served_in_order_and_the_gone_leave_no_trace() {
    let shares = share_out(100, 1);
    let first = poll_once(pin!(shares[0].reserve(100))).unwrap();
    let mut big = Box::pin(shares[0].reserve(80));
    let mut small = pin!(shares[0].reserve(30));
    assert!(poll_once(big.as_mut()).is_none());
    assert!(poll_once(small.as_mut()).is_none());
    assert_eq!(shares[0].waiting(), 2);
    drop(big);
    assert!(poll_once(small.as_mut()).is_none(), "there is no room yet");
    assert_eq!(shares[0].waiting(), 1);
    drop(first);
    let small = poll_once(small.as_mut()).expect("the room of the one that left is free");
    assert_eq!((shares[0].used_bytes(), shares[0].waiting()), (30, 0));
    drop(small);
    assert_eq!(shares[0].used_bytes(), 0);
}

#[test]
fn a_resize_wakes_whom_it_makes_room_for() {
    let shares = share_out(100, 1);
    let mut permit = poll_once(pin!(shares[0].reserve(90))).unwrap();
    let mut next = pin!(shares[0].reserve(60));
    assert!(poll_once(next.as_mut()).is_none());
    permit.resize(40);
    assert!(poll_once(next.as_mut()).is_some());
    permit.resize(400);
    assert_eq!(shares[0].used_bytes(), 400);
}
