//! What others make of the answers: Prometheus' own checks, probes, browsers that were misled.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use tests::{engine::job::OUTPUT, service::Service};

use super::{send, tool, well};

#[test]
fn promtool_finds_no_fault_with_the_metrics() {
    let (_, service, engine) = well("promtool", "");
    send(&engine, "w", 1);
    let printed = service.admin().metrics().0;
    assert!(printed.contains("# TYPE kafka_output_rows_received_total counter"), "{printed}");
    let mut check = Command::new(tool("promtool"));
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut check = check.stderr(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(printed.as_bytes()).unwrap();
    let checked = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}\n{printed}");
}

/// Prometheus asks for OpenMetrics first, and its Python client's parser is strict.
#[test]
fn who_asks_for_openmetrics_gets_it() {
    let (_, service, engine) = well("openmetrics", "");
    send(&engine, "w", 1);
    let admin = service.admin();
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = admin.get_with("/metrics", &[("Host", admin.address()), ("Accept", accept)]);
    assert!(answer.headers.contains("content-type: application/openmetrics-text"), "{answer:?}");
    let mut parse = Command::new(tool("python"));
    let script = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
        families = {family.name: family for family in parse(sys.stdin.read())}\n\
        rows = families['kafka_output_rows_received'].samples[0]\n\
        print(rows.labels['output'], rows.value, families['kafka_output_encode_seconds'].unit)\n";
    parse.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut parse = parse.stderr(Stdio::piped()).spawn().unwrap();
    parse.stdin.take().unwrap().write_all(answer.body.as_bytes()).unwrap();
    let parsed = parse.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&parsed.stdout);
    let fault = String::from_utf8_lossy(&parsed.stderr);
    assert_eq!(said.trim(), format!("{OUTPUT} 1000.0 seconds"), "{fault}\n{}", answer.body);
}

#[test]
fn probes_scrapes_and_pages_have_their_types_and_a_browser_that_was_misled_gets_none() {
    let (_, service, _engine) = well("types", "");
    let admin = service.admin();
    for (path, media_type) in [
        ("/livez", "text/plain"),
        ("/readyz", "text/plain"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/status", "application/json"),
        ("/config", "application/yaml"),
        ("/", "text/html"),
        ("/page.js", "text/javascript"),
        ("/page.css", "text/css"),
    ] {
        let answer = admin.get(path);
        assert_eq!(answer.code, 200, "{path}: {answer:?}");
        assert!(answer.headers.contains(&format!("content-type: {media_type}")), "{answer:?}");
        assert!(answer.headers.contains("content-security-policy: default-src 'none'"));
    }
    assert_eq!(admin.get("/nothing").code, 404);
    for path in ["/", "/status", "/config"] {
        let answer = admin.get_with(path, &[("Host", "evil.test:7071")]);
        assert_eq!(answer.code, 403, "{path}: {answer:?}");
        assert!(!answer.body.contains(OUTPUT), "{answer:?}");
        assert_eq!(admin.get_with(path, &[("Host", "localhost:7071")]).code, 200, "{path}");
    }
    // Prometheus and the kubelet may ask by any name.
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(admin.get_with(path, &[("Host", "kafka-output.test")]).code, 200, "{path}");
    }
}

#[test]
fn two_services_on_one_admin_port_are_told_apart_from_those_on_one_grpc_port() {
    let (_, service, _engine) = well("taken", "");
    let taken = service.admin();
    let job = format!(
        "name: second\n\
         listen: {{ grpc: {{ address: '127.0.0.1:0' }}, admin: {{ address: '{}' }} }}\n\
         outputs: [{{ alias: a, topic: t, bootstrapServers: '127.0.0.1:9' }}]\n",
        taken.address()
    );
    let ended = Service::try_start(&job, &Default::default()).unwrap_err();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("choose another `listen.admin.address`"), "{ended:?}");
}
