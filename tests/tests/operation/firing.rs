//! Whether alerts fire when what was scraped goes on: promtool evaluates the rules over it.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    time::{Instant, SystemTime},
};

use tests::{admin::Scrape, cache, service::Service};

use super::tool;

/// What goes on for so long has made every alert fire that it makes fire at all.
const MINUTES: usize = 90;

/// Metrics that are points in Unix time; promtool's clock begins with 0.
const TIMES: [&str; 5] = [
    "_expires_seconds",
    "_checked_seconds",
    "_since_seconds",
    "_start_time_seconds",
    "_last_acknowledgement_seconds",
];

/// Two scrapes of a service, between which counts have grown as they will go on to.
pub struct Watched {
    first: (Scrape, Instant),
}

/// Between two scrapes, at least.
const BASE: std::time::Duration = std::time::Duration::from_secs(2);

impl Watched {
    /// The first scrape.
    pub fn begin(service: &Service) -> Self {
        Self { first: (service.admin().metrics(), Instant::now()) }
    }

    /// Checks which alerts fire if it goes on as from the first scrape to now. `of` is what an alert
    /// must be of, as `KafkaOutputDown{output="out"}`; each must fire once, with these labels. Without
    /// any, none may fire.
    #[track_caller]
    pub fn fires(&self, service: &Service, of: &[&str]) {
        // What is counted once in a moment is no rate.
        std::thread::sleep(BASE.saturating_sub(self.first.1.elapsed()));
        let second = service.admin().metrics();
        let minutes = self.first.1.elapsed().as_secs_f64() / 60.0;
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/prometheus/rules.yaml");
        let rules = rules.canonicalize().unwrap();
        let mut file = format!(
            "rule_files: [{}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
             input_series:\n",
            rules.display()
        );
        let series = second.0.lines().filter(|line| !line.starts_with('#'));
        for line in series.filter(|line| !line.contains("_bucket{")) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let before = self.first.0.value(series).unwrap_or(value);
            let name = series.split('{').next().unwrap();
            let grows = name.ends_with("_total") || name.ends_with("_age_seconds");
            let step = if grows { (value - before) / minutes } else { 0.0 };
            let is_time = TIMES.iter().any(|end| name.ends_with(end));
            let value = if is_time { value - unix_now() } else { value };
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            let labels = labels.trim_end_matches('}');
            let comma = if labels.is_empty() { "" } else { "," };
            writeln!(
                file,
                "      - series: '{name}{{{labels}{comma}instance=\"a\"}}'\n        \
                 values: '{value:.6}{step:+.6}x{MINUTES}'"
            )
            .unwrap();
        }
        writeln!(file, "    promql_expr_test:").unwrap();
        let mut expect = |query: &str, samples: &str| {
            writeln!(
                file,
                "      - expr: '{query}'\n        eval_time: {MINUTES}m\n        \
                 exp_samples: {samples}"
            )
            .unwrap();
        };
        for alert in of {
            let (name, labels) = alert.split_once('{').unwrap();
            let labels = labels.trim_end_matches('}');
            let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
            // Without what each alert has anyway.
            let query = format!(
                "sum without (__name__, severity, instance) (ALERTS{{alertname=\"{name}\",\
                 alertstate=\"firing\"{labels}}})"
            );
            // A label that is empty is none.
            let labels = labels.replace(",output=\"\"", "");
            let labels = format!("{{alertname=\"{name}\",alertstate=\"firing\"{labels}}}");
            expect(&query, &format!("[{{ labels: '{labels}', value: 1 }}]"));
        }
        if of.is_empty() {
            expect("ALERTS{alertstate=\"firing\"}", "[]");
        }
        let folder = cache::run_dir("firing-");
        let path = folder.path().join("tests.yaml");
        fs::write(&path, &file).unwrap();
        let run = Command::new(tool("promtool")).args(["test", "rules"]).arg(&path).output();
        let run = run.unwrap();
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}\n{file}");
    }
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}
