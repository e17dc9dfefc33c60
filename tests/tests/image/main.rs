//! The image of deploy/Dockerfile, run as it is meant to be: without rights, in a private network
//! whose only ways lead to the broker, the vault and the identity endpoint.
//!
//! `scripts/image test` builds the image and runs this; it needs root, podman and runc. Limits,
//! rights and mounts are read from the kernel, and not from what podman was told.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod container;
mod network;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tests::{
    admin::Admin,
    azure::Azure,
    cache, check,
    engine::{
        Engine,
        load::{Load, Pace},
    },
    kafka::{Broker, BrokerOptions},
    reader,
    wait::{DEADLINE, wait_until},
};

use self::{
    container::{Container, Declared, image, podman},
    network::{NOWHERE, Network, OUTSIDE},
};

/// The largest image, in bytes: as a registry keeps it, compressed.
const IMAGE_BYTES_MAX: u64 = 40_000_000;

/// As the job file below says.
const DECLARED: Declared = Declared { memory_mib: 64, writers_max: 20, outputs: 1, brokers: 1 };

/// File systems that no disk is below.
const KERNELS: [&str; 6] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup"];

const PACE: Pace = Pace { batch_rows: 100, pause: Duration::from_millis(5) };

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn the_image_is_small_and_has_no_shell_and_no_rights() {
    assert_eq!(image("{{.User}}"), "65532:65532");
    assert_eq!(image("{{json .Config.Entrypoint}}"), r#"["/usr/bin/kafka-output"]"#);
    assert_eq!(image("{{.Config.StopSignal}}"), "SIGTERM");
    for label in ["title", "licenses", "version", "revision"] {
        let value = image(&format!("{{{{index .Labels \"org.opencontainers.image.{label}\"}}}}"));
        assert!(!value.is_empty(), "{label}");
    }
    let dir = cache::run_dir("image-");
    let file = dir.path().join("image.tar");
    let saved = podman(&["save", "--output", file.to_str().unwrap(), "kafka-output:local"]);
    assert!(saved.status.success());
    let zipped = Command::new("gzip").args(["-6", "-k"]).arg(&file).status();
    assert!(zipped.unwrap().success());
    let bytes = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
    println!("image: {} bytes, {} compressed", bytes("image.tar"), bytes("image.tar.gz"));
    assert!(bytes("image.tar.gz") < IMAGE_BYTES_MAX);
    let made = podman(&["create", "--replace", "--name", "ko-files", "kafka-output:local"]);
    assert!(made.status.success());
    let tar = dir.path().join("files.tar");
    let exported = podman(&["export", "--output", tar.to_str().unwrap(), "ko-files"]);
    podman(&["rm", "ko-files"]);
    assert!(exported.status.success());
    let tar = |args: &[&str]| {
        let output = Command::new("tar").arg("-f").arg(&tar).args(args).output().unwrap();
        assert!(output.status.success(), "tar {args:?}");
        output.stdout
    };
    // Nothing that could be run but the service: no shell, no package manager.
    let listed = String::from_utf8(tar(&["--numeric-owner", "-tv"])).unwrap();
    let programs = listed.lines().filter(|line| {
        let name = line.split_whitespace().nth(5).unwrap_or_default();
        line.starts_with('-') && line.get(3..4) == Some("x") && !name.contains(".so")
    });
    let programs: Vec<_> = programs.collect();
    assert!(programs.len() == 1 && programs[0].ends_with("usr/bin/kafka-output"), "{programs:#?}");
    assert!(programs[0].starts_with("-rwxr-xr-x 0/0"), "the service does not own it: {programs:?}");

    // Its bill of materials is of this program and of these packages.
    let bill = fs::read(container::work().join("kafka-output.cdx.json")).unwrap();
    let bill: Value = serde_json::from_slice(&bill).unwrap();
    let program = tar(&["-x", "--to-stdout", "usr/bin/kafka-output"]);
    let digest = openssl::sha::sha256(&program).map(|byte| format!("{byte:02x}")).concat();
    let parts = bill["components"].as_array().unwrap();
    let service = parts.iter().find(|part| part["type"] == "application").unwrap();
    assert_eq!(service["hashes"][0]["content"], digest);
    let purls: Vec<_> = parts.iter().map(|part| part["purl"].as_str().unwrap()).collect();
    println!("bill of materials: {} parts, program {digest}", purls.len());
    let licences = |name: &str| -> Vec<&str> {
        let part = parts.iter().find(|part| part["name"] == name).unwrap();
        let licences = part["licenses"].as_array().unwrap().iter();
        licences.map(|licence| licence["license"]["name"].as_str().unwrap()).collect()
    };
    assert_eq!(licences("ca-certificates"), ["GPL-2+", "MPL-2.0"]);
    for name in ["libc6", "libgcc-s1"] {
        let file = licences(name)[0].strip_prefix("see ").unwrap();
        let folder = file.strip_suffix("/copyright").unwrap();
        let link = format!("{folder} -> ");
        let is_there = |line: &str| line.ends_with(file) || line.contains(&link);
        assert!(listed.lines().any(is_there), "{file}");
    }
    for part in ["cargo/rdkafka-sys@", "cargo/openssl-src@", "cargo/tokio@", "/libc6@"] {
        assert_eq!(purls.iter().filter(|purl| purl.contains(part)).count(), 1, "{part}");
    }
}

#[test]
fn rows_arrive_from_a_private_network_and_nothing_else_leaves_it() {
    let azure = Azure::start();
    let vault = azure.vault("kv1");
    vault.set("kafka-password", "CANARY-password");
    let advertised: SocketAddr = format!("{OUTSIDE}:9092").parse().unwrap();
    let options = BrokerOptions::default().user("writer", "CANARY-password");
    let broker = Broker::start(&options.advertised(advertised));
    broker.admin().create_topic("rows", 3, 1, &[]);

    let (grpc, admin) = (free_address(), free_address());
    let mut network = Network::new();
    network.open(
        &[
            (9092, broker.sasl_bootstrap().parse().unwrap()),
            (443, azure.tls_address()),
            (8080, azure.plain_address()),
        ],
        &[(grpc, 7070), (admin, 7071)],
    );
    let dir = cache::run_dir("job-");
    let job = format!(
        "name: private\n\
         identity: {{ type: systemAssigned }}\n\
         vault: https://kv1.vault.azure.net\n\
         memory: 64 MiB\n\
         listen:\n  grpc: {{ address: 0.0.0.0:7070, allowPlaintext: true, maxWriters: 20 }}\n  \
         admin: {{ address: 0.0.0.0:7071 }}\n\
         outputs:\n  - {{ alias: out, topic: rows, bootstrapServers: '{OUTSIDE}:9092',\n      \
         securityProtocol: SASL_PLAINTEXT,\n      sasl: {{ mechanism: PLAIN, username: writer, \
         password: {{ secret: kafka-password }} }} }}\n"
    );
    fs::write(dir.path().join("job.yaml"), job).unwrap();
    fs::copy(azure.ca_file(), dir.path().join("ca.pem")).unwrap();
    // Its user is another than this one.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mount = format!("{}:/etc/kafka-output:ro", dir.path().display());
    let header = tests::azure::IDENTITY_HEADER;
    let variables = [
        format!("IDENTITY_ENDPOINT=http://{OUTSIDE}:8080/msi/token"),
        format!("IDENTITY_HEADER={header}"),
        "SSL_CERT_FILE=/etc/kafka-output/ca.pem".to_owned(),
    ];
    let host = format!("kv1.vault.azure.net:{OUTSIDE}");
    let inside = network.inside();
    let mut options = vec!["--network", &inside, "--add-host", &host, "--volume", &mount];
    variables.iter().for_each(|variable| options.extend(["--env", variable]));
    let container = Container::start("ko-private", DECLARED, &options);
    wait_until("it is ready", DEADLINE, || container.run(&["health", "--ready"]).0 == 0);
    container.assert_healthy();
    assert_hardened(&container);
    let (code, said) = container.run(&["check", "/etc/kafka-output/job.yaml"]);
    assert_eq!(code, 0, "{said}");

    let engine = Engine::connect_to(&grpc.to_string()).unwrap();
    let load = Load::start(&engine, "out", "w", PACE);
    load.wait_progress(10_000);
    // The cable is pulled, and plugged in again.
    network.plug(false);
    load.wait_stall(Duration::from_secs(1));
    network.plug(true);
    load.wait_progress(10_000);
    // An operator has no shell, and needs none.
    assert_eq!(container.run(&["pause", "out"]).0, 0);
    assert_eq!(container.run(&["resume", "out"]).0, 0);
    let remote = Admin::at(&admin.to_string());
    assert_eq!(remote.get("/livez").code, 200);
    assert_eq!(remote.get("/status").code, 403, "the status is for the container alone");
    // What else is tried is refused, and would have been seen.
    let (code, said) = container.run(&["health", "--admin", &format!("{NOWHERE}:443")]);
    assert_eq!(code, 4, "{said}");
    let tried = format!("connects {NOWHERE} 443");
    wait_until("the watch sees it", DEADLINE, || network.seen().contains(&tried));
    print_use(&container, &remote);
    let sent = load.stop();
    container.stop(40);
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "0", "SIGTERM ends it in time");
    assert_eq!(container.inspect("{{.State.OOMKilled}}"), "false");
    check::exactly(&reader::topic(&broker.bootstrap(), "rows").records(), &[sent]);

    let logs = container.logs();
    assert!(!logs.contains("CANARY"), "a secret is logged");
    let seen = network.seen();
    let allowed = |line: &str| {
        line == "watching"
            || line == tried
            || [9092, 443, 8080].iter().any(|port| line == format!("connects {OUTSIDE} {port}"))
    };
    let others: Vec<_> = seen.lines().filter(|line| !allowed(line)).collect();
    assert!(others.is_empty(), "it tried to reach something else: {others:#?}");
    for port in [9092, 443, 8080] {
        assert!(seen.contains(&format!("connects {OUTSIDE} {port}")), "{seen}");
    }
}

/// It has no rights, no room beyond what is declared, and nothing to write to.
fn assert_hardened(container: &Container) {
    let status = container.proc("status");
    let says = |key: &str, value: &str| {
        let line = status.lines().find(|line| line.starts_with(&format!("{key}:"))).unwrap();
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        assert!(words.iter().all(|word| *word == value), "{line}");
    };
    says("Uid", "65532");
    says("Gid", "65532");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        says(set, "0000000000000000");
    }
    says("NoNewPrivs", "1");
    says("Seccomp", "2");

    let files = DECLARED.files_max().to_string();
    let limits = container.proc("limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3..5], [&files, &files], "{line}");
    let memory = container.cgroup("memory", ["memory.limit_in_bytes", "memory.max"]);
    assert_eq!(memory, (DECLARED.memory_mib_max() << 20).to_string());
    let threads = container.cgroup("pids", ["pids.max", "pids.max"]);
    assert_eq!(threads, DECLARED.threads_max().to_string());

    // Of what is kept on a disk; the rest is devices and the kernel's own.
    for mount in container.proc("mountinfo").lines() {
        let (place, kind) = mount.split_once(" - ").unwrap();
        let place: Vec<_> = place.split(' ').collect();
        let kind = kind.split(' ').next().unwrap();
        let writable = place[5].split(',').any(|option| option == "rw");
        println!("{} {kind} {}", place[4], place[5]);
        assert!(!writable || KERNELS.contains(&kind), "{mount}");
    }
}

/// How much of its limits it used.
fn print_use(container: &Container, admin: &Admin) {
    let metrics = admin.get("/metrics").body;
    for name in ["threads", "open_files", "resident_memory_bytes"] {
        let name = format!("kafka_output_process_{name} ");
        println!("{}", metrics.lines().find(|line| line.starts_with(&name)).unwrap());
    }
    let peak = container.cgroup("memory", ["memory.max_usage_in_bytes", "memory.peak"]);
    println!("memory at most: {peak} of {}", DECLARED.memory_mib_max() << 20);
    println!("threads at most: {}; files: {}", DECLARED.threads_max(), DECLARED.files_max());
}
