//! Users of mechanism `PLAIN` that can be changed while a broker runs.
//!
//! Kafka itself reads them from its properties when it starts and refuses to change them later;
//! but the check of a password may be replaced by a class (KIP-86), and ours reads a file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use xxhash_rust::xxh3::xxh3_64;

use super::super::Kafka;
use crate::{cache, java};

const SOURCE: &str = include_str!("../../../kafka/FileUsers.java");

/// Writes the file that the class reads, in one step: a login sees the old users or the new ones.
pub(super) fn write_users<U: AsRef<str>>(dir: &Path, users: impl Iterator<Item = (U, U)>) {
    // As Java's properties have any character.
    let escape = |text: U| {
        let units = text.as_ref().encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        units.collect::<String>()
    };
    let lines = users.map(|(name, password)| format!("{}={}\n", escape(name), escape(password)));
    let (file, new) = (file(dir), dir.join("users.new"));
    let written = fs::write(&new, lines.collect::<String>()).and_then(|()| fs::rename(&new, &file));
    written.unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
}

/// The file in a directory of brokers.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("users")
}

/// The folder with the compiled class, made once per machine and version of Java.
///
/// # Panics
/// When there is no compiler.
pub(super) fn handler(kafka: &Kafka) -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let key =
            xxh3_64(format!("{SOURCE}{}{:?}", java::version(), kafka.class_path()).as_bytes());
        let dir = cache::dir().join(format!("file-users-{key:016x}"));
        if !dir.exists() {
            let _lock = cache::lock("file-users");
            // Whoever held the lock before may have compiled it meanwhile.
            if !dir.exists() {
                compile(kafka, &dir);
            }
        }
        dir
    })
}

fn compile(kafka: &Kafka, to: &Path) {
    let dir = cache::run_dir("javac-");
    let (source, classes) = (dir.path().join("FileUsers.java"), dir.path().join("classes"));
    fs::write(&source, SOURCE).expect("a new directory can be written");
    let mut command = Command::new(java::tool("javac"));
    command.arg("-cp").arg(kafka.class_path()).arg("-d").arg(&classes).arg(&source);
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| {
        panic!("cannot run javac: {e}; the tests need a JDK (`scripts/test` installs it)")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "javac cannot compile FileUsers.java:\n{said}");
    fs::rename(&classes, to).expect("both are in the cache directory");
}
