//! Headers that all records of a batch have.
use std::ffi::{CStr, CString};

/// What librdkafka keeps of each record's headers beside names and values: a list with room for
/// eight, and what it knows of each.
const LIST_BYTES: usize = 128;
const ENTRY_BYTES: usize = 64;

/// What headers cost in a record beside names and values: their number, and two lengths of each.
const NUMBER_WIRE_BYTES: usize = 1;
const LENGTHS_WIRE_BYTES: usize = 4;

/// Names and values, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Headers(Vec<(CString, String)>);

impl Headers {
    /// The most that the headers of a trace may take of a record: `traceparent`, 55 bytes, and
    /// `tracestate`, at most 512.
    pub const TRACE_BYTES_MAX: u64 = 600;

    /// Some headers.
    ///
    /// # Panics
    /// If a name has a NUL.
    pub fn new(headers: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let named = |(name, value)| (CString::new(name).expect("names have no NUL"), value);
        Self(headers.into_iter().map(named).collect())
    }

    /// Each name and value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_c_str(), value.as_bytes()))
    }

    /// Bytes of each record that has them.
    pub fn wire_bytes(&self) -> u64 {
        (NUMBER_WIRE_BYTES + self.0.len() * LENGTHS_WIRE_BYTES + self.text_bytes()) as u64
    }

    /// Memory that each record takes more, until it is settled.
    pub fn memory_bytes(&self) -> u64 {
        (LIST_BYTES + self.0.len() * ENTRY_BYTES + self.text_bytes()) as u64
    }

    fn text_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.as_bytes().len() + value.len()).sum()
    }
}
