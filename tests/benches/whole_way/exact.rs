//! What exactly once costs beside at least once, and how long one row takes to its commit beside
//! a bare transactional producer.
use std::{sync::Arc, time::Duration};

use super::{
    floor::{Order, Task},
    measure::{quantile, spread},
    sender::{Sender, connect},
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{paced, through_service},
    work::Format,
};

/// The guarantees, in turn.
const GUARANTEES: [&str; 2] = ["atLeastOnce", "exactlyOnce"];

/// Streams of a run.
const STREAMS: usize = 2;

/// 20 MB a second: rows of 306 bytes.
const STEADY_ROWS: usize = 500;
const STEADY_INTERVAL: Duration = Duration::from_micros(15_300);
const STEADY_TIME: Duration = Duration::from_secs(8);

/// Single rows of a run, and the pause between them: longer than the least time between two
/// transactions of a writer.
const ROWS: usize = 300;
const PAUSE: Duration = Duration::from_millis(25);

/// The tables.
pub fn exact(bench: &Bench) {
    println!(
        "\nJSON, {STREAMS} streams, {PARTITIONS} partitions, memory {MEMORY}: the guarantees in turn\n"
    );
    let full = |guarantee: &str| {
        let topics = [bench.topic(PARTITIONS)];
        let more = format!("guarantee: {guarantee}");
        let (run, rows) = through_service(bench, &topics, STREAMS, MEMORY, &more, bench.passes);
        Run { records_per_batch: topics[0].check(rows), ..run }
    };
    pairs(bench, "at full speed", full);
    let steady = |guarantee: &str| {
        let topics = [bench.topic(PARTITIONS)];
        let service = bench.service(&topics, MEMORY, &format!("guarantee: {guarantee}"));
        let batches = Arc::new(bench.work.batches(STEADY_ROWS));
        let pace = (STEADY_INTERVAL, STEADY_TIME);
        let run = paced(bench, &service, &topics[0].name, &batches, STREAMS, pace);
        let (records, batches) = topics[0].stored();
        Run { records_per_batch: records as f64 / batches as f64, ..run }
    };
    pairs(bench, "20 MB/s", steady);
    single(bench);
}

/// Runs both guarantees in turn, and compares the two of each round.
fn pairs(bench: &Bench, name: &str, one: impl Fn(&str) -> Run) {
    if !bench.wants(name) {
        return;
    }
    let rounds: Vec<_> = (0..bench.rounds).map(|_| GUARANTEES.map(&one)).collect();
    println!(
        "{:<28} {:>22} {:>6} {:>9} {:>7} {:>7} {:>5} {:>8} {:>8} {:>7}",
        name,
        "CPU s/M rows",
        "ratio",
        "rows/s",
        "broker",
        "rec/b",
        "MiB",
        "p50 ms",
        "p99 ms",
        "others"
    );
    for (index, guarantee) in GUARANTEES.iter().enumerate() {
        let of = |value: fn(&Run) -> f64| spread(rounds.iter().map(|round| value(&round[index])));
        let ratios = rounds.iter().map(|round| round[index].cost() / round[0].cost());
        let (cost, least, most) = of(Run::cost);
        println!(
            "{guarantee:<28} {cost:>7.3} ({least:.3} to {most:.3}) {:>6.2} {:>9.0} {:>7.2} {:>7.0} \
             {:>5.0} {:>8.1} {:>8.1} {:>6.0}%",
            spread(ratios).0,
            of(|run| run.rows as f64 / run.seconds).0,
            of(|run| run.broker_cpu_seconds * 1e6 / run.rows as f64).0,
            of(|run| run.records_per_batch).0,
            of(|run| run.peak_mib).2,
            of(|run| run.p50_ms).0,
            of(|run| run.p99_ms).0,
            of(|run| run.others_percent).2,
        );
    }
}

/// One row, then its acknowledgement, then a pause.
fn single(bench: &Bench) {
    const CASES: [(&str, Option<&str>); 4] = [
        ("one row: bare producer", None),
        ("one row: service, atLeastOnce", Some("atLeastOnce")),
        ("one row: bare transactional", None),
        ("one row: service, exactlyOnce", Some("exactlyOnce")),
    ];
    let mut runs: Vec<Vec<Run>> = CASES.iter().map(|_| Vec::new()).collect();
    for _ in 0..bench.rounds {
        for (index, (name, guarantee)) in CASES.iter().enumerate() {
            if bench.wants(name) {
                runs[index].push(match guarantee {
                    Some(guarantee) => service(bench, guarantee),
                    None => floor(bench, index == 2),
                });
            }
        }
    }
    println!("{:<30} {:>24} {:>24} {:>8}", "", "p50 ms", "p99 ms", "others");
    for ((name, _), of_case) in CASES.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty()) {
        let text = |value: fn(&Run) -> f64| {
            let (median, least, most) = spread(of_case.iter().map(value));
            format!("{median:.2} ({least:.2} to {most:.2})")
        };
        let others = spread(of_case.iter().map(|run| run.others_percent)).2;
        let (p50, p99) = (text(|run| run.p50_ms), text(|run| run.p99_ms));
        println!("{name:<30} {p50:>24} {p99:>24} {others:>7.0}%");
    }
}

fn floor(bench: &Bench, transactional: bool) -> Run {
    let topic = bench.topic(PARTITIONS);
    let (count, pause_us) = (ROWS, PAUSE.as_micros() as u64);
    bench.floor(&Order {
        bootstrap: bench.broker.bootstrap(),
        topics: vec![topic.name.clone()],
        partitions: PARTITIONS as usize,
        format: Format::Json,
        codec: "none".to_owned(),
        linger_ms: "0".to_owned(),
        task: match transactional {
            true => Task::Commit { count, pause_us },
            false => Task::Wait { count, pause_us },
        },
    })
}

fn service(bench: &Bench, guarantee: &str) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let service = bench.service(&topics, MEMORY, &format!("guarantee: {guarantee}"));
    let batches = bench.work.batches(1)[..ROWS].to_vec();
    // One thread, as the floor has: switches between threads of the sender are not the service's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    bench.measure(&service, || {
        let mut times = runtime.block_on(async {
            let client = connect(&service.url()).await;
            let sender = Sender::open(client, &topics[0].name, "w", &bench.work).await;
            sender.send_each(&batches, ROWS, PAUSE).await
        });
        times.sort_by(f64::total_cmp);
        let (p50_ms, p99_ms) = (quantile(&times, 0.5), quantile(&times, 0.99));
        Run { rows: ROWS as u64, p50_ms, p99_ms, ..Run::default() }
    })
}
