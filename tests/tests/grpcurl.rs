//! The service as grpcurl sees it: found by reflection, called with JSON, asked for its health.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tests::{
    kafka::{Broker, BrokerOptions, shared_broker, unique_topic},
    reader,
    service::{Service, ServiceOptions},
    tools,
    wait::{DEADLINE, wait_for, wait_until},
};

const SERVICE: &str = "kafkaoutput.v1.KafkaOutputService";
const HEALTH: &str = "grpc.health.v1.Health";
const SECRET: &str = "never-to-be-seen";
/// grpcurl adds this to the gRPC code and ends with the sum.
const EXIT_OF_CODE: i32 = 64;
const NOT_FOUND: i32 = 5;
const INVALID_ARGUMENT: i32 = 3;

/// A service with one output at `bootstrap` and one that no broker serves and that has a secret.
fn start(bootstrap: &str, topic: &str, reflection: bool) -> Service {
    let job = format!(
        "name: grpcurl\n\
         listen: {{ grpc: {{ address: '127.0.0.1:0', reflection: {reflection} }} }}\n\
         outputs:\n\
         \x20 - {{ alias: rows, topic: {topic}, bootstrapServers: '{bootstrap}' }}\n\
         \x20 - alias: away\n\
         \x20   topic: away\n\
         \x20   bootstrapServers: 127.0.0.1:9\n\
         \x20   securityProtocol: SASL_PLAINTEXT\n\
         \x20   sasl: {{ mechanism: PLAIN, username: me, password: {{ env: AWAY_PASSWORD }} }}\n"
    );
    Service::start_with(&job, &ServiceOptions::default().env("AWAY_PASSWORD", SECRET))
}

fn grpcurl(flags: &[&str], service: &Service, rest: &[&str]) -> Output {
    let mut command = Command::new(tools::grpcurl());
    command.args(["-plaintext", "-max-time", "20"]).args(flags).arg(service.address()).args(rest);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn said(flags: &[&str], service: &Service, rest: &[&str]) -> String {
    let output = grpcurl(flags, service, rest);
    assert!(output.status.success(), "{rest:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A call that succeeds.
fn call(service: &Service, method: &str, request: &Value) -> Value {
    let answer = said(&["-d", &request.to_string()], service, &[method]);
    serde_json::from_str(&answer).unwrap()
}

/// A call that fails: the exit status and the error as JSON.
fn failure(service: &Service, method: &str, request: &Value) -> (i32, Value) {
    let output = grpcurl(&["-format-error", "-d", &request.to_string()], service, &[method]);
    let error = text(&output.stderr);
    let error = serde_json::from_str(&error).unwrap_or_else(|e| panic!("{e}: {error}"));
    (output.status.code().unwrap(), error)
}

fn method(name: &str) -> String {
    format!("{SERVICE}/{name}")
}

fn health(service: &Service, name: &str) -> String {
    // The proto3 default is left out of JSON unless asked for.
    let flags = ["-emit-defaults", "-d", &json!({ "service": name }).to_string()];
    let answer = said(&flags, service, &[&format!("{HEALTH}/Check")]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["status"].as_str().unwrap().to_owned()
}

fn write_once(lines: &str) -> Value {
    let column = |name, kind| json!({ "name": name, "type": { "primitive": kind } });
    let columns = [column("id", "PRIMITIVE_INT64"), column("name", "PRIMITIVE_TEXT")];
    json!({
        "output": "rows",
        "schema": { "typed": { "columns": columns } },
        "batch": { "jsonLines": STANDARD.encode(lines) },
    })
}

#[test]
fn reflection_lists_and_describes_the_services() {
    let broker = shared_broker();
    let service = start(&broker.bootstrap(), "unused", true);
    let listed = said(&[], &service, &["list"]);
    for name in [SERVICE, HEALTH] {
        assert!(listed.lines().any(|line| line == name), "{listed}");
    }
    let methods = said(&[], &service, &["list", SERVICE]);
    let names = "GetOutput GetWriter ListOutputs ResetWriter Write WriteOnce".split(' ');
    let expected: Vec<String> = names.map(|name| format!("{SERVICE}.{name}")).collect();
    assert_eq!(methods.lines().collect::<Vec<_>>(), expected);
    let described = said(&[], &service, &["describe", SERVICE]);
    let write = "rpc Write ( stream .kafkaoutput.v1.WriteRequest ) \
                 returns ( stream .kafkaoutput.v1.WriteResponse );";
    assert!(described.contains(write), "{described}");
    let template = said(&["-msg-template"], &service, &["describe", "kafkaoutput.v1.Batch"]);
    assert!(template.contains("\"typedRows\""), "{template}");
}

#[test]
fn without_reflection_nothing_is_listed_and_calls_work() {
    let broker = shared_broker();
    let service = start(&broker.bootstrap(), "unused", false);
    let refused = grpcurl(&[], &service, &["list"]);
    assert!(!refused.status.success());
    let error = text(&refused.stderr);
    assert!(error.contains("does not support the reflection API"), "{error}");

    let proto: PathBuf = tools::repository().join("proto");
    let flags = ["-import-path", proto.to_str().unwrap()];
    let flags = [&flags[..], &["-proto", "kafkaoutput/v1/service.proto"]].concat();
    let outputs = said(&flags, &service, &[&method("ListOutputs")]);
    assert!(outputs.contains("\"alias\": \"rows\""), "{outputs}");
}

#[test]
fn rows_are_written_with_json_and_outputs_tell_of_them() {
    let broker = shared_broker();
    let topic = unique_topic("grpcurl");
    broker.admin().create_topic(&topic, 3, 1, &[]);
    let service = start(&broker.bootstrap(), &topic, true);

    let lines = "{\"id\":9007199254740993,\"name\":\"é\"}\n{\"id\":2}\n{\"name\":\"\",\"id\":3}\n";
    let answer = call(&service, &method("WriteOnce"), &write_once(lines));
    assert_eq!(answer, json!({}), "nothing rejected, no writer");
    let mut records = reader::topic(&broker.bootstrap(), &topic).records();
    records.sort_by_key(|record| record.text().to_owned());
    let stored: Vec<&str> = records.iter().map(reader::Record::text).collect();
    let expected = [
        "{\"id\":2,\"name\":null}",
        "{\"id\":3,\"name\":\"\"}",
        "{\"id\":9007199254740993,\"name\":\"é\"}",
    ];
    assert_eq!(stored, expected);

    let output = wait_for("the output tells what was delivered", DEADLINE, || {
        let answer = call(&service, &method("GetOutput"), &json!({ "output": "rows" }));
        let output = answer["output"].clone();
        (output["recordsInFlight"].is_null()).then_some(output)
    });
    assert_eq!(output["recordsDelivered"], "3", "{output}");
    assert_eq!(output["state"], "OUTPUT_STATE_READY");
    assert_eq!(output["guarantee"], "GUARANTEE_AT_LEAST_ONCE");
    assert_eq!((&output["topic"], &output["partitions"]), (&json!(topic), &json!(3)));

    let outputs = call(&service, &method("ListOutputs"), &json!({}));
    let text = outputs.to_string();
    assert!(!text.contains(SECRET), "a secret is shown: {text}");
    let outputs = outputs["outputs"].as_array().unwrap();
    let aliases: Vec<&Value> = outputs.iter().map(|output| &output["alias"]).collect();
    assert_eq!(aliases, ["rows", "away"], "in the order of the job file");
    let configuration: Value =
        serde_json::from_str(outputs[1]["configurationJson"].as_str().unwrap()).unwrap();
    assert_eq!(configuration["sasl"]["username"], "me", "{configuration}");
}

#[test]
fn errors_carry_their_reason_and_details() {
    let broker = shared_broker();
    let service = start(&broker.bootstrap(), "unused", true);
    let of = |error: &Value, kind: &str| -> Value {
        let details = error["details"].as_array().unwrap();
        let has = |detail: &&Value| detail["@type"].as_str().unwrap().ends_with(kind);
        details.iter().find(has).unwrap_or_else(|| panic!("no {kind}: {error}")).clone()
    };

    let nowhere = json!({ "output": "nowhere" });
    let (exit, error) = failure(&service, &method("GetOutput"), &nowhere);
    assert_eq!(exit, EXIT_OF_CODE + NOT_FOUND, "{error}");
    let info = of(&error, "google.rpc.ErrorInfo");
    assert_eq!(
        (&info["reason"], &info["domain"]),
        (&json!("OUTPUT_NOT_FOUND"), &json!("kafkaoutput"))
    );
    assert_eq!(info["metadata"], json!({ "retry": "no", "may_be_written": "no" }));

    let (exit, error) = failure(&service, &method("WriteOnce"), &json!({ "output": "rows" }));
    assert_eq!(exit, EXIT_OF_CODE + INVALID_ARGUMENT, "{error}");
    let violations = of(&error, "google.rpc.BadRequest")["fieldViolations"].clone();
    assert_eq!(violations[0]["field"], "schema", "{error}");

    let bad = write_once("{\"id\":1}\n{\"id\":\"two\"}\n");
    let (exit, error) = failure(&service, &method("WriteOnce"), &bad);
    assert_eq!(exit, EXIT_OF_CODE + INVALID_ARGUMENT, "{error}");
    assert_eq!(of(&error, "google.rpc.ErrorInfo")["reason"], "BAD_ROWS");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("row 1 id TYPE_MISMATCH"), "{message}");
}

#[test]
fn health_follows_the_broker_and_liveness_does_not() {
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("healthy", 1, 1, &[]);
    let service = start(&broker.bootstrap(), "healthy", true);
    let becomes = |name: &str, status: &str| {
        wait_until(&format!("{name} is {status}"), DEADLINE, || health(&service, name) == status);
    };
    becomes(SERVICE, "SERVING");
    becomes("output/rows", "SERVING");
    becomes("output/away", "NOT_SERVING");
    assert_eq!(health(&service, ""), "SERVING");

    broker.stop();
    becomes(SERVICE, "NOT_SERVING");
    assert_eq!(health(&service, "output/rows"), "NOT_SERVING");
    assert_eq!(health(&service, ""), "SERVING", "the process lives");
    let output = call(&service, &method("GetOutput"), &json!({ "output": "rows" }));
    assert_eq!(output["output"]["state"], "OUTPUT_STATE_UNAVAILABLE", "{output}");
    assert_eq!(output["output"]["troubleCode"], "BROKER_UNREACHABLE", "{output}");

    broker.start_again();
    becomes(SERVICE, "SERVING");
    assert_eq!(health(&service, "output/rows"), "SERVING");
    let answer = call(&service, &method("WriteOnce"), &write_once("{\"id\":1}"));
    assert_eq!(answer, json!({}));

    let unknown = json!({ "service": "output/nowhere" });
    let (exit, error) = failure(&service, &format!("{HEALTH}/Check"), &unknown);
    assert_eq!(exit, EXIT_OF_CODE + NOT_FOUND, "{error}");
}

#[test]
fn a_service_that_starts_before_its_broker_is_alive_and_not_ready() {
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("late", 1, 1, &[]);
    broker.stop();
    let service = start(&broker.bootstrap(), "late", true);
    assert_eq!(health(&service, ""), "SERVING");
    assert_eq!(health(&service, SERVICE), "NOT_SERVING");
    let output = call(&service, &method("GetOutput"), &json!({ "output": "rows" }));
    assert_eq!(output["output"]["state"], "OUTPUT_STATE_CONNECTING", "{output}");
    broker.start_again();
    wait_until("it becomes ready", DEADLINE, || health(&service, SERVICE) == "SERVING");
}
