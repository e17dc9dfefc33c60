//! Random numbers, of which the tests make columns.

/// A source of numbers (splitmix); a failing case is told by its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// An integer of any magnitude, edges included.
    pub fn integer(&mut self) -> i64 {
        match self.below(8) {
            0 => 0,
            1 => i64::MIN,
            2 => i64::MAX,
            _ => (self.next() as i64) >> self.below(64),
        }
    }

    /// An integer within ±`bound`.
    pub fn within(&mut self, bound: i64) -> i64 {
        self.integer() % (bound + 1)
    }

    pub fn lengths(&mut self, lists: usize) -> Vec<usize> {
        (0..lists).map(|_| self.below(4)).collect()
    }
}
