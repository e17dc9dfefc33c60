//! One Kafka process: its directory, its life, its log.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use xxhash_rust::xxh3::xxh3_128;

use super::{Kafka, wire};
use crate::{
    cache,
    process::{Process, Signal, log_to, tail},
    wait::{DEADLINE, wait_for},
};

const LOG_TAIL_LINES: usize = 60;

/// A broker, a controller, or both in one.
#[derive(Debug)]
pub(super) struct Node {
    id: i32,
    /// The plaintext listener; a controller alone has none.
    address: Option<SocketAddr>,
    dir: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// Writes a node's files into `dir`. No tool of Kafka's is needed for that.
    pub(super) fn create(
        kafka: &Kafka,
        id: i32,
        cluster_id: &str,
        address: Option<SocketAddr>,
        dir: &Path,
        properties: &str,
    ) -> Self {
        let data = dir.join("data");
        cache::make_dir(&data);
        let meta = format!(
            "version=1\ncluster.id={cluster_id}\nnode.id={id}\ndirectory.id={}\n",
            new_id()
        );
        let written = fs::write(data.join("meta.properties"), meta)
            .and_then(|()| fs::copy(kafka.checkpoint(), data.join("bootstrap.checkpoint")))
            .and_then(|_| fs::write(dir.join("server.properties"), properties));
        written.unwrap_or_else(|e| panic!("cannot write to {}: {e}", dir.display()));
        Self { id, address, dir: dir.to_owned(), process: None }
    }

    /// Starts the process and does not wait for it.
    pub(super) fn launch(&mut self, kafka: &Kafka, more_flags: &[OsString]) {
        assert!(!self.is_running(), "node {} runs already", self.id);
        let mut command = kafka.node_command(&self.dir.join("server.properties"), more_flags);
        log_to(&mut command, &self.log());
        self.process = Some(Process::spawn(command));
    }

    /// Waits until the node answers; the log's tail if the process ends instead.
    pub(super) fn wait_ready(&mut self) -> Result<(), String> {
        let address = self.address.expect("only nodes with a listener for clients are waited for");
        wait_for(&format!("node {} at {address} answers", self.id), DEADLINE, || {
            match wire::is_ready(address) {
                true => Some(Ok(())),
                false if self.is_running() => None,
                false => Some(Err(self.log_tail())),
            }
        })
    }

    /// The plaintext listener.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The process id.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Whether the process is there; a frozen one is.
    pub(super) fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exited().is_none())
    }

    /// Ends the process with SIGKILL.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Ends the process with SIGTERM: a broker hands its partitions over first.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.signal(Signal::CONT);
            let ended = process.wait(DEADLINE);
            assert!(ended.is_some(), "node {} ignores SIGTERM:\n{}", self.id, self.log_tail());
        }
    }

    /// Sends SIGSTOP or SIGCONT.
    pub(super) fn signal(&mut self, signal: Signal) {
        let process = self.process.as_mut();
        process.unwrap_or_else(|| panic!("node {} does not run", self.id)).signal(signal);
    }

    /// Tells clients that come through a proxy another address, from the next start on.
    pub(super) fn advertise(&self, proxy: SocketAddr) {
        const PROXIED: &str = ",PROXIED://";
        let path = self.dir.join("server.properties");
        let text = fs::read_to_string(&path).expect("the file was made at the start");
        let is_it =
            |line: &&str| line.starts_with("advertised.listeners=") && line.contains(PROXIED);
        let old = text.lines().find(is_it).expect("the node has a proxy");
        let (own, _) = old.split_once(PROXIED).expect("it was just looked for");
        let new = text.replace(old, &format!("{own}{PROXIED}{proxy}"));
        fs::write(path, new).expect("a directory of ours can be written");
    }

    /// Adds or replaces a property, from the next start on: the last of two equal keys counts.
    pub(super) fn set(&self, key: &str, value: &str) {
        let path = self.dir.join("server.properties");
        let text = fs::read_to_string(&path).expect("the file was made at the start");
        fs::write(path, format!("{text}{key}={value}\n")).expect("a directory of ours");
    }

    /// Lets no file of the process grow any more.
    pub(super) fn fill_disk(&mut self) {
        let pid = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let limited = prlimit(Some(pid.expect("the node runs")), Resource::Fsize, none);
        limited.expect("a child of ours can be limited");
    }

    /// The directory of one partition's segment files.
    pub(super) fn partition_dir(&self, topic: &str, partition: i32) -> PathBuf {
        self.dir.join(format!("data/{topic}-{partition}"))
    }

    /// The end of what the process has printed.
    pub(super) fn log_tail(&self) -> String {
        format!("--- log of node {} ---\n{}", self.id, tail(&self.log(), LOG_TAIL_LINES))
    }

    fn log(&self) -> PathBuf {
        self.dir.join("node.log")
    }
}

/// A new id as Kafka writes them: 16 bytes in 22 characters.
pub(super) fn new_id() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    let seed = (process::id(), now.as_nanos(), COUNTER.fetch_add(1, Ordering::Relaxed));
    URL_SAFE_NO_PAD.encode(xxh3_128(format!("{seed:?}").as_bytes()).to_be_bytes())
}

/// Puts values in the place of `@NAMES@`.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let put =
        |text: String, (name, value): &(&str, &str)| text.replace(&format!("@{name}@"), value);
    values.iter().fold(template.to_owned(), put)
}
