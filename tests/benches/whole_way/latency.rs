//! How long a batch takes to its acknowledgement when nothing else is on its way.
use std::{sync::Arc, time::Duration};

use super::{
    floor::{Order, Task},
    measure::{quantile, spread},
    sender::{Sender, connect},
    series::{Bench, MEMORY, PARTITIONS, Run},
    work::Format,
};

/// Batches of a run, and the pause between them.
const BATCHES: usize = 2_000;
const PAUSE: Duration = Duration::from_millis(2);

/// Batches before the series, without a pause: a broker's virtual machine compiles its code while
/// it runs, on the cores that are measured, and after these it has.
const WARM_UP: usize = 40_000;

/// The latency table.
pub fn latency(bench: &Bench) {
    println!("\nOne batch, then its acknowledgement, then {PAUSE:?} of pause; {BATCHES} a run\n");
    // Linger of the service and rows of a batch; without a linger it is the floor.
    const CASES: [(&str, Option<&str>, usize); 4] = [
        ("floor, linger 0, 1 row", None, 1),
        ("service, linger 0, 1 row", Some("0ms"), 1),
        ("service, default, 1 row", Some("5ms"), 1),
        ("service, default, 100 rows", Some("5ms"), 100),
    ];
    let mut runs: Vec<Vec<Run>> = CASES.iter().map(|_| Vec::new()).collect();
    floor(bench, WARM_UP, Duration::ZERO);
    for _ in 0..bench.rounds {
        for ((name, linger, rows), runs) in CASES.iter().zip(&mut runs) {
            if !bench.wants(name) {
                continue;
            }
            runs.push(match linger {
                None => floor(bench, BATCHES, PAUSE),
                Some(linger) => service(bench, linger, *rows),
            });
        }
    }
    println!("{:<26} {:>24} {:>24} {:>8}", "case", "p50 ms", "p99 ms", "others");
    for ((name, ..), of_case) in CASES.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty()) {
        let text = |value: fn(&Run) -> f64| {
            let (median, least, most) = spread(of_case.iter().map(value));
            format!("{median:.3} ({least:.3} to {most:.3})")
        };
        let others = spread(of_case.iter().map(|run| run.others_percent)).2;
        println!(
            "{name:<26} {:>24} {:>24} {others:>7.0}%",
            text(|run| run.p50_ms),
            text(|run| run.p99_ms)
        );
    }
}

fn floor(bench: &Bench, count: usize, pause: Duration) -> Run {
    let topic = bench.topic(PARTITIONS);
    bench.floor(&Order {
        bootstrap: bench.broker.bootstrap(),
        topics: vec![topic.name.clone()],
        partitions: PARTITIONS as usize,
        format: Format::Json,
        codec: "none".to_owned(),
        linger_ms: "0".to_owned(),
        task: Task::Wait { count, pause_us: pause.as_micros() as u64 },
    })
}

fn service(bench: &Bench, linger: &str, rows: usize) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let more = format!("batching: {{ linger: {linger} }}");
    let service = bench.service(&topics, MEMORY, &more);
    let batches = Arc::new(bench.work.batches(rows)[..BATCHES].to_vec());
    // One thread, as the floor has: switches between threads of the sender are not the service's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    bench.measure(&service, || {
        let mut times = runtime.block_on(async {
            let client = connect(&service.url()).await;
            let sender = Sender::open(client, &topics[0].name, "w", &bench.work).await;
            sender.send_each(&batches, BATCHES, PAUSE).await
        });
        times.sort_by(f64::total_cmp);
        let (p50_ms, p99_ms) = (quantile(&times, 0.5), quantile(&times, 0.99));
        Run { rows: (BATCHES * rows) as u64, p50_ms, p99_ms, ..Run::default() }
    })
}
