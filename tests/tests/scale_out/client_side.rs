//! Balancing by the client, as behind a headless service: gRPC's own `round_robin` over the addresses
//! of all replicas, in a client that others wrote.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tests::{
    cache,
    check::{self, invariants::Promise},
    engine::load::Sent,
    process::{self, Process},
    reader,
    service::Service,
    tools,
    wait::DEADLINE,
};

use super::fleet::Fleet;

/// Replicas.
const REPLICAS: usize = 3;

/// Writers, all over one channel.
const WRITERS: usize = 12;

/// The age of a connection: one that carries the streams of several writers.
const AGE: Duration = Duration::from_secs(3);

/// Half of a third.
const FAIR: usize = WRITERS / REPLICAS / 2;

/// What `round_robin.py` prints.
#[derive(Deserialize)]
struct Report {
    rows: BTreeMap<String, u64>,
    ended: BTreeMap<String, u64>,
}

#[test]
fn a_client_that_balances_by_itself_is_at_all_replicas_and_loses_none() {
    let grpc = format!(", connectionAge: {}s", AGE.as_secs());
    let mut fleet = Fleet::start("round-robin", REPLICAS, &grpc);
    let addresses: Vec<&str> = fleet.replicas.iter().map(Service::address).collect();
    let dir = cache::run_dir("round-robin-");
    let path = |name: &str| dir.path().join(name);
    let mut command = process::command(tools::python());
    command.arg(tools::repository().join("tests/python/round_robin.py"));
    command.arg(format!("ipv4:{}", addresses.join(","))).arg(fleet.topic(Promise::ExactlyOnce));
    command.arg(WRITERS.to_string()).stdin(Stdio::piped());
    command.stdout(File::create(path("out")).unwrap()).stderr(File::create(path("log")).unwrap());
    let mut client = Process::spawn(command);
    let until = client.stdin().expect("it is a pipe");

    fleet.wait_spread("round-robin", WRITERS, FAIR);
    // The addresses stay: nobody is at the first of them any more.
    fleet.shrink();
    fleet.wait_spread("round-robin", WRITERS, FAIR);
    drop(until);
    let status = client.wait(DEADLINE);
    let log = process::tail(&path("log"), 40);
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{log}");
    let out = fs::read_to_string(path("out")).unwrap();
    let report: Report = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}\n{log}"));
    println!("round-robin: {:?}, streams ended: {:?}", report.rows, report.ended);
    assert!(report.ended["DRAINING"] > 0, "{:?}", report.ended);
    assert!(report.rows.values().all(|rows| *rows > 0), "{:?}", report.rows);
    let sent: Vec<Sent> =
        report.rows.iter().map(|(writer, rows)| Sent::whole(writer, *rows)).collect();
    let topic = reader::topic(&fleet.bootstrap(), fleet.topic(Promise::ExactlyOnce));
    check::exactly(&topic.records(), &sent);
}
