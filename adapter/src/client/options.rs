//! How a writer opens, and how long it keeps trying.
use std::time::Duration;

use bytes::Bytes;

use super::Security;

/// How long a connection attempt may take. A host that drops packets answers nothing at all.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// HTTP/2 pings notice a peer that is gone, on quiet connections too.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long a ping may stay without answer.
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The contract's default for the service's heartbeats.
pub(super) const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);
/// So many silent heartbeat intervals, and a stream counts as lost (as the service counts).
pub(super) const SILENT_INTERVALS: u32 = 3;
/// What the service answers is small; an acknowledgement may name many rejected rows.
pub(super) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a [`Writer`](super::Writer) opens. Make it with [`WriterOptions::new`], change fields.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The output's alias in the job file.
    pub output: String,
    /// Names this ordered sender of rows: the same after every restart.
    pub writer_id: String,
    /// Counts the restarts of this writer, rising. Default: unset, which counts as 0.
    pub epoch: Option<u64>,
    /// The highest sequence that the caller knows to be durable. Default: unset, unknown.
    pub acknowledged: Option<u64>,
    /// The position that belongs to `acknowledged`, and is of use with it only. Default: unset.
    pub acknowledged_position: Option<Bytes>,
    /// Promises the service a sign of life this often, and asks the same of it: 1 s to 200 s.
    /// Default: unset; the service speaks every 30 s, and the writer only when it has rows.
    pub heartbeat_interval: Option<Duration>,
    /// How long to try to connect, at the start and after each lost connection, until the
    /// service answers. Default 60 s; zero tries once.
    pub reconnect_for: Duration,
    /// How long a batch may wait in the service before it is refused or unknown
    /// (`Batch.timeout`). Default: unset, nothing times out.
    pub batch_timeout: Option<Duration>,
    /// How the connection is secured.
    pub security: Security,
}

impl WriterOptions {
    /// The defaults, for one writer of one output.
    pub fn new(output: impl Into<String>, writer_id: impl Into<String>) -> Self {
        Self {
            output: output.into(),
            writer_id: writer_id.into(),
            epoch: None,
            acknowledged: None,
            acknowledged_position: None,
            heartbeat_interval: None,
            reconnect_for: Duration::from_secs(60),
            batch_timeout: None,
            security: Security::default(),
        }
    }

    /// After how much silence the stream counts as lost.
    pub(super) fn silence_max(&self) -> Duration {
        self.heartbeat_interval.unwrap_or(HEARTBEAT_DEFAULT) * SILENT_INTERVALS
    }
}

/// A duration as the wire has it.
pub(super) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: duration.as_secs().min(i64::MAX as u64) as i64,
        nanos: duration.subsec_nanos() as i32,
    }
}
