//! What a row costs at a steady 50,000 rows a second when the broker is far away.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tests::{
    kafka::{Broker, BrokerOptions},
    proxy::{Proxy, Terms},
};

use super::{
    measure::{quantile, spread},
    sender::{Sender, connect},
    series::{Bench, MEMORY, PARTITIONS, Run},
};

/// Two streams of 25,000 rows a second.
const STREAMS: usize = 2;
const BATCH_ROWS: usize = 500;
const INTERVAL: Duration = Duration::from_millis(20);

/// How long a run takes.
const TIME: Duration = Duration::from_secs(8);

/// From a request to its answer, beside what the broker takes.
const ROUND_TRIPS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(10), Duration::from_millis(30)];

/// The table of round trips.
pub fn slow(bench: &Bench) {
    println!(
        "\n50,000 rows a second, idempotent, defaults otherwise, by round trip to the broker\n"
    );
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    let mut runs: Vec<Vec<Run>> = ROUND_TRIPS.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.rounds {
        for (round_trip, runs) in ROUND_TRIPS.iter().zip(&mut runs) {
            let topic = format!("slow-{round}-{}", round_trip.as_millis());
            broker.admin().create_topic(&topic, PARTITIONS, 1, &[]);
            way.spoil_both(Terms { delay: *round_trip / 2, ..Terms::default() });
            runs.push(one(bench, &way.address().to_string(), &topic));
            way.heal();
        }
    }
    println!(
        "{:>10} {:>22} {:>7} {:>9} {:>8} {:>8} {:>7}",
        "round trip", "CPU s/M rows", "× none", "rows/s", "p50 ms", "p99 ms", "others"
    );
    for (round_trip, of_trip) in ROUND_TRIPS.iter().zip(&runs) {
        let (cost, least, most) = spread(of_trip.iter().map(Run::cost));
        let ratios = of_trip.iter().zip(&runs[0]).map(|(run, none)| run.cost() / none.cost());
        let of = |value: fn(&Run) -> f64| spread(of_trip.iter().map(value)).0;
        println!(
            "{:>10} {cost:>7.3} ({least:.3} to {most:.3}) {:>7.2} {:>9.0} {:>8.2} {:>8.2} {:>6.0}%",
            format!("{round_trip:?}"),
            spread(ratios).0,
            of(|run| run.rows as f64 / run.seconds),
            of(|run| run.p50_ms),
            of(|run| run.p99_ms),
            spread(of_trip.iter().map(|run| run.others_percent)).2,
        );
    }
}

fn one(bench: &Bench, bootstrap: &str, topic: &str) -> Run {
    let service = bench.service_at(bootstrap, &[topic], MEMORY, "");
    let batches = Arc::new(bench.work.batches(BATCH_ROWS));
    let senders = bench.runtime.block_on(async {
        let client = connect(&service.url()).await;
        let mut senders = Vec::new();
        for stream in 0..STREAMS {
            let name = format!("w{stream}");
            senders.push(Sender::open(client.clone(), topic, &name, &bench.work).await);
        }
        senders
    });
    bench.measure(&service, || {
        let end = Instant::now() + TIME;
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|sender| bench.runtime.spawn(sender.send_paced(batches.clone(), INTERVAL, end)))
            .collect();
        let (mut rows, mut times) = (0, Vec::new());
        for task in tasks {
            let sent = bench.runtime.block_on(task).expect("the sender has not failed");
            rows += sent.0;
            times.extend(sent.1);
        }
        times.sort_by(f64::total_cmp);
        let (p50_ms, p99_ms) = (quantile(&times, 0.5), quantile(&times, 0.99));
        Run { rows, p50_ms, p99_ms, ..Run::default() }
    })
}
