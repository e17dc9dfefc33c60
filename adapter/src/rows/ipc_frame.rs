//! Cuts an Arrow IPC stream into its encapsulated messages; their flatbuffers are verified.

use std::ops::Range;

use arrow_ipc::{Message, MessageHeader, MetadataVersion, root_as_message_with_opts};
use flatbuffers::VerifierOptions;

/// What stands before the length of a message since version 0.15 of Arrow.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Deepest nesting of tables: 64 fields, and the tables around and inside them.
const TABLE_DEPTH_MAX: usize = 80;
/// Tables of a field: itself, its type, its dictionary with the type of the keys, and metadata.
const TABLES_PER_FIELD_MAX: usize = 16;
/// Tables of a message apart from those of fields, and metadata.
const TABLES_MAX: usize = 1024;
/// A verified flatbuffer may be so many times its own size if what it refers to several times is
/// counted each time. Writers share the tables' layouts, which makes up to 3.
const SHARING_MAX: usize = 8;

/// The messages of a stream.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
    tables_max: usize,
}

/// One message.
pub(super) struct Frame<'a> {
    pub(super) message: Message<'a>,
    /// Its body, as a range of the stream.
    pub(super) body: Range<usize>,
}

impl Frame<'_> {
    pub(super) fn kind(&self) -> MessageHeader {
        self.message.header_type()
    }
}

impl<'a> Frames<'a> {
    /// The messages of `bytes`, where a schema has at most `fields_max` fields.
    pub(super) fn new(bytes: &'a [u8], fields_max: usize) -> Self {
        let tables_max = TABLES_MAX + TABLES_PER_FIELD_MAX * fields_max;
        Self { bytes, at: 0, ended: false, tables_max }
    }

    /// The next message; `None` at the end of the bytes, or after the end-of-stream mark.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'a>>, String> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        if self.ended {
            return Err(format!("bytes follow the end-of-stream mark, at byte {start}"));
        }
        let mut word = self.take(4)?;
        if word == CONTINUATION {
            word = self.take(4)?;
        }
        let len = i32::from_le_bytes(word.try_into().expect("a word has four bytes"));
        if len == 0 {
            self.ended = true;
            return self.next();
        }
        let Ok(len) = usize::try_from(len) else {
            return Err(format!("the message at byte {start} has the negative length {len}"));
        };
        let options = VerifierOptions {
            max_depth: TABLE_DEPTH_MAX,
            max_tables: self.tables_max,
            max_apparent_size: len.saturating_mul(SHARING_MAX),
            ..VerifierOptions::default()
        };
        let message = root_as_message_with_opts(&options, self.take(len)?).map_err(|error| {
            let error = error.to_string();
            let what = error.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
            format!("the message at byte {start} is malformed: {what}")
        })?;
        if !matches!(message.version(), MetadataVersion::V4 | MetadataVersion::V5) {
            return Err(format!(
                "the message at byte {start} has a metadata version other than 4 and 5"
            ));
        }
        let Ok(body_len) = usize::try_from(message.bodyLength()) else {
            return Err(format!("the message at byte {start} has a negative body length"));
        };
        let body = self.at;
        self.take(body_len)?;
        Ok(Some(Frame { message, body: body..self.at }))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or_else(|| {
            format!(
                "truncated: {len} bytes are due at byte {}, but only {} are left",
                self.at,
                rest.len()
            )
        })?;
        self.at += len;
        Ok(taken)
    }
}
