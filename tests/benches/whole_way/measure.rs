//! What the operating system says of the whole machine, and how samples are summed up.
use std::{
    fs,
    time::{Duration, Instant},
};

/// A clock tick of `/proc`, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What all cores were busy with since the machine started.
fn busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux tells it");
    let fields: Vec<u32> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).map(ticks).collect();
    // user, nice, system, idle, iowait, irq, softirq; what is stolen by other guests is noise too.
    let idle = fields[3] + fields[4];
    TICK * (fields.iter().take(8).sum::<u32>() - idle)
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
