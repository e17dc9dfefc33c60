//! Where random values come from, and the special ones.

use arrow_buffer::{NullBuffer, i256};

/// No type has more ends and special values than this; text has the most.
pub const EXTREMES: usize = 40;

/// Where values come from: numbers by a seed (splitmix), or the special values one after another.
pub struct Source {
    state: u64,
    orderly: bool,
}

impl Source {
    pub fn random(seed: u64) -> Self {
        Self { state: seed, orderly: false }
    }

    pub fn extremes() -> Self {
        Self { state: 0, orderly: true }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// An integer of any magnitude.
    pub fn integer(&mut self) -> i64 {
        (self.next() as i64) >> self.below(64)
    }

    /// An integer from the first to the last.
    pub fn between(&mut self, [first, last]: [i64; 2]) -> i64 {
        let span = i128::from(last) - i128::from(first) + 1;
        (i128::from(first) + i128::from(self.next()) % span) as i64
    }

    /// Digits, up to as many as are asked for, of either sign.
    pub fn digits(&mut self, most: u8) -> i256 {
        let len = 1 + self.below(most.into());
        let digits: String = (0..len).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        let value = i256::from_string(&digits).unwrap();
        if self.below(2) == 0 { value } else { i256::ZERO - value }
    }

    /// Characters of every plane.
    pub fn text(&mut self) -> String {
        let len = if self.below(8) == 0 { 300 } else { 20 };
        let len = self.below(len);
        let character = |_| match self.below(3) {
            0 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}'),
            _ => char::from(self.below(128) as u8),
        };
        (0..len).map(character).collect()
    }

    /// How much longer an array is than what is cut out of it.
    pub fn surplus(&mut self) -> usize {
        if self.orderly { 0 } else { self.below(3) }
    }

    pub fn nulls(&mut self, len: usize) -> Option<NullBuffer> {
        if self.orderly {
            return (len > 0).then(|| (0..len).map(|at| at + 1 < len).collect());
        }
        let rate = self.below(4);
        (rate > 0).then(|| (0..len).map(|_| self.below(4) >= rate).collect())
    }

    pub fn lengths(&mut self, lists: usize) -> Vec<usize> {
        (0..lists).map(|at| if self.orderly { at % 3 } else { self.below(3) }).collect()
    }

    pub fn dictionary_len(&mut self) -> usize {
        if self.orderly { EXTREMES + 1 } else { 1 + self.below(5) }
    }

    pub fn key(&mut self, at: usize, values: usize) -> usize {
        if self.orderly { at % values } else { self.below(values) }
    }

    /// A special value, the one at its place or by chance, or none.
    pub fn special<T: Clone>(&mut self, at: usize, of: &[T]) -> Option<T> {
        assert!(of.len() <= EXTREMES, "{} special values", of.len());
        match self.orderly {
            true => Some(of[at % of.len()].clone()),
            false => (self.below(2) == 0).then(|| of[self.below(of.len())].clone()),
        }
    }
}
