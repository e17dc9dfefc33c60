//! Java, and jars that Maven fetches once into the cache.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::cache;

const DOWNLOAD_ATTEMPTS: usize = 3;

/// The program `java`, that of `JAVA_HOME` first.
pub fn program() -> PathBuf {
    tool("java")
}

/// A program that comes with Java, such as `keytool`; that of `JAVA_HOME` first.
pub fn tool(name: &str) -> PathBuf {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join(name));
    home.unwrap_or_else(|| name.into())
}

/// What `java -version` prints.
///
/// # Panics
/// When Java is missing or older than 17.
pub fn version() -> String {
    let java = program();
    let output = Command::new(&java).arg("-version").stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| {
        panic!(
            "cannot run {}: {e}; the tests need Java 17 (`scripts/test` installs it)",
            java.display()
        )
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let major = said.split('"').nth(1).and_then(|version| version.split('.').next());
    let new_enough = major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|m| m >= 17);
    assert!(new_enough, "the tests need Java 17 or newer; {} says:\n{said}", java.display());
    said
}

/// The class path of the jars that the dependencies of `pom` are, fetched unless that was done
/// before; `name` tells their directory from others.
///
/// # Panics
/// When they cannot be fetched; the text holds what Maven printed.
pub fn class_path_of(name: &str, pom: &str) -> OsString {
    let jars = cache::dir().join(format!("{name}-{:016x}", xxh3_64(pom.as_bytes())));
    if !jars.exists() {
        let _lock = cache::lock(name);
        // Whoever held the lock before may have fetched them meanwhile.
        if !jars.exists() {
            download(pom, &jars);
        }
    }
    class_path(&jars)
}

/// The jars of a directory in a fixed order, which archives of classes depend on.
pub(crate) fn class_path(jars: &Path) -> OsString {
    let entries = fs::read_dir(jars).expect("the jars were downloaded");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    env::join_paths(paths).expect("the cache directory's path has no colon")
}

/// Fetches the dependencies of `pom` into the directory `jars`, which appears when all are there.
pub(crate) fn download(pom: &str, jars: &Path) {
    let dir = cache::run_dir("maven-");
    let (file, fetched) = (dir.path().join("pom.xml"), dir.path().join("jars"));
    fs::write(&file, pom).expect("a new directory can be written");
    for attempt in 1..=DOWNLOAD_ATTEMPTS {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(&file).arg("dependency:copy-dependencies");
        maven.arg(format!("-DoutputDirectory={}", fetched.display())).stdin(Stdio::null());
        let output = maven.output().unwrap_or_else(|e| {
            panic!("cannot run mvn: {e}; jars come from Maven (`scripts/test` installs it)")
        });
        if output.status.success() {
            fs::rename(&fetched, jars).expect("both are in the cache directory");
            return;
        }
        // Networks fail now and then; what was fetched so far is kept by Maven.
        assert!(attempt < DOWNLOAD_ATTEMPTS, "Maven cannot fetch the jars:\n{}", said(&output));
    }
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}
