//! What a trace in the headers of records costs: with them each record is a call of its own.
use tests::{
    engine::job::{job_within, output},
    wait::DEADLINE,
};

use super::{
    measure::{quantile, spread},
    series::{Bench, MEMORY, PARTITIONS, Run},
    throughput::{BATCH_ROWS, through},
};

const WRITERS: usize = 2;

/// The table.
pub fn headers(bench: &Bench) {
    println!("\nJSON, one record a row, {PARTITIONS} partitions, memory {MEMORY}, batches of");
    println!("{BATCH_ROWS} rows on {WRITERS} streams that are part of a trace; with and without");
    println!("`traceHeaders`; median (least to most) of {} pairs\n", bench.rounds);
    let mut pairs = Vec::new();
    for round in 0..bench.rounds {
        // Whoever comes first finds the machine as the one before has left it.
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        let mut pair = order.map(|told| (told, one(bench, told)));
        pair.sort_by_key(|(told, _)| *told);
        pairs.push(pair.map(|(_, run)| run));
    }
    for (at, name) in ["without", "traceHeaders"].iter().enumerate() {
        let of = |value: fn(&Run) -> f64| spread(pairs.iter().map(|pair| value(&pair[at])));
        let (cost, least, most) = of(Run::cost);
        println!(
            "{name:<12} {cost:>7.3} ({least:.3} to {most:.3}) CPU s/M rows {:>9.0} rows/s, \
             others {:.0}%",
            of(|run| run.rows as f64 / run.seconds).0,
            of(|run| run.others_percent).0,
        );
    }
    let mut times: Vec<f64> = pairs.iter().map(|pair| pair[1].cost() / pair[0].cost()).collect();
    times.sort_by(f64::total_cmp);
    println!("a record with headers costs {:.2} times as much", quantile(&times, 0.5));
}

fn one(bench: &Bench, told: bool) -> Run {
    let topics = [bench.topic(PARTITIONS)];
    let name = &topics[0].name;
    let more = format!("traceHeaders: {told}");
    let job = job_within(MEMORY, &[output(name, &bench.broker.bootstrap(), name, &more)]);
    let service = bench.service_of(&job, &[name]);
    let run = through(bench, &service, &topics, WRITERS, bench.passes).0;
    service.terminate(DEADLINE);
    run
}
