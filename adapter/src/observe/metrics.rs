//! Metrics as a scrape gets them: OpenMetrics, or Prometheus' older text for those who do not ask.
use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text},
    metrics::{MetricType, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    Observer,
    catalogue::catalogue,
    picture::{OutputNow, Picture},
};

/// What all names begin with.
const PREFIX: &str = "kafka_output";

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, but for a restart.
    Counter,
    /// It is as it is now.
    Gauge,
    /// How often something took how long.
    Histogram,
}

/// A metric of the catalogue.
pub struct Metric {
    /// Its name between the prefix and the unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its unit; empty if it counts things.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
    /// The metric of Stream Analytics that says the same, or nearly so.
    pub stream_analytics: Option<&'static str>,
    pub(super) read: fn(&Picture, &mut Reading<'_, '_>) -> fmt::Result,
}

/// Takes the values of one metric.
pub(super) struct Reading<'a, 'b> {
    encoder: &'a mut MetricEncoder<'b>,
    kind: Kind,
}

/// How a scrape wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

/// Prints the metrics of a service.
pub struct Metrics(Registry);

struct All(Arc<Observer>);

impl fmt::Debug for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "All({})", self.0.job)
    }
}

impl Metric {
    /// Its name in queries: with the prefix, the unit, and `_total` if it is a counter. The series of
    /// a histogram have `_bucket`, `_sum` and `_count` behind it.
    pub fn full_name(&self) -> String {
        let mut name = format!("{PREFIX}_{}", self.name);
        if !self.unit.is_empty() {
            name = format!("{name}_{}", self.unit);
        }
        if self.kind == Kind::Counter { name + "_total" } else { name }
    }
}

impl Reading<'_, '_> {
    pub(super) fn number(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        let mut encoder = self.encoder.encode_family(&labels)?;
        match self.kind {
            Kind::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            _ => encoder.encode_gauge(&value),
        }
    }

    /// A value of the whole service.
    pub(super) fn one(&mut self, value: f64) -> fmt::Result {
        match self.kind {
            Kind::Counter => self.encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            _ => self.encoder.encode_gauge(&value),
        }
    }

    /// A value of each output.
    pub(super) fn each(
        &mut self,
        picture: &Picture,
        value: impl Fn(&OutputNow) -> f64,
    ) -> fmt::Result {
        let mut outputs = picture.outputs.iter();
        outputs.try_for_each(|output| self.number(&[("output", &output.alias)], value(output)))
    }

    /// A value of each output of which it is known.
    pub(super) fn known(
        &mut self,
        picture: &Picture,
        value: impl Fn(&OutputNow) -> Option<f64>,
    ) -> fmt::Result {
        picture.outputs.iter().try_for_each(|output| match value(output) {
            Some(value) => self.number(&[("output", &output.alias)], value),
            None => Ok(()),
        })
    }

    /// A histogram of each output.
    pub(super) fn times(
        &mut self,
        picture: &Picture,
        of: fn(&OutputNow) -> &Histogram,
    ) -> fmt::Result {
        picture.outputs.iter().try_for_each(|output| {
            let labels: &[(&str, &str)] = &[("output", &output.alias)];
            of(output).encode(self.encoder.encode_family(&labels)?)
        })
    }
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let picture = self.0.picture();
        for metric in catalogue() {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let unit = match metric.unit {
                "" => None,
                "seconds" => Some(Unit::Seconds),
                "bytes" => Some(Unit::Bytes),
                other => Some(Unit::Other(other.to_owned())),
            };
            let help = metric.help.trim_end_matches('.');
            let mut encoder = encoder.encode_descriptor(metric.name, help, unit.as_ref(), kind)?;
            (metric.read)(&picture, &mut Reading { encoder: &mut encoder, kind: metric.kind })?;
        }
        Ok(())
    }
}

impl Metrics {
    /// The metrics of a service.
    pub fn new(observer: Arc<Observer>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(All(observer)));
        Self(registry)
    }

    /// How they are now.
    pub fn print(&self, form: Form) -> String {
        let mut printed = String::new();
        text::encode(&mut printed, &self.0).expect("a string takes everything");
        match form {
            Form::OpenMetrics => printed,
            Form::Text => older(&printed),
        }
    }
}

impl Form {
    /// What a scrape asks for (`Accept`, RFC 9110).
    pub fn of_accept(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The page of metrics, for people.
pub fn page() -> String {
    let mut page = "# Metrics\n\nMade of the catalogue in the program \
        (`adapter/src/observe/catalogue.rs`); what a scrape of `/metrics` prints. \
        \"Stands for\" names the metric of Azure Stream Analytics that says the same, or nearly so. \
        A histogram has `_bucket`, `_sum` and `_count`.\n\n\
        | metric | kind | labels | says | stands for |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for metric in catalogue() {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels) = (metric.full_name(), labels.join(", "));
        let (help, stands_for) = (metric.help, metric.stream_analytics.unwrap_or_default());
        writeln!(page, "| `{name}` | {kind} | {labels} | {help} | {stands_for} |")
            .expect("a string takes everything");
    }
    page
}

/// OpenMetrics in the words of Prometheus' older text: there a counter's family is named as its
/// samples are, and there are neither units nor a last line.
fn older(printed: &str) -> String {
    let counters: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut older = String::with_capacity(printed.len());
    for line in printed.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => {}
            (Some("#"), Some(word), Some(name), Some(rest)) if counters.contains(&name) => {
                writeln!(older, "# {word} {name}_total {rest}").expect("a string takes everything");
            }
            _ => writeln!(older, "{line}").expect("a string takes everything"),
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_prometheus_names_and_stand_once() {
        let names: BTreeSet<String> = catalogue().map(Metric::full_name).collect();
        assert_eq!(names.len(), catalogue().count());
        for Metric { name, unit, labels, help, .. } in catalogue() {
            let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(is_good) && !name.ends_with("_total"), "{name}");
            assert!(["", "seconds", "bytes"].contains(unit), "{name}: {unit}");
            assert!(labels.iter().all(|label| label.chars().all(is_good)), "{name}: {labels:?}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        }
    }

    #[test]
    fn the_older_text_names_counters_as_their_samples_and_ends_without_a_word() {
        let printed = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
            a_seconds_total 1.0\n# HELP b Things.\n# TYPE b gauge\nb 2\n# EOF\n";
        let expected = "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\n\
            a_seconds_total 1.0\n# HELP b Things.\n# TYPE b gauge\nb 2\n";
        assert_eq!(older(printed), expected);
    }
}
