//! Runs through the service: at full speed, and at a steady one.
use std::{
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
    let batches = bench.work.batches(BATCH_ROWS);
    let mut senders: Vec<Sender> = bench.runtime.block_on(async {
        let client = connect(&service.url()).await;
        let mut senders = Vec::new();
        for writer in 0..writers {
            let output = &topics[writer % topics.len()].name;
            let name = format!("w{writer}");
            senders.push(Sender::open(client.clone(), output, &name, &bench.work).await);
        }
        senders
    });
    let warm = send(bench, &mut senders, &batches, 1);
    let run = bench.measure(service, || {
        let rows = send(bench, &mut senders, &batches, passes);
        Run { rows, ..Run::default() }
    });
    (run, warm + run.rows)
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
    (interval, time): (Duration, Duration),
) -> Run {
    let senders = bench.runtime.block_on(async {
        let client = connect(&service.url()).await;
        let mut senders = Vec::new();
        for stream in 0..streams {
            let name = format!("w{stream}");
            senders.push(Sender::open(client.clone(), topic, &name, &bench.work).await);
        }
        senders
    });
    bench.measure(service, || {
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
