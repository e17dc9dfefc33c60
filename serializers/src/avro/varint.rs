//! Integers as Avro writes them: zigzag, seven bits a byte, the lowest first.

/// The most bytes that a 64 bit integer takes.
pub(super) const BYTES_MAX: usize = 10;

/// A byte whose high bit says that another follows.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Writes `value`; returns its length.
#[inline(always)]
pub(super) fn write(room: &mut [u8; BYTES_MAX], value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    if zigzag < 0x80 {
        room[0] = zigzag as u8;
        return 1;
    }
    if zigzag >> 56 != 0 {
        return write_long(room, zigzag);
    }
    // Eight groups of seven bits are spread over eight bytes, in halves, quarters and eighths.
    let halves = zigzag & 0x0fff_ffff | (zigzag & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let eighths = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    // The position of the highest bit, divided by seven.
    let last = ((63 - zigzag.leading_zeros()) * 37) >> 8;
    let more = MORE & ((1 << (8 * last)) - 1);
    *room.first_chunk_mut().expect("ten bytes hold eight") = (eighths | more).to_le_bytes();
    last as usize + 1
}

#[inline(never)]
fn write_long(room: &mut [u8; BYTES_MAX], mut zigzag: u64) -> usize {
    let mut len = 0;
    while zigzag >= 0x80 {
        room[len] = zigzag as u8 | 0x80;
        zigzag >>= 7;
        len += 1;
    }
    room[len] = zigzag as u8;
    len + 1
}

/// Appends `value`.
pub(super) fn append(bytes: &mut Vec<u8>, value: i64) {
    let mut room = [0; BYTES_MAX];
    let len = write(&mut room, value);
    bytes.extend(&room[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_what_a_loop_makes_of_them() {
        let bits = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for zigzag in bits.chain(0..70_000).chain([u64::MAX]) {
            let value = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            let (mut fast, mut slow) = ([0; BYTES_MAX], [0; BYTES_MAX]);
            let (fast_len, slow_len) = (write(&mut fast, value), write_long(&mut slow, zigzag));
            assert_eq!(fast[..fast_len], slow[..slow_len], "{value}");
        }
        // The examples of the specification.
        for (value, bytes) in [(0, 0), (-1, 1), (1, 2), (-2, 3), (2, 4), (-64, 0x7f)] {
            let mut room = [0xff; BYTES_MAX];
            assert_eq!((write(&mut room, value), room[0]), (1, bytes));
        }
        let mut room = [0; BYTES_MAX];
        assert_eq!((write(&mut room, 64), room[..2].to_vec()), (2, vec![0x80, 1]));
    }
}
