//! The log of this process, for tests of what it says.
use std::{
    io,
    sync::{Mutex, Once},
};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged from now on.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_writer(|| Writer).init();
    });
}

/// Waits until a line has all of these in it, and returns it.
pub async fn line(parts: &[&str]) -> String {
    super::until(&format!("a line of the log with {parts:?}"), async || {
        let lines = String::from_utf8_lossy(&LINES.lock().unwrap()).into_owned();
        let found = lines.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        found.map(ToOwned::to_owned)
    })
    .await
}
