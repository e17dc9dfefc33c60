//! The cost table: CPU for a row at full speed, beside the floor's.
use tests::flights;

use super::{
    floor::{Order, Task},
    measure::spread,
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{BATCH_ROWS, through_service},
};

/// Streams of a run that is not about them.
const WRITERS: usize = 2;

/// One row of the cost table.
struct Case {
    name: &'static str,
    by: By,
    turn: usize,
    codec: &'static str,
}

enum By {
    Floor,
    Service,
}

const CASES: [Case; 8] = [
    Case { name: "floor A, turn 1", by: By::Floor, turn: 1, codec: "None" },
    Case { name: "service, turn 1", by: By::Service, turn: 1, codec: "None" },
    Case { name: "floor A', turn 1000", by: By::Floor, turn: 1_000, codec: "None" },
    Case { name: "service, default", by: By::Service, turn: 1_000, codec: "None" },
    Case { name: "floor A, turn 1, lz4", by: By::Floor, turn: 1, codec: "Lz4" },
    Case { name: "service, default, lz4", by: By::Service, turn: 1_000, codec: "Lz4" },
    Case { name: "floor A, turn 1, zstd", by: By::Floor, turn: 1, codec: "Zstd" },
    Case { name: "service, default, zstd", by: By::Service, turn: 1_000, codec: "Zstd" },
];

/// The cost table.
pub fn cost(bench: &Bench) {
    println!("\nJSON, one record a row, {PARTITIONS} partitions, memory {MEMORY}, batches of");
    println!(
        "{BATCH_ROWS} rows on {WRITERS} streams, default linger; the floor lingers for 20 ms, up to 10,000 records a"
    );
    println!("batch; median (least to most)\n");
    let mut runs: Vec<Vec<Run>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for (index, (case, runs)) in CASES.iter().zip(&mut runs).enumerate() {
            // Floor A is what all others are compared with.
            if index > 0 && !bench.wants(case.name) {
                continue;
            }
            runs.push(one(bench, case));
        }
    }
    println!(
        "{:<24} {:>22} {:>6} {:>9} {:>7} {:>7} {:>5} {:>7}",
        "case", "CPU s/M rows", "× A", "rows/s", "broker", "rec/b", "MiB", "others"
    );
    for (case, of_case) in CASES.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty()) {
        let (cost, least, most) = spread(of_case.iter().map(Run::cost));
        let ratios = of_case.iter().zip(&runs[0]).map(|(run, floor)| run.cost() / floor.cost());
        let of = |value: fn(&Run) -> f64| spread(of_case.iter().map(value)).0;
        println!(
            "{:<24} {cost:>7.3} ({least:.3} to {most:.3}) {:>6.2} {:>9.0} {:>7.2} {:>7.0} {:>5.0} \
             {:>6.0}%",
            case.name,
            spread(ratios).0,
            of(|run| run.rows as f64 / run.seconds),
            of(|run| run.broker_cpu_seconds * 1e6 / run.rows as f64),
            of(|run| run.records_per_batch),
            spread(of_case.iter().map(|run| run.peak_mib)).2,
            spread(of_case.iter().map(|run| run.others_percent)).2,
        );
    }
    for (floor, service) in [(4, 5), (6, 7)] {
        let pairs = runs[service].iter().zip(&runs[floor]);
        if pairs.len() == 0 {
            continue;
        }
        let on_top = spread(pairs.map(|(service, floor)| service.cost() - floor.cost()));
        println!("{}: {:+.3} s/M on top of the floor", CASES[service].name, on_top.0);
    }
}

fn one(bench: &Bench, case: &Case) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let (run, sent) = match case.by {
        By::Floor => {
            let run = bench.floor(&Order {
                bootstrap: bench.broker.bootstrap(),
                topics: vec![topics[0].name.clone()],
                partitions: PARTITIONS as usize,
                codec: case.codec.to_lowercase(),
                linger_ms: "20".to_owned(),
                task: Task::Send { passes: bench.passes, batch_rows: BATCH_ROWS, turn: case.turn },
            });
            (run, bench.passes * flights::ROWS + flights::ROWS)
        }
        By::Service => {
            let more = format!(
                "partitioning: {{ turn: {{ rows: {} }} }}, compression: {{ type: {} }}",
                case.turn, case.codec
            );
            through_service(bench, &topics, WRITERS, MEMORY, &more, bench.passes)
        }
    };
    Run { records_per_batch: topics[0].check(sent), ..run }
}
