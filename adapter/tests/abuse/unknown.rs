//! Peers who greet, and on whose connection nobody is let in: they keep no place, and what they
//! send is not kept for them.
use std::{sync::Arc, time::Duration};

use kafka_output::{
    grpc::{
        Entrance,
        callers::{KeySource, TokenCheck},
    },
    job::{CallerRule, WriterRule},
};
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use crate::{
    issuer::{Issuer, claims, claims_with, unsigned, wanted},
    raw::{END_HEADERS, END_STREAM, Heard, Raw, fields, frame, headers, kind},
    support::{Bench, PATIENCE, Setup, in_time, log, until},
};

/// What a connection is given until somebody is let in.
const NOBODY: Duration = Duration::from_secs(30);

/// What the message of a `WriteOnce` is given to come.
const MESSAGE: Duration = Duration::from_secs(30);

/// Denied calls after which a connection takes no more.
const DENIALS: usize = 64;

/// Connections of one host, with the writers of the setup (8).
const PER_HOST: usize = 264;

fn protected(issuer: &Issuer) -> Setup {
    Setup { entrance: Entrance::new(None, Some(issuer.check()), true), ..Setup::default() }
}

/// HEADERS of a call with a token.
fn call(stream: u32, method: &str, token: &str) -> Vec<u8> {
    let block = fields(method, &[("authorization", &format!("Bearer {token}"))]);
    frame(kind::HEADERS, END_HEADERS, stream, &block)
}

/// A whole `ListOutputs`.
fn list(stream: u32, token: &str) -> Vec<u8> {
    let mut bytes = call(stream, "ListOutputs", token);
    bytes.extend(frame(kind::DATA, END_STREAM, stream, &[0; 5]));
    bytes
}

fn answers(heard: &Heard) -> usize {
    heard.frames[usize::from(kind::HEADERS)]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_to_the_point_is_not_waited_for() {
    tokio::join!(nobody_is_let_in(), no_message_comes());
}

/// Connections on which nobody is let in end; one on which somebody was may be silent.
async fn nobody_is_let_in() {
    log::keep();
    let issuer = Issuer::new();
    let bench = Bench::with(protected(&issuer)).await;
    let (since, good) = (Instant::now(), issuer.sign(&claims()));
    let silent = Raw::start(bench.address, &[]).await;
    let mut denied = Raw::start(bench.address, &[]).await;
    assert!(denied.say(&list(1, "x.y.z")).await);
    // A probe is answered, and is nobody.
    let mut probing = Raw::start(bench.address, &[]).await;
    let mut probe = headers(1, "/grpc.health.v1.Health/Check", 0);
    probe.extend(frame(kind::DATA, END_STREAM, 1, &[0; 5]));
    assert!(probing.say(&probe).await);
    let mut admitted = Raw::start(bench.address, &[]).await;
    assert!(admitted.say(&list(1, &good)).await);
    admitted.hears(|heard| answers(heard) > 0).await;

    for raw in [silent, denied, probing] {
        let heard = raw.ended_within(3 * NOBODY).await;
        assert_eq!(heard.goaway.expect("it is asked to leave").0, 0);
        let took = since.elapsed();
        assert!(took > NOBODY - Duration::from_secs(1), "it had only {took:?}");
    }
    log::line(&["nobody was let in on a connection for 30 s"]).await;
    assert!(!admitted.is_ended(), "whoever was let in may be silent");
    assert!(admitted.say(&list(3, &good)).await);
    admitted.hears(|heard| answers(heard) > 2).await;
}

/// The memory for one batch is taken before the batch comes, and not for long.
async fn no_message_comes() {
    let issuer = Issuer::new();
    let bench = Bench::with(Setup { streams_max: 1, ..protected(&issuer) }).await;
    let (since, good) = (Instant::now(), issuer.sign(&claims()));
    let mut writer = Raw::start(bench.address, &[]).await;
    assert!(writer.say(&call(1, "WriteOnce", &good)).await);
    // The call behind it is answered: it has taken what there is.
    assert!(writer.say(&list(3, &good)).await);
    writer.hears(|heard| answers(heard) == 2).await;
    let mut late = Raw::start(bench.address, &[]).await;
    assert!(late.say(&call(1, "WriteOnce", &good)).await);
    late.hears(|heard| answers(heard) > 0).await;
    writer.hears_within(3 * MESSAGE, |heard| answers(heard) > 2).await;
    assert!(since.elapsed() > MESSAGE - Duration::from_secs(1));
    until("it is given back", async || bench.shared.credits.open().map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_on_which_nobody_is_let_in_make_room() {
    let issuer = Issuer::new();
    let bench = Bench::with(protected(&issuer)).await;
    let good = issuer.sign(&claims());
    let mut known = Raw::start(bench.address, &[]).await;
    assert!(known.say(&list(1, &good)).await);
    known.hears(|heard| answers(heard) > 0).await;
    let mut idle = Vec::new();
    while idle.len() < PER_HOST - 1 {
        let mut raw = Raw::start(bench.address, &[]).await;
        raw.hears(|heard| heard.frames[usize::from(kind::SETTINGS)] > 0).await;
        idle.push(raw);
    }
    // Each keeps its place for a second.
    let mut served = until("there is room for whoever has a token", async || {
        let mut raw = Raw::start(bench.address, &[]).await;
        if !raw.say(&list(1, &good)).await {
            return None;
        }
        raw.hears(|heard| heard.goaway.is_some() || answers(heard) > 0).await;
        (answers(&raw.heard()) > 0).then_some(raw)
    })
    .await;
    assert!(idle.iter().any(Raw::is_ended), "one of them has gone");
    assert!(!known.is_ended(), "and none of those on which somebody was let in");
    assert!(served.say(&list(3, &good)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_denied_calls_is_asked_to_leave_and_ended() {
    let issuer = Issuer::new();
    let bench = Bench::with(protected(&issuer)).await;
    let bad = issuer.sign(&claims_with("aud", json!("api://other")));
    let mut raw = Raw::start(bench.address, &[]).await;
    for n in 0..DENIALS {
        assert!(raw.heard().goaway.is_none(), "after {n} denied calls");
        assert!(raw.say(&list(2 * n as u32 + 1, &bad)).await);
        raw.hears(|heard| answers(heard) > n).await;
    }
    let heard = raw.ended().await;
    assert_eq!(answers(&heard), DENIALS, "each was answered");
    assert_eq!(heard.goaway.expect("it is asked to leave").0, 0);
}

/// Keys that do not come before they are let go.
struct Hanging {
    hangs: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

#[tonic::async_trait]
impl KeySource for Hanging {
    async fn key(&self, _: &str) -> Result<Option<Arc<str>>, keyvault::Error> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let let_go = self.hangs.subscribe().wait_for(|hangs| !hangs).await.map(drop);
        let_go.expect("the test holds the keys");
        Ok(None)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_callers_send_before_it_is_decided_about_them_is_not_read() {
    let keys = Hanging { hangs: watch::Sender::new(true), waiting: watch::Sender::new(0) };
    let keys = Arc::new(keys);
    let tokens = TokenCheck::new(wanted(), keys.clone());
    let entrance = Entrance::new(None, Some(tokens), true);
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    let token = unsigned(&json!({ "alg": "RS256", "kid": "slow" }), &claims());
    let mut raw = Raw::start(bench.address, &[]).await;
    // Half a megabyte of a batch, far within the windows; and a question behind it.
    assert!(raw.say(&call(1, "WriteOnce", &token)).await);
    let mut waiting = keys.waiting.subscribe();
    let waits = in_time(PATIENCE, waiting.wait_for(|waiting| *waiting == 1)).await;
    waits.expect("the call waits for its key").unwrap();
    for _ in 0..32 {
        assert!(raw.say(&frame(kind::DATA, 0, 1, &[7; 16 << 10])).await);
    }
    assert!(raw.say(&frame(kind::PING, 0, 0, &[7; 8])).await);
    let is_answered = |heard: &Heard| heard.frames[usize::from(kind::PING)] > 0;
    // The service reads what others send, one question after the other.
    let mut other = Raw::start(bench.address, &[]).await;
    for n in 0..100 {
        assert!(other.say(&frame(kind::PING, 0, 0, &[n; 8])).await);
        other.hears(|heard| heard.frames[usize::from(kind::PING)] > usize::from(n)).await;
    }
    assert!(!is_answered(&raw.heard()), "the question is read, and all that is before it");
    // Once it is decided, it is read on: nobody keeps what comes for a call that is denied.
    keys.hangs.send_replace(false);
    raw.hears(is_answered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_decided_about_by_its_head() {
    let issuer = Issuer::new();
    let rule = WriterRule { caller: CallerRule::Role("Rows.Write".into()), prefix: String::new() };
    let setup = Setup { rules: vec![("a", vec![rule])], ..protected(&issuer) };
    let bench = Bench::with(setup).await;
    let good = issuer.sign(&claims());
    // Who may write nowhere is told so before there is anything of a message.
    let mut other = Raw::start(bench.address, &[]).await;
    let reader = issuer.sign(&claims_with("roles", json!(["Rows.All"])));
    let since = Instant::now();
    for (number, method) in ["WriteOnce", "Write"].into_iter().enumerate() {
        assert!(other.say(&call(2 * number as u32 + 1, method, &reader)).await);
        other.hears(|heard| answers(heard) > number).await;
    }
    // A first message that announces megabytes is refused before any of them come.
    let mut long = Raw::start(bench.address, &[]).await;
    let mut head = call(1, "Write", &good);
    head.extend(frame(kind::DATA, 0, 1, &[0, 0, 0x40, 0, 0]));
    assert!(long.say(&head).await);
    long.hears(|heard| answers(heard) > 1).await;
    // Ten seconds are the time for an `Open` that does not come.
    assert!(since.elapsed() < Duration::from_secs(9), "it was waited for");
}
