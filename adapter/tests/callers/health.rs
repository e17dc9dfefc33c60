//! What the health service tells, and to whom.
use kafka_output::job::{CallerRule, WriterRule};
use serde_json::json;
use tonic::{Code, Request, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    caller::{Caller, entrance},
    issuer::{Issuer, claims, claims_with},
    support::{Bench, Setup, until},
};

const SERVICE: &str = "kafkaoutput.v1.KafkaOutputService";

/// Asks after a name, with a token or without: once, and to be told from now on.
async fn ask(
    caller: &Caller,
    token: Option<&str>,
    name: &str,
) -> [Result<ServingStatus, Status>; 2] {
    let request = || {
        let mut request = Request::new(HealthCheckRequest { service: name.to_owned() });
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    };
    let mut health = HealthClient::new(caller.channel.clone());
    let checked = health.check(request()).await.map(|answer| answer.get_ref().status());
    let watched = match health.watch(request()).await {
        Ok(answers) => {
            let first = answers.into_inner().message().await;
            first.map(|answer| answer.expect("it says something first").status())
        }
        Err(status) => Err(status),
    };
    [checked, watched]
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_told_to_those_who_may_write_into_them_and_are_not_there_for_others() {
    let issuer = Issuer::new();
    let role = |role: &str| {
        let caller = CallerRule::Role(role.to_owned());
        vec![WriterRule { caller, prefix: String::new() }]
    };
    let setup = Setup {
        outputs: &["own", "other"],
        rules: vec![("own", role("Rows.Write")), ("other", role("Rows.All"))],
        entrance: entrance(None, Some(issuer.check())),
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let caller = Caller::plain(&bench).await;
    let good = issuer.sign(&claims());
    let bad = issuer.sign(&claims_with("aud", json!("api://other")));
    until("the service knows how its outputs do", async || {
        ask(&caller, Some(&good), "output/own").await[0].as_ref().ok().copied()
    })
    .await;

    // Anybody may probe the service as a whole.
    for token in [None, Some(&*bad), Some(&*good)] {
        for name in ["", SERVICE] {
            let [checked, _] = ask(&caller, token, name).await;
            assert_eq!(checked.unwrap(), ServingStatus::Serving, "{name}");
        }
    }
    let [checked, watched] = ask(&caller, Some(&good), "output/own").await;
    assert_eq!([checked.unwrap(), watched.unwrap()], [ServingStatus::Serving; 2]);

    // Nobody else hears whether there is such an output.
    let not_there = |answer: &Result<ServingStatus, Status>| {
        let status = answer.as_ref().expect_err("it is not told");
        (status.code(), status.message().to_owned())
    };
    let absent = not_there(&ask(&caller, None, "output/absent").await[0]);
    assert_eq!(absent.0, Code::NotFound);
    for token in [None, Some(&*bad)] {
        for name in ["output/own", "output/other", "output/absent"] {
            let [checked, watched] = ask(&caller, token, name).await;
            assert_eq!(not_there(&checked), absent, "{name}");
            assert_eq!(watched.unwrap_err().code(), Code::Unauthenticated, "{name}");
        }
    }
    for name in ["output/other", "output/absent"] {
        let [checked, watched] = ask(&caller, Some(&good), name).await;
        assert_eq!([not_there(&checked), not_there(&watched)], [absent.clone(), absent.clone()]);
    }
}
