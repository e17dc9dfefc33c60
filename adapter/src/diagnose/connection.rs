//! A connection that a broker has let in, for requests of the caller's own.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

use super::listener::Spoken;

/// A connection to a broker, behind TLS and login.
pub struct Connection {
    stream: Box<dyn Duplex>,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Connection {
    pub(super) fn new(spoken: Spoken) -> Self {
        let stream: Box<dyn Duplex> = match spoken {
            Spoken::Plaintext(link, _) => Box::new(link.into_stream()),
            Spoken::Tls(link, _) => link.into_stream(),
        };
        Self { stream }
    }

    /// Sends a request and waits for what comes next, both without their sizes.
    ///
    /// # Errors
    /// Of the connection, which is of no more use then.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        answer_bytes_max: u32,
        end: Instant,
    ) -> io::Result<Vec<u8>> {
        let exchange = async {
            let size = i32::try_from(request.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            self.stream.write_all(&[&size.to_be_bytes(), request].concat()).await?;
            self.stream.flush().await?;
            let size = self.stream.read_u32().await?;
            if size > answer_bytes_max {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too large"));
            }
            let mut answer = vec![0; size as usize];
            self.stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        timeout_at(end, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
