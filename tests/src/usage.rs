//! What a process uses, as the kernel counts it.

use std::{fs, process, time::Duration};

/// CPU time on all cores so far.
///
/// # Panics
/// When the process does not run.
pub fn cpu_time(pid: u32) -> Duration {
    // utime and stime are the 14th and 15th field.
    ticks(&read(pid, "stat"), 14)
}

/// CPU time of this process's children that have ended and were waited for.
///
/// # Panics
/// When the kernel does not tell.
pub fn children_cpu_time() -> Duration {
    // cutime and cstime.
    ticks(&read(process::id(), "stat"), 16)
}

/// Two times of `/proc/PID/stat` from this field on, in hundredths of a second on every Linux.
fn ticks(stat: &str, field: usize) -> Duration {
    // The name in brackets may hold anything; behind it is the third field.
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    let ticks = fields.split_whitespace().skip(field - 3).take(2);
    let ticks = ticks.map(|field| field.parse::<u64>().expect("times are numbers"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Memory in use now, in bytes.
///
/// # Panics
/// When the process does not run.
pub fn memory_bytes(pid: u32) -> u64 {
    1024 * status(pid, "VmRSS")
}

/// The most memory in use since the start or since [`forget_peak`], in bytes.
///
/// # Panics
/// When the process does not run.
pub fn peak_memory_bytes(pid: u32) -> u64 {
    1024 * status(pid, "VmHWM")
}

/// The same in MiB.
///
/// # Panics
/// When the process does not run.
pub fn peak_mib(pid: u32) -> f64 {
    peak_memory_bytes(pid) as f64 / f64::from(1 << 20)
}

/// Starts [`peak_memory_bytes`] anew.
///
/// # Panics
/// When the process does not run.
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the process runs and is ours");
}

/// Threads now.
///
/// # Panics
/// When the process does not run.
pub fn threads(pid: u32) -> u64 {
    status(pid, "Threads")
}

/// Open files and sockets now.
///
/// # Panics
/// When the process does not run.
pub fn files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs and is ours").count()
}

fn status(pid: u32, name: &str) -> u64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the process runs")
}
