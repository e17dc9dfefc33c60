//! Damage to bytes, the same in every run.

/// Marsaglia's xorshift: never 0.
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to a name.
    pub fn of(name: &str) -> Self {
        let mix = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0, below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Lengths and offsets that lie.
const LIES: [i64; 8] = [-1, i64::MIN, 1 << 62, 1 << 40, i32::MAX as i64, 1 << 20, 0, 7];

/// Damages `bytes` in one to four ways; some are parts of `other`.
pub fn mutate(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(mutant.len() + 1);
        let len = random.below(16).min(mutant.len() - at);
        match random.below(10) {
            0 => mutant.truncate(at),
            1 => mutant[at..at + len].fill(0xff),
            2 => mutant[at..at + len].fill(0),
            3 => drop(mutant.drain(at..at + len)),
            4 if at + 8 <= mutant.len() => {
                let at = at / 8 * 8;
                mutant[at..at + 8].copy_from_slice(&LIES[random.below(LIES.len())].to_le_bytes());
            }
            5 => {
                let part = mutant[at..at + len].to_vec();
                let to = random.below(mutant.len() + 1);
                mutant.splice(to..to, part);
            }
            6 => {
                let from = random.below(other.len() + 1);
                let end = (from + random.below(64)).min(other.len());
                mutant.splice(at..at + len, other[from..end].iter().copied());
            }
            7 if at < mutant.len() => mutant[at] = random.below(256) as u8,
            _ if at < mutant.len() => mutant[at] ^= 1 << random.below(8),
            _ => mutant.push(random.below(256) as u8),
        }
    }
    mutant
}
