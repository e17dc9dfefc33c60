//! The dashboard for Grafana, made of the catalogue of metrics and of [`panels`]: what a panel says of
//! itself is what the catalogue says of its metrics, and a metric that no panel shows is in the last
//! row, so that none is forgotten.
mod brokers;
mod panel;
mod panels;

use serde_json::{Value, json};

use self::{panel::Panel, panels::ROWS};
use super::{
    catalogue::catalogue,
    metrics::{Kind, Metric},
};

/// Grafana 10 and later take it; older ones convert it.
const SCHEMA_VERSION: u32 = 38;

/// How many columns Grafana has.
const COLUMNS: u32 = 24;

/// What a panel of the last row is called.
const REST: &str = "Others";

/// What the series of a panel are chosen by.
const OF_OUTPUT: &str = r#"{job=~"$job",instance=~"$instance",output=~"$output"}"#;
const OF_INSTANCE: &str = r#"{job=~"$job",instance=~"$instance"}"#;

/// A panel as it is drawn.
struct Drawn {
    title: String,
    unit: &'static str,
    is_number: bool,
    /// From here on it is yellow, and red.
    thresholds: Option<[f64; 2]>,
    /// Expressions and legends.
    queries: Vec<(String, String)>,
}

/// The dashboard as JSON, with a line end.
pub fn dashboard() -> String {
    let mut rows: Vec<(&str, Vec<Drawn>)> = ROWS
        .iter()
        .map(|(title, panels)| (*title, panels.iter().map(Drawn::of).collect()))
        .collect();
    let shown = |metric: &Metric| {
        let drawn = rows.iter().flat_map(|(_, panels)| panels);
        drawn.flat_map(|panel| &panel.queries).any(|(query, _)| asks_for(query, metric))
    };
    let rest: Vec<_> = catalogue().filter(|metric| !shown(metric)).map(Drawn::alone).collect();
    if !rest.is_empty() {
        rows.push((REST, rest));
    }
    let mut drawn = Vec::new();
    let (mut y, mut id) = (0, 1);
    for (title, panels) in rows {
        drawn.push(json!({
            "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": COLUMNS, "h": 1 },
        }));
        (y, id) = (y + 1, id + 1);
        let (mut x, mut height) = (0, 0);
        for panel in panels {
            let (w, h) = if panel.is_number { (4, 4) } else { (8, 8) };
            if x + w > COLUMNS {
                (x, y) = (0, y + height);
            }
            drawn.push(panel.json(id, &json!({ "x": x, "y": y, "w": w, "h": h })));
            (x, height, id) = (x + w, h, id + 1);
        }
        y += height;
    }
    let dashboard = json!({
        "uid": "kafka-output",
        "title": "kafka-output",
        "description": "Made by the program of its catalogue of metrics; \
            docs/operation/README.md says how.",
        "tags": ["kafka-output"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "browser",
        "templating": { "list": variables() },
        "links": [],
        "panels": drawn,
    });
    let mut text = serde_json::to_string_pretty(&dashboard).expect("JSON is text");
    text.push('\n');
    text
}

/// What the reader chooses.
fn variables() -> Vec<Value> {
    let source = json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
        "hide": 0, "refresh": 1, "regex": "", "multi": false, "includeAll": false,
    });
    let of = |name: &str, label: &str, query: &str| {
        json!({
            "name": name, "label": label, "type": "query", "datasource": data_source(),
            "query": { "query": query, "refId": name }, "definition": query, "regex": "",
            "refresh": 2, "sort": 1, "hide": 0, "multi": true, "includeAll": true,
            "allValue": ".*", "current": { "text": ["All"], "value": ["$__all"] },
        })
    };
    vec![
        source,
        of("job", "Job", "label_values(kafka_output_build_info, job)"),
        of("output", "Output", r#"label_values(kafka_output_up{job=~"$job"}, output)"#),
        of(
            "instance",
            "Instance",
            r#"label_values(kafka_output_build_info{job=~"$job"}, instance)"#,
        ),
    ]
}

fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Whether an expression asks for a metric, or for a series of it if it is a histogram.
fn asks_for(query: &str, metric: &Metric) -> bool {
    let name = metric.full_name();
    let mut words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.any(|word| match word.strip_prefix(name.as_str()) {
        Some("") => metric.kind != Kind::Histogram,
        Some("_bucket" | "_sum" | "_count") => metric.kind == Kind::Histogram,
        _ => false,
    })
}

impl Drawn {
    fn of(panel: &Panel) -> Self {
        let full = |text: &str| text.replace("{O}", OF_OUTPUT).replace("{I}", OF_INSTANCE);
        let queries = panel.queries.iter();
        Self {
            title: panel.title.to_owned(),
            unit: panel.unit,
            is_number: panel.is_number,
            thresholds: panel.thresholds,
            queries: queries.map(|(query, legend)| (full(query), (*legend).to_owned())).collect(),
        }
    }

    /// The panel of a metric that no other shows.
    fn alone(metric: &Metric) -> Self {
        let name = metric.full_name();
        let has_output = metric.labels.contains(&"output");
        let series = if has_output { OF_OUTPUT } else { OF_INSTANCE };
        let by = match metric.labels {
            [] => "instance".to_owned(),
            labels => labels.join(", "),
        };
        let query = match metric.kind {
            Kind::Gauge => format!("max by ({by}) ({name}{series})"),
            Kind::Counter => format!("sum by ({by}) (rate({name}{series}[$__rate_interval]))"),
            Kind::Histogram => {
                let rate = format!("rate({name}_bucket{series}[$__rate_interval])");
                format!("histogram_quantile(0.99, sum by (le, {by}) ({rate}))")
            }
        };
        let unit = match metric.unit {
            "seconds" => "s",
            "bytes" => "bytes",
            _ => "short",
        };
        let words = metric.name.replace('_', " ");
        Self {
            title: words[..1].to_uppercase() + &words[1..],
            unit,
            is_number: false,
            thresholds: None,
            queries: vec![(query, String::new())],
        }
    }

    /// What the catalogue says of its metrics.
    fn description(&self) -> String {
        let asked = catalogue()
            .filter(|metric| self.queries.iter().any(|(query, _)| asks_for(query, metric)));
        let said: Vec<_> =
            asked.map(|metric| format!("`{}`: {}", metric.full_name(), metric.help)).collect();
        said.join("\n\n")
    }

    fn json(&self, id: u32, at: &Value) -> Value {
        let targets = self.queries.iter().zip('A'..).map(|((query, legend), letter)| {
            let legend = if legend.is_empty() { "__auto" } else { legend.as_str() };
            json!({
                "refId": letter.to_string(), "datasource": data_source(), "editorMode": "code",
                "expr": query, "legendFormat": legend, "range": true,
            })
        });
        let steps = match self.thresholds {
            Some([yellow, red]) => json!([
                { "color": "green", "value": null },
                { "color": "yellow", "value": yellow },
                { "color": "red", "value": red },
            ]),
            None => json!([{ "color": "green", "value": null }]),
        };
        let mut fields = json!({
            "unit": self.unit,
            "thresholds": { "mode": "absolute", "steps": steps },
        });
        let options = if self.is_number {
            json!({
                "colorMode": "value", "graphMode": "area", "textMode": "auto",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            })
        } else {
            fields["color"] = json!({ "mode": "palette-classic" });
            fields["custom"] =
                json!({ "drawStyle": "line", "fillOpacity": 10, "showPoints": "never" });
            json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            })
        };
        json!({
            "id": id, "type": if self.is_number { "stat" } else { "timeseries" },
            "title": self.title, "description": self.description(), "gridPos": at,
            "datasource": data_source(), "targets": targets.collect::<Vec<_>>(),
            "fieldConfig": { "defaults": fields, "overrides": [] }, "options": options,
        })
    }
}
