//! What a row costs when several replicas share the writers, beside one that has them all.
use std::{sync::Arc, time::Duration};

use super::{
    measure::spread,
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{paced_all, through_all},
};

/// Replicas, in turn.
const REPLICAS: [usize; 2] = [1, 3];

/// Streams of a run, as many at each replica.
const STREAMS: usize = 6;

/// 20 MB a second together: rows of 306 bytes.
const STEADY_ROWS: usize = 500;
const STEADY_INTERVAL: Duration = Duration::from_micros(45_900);
const STEADY_TIME: Duration = Duration::from_secs(8);

/// A load: its name, the guarantee, and whether it is steady or at full speed.
const CASES: [(&str, &str, bool); 3] = [
    ("at full speed", "atLeastOnce", false),
    ("20 MB/s", "atLeastOnce", true),
    ("20 MB/s, exactlyOnce", "exactlyOnce", true),
];

/// The table.
pub fn replicas(bench: &Bench) {
    println!(
        "\nJSON, {STREAMS} streams, {PARTITIONS} partitions, memory {MEMORY}: the same load for one \
         replica and for three; CPU of all together, memory of the largest\n"
    );
    println!(
        "{:<24} {:>8} {:>24} {:>6} {:>9} {:>7} {:>7} {:>5} {:>7}",
        "case", "replicas", "CPU s/M rows", "ratio", "rows/s", "broker", "rec/b", "MiB", "others"
    );
    for case in CASES.iter().filter(|case| bench.wants(case.0)) {
        let one = |_| REPLICAS.map(|replicas| one(bench, replicas, case));
        let rounds: Vec<[Run; 2]> = (0..bench.rounds).map(one).collect();
        for (index, replicas) in REPLICAS.iter().enumerate() {
            let of = |value: fn(&Run) -> f64| spread(rounds.iter().map(|r| value(&r[index])));
            let ratios = rounds.iter().map(|round| round[index].cost() / round[0].cost());
            let (cost, least, most) = of(Run::cost);
            println!(
                "{:<24} {replicas:>8} {cost:>8.3} ({least:.3} to {most:.3}) {:>6.2} {:>9.0} {:>7.2} \
                 {:>7.0} {:>5.0} {:>6.0}%",
                case.0,
                spread(ratios).0,
                of(|run| run.rows as f64 / run.seconds).0,
                of(|run| run.broker_cpu_seconds * 1e6 / run.rows as f64).0,
                of(|run| run.records_per_batch).0,
                of(|run| run.peak_mib).2,
                of(|run| run.others_percent).2,
            );
        }
    }
}

fn one(bench: &Bench, replicas: usize, (_, guarantee, steady): &(&str, &str, bool)) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let more = format!("guarantee: {guarantee}");
    let start = |_| bench.service(&topics, MEMORY, &more);
    let services: Vec<_> = (0..replicas).map(start).collect();
    let run = if *steady {
        let batches = Arc::new(bench.work.batches(STEADY_ROWS));
        let pace = (STEADY_INTERVAL, STEADY_TIME);
        paced_all(bench, &services, &topics[0].name, &batches, STREAMS, pace)
    } else {
        let (run, rows) = through_all(bench, &services, &topics, STREAMS, bench.passes);
        topics[0].check(rows);
        run
    };
    let (records, batches) = topics[0].stored();
    Run { records_per_batch: records as f64 / batches as f64, ..run }
}
