//! Every fault of a connection, made by a listener of the test, is told with its own code, text
//! and remedy.
#![expect(clippy::unwrap_used, reason = "a test panics where something is not as it says")]

mod broker;
mod certificates;
mod client;
mod command;
mod listener;
mod login;
mod server;

use kafka_output::diagnose::{Login, Outcome, Report, Target, Tls, diagnose};
use keyvault::{Secret, material::TrustStore};

const HOST: &str = "localhost";

fn target(port: u16) -> Target {
    Target { host: HOST.to_owned(), port, tls: None, login: None }
}

fn tls_target(port: u16, truststore: TrustStore) -> Target {
    let tls = Tls { truststore: Some(truststore), ..Tls::default() };
    Target { tls: Some(tls), ..target(port) }
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// The report as lines, with `PORT` for the port and `N` for counts of days and dates.
async fn report(target: &Target) -> (Report, String) {
    let report = diagnose(target).await;
    let lines = report.steps.iter().map(|step| {
        let name = step.name;
        match &step.outcome {
            Outcome::Passed(facts) => format!("✓ {name}: {}", facts.text),
            Outcome::Warned(facts, finding) => {
                format!("! {name}: {}\n  {}: {finding}", facts.text, finding.code)
            }
            Outcome::Failed(finding) => format!("✗ {name}: {}: {finding}", finding.code),
            Outcome::NotChecked(why) => format!("– {name}: {why}"),
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = days_masked(&text.replace(&target.port.to_string(), "PORT"));
    (report, text)
}

/// What fails, as `step CODE: text; remedy`.
async fn failure(target: &Target) -> String {
    let (report, text) = report(target).await;
    let failed = text.lines().find_map(|line| line.strip_prefix("✗ "));
    let failed = failed.unwrap_or_else(|| panic!("nothing fails:\n{text}"));
    assert!(failed.contains(report.cause().unwrap().code), "{text}");
    failed.to_owned()
}

/// All lines of a target that works.
async fn works(target: &Target) -> String {
    let (report, text) = report(target).await;
    assert_eq!(report.cause(), None, "{text}");
    text
}

/// `364 days` → `N days`.
fn days_masked(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let masked = words.iter().enumerate().map(|(index, word)| {
        let counts = words.get(index + 1).is_some_and(|next| next.starts_with("day"));
        if counts && word.trim_start_matches('-').parse::<u64>().is_ok() { "N" } else { word }
    });
    masked.collect::<Vec<_>>().join(" ")
}

fn with_login(target: Target, login: Login) -> Target {
    Target { login: Some(login), ..target }
}
