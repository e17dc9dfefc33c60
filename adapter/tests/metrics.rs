//! The page of metrics and the dashboard are the catalogue.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{env, fs, path::Path};

use kafka_output::observe::{catalogue::catalogue, dashboard, metrics};
use serde_json::Value;

/// A file of the repository is what the program makes of the catalogue.
fn is_as_made(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if env::var_os("KAFKA_OUTPUT_UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(made.lines()).find(|(written, made)| written != made);
    assert!(
        written == made,
        "{file} is not what the catalogue says, first here: {differs:?}; \
         KAFKA_OUTPUT_UPDATE_DOCS=1 cargo test --release --test metrics writes it anew"
    );
}

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    is_as_made("docs/operation/metrics.md", &metrics::page());
}

#[test]
fn the_dashboard_is_the_catalogue() {
    is_as_made("deploy/grafana/kafka-output.json", &dashboard::dashboard());
}

#[test]
fn every_metric_is_on_the_dashboard_and_no_panel_hides_another() {
    let dashboard: Value = serde_json::from_str(&dashboard::dashboard()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let described: String = panels.iter().map(|panel| text(&panel["description"])).collect();
    for metric in catalogue() {
        assert!(described.contains(&format!("`{}`: ", metric.full_name())), "{}", metric.name);
    }
    let mut taken = Vec::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let is_row = panel["type"] == "row";
        assert_eq!(text(&panel["description"]).is_empty(), is_row, "{panel}");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for cell in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(!taken.contains(&cell), "{panel}");
            taken.push(cell);
        }
        assert_eq!(panels.iter().filter(|other| other["id"] == panel["id"]).count(), 1);
    }
}
