//! Makes Kafka ready to start fast, once per machine, Kafka version and Java version.
//!
//! Three things: the jars; a `bootstrap.checkpoint`, which saves formatting every data directory
//! with a program of its own; and a class data archive, which halves the time and memory of a
//! start. The archive comes last, so its presence says that all three are there.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    broker, host,
    node::{self, Node},
};
use crate::{cache, java, process, wait};

const POM: &str = include_str!("../../kafka/pom.xml");

/// Small and quick instead of fast after minutes: 130 MB and a second instead of 330 MB and two.
const JVM_FLAGS: [&str; 14] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xms32m",
    "-Xmx256m",
    "-Xss512k",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    // Refused logins and denied rights are told at this level only.
    "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.network.Selector=info",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
];

/// Kafka, prepared: enough to start nodes and command line tools.
#[derive(Debug)]
pub struct Kafka {
    java: PathBuf,
    class_path: OsString,
    checkpoint: PathBuf,
    archive: PathBuf,
}

/// Fetches and prepares Kafka unless that was done before.
///
/// # Panics
/// When Java 17 or Maven is missing, or a step fails; the text holds what the step printed.
pub fn prepare() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| {
        let java = java::program();
        // An archive belongs to one virtual machine.
        let key = xxh3_64(format!("{POM}{}{JVM_FLAGS:?}", java::version()).as_bytes());
        let dir = cache::dir().join(format!("kafka-{}-{key:016x}", version()));
        let (jars, archive) = (dir.join("jars"), dir.join("kafka.jsa"));
        let checkpoint = dir.join("bootstrap.checkpoint");
        let lock = (!archive.exists()).then(|| cache::lock("kafka"));
        // Whoever held the lock before may have made everything meanwhile.
        let make = lock.is_some() && !archive.exists();
        if make && !jars.exists() {
            cache::make_dir(&dir);
            java::download(POM, &jars);
        }
        let kafka = Kafka { java, class_path: java::class_path(&jars), checkpoint, archive };
        if make {
            // The archive remembers the jars' paths, so it can only be made where they stay.
            kafka.make_checkpoint();
            kafka.make_archive();
        }
        kafka
    })
}

/// Kafka's version, as the pom says it.
fn version() -> &'static str {
    let version = POM.split_once("<kafka>").and_then(|(_, rest)| rest.split_once("</kafka>"));
    version.expect("the pom names Kafka's version").0
}

impl Kafka {
    /// Runs one of Kafka's command line tools and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn tool(&self, main_class: &str, args: &[&str]) -> String {
        let mut command = process::command(&self.java);
        command.args(self.flags()).arg(main_class).args(args);
        let dir = cache::run_dir("tool-");
        let log = dir.path().join("log");
        process::log_to(&mut command, &log);
        let status = process::Process::spawn(command).wait(2 * wait::DEADLINE);
        let printed = process::tail(&log, usize::MAX);
        let succeeded = status.is_some_and(|status| status.success());
        assert!(succeeded, "{main_class} {args:?} ended with {status:?}:\n{printed}");
        printed
    }

    /// The command that starts a broker or controller from its properties.
    pub(super) fn node_command(&self, properties: &Path, more_flags: &[OsString]) -> Command {
        let mut command = process::command(&self.java);
        // The last one of two equal flags counts.
        command.args(self.flags()).args(more_flags).arg("kafka.Kafka").arg(properties);
        command
    }

    /// Kafka's jars, as Java takes them.
    pub(super) fn class_path(&self) -> &OsStr {
        &self.class_path
    }

    /// The same and a folder of classes. It comes last: the archive holds for what it was made
    /// with and for more behind that.
    pub(super) fn class_path_with(&self, classes: &Path) -> OsString {
        let mut paths = self.class_path.clone();
        paths.push(":");
        paths.push(classes);
        paths
    }

    /// The file that every data directory starts with: feature levels, so that they are not 0.
    pub(super) fn checkpoint(&self) -> &Path {
        &self.checkpoint
    }

    /// Flags and class path, with the archive: used where it is there, made where it is not.
    fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = JVM_FLAGS.iter().map(OsString::from).collect();
        if self.archive.exists() {
            let mut archive = OsString::from("-XX:SharedArchiveFile=");
            archive.push(&self.archive);
            flags.extend(["-Xshare:auto".into(), archive]);
        }
        flags.extend(["-cp".into(), self.class_path.clone()]);
        flags
    }

    fn make_checkpoint(&self) {
        let dir = cache::run_dir("format-");
        let properties =
            broker::properties(host::free_host(), dir.path(), None, &Default::default());
        let file = dir.path().join("server.properties");
        fs::write(&file, properties).expect("a new directory can be written");
        let file = file.to_str().expect("the cache directory's path is UTF-8");
        let id = "a22CharactersLongIdAAA"; // not part of the checkpoint
        self.tool("kafka.tools.StorageTool", &["format", "-t", id, "-c", file]);
        let made = dir.path().join("data/bootstrap.checkpoint");
        fs::rename(made, &self.checkpoint).expect("StorageTool has made a checkpoint");
    }

    /// Starts a broker that writes down its classes when it ends.
    fn make_archive(&self) {
        let dir = cache::run_dir("archive-");
        let made = dir.path().join("kafka.jsa");
        let mut flag = OsString::from("-XX:ArchiveClassesAtExit=");
        flag.push(&made);
        let host = host::free_host();
        let properties = broker::properties(host, dir.path(), None, &Default::default());
        let address = Some((host, host::PORT).into());
        let mut node = Node::create(self, 1, &node::new_id(), address, dir.path(), &properties);
        node.launch(self, &[flag]);
        node.wait_ready().unwrap_or_else(|tail| panic!("the first broker ended:\n{tail}"));
        node.stop();
        assert!(made.exists(), "Java has made no class data archive:\n{}", node.log_tail());
        fs::rename(&made, &self.archive).expect("both are in the cache directory");
    }
}
