//! One output: its credentials, its brokers, its topic.

use keyvault::Store;

use super::{
    credentials, delivery,
    finding::{Draft, Line, Section, of_cause},
    lacking::Lacking,
    material::warned,
    topic,
};
use crate::{
    diagnose::{
        Depth, Facts, Finding, Outcome, Report, StepName, Target, diagnose, diagnose_down_to,
    },
    job::{HostPort, Output},
    kafka::{self, Credentials, check::Topic},
};

/// The step that is left to librdkafka with SCRAM.
const LOGIN: &str = StepName::Login.code();

/// Faults of the topic alone: the brokers have let the output in.
const TOPIC_FAULTS: [&str; 3] = ["TOPIC_NOT_FOUND", "TOPIC_NOT_AUTHORIZED", "BROKER_REFUSES"];

/// Looks at an output, in the order in which it has to work. What is found stands in the draft at
/// once, so that it is told though the rest takes too long.
pub(super) async fn check(
    job: String,
    output: Output,
    store: Store,
    lacking: Lacking,
    section: Draft,
) {
    let found = credentials::find(&output, &store, &lacking).await;
    section.extend(found.lines);
    let Some(credentials) = found.credentials else {
        let why = "there are no credentials to show them".to_owned();
        section.push(Line::new("BROKERS", "brokers and topic", Outcome::NotChecked(why)));
        return;
    };
    let let_in = brokers(&output, &credentials, &section).await;
    if !let_in {
        let why = "no broker lets the output in".to_owned();
        section.push(Line::new("TOPIC", "topic", Outcome::NotChecked(why)));
        return;
    }
    let asked = output.clone();
    let shown = credentials.clone();
    let looked = tokio::task::spawn_blocking(move || kafka::check::look(&asked, &shown)).await;
    match looked {
        Ok(Ok(found)) => {
            section.settle(LOGIN, Outcome::Passed(Facts::new("accepted")));
            section.extend(topic::lines(&output, &found));
            let (more, advertised) = tokio::join!(
                delivery::look(&job, &output, &credentials, Some(&found)),
                advertised(&output, &credentials, &found),
            );
            section.extend(more.into_iter().chain(advertised));
        }
        Ok(Err(cause)) => {
            let outcome = Outcome::Failed(of_cause(&cause));
            // What was left to librdkafka, it tells.
            if cause.code == "AUTHENTICATION_FAILED" && section.settle(LOGIN, outcome.clone()) {
                let why = "no broker lets the output in".to_owned();
                section.push(Line::new("TOPIC", "topic", Outcome::NotChecked(why)));
            } else {
                section.push(Line::new("TOPIC", "topic", outcome));
                if TOPIC_FAULTS.contains(&cause.code) {
                    let more = delivery::look(&job, &output, &credentials, None).await;
                    section.extend(more);
                }
            }
        }
        Err(_) => {
            let why = "the check of it has failed by itself".to_owned();
            section.push(Line::new("TOPIC", "topic", Outcome::NotChecked(why)));
        }
    }
}

/// The section of an output of which nothing is known.
pub(super) fn empty(output: &Output) -> Section {
    let (alias, topic) = (output.alias.as_str(), output.topic.as_str());
    let protocol = output.security.protocol.name();
    let title = format!("Output `{alias}`, topic `{topic}` ({protocol})");
    Section::new(title, &[("about", "output"), ("alias", alias), ("topic", topic)])
}

/// Looks at every bootstrap server down to TLS, and at the first that answers down to the login.
/// True if that one lets the output in, as far as it can be told.
async fn brokers(output: &Output, credentials: &Credentials, section: &Draft) -> bool {
    let servers = &output.bootstrap_servers;
    let mut first = 0;
    if servers.len() > 1 {
        let reports = down_to_tls(servers, credentials).await;
        first = reports.iter().position(|(_, report)| report.cause().is_none()).unwrap_or(0);
        for (_, (target, report)) in reports.iter().enumerate().filter(|(at, _)| *at != first) {
            section.push(in_short(format!("broker {}", target.place()), report));
        }
    }
    let target = kafka::target(&servers[first], credentials);
    let (place, report) = (target.place(), diagnose(&target).await);
    for step in &report.steps {
        let title = format!("{place} {}", step.name);
        section.push(Line::new(step.name.code(), title, step.outcome.clone()));
    }
    report.cause().is_none()
}

/// Diagnoses several brokers at once, without a login.
async fn down_to_tls(servers: &[HostPort], credentials: &Credentials) -> Vec<(Target, Report)> {
    let targets = servers.iter().map(|server| kafka::target(server, credentials));
    let running: Vec<_> = targets
        .map(|target| {
            tokio::spawn(async move {
                let report = diagnose_down_to(&target, Depth::Listener).await;
                (target, report)
            })
        })
        .collect();
    let mut reports = Vec::new();
    for running in running {
        reports.extend(running.await);
    }
    reports
}

/// A broker in one line: why it cannot be reached, or who it is.
fn in_short(title: String, report: &Report) -> Line {
    let told: Vec<&Facts> = report
        .steps
        .iter()
        .filter(|step| matches!(step.name, StepName::Tcp | StepName::Tls))
        .filter_map(|step| match &step.outcome {
            Outcome::Passed(facts) | Outcome::Warned(facts, _) => Some(facts),
            Outcome::Failed(_) | Outcome::NotChecked(_) => None,
        })
        .collect();
    let text: Vec<&str> = told.iter().map(|facts| facts.text.as_str()).collect();
    let values = told.iter().flat_map(|facts| facts.values.clone()).collect();
    let facts = Facts { text: text.join("; "), values };
    let warning = report.steps.iter().find_map(|step| match &step.outcome {
        Outcome::Warned(_, finding) => Some(finding.clone()),
        Outcome::Passed(_) | Outcome::Failed(_) | Outcome::NotChecked(_) => None,
    });
    let outcome = match report.cause() {
        Some(cause) => Outcome::Failed(cause.clone()),
        None => warned(facts, warning),
    };
    Line::new("BROKER", title, outcome)
}

/// Brokers tell where they want to be reached, and rows go there: a usual trap behind proxies and
/// in containers.
async fn advertised(output: &Output, credentials: &Credentials, topic: &Topic) -> Vec<Line> {
    let known = &output.bootstrap_servers;
    let told: Vec<_> =
        topic.brokers.iter().filter(|broker| !known.contains(broker)).cloned().collect();
    let reports = down_to_tls(&told, credentials).await;
    let line = |(target, report): (Target, Report)| {
        let title = format!("advertised broker {}", target.place());
        let mut line = in_short(title, &report);
        if let Outcome::Failed(Finding { remedy, .. }) = &mut line.outcome {
            *remedy += "; the brokers themselves name this address, by `advertised.listeners`";
        }
        line
    };
    reports.into_iter().map(line).collect()
}
