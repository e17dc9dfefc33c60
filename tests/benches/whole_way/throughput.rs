//! Runs through the service: at full speed, and at a steady one.
use std::{
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tests::service::Service;

use super::{
    measure::quantile,
    sender::{Sender, connect},
    series::{Bench, Run, Topic},
};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 1_000;

/// So many passes through a service, over `writers` streams that share the topics evenly. One pass
/// goes before those that count: the first rows find connections and memory that are not there yet.
/// Returns the rows that counted, and how many all were.
pub fn through_service(
    bench: &Bench,
    topics: &[Topic],
    writers: usize,
    memory: &str,
    more: &str,
    passes: u64,
) -> (Run, u64) {
    let service = bench.service(topics, memory, more);
    through(bench, &service, topics, writers, passes)
}

/// The same through a service that runs.
pub fn through(
    bench: &Bench,
    service: &Service,
    topics: &[Topic],
    writers: usize,
    passes: u64,
) -> (Run, u64) {
    through_all(bench, slice::from_ref(service), topics, writers, passes)
}

/// The same through several services, which share the streams evenly.
pub fn through_all(
    bench: &Bench,
    services: &[Service],
    topics: &[Topic],
    writers: usize,
    passes: u64,
) -> (Run, u64) {
    let batches = bench.work.batches(BATCH_ROWS);
    let output = |writer: usize| topics[writer % topics.len()].name.as_str();
    let mut senders = open(bench, services, writers, output);
    let warm = send(bench, &mut senders, &batches, 1);
    let run = bench.measure_all(services, || {
        let rows = send(bench, &mut senders, &batches, passes);
        Run { rows, ..Run::default() }
    });
    (run, warm + run.rows)
}

/// Opens so many streams, in turn at each service, into the outputs that `output` says.
fn open<'a>(
    bench: &Bench,
    services: &[Service],
    streams: usize,
    output: impl Fn(usize) -> &'a str,
) -> Vec<Sender> {
    bench.runtime.block_on(async {
        let mut clients = Vec::new();
        for service in services {
            clients.push(connect(&service.url()).await);
        }
        let mut senders = Vec::new();
        for stream in 0..streams {
            let client = clients[stream % clients.len()].clone();
            let name = format!("w{stream}");
            senders.push(Sender::open(client, output(stream), &name, &bench.work).await);
        }
        senders
    })
}

/// Sends so many passes and waits until all of it is acknowledged; returns the rows.
fn send(bench: &Bench, senders: &mut Vec<Sender>, batches: &[(u32, Bytes)], passes: u64) -> u64 {
    let (all, writers) = (batches.len() * passes as usize, senders.len());
    let tasks: Vec<_> = senders
        .drain(..)
        .enumerate()
        .map(|(writer, mut sender)| {
            let range = all * writer / writers..all * (writer + 1) / writers;
            let mine: Vec<Bytes> = range.map(|at| batches[at % batches.len()].1.clone()).collect();
            bench.runtime.spawn(async move {
                sender.send_all(mine).await;
                sender
            })
        })
        .collect();
    for task in tasks {
        senders.push(bench.runtime.block_on(task).expect("the sender has not failed"));
    }
    (0..all).map(|at| u64::from(batches[at % batches.len()].0)).sum()
}

/// A batch every interval on each of some streams, for so long.
pub fn paced(
    bench: &Bench,
    service: &Service,
    topic: &str,
    batches: &Arc<Vec<(u32, Bytes)>>,
    streams: usize,
    pace: (Duration, Duration),
) -> Run {
    paced_all(bench, slice::from_ref(service), topic, batches, streams, pace)
}

/// The same through several services, which share the streams evenly.
pub fn paced_all(
    bench: &Bench,
    services: &[Service],
    topic: &str,
    batches: &Arc<Vec<(u32, Bytes)>>,
    streams: usize,
    (interval, time): (Duration, Duration),
) -> Run {
    let senders = open(bench, services, streams, |_| topic);
    bench.measure_all(services, || {
        let end = Instant::now() + time;
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|sender| bench.runtime.spawn(sender.send_paced(batches.clone(), interval, end)))
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
