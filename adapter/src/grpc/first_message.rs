//! A call's body whose first message may not be long.
//!
//! The first message of every call but `WriteOnce` is short: names, a position. tonic has one limit
//! for all calls, which is that of a batch, and would read so much before anything of the message
//! is looked at. Here the length that a message announces is looked at before any of it is kept.
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, codegen::Bytes};

use super::error::CallError;
use crate::writers::{POSITION_BYTES_MAX, WRITER_ID_BYTES_MAX};

/// The longest first message. What an `Open` may have is far less.
pub const FIRST_MESSAGE_BYTES_MAX: u32 = 16 << 10;
const _: () = assert!(8 * (POSITION_BYTES_MAX + WRITER_ID_BYTES_MAX) < 16 << 10);

/// In front of a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A body that ends with an error if its first message is too long.
pub struct FirstMessage {
    body: Body,
    /// What of the prefix has come; `None` behind it.
    prefix: Option<Vec<u8>>,
}

impl FirstMessage {
    /// The body of a call.
    pub fn new(body: Body) -> Self {
        Self { body, prefix: Some(Vec::with_capacity(PREFIX_BYTES)) }
    }

    /// Looks at the next bytes.
    fn check(&mut self, data: &[u8]) -> Result<(), CallError> {
        let Some(prefix) = &mut self.prefix else { return Ok(()) };
        prefix.extend(data.iter().take(PREFIX_BYTES - prefix.len()));
        let &[_, a, b, c, d] = &prefix[..] else { return Ok(()) };
        self.prefix = None;
        if u32::from_be_bytes([a, b, c, d]) > FIRST_MESSAGE_BYTES_MAX {
            return Err(CallError::FirstMessageTooLarge { bytes_max: FIRST_MESSAGE_BYTES_MAX });
        }
        Ok(())
    }
}

impl http_body::Body for FirstMessage {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.check(data)?;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether bytes that come in parts of this size are taken.
    fn is_taken(bytes: &[u8], cut: usize) -> bool {
        let mut body = FirstMessage::new(Body::empty());
        bytes.chunks(cut).all(|part| body.check(part).is_ok())
    }

    #[test]
    fn the_length_of_the_first_message_counts_wherever_it_is_cut() {
        let message = |bytes: u32| [&[0][..], &bytes.to_be_bytes()].concat();
        let long = message(FIRST_MESSAGE_BYTES_MAX + 1);
        let short_and_long = [message(3), vec![1, 2, 3], long.clone()].concat();
        for cut in [1, 2, 5, 100] {
            assert!(!is_taken(&long, cut), "cut after {cut}");
            assert!(is_taken(&message(FIRST_MESSAGE_BYTES_MAX), cut), "cut after {cut}");
            assert!(is_taken(&short_and_long, cut), "later ones are no affair of it");
        }
    }
}
