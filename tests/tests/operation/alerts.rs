//! The alerts: promtool takes and provokes them, they ask for metrics that there are, and each leads
//! to a section that says what to do.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use super::tool;

pub fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn promtool_takes_the_rules_and_provokes_each() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus");
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]] {
        let run = Command::new(tool("promtool")).args(args).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
    }
    let names = |file: &str, key: &str| -> BTreeSet<String> {
        let text = read(file);
        let names = text.lines().filter_map(|line| line.split_once(key));
        names.map(|(_, name)| name.trim().to_owned()).collect()
    };
    let rules = names("deploy/prometheus/rules.yaml", "- alert: ");
    assert!(rules.len() > 10);
    assert_eq!(rules, names("deploy/prometheus/tests.yaml", "        alertname: "));
}

#[test]
fn alerts_ask_for_metrics_that_there_are_and_lead_to_what_to_do() {
    let (rules, metrics) =
        (read("deploy/prometheus/rules.yaml"), read("docs/operation/metrics.md"));
    let runbook = read("docs/operation/alerts.md");
    let known: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        let words = rule.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked = words.filter(|word| word.starts_with("kafka_output_"));
        assert!(asked.clone().all(|metric| known.contains(metric)), "{name}: {rule}");
        let anchor = rule.split("docs/operation/alerts.md#").nth(1).unwrap();
        let anchor = anchor.split('\'').next().unwrap();
        let section = runbook.split(&format!("\n## {anchor}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("{name}: no section {anchor}"));
        let section = section.split("\n## ").next().unwrap();
        assert!(section.contains(&format!("`{name}`")), "{name} is not in its section");
    }
}
