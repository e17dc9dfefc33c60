//! Clients that do not read, and writers that stand still: nobody else notices.
use std::time::Duration;

use proto::v1::{Ack, Open, Primitive, write_response::Message as Out};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{Engine, Stream, check, open},
    rows::{batch, json, numbers, schema},
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_joined() {
    const BATCHES: u64 = 20_000;
    let bench = Bench::start().await;
    bench.kafka().run_by_itself();
    let engine = Engine::connect_narrow(bench.address).await;
    let (mut deaf, _) = engine.writer("deaf").await;
    let (mut other, _) = engine.writer("other").await;
    let (mut submitted, mut others) = (0, 0);
    for sequence in 1..=BATCHES {
        deaf.batch(batch(sequence)).await;
        submitted += 1;
        if sequence % 100 == 0 {
            bench.kafka().submitted(submitted).await;
        }
        if sequence % 1000 == 0 {
            others += 1;
            other.batch(batch(others)).await;
            other.ack(others).await;
            submitted += 1;
        }
    }
    bench.kafka().submitted(submitted).await;
    let (mut answers, mut last) = (0, Ack::default());
    while last.durable_through < BATCHES {
        let Out::Ack(ack) = deaf.answer().await else { panic!("only acknowledgements") };
        assert!(ack.durable_through > last.durable_through);
        (answers, last) = (answers + 1, ack);
    }
    // What fits into the client's window of 64 KiB was on its way; the rest is one answer.
    assert!(answers < BATCHES / 2, "{answers} answers");
    deaf.batch(batch(BATCHES + 1)).await;
    deaf.ack(BATCHES + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_nobody_reads_the_answers_of_ends() {
    let bench = Bench::start().await;
    let narrow = Engine::connect_narrow(bench.address).await;
    let (mut stream, _) = narrow.writer("deaf").await;
    for gap in 0..5000 {
        stream.batch(batch(10 + gap)).await;
    }
    // The end does not wait for a client that does not read, and still it hears the reason.
    let engine = bench.engine().await;
    until("the stream is over", async || {
        (engine.get_output().await.writers_live == 0).then_some(())
    })
    .await;
    let (answers, end) = stream.rest().await;
    assert!(answers.len() < 4000, "{} answers", answers.len());
    check(&end.unwrap_err(), Code::ResourceExhausted, "ANSWERS_UNREAD", "no", "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_gets_no_pile_of_heartbeats() {
    const REFUSED: usize = 100;
    let bench = Bench::start().await;
    let engine = Engine::connect_narrow(bench.address).await;
    let heartbeat_interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let open = Open { heartbeat_interval, ..open("deaf") };
    let (mut deaf, _) = engine.open_with(open).await;
    deaf.schema(numbers()).await;
    // Each refusal names a hundred rows, in some 10 KB: they fill the client's window and wait.
    for _ in 0..REFUSED {
        deaf.batch(json(1, "{\"n\":\"no number\"}\n".repeat(100))).await;
    }
    deaf.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    // Three intervals pass. Messages are still read: the client's heartbeats, and a batch.
    for _ in 0..7 {
        deaf.beat().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    deaf.batch(batch(2)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().run_by_itself();
    let (mut refused, mut words) = (0, 0);
    loop {
        match deaf.answer().await {
            Out::Refused(_) => refused += 1,
            Out::Heartbeat(_) | Out::Held(_) => words += 1,
            Out::Ack(ack) if ack.durable_through == 2 => break,
            Out::Ack(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, REFUSED);
    assert!(words <= 1, "{words} words that the service lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_writers_stall_no_other_on_their_connection() {
    const STALLED: usize = 9;
    const FLOOR_BYTES: u64 = 10 << 20;
    let setup = Setup {
        outputs: &["a", "dead"],
        streams_max: STALLED + 3,
        credit_bytes: 2 * FLOOR_BYTES * (STALLED as u64 + 3),
        memory_bytes: 128 << 20,
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    bench.kafka[0].run_by_itself();
    bench.kafka[1].set_partitions(None);
    let engine = bench.engine().await;
    let text = schema(0, &[("t", Primitive::Text)]);
    let line = format!("{{\"t\":\"{}\"}}\n", "x".repeat(100_000));
    let megabyte = line.repeat(10);

    // Together they fill more than a connection's window: what they sent is read all the same.
    let mut stalled: Vec<Stream> = Vec::new();
    let mut sent = 0;
    for writer in 0..STALLED {
        let open = Open { output: "dead".into(), ..open(&format!("dead-{writer}")) };
        let (stream, opened) = engine.open_with(open).await;
        stream.schema(text.clone()).await;
        // More than the window that they are told, but not more than there is memory for them.
        assert!(opened.credit.unwrap().bytes < FLOOR_BYTES);
        sent = FLOOR_BYTES / (megabyte.len() as u64 + 100);
        for sequence in 1..=sent {
            stream.batch(json(sequence, megabyte.clone())).await;
        }
        stalled.push(stream);
    }
    assert!(STALLED as u64 * sent * megabyte.len() as u64 > 64 << 20);

    let (mut lively, _) = engine.open_with(open("lively")).await;
    lively.schema(text).await;
    let mut acked = 0;
    for sequence in 1..=96 {
        lively.batch(json(sequence, megabyte.clone())).await;
        if sequence > acked + 4 {
            acked = lively.acked(sequence - 4).await;
        }
    }
    if acked < 96 {
        lively.acked(96).await;
    }
    assert_eq!(bench.kafka[1].count(), 0);

    bench.kafka[1].run_by_itself();
    bench.kafka[1].set_partitions(Some(&[true]));
    for stream in &mut stalled {
        stream.ack(sent).await;
    }
}
