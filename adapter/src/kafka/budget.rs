//! The memory budget: how many bytes of records may be between the encoder and Kafka.
//!
//! One budget for the process, one [`Share`] for each output. Half of the budget is dealt out in
//! equal floors, so that an output whose brokers are away cannot starve another; the other half
//! is taken by whoever needs it. Waiting for room is the back-pressure: first come, first served
//! within an output. A *ceiling* keeps an output from taking more than it can make use of: rows
//! that queue longer arrive no sooner, and cost more, since memory that is not in a cache is slow.
//!
//! Two rules keep it free of deadlock. A reservation larger than everything that is free passes
//! while its output holds nothing else. A permit may be corrected after encoding, when the true
//! size is known ([`Permit::resize`]); that may overdraw the budget by the error of the estimates
//! of the batches that are being encoded at that moment, and by no more.
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use crate::sync::{Arc, Mutex, MutexGuard, oneshot};

/// What librdkafka and this service keep for a record beside its bytes: the message struct
/// (librdkafka issue 2114 speaks of about 200 bytes), its receipt and its end.
pub const RECORD_OVERHEAD_BYTES: u64 = 256;

/// One output's part in the budget.
#[derive(Clone)]
pub struct Share {
    state: Arc<Mutex<State>>,
    index: usize,
}

/// Room in the budget; given back when dropped.
pub struct Permit {
    share: Share,
    bytes: u64,
}

/// A reservation that waits. Dropped, it lets those behind it come to their turn.
struct Reservation<'a> {
    share: &'a Share,
    wait: Option<oneshot::Receiver<Permit>>,
}

struct State {
    common_bytes: u64,
    floor_bytes: u64,
    shares: Vec<ShareState>,
}

#[derive(Default)]
struct ShareState {
    used_bytes: u64,
    ceiling_bytes: Option<u64>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    bytes: u64,
    granted: oneshot::Sender<Permit>,
}

/// Shares a budget of `bytes` out among as many outputs.
pub fn share_out(bytes: u64, outputs: usize) -> Vec<Share> {
    let floor_bytes = bytes / 2 / outputs.max(1) as u64;
    let state = Arc::new(Mutex::new(State {
        common_bytes: bytes - floor_bytes * outputs as u64,
        floor_bytes,
        shares: (0..outputs).map(|_| ShareState::default()).collect(),
    }));
    (0..outputs).map(|index| Share { state: state.clone(), index }).collect()
}

impl Share {
    /// Waits for room. Cancel safe: a caller that goes away leaves no trace.
    pub async fn reserve(&self, bytes: u64) -> Permit {
        let wait = {
            let mut state = lock(&self.state);
            if state.shares[self.index].waiting.is_empty() && state.fits(self.index, bytes) {
                state.shares[self.index].used_bytes += bytes;
                return Permit { share: self.clone(), bytes };
            }
            let (granted, wait) = oneshot::channel();
            state.shares[self.index].waiting.push_back(Waiting { bytes, granted });
            wait
        };
        Reservation { share: self, wait: Some(wait) }.await
    }

    /// An output that holds so much gets no more, from now on. Who holds more keeps it.
    pub fn set_ceiling(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.shares[self.index].ceiling_bytes = Some(bytes);
        grant(state, self);
    }

    /// Bytes that this output holds.
    pub fn used_bytes(&self) -> u64 {
        lock(&self.state).shares[self.index].used_bytes
    }

    /// Reservations that wait for room.
    pub fn waiting(&self) -> usize {
        let state = lock(&self.state);
        let waiting = state.shares[self.index].waiting.iter();
        // Whoever has gone keeps the place until it comes to the front.
        waiting.filter(|waiting| !waiting.granted.is_closed()).count()
    }
}

impl Future for Reservation<'_> {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let wait = self.wait.as_mut().expect("not polled after it is ready");
        Pin::new(wait).poll(context).map(|granted| {
            self.wait = None;
            granted.expect("a reservation is granted before its sender is dropped")
        })
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        // First the receiver, so that its place in the queue is seen to be free.
        if self.wait.take().is_some() {
            grant(lock(&self.share.state), self.share);
        }
    }
}

impl Permit {
    /// Corrects the reservation to the true size, at once, even if that overdraws the budget.
    pub fn resize(&mut self, bytes: u64) {
        let old = std::mem::replace(&mut self.bytes, bytes);
        let mut state = lock(&self.share.state);
        let used = &mut state.shares[self.share.index].used_bytes;
        *used = *used - old + bytes;
        if bytes < old {
            grant(state, &self.share);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.share.state);
        state.shares[self.share.index].used_bytes -= self.bytes;
        grant(state, &self.share);
    }
}

impl State {
    /// Whether a reservation of this share passes now.
    fn fits(&self, index: usize, bytes: u64) -> bool {
        let share = &self.shares[index];
        let beyond = |used: u64| used.saturating_sub(self.floor_bytes);
        let common_used: u64 = self.shares.iter().map(|share| beyond(share.used_bytes)).sum();
        let wanted = beyond(share.used_bytes + bytes) - beyond(share.used_bytes);
        // The last one may go beyond it: one batch that is larger must not keep others out.
        let is_below_ceiling = share.ceiling_bytes.is_none_or(|ceiling| share.used_bytes < ceiling);
        let has_room = common_used + wanted <= self.common_bytes || wanted == 0;
        share.used_bytes == 0 || is_below_ceiling && has_room
    }
}

/// Lets in whoever fits now, the share that gave room back first, then the others in turn.
fn grant(mut state: MutexGuard<'_, State>, from: &Share) {
    let count = state.shares.len();
    // Permits whose waiter has gone give their room back when dropped, which takes the lock:
    // they are dropped after it is free.
    let mut orphans = Vec::new();
    for index in (0..count).map(|step| (from.index + step) % count) {
        while let Some(bytes) = state.shares[index].waiting.front().map(|waiting| waiting.bytes) {
            let gone = state.shares[index].waiting[0].granted.is_closed();
            if !gone && !state.fits(index, bytes) {
                break;
            }
            let waiting = state.shares[index].waiting.pop_front().expect("the front was there");
            if gone {
                continue;
            }
            state.shares[index].used_bytes += bytes;
            let permit = Permit { share: Share { state: from.state.clone(), index }, bytes };
            if let Err(permit) = waiting.granted.send(permit) {
                orphans.push(permit);
            }
        }
    }
    drop(state);
    drop(orphans);
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no code panics while it holds the budget")
}
