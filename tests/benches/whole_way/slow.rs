//! What a row costs at a steady 50,000 rows a second when the broker is far away.
use std::{sync::Arc, time::Duration};

use tests::{
    kafka::{Broker, BrokerOptions},
    proxy::{Proxy, Terms},
};

use super::{
    measure::spread,
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::paced,
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
    paced(bench, &service, topic, &batches, STREAMS, (INTERVAL, TIME))
}
