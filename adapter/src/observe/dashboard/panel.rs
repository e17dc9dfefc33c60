//! Panels of the dashboard, and the expressions that most of them have.

/// A panel.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// As Grafana calls it.
    pub(super) unit: &'static str,
    /// It shows how things are now, and not how they were.
    pub(super) is_number: bool,
    /// From here on it is yellow, and red.
    pub(super) thresholds: Option<[f64; 2]>,
    /// Expressions and legends.
    pub(super) queries: &'static [(&'static str, &'static str)],
}

type Queries = &'static [(&'static str, &'static str)];

pub(super) const fn graph(title: &'static str, unit: &'static str, queries: Queries) -> Panel {
    Panel { title, unit, is_number: false, thresholds: None, queries }
}

pub(super) const fn number(
    title: &'static str,
    unit: &'static str,
    thresholds: Option<[f64; 2]>,
    queries: Queries,
) -> Panel {
    Panel { title, unit, is_number: true, thresholds, queries }
}

/// What a counter of outputs gains in a second.
macro_rules! rate {
    ($metric:literal) => {
        concat!("sum by (output) (rate(kafka_output_", $metric, "{O}[$__rate_interval]))")
    };
}

/// What a counter of outputs gains from one point of the graph to the next; with "I" as of the port's
/// credentials, which belong to no output.
macro_rules! increase {
    ($metric:literal) => {
        increase!($metric, "O")
    };
    ($metric:literal, $of:literal) => {
        concat!(
            "sum by (output) (increase(kafka_output_",
            $metric,
            "{",
            $of,
            "}[$__rate_interval]))"
        )
    };
}

/// A quantile of a histogram of outputs.
macro_rules! quantile {
    ($quantile:literal, $metric:literal) => {
        concat!(
            "histogram_quantile(",
            $quantile,
            ", sum by (le, output) (rate(kafka_output_",
            $metric,
            "_bucket{O}[$__rate_interval])))"
        )
    };
}

/// The sum over instances.
macro_rules! sum {
    ($by:literal, $metric:literal) => {
        concat!("sum by (", $by, ") (kafka_output_", $metric, "{O})")
    };
}

/// The worst of all instances.
macro_rules! most {
    ($by:literal, $metric:literal) => {
        concat!("max by (", $by, ") (kafka_output_", $metric, "{O})")
    };
}

/// A gauge of an instance as a whole.
macro_rules! of_instance {
    ($metric:literal) => {
        concat!("sum by (instance) (kafka_output_", $metric, "{I})")
    };
}

pub(super) use {increase, most, of_instance, quantile, rate, sum};
