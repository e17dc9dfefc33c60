//! The buffer that values are written into: stores of fixed width, then a step of the real width.
//!
//! A value of one to eight digits is stored as eight bytes and the position moves on by its
//! digits: no loop and no call to copy memory. For that the buffer is zeroed a little ahead
//! of the position (in blocks that stay in the nearest cache), which is what makes it safe code.

use std::mem;

/// How far ahead of the position memory is zeroed: some records, and little of the nearest cache.
const AHEAD_BYTES: usize = 2 << 10;

/// A record grew beyond its limit: how long it is at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLarge {
    pub(crate) bytes_min: usize,
}

/// Bytes written so far and some zeroed room behind them.
pub(crate) struct Output {
    /// Initialised memory; what counts ends at `at`.
    bytes: Vec<u8>,
    at: usize,
    /// Where the record under way begins.
    start: usize,
    /// Where the record under way must end.
    limit: usize,
    record_bytes_max: usize,
    /// Bytes that were read without being written.
    wasted: usize,
    /// Bytes that compression made less of.
    saved: usize,
}

impl Output {
    /// Writes into `bytes`, whose contents are forgotten.
    pub(crate) fn new(mut bytes: Vec<u8>, record_bytes_max: usize) -> Self {
        bytes.clear();
        Self {
            bytes,
            at: 0,
            start: 0,
            limit: record_bytes_max,
            record_bytes_max,
            wasted: 0,
            saved: 0,
        }
    }

    /// What was written.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    /// Where the next byte goes.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Begins a record here, of which `kept_bytes` are for its end.
    #[inline]
    pub(crate) fn begin(&mut self, kept_bytes: usize) {
        self.start = self.at;
        self.limit = self.at.saturating_add(self.record_bytes_max).saturating_sub(kept_bytes);
    }

    /// How long the record under way is.
    #[inline]
    pub(crate) fn record_len(&self) -> usize {
        self.at - self.start
    }

    /// Takes back what was written from `from` on; returns how much that was.
    #[inline]
    pub(crate) fn take_back(&mut self, from: usize) -> usize {
        let written = self.at - from;
        self.at = from;
        written
    }

    /// What was written from `from` on.
    #[inline]
    pub(crate) fn written(&self, from: usize) -> &[u8] {
        &self.bytes[from..self.at]
    }

    /// What was written from `from` on and the next `more` bytes, to move the one into the other
    /// and [`advance`](Self::advance).
    pub(crate) fn written_and_room(&mut self, from: usize, more: usize) -> &mut [u8] {
        self.room_of(more);
        &mut self.bytes[from..self.at + more]
    }

    /// Writes `bytes` at `at`, before what was written from there on.
    pub(crate) fn insert(&mut self, at: usize, bytes: &[u8]) {
        let len = bytes.len();
        let moved = self.written_and_room(at, len);
        moved.copy_within(..moved.len() - len, len);
        moved[..len].copy_from_slice(bytes);
        self.advance(len);
    }

    /// Where the record under way begins.
    #[inline]
    pub(crate) fn record_start(&self) -> usize {
        self.start
    }

    /// Notes that `bytes` were read which nothing was written for.
    pub(crate) fn waste(&mut self, bytes: usize) {
        self.wasted = self.wasted.saturating_add(bytes);
    }

    /// Notes that compression made what was written shorter by `bytes`.
    pub(crate) fn save(&mut self, bytes: usize) {
        self.saved = self.saved.saturating_add(bytes);
        self.waste(bytes);
    }

    /// How much compression has saved.
    pub(crate) fn saved(&self) -> usize {
        self.saved
    }

    /// What was wasted since the last question.
    #[inline]
    pub(crate) fn take_wasted(&mut self) -> usize {
        mem::take(&mut self.wasted)
    }

    /// Reserves memory for `more` bytes at once, instead of doubling on the way.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.bytes.reserve((self.at + more).saturating_sub(self.bytes.len()));
    }

    /// Whether the record under way is within its limit, with `more` bytes to come at least.
    #[inline(always)]
    pub(crate) fn check(&self, more: usize) -> Result<(), TooLarge> {
        let end = self.at + more;
        if end > self.limit { Err(TooLarge { bytes_min: end - self.start }) } else { Ok(()) }
    }

    /// The next `N` bytes, to write some of them and [`advance`](Self::advance).
    #[inline(always)]
    pub(crate) fn room<const N: usize>(&mut self) -> &mut [u8; N] {
        if self.bytes.len() - self.at < N {
            return self.grown_room();
        }
        self.bytes[self.at..].first_chunk_mut().expect("there is room")
    }

    #[cold]
    #[inline(never)]
    fn grown_room<const N: usize>(&mut self) -> &mut [u8; N] {
        self.grow(N);
        self.bytes[self.at..].first_chunk_mut().expect("grow made the room")
    }

    /// The next `len` bytes, to write some of them and [`advance`](Self::advance).
    #[inline]
    pub(crate) fn room_of(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.at < len {
            self.grow(len);
        }
        &mut self.bytes[self.at..self.at + len]
    }

    /// Keeps the first `len` bytes of the room that was written into.
    #[inline(always)]
    pub(crate) fn advance(&mut self, len: usize) {
        self.at += len;
        debug_assert!(self.at <= self.bytes.len());
    }

    /// Stores all of `bytes` and keeps the first `len` of them.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.room::<N>().copy_from_slice(bytes);
        self.advance(len);
    }

    /// Appends one byte.
    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) {
        self.put(&[byte], 1);
    }

    /// Overwrites a byte written before.
    #[inline(always)]
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        self.bytes[at] = byte;
    }

    /// Appends bytes of any length.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.room_of(bytes.len()).copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// Appends `len` times the digit zero.
    pub(crate) fn zeros(&mut self, len: usize) {
        self.room_of(len).fill(b'0');
        self.advance(len);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) {
        self.bytes.resize(self.at + len.max(AHEAD_BYTES), 0);
    }
}
