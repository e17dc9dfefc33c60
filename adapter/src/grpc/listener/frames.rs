//! Counts the frames of a connection that carry no rows: whoever floods the service with them is
//! not served any longer.
//!
//! h2 bounds what such frames may cost in memory (and streams reset, empty DATA and CONTINUATION in
//! number), but answers SETTINGS and PING for as long as they come. Here all of them draw from one
//! allowance, which is refilled with time, so the processor time that a peer gets is bounded, too.
//! Frames that carry rows or begin a call cost nothing: their number is the engine's affair.
use std::time::Instant;

/// What a connection may spend at once.
const ALLOWANCE: u32 = 200_000;

/// What is refilled in a second.
const REFILL_PER_S: f64 = 50_000.0;

/// Bytes in front of every frame (RFC 9113, 4.1).
const HEAD_BYTES: usize = 9;

/// A peer sends more such frames than any client has a reason to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// The kind of the frame that was one too many.
    pub frame: &'static str,
}

/// Follows the frames in what a peer sends, after the preface.
pub struct Meter {
    head: [u8; HEAD_BYTES],
    filled: usize,
    payload_left: u32,
    allowance: u32,
    refilled: Instant,
}

impl Meter {
    /// A meter at the start of a connection.
    pub fn new() -> Self {
        Self {
            head: [0; HEAD_BYTES],
            filled: 0,
            payload_left: 0,
            allowance: ALLOWANCE,
            refilled: Instant::now(),
        }
    }

    /// Takes the next bytes that the peer sent, cut anywhere.
    ///
    /// # Errors
    /// If the allowance is spent.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.payload_left as usize);
            self.payload_left -= skipped as u32;
            bytes = &bytes[skipped..];
            let copied = bytes.len().min(HEAD_BYTES - self.filled);
            self.head[self.filled..self.filled + copied].copy_from_slice(&bytes[..copied]);
            self.filled += copied;
            bytes = &bytes[copied..];
            if self.filled == HEAD_BYTES {
                self.filled = 0;
                let [high, middle, low, kind, flags, ..] = self.head;
                self.payload_left = u32::from_be_bytes([0, high, middle, low]);
                let (cost, frame) = cost(kind, flags, self.payload_left);
                self.spend(cost).map_err(|()| Flood { frame })?;
            }
        }
        Ok(())
    }

    fn spend(&mut self, cost: u32) -> Result<(), ()> {
        if cost > self.allowance {
            let now = Instant::now();
            let refill = now.duration_since(self.refilled).as_secs_f64() * REFILL_PER_S;
            self.refilled = now;
            self.allowance = (f64::from(self.allowance) + refill).min(f64::from(ALLOWANCE)) as u32;
        }
        self.allowance = self.allowance.checked_sub(cost).ok_or(())?;
        Ok(())
    }
}

/// What a frame costs, by what engines send of it. Every acknowledgement that an engine reads may
/// be followed by a WINDOW_UPDATE of stream and connection, and by a PING that measures the round
/// trip; every call whose deadline is over ends with RST_STREAM.
fn cost(kind: u8, flags: u8, length: u32) -> (u32, &'static str) {
    const END_STREAM: u8 = 0x1;
    match kind {
        0x0 if length == 0 && flags & END_STREAM == 0 => (50, "empty DATA"),
        0x0 => (0, "DATA"),
        0x1 => (0, "HEADERS"),
        0x2 => (50, "PRIORITY"),
        0x3 => (10, "RST_STREAM"),
        0x4 => (50, "SETTINGS"),
        0x6 => (2, "PING"),
        0x8 => (1, "WINDOW_UPDATE"),
        0x9 => (50, "CONTINUATION"),
        _ => (50, "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// How many of a frame go through before there are too many.
    fn passed(frame: &[u8], most: usize) -> usize {
        let mut meter = Meter::new();
        (0..most).take_while(|_| meter.take(frame).is_ok()).count()
    }

    #[test]
    fn a_flood_of_frames_without_rows_ends() {
        for (kind, flags, payload) in [
            (0x0, 0, &[][..]), // empty DATA
            (0x2, 0, &[0; 5]),
            (0x3, 0, &[0; 4]),
            (0x4, 0, &[]),
            (0x6, 0, &[0; 8]),
            (0x8, 0, &[0; 4]),
            (0x9, 0, &[]),
            (0x4F, 0, &[]), // unknown
        ] {
            let passed = passed(&frame(kind, flags, payload), 2_000_000);
            assert!((4_000..2_000_000).contains(&passed), "{kind}: {passed}");
        }
    }

    #[test]
    fn rows_and_calls_are_free() {
        for (kind, flags, payload) in [(0x0, 0, &[7; 100][..]), (0x0, 1, &[]), (0x1, 4, &[0; 20])] {
            assert_eq!(passed(&frame(kind, flags, payload), 1_000_000), 1_000_000);
        }
    }

    #[test]
    fn frames_are_followed_wherever_they_are_cut() {
        // What stands in a payload is no frame: here it looks like SETTINGS, over and over.
        let looks_like = frame(0x4, 0, &[]).repeat(1_000);
        let all = frame(0x0, 0, &looks_like).repeat(30);
        for cut in [1, 2, 7, 9, 10, 4_096, all.len()] {
            let mut meter = Meter::new();
            for part in all.chunks(cut) {
                meter.take(part).unwrap();
            }
            assert_eq!((meter.allowance, meter.filled, meter.payload_left), (ALLOWANCE, 0, 0));
            let pings = frame(0x6, 0, &[0; 8]).repeat(10);
            for part in pings.chunks(cut) {
                meter.take(part).unwrap();
            }
            assert_eq!(meter.allowance, ALLOWANCE - 20, "cut after {cut}");
        }
    }
}
