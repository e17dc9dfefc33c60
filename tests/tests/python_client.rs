//! A client in Python, written from the .proto files alone, checks the contract and loses nothing.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use tests::{
    cache,
    kafka::{shared_broker, unique_topic},
    process::{self, Process},
    service::Service,
    tools,
    wait::DEADLINE,
};

/// What `check_client.py` prints last.
#[derive(Deserialize)]
struct Report {
    ran: Vec<String>,
    failed: BTreeMap<String, String>,
    records: u64,
    writers_live: u32,
}

#[test]
fn a_client_made_from_the_contract_finds_it_kept() {
    let broker = shared_broker();
    let (rows, lenient) = (unique_topic("python-rows"), unique_topic("python-lenient"));
    for topic in [&rows, &lenient] {
        broker.admin().create_topic(topic, 4, 1, &[]);
    }
    // Nothing listens on the discard port of this address.
    let service = Service::start(&format!(
        "name: python\n\
         listen: {{ grpc: {{ address: '127.0.0.1:0' }} }}\n\
         maxBatchSize: 1 MiB\n\
         defaults: {{ bootstrapServers: '{}' }}\n\
         outputs:\n\
         \x20 - {{ alias: rows, topic: {rows}, partitioning: {{ turn: {{ rows: 10 }} }} }}\n\
         \x20 - {{ alias: lenient, topic: {lenient}, errorPolicy: Drop }}\n\
         \x20 - {{ alias: away, topic: away, bootstrapServers: '127.0.0.1:9' }}\n",
        broker.bootstrap()
    ));

    let dir = cache::run_dir("python-");
    let (out, log) = (dir.path().join("out"), dir.path().join("log"));
    let mut command = process::command(tools::python());
    command.arg(tools::repository().join("tests/python/check_client.py")).arg(service.address());
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&log).unwrap());
    let status = Process::spawn(command).wait(5 * DEADLINE);

    let out = fs::read_to_string(out).unwrap();
    let log = process::tail(&log, 400);
    println!("{out}");
    let last = out.lines().last().unwrap_or_default();
    let report: Report = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}\n{log}"));
    let failed: Vec<String> =
        report.failed.iter().map(|(check, text)| format!("--- {check}\n{text}")).collect();
    assert!(failed.is_empty(), "{} checks failed\n{}", failed.len(), failed.join("\n"));
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{log}");
    // A loader that finds nothing would be content.
    assert!(report.ran.len() >= 45, "{:?}", report.ran);
    assert!(report.records >= 15_000, "{}", report.records);
    assert_eq!(report.writers_live, 0, "streams that ended have no writer");
    println!("{} checks, {} records compared", report.ran.len(), report.records);
}
