//! Runs the cases of a benchmark: time per row, or instructions per row.
//!
//! - Without arguments: nanoseconds per row, over many rounds in which the cases take turns. Times
//!   on a busy machine are worth little, ratios of one run more, and instructions most.
//! - `--instructions`: the benchmark runs itself under valgrind's callgrind, with 10 and with 30
//!   batches, and prints the difference per row: the same on every run.
//! - `--work CASE BATCHES`: works through so many batches and ends, for a profiler.
use std::{env, hint::black_box, process::Command, time::Instant};

/// Rows of every batch.
pub const ROWS: usize = 1_000;

const ROUNDS: usize = 301;

/// Works one batch through; returns how many bytes its rows are.
pub type Work = Box<dyn FnMut() -> usize>;

/// A case, the case that it is compared with, and the most that the ratio of their costs should be.
pub type Aim = (&'static str, &'static str, f64);

/// Does what the arguments say.
pub fn run(cases: &[&str], aims: &[Aim], work: fn(&str) -> Work) {
    // cargo itself adds `--bench`.
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => times(cases, aims, work),
        ["--instructions"] => instructions(cases, aims),
        ["--work", case, batches] => {
            let mut work = work(case);
            for _ in 0..batches.parse().expect("BATCHES is a number") {
                black_box(work());
            }
        }
        _ => eprintln!("arguments: none, --instructions, or --work CASE BATCHES"),
    }
}

fn times(cases: &[&str], aims: &[Aim], work: fn(&str) -> Work) {
    let mut works: Vec<Work> = cases.iter().map(|case| work(case)).collect();
    let mut nanoseconds: Vec<Vec<f64>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (work, nanoseconds) in works.iter_mut().zip(&mut nanoseconds) {
            let start = Instant::now();
            black_box(work());
            nanoseconds.push(start.elapsed().as_nanos() as f64 / ROWS as f64);
        }
    }
    println!("{:<12} {:>10} {:>8} {:>8} {:>8}", "case", "bytes/row", "median", "p10", "p90 ns/row");
    let mut costs = Vec::new();
    for ((case, work), sample) in cases.iter().zip(&mut works).zip(&mut nanoseconds) {
        sample.sort_by(f64::total_cmp);
        let at = |percent| sample[sample.len() * percent / 100];
        let (bytes, p50, p10, p90) = (work() as f64 / ROWS as f64, at(50), at(10), at(90));
        println!("{case:<12} {bytes:>10.1} {p50:>8.1} {p10:>8.1} {p90:>8.1}");
        costs.push((*case, p50));
    }
    ratios(&costs, aims);
}

fn instructions(cases: &[&str], aims: &[Aim]) {
    println!("{:<12} {:>16}", "case", "instructions/row");
    let mut costs = Vec::new();
    for case in cases {
        let [few, many] = [10, 30].map(|batches| counted(case, batches));
        let cost = (many - few) as f64 / (20 * ROWS) as f64;
        println!("{case:<12} {cost:>16.0}");
        costs.push((*case, cost));
    }
    ratios(&costs, aims);
}

fn ratios(costs: &[(&str, f64)], aims: &[Aim]) {
    let cost = |case| costs.iter().find(|cost| cost.0 == case).expect("an aim names cases").1;
    for (case, baseline, aim) in aims {
        let ratio = cost(*case) / cost(*baseline);
        println!("{case} / {baseline}: {ratio:.2} (aim: {aim:.2} at most)");
    }
}

/// The instructions of a process that works through so many batches, as callgrind counts them.
fn counted(case: &str, batches: u32) -> u64 {
    let own = env::current_exe().expect("the benchmark is a file");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["--work", case, &batches.to_string()])
        .output()
        .expect("valgrind is installed (Debian: valgrind)");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the case {case} failed: {text}");
    let line = text.lines().find_map(|line| line.split_once("Collected : "));
    let line = line.unwrap_or_else(|| panic!("callgrind did not count: {text}"));
    line.1.trim().parse().expect("a number")
}

/// A time as `2013-01-01T05:00:00.000000Z`, in the obvious way.
#[allow(dead_code, reason = "not every benchmark writes times as text")]
pub fn plain_time(microseconds: i64) -> [u8; 27] {
    let seconds = microseconds.div_euclid(1_000_000);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let days = (seconds.div_euclid(86_400) + 719_468) as u32;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u32::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut pair = |at: usize, value: u32| {
        text[at] = b'0' + (value / 10) as u8;
        text[at + 1] = b'0' + (value % 10) as u8;
    };
    pair(0, year / 100);
    pair(2, year % 100);
    pair(5, month);
    pair(8, day);
    pair(11, of_day / 3_600);
    pair(14, of_day / 60 % 60);
    pair(17, of_day % 60);
    let micros = microseconds.rem_euclid(1_000_000) as u32;
    pair(20, micros / 10_000);
    pair(22, micros / 100 % 100);
    pair(24, micros % 100);
    text
}
