//! What the process takes of its machine, as Linux tells (proc(5)).
use std::{fs, path::Path};

use serde::Serialize;

/// The process.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// CPU time so far, in user and system mode.
    pub cpu_seconds: f64,
    /// Memory that it holds.
    pub resident_bytes: u64,
    /// Open descriptors.
    pub open_files: u64,
    /// How many there may be.
    pub files_max: u64,
    /// Threads.
    pub threads: u64,
}

impl Process {
    /// How it is now. What cannot be read is 0.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |key: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let first = line.and_then(|rest| rest.split_whitespace().next());
            first.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            cpu_seconds: cpu_seconds("/proc/self/stat").unwrap_or(0.0),
            resident_bytes: number("VmRSS:") << 10,
            // The one that reads the folder is among them.
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64 - 1),
            files_max: limit.current.unwrap_or(0),
            threads: number("Threads:"),
        }
    }
}

/// Fields 14 and 15 of a `stat`, of a process or a thread, in ticks of which there are 100 a second
/// on all of Linux.
pub fn cpu_seconds(stat: impl AsRef<Path>) -> Option<f64> {
    const TICKS_PER_S: f64 = 100.0;
    let stat = fs::read_to_string(stat).ok()?;
    // The name before them is in brackets, and may have blanks and brackets in it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_files_threads_and_time() {
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 30 {}
        let now = Process::now();
        assert!(now.cpu_seconds > 0.0 && now.resident_bytes > 1 << 20, "{now:?}");
        assert!(now.open_files >= 3 && now.files_max >= now.open_files, "{now:?}");
        assert!(now.threads >= 1, "{now:?}");
    }
}
