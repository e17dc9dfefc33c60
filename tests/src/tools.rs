//! Programs that others wrote, installed by `scripts/tool` into the cache on first use.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::cache;

/// The root of the checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies inside the checkout")
}

/// A Python interpreter that has the packages of `tests/python/requirements.txt`.
pub fn python() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| ensure("python"))
}

/// `grpcurl`, a gRPC client for the command line.
pub fn grpcurl() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| ensure("grpcurl"))
}

/// `toxiproxy`, a proxy that spoils connections.
pub fn toxiproxy() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| ensure("toxiproxy"))
}

/// `buf`, which lints `.proto` files.
pub fn buf() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| ensure("buf"))
}

fn ensure(tool: &str) -> PathBuf {
    let script = repository().join("scripts/tool");
    let output = Command::new(&script)
        .arg(tool)
        .env("KAFKA_OUTPUT_CACHE", cache::dir())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {}: {e}", script.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`scripts/tool {tool}` failed:\n{said}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
