//! The file of a support bundle: a folder of texts, packed, for its owner's eyes alone.
use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};

/// Nobody but the owner reads it, packed or unpacked.
const MODE: u32 = 0o600;

const README: &str = "\
A support bundle of kafka-output. Nothing in it is a secret: the service tells none on its admin
port, and of the machine only what is listed below was looked at. There are no rows, no environment
variables, no command lines and no files of users. There are the names of brokers, topics, outputs,
writers, callers, vaults and of what is in them: look whether you may pass these on.

  status.json    /status: versions, outputs, why rows wait, writers, credentials in use without
                 their secrets
  status-2.json  the same, five seconds later
  metrics-1.txt  /metrics
  metrics-2.txt  the same, five seconds later: what moves, and what stands still
  readyz.txt     /readyz
  livez.txt      /livez
  config.yaml    /config: the job with every default; secrets are masked, references to them are not
  machine.txt    where the command ran, which need not be where the service runs: its version, the
                 kernel, limits of memory, CPU and open files

Codes are explained by `kafka-output explain CODE`.
";

/// Texts by their names, packed as they come.
pub(super) struct Bundle {
    time: u64,
    folder: String,
    files: Vec<(String, String)>,
}

/// The name of a bundle that was begun then.
pub(super) fn file_name(now: SystemTime) -> String {
    format!("{}.tar.gz", folder_name(now))
}

fn folder_name(now: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(now).unwrap_or_default();
    format!("kafka-output-support-{}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// What is inside, and what is missing.
pub(super) fn readme(missing: &str) -> String {
    match missing {
        "" => README.to_owned(),
        missing => format!("{README}\nMissing:\n{missing}"),
    }
}

impl Bundle {
    pub(super) fn new(now: SystemTime) -> Self {
        let time = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { time, folder: folder_name(now), files: Vec::new() }
    }

    /// Puts a text in.
    pub(super) fn add(&mut self, name: &str, text: String) {
        self.files.push((name.to_owned(), text));
    }

    /// What is in it.
    pub(super) fn names(&self) -> Vec<String> {
        self.files.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Writes it to a file that is not there yet; returns its size.
    ///
    /// # Errors
    /// If the file is there, or cannot be written.
    pub(super) fn write(self, to: &Path) -> io::Result<usize> {
        let packed = self.pack()?;
        // Not through a link that somebody has put there, and never over another file.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(to)?;
        file.write_all(&packed)?;
        file.sync_all()?;
        Ok(packed.len())
    }

    fn pack(self) -> io::Result<Vec<u8>> {
        let mut packed = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (name, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(MODE);
            header.set_mtime(self.time);
            let path = format!("{}/{name}", self.folder);
            packed.append_data(&mut header, path, text.as_bytes())?;
        }
        packed.into_inner()?.finish()
    }
}
