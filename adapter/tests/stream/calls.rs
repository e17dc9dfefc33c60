//! `GetWriter`, `ResetWriter`, `ListOutputs`, `GetOutput`, health and reflection.
use kafka_output::{
    job::ErrorPolicy,
    kafka::{Cause, State, receipt::Settled},
};
use proto::v1::{
    self, GetOutputRequest, GetWriterRequest, Guarantee, ListOutputsRequest, Open, OutputState,
    ResetWriterRequest,
};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    Bench, Setup,
    engine::{check, open},
    rows::{batch, json},
    until,
};

fn reset(id: &str) -> ResetWriterRequest {
    ResetWriterRequest { output: "a".into(), writer_id: id.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_is_told_of_as_it_moves() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let known = engine.get_writer("w").await;
    assert_eq!(known, proto::v1::GetWriterResponse::default());
    let (mut stream, _) = engine.writer("w").await;
    for sequence in 1..=3 {
        let mut batch = batch(sequence);
        batch.position = Some(vec![sequence as u8].into());
        stream.batch(batch).await;
    }
    bench.kafka().submitted(3).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    let known = engine.get_writer("w").await;
    assert!(known.known && known.live);
    assert_eq!((known.durable_through, known.batches_in_flight), (1, 2));
    assert_eq!((known.position, known.epoch), (Some(vec![1]), 0));
    assert!(known.oldest_unacknowledged.is_some());
    assert!(engine.get_output().await.oldest_unacknowledged.is_some());

    bench.kafka().durable(1);
    bench.kafka().durable(2);
    stream.ack(3).await;
    drop(stream);
    let known = until("the stream is over", async || {
        let known = engine.get_writer("w").await;
        (!known.live).then_some(known)
    })
    .await;
    assert_eq!((known.durable_through, known.batches_in_flight), (3, 0));
    assert_eq!(known.oldest_unacknowledged, None);
    assert_eq!(engine.get_output().await.oldest_unacknowledged, None);
    assert_eq!(known.position, Some(vec![3]));
    let of_none = GetWriterRequest { output: "b".into(), writer_id: "w".into() };
    let status = engine.calls.clone().get_writer(of_none).await.unwrap_err();
    check(&status, Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_reset_begins_anew() {
    let bench = Bench::start().await;
    bench.kafka().run_by_itself();
    let engine = bench.engine().await;
    let mut calls = engine.calls.clone();
    assert!(!calls.reset_writer(reset("w")).await.unwrap().into_inner().was_known);
    let (mut stream, _) = engine.open_with(Open { epoch: Some(4), ..open("w") }).await;
    stream.schema(crate::support::rows::numbers()).await;
    stream.batch(batch(1)).await;
    stream.ack(1).await;
    let status = calls.reset_writer(reset("w")).await.unwrap_err();
    check(&status, Code::FailedPrecondition, "WRITER_BUSY", "yes", "no");
    assert_eq!(engine.get_writer("w").await.durable_through, 1);

    drop(stream);
    let answer =
        until("the stream is over", async || calls.clone().reset_writer(reset("w")).await.ok())
            .await;
    assert!(answer.into_inner().was_known);
    assert!(!engine.get_writer("w").await.known);
    // Numbers, epoch and digests are forgotten.
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 0);
    stream.batch(json(1, "{\"n\":-1}\n")).await;
    stream.ack(1).await;
    let of_none = ResetWriterRequest { output: "b".into(), ..reset("w") };
    let status = calls.reset_writer(of_none).await.unwrap_err();
    check(&status, Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_tells_its_configuration_and_state() {
    let setup = Setup { outputs: &["a", "b"], error_policy: ErrorPolicy::Drop, ..Setup::default() };
    let bench = Bench::with(setup).await;
    bench.kafka[1].set_health(State::Connecting, None);
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(json(1, "{\"n\":1}\n{\"n\":\"x\"}\n{\"n\":3}\n")).await;
    stream.batch(batch(2)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().settle(0, |record| match record {
        0 => Settled::Durable,
        _ => Settled::Rejected(Cause::new("ROW_REFUSED", "the broker says so")),
    });
    stream.ack(1).await;
    bench.kafka().set_partitions(Some(&[true, false, true, false]));
    bench.kafka().set_health(State::Unavailable, Some("NO_LEADER"));

    let list = engine.calls.clone().list_outputs(ListOutputsRequest {}).await.unwrap();
    let [a, b] = &list.into_inner().outputs[..] else { panic!("two outputs") };
    // Told as a time of day anew each time, and clocks are not alike to the nanosecond.
    let again = engine.get_output().await;
    assert!(again.oldest_unacknowledged.is_some());
    let oldest_unacknowledged = again.oldest_unacknowledged;
    assert_eq!(again, v1::Output { oldest_unacknowledged, ..a.clone() });
    assert_eq!((a.alias.as_str(), a.topic.as_str()), ("a", "rows"));
    assert_eq!(a.bootstrap_servers, ["broker:9092"]);
    assert_eq!(a.guarantee(), Guarantee::AtLeastOnce);
    assert_eq!((a.state(), a.trouble_code.as_str()), (OutputState::Unavailable, "NO_LEADER"));
    assert!(!a.trouble.is_empty() && a.since.is_some());
    assert_eq!((a.partitions, a.partitions_without_leader), (4, 2));
    assert_eq!((a.writers_live, b.writers_live), (1, 0));
    assert_eq!((a.records_in_flight, a.records_delivered, a.rows_rejected), (1, 1, 2));
    assert!(a.bytes_in_flight >= 256, "{}", a.bytes_in_flight);
    let configuration: serde_json::Value = serde_json::from_str(&a.configuration_json).unwrap();
    assert_eq!(configuration["topic"], "rows");
    assert_eq!((b.alias.as_str(), b.state()), ("b", OutputState::Connecting));
    assert_eq!((b.trouble_code.as_str(), b.trouble.as_str()), ("", ""));

    bench.kafka().durable(1);
    stream.ack(2).await;
    let a = engine.get_output().await;
    assert_eq!((a.records_in_flight, a.records_delivered, a.bytes_in_flight), (0, 2, 0));
    let request = GetOutputRequest { output: "c".into() };
    let status = engine.calls.clone().get_output(request).await.unwrap_err();
    check(&status, Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_service_tells_of_each_output() {
    use tonic_health::pb::health_check_response::ServingStatus;
    let bench = Bench::with(Setup { outputs: &["a", "b"], ..Setup::default() }).await;
    bench.kafka[1].set_health(State::Unavailable, Some("NO_LEADER"));
    let endpoint = Endpoint::try_from(format!("http://{}", bench.address)).unwrap();
    let health = HealthClient::new(endpoint.connect().await.unwrap());
    let is = async |service: &str, status: ServingStatus| {
        until("the health is told", async || {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = health.clone().check(request).await.ok()?.into_inner();
            (answer.status() == status).then_some(())
        })
        .await;
    };
    is("", ServingStatus::Serving).await;
    is("kafkaoutput.v1.KafkaOutputService", ServingStatus::Serving).await;
    is("output/a", ServingStatus::Serving).await;
    is("output/b", ServingStatus::NotServing).await;
    bench.kafka[0].set_health(State::Unavailable, Some("NO_LEADER"));
    is("kafkaoutput.v1.KafkaOutputService", ServingStatus::NotServing).await;
    bench.kafka[1].set_health(State::Ready, None);
    is("kafkaoutput.v1.KafkaOutputService", ServingStatus::Serving).await;
    is("output/b", ServingStatus::Serving).await;
}
