//! What tasks and threads share state with, in one place: `tests/models` builds the files that
//! import it with primitives of its own, and tries how their steps may interleave.
pub use std::sync::{Arc, Mutex, MutexGuard, atomic};

pub use tokio::sync::{oneshot, watch};
