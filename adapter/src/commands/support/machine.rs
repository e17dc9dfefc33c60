//! The machine that a command runs on: its kernel, what limits a process there, and no more.
use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::kafka;

/// Files of limits, each a line or a few; of cgroups those of version 2, then of version 1.
const LIMITS: [&str; 11] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.high",
    "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/cpu.stat",
    "/sys/fs/cgroup/pids.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/proc/sys/fs/file-nr",
    "/proc/pressure/memory",
];

/// Of `/proc/meminfo`.
const MEMORY: [&str; 4] = ["MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:"];

/// In words, for a person.
pub(super) fn describe() -> String {
    let system = rustix::system::uname();
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = vec![
        format!("command: kafka-output {version}"),
        format!("time: {}", jiff::Timestamp::now()),
        // Not the host's name: it tells nothing of what is wrong.
        format!(
            "kernel: {} {} {} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy(),
            system.version().to_string_lossy(),
            system.machine().to_string_lossy()
        ),
        format!("distribution: {}", distribution()),
        format!("libraries: librdkafka {}, {}", kafka::library_version(), openssl()),
        format!("CPUs for this process: {}", cpus()),
    ];
    let meminfo = read("/proc/meminfo");
    let of_memory = |line: &&str| MEMORY.iter().any(|key| line.starts_with(key));
    lines.extend(meminfo.lines().filter(of_memory).map(str::to_owned));
    lines.push(format!("load: {}", read("/proc/loadavg").trim_end()));
    for (name, resource) in [
        ("open files", Resource::Nofile),
        ("processes and threads", Resource::Nproc),
        ("locked memory", Resource::Memlock),
        ("address space", Resource::As),
    ] {
        let limit = getrlimit(resource);
        let shown = |bound: Option<u64>| bound.map_or("none".to_owned(), |bound| bound.to_string());
        let (soft, hard) = (shown(limit.current), shown(limit.maximum));
        lines.push(format!("limit of {name}: {soft}, at most {hard}"));
    }
    for file in LIMITS {
        let text = read(file);
        lines.extend(text.lines().map(|line| format!("{file}: {line}")));
    }
    lines.join("\n") + "\n"
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

fn cpus() -> String {
    std::thread::available_parallelism().map_or("unknown".to_owned(), |cpus| cpus.to_string())
}

fn distribution() -> String {
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn openssl() -> &'static str {
    openssl::version::version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_and_the_user_is_not() {
        let told = describe();
        for part in ["kernel: Linux ", "MemTotal:", "limit of open files: ", "librdkafka "] {
            assert!(told.contains(part), "{part}: {told}");
        }
        // What a variable says might be a secret; so might what a command line says.
        let path = std::env::var("PATH").unwrap();
        assert!(!told.contains(&path), "{told}");
    }
}
