//! Faults of the identity: an endpoint that refuses, spoils or does not answer. A job has one
//! identity, so each fault has a service of its own; another output of it needs no identity.

use std::{thread, time::Instant};

use tests::{
    azure::{APP_SERVICE, Azure, Fault},
    engine::{
        Engine,
        job::{job_within, output},
    },
    kafka::{Listener, PASSWORD, USER, shared_secure, unique_topic},
    service::{Service, ServiceOptions},
};

use super::{Case, GOOD, end_good, start_good, wait_told};

/// A service whose identity has this fault says so by this code, and comes once it is mended.
fn check(topic: &str, fault: &Fault, code: &'static str) {
    let brokers = shared_secure();
    let azure = Azure::start();
    azure.vault("idfaults").set("password", PASSWORD);
    azure.spoil(APP_SERVICE, fault.clone());
    let keys = |password: &str| {
        format!(
            "securityProtocol: SASL_PLAINTEXT, sasl: {{ mechanism: SCRAM-SHA-256, username: {USER}, \
             password: {password} }}"
        )
    };
    let case =
        Case::new("by-identity", Listener::SaslPlaintext, keys("{ secret: password }"), code, &[]);
    let bootstrap = brokers.bootstrap(Listener::SaslPlaintext);
    let outputs = [
        output(GOOD, &bootstrap, topic, &keys("{ env: GOOD_PASSWORD }")),
        output(case.name, &bootstrap, topic, &case.keys),
    ];
    let head = "identity: { type: systemAssigned }\nvault: https://idfaults.vault.azure.net\n\
                secretRefresh: 1s\n";
    let options = ServiceOptions::default().env("GOOD_PASSWORD", PASSWORD);
    let options = azure.environment().into_iter().fold(options, |o, (n, v)| o.env(&n, &v));
    let since = Instant::now();
    let service =
        Service::start_with(&(head.to_owned() + &job_within("128 MiB", &outputs)), &options);
    let engine = Engine::connect(&service);
    let load = start_good(&engine);
    wait_told(&engine, std::slice::from_ref(&case), since);
    azure.mend();
    engine.wait_ready(case.name);
    end_good(load, &brokers, topic);
}

#[test]
fn faults_of_an_identity_are_told_apart_and_disturb_nobody() {
    let brokers = shared_secure();
    let faults = [
        (
            Fault::status(
                400,
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            ),
            "IDENTITY_NOT_ASSIGNED",
        ),
        (Fault::status(404, "not here"), "IDENTITY_ENDPOINT_NOT_FOUND"),
        (Fault::status(410, "the agent is being renewed"), "IDENTITY_UPDATING"),
        (Fault::status(429, "slow down").with("Retry-After", "1"), "IDENTITY_THROTTLED"),
        (Fault::status(500, "oops"), "IDENTITY_FAILED"),
        (Fault::Never, "IDENTITY_SLOW"),
    ];
    let topics = faults.each_ref().map(|_| {
        let topic = unique_topic("identity-faults");
        brokers.create_topic(&topic, 1, USER);
        topic
    });
    thread::scope(|scope| {
        for ((fault, code), topic) in faults.iter().zip(&topics) {
            scope.spawn(move || check(topic, fault, code));
        }
    });
}

/// Whoever gives out tokens has a clock that is behind: what it gives is over when it comes.
#[test]
fn a_token_that_is_over_when_it_comes_is_told() {
    let brokers = shared_secure();
    let azure = Azure::start();
    azure.vault("clock").set("password", PASSWORD);
    azure.set_entra_clock(-7200);
    let topic = unique_topic("clock");
    brokers.create_topic(&topic, 1, USER);
    let keys = format!(
        "securityProtocol: SASL_PLAINTEXT, sasl: {{ mechanism: PLAIN, username: {USER}, password: \
         {{ secret: password }} }}"
    );
    let case =
        Case::new("late", Listener::SaslPlaintext, keys, "TOKEN_EXPIRED_ON_ARRIVAL", &["clock"]);
    let outputs = [output(case.name, &brokers.bootstrap(case.listener), &topic, &case.keys)];
    let head = "identity: { type: systemAssigned }\nvault: https://clock.vault.azure.net\n\
                secretRefresh: 1s\n";
    let options = azure.environment().into_iter();
    let options = options.fold(ServiceOptions::default(), |o, (n, v)| o.env(&n, &v));
    let since = Instant::now();
    let service =
        Service::start_with(&(head.to_owned() + &job_within("128 MiB", &outputs)), &options);
    let engine = Engine::connect(&service);
    wait_told(&engine, std::slice::from_ref(&case), since);
    azure.set_entra_clock(0);
    engine.wait_ready(case.name);
}
