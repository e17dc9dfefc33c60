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

/// The budget of a process. Copies of it are the same.
#[derive(Clone)]
pub struct Budget {
    state: Arc<Mutex<State>>,
}

/// One output's part in the budget, until the last copy of it is dropped.
#[derive(Clone)]
pub struct Share {
    part: Arc<Part>,
}

/// A place in the budget.
struct Part {
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
    bytes: u64,
    /// A place that is free is the next output's.
    shares: Vec<Option<ShareState>>,
}

#[derive(Default)]
struct ShareState {
    used_bytes: u64,
    ceiling_bytes: Option<u64>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    share: Share,
    bytes: u64,
    granted: oneshot::Sender<Permit>,
}

/// Shares a budget of `bytes` out among as many outputs.
pub fn share_out(bytes: u64, outputs: usize) -> Vec<Share> {
    let budget = Budget::new(bytes);
    (0..outputs).map(|_| budget.share()).collect()
}

impl Budget {
    /// A budget of `bytes` without shares.
    pub fn new(bytes: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State { bytes, shares: Vec::new() })) }
    }

    /// The share of one more output. The floors of the others shrink: what they hold beyond counts
    /// as taken from the common half.
    pub fn share(&self) -> Share {
        let mut state = lock(&self.state);
        let free = state.shares.iter().position(Option::is_none);
        let index = free.unwrap_or(state.shares.len());
        if free.is_none() {
            state.shares.push(None);
        }
        state.shares[index] = Some(ShareState::default());
        Share { part: Arc::new(Part { state: self.state.clone(), index }) }
    }
}

impl Drop for Part {
    /// Nobody holds or awaits room in it any more: permits and reservations hold it.
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.shares[self.index] = None;
        // The floors of the others grow.
        grant(state, self.index);
    }
}

impl Share {
    /// Waits for room. Cancel safe: a caller that goes away leaves no trace.
    pub async fn reserve(&self, bytes: u64) -> Permit {
        let wait = {
            let mut state = self.lock();
            let index = self.part.index;
            if state.share(index).waiting.is_empty() && state.fits(index, bytes) {
                state.share(index).used_bytes += bytes;
                return Permit { share: self.clone(), bytes };
            }
            let (granted, wait) = oneshot::channel();
            state.share(index).waiting.push_back(Waiting { share: self.clone(), bytes, granted });
            wait
        };
        Reservation { share: self, wait: Some(wait) }.await
    }

    /// An output that holds so much gets no more, from now on. Who holds more keeps it.
    pub fn set_ceiling(&self, bytes: u64) {
        let mut state = self.lock();
        state.share(self.part.index).ceiling_bytes = Some(bytes);
        self.grant(state);
    }

    /// Bytes that this output holds.
    pub fn used_bytes(&self) -> u64 {
        self.lock().share(self.part.index).used_bytes
    }

    /// Reservations that wait for room.
    pub fn waiting(&self) -> usize {
        let mut state = self.lock();
        let waiting = state.share(self.part.index).waiting.iter();
        // Whoever has gone keeps the place until it comes to the front.
        waiting.filter(|waiting| !waiting.granted.is_closed()).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.part.state)
    }

    fn grant(&self, state: MutexGuard<'_, State>) {
        grant(state, self.part.index);
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
            self.share.grant(self.share.lock());
        }
    }
}

impl Permit {
    /// Corrects the reservation to the true size, at once, even if that overdraws the budget.
    pub fn resize(&mut self, bytes: u64) {
        let old = std::mem::replace(&mut self.bytes, bytes);
        let mut state = self.share.lock();
        let used = &mut state.share(self.share.part.index).used_bytes;
        *used = *used - old + bytes;
        if bytes < old {
            self.share.grant(state);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.share.lock();
        state.share(self.share.part.index).used_bytes -= self.bytes;
        self.share.grant(state);
    }
}

impl State {
    /// A share that somebody holds.
    fn share(&mut self, index: usize) -> &mut ShareState {
        self.shares[index].as_mut().expect("a share has its place until it is dropped")
    }

    /// The first reservation that waits in a place: its bytes, and whether nobody awaits it.
    fn next(&self, index: usize) -> Option<(u64, bool)> {
        let waiting = self.shares[index].as_ref()?.waiting.front()?;
        Some((waiting.bytes, waiting.granted.is_closed()))
    }

    /// Whether a reservation of this share passes now.
    fn fits(&self, index: usize, bytes: u64) -> bool {
        let share = self.shares[index].as_ref().expect("a share has its place until it is dropped");
        let shares = || self.shares.iter().flatten();
        let count = shares().count() as u64;
        let floor_bytes = self.bytes / 2 / count;
        let common_bytes = self.bytes - floor_bytes * count;
        let beyond = |used: u64| used.saturating_sub(floor_bytes);
        let common_used: u64 = shares().map(|share| beyond(share.used_bytes)).sum();
        let wanted = beyond(share.used_bytes + bytes) - beyond(share.used_bytes);
        // The last one may go beyond it: one batch that is larger must not keep others out.
        let is_below_ceiling = share.ceiling_bytes.is_none_or(|ceiling| share.used_bytes < ceiling);
        let has_room = common_used + wanted <= common_bytes || wanted == 0;
        share.used_bytes == 0 || is_below_ceiling && has_room
    }
}

/// Lets in whoever fits now, the share that gave room back first, then the others in turn.
fn grant(mut state: MutexGuard<'_, State>, from: usize) {
    let count = state.shares.len();
    // What ends here may be the last of a share, or give its room back, which takes the lock: it is
    // dropped after that is free.
    let (mut orphans, mut gone) = (Vec::new(), Vec::new());
    for index in (0..count).map(|step| (from + step) % count) {
        while let Some((bytes, is_gone)) = state.next(index) {
            if !is_gone && !state.fits(index, bytes) {
                break;
            }
            let waiting = state.share(index).waiting.pop_front().expect("the front was there");
            if is_gone {
                gone.push(waiting);
                continue;
            }
            state.share(index).used_bytes += bytes;
            let permit = Permit { share: waiting.share, bytes };
            if let Err(permit) = waiting.granted.send(permit) {
                orphans.push(permit);
            }
        }
    }
    drop(state);
    drop((orphans, gone));
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no code panics while it holds the budget")
}
