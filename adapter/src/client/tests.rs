//! The client against a service that checks it and misbehaves.
use std::{sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, cast::AsArray as _};
use bytes::Bytes;
use proto::v1::{
    Batch, Credit, Limits, RejectedRow, Schema, WriteOnceRequest, batch::Rows as Carrier,
};
use tokio::{net::TcpListener, time::Instant};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    Client, Error, Event, Rows, SchemaId, Tally, Writer, WriterOptions, check_endpoint,
    encode_schema,
    fake::{Act, Fake, Opening, Script, status, streams_of},
};

const ROWS: i64 = 100;

fn batch(number: i64) -> RecordBatch {
    let column = Int64Array::from_iter_values(number * ROWS..(number + 1) * ROWS);
    RecordBatch::try_from_iter([("n", Arc::new(column) as ArrayRef)]).unwrap()
}

fn position(number: i64) -> Option<Bytes> {
    Some(Bytes::from(number.to_string()))
}

fn options() -> WriterOptions {
    let reconnect_for = Duration::from_secs(10);
    WriterOptions { reconnect_for, ..WriterOptions::new("delays", "tests") }
}

async fn open(fake: &Fake) -> (Writer, SchemaId) {
    let mut writer = Writer::open(&fake.url(), options()).await.unwrap();
    let schema = writer.schema(&batch(0).schema()).unwrap();
    (writer, schema)
}

async fn send(writer: &mut Writer, schema: SchemaId, number: i64) -> Result<u64, Error> {
    writer.send(schema, &Rows::from_arrow(&batch(number)).unwrap(), position(number)).await
}

/// The first number of each stored batch.
fn stored(fake: &Fake) -> Vec<i64> {
    let rows = fake.log().rows();
    rows.iter()
        .map(|batch| {
            let column = batch.column(0).as_primitive::<arrow_array::types::Int64Type>();
            assert_eq!(column.len() as i64, ROWS);
            column.value(0) / ROWS
        })
        .collect()
}

fn assert_clean(fake: &Fake) {
    assert_eq!(fake.log().violations, Vec::<String>::new());
}

/// Sends so many batches through a scripted service: all arrive, once, in order.
async fn check_all_arrive(scripts: Vec<Script>, batches: i64) -> Fake {
    let fake = Fake::start(scripts);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..batches {
        assert_eq!(send(&mut writer, schema, number).await.unwrap(), number as u64 + 1);
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!(progress.durable_through, batches as u64);
    assert_eq!(progress.durable_position, position(batches - 1));
    assert_eq!(progress.unacknowledged_batches, 0);
    assert_eq!(stored(&fake), (0..batches).collect::<Vec<_>>());
    assert_clean(&fake);
    fake
}

#[tokio::test]
async fn everything_arrives_in_order_and_once() {
    let fake = check_all_arrive(vec![], 50).await;
    assert_eq!(fake.log().arrivals.len(), 50);
    assert_eq!(fake.log().opens.len(), 1);
}

#[tokio::test]
async fn late_acknowledgements_fill_the_window_and_never_more() {
    let ack_after = Duration::from_millis(20);
    check_all_arrive(vec![Script { ack_after, ..Script::default() }], 20).await;
    // By bytes: one and a half messages fit, so one at a time goes.
    let credit = Credit { bytes: 1500, batches: 100 };
    check_all_arrive(vec![Script { ack_after, credit, ..Script::default() }], 5).await;
    // Less than one message: a batch still goes, alone.
    let credit = Credit { bytes: 10, batches: 100 };
    check_all_arrive(vec![Script { ack_after, credit, ..Script::default() }], 5).await;
}

#[tokio::test]
async fn a_full_window_makes_the_sender_wait() {
    let ack_after = Duration::from_millis(300);
    let fake = Fake::start([Script { ack_after, ..Script::default() }]);
    let (mut writer, schema) = open(&fake).await;
    let start = Instant::now();
    for number in 0..4 {
        send(&mut writer, schema, number).await.unwrap();
    }
    assert!(start.elapsed() < ack_after, "four fit");
    assert_eq!(writer.progress().unacknowledged_batches, 4);
    send(&mut writer, schema, 4).await.unwrap();
    assert!(start.elapsed() >= ack_after, "the fifth waits for the first acknowledgement");
    writer.finish().await.unwrap();
    assert_clean(&fake);
}

#[tokio::test]
async fn a_broken_stream_loses_nothing_and_doubles_nothing() {
    let ack_after = Duration::from_millis(30);
    let script = Script { ack_after, ..Script::default() };
    let scripts = vec![
        script.clone().at(4, Act::Break),
        script.clone().at(1, Act::Break),
        script.clone().at(3, Act::StoreAndBreak),
    ];
    let fake = check_all_arrive(scripts, 30).await;
    let log = fake.log();
    assert_eq!(log.opens.len(), 4);
    assert!(streams_of(&log, 4).len() >= 2, "the fourth batch was sent again");
    assert_eq!(log.opens[0].acknowledged, None);
    let acknowledged: Vec<_> = log.opens[1..].iter().map(|open| open.acknowledged).collect();
    assert!(acknowledged.is_sorted() && acknowledged[0].is_some());
}

#[tokio::test]
async fn a_killed_service_is_met_again_when_it_is_back() {
    let mut fake =
        Fake::start([Script { ack_after: Duration::from_millis(20), ..Script::default() }]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..6 {
        send(&mut writer, schema, number).await.unwrap();
    }
    fake.kill();
    let mut lost = false;
    while !lost {
        writer.changed().await;
        lost = writer.poll_events().iter().any(|event| matches!(event, Event::Lost { .. }));
    }
    assert!(!writer.progress().connected);
    fake.revive();
    for number in 6..12 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!((progress.durable_through, progress.reconnects), (12, 1));
    assert_eq!(stored(&fake), (0..12).collect::<Vec<_>>());
    assert_clean(&fake);
}

#[tokio::test]
async fn what_may_be_there_twice_after_the_service_forgot_is_counted() {
    let script = Script { ack_after: Duration::from_millis(20), ..Script::default() };
    let fake = Fake::start([script.clone().at(6, Act::StoreAndForget), script]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..12 {
        send(&mut writer, schema, number).await.unwrap();
    }
    writer.settled().await.unwrap();
    let events = writer.poll_events();
    let told = events.iter().filter_map(|event| match event {
        Event::Repeated(repeated) => Some(*repeated),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let progress = writer.finish().await.unwrap();
    let copies = fake.log().copies;
    let Tally { batches, rows } = progress.repeated;
    assert!(copies > 0 && copies <= batches, "{copies} are there twice, {batches} were told");
    assert!(batches <= 4, "no more than the credit allows, {batches}");
    assert_eq!(rows, batches * ROWS as u64);
    assert_eq!(told, [progress.repeated]);
    assert_eq!(stored(&fake), (0..12).collect::<Vec<_>>());
    assert_clean(&fake);
}

#[tokio::test]
async fn nothing_counts_as_repeated_where_the_service_remembers() {
    let script = Script { ack_after: Duration::from_millis(30), ..Script::default() };
    let scripts = [script.clone().at(4, Act::Break), script.at(3, Act::StoreAndBreak)];
    let fake = Fake::start(scripts);
    let (mut writer, schema) = open(&fake).await;
    // Before the first acknowledgement a service that forgot could not be told from this one.
    send(&mut writer, schema, 0).await.unwrap();
    writer.settled().await.unwrap();
    for number in 1..12 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!((progress.reconnects, progress.repeated), (2, Tally::default()));
}

#[tokio::test]
async fn batches_behind_an_unknown_one_count_as_repeated() {
    let unknown = status(Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let fake = Fake::start([slow.at(3, Act::Fail(unknown))]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..3 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!(progress.repeated, Tally { batches: 3, rows: 3 * ROWS as u64 });
}

/// Batch 1 is durable, the acknowledgement is lost, and those behind it are there unknown.
#[tokio::test]
async fn an_unknown_outcome_behind_a_broken_stream_counts_as_repeated() {
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let fake = Fake::start([slow.at(4, Act::StoreOneAndBreak)]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..4 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!(fake.log().copies, 3);
    assert_eq!(progress.repeated, Tally { batches: 3, rows: 3 * ROWS as u64 });
    assert_clean(&fake);
}

#[tokio::test]
async fn what_an_earlier_run_left_unknown_counts_when_its_numbers_are_used() {
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let unknown = status(Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    let fake = Fake::start([slow.at(3, Act::Fail(unknown))]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..3 {
        send(&mut writer, schema, number).await.unwrap();
    }
    while fake.log().arrivals.len() < 3 {
        writer.changed().await;
    }
    drop(writer);
    let before = fake.log().durable_through;
    let (mut writer, schema) = open(&fake).await;
    for number in before as i64..5 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress = writer.finish().await.unwrap();
    assert_eq!(progress.repeated, Tally { batches: 3 - before, rows: (3 - before) * ROWS as u64 });
}

/// Another sender of the same writer has come further, with batches of its own.
#[tokio::test]
async fn progress_that_another_sender_made_is_not_taken_for_its_own() {
    // By its position; by a number that was offered and never sent; by one that does not exist.
    for (sequence, of, credit) in [(2, 77, 4), (2, 1, 1), (9, 8, 4)] {
        let slow = Script {
            ack_after: Duration::from_secs(60),
            credit: Credit { bytes: 1 << 20, batches: credit },
            ..Script::default()
        };
        let mut fake = Fake::start([slow]);
        let (mut writer, schema) = open(&fake).await;
        writer.settled().await.unwrap();
        send(&mut writer, schema, 0).await.unwrap();
        if credit > 1 {
            send(&mut writer, schema, 1).await.unwrap();
        }
        let arrived = writer.progress().unacknowledged_batches;
        while fake.log().arrivals.len() < arrived {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fake.kill();
        (fake.log().durable_through, fake.log().position) = (sequence, position(of));
        fake.revive();
        let error = writer.settled().await.unwrap_err();
        let foreign = matches!(error, Error::ForeignProgress { sequence: s, .. } if s == sequence);
        assert!(foreign && error.may_be_written(), "{error}");
        assert_eq!(writer.progress().durable_through, 0, "none of it counts as its own");
    }
}

#[tokio::test]
async fn rows_set_aside_are_told_once_though_their_acknowledgement_is_lost() {
    let rows = |row| vec![RejectedRow { row, ..Default::default() }];
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let scripts = [
        Script::default().at(1, Act::Reject(rows(1))),
        slow.at(1, Act::Reject(rows(5))).at(3, Act::StoreAndBreak),
        Script::default().at(1, Act::Break),
    ];
    let mut fake = Fake::start(scripts);
    let (mut writer, schema) = open(&fake).await;
    send(&mut writer, schema, 0).await.unwrap();
    writer.settled().await.unwrap(); // this one was told
    fake.kill();
    fake.revive();
    for number in 1..6 {
        send(&mut writer, schema, number).await.unwrap();
    }
    writer.settled().await.unwrap();
    let named = writer.poll_events().into_iter().filter_map(|event| match event {
        Event::Rejected { rows, .. } => Some(rows),
        _ => None,
    });
    let named: Vec<_> = named.flatten().map(|row| (row.sequence, row.row)).collect();
    assert_eq!(named, [(1, 1), (2, 5)]);
    assert_eq!(writer.progress().rejected_total, 2);
    assert!(fake.log().opens.len() >= 3);
}

#[tokio::test]
async fn the_position_outlives_the_memory_of_the_service() {
    let mut fake = Fake::start([]);
    let (mut writer, schema) = open(&fake).await;
    send(&mut writer, schema, 0).await.unwrap();
    writer.settled().await.unwrap();
    fake.kill();
    fake.log().forget();
    fake.revive();
    while fake.log().opens.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(writer);
    let mut next = Writer::open(&fake.url(), options()).await.unwrap();
    let opened = next.opened().await.unwrap();
    assert_eq!((opened.resume_after, opened.position.map(Bytes::from)), (1, position(0)));
    let known =
        WriterOptions { acknowledged: Some(7), acknowledged_position: position(6), ..options() };
    let opened = Writer::open(&fake.url(), known).await.unwrap().opened().await.unwrap();
    assert_eq!((opened.resume_after, opened.position.map(Bytes::from)), (7, position(6)));
}

/// The last half of a batch.
fn half(number: i64, second: bool) -> (Rows, Option<Bytes>) {
    let start = if second { ROWS / 2 } else { 0 };
    let rows = batch(number).slice(start as usize, ROWS as usize / 2);
    (Rows::from_arrow(&rows).unwrap(), position(number))
}

#[tokio::test]
async fn a_refused_batch_may_be_split() {
    let script = Script { ack_after: Duration::from_millis(30), ..Script::default() };
    let fake = Fake::start([script.at(2, Act::Refuse("BATCH_TOO_LARGE", vec![]))]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..4 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let error = writer.settled().await.unwrap_err();
    assert_eq!(error.reason(), "BATCH_TOO_LARGE");
    writer.split_refused(schema, [half(1, false), half(1, true)]).unwrap();
    assert_eq!(send(&mut writer, schema, 4).await.unwrap(), 6);
    let progress = writer.finish().await.unwrap();
    assert_eq!((progress.durable_through, progress.repeated), (6, Tally::default()));
    let sizes: Vec<_> = fake.log().rows().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [100, 50, 50, 100, 100, 100]);
    assert_clean(&fake);
}

#[tokio::test]
async fn batches_that_are_too_large_for_the_next_stream_may_be_split() {
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let limits = Limits { message_bytes_max: 900, ..slow.limits };
    let narrow = Script { limits, ..Script::default() };
    let fake = Fake::start([slow.at(3, Act::Break), narrow]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..3 {
        send(&mut writer, schema, number).await.unwrap();
    }
    for number in 0..3 {
        let error = writer.settled().await.unwrap_err();
        assert_eq!(error.reason(), "BATCH_TOO_LARGE", "{error}");
        let whole = (Rows::from_arrow(&batch(number)).unwrap(), None);
        let error = writer.split_refused(schema, [half(number, false), whole]).unwrap_err();
        assert!(matches!(error, Error::BatchTooLarge { .. }), "{error}");
        writer.split_refused(schema, [half(number, false), half(number, true)]).unwrap();
    }
    let events = writer.poll_events();
    assert!(events.iter().any(|event| matches!(event, Event::Refused(_))));
    assert_eq!(writer.finish().await.unwrap().durable_through, 6);
    assert!(fake.log().rows().iter().all(|batch| batch.num_rows() == 50));
    assert_clean(&fake);
}

/// What is wrong with the new call says nothing of the rows that the old stream was given.
#[tokio::test]
async fn a_call_that_is_refused_after_a_reconnect_leaves_the_rows_before_it_open() {
    let slow = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    for given in [2, 0] {
        let gone = status(Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
        let refused = Script { opening: Opening::Fail(gone), ..Script::default() };
        let mut fake = Fake::start([slow.clone(), refused]);
        let (mut writer, schema) = open(&fake).await;
        for number in 0..given {
            send(&mut writer, schema, number).await.unwrap();
        }
        while (fake.log().arrivals.len() as i64) < given {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fake.kill();
        fake.revive();
        while fake.log().opens.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let error = send_until_error(&mut writer, schema).await;
        assert_eq!((error.reason(), error.may_be_written()), ("OUTPUT_NOT_FOUND", given > 0));
        assert_eq!(writer.progress().unsettled.batches, given as u64);
    }
}

#[tokio::test]
async fn a_late_invitation_to_try_again_is_taken_as_far_as_there_is_time() {
    let busy = status(Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
    let mut details = busy.get_error_details();
    details.set_retry_info(Some(Duration::from_secs(600)));
    let busy = Status::with_error_details(Code::ResourceExhausted, "full", details);
    let opening = Opening::Fail(busy);
    let fake = Fake::start([Script { opening, ..Script::default() }]);
    let reconnect_for = Duration::from_millis(300);
    let options = WriterOptions { reconnect_for, ..options() };
    Writer::open(&fake.url(), options).await.unwrap();
    assert_eq!(fake.log().opens.len(), 2);
}

#[tokio::test]
async fn schemas_may_be_declared_before_the_service_answers() {
    let fake = Fake::start([Script { opening: Opening::Wait(2), ..Script::default() }]);
    let mut writer = Writer::start(&fake.url(), options()).unwrap();
    assert!(writer.limits().is_none());
    let schema = writer.schema(&batch(0).schema()).unwrap();
    send(&mut writer, schema, 0).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(stored(&fake), [0]);
}

#[tokio::test]
async fn a_smaller_credit_after_a_reconnect_is_kept() {
    let wide = Script { ack_after: Duration::from_secs(60), ..Script::default() };
    let credit = Credit { bytes: 1 << 20, batches: 1 };
    let narrow = Script { credit, ack_after: Duration::from_millis(10), ..Script::default() };
    check_all_arrive(vec![wide.at(4, Act::Break), narrow], 8).await;
}

#[tokio::test]
async fn draining_moves_the_writer_to_a_new_stream() {
    let script = Script { ack_after: Duration::from_millis(20), ..Script::default() };
    let fake = check_all_arrive(vec![script.at(2, Act::Drain)], 12).await;
    assert_eq!(fake.log().opens.len(), 2);
}

#[tokio::test]
async fn a_refused_batch_waits_for_a_decision_and_may_be_skipped() {
    let rows = vec![RejectedRow { row: 7, column: "n".to_owned(), ..Default::default() }];
    let script = Script { ack_after: Duration::from_millis(30), ..Script::default() };
    let fake = Fake::start([script.at(2, Act::Refuse("BAD_ROWS", rows))]);
    let (mut writer, schema) = open(&fake).await;
    let mut number = 0;
    let mut refusals = 0;
    while number < 8 {
        match send(&mut writer, schema, number).await {
            Ok(_) => number += 1,
            Err(Error::Refused(refused)) => {
                refusals += 1;
                assert_eq!((refused.sequence, refused.rows[0].row), (2, 7));
                assert!(matches!(writer.settled().await, Err(Error::Refused(_))));
                writer.skip_refused().unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(writer.finish().await.unwrap().durable_through, 7);
    assert_eq!(refusals, 1);
    assert_eq!(stored(&fake), [0, 2, 3, 4, 5, 6, 7]);
    assert_eq!(fake.log().opens.len(), 1, "the stream stays usable");
    assert_clean(&fake);
}

#[tokio::test]
async fn a_refused_batch_may_be_replaced() {
    let script = Script { ack_after: Duration::from_millis(30), ..Script::default() };
    let fake = Fake::start([script.at(1, Act::Refuse("BAD_ROWS", vec![]))]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..3 {
        send(&mut writer, schema, number).await.unwrap();
    }
    assert!(matches!(writer.settled().await, Err(Error::Refused(_))));
    let rows = Rows::from_arrow(&batch(77)).unwrap();
    writer.replace_refused(schema, &rows, None).unwrap();
    assert_eq!(writer.finish().await.unwrap().durable_through, 3);
    assert_eq!(stored(&fake), [77, 1, 2]);
    assert_clean(&fake);
}

#[tokio::test]
async fn a_refusal_survives_a_lost_stream() {
    let script = Script { ack_after: Duration::from_millis(100), ..Script::default() };
    let mut fake = Fake::start([script.at(2, Act::Refuse("BAD_ROWS", vec![]))]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..3 {
        send(&mut writer, schema, number).await.unwrap();
    }
    while writer.progress().refused.is_none() {
        writer.changed().await;
    }
    fake.kill();
    fake.revive();
    while writer.progress().durable_through < 1 {
        writer.changed().await; // batch 1 was not durable: it goes again, batch 2 does not
    }
    assert_eq!(writer.progress().refused.unwrap().sequence, 2);
    writer.skip_refused().unwrap();
    assert_eq!(writer.finish().await.unwrap().durable_through, 2);
    assert_eq!(stored(&fake), [0, 2]);
}

#[tokio::test]
async fn taken_over_is_final_and_told_to_every_later_call() {
    let taken = status(Code::Aborted, "TAKEN_OVER", "no", "yes");
    let fake = Fake::start([Script::default().at(1, Act::Fail(taken))]);
    let (mut writer, schema) = open(&fake).await;
    send(&mut writer, schema, 0).await.unwrap();
    for _ in 0..2 {
        let error = writer.settled().await.unwrap_err();
        assert_eq!((error.reason(), error.retry()), ("TAKEN_OVER", false));
        assert!(error.may_be_written());
    }
    assert_eq!(send(&mut writer, schema, 1).await.unwrap_err().reason(), "TAKEN_OVER");
    assert_eq!(fake.log().opens.len(), 1, "no second open: two senders would chase each other");
}

#[tokio::test]
async fn held_and_rejected_are_told() {
    let rows = vec![RejectedRow { row: 3, code: "NON_FINITE".to_owned(), ..Default::default() }];
    let hold = Act::Hold("BROKER_UNREACHABLE", Duration::from_millis(200));
    let fake = Fake::start([Script::default().at(1, hold).at(2, Act::Reject(rows))]);
    let (mut writer, schema) = open(&fake).await;
    send(&mut writer, schema, 0).await.unwrap();
    while writer.progress().held.is_none() {
        writer.changed().await;
    }
    send(&mut writer, schema, 1).await.unwrap();
    writer.settled().await.unwrap();
    let progress = writer.progress();
    assert!(progress.held.is_none() && progress.rejected_total == 1);
    let events = writer.poll_events();
    assert!(events.iter().any(|e| matches!(e, Event::Held(h) if h.code == "BROKER_UNREACHABLE")));
    let rejected = events.iter().find_map(|event| match event {
        Event::Rejected { rows, total: 1 } => Some(rows[0].clone()),
        _ => None,
    });
    assert_eq!(rejected.map(|row| (row.sequence, row.row)), Some((2, 3)));
}

#[tokio::test]
async fn an_absent_service_is_given_up_in_time() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let reconnect_for = Duration::from_millis(600);
    let start = Instant::now();
    let options = WriterOptions { reconnect_for, ..options() };
    let error = Writer::open(&format!("http://127.0.0.1:{port}"), options).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { endpoint, .. }
        if *endpoint == format!("http://127.0.0.1:{port}")));
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up_and_one_that_waits_is_not() {
    let silent = Script { opening: Opening::Silent, ..Script::default() };
    let fake = Fake::start([silent]);
    let reconnect_for = Duration::from_millis(100);
    let options = WriterOptions { reconnect_for, ..options() };
    let error = Writer::open(&fake.url(), options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("does not answer"), "{error}");

    let fake = Fake::start([Script { opening: Opening::Wait(4), ..Script::default() }]);
    let mut writer = Writer::open(&fake.url(), options).await.unwrap();
    let waits = writer.poll_events();
    assert_eq!(waits.iter().filter(|event| matches!(event, Event::Waiting(_))).count(), 4);
}

#[tokio::test]
async fn a_retriable_answer_is_tried_again_and_a_final_one_is_not() {
    let busy = status(Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
    let gone = status(Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    let scripts =
        [busy, gone].map(|status| Script { opening: Opening::Fail(status), ..Script::default() });
    let fake = Fake::start(scripts);
    let error = Writer::open(&fake.url(), options()).await.unwrap_err();
    assert_eq!(error.reason(), "OUTPUT_NOT_FOUND");
    assert_eq!(fake.log().opens.len(), 2);
}

#[tokio::test]
async fn a_quiet_writer_gives_signs_of_life() {
    let fake = Fake::start([]);
    let heartbeat_interval = Some(Duration::from_millis(50));
    let options = WriterOptions { heartbeat_interval, ..options() };
    let writer = Writer::open(&fake.url(), options).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while fake.log().heartbeats < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    let interval = fake.log().opens[0].heartbeat_interval.unwrap();
    assert_eq!((interval.seconds, interval.nanos), (0, 50_000_000));
    drop(writer);
}

#[tokio::test]
async fn a_silent_service_counts_as_lost() {
    let fake = Fake::start([]);
    let heartbeat_interval = Some(Duration::from_millis(50));
    let options = WriterOptions { heartbeat_interval, ..options() };
    let mut writer = Writer::open(&fake.url(), options).await.unwrap();
    let mut lost = None;
    while lost.is_none() {
        writer.changed().await; // the fake never says a heartbeat
        lost = writer.poll_events().into_iter().find_map(|event| match event {
            Event::Lost { cause, .. } => Some(cause),
            _ => None,
        });
    }
    assert!(lost.unwrap().to_string().contains("silent"));
}

#[tokio::test]
async fn limits_are_checked_before_a_batch_is_taken() {
    let fake = Fake::start([]);
    let (mut writer, schema) = open(&fake).await;
    let long = Some(Bytes::from(vec![0; 1025]));
    let rows = Rows::from_arrow(&batch(0)).unwrap();
    let error = writer.send(schema, &rows, long).await.unwrap_err();
    assert!(matches!(error, Error::PositionTooLong { bytes: 1025, bytes_max: 1024 }));
    let huge = Rows::encoded(Carrier::JsonLines(vec![b' '; 1 << 20].into()));
    let error = writer.send(schema, &huge, None).await.unwrap_err();
    assert!(matches!(error, Error::BatchTooLarge { bytes_max: 0x10_0000, .. }));
    let column = Int64Array::from_iter_values(0..10_001);
    let many = RecordBatch::try_from_iter([("n", Arc::new(column) as ArrayRef)]).unwrap();
    let error = writer.send(schema, &Rows::from_arrow(&many).unwrap(), None).await.unwrap_err();
    assert!(matches!(error, Error::TooManyRows { rows: 10_001, rows_max: 10_000 }));
    assert_eq!(send(&mut writer, schema, 0).await.unwrap(), 1, "none of them took a number");
    writer.finish().await.unwrap();
    assert_eq!(stored(&fake), [0]);
}

#[tokio::test]
async fn a_stream_declares_the_schemas_it_needs_once() {
    let fake = Fake::start([Script::default().at(3, Act::Break)]);
    let (mut writer, schema) = open(&fake).await;
    assert_eq!(writer.schema(&batch(0).schema()).unwrap(), schema, "the same again");
    let column = Int64Array::from_iter_values(0..ROWS);
    let other = RecordBatch::try_from_iter([("m", Arc::new(column) as ArrayRef)]).unwrap();
    let other_schema = writer.schema(&other.schema()).unwrap();
    assert_ne!(other_schema, schema);
    send(&mut writer, schema, 0).await.unwrap();
    writer.send(other_schema, &Rows::from_arrow(&other).unwrap(), None).await.unwrap();
    send(&mut writer, schema, 2).await.unwrap();
    writer.finish().await.unwrap();
    let names: Vec<_> =
        fake.log().rows().iter().map(|batch| batch.schema().field(0).name().clone()).collect();
    assert_eq!(names, ["n", "m", "n"]);
    assert_clean(&fake);
}

#[tokio::test]
async fn a_service_that_forgot_is_not_followed() {
    let mut fake = Fake::start([]);
    let (mut writer, schema) = open(&fake).await;
    send(&mut writer, schema, 0).await.unwrap();
    writer.settled().await.unwrap();
    fake.kill();
    fake.log().durable_through = 0;
    fake.revive();
    let error = send_until_error(&mut writer, schema).await;
    assert!(
        matches!(error, Error::ProgressLost { resume_after: 0, durable_through: 1 }),
        "{error}"
    );
}

async fn send_until_error(writer: &mut Writer, schema: SchemaId) -> Error {
    loop {
        if let Err(error) = send(writer, schema, 1).await {
            return error;
        }
    }
}

#[tokio::test]
async fn stop_tells_what_is_not_acknowledged() {
    let ack_after = Duration::from_secs(60);
    let fake = Fake::start([Script { ack_after, ..Script::default() }]);
    let (mut writer, schema) = open(&fake).await;
    for number in 0..2 {
        send(&mut writer, schema, number).await.unwrap();
    }
    let progress =
        tokio::time::timeout(Duration::from_secs(9), writer.stop(Duration::from_millis(100)))
            .await
            .unwrap();
    assert_eq!((progress.durable_through, progress.unacknowledged_batches), (0, 2));
}

#[tokio::test]
async fn single_calls_answer() {
    let fake = Fake::start([]);
    let mut client = Client::connect(&fake.url(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(client.list_outputs().await.unwrap()[0].alias, "delays");
    assert_eq!(client.get_output("delays").await.unwrap().topic, "flight-delays");
    let error = Client::connect("http://127.0.0.1:1", Duration::from_secs(30)).await.unwrap_err();
    assert!(!error.to_string().contains("tried for"), "refused at once: {error}");
    let error = client.get_output("nothing").await.unwrap_err();
    assert_eq!((error.reason(), error.retry()), ("OUTPUT_NOT_FOUND", false));
    assert!(!client.get_writer("delays", "w").await.unwrap().known);
    let Carrier::ArrowIpc(rows) = Rows::from_arrow(&batch(5)).unwrap().carrier else {
        panic!("not Arrow")
    };
    let columns = encode_schema(&batch(5).schema()).unwrap();
    let request = WriteOnceRequest {
        output: "delays".to_owned(),
        writer_id: Some("w".to_owned()),
        schema: Some(Schema {
            id: 0,
            columns: Some(proto::v1::schema::Columns::ArrowIpc(columns)),
        }),
        batch: Some(Batch {
            sequence: 1,
            rows: Some(Carrier::ArrowIpc(rows)),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = client.write_once(request, Duration::from_secs(5)).await.unwrap();
    assert_eq!(answer.durable_through, Some(1));
    assert_eq!(stored(&fake), [5]);
    assert!(client.get_writer("delays", "w").await.unwrap().known);
    assert!(client.reset_writer("delays", "w").await.unwrap() && fake.log().reset);
}

#[tokio::test]
async fn an_endpoint_is_a_host_and_a_port() {
    for wrong in [
        "127.0.0.1:7070",
        "http://",
        "ftp://x",
        "http://127.0.0.1:7070/path",
        "http://127.0.0.1:7070?token=hidden",
        "http://user:hidden@127.0.0.1:7070",
        "http://user:hid/hidden@127.0.0.1:7070/",
        "user:hidden@127.0.0.1:7070",
    ] {
        let error = Writer::open(wrong, options()).await.unwrap_err();
        assert!(matches!(error, Error::Endpoint { .. }), "{wrong}: {error}");
        assert!(!error.to_string().contains("hidden"), "{wrong}: {error}");
    }
    check_endpoint("http://localhost:7070/").unwrap();
    check_endpoint("https://localhost:7070").unwrap();
}
