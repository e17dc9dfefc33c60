//! What it costs to be watched: an admin port, librdkafka's statistics, and a scrape a second.
//!
//! Counts and times of rows are taken with and without an admin port; what this adds is what
//! librdkafka measures of each record, a document of it every five seconds and producer, and the
//! scrapes. Both take turns, so that a slow minute of the machine meets both, and each pair is
//! compared by itself.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tests::{
    engine::job::{job_within, output, with_admin},
    service::Service,
    usage::cpu_time,
    wait::DEADLINE,
};

use super::{
    measure::{quantile, spread},
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{BATCH_ROWS, through},
};

const WRITERS: usize = 2;
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// The most that it may cost.
const PERCENT_MAX: f64 = 2.0;

/// For so long a service without rows is looked at.
const IDLE: Duration = Duration::from_secs(20);

/// The table.
pub fn metrics(bench: &Bench) {
    println!("\nJSON, one record a row, {PARTITIONS} partitions, memory {MEMORY}, batches of");
    println!("{BATCH_ROWS} rows on {WRITERS} streams; watched: an admin port, statistics of");
    println!("librdkafka, a scrape a second; median (least to most) of {} pairs\n", bench.rounds);
    let mut pairs = Vec::new();
    for round in 0..bench.rounds {
        // Whoever comes first finds the machine as the one before has left it.
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        let mut pair = order.map(|watched| (watched, one(bench, watched)));
        pair.sort_by_key(|(watched, _)| *watched);
        pairs.push(pair.map(|(_, run)| run));
    }
    for (at, name) in ["not watched", "watched"].iter().enumerate() {
        let of = |value: fn(&Run) -> f64| spread(pairs.iter().map(|pair| value(&pair[at])));
        let (cost, least, most) = of(Run::cost);
        println!(
            "{name:<12} {cost:>7.3} ({least:.3} to {most:.3}) CPU s/M rows {:>9.0} rows/s, \
             others {:.0}%",
            of(|run| run.rows as f64 / run.seconds).0,
            of(|run| run.others_percent).0,
        );
    }
    let mut percent: Vec<f64> =
        pairs.iter().map(|pair| 100.0 * (pair[1].cost() / pair[0].cost() - 1.0)).collect();
    percent.sort_by(f64::total_cmp);
    println!(
        "watching adds {:+.2}% (half of the pairs {:+.2}% to {:+.2}%); it must not add more than \
         {PERCENT_MAX}%",
        quantile(&percent, 0.5),
        quantile(&percent, 0.25),
        quantile(&percent, 0.75),
    );
    let [unwatched, watched] = [false, true].map(|watched| idle(bench, watched));
    println!("without rows: {:.2} ms CPU a second, watched {:.2}", unwatched * 1e3, watched * 1e3);
}

fn one(bench: &Bench, watched: bool) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let name = &topics[0].name;
    let service = start(bench, name, watched);
    let run =
        scraped(&service, watched, || through(bench, &service, &topics, WRITERS, bench.passes).0);
    // In peace: a tool that counts the service's instructions says so at its end.
    service.terminate(DEADLINE);
    run
}

/// CPU seconds a second of a service that has nothing to do.
fn idle(bench: &Bench, watched: bool) -> f64 {
    let topic = bench.topic(PARTITIONS);
    let service = start(bench, &topic.name, watched);
    let share = scraped(&service, watched, || {
        let (before, start) = (cpu_time(service.pid()), Instant::now());
        thread::sleep(IDLE);
        (cpu_time(service.pid()) - before).as_secs_f64() / start.elapsed().as_secs_f64()
    });
    service.terminate(DEADLINE);
    share
}

fn start(bench: &Bench, topic: &str, watched: bool) -> Service {
    let job = job_within(MEMORY, &[output(topic, &bench.broker.bootstrap(), topic, "")]);
    let job = if watched { with_admin(&job) } else { job };
    bench.service_of(&job, &[topic])
}

/// Does something while the service is scraped, if it is watched.
fn scraped<T>(service: &Service, watched: bool, run: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        if watched {
            scope.spawn(|| {
                let admin = service.admin();
                while !is_over.load(Ordering::SeqCst) {
                    assert!(admin.metrics().value("kafka_output_ready") == Some(1.0));
                    thread::park_timeout(SCRAPE_EVERY);
                }
            });
        }
        let done = run();
        is_over.store(true, Ordering::SeqCst);
        done
    })
}
