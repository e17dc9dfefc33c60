//! What the operating system says of processes, and how it is summed up.
use std::{
    fs,
    time::{Duration, Instant},
};

/// A clock tick of `/proc`, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used of all cores so far: user and system time.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name in brackets may hold anything; behind it are numbers.
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    TICK * fields.split_whitespace().skip(11).take(2).map(number).sum::<u32>()
}

/// The most memory that a process has had resident, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it is told");
    f64::from(number(line.trim().trim_end_matches(" kB"))) / 1024.0
}

/// What all cores were busy with since the machine started.
fn busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux tells it");
    let fields: Vec<u32> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).map(ticks).collect();
    // user, nice, system, idle, iowait, irq, softirq; what is stolen by other guests is noise too.
    let idle = fields[3] + fields[4];
    TICK * (fields.iter().take(8).sum::<u32>() - idle)
}

fn number(text: &str) -> u32 {
    text.parse().expect("the kernel writes numbers")
}

fn ticks(text: &str) -> u32 {
    // Far more ticks than a 32-bit number holds are years of uptime; differences still hold.
    text.parse::<u64>().expect("the kernel writes numbers") as u32
}

/// Watches how much of the machine others use meanwhile.
pub struct Noise {
    start: Instant,
    busy: Duration,
    own: Duration,
}

impl Noise {
    /// Begins; `own` is the CPU time by now of everything that belongs to the measurement.
    pub fn watch(own: Duration) -> Self {
        Self { start: Instant::now(), busy: busy(), own }
    }

    /// The share of one core that others used meanwhile, in percent.
    pub fn percent(&self, own: Duration) -> f64 {
        let others = busy().saturating_sub(self.busy).saturating_sub(own - self.own);
        100.0 * others.as_secs_f64() / self.start.elapsed().as_secs_f64()
    }
}

/// The value below which a share of the sample lies; the sample is sorted.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((last as f64 * share).round() as usize).min(last)]
}

/// Median, least and most.
pub fn spread(values: impl IntoIterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5), values[0], values[values.len() - 1])
}

/// What this process's children have used that have ended and were waited for.
pub fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    TICK * fields.split_whitespace().skip(13).take(2).map(number).sum::<u32>()
}
