//! The dashboard: Prometheus reads its expressions, which ask for metrics that there are.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;
use tests::cache;

use super::{alerts::read, tool};

#[test]
fn prometheus_reads_every_expression_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/kafka-output.json")).unwrap();
    let (mut rules, mut count) = ("groups:\n  - name: dashboard\n    rules:\n".to_owned(), 0);
    let page = read("docs/operation/metrics.md");
    let known: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let of_histogram = ["_bucket", "_sum", "_count"];
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let asked = target["expr"].as_str().unwrap();
            let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("kafka_output_")) {
                let family = of_histogram.iter().find_map(|end| word.strip_suffix(end));
                assert!(known.contains(word) || known.contains(family.unwrap_or(word)), "{asked}");
            }
            // What Grafana puts there.
            let asked = asked.replace("$__rate_interval", "5m").replace('\'', "''");
            for variable in ["$job", "$instance", "$output"] {
                assert!(
                    !asked.contains(&format!("\"{variable}")) || asked.contains("=~"),
                    "{asked}"
                );
            }
            rules += &format!("      - record: panel:{count}\n        expr: '{asked}'\n");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
    let folder = cache::run_dir("dashboard-");
    let path = folder.path().join("rules.yaml");
    fs::write(&path, &rules).unwrap();
    let run = Command::new(tool("promtool")).args(["check", "rules"]).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}
