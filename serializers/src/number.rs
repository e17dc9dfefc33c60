//! Numbers as decimal text.

use arrow_buffer::i256;
use std::io::Write;

use crate::{output::Output, records::RowErrorCode, rows::Fault, scalar::Written};

/// Every byte `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Ten to the eighth: what eight digits can hold.
const E8: u64 = 100_000_000;

/// The eight decimal digits of `value` < 10⁸, one a byte, the highest digit in the lowest byte.
///
/// Splits into two times four, four times two and eight times one digit, all lanes at once:
/// multiplying by 10486 / 2²⁰ divides numbers below 10⁴ by 100, by 103 / 2¹⁰ below 100 by 10.
#[inline(always)]
fn digits(value: u32) -> u64 {
    let (high, low) = (u64::from(value / 10_000), u64::from(value % 10_000));
    let fours = high | low << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}

/// Eight digits, with leading zeros.
#[inline(always)]
pub(crate) fn eight(value: u32) -> [u8; 8] {
    (digits(value) + ZEROS).to_le_bytes()
}

/// Writes `value` < 10⁴ without leading zeros; returns its length.
#[inline(always)]
fn up_to_four(room: &mut [u8; 4], value: u32) -> usize {
    let hundreds = (value * 10_486) >> 20;
    let twos = hundreds | (value - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f;
    let digits = tens | (twos - 10 * tens) << 8;
    // The last digit stays, even if it is a zero.
    let leading = (digits | 1 << 24).trailing_zeros() / 8;
    *room = ((digits + ZEROS as u32) >> (8 * leading)).to_le_bytes();
    4 - leading as usize
}

/// Writes `value` < 10⁸ without leading zeros; returns its length.
#[inline(always)]
fn up_to_eight(room: &mut [u8; 8], value: u32) -> usize {
    let digits = digits(value);
    let leading = (digits | 1 << 56).trailing_zeros() / 8;
    *room = ((digits + ZEROS) >> (8 * leading)).to_le_bytes();
    8 - leading as usize
}

/// Writes an unsigned integer; returns its length.
#[inline(always)]
pub(crate) fn unsigned(room: &mut [u8; 20], value: u64) -> usize {
    if value < 10_000 {
        up_to_four(start(room), value as u32)
    } else if value < E8 {
        up_to_eight(start(room), value as u32)
    } else {
        long(room, value)
    }
}

#[inline(never)]
fn long(room: &mut [u8; 20], value: u64) -> usize {
    let (high, low) = (value / E8, (value % E8) as u32);
    let len = if high < E8 {
        up_to_eight(start(room), high as u32)
    } else {
        let len = up_to_four(start(room), (high / E8) as u32);
        room[len..len + 8].copy_from_slice(&eight((high % E8) as u32));
        len + 8
    };
    room[len..len + 8].copy_from_slice(&eight(low));
    len + 8
}

/// Writes a signed integer; returns its length.
#[inline(always)]
pub(crate) fn signed(room: &mut [u8; 21], value: i64) -> usize {
    room[0] = b'-';
    let sign = usize::from(value < 0);
    let digits = room[sign..].first_chunk_mut().expect("a sign is one byte");
    sign + unsigned(digits, value.unsigned_abs())
}

#[inline(always)]
fn start<const N: usize>(room: &mut [u8]) -> &mut [u8; N] {
    room.first_chunk_mut().expect("integers have more room than their first digits")
}

/// Writes a finite float: the shortest text that reads back as the same value.
#[inline]
pub(crate) fn float<F: zmij::Float>(out: &mut Output, value: F) {
    out.extend(zmij::Buffer::new().format_finite(value).as_bytes());
}

/// How many digits the decimals of a column have at most, and how many of them are decimals.
#[derive(Clone, Copy)]
pub(crate) struct Digits {
    pub(crate) precision: u8,
    pub(crate) scale: i8,
}

/// Writes `value` × 10^-scale, exactly and with as many decimals as the scale says.
pub(crate) fn decimal(out: &mut Output, value: i128, of: Digits) -> Written {
    scaled(out, itoa::Buffer::new().format(value).as_bytes(), of)
}

/// As [`decimal`], for 256 bits.
pub(crate) fn decimal256(out: &mut Output, value: i256, of: Digits) -> Written {
    if let Some(value) = value.to_i128() {
        return decimal(out, value, of);
    }
    // A sign and the 77 digits of 2²⁵⁵.
    let mut text = [0; 78];
    let mut room = &mut text[..];
    write!(room, "{value}").expect("78 bytes hold every 256 bit integer");
    let free = room.len();
    scaled(out, &text[..text.len() - free], of)
}

/// Sets the point into the digits of an integer.
fn scaled(out: &mut Output, integer: &[u8], of: Digits) -> Written {
    let (sign, digits) = match integer {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Arrow does not hold the values of a column to its precision.
    if digits.len() > usize::from(of.precision) {
        return Err(overflow(of.precision));
    }
    out.put(b"-", usize::from(sign));
    let decimals = usize::from(of.scale.unsigned_abs());
    if of.scale <= 0 {
        out.extend(digits);
        // Zero is `0` at every scale: JSON knows no `000`.
        out.zeros(if digits == b"0" { 0 } else { decimals });
    } else if digits.len() > decimals {
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        out.extend(whole);
        out.push(b'.');
        out.extend(fraction);
    } else {
        out.put(b"0.", 2);
        out.zeros(decimals - digits.len());
        out.extend(digits);
    }
    Ok(())
}

#[cold]
fn overflow(precision: u8) -> Box<Fault> {
    let reason = format!("the decimal has more than the {precision} digits of its type");
    Fault::new(RowErrorCode::DecimalOverflow, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        let all = (0..=100_000_u64).chain((0..u64::from(u32::MAX)).step_by(40_009));
        for value in all.chain((0..u64::MAX - (1 << 45)).step_by(1 << 45)) {
            let mut room = [b'?'; 20];
            let len = unsigned(&mut room, value);
            assert_eq!(std::str::from_utf8(&room[..len]).unwrap(), value.to_string());
        }
    }
}
