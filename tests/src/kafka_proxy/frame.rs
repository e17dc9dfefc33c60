//! Frames, and the headers of requests.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::body::Reader;

/// No frame of a test is larger.
const FRAME_BYTES_MAX: usize = 128 << 20;

/// What every request begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The kind of request.
    pub(super) api: i16,
    /// Its version.
    pub(super) version: i16,
    /// Comes back with the answer.
    pub(super) correlation: i32,
    /// Who asks.
    pub(super) client_id: String,
    /// Where the client's name ends: of "flexible" versions tagged fields follow.
    pub(super) end: usize,
}

impl Header {
    /// The header of a frame; `None` if it is none.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(frame, false);
        let (api, version, correlation) = (reader.i16()?, reader.i16()?, reader.i32()?);
        let client_id = reader.string()?.unwrap_or_default();
        let end = frame.len() - reader.left();
        Some(Self { api, version, correlation, client_id, end })
    }
}

/// The next frame without its size; `None` at the end.
pub(super) async fn read_frame(
    from: &mut (impl AsyncReadExt + Unpin),
) -> io::Result<Option<Vec<u8>>> {
    let size = match from.read_i32().await {
        Ok(size) => usize::try_from(size).unwrap_or(usize::MAX),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if size > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame of Kafka's"));
    }
    let mut frame = vec![0; size];
    from.read_exact(&mut frame).await?;
    Ok(Some(frame))
}

/// Writes a frame with its size.
pub(super) async fn write_frame(
    to: &mut (impl AsyncWriteExt + Unpin),
    frame: &[u8],
) -> io::Result<()> {
    let size = i32::try_from(frame.len()).expect("frames have a limit");
    to.write_all(&[&size.to_be_bytes(), frame].concat()).await
}
