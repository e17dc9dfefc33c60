//! Where traces go: from `telemetry` as it is written to what the service uses.
use std::time::Duration;

use hyper::Uri;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    convert::Section,
    raw_values::RawDuration,
    text::{InvalidText, show_duration},
};

/// As the specification of OpenTelemetry has it.
mod default {
    pub(super) const TIMEOUT: &str = "10s";
    pub(super) const SAMPLE_RATIO: f64 = 1.0;
}

const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// What collectors of OTLP over HTTP take traces at.
const PATH: &str = "v1/traces";

/// What the service tells of itself beside its log and its metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Telemetry")]
pub(super) struct RawTelemetry {
    /// Spans of batches, sent to a collector by OTLP. Without this key there are none.
    pub(super) traces: Option<RawTraces>,
}

/// Where spans go, and of which batches.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Traces")]
pub(super) struct RawTraces {
    /// The address of a collector that takes OTLP over HTTP (protobuf): `http://HOST:4318`. The path
    /// `/v1/traces` is added. Headers that it asks for stand in the environment variable
    /// `OTEL_EXPORTER_OTLP_HEADERS`, since they may be secret.
    #[schemars(required, length(min = 1), example = &"http://localhost:4318")]
    pub(super) endpoint: Option<String>,
    /// Of batches for which the engine sends no trace context, the part that is traced, from 0 to 1.
    /// Where it sends one, its own decision counts.
    #[schemars(range(min = 0.0, max = 1.0), extend("default" = default::SAMPLE_RATIO))]
    pub(super) sample_ratio: Option<f64>,
    /// How long the collector may take for a request, from 100ms to 60s. What it does not take is
    /// dropped and counted in the log.
    #[schemars(extend("default" = default::TIMEOUT))]
    pub(super) timeout: Option<RawDuration>,
}

/// Where spans go, and of which batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// The address of the collector, with its path.
    pub endpoint: String,
    /// Of a million batches without a context, how many are traced.
    pub sample_per_million: u32,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Traces {
    /// As the job file would write it.
    pub(super) fn to_json(&self) -> Value {
        let Self { endpoint, sample_per_million, timeout } = self;
        json!({
            "endpoint": endpoint.strip_suffix(PATH).unwrap_or(endpoint),
            "sampleRatio": f64::from(*sample_per_million) / 1e6,
            "timeout": show_duration(*timeout),
        })
    }
}

/// Makes the traces. Nothing comes back only if a fault was reported.
pub(super) fn traces(
    section: &mut Section<'_>,
    raw: Option<&RawTelemetry>,
) -> Option<Option<Traces>> {
    let Some(raw) = raw.and_then(|raw| raw.traces.as_ref()) else { return Some(None) };
    let endpoint = raw.endpoint.as_deref().and_then(|text| {
        let path = "telemetry.traces.endpoint";
        section.take(path, endpoint(text))
    });
    let timeout = section.duration(
        "telemetry.traces.timeout",
        raw.timeout.as_ref(),
        default::TIMEOUT,
        TIMEOUT,
    );
    let ratio = raw.sample_ratio.unwrap_or(default::SAMPLE_RATIO);
    let path = "telemetry.traces.sampleRatio";
    if !(0.0..=1.0).contains(&ratio) {
        let message = format!("`sampleRatio` is {ratio}, which is out of its range");
        section.fault("OUT_OF_RANGE", path, message, "write a number from 0 to 1");
        return None;
    }
    let sample_per_million = (ratio * 1e6).round() as u32;
    Some(Some(Traces { endpoint: endpoint?, sample_per_million, timeout: timeout? }))
}

fn endpoint(text: &str) -> Result<String, InvalidText> {
    let help = "write it as http://HOST:4318 or https://HOST";
    let invalid =
        |what: &str| InvalidText::new(format!("is no address of a collector: {what}"), help);
    let uri: Uri = text.parse().map_err(|_| invalid("it is no URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(invalid("it begins with neither http:// nor https://"));
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') || text.contains(['?', '#']) {
        return Err(invalid("a user, a query or a fragment has no place in it"));
    }
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix("/v1/traces").unwrap_or(path);
    Ok(format!("{}://{authority}{path}/{PATH}", uri.scheme_str().unwrap_or_default()))
}
