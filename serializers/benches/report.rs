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
