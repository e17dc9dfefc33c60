//! Counts the frames of a connection that carry no rows: whoever floods the service with them is
//! not served any longer.
//!
//! h2 bounds what such frames may cost in memory (and streams reset, empty DATA and CONTINUATION in
//! number), but answers SETTINGS and PING for as long as they come. Here all of them draw from one
//! allowance, which is refilled with time, so the processor time that a peer gets is bounded, too.
//! Frames that carry rows or begin a call cost nothing: their number is the engine's affair. What
//! is padded to look like rows is no better than what carries none.
use std::time::Instant;

/// What a connection may spend at once.
const ALLOWANCE: u32 = 200_000;

/// What is refilled in a second.
const REFILL_PER_S: f64 = 50_000.0;

/// Bytes in front of every frame (RFC 9113, 4.1).
const HEAD_BYTES: usize = 9;

/// Flags of DATA (RFC 9113, 6.1).
const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;

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
    /// Flags of a padded frame whose first byte, the length of the padding, is still to come.
    padded: Option<u8>,
    allowance: u32,
    refilled: Instant,
    calls: u64,
    data_bytes: u64,
}

impl Meter {
    /// A meter at the start of a connection.
    pub fn new() -> Self {
        Self {
            head: [0; HEAD_BYTES],
            filled: 0,
            payload_left: 0,
            padded: None,
            allowance: ALLOWANCE,
            refilled: Instant::now(),
            calls: 0,
            data_bytes: 0,
        }
    }

    /// How many calls the peer has begun.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How much content the peer has sent, of all calls together.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Takes the next bytes that the peer sent, cut anywhere.
    ///
    /// # Errors
    /// If the allowance is spent.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while let Some(first) = bytes.first() {
            if let Some(flags) = self.padded.take() {
                self.spend(padding(flags, self.payload_left, *first), "padded DATA")?;
            }
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
                match kind {
                    0x0 => {
                        self.data_bytes += u64::from(self.payload_left);
                        let has_first = self.payload_left > 0 && flags & PADDED != 0;
                        self.padded = has_first.then_some(flags);
                    }
                    0x1 => self.calls += 1,
                    _ => {}
                }
                let (cost, frame) = cost(kind, flags, self.payload_left);
                self.spend(cost, frame)?;
            }
        }
        Ok(())
    }

    fn spend(&mut self, cost: u32, frame: &'static str) -> Result<(), Flood> {
        if cost > self.allowance {
            let now = Instant::now();
            let refill = now.duration_since(self.refilled).as_secs_f64() * REFILL_PER_S;
            self.refilled = now;
            self.allowance = (f64::from(self.allowance) + refill).min(f64::from(ALLOWANCE)) as u32;
        }
        self.allowance = self.allowance.checked_sub(cost).ok_or(Flood { frame })?;
        Ok(())
    }
}

/// What a frame costs, by what engines send of it. Every acknowledgement that an engine reads may
/// be followed by a WINDOW_UPDATE of stream and connection, and by a PING that measures the round
/// trip; every call whose deadline is over ends with RST_STREAM.
fn cost(kind: u8, flags: u8, length: u32) -> (u32, &'static str) {
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

/// What the padding of DATA costs: no client pads without a reason, and DATA that is nothing but
/// padding is as empty as DATA without.
fn padding(flags: u8, length: u32, padding: u8) -> u32 {
    let is_empty = u32::from(padding) + 1 >= length;
    match is_empty && flags & END_STREAM == 0 {
        true => 50,
        false => 1 + u32::from(padding) / 32,
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
            (0x0, PADDED, &[0]),
            (0x0, PADDED, &[7; 8]),
            (0x0, PADDED, &[6; 8]), // with a byte in front
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
    fn calls_and_content_are_counted_wherever_they_are_cut() {
        let call = [frame(0x1, 4, &[0; 20]), frame(0x0, PADDED, &[2; 100])].concat();
        for cut in [1, 9, 10, 1_000] {
            let mut meter = Meter::new();
            let sent = call.repeat(10);
            for part in sent.chunks(cut) {
                meter.take(part).unwrap();
            }
            assert_eq!((meter.calls(), meter.data_bytes()), (10, 1_000), "cut after {cut}");
            assert_eq!(meter.allowance, ALLOWANCE - 10, "cut after {cut}");
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
