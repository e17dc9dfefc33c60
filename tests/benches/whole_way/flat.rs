//! Whether the cost of a row depends on how many writers, outputs and partitions there are.
use super::{
    measure::spread,
    series::{Bench, Run, Topic},
    throughput::through_service,
};

/// Writers, outputs, partitions of each output. The first is what the others are compared with.
const SHAPES: [(usize, usize, i32); 9] = [
    (2, 1, 12),
    (1, 1, 12),
    (20, 1, 12),
    (200, 1, 12),
    (20, 5, 12),
    (20, 20, 12),
    (2, 1, 3),
    (2, 1, 60),
    (2, 1, 300),
];

/// The default of the job file.
const MEMORY: &str = "512 MiB";

/// The table of shapes.
pub fn flat(bench: &Bench) {
    println!("\nJSON, default turn, memory {MEMORY}: cost of a row by shape\n");
    let wanted = |(w, o, p): &(usize, usize, i32)| bench.wants(&format!("{w},{o},{p}"));
    let shapes: Vec<_> = SHAPES.into_iter().filter(wanted).collect();
    let mut runs: Vec<Vec<Run>> = shapes.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for (shape, runs) in shapes.iter().zip(&mut runs) {
            runs.push(one(bench, *shape));
        }
    }
    println!(
        "{:>7} {:>7} {:>10} {:>22} {:>8} {:>9} {:>7} {:>5} {:>7}",
        "writers",
        "outputs",
        "partitions",
        "CPU s/M rows",
        "× first",
        "rows/s",
        "rec/b",
        "MiB",
        "others"
    );
    for ((writers, outputs, partitions), of_shape) in shapes.iter().zip(&runs) {
        let (cost, least, most) = spread(of_shape.iter().map(Run::cost));
        let ratios = of_shape.iter().zip(&runs[0]).map(|(run, first)| run.cost() / first.cost());
        let of = |value: fn(&Run) -> f64| spread(of_shape.iter().map(value)).0;
        println!(
            "{writers:>7} {outputs:>7} {partitions:>10} {cost:>7.3} ({least:.3} to {most:.3}) \
             {:>8.2} {:>9.0} {:>7.0} {:>5.0} {:>6.0}%",
            spread(ratios).0,
            of(|run| run.rows as f64 / run.seconds),
            of(|run| run.records_per_batch),
            spread(of_shape.iter().map(|run| run.peak_mib)).2,
            spread(of_shape.iter().map(|run| run.others_percent)).2,
        );
    }
}

fn one(bench: &Bench, (writers, outputs, partitions): (usize, usize, i32)) -> Run {
    let topics: Vec<Topic> = (0..outputs).map(|_| bench.topic(partitions)).collect();
    let (run, sent) = through_service(bench, &topics, writers, MEMORY, "");
    let stored: Vec<(u64, u64)> = topics.iter().map(Topic::stored).collect();
    let sum = |of: fn(&(u64, u64)) -> u64| stored.iter().map(of).sum::<u64>();
    let (records, batches) = (sum(|stored| stored.0), sum(|stored| stored.1));
    assert_eq!(records, sent, "the broker has stored what was sent");
    Run { records_per_batch: records as f64 / batches as f64, ..run }
}
