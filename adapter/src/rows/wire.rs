//! Reads protobuf's wire format from a slice, without copying.

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct WireError(pub(super) &'static str);

/// The fields of one message, in their order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// The bytes of a text, bytes or message.
    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32 => Err(WRONG_WIRE_TYPE),
        }
    }
}

/// A field of the contract that is encoded as another type than the contract's.
pub(super) const WRONG_WIRE_TYPE: WireError = WireError("a field has the wrong wire type");

const TRUNCATED: WireError = WireError("the message is truncated");

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// True if no field is left.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next field if it is number 1, bytes, and shorter than 128 bytes: nearly every value of a
    /// row is, and two comparisons tell.
    #[inline]
    pub(super) fn next_short_first(&mut self) -> Option<&'a [u8]> {
        const KEY: u8 = 1 << 3 | 2;
        match self.bytes {
            [KEY, len, rest @ ..] if *len < 0x80 => {
                let (value, rest) = rest.split_at_checked(usize::from(*len))?;
                self.bytes = rest;
                Some(value)
            }
            _ => None,
        }
    }

    /// The next field: its number and value.
    #[inline(always)] // its result is large, and is taken apart at once
    pub(super) fn next(&mut self) -> Result<Option<(u32, Payload<'a>)>, WireError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let Ok(key) = u32::try_from(self.varint()?) else {
            return Err(WireError("a field's number is too large"));
        };
        let number = key >> 3;
        if number == 0 {
            return Err(WireError("a field has the number 0"));
        }
        let payload = match key & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => {
                let (value, rest) = self.bytes.split_first_chunk().ok_or(TRUNCATED)?;
                self.bytes = rest;
                Payload::Fixed64(u64::from_le_bytes(*value))
            }
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
                let (value, rest) = self.bytes.split_at_checked(len).ok_or(TRUNCATED)?;
                self.bytes = rest;
                Payload::Bytes(value)
            }
            5 => {
                let (_, rest) = self.bytes.split_first_chunk::<4>().ok_or(TRUNCATED)?;
                self.bytes = rest;
                Payload::Fixed32
            }
            3 | 4 => return Err(WireError("groups are not supported")),
            _ => return Err(WireError("a field has an unknown wire type")),
        };
        Ok(Some((number, payload)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        const VARINT_BYTES_MAX: usize = 10;
        let mut value = 0;
        for (index, byte) in self.bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
            if index == VARINT_BYTES_MAX - 1 && *byte > 1 {
                return Err(WireError("a number is longer than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.bytes = &self.bytes[index + 1..];
                return Ok(value);
            }
        }
        Err(TRUNCATED)
    }
}

/// A signed integer out of its zigzag form.
#[inline]
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
