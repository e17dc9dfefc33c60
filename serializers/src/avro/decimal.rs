//! Decimals as the bytes of their digits: two's complement, the highest byte first.

use arrow_buffer::i256;

use super::varint;
use crate::{output::Output, records::RowErrorCode, rows::Fault};

/// The most zeros that a value gets behind its digits: Arrow's lowest scale is -128.
pub(super) const ZEROS_MAX: u32 = 128;

/// The most digits that 256 bits hold, whatever the digits are.
const DIGITS_MAX: u32 = 76;

/// 256 bits with so many zeros are 681 bits.
const BYTES_MAX: usize = 96;

/// A decimal type, and how many zeros a value gets behind its digits.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    precision: u32,
    zeros: u32,
    /// A value, before its zeros, is smaller. None if every value is.
    bound: Option<i256>,
    bound_short: Option<i128>,
    /// What a value is multiplied with, if 256 bits hold that.
    factor: Option<i256>,
    factor_short: Option<i128>,
    /// The size of a fixed type.
    fixed: Option<usize>,
}

impl Decimal {
    /// Of a precision that is no less than `zeros`, which is at most [`ZEROS_MAX`]; `fixed` is
    /// large enough.
    pub(super) fn new(precision: u32, zeros: u32, fixed: Option<usize>) -> Self {
        // Below 10^precision with its zeros is below 10^(precision - zeros) without.
        let digits = precision.saturating_sub(zeros);
        let (bound, factor) = (power(digits), power(zeros));
        Self {
            precision,
            zeros,
            bound,
            bound_short: bound.and_then(i256::to_i128),
            factor,
            factor_short: factor.and_then(i256::to_i128),
            fixed,
        }
    }

    /// Writes a value of 128 bits at most.
    #[inline]
    pub(super) fn write_short(&self, out: &mut Output, value: i128) -> Result<(), Box<Fault>> {
        if self.bound_short.is_some_and(|bound| value >= bound || value <= -bound) {
            return Err(self.overflow());
        }
        match self.factor_short.and_then(|factor| value.checked_mul(factor)) {
            Some(value) => self.write_bytes(out, &value.to_be_bytes()),
            None => self.write_long(out, i256::from_i128(value)),
        }
    }

    /// Writes a value of 256 bits.
    pub(super) fn write_long(&self, out: &mut Output, value: i256) -> Result<(), Box<Fault>> {
        if self.bound.is_some_and(|bound| value >= bound || value <= -bound) {
            return Err(self.overflow());
        }
        match self.factor.and_then(|factor| value.checked_mul(factor)) {
            Some(value) => self.write_bytes(out, &value.to_be_bytes()),
            None => self.write_longest(out, value),
        }
    }

    /// Writes a value that 256 bits do not hold with its zeros.
    fn write_longest(&self, out: &mut Output, value: i256) -> Result<(), Box<Fault>> {
        let sign = if value.is_negative() { 0xff } else { 0 };
        let mut bytes = [sign; BYTES_MAX];
        *bytes.last_chunk_mut().expect("96 bytes hold 32") = value.to_be_bytes();
        for _ in 0..self.zeros {
            // Multiplying two's complement drops what is carried out, whatever the sign.
            bytes.iter_mut().rev().fold(0, |carry, byte| {
                let product = u16::from(*byte) * 10 + carry;
                *byte = product as u8;
                product >> 8
            });
        }
        self.write_bytes(out, &bytes)
    }

    /// Writes all bytes of a fixed type, else as few as will do, with their number.
    #[inline]
    fn write_bytes(&self, out: &mut Output, all: &[u8]) -> Result<(), Box<Fault>> {
        let sign = if all[0] & 0x80 == 0 { 0 } else { 0xff };
        if let Some(size) = self.fixed {
            out.check(size)?;
            let more = size.saturating_sub(all.len());
            out.room_of(more).fill(sign);
            out.advance(more);
            out.extend(&all[all.len().saturating_sub(size)..]);
            return Ok(());
        }
        let spare = all[..all.len() - 1].iter().take_while(|byte| **byte == sign).count();
        // The first byte that stays shows the sign too.
        let from = spare - usize::from(spare > 0 && (all[spare] ^ sign) & 0x80 != 0);
        let len = varint::write(out.room(), (all.len() - from) as i64);
        out.advance(len);
        out.extend(&all[from..]);
        Ok(())
    }

    #[cold]
    fn overflow(&self) -> Box<Fault> {
        let reason = format!("the decimal has more than the {} digits of its type", self.precision);
        Fault::new(RowErrorCode::DecimalOverflow, reason)
    }
}

/// Ten to a power, if every number of so many digits fits 256 bits.
fn power(of: u32) -> Option<i256> {
    (of <= DIGITS_MAX).then(|| i256::from_i128(10).wrapping_pow(of))
}
