//! Metrics of what the service shows and trusts: until when it holds, and whether it is the newest.
use std::fmt;

use super::{
    super::{
        metrics::{Kind, Metric},
        picture::{CredentialsNow, Picture},
    },
    unix,
};

/// Of outputs, of the port, and of those who vouch for callers' tokens.
pub const CREDENTIALS: &[Metric] = &[
    Metric {
        name: "credential_expires",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output", "purpose"],
        help: "When a certificate, password or token in use ends, in Unix time; no series where that is not known. The output is empty for what the gRPC port shows and trusts.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| {
                let known =
                    credentials.in_use.iter().filter_map(|one| Some((one.purpose, one.expires?)));
                known.into_iter().try_for_each(|(purpose, expires)| {
                    r.number(&[("output", output), ("purpose", purpose)], unix(expires))
                })
            })
        },
    },
    Metric {
        name: "credentials_checked",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output"],
        help: "When it was last looked up, with success, whether credentials are the newest, in Unix time.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| match credentials.checked {
                Some(checked) => r.number(&[("output", output)], unix(checked)),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "credentials_since",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &["output"],
        help: "Since when the credentials in use are in place, in Unix time.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| match credentials.since {
                Some(since) => r.number(&[("output", output)], unix(since)),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "credentials_renewals",
        kind: Kind::Counter,
        unit: "",
        labels: &["output"],
        help: "How often other credentials were put in place.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| {
                r.number(&[("output", output)], credentials.renewals as f64)
            })
        },
    },
    Metric {
        name: "credentials_trouble",
        kind: Kind::Gauge,
        unit: "",
        labels: &["output", "code"],
        help: "1 for the stable code of why newer credentials are not in place; no series while nothing is wrong.",
        stream_analytics: None,
        read: |p, r| {
            each_credentials(p, |output, credentials| match &credentials.trouble {
                Some(trouble) => r.number(&[("output", output), ("code", trouble.code)], 1.0),
                None => Ok(()),
            })
        },
    },
    Metric {
        name: "token_trust_checked",
        kind: Kind::Gauge,
        unit: "seconds",
        labels: &[],
        help: "When it was last looked up, with success, who vouches for the issuer of callers' tokens, in Unix time; no series without `tokens.truststore`.",
        stream_analytics: None,
        read: |p, r| p.token_trust.checked.map_or(Ok(()), |checked| r.one(unix(checked))),
    },
    Metric {
        name: "token_trust_trouble",
        kind: Kind::Gauge,
        unit: "",
        labels: &["code"],
        help: "1 for the stable code of why a newer `tokens.truststore` is not in place; no series while nothing is wrong.",
        stream_analytics: None,
        read: |p, r| match &p.token_trust.trouble {
            Some(trouble) => r.number(&[("code", trouble.code)], 1.0),
            None => Ok(()),
        },
    },
];

/// The credentials of the port, whose output is empty, and of each output.
fn each_credentials(
    picture: &Picture,
    mut take: impl FnMut(&str, &CredentialsNow) -> fmt::Result,
) -> fmt::Result {
    take("", &picture.certificate)?;
    picture.outputs.iter().try_for_each(|output| take(&output.alias, &output.credentials))
}
