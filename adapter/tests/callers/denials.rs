//! What callers can make the service do who are not let in, or may not write: little, and not for
//! long.
use std::{sync::atomic::Ordering, time::Duration};

use kafka_output::job::{CallerRule, WriterRule};
use proto::v1::{GetWriterRequest, Open, WriteOnceRequest};
use serde_json::json as value;
use tonic::Code;

use crate::{
    caller::{Caller, denied, entrance},
    issuer::{Issuer, claims, claims_with, seconds_from_now},
    support::{
        Bench, Setup,
        engine::check,
        log,
        rows::{batch, json, numbers},
    },
    tokens::fault,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_too_many_denied_calls_is_left_and_its_streams_go_on() {
    log::keep();
    let issuer = Issuer::new();
    let entrance = entrance(None, Some(issuer.check()));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    bench.kafka().run_by_itself();
    let caller = Caller::plain(&bench).await;
    let good = caller.with(issuer.sign(&claims()));
    let old = claims_with("exp", value!(seconds_from_now(-3600)));
    let old = caller.with(issuer.sign(&old));
    let mut stream = good.stream("a", "w").await.unwrap();
    stream.opened().await;
    stream.schema(numbers()).await;
    // An engine whose token has ended, with many writers.
    for _ in 0..64 {
        let (code, reason) = denied(old.call("GetOutput", "a", "").await);
        assert_eq!((code, &*reason), (Code::Unauthenticated, "TOKEN_INVALID"));
    }
    log::line(&["too many denied calls: the connection ends", "127.0.0.1"]).await;
    // With another token it goes on, over another connection, and loses nothing.
    crate::support::until("there is another connection", async || {
        good.call("GetOutput", "a", "").await.ok()
    })
    .await;
    for sequence in 1..=10 {
        stream.batch(batch(sequence)).await;
        stream.ack(sequence).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_token_that_does_not_hold_costs_one_signature() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let asked = || issuer.keys.asked.load(Ordering::SeqCst);
    let bad = [
        issuer.sign_foreign(&claims()),
        issuer.sign(&claims_with("aud", value!("api://other"))),
        issuer.sign(&claims_with("exp", value!(seconds_from_now(-3600)))),
    ];
    for (number, token) in bad.iter().enumerate() {
        let first = fault(&check, token).await;
        for _ in 0..1_000 {
            assert_eq!(fault(&check, token).await, first);
        }
        // Whoever asks for no key verifies nothing.
        assert_eq!(asked(), number + 1);
    }
    // However many there are, those that hold are not forgotten for them.
    let good = issuer.sign(&claims());
    check.check(&good).await.unwrap();
    let before = asked();
    for n in 0..2_000 {
        let cut = format!("{}{n}", &good[..good.len() - 8]);
        fault(&check, &cut).await;
    }
    check.check(&good).await.unwrap();
    assert_eq!(asked(), before + 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_of_a_call_is_short() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let long = || "x".repeat(100 << 10);
    let open = Open { output: "a".to_owned(), writer_id: long(), ..Open::default() };
    let status = engine.refused_open(open).await;
    check(&status, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "no", "no");
    let request = GetWriterRequest { output: long(), writer_id: String::new() };
    let status = engine.calls.clone().get_writer(request).await.unwrap_err();
    check(&status, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "no", "no");
    // Later ones may be as long as a batch may be, and so may that of a single call.
    bench.kafka().run_by_itself();
    let (mut stream, _) = engine.writer("w").await;
    let many = |sequence| json(sequence, "{\"n\":1}\n".repeat(20_000));
    stream.batch(many(1)).await;
    stream.ack(1).await;
    let request = WriteOnceRequest {
        output: "a".to_owned(),
        schema: Some(numbers()),
        batch: Some(many(0)),
        ..WriteOnceRequest::default()
    };
    engine.calls.clone().write_once(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_nowhere_hears_so_at_once() {
    log::keep();
    let issuer = Issuer::new();
    let caller = CallerRule::Role("Nobody.Has.It".to_owned());
    let rules = vec![("a", vec![WriterRule { caller, prefix: String::new() }])];
    let entrance = entrance(None, Some(issuer.check()));
    let bench = Bench::with(Setup { rules, entrance, ..Setup::default() }).await;
    let caller = Caller::plain(&bench).await.with(issuer.sign(&claims()));
    for call in ["Open", "WriteOnce"] {
        let (code, reason) = denied(caller.call(call, "a", "w").await);
        assert_eq!((code, &*reason), (Code::PermissionDenied, "CALLER_NOT_ALLOWED"));
    }
    log::line(&["a caller is denied", "the `writers` of no output name the caller"]).await;
}
