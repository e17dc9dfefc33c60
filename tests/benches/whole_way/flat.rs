//! Whether the cost of a row depends on how many writers, outputs and partitions there are.
use super::{
    floor::{Order, Task},
    measure::spread,
    series::{Bench, Run, Topic},
    throughput::{BATCH_ROWS, through_service},
    work::Format,
};

/// Writers, outputs, partitions of each output. The first is what the others are compared with.
const SHAPES: [Shape; 9] = [
    Shape(2, 1, 12),
    Shape(1, 1, 12),
    Shape(20, 1, 12),
    Shape(200, 1, 12),
    Shape(20, 5, 12),
    Shape(20, 20, 12),
    Shape(2, 1, 3),
    Shape(2, 1, 60),
    Shape(2, 1, 300),
];

/// The default of the job file.
const MEMORY: &str = "512 MiB";

/// Rows of a turn: the default of the job file.
const TURN: usize = 1_000;

/// Longer runs than those of other tables: memory and connections that 20 outputs touch for the
/// first time are a cost of the start, not of a row.
const PASSES_FACTOR: u64 = 2;

#[derive(Clone, Copy, PartialEq)]
struct Shape(usize, usize, i32);

/// A round: the shape through the service, and as many topics through bare producers.
struct Pair {
    service: Run,
    floor: Run,
}

/// The table of shapes.
pub fn flat(bench: &Bench) {
    let passes = bench.passes * PASSES_FACTOR;
    println!("\nJSON, default turn, memory {MEMORY}, {passes} passes: cost of a row by shape, and");
    println!("beside it that of bare producers, one for each output; median (least to most)\n");
    let wanted = |Shape(w, o, p): &Shape| bench.wants(&format!("{w},{o},{p}"));
    let shapes: Vec<_> = SHAPES.into_iter().filter(wanted).collect();
    let mut rounds: Vec<Vec<Pair>> = shapes.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for (shape, rounds) in shapes.iter().zip(&mut rounds) {
            let (service, floor) = (service(bench, *shape, passes), floor(bench, *shape, passes));
            rounds.push(Pair { service, floor });
        }
    }
    println!(
        "{:>7} {:>7} {:>10} {:>22} {:>7} {:>6} {:>7} {:>9} {:>6} {:>4} {:>6}",
        "writers",
        "outputs",
        "partitions",
        "CPU s/M rows",
        "x first",
        "floor",
        "x floor",
        "rows/s",
        "rec/b",
        "MiB",
        "others"
    );
    for (Shape(writers, outputs, partitions), pairs) in shapes.iter().zip(&rounds) {
        let of = |value: fn(&Pair) -> f64| spread(pairs.iter().map(value));
        let (cost, least, most) = of(|pair| pair.service.cost());
        let first = pairs.iter().zip(&rounds[0]);
        let ratios = first.map(|(pair, first)| pair.service.cost() / first.service.cost());
        println!(
            "{writers:>7} {outputs:>7} {partitions:>10} {cost:>7.3} ({least:.3} to {most:.3}) \
             {:>7.2} {:>6.3} {:>7.2} {:>9.0} {:>6.0} {:>4.0} {:>5.0}%",
            spread(ratios).0,
            of(|pair| pair.floor.cost()).0,
            of(|pair| pair.service.cost() / pair.floor.cost()).0,
            of(|pair| pair.service.rows as f64 / pair.service.seconds).0,
            of(|pair| pair.service.records_per_batch).0,
            of(|pair| pair.service.peak_mib).2,
            of(|pair| pair.service.others_percent.max(pair.floor.others_percent)).2,
        );
    }
}

fn service(bench: &Bench, Shape(writers, outputs, partitions): Shape, passes: u64) -> Run {
    let topics: Vec<Topic> = (0..outputs).map(|_| bench.topic(partitions)).collect();
    let (run, sent) = through_service(bench, &topics, writers, MEMORY, "", passes);
    check(run, &topics, sent)
}

fn floor(bench: &Bench, Shape(_, outputs, partitions): Shape, passes: u64) -> Run {
    let topics: Vec<Topic> = (0..outputs).map(|_| bench.topic(partitions)).collect();
    let run = bench.floor(&Order {
        bootstrap: bench.broker.bootstrap(),
        topics: topics.iter().map(|topic| topic.name.clone()).collect(),
        partitions: partitions as usize,
        format: Format::Json,
        codec: "none".to_owned(),
        linger_ms: "20".to_owned(),
        task: Task::Send { passes, batch_rows: BATCH_ROWS, turn: TURN },
    });
    check(run, &topics, run.rows / passes * (passes + 1))
}

/// Checks that all of it is stored, and counts the records of a Kafka batch.
fn check(run: Run, topics: &[Topic], sent: u64) -> Run {
    let stored: Vec<(u64, u64)> = topics.iter().map(Topic::stored).collect();
    let sum = |of: fn(&(u64, u64)) -> u64| stored.iter().map(of).sum::<u64>();
    let (records, batches) = (sum(|stored| stored.0), sum(|stored| stored.1));
    assert_eq!(records, sent, "the broker has stored what was sent");
    Run { records_per_batch: records as f64 / batches as f64, ..run }
}
