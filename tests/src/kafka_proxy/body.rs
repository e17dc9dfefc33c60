//! Kafka's primitive types, in the older layout and in the "flexible" one, whose lengths are short
//! and whose structures end with tagged fields.

/// Reads; everything is `None` at the end of the bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self { bytes, flexible }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(size)?;
        self.bytes = rest;
        Some(head)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take(2)?.try_into().ok().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// A string, which may be null.
    pub(super) fn string(&mut self) -> Option<Option<String>> {
        let size = if self.flexible { self.compact()? } else { i64::from(self.i16()?) };
        let Ok(size) = usize::try_from(size) else { return Some(None) };
        Some(Some(String::from_utf8_lossy(self.take(size)?).into_owned()))
    }

    /// A run of bytes; one that is null is empty.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let size = if self.flexible { self.compact()? } else { i64::from(self.i32()?) };
        self.take(usize::try_from(size).unwrap_or(0))
    }

    /// An array; one that is null is empty.
    pub(super) fn array<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = if self.flexible { self.compact()? } else { i64::from(self.i32()?) };
        (0..count).map(|_| item(self)).collect()
    }

    /// Tagged fields, where there are some, are passed over.
    pub(super) fn tags(&mut self) -> Option<()> {
        if self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let size = usize::try_from(self.varint()?).ok()?;
                self.take(size)?;
            }
        }
        Some(())
    }

    /// A compact length; -1 is null.
    fn compact(&mut self) -> Option<i64> {
        Some(i64::try_from(self.varint()?).ok()? - 1)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

/// Writes.
pub(super) struct Writer {
    bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    pub(super) fn new(flexible: bool) -> Self {
        Self { bytes: Vec::new(), flexible }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn i8(&mut self, value: i8) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i16(&mut self, value: i16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn string(&mut self, text: Option<&str>) -> &mut Self {
        let Some(text) = text else {
            return if self.flexible { self.varint(0) } else { self.i16(-1) };
        };
        if self.flexible {
            self.varint(text.len() + 1);
        } else {
            self.i16(i16::try_from(text.len()).expect("names are short"));
        }
        self.raw(text.as_bytes())
    }

    /// A run of bytes with its size.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if self.flexible {
            self.varint(bytes.len() + 1);
        } else {
            self.i32(i32::try_from(bytes.len()).expect("frames have a limit"));
        }
        self.raw(bytes)
    }

    pub(super) fn array<T>(
        &mut self,
        items: &[T],
        mut item: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        if self.flexible {
            self.varint(items.len() + 1);
        } else {
            self.i32(i32::try_from(items.len()).expect("a few items"));
        }
        items.iter().for_each(|one| item(self, one));
        self
    }

    /// No tagged fields, where there may be some.
    pub(super) fn tags(&mut self) -> &mut Self {
        if self.flexible { self.i8(0) } else { self }
    }

    fn varint(&mut self, mut value: usize) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }
}
