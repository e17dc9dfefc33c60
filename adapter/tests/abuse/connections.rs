//! Connections that only stand in the way: silent ones, slow ones, too many of them.
use std::{net::Ipv4Addr, time::Duration};

use kafka_output::grpc::{Entrance, ServerTls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::{
    bystander::Bystander,
    raw::{self, ABUSER, Raw, frame, kind},
    support::{
        Bench, PATIENCE, Setup,
        certificates::{Authority, Leaf},
        engine::Engine,
        in_time,
        rows::batch,
    },
};

/// What a peer is given to greet.
const GREETING: Duration = Duration::from_secs(10);

/// Connections of one host, with the writers of the setup (8).
const PER_HOST: usize = 264;

fn with_tls(authority: &Authority) -> Setup {
    let key_pair = authority.sign(Leaf::server()).key_pair();
    let tls = ServerTls::new(&key_pair, None, false).unwrap();
    Setup { entrance: Entrance::new(Some(tls.into()), None, true), ..Setup::default() }
}

/// Reads until the service closes the connection; how long that took.
async fn closed(mut tcp: TcpStream, since: Instant) -> Duration {
    let mut rest = Vec::new();
    let end = in_time(PATIENCE, tcp.read_to_end(&mut rest)).await;
    let _ = end.expect("the service closes a connection that does not speak");
    since.elapsed()
}

/// The beginnings of connections that do not go on, and one that goes on by a byte now and then.
async fn strangers(bench: &Bench, beginnings: &[&[u8]], drip: &'static [u8]) {
    let since = Instant::now();
    let mut closing = Vec::new();
    for beginning in beginnings {
        let mut tcp = raw::connect(ABUSER, bench.address).await;
        tcp.write_all(beginning).await.unwrap();
        closing.push(tokio::spawn(closed(tcp, since)));
    }
    let tcp = raw::connect(ABUSER, bench.address).await;
    let dripping = tokio::spawn(async move {
        let (mut from, mut to) = tcp.into_split();
        let dripped = tokio::spawn(async move {
            for byte in drip {
                if to.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(500)).await;
            }
            std::future::pending::<()>().await;
        });
        let mut rest = Vec::new();
        let end = in_time(PATIENCE, from.read_to_end(&mut rest)).await;
        let _ = end.expect("the service closes a connection that does not come to its point");
        dripped.abort();
        since.elapsed()
    });
    for closing in closing.into_iter().chain([dripping]) {
        let took = closing.await.unwrap();
        assert!(took > GREETING - Duration::from_millis(500), "it had only {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_never_speak_are_closed() {
    let bench = Bench::start().await;
    let beginnings: [&[u8]; 2] = [b"", b"PRI * HT"];
    strangers(&bench, &beginnings, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_never_come_to_the_end_of_tls_are_closed() {
    let authority = Authority::new("ca");
    let bench = Bench::with(with_tls(&authority)).await;
    // A record of 200 bytes is announced, and a ClientHello in it.
    const HELLO: &[u8] = &[
        0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    ];
    let beginnings: [&[u8]; 3] = [b"", &[0x16], HELLO];
    let closing = strangers(&bench, &beginnings, HELLO);
    let serving = async {
        // A slow handshake holds up nobody.
        let roots = Certificate::from_pem(&authority.pem);
        let endpoint = Endpoint::try_from(format!("https://{}", bench.address)).unwrap();
        let tls = ClientTlsConfig::new().ca_certificate(roots);
        let engine = Engine::try_over(endpoint.tls_config(tls).unwrap()).await.unwrap();
        bench.kafka().run_by_itself();
        let (mut stream, _) = engine.writer("w").await;
        for sequence in 1..=10 {
            stream.batch(batch(sequence)).await;
            stream.ack(sequence).await;
        }
    };
    tokio::join!(closing, serving);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_silent_connections_make_room_for_those_who_speak() {
    // Both ends of them are here. Before the service starts: it leaves a part of the files alone.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let abuse = async {
        let mut silent = Vec::new();
        // More than may be strangers at once: the first ones are driven out by those that follow.
        for _ in 0..3_000 {
            silent.push(raw::connect(ABUSER, address).await);
        }
        // From the same host, too, whoever speaks is served.
        let raw = Raw::start(address, &[]).await;
        assert!(!raw.is_ended());
        silent
    };
    drop(bystander.beside(abuse).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_does_not_take_all_connections() {
    // Somebody was let in on each of them: nobody goes for another.
    let mut bystander = Bystander::start(Setup::default()).await;
    let address = bystander.address();
    let abuse = async {
        let mut idle = Vec::new();
        let refused = loop {
            let mut raw = Raw::start(address, &[]).await;
            if idle.len() == PER_HOST {
                break raw.ended().await;
            }
            raw.say(&raw::headers(1, "ListOutputs", 0)).await;
            raw.say(&frame(kind::DATA, raw::END_STREAM, 1, &[0; 5])).await;
            raw.hears(|heard| heard.frames[usize::from(kind::HEADERS)] > 0).await;
            assert!(!raw.is_ended());
            idle.push(raw);
        };
        (idle, refused)
    };
    let (idle, refused) = bystander.beside(abuse).await;
    let (reason, words) = refused.goaway.expect("it is told why");
    assert_eq!((reason, &*words), (0xB, "there are too many connections from this host"));
    assert!(idle.iter().all(|raw| !raw.is_ended()), "those who are there stay");
    // A place that is given back is taken again.
    drop(idle);
    crate::support::until("there is a place again", async || {
        let mut raw = Raw::start(address, &[]).await;
        raw.say(&frame(kind::PING, 0, 0, &[7; 8])).await;
        let served = |heard: &raw::Heard| {
            heard.goaway.is_some() || heard.frames[usize::from(kind::PING)] > 0
        };
        raw.hears(served).await;
        raw.heard().goaway.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_closes_all_of_them() {
    let bench = Bench::start().await;
    let silent = raw::connect(Ipv4Addr::LOCALHOST, bench.address).await;
    let greeted = Raw::start(bench.address, &[]).await;
    // It takes its answer at a byte a time, that is: never.
    let mut stuck = Raw::start(bench.address, &[0, 4, 0, 0, 0, 1]).await;
    stuck.say(&raw::headers(1, "ListOutputs", 0)).await;
    stuck.say(&frame(kind::DATA, raw::END_STREAM, 1, &[0; 5])).await;
    let since = Instant::now();
    assert!(bench.drain(Duration::from_secs(4)).await);
    assert!(since.elapsed() < Duration::from_secs(5));
    closed(silent, since).await;
    greeted.ended().await;
    stuck.ended().await;
}
